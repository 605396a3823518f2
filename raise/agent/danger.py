"""How much a text speaks of acting on self-harm or harming someone now: a linear model over words and word classes.

    score of a part of the text   b + sum of w[f] over its features f
    score of the text             the highest of its parts
    family of the text            argmax over families of a + sum of v[f], over the features of that part

A part is a sentence of ``sentences``, joined to the next while it is shorter than ``SHORT`` words and cut into windows
of ``WINDOW`` words where it is longer, so that danger buried in a long text counts as much as danger alone. Features,
each once however often it occurs:

======  =========================================================================================================
``a``   one, two or three words in a row; ``^`` and ``$`` are the ends of the part
``/a``  one to three terms in a row: words without fillers, each as its class (``~pills``, ``~kin``), else its stem
``.a``  two terms up to ``SKIP`` apart
``<a``  a term among the ``BEFORE`` words before the part
``>a``  a term among the ``AFTER`` words after it
======  =========================================================================================================

Classes, fillers and irregular stems are ``urgent_terms.json``. The weights are ``urgent.json``, one a line, made by
``tools/urgent/train.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Any, Literal

from .sentences import sentences

Family = Literal["intent", "act", "means", "ending", "others", "third_person"]

WINDOW, STRIDE, SHORT = 24, 12, 4
BEFORE, AFTER = 40, 25
SKIP = 5


@dataclass(frozen=True, slots=True)
class _Lexicon:
    """What ``urgent_terms.json`` holds."""

    class_of: Mapping[str, str]
    aiming: frozenset[str]
    """Words that are one term with the "to" after them: "going to", "want to"."""
    will: frozenset[str]
    fillers: frozenset[str]
    stems: Mapping[str, str]
    """Stems of words that do not follow ``_stem``."""


@cache
def _lexicon() -> _Lexicon:
    data = _read("urgent_terms.json")
    class_of = {word: f"~{name}" for name, words in data["classes"].items() for word in words}
    fillers, will, aiming = (frozenset(data[name]) for name in ("fillers", "will", "aiming"))
    return _Lexicon(class_of, aiming, will, fillers, data["stems"])


def _read(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((resources.files("raise_agent.agent") / name).read_text(encoding="utf-8"))
    return data


def _stem(word: str) -> str:
    """A word without its ending; only alike for words of one stem, no word itself."""
    if (known := _lexicon().stems.get(word)) is not None:
        return known
    for ending, least in (("ing", 6), ("ed", 5)):
        if len(word) >= least and word.endswith(ending):
            stem = word[: -len(ending)]
            doubled = stem[-1] == stem[-2] and stem[-1] not in "ls"
            return (stem[:-1] if doubled else stem).removesuffix("e")
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def _term(word: str) -> str:
    """A word's class, else its stem; empty for a filler."""
    lexicon = _lexicon()
    if word in lexicon.fillers:
        return ""
    if word in lexicon.will:
        return "~will"
    found = lexicon.class_of.get(word) or lexicon.class_of.get(word.removesuffix("s"))
    return found or ("~number" if word[0].isdigit() else _stem(word))


def parts(text: str) -> Iterator[set[str]]:
    """The features of each part of a text, in time linear in its length."""
    said: list[list[str]] = []
    for sentence in sentences(text):
        words = sentence.split()
        if said and len(said[-1]) < SHORT:
            said[-1] += words
        else:
            said.append(words)
    terms = [_term(word) for words in said for word in words]
    aiming = _lexicon().aiming
    at = 0
    for words in said:
        for start in range(0, max(1, len(words) - WINDOW + STRIDE), STRIDE):
            window = words[start : start + WINDOW]
            begin, end = at + start, at + start + len(window)
            features = _within(window, _joined(window, terms[begin:end], aiming))
            features.update(["<" + term for term in terms[max(0, begin - BEFORE) : begin]])
            features.update([">" + term for term in terms[end : end + AFTER]])
            yield features
        at += len(words)


def _joined(words: Sequence[str], terms: Sequence[str], aiming: frozenset[str]) -> list[str]:
    """The terms of words, without fillers, "going to" and the like as one."""
    found: list[str] = []
    for word, following, term in zip(words, (*words[1:], ""), terms, strict=True):
        if following == "to" and word in aiming:
            found.append("~aim")
        elif term and not (term == "to" and found and found[-1] == "~aim"):
            found.append(term)
    return found


def _within(words: list[str], terms: list[str]) -> set[str]:
    features = set(words)
    _add_runs(features, ["^", *words, "$"], "")
    features.update(["/" + term for term in terms])
    _add_runs(features, ["/^", *terms, "$"], "/")
    for apart in range(2, SKIP + 1):
        features.update([f".{first} {second}" for first, second in zip(terms, terms[apart:], strict=False)])
    return features


def _add_runs(features: set[str], words: list[str], mark: str) -> None:
    """Add every two and three in a row; the first of ``words`` carries its mark already."""
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    triples = [f"{pair} {third}" for pair, third in zip(pairs, words[2:], strict=False)]
    if mark:
        features.update(pairs[:1], triples[:1], [mark + run for run in pairs[1:]], [mark + run for run in triples[1:]])
    else:
        features.update(pairs, triples)


@dataclass(frozen=True, slots=True)
class Weights:
    """What ``urgent.json`` holds, in units of 1 / ``scale``."""

    scale: int
    bias: int
    threshold: int
    """A text that scores more alarms."""
    weights: Mapping[str, int]
    families: tuple[Family, ...]
    family_bias: tuple[int, ...]
    family_weights: Mapping[str, tuple[int, ...]]
    """For each family."""

    def score(self, features: set[str]) -> int:
        """The score of a part."""
        weights = self.weights
        return self.bias + sum([weights[feature] for feature in features if feature in weights])

    def family(self, features: frozenset[str]) -> Family:
        """What a part that alarms is about."""
        rows = [self.family_weights[feature] for feature in features if feature in self.family_weights]
        totals = [sum(column) for column in zip(self.family_bias, *rows, strict=True)]
        return self.families[totals.index(max(totals))]


@cache
def weights() -> Weights:
    """The weights that come with the package, read once."""
    return Weights(**_read("urgent.json"))


@dataclass(frozen=True, slots=True)
class Danger:
    """What the part that scored highest says."""

    above: float
    """Log-odds above the threshold; minus infinity for a text without words."""
    family: Family | None
    """What it is about; None at or below the threshold."""


def danger(text: str) -> Danger:
    """How much a text speaks of danger."""
    model = weights()
    best, found = float("-inf"), frozenset[str]()
    for features in parts(text):
        score = model.score(features)
        if score > best:
            best, found = score, frozenset(features)
    family = model.family(found) if best > model.threshold else None
    return Danger((best - model.threshold) / model.scale, family)
