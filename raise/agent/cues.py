"""What people say instead of an attribute's values: data in ``cues.json``, used where a table has the key and value.

``cues.json`` holds regular expressions over plain words (``wording.py``). ``{name}`` in one stands for another, from
its part ``names``. For each attribute and value:

- ``am``: who or how somebody is; also read after "I am", "as a", and one after the other ("34, divorced, a nurse").
- ``words``: means the value in a reply to the question only.
- ``whole``: means it in a reply that says nothing else: "fine", but not "fine, except that I cry at night".
- ``says``: a statement from its first word on, such as "i work as a nurse".
- ``own``: means the value wherever it stands, such as "my husband".
- ``unless``: anywhere in the text, takes the value's other cues away.

Beside the values of an attribute: ``no`` and ``yes``, the values of a bare no and yes; ``prefer``, which of several
values outweighs the others; ``apart``, what no value covers, which keeps a reply in its own words; ``after``, what
may follow its ``am`` in place of the usual; ``number``, how a number states it; ``near``, the attributes (or single
values of one, ``marital=widowed``) that tell of this one too: a reply of nothing but others is no answer.

Beside the attributes: ``harm``, questions that speak of harm, whatever they are called: their words, and the statement
that a reply to them goes on from, as "yes, tonight" does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from raise_agent.attributes import Attribute

from .amounts import Ranges
from .wording import plain

Pattern = re.Pattern[str]

_NAME = re.compile(r"\{([a-z_]+)\}")
_NO_VALUES = frozenset(("none", "no", "never"))
_YES_VALUES = frozenset(("yes",))
_SUFFIXES = ("ness", "ly", "s", "'s", "s'", "es")
_SHORTEST_STEM = 3


@dataclass(frozen=True, slots=True)
class ValueCues:
    """How one value is said; each part None where the data holds nothing."""

    said: Pattern | None = None
    """Means the value in a reply: the value's own words and all cues."""
    whole: Pattern | None = None
    """Means the value in a reply that says nothing else."""
    am: Pattern | None = None
    says: Pattern | None = None
    own: Pattern | None = None
    unless: Pattern | None = None


@dataclass(frozen=True, slots=True)
class Cues:
    """How the values of one attribute are said."""

    values: Mapping[str, ValueCues]
    ranges: Ranges | None
    """Where the values are ranges of numbers."""
    no: str | None
    """The value of a bare no."""
    yes: str | None
    """The value of a bare yes."""
    apart: Pattern | None = None
    """Means something that no value of the attribute covers."""
    prefer: tuple[str, ...] = ()
    after: Pattern | None = None
    """What may follow an ``am``, from the next word on."""
    number: Mapping[str, Pattern] = field(default_factory=dict)
    """``am``, ``says`` and ``own`` with the number as group ``n``; empty where "I am 42" does not state it."""
    near: tuple[str, ...] = ()
    """Attributes, or single values of them, that tell of this one too."""
    written: bool = False
    """Whether ``cues.json`` has this attribute."""

    def chosen(self, values: Iterable[str]) -> str | None:
        """One value of several that were found; None where none outweighs the others."""
        found = set(values)
        if len(found) == 1:
            return found.pop()
        return next((value for value in self.prefer if value in found), None)


@dataclass(frozen=True, slots=True)
class Admission:
    """What a reply to a question about harm may be going on from."""

    harm: str
    """``self`` or ``others``: who may come to harm, or be harming the speaker."""
    asked: Pattern
    """The words of such a question."""
    statement: str
    by_yes: bool
    """Whether only a yes goes on from it: of a question about now, where a yes alone is danger."""


@cache
def admissions() -> tuple[Admission, ...]:
    """For every kind of question that speaks of harm."""
    return tuple(
        Admission(row["harm"], _bounded(row["asked"]), row["admits"], row.get("by_yes", False))
        for row in _file()["harm"]
    )


def cues_of(attribute: Attribute) -> Cues:
    """How the values of an attribute are said."""
    return _cues(attribute.key, attribute.name, attribute.question, tuple(attribute.values))


