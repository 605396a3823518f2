"""Prints how often the rule for urgent messages catches them, how often it alarms at dark wording, and its cost.

    python benchmarks/urgent.py --splits development             # while working on the rule
    python benchmarks/urgent.py                                  # also the split that nothing was chosen on
    python benchmarks/urgent.py --misses                         # and the texts it got wrong, of development alone

Intervals are Wilson's, 95 %. The lists were written for this purpose by somebody who did not see the rule; they say
how it does on such messages, and nothing about how people in need write. ``replies.jsonl`` and ``volunteered.jsonl``
hold what people say of themselves, some of it of self-harm: an upper bound on needless alarms in a conversation.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from raise_agent.agent.danger import danger
from raise_agent.agent.urgent import urgent, urgent_reply
from raise_agent.attributes import penguin_table

MESSAGES = Path(__file__).resolve().parent.parent / "tests" / "agent" / "messages"
SPLITS = ("development", "held_out")
NORMAL_975 = 1.959964
ORDINARY = (
    "I have been working at the same company for six years and my manager offered me a transfer to another city, but "
    "my partner does not want to move and I am afraid I will regret it; what should I do?"
)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Bounds of the 95 % interval of a share, Wilson 1927."""
    z2 = NORMAL_975**2
    middle = (hits + z2 / 2) / (n + z2)
    half = NORMAL_975 / (n + z2) * (hits * (n - hits) / n + z2 / 4) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def microseconds(text: str, repeats: int = 20) -> float:
    """Least time of some calls; the others measure the rest of the machine."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        urgent(text)
        times.append(time.perf_counter() - began)
    return min(times) * 1e6


def rows(name: str, splits: Sequence[str]) -> list[dict[str, str]]:
    """The messages of a list, of some splits; the lists of replies have none."""
    lines = (MESSAGES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row.get("split", splits[0]) in splits]


def table(name: str, heading: str, splits: Sequence[str]) -> None:
    """One row for each kind and split of a list, and one for each split."""
    alarms: dict[tuple[str, str], list[bool]] = defaultdict(list)
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows(name, splits):
        for kind in {row.get("kind", "all"), "all"}:
            alarms[kind, row.get("split", "-")].append(urgent(row["text"]) is not None)
            times[kind, row.get("split", "-")].append(microseconds(row["text"]))
    print(f"\n| {name}.jsonl | split | n | {heading} | share [95 %] | median µs | longest µs |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for (kind, split), hits in sorted(alarms.items(), key=lambda item: (item[0][0] == "all", item[0])):
        n, caught = len(hits), sum(hits)
        low, high = wilson(caught, n)
        spent = times[kind, split]
        print(
            f"| {kind} | {split} | {n} | {caught} | {caught / n:.1%} [{low:.1%}, {high:.1%}] "
            f"| {statistics.median(spent):.0f} | {max(spent):.0f} |"
        )


def self_harm() -> None:
    """Replies to whether somebody ever hurt themselves, read by themselves and as replies."""
    attributes = penguin_table()
    asked = attributes[attributes.index("self_harm")]
    alarms: dict[tuple[bool, str], list[tuple[bool, bool]]] = defaultdict(list)
    for row in rows("self_harm_replies", SPLITS):
        for kind in (row["kind"], "all"):
            both = urgent(row["text"]) is not None, urgent_reply(row["text"], asked) is not None
            alarms[not row["urgent"], kind].append(both)
    print("\n| self_harm_replies.jsonl | urgent | n | alarms by itself | as a reply | share [95 %] |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for (harmless, kind), hits in sorted(alarms.items(), key=lambda item: (item[0][1] == "all", item[0])):
        n, alone, replied = len(hits), sum(one for one, _ in hits), sum(one for _, one in hits)
        low, high = wilson(replied, n)
        said = "no" if harmless else "yes"
        print(f"| {kind} | {said} | {n} | {alone} | {replied} | {replied / n:.1%} [{low:.1%}, {high:.1%}] |")


def misses() -> None:
    """The messages of the development split that the rule gets wrong, those furthest off first."""
    for name, sign in (("urgent", 1), ("dark", -1)):
        scored = [(sign * danger(row["text"]).above, row["text"]) for row in rows(name, ["development"])]
        for above, text in sorted(scored):
            if above <= 0:
                print(f"{name} {sign * above:+.2f} {text}")


def main() -> None:
    """Print the tables and the cost of an ordinary message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=SPLITS)
    parser.add_argument("--misses", action="store_true")
    arguments = parser.parse_args()
    if arguments.misses:
        misses()
        return
    table("urgent", "caught", arguments.splits)
    table("dark", "false alarms", arguments.splits)
    table("replies", "alarms", arguments.splits)
    table("volunteered", "alarms", arguments.splits)
    self_harm()
    print(f"\nAn ordinary message of {len(ORDINARY.split())} words: {microseconds(ORDINARY, 2000):.0f} microseconds")


if __name__ == "__main__":
    main()
