"""Prints how often urgent messages are caught, by the rule or by a model, how often dark wording alarms, and the cost.

    python benchmarks/urgent.py --splits development             # while working on the rule
    python benchmarks/urgent.py                                  # also the split that nothing was chosen on
    python benchmarks/urgent.py --misses                         # and the texts it got wrong, of development alone
    python benchmarks/urgent.py --url http://localhost:8000/v1 --model MODEL    # the model that looks out beside it

Intervals are Wilson's, 95 %. The lists were written for this purpose by somebody who did not see the rule; they say
how it does on such messages, and nothing about how people in need write. ``replies.jsonl`` and ``volunteered.jsonl``
hold what people say of themselves, some of it of self-harm: an upper bound on needless alarms in a conversation.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from raise_agent.agent.danger import danger
from raise_agent.agent.urgent import urgent, urgent_reply
from raise_agent.attributes import penguin_table
from raise_agent.errors import RaiseError
from raise_agent.models.served.agent import ServedAgent
from raise_agent.models.served.client import Client, ClientSettings
from raise_agent.models.served.connect import ServedSettings, find_callers
from raise_agent.models.served.failures import CallFailed
from raise_agent.models.served.settings import AgentSettings

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


def by_model(url: str, model: str | None, splits: Sequence[str]) -> None:
    """The rule, the model that looks out, and both together, as in a conversation; one row for each list and kind."""
    asked = penguin_table()[penguin_table().index("self_harm")]
    listed = [
        ((name, row.get("kind", "-"), bool(row.get("urgent", name == "urgent"))), row["text"], question)
        for name, question in (("urgent", None), ("dark", None), ("self_harm_replies", asked))
        for row in rows(name, splits)
    ]
    by_rule = [(urgent(text) if of is None else urgent_reply(text, of)) is not None for _, text, of in listed]
    heard = asyncio.run(_heard(url, model, [(text, of.question if of else None) for _, text, of in listed]))
    alarms: dict[tuple[str, str, bool], list[tuple[bool, bool | None]]] = defaultdict(list)
    for ((name, kind, danger_there), _, _), rule, told in zip(listed, by_rule, heard, strict=True):
        for group in (kind, "all"):
            alarms[name, group, danger_there].append((rule, told))
    print("\n| list | kind | urgent | n | rule | model | either | share [95 %] | unread by the model |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (name, kind, danger_there), hits in sorted(alarms.items()):
        n, either = len(hits), sum(rule or bool(told) for rule, told in hits)
        low, high = wilson(either, n)
        print(
            f"| {name} | {kind} | {'yes' if danger_there else 'no'} | {n} | {sum(rule for rule, _ in hits)} "
            f"| {sum(bool(told) for _, told in hits)} | {either} | {either / n:.1%} [{low:.1%}, {high:.1%}] "
            f"| {sum(told is None for _, told in hits)} |"
        )


async def _heard(url: str, model: str | None, said: Sequence[tuple[str, str | None]]) -> list[bool | None]:
    """Whether the model alarms; None where it says nothing that can be read."""
    settings = ServedSettings(ClientSettings(), agent=AgentSettings(base_url=(url,), model=model))
    client = Client(settings.client)

    async def alarms(text: str, question: str | None) -> bool | None:
        try:
            return await watching.watch(text, question) is not None
        except CallFailed:
            return None

    try:
        watching = ServedAgent((await find_callers(client, settings, ("agent",)))["agent"], penguin_table())
        return list(await asyncio.gather(*(alarms(*one) for one in said)))
    finally:
        await client.aclose()


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
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--misses", action="store_true")
    what.add_argument("--url", help="of an OpenAI-compatible server, usually ending in /v1")
    parser.add_argument("--model", help="that it serves; needed where it serves several")
    arguments = parser.parse_args()
    if arguments.url:
        try:
            by_model(arguments.url, arguments.model, arguments.splits)
        except RaiseError as error:
            raise SystemExit(f"error: {error}") from None
        return
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