@cache
def _file() -> dict[str, Any]:
    text = (resources.files("raise_agent.agent") / "cues.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@cache
def phrases(name: str) -> Pattern:
    """One of the named patterns, with boundaries of words around it."""
    return _bounded([f"{{{name}}}"])


def without_filler(words: str) -> str:
    """Plain words, less the courtesies and asides that they begin with."""
    begun = phrases("filler").match(words)
    return words[begun.end() :].lstrip() if begun else words


@cache
def _cues(key: str, name: str, question: str, values: tuple[str, ...]) -> Cues:
    data: Mapping[str, Any] = _file()["attributes"].get(key, {})
    words = [plain(value) for value in values]
    known: Mapping[str, Mapping[str, list[str]]] = data.get("values", {})
    return Cues(
        values={value: _value_cues(word, known.get(value)) for value, word in zip(values, words, strict=True) if word},
        ranges=Ranges.of(values, words, plain(". ".join((key.replace("_", " "), name, question, *values)))),
        no=_among(values, data.get("no"), words, _NO_VALUES),
        yes=_among(values, data.get("yes"), words, _YES_VALUES),
        apart=_bounded(data["apart"]) if "apart" in data else None,
        prefer=tuple(data.get("prefer", ())),
        after=_bounded([data["after"]]) if "after" in data else None,
        number={kind: _bounded(patterns) for kind, patterns in data.get("number", {}).items()},
        near=tuple(data.get("near", ())),
        written=bool(data),
    )


def _among(values: tuple[str, ...], given: str | None, words: list[str], usual: frozenset[str]) -> str | None:
    if given in values:
        return given
    return next((value for value, word in zip(values, words, strict=True) if word in usual), None)


def _value_cues(words: str, known: Mapping[str, list[str]] | None) -> ValueCues:
    # Words such as "other" and "good" say too little within a sentence; as a whole reply they are read elsewhere.
    plain_value = [] if phrases("empty_value").fullmatch(words) else [" ".join(map(_inflected, words.split()))]
    if known is None:
        return ValueCues(said=_bounded(plain_value))
    parts = {kind: known.get(kind, []) for kind in ("am", "words", "whole", "says", "own", "unless")}
    return ValueCues(
        said=_bounded([*plain_value, *parts["am"], *parts["words"], *parts["says"], *parts["own"]]),
        whole=_bounded(parts["whole"]) if parts["whole"] else None,
        # The first alternative that fits is taken, so the longer go first: "single mother" before "single".
        am=_bounded(sorted(parts["am"], key=len, reverse=True)) if parts["am"] else None,
        says=_bounded(parts["says"]) if parts["says"] else None,
        own=_bounded(parts["own"]) if parts["own"] else None,
        unless=_bounded(parts["unless"]) if parts["unless"] else None,
    )


def _inflected(word: str) -> str:
    """A pattern of a word's forms that say the same of a person: "masters" of "master's", "lonely" of "loneliness".

    No form of "-ing" or bare verb: somebody retiring or about to divorce is not there yet.
    """
    stem = next((word[: -len(suffix)] for suffix in _SUFFIXES if word.endswith(suffix)), word)
    if len(stem) < _SHORTEST_STEM or not word.isascii():
        return re.escape(word)
    forms = [word, stem, f"{stem}s"]
    if word.endswith("ness"):
        forms += [f"{stem[:-1]}y"] if stem.endswith("i") else []
    elif word.endswith("ion"):
        forms.append(f"{word[:-3]}ed")
    elif word.endswith("ed"):
        forms = [word]
    else:
        forms += [f"{stem}ly", f"{stem}ness"]
    return f"(?:{'|'.join(map(re.escape, dict.fromkeys(forms)))})"


def _bounded(patterns: Iterable[str]) -> Pattern:
    body = "|".join(patterns) or "(?!)"
    names: Mapping[str, str | list[str]] = _file()["names"]
    while _NAME.search(body):
        body = _NAME.sub(lambda m: _joined(names[m[1]]), body)
    return re.compile(rf"(?<![\w'$])(?:{body})(?![\w'%])")


def _joined(pattern: str | list[str]) -> str:
    return f"(?:{'|'.join(pattern)})" if isinstance(pattern, list) else f"(?:{pattern})"
