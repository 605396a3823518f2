"""What a person's reply to one question says: a value, a refusal, or neither.

A value is the table's own where the reply clearly means one, else the person's own words. Nothing here logs or
raises; a text is read once, in linear time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from raise_agent.attributes import Attribute, AttributeTable

from .amounts import clearly_said, said
from .cues import Cues, Pattern, cues_of, phrases
from .statements import volunteered
from .wording import Sentence, plain, sentences

__all__ = ["Reply", "read_reply", "volunteered"]

_BREAKS = frozenset(("but", "though", "although", "however", "except", "because"))
_LEADING = re.compile(rf"(?:(?:{'|'.join(sorted(_BREAKS))}|and|so)\b[\s,]*)+", re.IGNORECASE)
_BACK = re.compile(r"\b(?:and|so|while) (?:i|we|my)\b")
_REACH = 40
"""How far before a cue a negation is looked for, in characters."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reply says."""

    status: Literal["given", "declined", "unclear"]
    value: str | None
    """One of the attribute's values, or a part of the text; None unless given."""


_DECLINED = Reply("declined", None)
_UNCLEAR = Reply("unclear", None)


def read_reply(text: str, attribute: Attribute, table: AttributeTable, today: Callable[[], date] = date.today) -> Reply:
    """What ``text`` says in reply to the question about ``attribute``.

    Args:
        text: the reply, any text.
        attribute: what was asked, from ``table``.
        table: its spellings of "unknown" are refusals.
        today: against which a year of birth is read.
    """
    bare = text.strip(" \t\r\n.!?,;:\"'")
    if table.is_unknown(text) or (bare and table.is_unknown(bare)):
        return _DECLINED
    whole = plain(text)
    if not whole:
        return _UNCLEAR if any(unicodedata.category(c)[0] == "S" or c in "?¿" for c in text) else _DECLINED
    for value in attribute.values:
        if plain(value) == whole:
            return Reply("given", value)
    if phrases("refusal").fullmatch(whole):
        return _DECLINED
    parts = list(sentences(text, _BREAKS))
    cues = cues_of(attribute)
    left = [part for part in map(_without_refusals, parts) if part is not None]
    refused = sum(len(part.clauses) for part in left) < sum(len(part.clauses) for part in parts)
    found = _value(left, whole, cues, today)
    if found is not None:
        return Reply("given", found)
    if refused:
        return _numeric_words(text, left, cues, today)
    if phrases("no").fullmatch(whole):
        return Reply("given", cues.no) if cues.no else _DECLINED
    if phrases("yes").fullmatch(whole):
        return Reply("given", cues.yes) if cues.yes else _UNCLEAR
    if all(_asks(part) for part in left) or phrases("empty").fullmatch(whole):
        return _UNCLEAR
    return Reply("given", text.strip())


def _without_refusals(sentence: Sentence) -> Sentence | None:
    clauses = tuple(
        clause
        for clause in sentence.clauses
        if not phrases("refusal").fullmatch(clause.words) and not phrases("refuses").search(clause.words)
    )
    return Sentence(clauses, sentence.question) if clauses else None


def _asks(sentence: Sentence) -> bool:
    return sentence.question or phrases("asks").match(sentence.clauses[0].words) is not None


def _value(parts: list[Sentence], whole: str, cues: Cues, today: Callable[[], date]) -> str | None:
    """The one value of the table that the reply means."""
    clauses = [
        _own_part(clause.words)
        for part in parts
        if not phrases("asks").match(part.clauses[0].words)
        for clause in part.clauses
    ]
    if cues.ranges is not None:
        ranges, now = cues.ranges, today()
        clear = [words for words in clauses if clearly_said(words, ranges, now)]
        spans = [span for words in clear or clauses for span in said(words, ranges, now)]
        held = ranges.held(spans)
        return cues.chosen(value for value in held if value is not None) if held and None not in held else None
    live: list[tuple[str | None, Pattern]] = [
        (value, cue.said)
        for value, cue in cues.values.items()
        if cue.said is not None and not (cue.unless is not None and cue.unless.search(whole))
    ]
    live += [(None, cues.apart)] if cues.apart is not None else []
    found = {value for words in clauses for value in _meant(words, live)}
    if found:
        return None if None in found else cues.chosen(value for value in found if value is not None)
    own = " ".join(filter(None, clauses))
    wholly = [value for value, cue in cues.values.items() if cue.whole is not None and _says_only(own, cue.whole)]
    return cues.chosen(wholly)


def _says_only(words: str, pattern: Pattern) -> bool:
    """Whether a reply consists of a pattern and of words that add nothing to it."""
    at, seen = 0, False
    while at < len(words):
        match = pattern.match(words, at)
        seen = seen or match is not None
        match = match or phrases("around").match(words, at)
        if match is None:
            return False
        at = match.end() + 1
    return seen


def _own_part(words: str) -> str:
    """A clause without what it says of another person."""
    others = phrases("of_others").match(words)
    if not others:
        return words
    back = _BACK.search(words, others.end())
    return words[back.start() :] if back else ""


def _meant(words: str, live: list[tuple[str | None, Pattern]]) -> Iterator[str | None]:
    """Values that a clause means, None for something that no value covers.

    What is said within the words of another does not count: no engineer in a software engineer.
    """
    hits = [
        (match.start(), match.end(), value)
        for value, said_so in live
        for match in said_so.finditer(words)
        if not _denied(words, match.start())
    ]
    hits.sort(key=lambda hit: (hit[0], -hit[1]))
    reach = -1
    for _, end, value in hits:
        if end > reach:
            yield value
            reach = end


def _denied(words: str, start: int) -> bool:
    """Whether what stands before a cue takes it back, or makes it someone else's."""
    return phrases("denial").search(words[max(0, start - _REACH) : start].rstrip() + " .") is not None


def _numeric_words(text: str, left: list[Sentence], cues: Cues, today: Callable[[], date]) -> Reply:
    """After a refusal, the clause that says a number all the same, though it fits no single range."""
    if cues.ranges is not None:
        for part in left:
            for clause in part.clauses:
                if clearly_said(clause.words, cues.ranges, today()):
                    words = text[clause.start : clause.end]
                    return Reply("given", _LEADING.sub("", words, count=1) if _LEADING.match(words) else words)
    return _DECLINED
