"""What a person's reply to one question says: a value, a refusal, or neither.

A value is the table's own where the reply clearly means one, else the person's own words. Nothing here logs or
raises; a text is read once, in linear time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from raise_agent.attributes import Attribute, AttributeTable

from .amounts import Ranges, clearly_said, openly_said, said
from .cues import Cues, Pattern, cues_of, phrases, without_filler
from .statements import asks_back, says_no_more, volunteered
from .wording import Clause, Sentence, plain, sentences

__all__ = ["Correction", "Reply", "corrected", "read_reply", "volunteered"]

_BREAKS = frozenset(("but", "though", "although", "however", "except", "because"))
_LEADING = re.compile(rf"(?:(?:{'|'.join(sorted(_BREAKS))}|and|so)\b[\s,]*)+", re.IGNORECASE)
_BACK = re.compile(r"\b(?:and|so|while) (?:i|we|my)\b")
_YES = frozenset(("yes", "yeah", "yep", "yup"))
_BARE_NUMBER = re.compile(r"\d{1,3}")
_REACH = 40
"""How far before a cue a negation is looked for, in characters."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reply says."""

    status: Literal["given", "declined", "unclear"]
    value: str | None = field(repr=False)
    """One of the attribute's values, or a part of the text; None unless given."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What a message puts right of what was said before."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The values meant, by attribute key."""
    is_all: bool = False
    """Whether the message says nothing else."""


_DECLINED = Reply("declined", None)
_UNCLEAR = Reply("unclear", None)


