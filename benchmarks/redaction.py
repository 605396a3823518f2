"""Prints what the rules of redaction miss and what they take out for nothing, on texts written for this purpose.

    python benchmarks/redaction.py                  # by kind and split
    python benchmarks/redaction.py --misses         # and each text that is not right

In ``tests/building/redaction.jsonl`` what must go stands in tags. ``development`` was looked at while the rules were
written; ``held_out`` was written before them, by the same person, and no rule was chosen on it. A miss is a tagged
stretch of which a letter or digit is left; a false alarm is a mark that touches no tagged stretch.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from raise_agent.building.redaction import KINDS, find

TEXTS = Path(__file__).resolve().parent.parent / "tests" / "building" / "redaction.jsonl"
_TAG = re.compile(r"<(\w+)>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one text fared."""

    split: str
    text: str
    wanted: tuple[str, ...]
    """Kinds of the tagged stretches."""
    missed: tuple[str, ...]
    """Kinds of those of which something is left."""
    alarms: tuple[str, ...]
    """Kinds of the marks that touch none of them."""


def verdict(split: str, tagged: str) -> Verdict:
    """What became of a text with tags."""
    plain, wanted, kept = "", [], 0
    for match in _TAG.finditer(tagged):
        plain += tagged[kept : match.start()]
        wanted.append((match[1], len(plain), len(plain) + len(match[2])))
        plain += match[2]
        kept = match.end()
    plain += tagged[kept:]
    spans = find(plain)
    gone = {at for span in spans for at in range(span.start, span.end)}
    missed = [k for k, a, b in wanted if any(plain[at].isalnum() and at not in gone for at in range(a, b))]
    alarms = [s.kind for s in spans if not any(s.start < b and a < s.end for _, a, b in wanted)]
    return Verdict(split, tagged, tuple(kind for kind, _, _ in wanted), tuple(missed), tuple(alarms))


def verdicts() -> list[Verdict]:
    """Of every text of the list."""
    rows = map(json.loads, TEXTS.read_text(encoding="utf-8").splitlines())
    return [verdict(row["split"], row["text"]) for row in rows]


def main() -> None:
    """Print the table, and the texts that are not right if asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--misses", action="store_true")
    arguments = parser.parse_args()
    began = time.perf_counter()
    results = verdicts()
    spent = time.perf_counter() - began
    print("| kind | split | stretches | missed | false alarms |\n| --- | --- | ---: | ---: | ---: |")
    for split in ("development", "held_out"):
        wanted, missed, alarms = (
            Counter(kind for v in results if v.split == split for kind in getattr(v, name))
            for name in ("wanted", "missed", "alarms")
        )
        for kind in KINDS:
            print(f"| {kind} | {split} | {wanted[kind]} | {missed[kind]} | {alarms[kind]} |")
        clean = sum(v.split == split and not v.wanted for v in results)
        print(f"| all | {split} | {wanted.total()} | {missed.total()} | {alarms.total()} ({clean} texts without any) |")
    print(f"\n{len(results)} texts in {spent * 1000:.0f} ms")
    if arguments.misses:
        for v in results:
            if v.missed or v.alarms:
                print(f"{v.split}: missed {list(v.missed)}, false alarms {list(v.alarms)}: {v.text!r}")


if __name__ == "__main__":
    main()
