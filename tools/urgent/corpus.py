"""The messages that the rule for urgent messages is trained on: made up for it, none taken from anybody.

``corpus/<family>.txt`` and ``corpus/harmless_*.txt`` hold one message a line, in which ``[a|b]`` stands for either;
``corpus/grammar.txt`` puts messages together from parts, so that the same frames carry danger and none; and some
messages are set beside others, so that danger also comes buried. Every choice follows from the seed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "corpus"
FAMILIES = ("intent", "act", "means", "ending", "others", "third_person")
HARMLESS = "none"
VARIANTS = 8
"""Most wordings taken of one line."""
OF_EACH_FORM = 60
"""Most messages taken of one form of the grammar."""
JOINED = 1500
"""Messages set beside others: so many with danger, and so many without."""

_EITHER = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Example:
    """A message with what it is."""

    text: str
    family: str
    """One of ``FAMILIES`` or ``HARMLESS``."""
    line: str
    """Where it comes from; wordings of one line are no independent evidence."""
    weight: float

    @property
    def urgent(self) -> bool:
        """Whether it should alarm."""
        return self.family != HARMLESS


def written(seed: int = 0) -> list[Example]:
    """The messages written one by one; no wording comes twice."""
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        if path.stem == "grammar":
            continue
        rng = random.Random(f"{seed} {path.stem}")
        family = HARMLESS if path.stem.startswith("harmless") else path.stem
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line and not line.startswith("#"):
                texts = _wordings(line, rng)
                found += [Example(text, family, f"{path.stem}:{number}", len(texts) ** -0.5) for text in texts]
    return found


def _wordings(line: str, rng: random.Random) -> list[str]:
    """As many as the longest choice of a line is long, up to ``VARIANTS``, so that every alternative is taken."""
    fixed = _EITHER.split(line)[::2]
    choices = [found.split("|") for found in _EITHER.findall(line)]
    for choice in choices:
        rng.shuffle(choice)
    texts = []
    for n in range(max(map(len, choices), default=1)):
        chosen = [choice[n % len(choice)] + after for choice, after in zip(choices, fixed[1:], strict=True)]
        texts.append(_tidy("".join([fixed[0], *chosen])))
    return list(dict.fromkeys(texts))[:VARIANTS]


def _chosen(line: str, rng: random.Random) -> str:
    return _EITHER.sub(lambda found: rng.choice(found[1].split("|")), line)


def _tidy(text: str) -> str:
    return re.sub(r" ([.,?])", r"\1", " ".join(text.split()))


def composed(seed: int = 0) -> list[Example]:
    """Messages put together by the grammar."""
    parts: dict[str, list[str]] = {}
    forms: list[tuple[str, str]] = []
    family, part = "", None
    for line in (FOLDER / "grammar.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            family, part = line[3:], None
        elif line.startswith("= "):
            part = parts.setdefault(line[2:], [])
        elif part is not None:
            part.append(line)
        elif line and not line.startswith("#"):
            forms.append((family, line))
    return [
        Example(text, family, f"grammar:{number}:{n % 12}", 0.6)
        for number, (family, form) in enumerate(forms)
        for n, text in enumerate(_filled(form, parts, random.Random(f"{seed} {number}")))
    ]


def _filled(form: str, parts: dict[str, list[str]], rng: random.Random) -> list[str]:
    texts = []
    for _ in range(OF_EACH_FORM):
        text = form
        while _SLOT.search(text) or _EITHER.search(text):
            text = _chosen(_SLOT.sub(lambda found: rng.choice(parts[found[1]]), text), rng)
        texts.append(_tidy(text))
    return list(dict.fromkeys(texts))


def joined(examples: list[Example], seed: int = 0) -> Iterator[Example]:
    """Messages of several sentences: danger among harmless ones, and harmless ones alone."""
    rng = random.Random(f"{seed} joined")
    urgent = [example for example in examples if example.urgent]
    harmless = [example for example in examples if not example.urgent]
    everyday = [example for example in harmless if example.line.startswith("harmless_everyday")]

    def ended(text: str) -> str:
        return text if text[-1] in ".!?" else text + rng.choice([".", ".", " lol", "!", "\n"])

    def beside() -> str:
        return rng.choice(everyday if rng.random() < 0.6 else harmless).text

    for _ in range(JOINED):
        danger, before, after = rng.choice(urgent), beside(), beside()
        text = rng.choice(
            [
                *[f"{ended(before)} {danger.text}"] * 4,
                *[f"{ended(danger.text)} {after}"] * 2,
                *[f"{ended(before)} {ended(danger.text)} {after}"] * 3,
                f"{before.rstrip('.?!')} {rng.choice(['and', 'but', 'anyway', 'also', ''])} {danger.text}",
            ]
        )
        yield Example(text, danger.family, danger.line, 0.5)
    for _ in range(JOINED):
        first, second = rng.choice(harmless), rng.choice(harmless)
        text = f"{ended(first.text)} {second.text}"
        yield Example(f"{ended(text)} {beside()}" if rng.random() < 0.4 else text, HARMLESS, first.line, 0.5)