def read_reply(text: str, attribute: Attribute, table: AttributeTable, today: Callable[[], date] = date.today) -> Reply:
    """What ``text`` says in reply to the question about ``attribute``.

    What is all understood as said of something else ("I'm 42", asked for health) is unclear, as asking back is. After
    a refusal, what follows a "but" is the reply; after "I don't know", what follows at all.

    Args:
        text: the reply, any text.
        attribute: what was asked, from ``table``; where it holds no values, as in an exported policy, words stay words.
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
        return _after_refusal(text, parts, left, attribute, table, today)
    if phrases("no").fullmatch(whole):
        return Reply("given", cues.no) if cues.no else _DECLINED
    if phrases("yes").fullmatch(whole):
        return Reply("given", cues.yes) if cues.yes else _UNCLEAR
    if all(_asks(part) or _objects(part) for part in left) or phrases("empty").fullmatch(whole):
        return _UNCLEAR
    if _tells_of_something_else(text, whole, attribute, table, today):
        return _briefly(parts[0].clauses[0].words, cues)
    return Reply("given", text.strip())


def _briefly(first: str, cues: Cues) -> Reply:
    """What a yes or no before words about something else answers."""
    value = cues.no if phrases("no").fullmatch(first) else cues.yes if first in _YES else None
    return Reply("given", value) if value else _UNCLEAR


def corrected(
    text: str,
    known: Mapping[str, str | None],
    about: Attribute | None,
    table: AttributeTable,
    today: Callable[[], date] = date.today,
) -> Correction:
    """What ``text`` puts right of ``known``, where a clause says so and no more: "sorry, I'm actually 52".

    What tells of what was asked too is the answer to that, and puts nothing right: "I'm actually depressed", asked
    about mental health, says nothing of an emotion known before.

    Args:
        text: a message.
        known: values by attribute key.
        about: what was asked; None where nothing was.
        table: attributes with their values.
        today: against which a year of birth is read.
    """
    said = _spelled_out(text)
    stated: dict[str, str] = {}
    announced = False
    for sentence in sentences(said):
        takes_back = any(phrases("not_that").fullmatch(clause.words) for clause in sentence.clauses)
        for clause in sentence.clauses:
            own = said[clause.start : clause.end]
            meant = announced or takes_back or phrases("corrects").search(clause.words) is not None
            if meant and not sentence.question and says_no_more(own, table, today):
                stated |= volunteered(own, table, today)
            announced = _only_corrects(clause.words)
    if not stated:
        return Correction()
    whole = volunteered(said, table, today)
    answers = {key for key, value in whole.items() if about is not None and _tells_of(about, key, value)}
    values = {
        key: value
        for key, value in stated.items()
        if whole.get(key) == value and key not in answers and known.get(key) not in (None, value)
    }
    return Correction(values, bool(values) and not answers and says_no_more(said, table, today))


def _tells_of(about: Attribute, key: str, value: str) -> bool:
    near = cues_of(about).near
    return key == about.key or key in near or f"{key}={value}" in near


def _only_corrects(words: str) -> bool:
    rest = phrases("corrects").sub("", words).strip()
    return phrases("corrects").search(words) is not None and (not rest or phrases("filler").fullmatch(rest) is not None)


def _spelled_out(text: str) -> str:
    """The text with "I meant 52" and "oops, 52" as "actually I am 52"."""
    pieces, kept = [], 0
    for sentence in sentences(text):
        announced = False
        for clause in sentence.clauses:
            words = without_filler(clause.words)
            meant = phrases("meant").match(words) or phrases("corrects").match(words)
            value = words[meant.end() :].strip() if meant else words
            if (meant or announced) and value and (_BARE_NUMBER.fullmatch(value) or phrases("meant").match(words)):
                stated = value if value.startswith(("i ", "my ")) else f"I am {value}"
                pieces += [text[kept : clause.start], f"actually {stated}"]
                kept = clause.end
            announced = _only_corrects(clause.words)
    return "".join([*pieces, text[kept:]])


def _without_refusals(sentence: Sentence) -> Sentence | None:
    clauses = tuple(clause for clause in sentence.clauses if not _refuses(clause.words))
    return Sentence(clauses, sentence.question) if clauses else None


def _refuses(words: str) -> bool:
    return phrases("refusal").fullmatch(words) is not None or phrases("refuses").search(words) is not None


def _objects(sentence: Sentence) -> bool:
    """Whether all of a sentence asks what the question is for: "I don't see why that matters"."""
    return all(
        phrases("objects").fullmatch(clause.words) or phrases("empty").fullmatch(clause.words)
        for clause in sentence.clauses
    )


def _tells_of_something_else(
    text: str, whole: str, attribute: Attribute, table: AttributeTable, today: Callable[[], date]
) -> bool:
    """Whether all that is said is understood, as values of attributes that tell nothing of this one."""
    cues = cues_of(attribute)
    if cues.apart is not None and cues.apart.search(whole):
        return False
    found = volunteered(text, table, today)
    if not found or attribute.key in found or not says_no_more(text, table, today):
        return False
    if not cues.written:
        # What else tells of an attribute of one's own is not known; an age does of few.
        ranges = [cues_of(table[table.index(key)]).ranges for key in found]
        return cues.ranges is None and all(of is not None and of.are_ages for of in ranges)
    return not any(_tells_of(attribute, key, value) for key, value in found.items())


def _asks(sentence: Sentence) -> bool:
    return sentence.question or asks_back(sentence)


def _value(parts: list[Sentence], whole: str, cues: Cues, today: Callable[[], date]) -> str | None:
    """The one value of the table that the reply means."""
    clauses = [_own_part(clause.words) for part in parts if not asks_back(part) for clause in part.clauses]
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


def _after_refusal(
    text: str,
    parts: list[Sentence],
    left: list[Sentence],
    attribute: Attribute,
    table: AttributeTable,
    today: Callable[[], date],
) -> Reply:
    """What is said all the same, though it means no value of the table."""
    cues = cues_of(attribute)
    if cues.ranges is not None:
        return _numeric_words(text, left, cues.ranges, today)
    told: list[Clause] = []
    unsure = refused = False
    for part in parts:
        for clause in part.clauses:
            if _refuses(clause.words):
                unsure, refused = phrases("unsure").fullmatch(clause.words) is not None, True
            elif refused and not part.question and (told or unsure or phrases("contrast").match(clause.words)):
                told.append(clause)
    told = [clause for clause in told if not _is_idle(clause.words)]
    if not told:
        return _DECLINED
    words = text[told[0].start : told[-1].end]
    lead = _LEADING.match(words)
    # A refusal in between would begin this anew.
    if any(_refuses(clause.words) for part in sentences(words, _BREAKS) for clause in part.clauses):
        return _DECLINED
    read = read_reply(words[lead.end() :] if lead else words, attribute, table, today)
    return read if read.status == "given" else _DECLINED


def _is_idle(words: str) -> bool:
    """Whether a clause beside a refusal adds nothing to it: thanks, an excuse, a request."""
    contrast = phrases("contrast").match(words)
    rest = words[contrast.end() :].strip() if contrast else words
    return (
        not rest
        or phrases("idle").match(rest) is not None
        or phrases("asks").match(rest) is not None
        or phrases("objects").fullmatch(rest) is not None
        or phrases("filler").fullmatch(rest) is not None
        or phrases("empty").fullmatch(rest) is not None
    )


def _numeric_words(text: str, left: list[Sentence], ranges: Ranges, today: Callable[[], date]) -> Reply:
    """After a refusal, the clause that says a number all the same, though it fits no single range."""
    for part in left:
        for clause in part.clauses:
            if clearly_said(clause.words, ranges, today()) or openly_said(clause.words):
                words = text[clause.start : clause.end]
                return Reply("given", _LEADING.sub("", words, count=1) if _LEADING.match(words) else words)
    return _DECLINED
