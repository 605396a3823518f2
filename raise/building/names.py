"""Finds names in what people write about themselves, by rule.

Given names come from a list (``names.json``); names that are words or places too ("Mark", "Hope", "Austin"), and names
that the list lacks, only count where the sentence says that somebody is meant: "my friend Mark", "Dr. Okafor", "my name
is Tunde", "Mark said", "Dear Hope,", a signature. What was found once is a name in the whole text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

Place = tuple[int, int]
"""Where a name begins, and behind its last character."""

_CAPITAL = r"[A-ZÀ-ÖØ-ÞĀ-Ž](?:['’][A-Z])?[^\W\d_]*(?:['’-][A-ZÀ-ÖØ-Þ](?:['’][A-ZÀ-ÖØ-Þ])?[^\W\d_]+)*"
_LINKS = (
    "de la",
    "de los",
    "de",
    "da",
    "dos",
    "del",
    "della",
    "di",
    "van der",
    "van den",
    "van",
    "von",
    "bin",
    "al",
    "el",
)
_FULL = rf"{_CAPITAL}(?:(?: [A-Z]\.)? (?:(?:{'|'.join(_LINKS)}) )?{_CAPITAL}){{0,3}}"
"""One to four words as a name is written."""
_ENDED = r"(?![\w'’-])"
_AGED = r"(?: ?\(?\d{1,2} ?[MFmf]?\)?)?"
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_MAY_BE_LISTED = re.compile(r"(?<![\w@#/-])[^\W\d_]{2,}(?:-[^\W\d_]{2,})?(?![\w@])")
_WRITTEN_AS_NAME = re.compile(_FULL)
_FURTHER = re.compile(rf"(?:,? ?\(?\d{{1,2}}\)?)?(?:, and |, | and | & )(?P<name>{_CAPITAL}){_ENDED}")


@dataclass(frozen=True, slots=True)
class _Rules:
    names: frozenset[str]
    """Names that are hardly ever anything else, in lower case."""
    words: frozenset[str]
    """Names that are words or places too."""
    never: frozenset[str]
    """Words that are written like names, and are none where it is in doubt."""
    stated: re.Pattern[str]
    """Phrases behind which any capitalised word is a name."""
    likely: re.Pattern[str]
    """Phrases that make a name of a word that can be one."""
    spoken_to: frozenset[str]
    """Verbs behind which a capitalised word is a name, unless it is a common one."""
    done_to: frozenset[str]
    """Verbs behind which a word that can be a name is one."""
    place: re.Pattern[str]
    """What makes a place of the name behind it."""


@cache
def _rules() -> _Rules:
    data = json.loads((resources.files("raise_agent.building") / "names.json").read_text(encoding="utf-8"))
    phrases: dict[str, list[str]] = data["phrases"]
    names, words, never = (frozenset(" ".join(data[part]).split()) for part in ("names", "words", "never"))
    return _Rules(
        names,
        words,
        never,
        _stated_pattern({name: _any(some) for name, some in phrases.items()}),
        _likely_pattern({name: _any(some) for name, some in phrases.items()}, phrases),
        frozenset(phrases["spoken_to"]),
        frozenset(phrases["done_to"]),
        re.compile(rf"\b{_any(phrases['place'])} \Z"),
    )


def _any(patterns: Sequence[str]) -> str:
    return f"(?:{'|'.join(patterns)})"


def _stated_pattern(said: dict[str, str]) -> re.Pattern[str]:
    titles, relation = rf"(?:{said['title']}\.? )?", rf"(?:{said['kind_of']}[ -]?)*{said['relation']}"
    of_whom = r"(?:(?:my|our|the|him|her|it) )?(?:(?:baby|son|daughter|dog|cat|boy|girl) )?"
    return re.compile(
        rf"\b(?i:{said['title']})\b\.? (?:[A-Z]\. ?){{0,3}}(?P<titled>{titles}{_FULL})"
        rf"|\b(?i:{said['called']}) {of_whom}(?P<called>{_FULL})"
        rf"|\b(?i:{said['whose']}) (?i:{relation}){_AGED}[,:]? ?\(?{titles}(?P<related>{_FULL})"
        rf"|(?:\A|(?<=[\n.!?] )|(?<=\n))(?i:{said['greeting']})[ ,]+(?P<greeted>{_FULL})(?= ?[,!.:\n]|\Z)"
        rf"|\b(?i:{said['farewell']})[,.!]?\n+[-–—~ ]*(?P<signed>{_FULL})\s*\Z"
        rf"|\n[ \t]*[-–—~]+ ?(?P<dashed>{_FULL})\s*\Z"
        rf"|\bI(?:'m|’m| am) (?P<me>{_FULL})(?= ?[,.;!?)(]| and\b|\n|\Z)"
    )


def _likely_pattern(said: dict[str, str], phrases: dict[str, list[str]]) -> re.Pattern[str]:
    before = _any([*phrases["spoken_to"], *phrases["done_to"], *phrases["before"]])
    is_relation = rf"(?:is|was) (?:my|his|her|our) (?:{said['kind_of']} )*{said['relation']}\b"
    acts = rf"(?:{said['does']}|{is_relation}|['’]s {said['of']}\b)"
    return re.compile(
        rf"(?<![\w'’-])(?P<doing>{_CAPITAL})(?= {said['does_to']} (?:me|us|him|her)\b| (?:cheated|proposed)\b)"
        rf"|(?<![\w'’-])(?<!\b(?:in|at|of|to|by) )(?P<acting>{_CAPITAL})(?= ?(?:\(\d\d ?[MFmf]?\) )?{acts})"
        rf"|\b(?P<verb>(?i:{before})) (?P<acted>{_CAPITAL}){_ENDED}"
        rf"|\bI(?:'m|’m| am) (?P<me>{_CAPITAL}){_ENDED}"
        rf"|,\s(?P<last>{_CAPITAL})[.!?]?\s*\Z"
        rf"|(?:\A|(?<=\n))(?P<first>{_CAPITAL})(?=, (?:I|you|please|if)\b)"
    )


def named(text: str) -> list[Place]:
    """Where names stand, by rule."""
    rules = _rules()
    places = [*_stated(text, rules), *_likely(text, rules), *_listed(text, rules)]
    return [*places, *_again(text, {text[start:end] for start, end in places}, rules)]


def is_common(word: str) -> bool:
    """Whether a word is so common that no list of names may take it out of a text."""
    rules = _rules()
    return word.casefold() in rules.never and word.casefold() not in rules.names | rules.words


def each_mention(text: str, names: Iterable[str]) -> Iterator[Place]:
    """Where these names stand as words, in any case; blanks in them may be any."""
    wanted = sorted({" ".join(name.split()) for name in names if any(map(str.isalnum, name))}, key=len, reverse=True)
    if wanted:
        patterns = (re.escape(name).replace(r"\ ", r"\s+") for name in wanted)
        yield from (m.span() for m in re.finditer(rf"(?<!\w){_any(list(patterns))}(?!\w)", text, re.IGNORECASE))


def _stated(text: str, rules: _Rules) -> Iterator[Place]:
    for match in rules.stated.finditer(text):
        group = str(match.lastgroup)
        # "I'm Christian" says something else.
        known = rules.names if group == "me" else rules.names | rules.words
        yield from _up_to_common(text, *match.span(group), known, rules.never)
        # "My sons Liam and Noah", "two daughters, Ella and Ines".
        at = match.end() if group == "related" else len(text)
        while (further := _FURTHER.match(text, at)) is not None:
            yield from _up_to_common(text, *further.span("name"), known, rules.never)
            at = further.end()


def _up_to_common(text: str, start: int, end: int, known: frozenset[str], never: frozenset[str]) -> Iterator[Place]:
    """The words from the start on that may be a name, up to the first that is none."""
    stop = start
    for word in _WORD.finditer(text, start, end):
        plain = word[0].casefold()
        if len(plain) == 1 or (plain not in known and (plain in never or word[0].isupper())):
            break
        stop = word.end()
    if stop > start:
        yield start, stop


def _likely(text: str, rules: _Rules) -> Iterator[Place]:
    for match in rules.likely.finditer(text):
        group = str(match.lastgroup)
        if _is_name(match[group], group, (match["verb"] or "").casefold(), rules):
            yield match.span(group)


def _is_name(word: str, group: str, verb: str, rules: _Rules) -> bool:
    """Whether a capitalised word is a name where it stands: the group of the phrase, and the verb before it."""
    plain = word.casefold()
    if plain in rules.names or (group == "acting" and plain in rules.words):
        return True
    if plain in rules.never:
        return False
    if group == "doing" or verb in rules.spoken_to:
        return not word.isupper()
    return plain in rules.words and (group != "acted" or verb in rules.done_to)


def _listed(text: str, rules: _Rules) -> Iterator[Place]:
    """Names of the list in any case, each with the words behind it that belong to it."""
    for match in _MAY_BE_LISTED.finditer(text):
        start, end = match.span()
        if not {match[0].casefold(), match[0].casefold().split("-")[0]} & rules.names:
            continue
        if rules.place.search(text, max(0, start - 8), start):
            continue
        full = _WRITTEN_AS_NAME.match(text, start) if match[0][0].isupper() else None
        for word in _WORD.finditer(text, end, full.end() if full else end):
            if word[0].casefold() in rules.never:
                break
            end = word.end() if word[0][0].isupper() else end
        yield start, end


def _again(text: str, found: Iterable[str], rules: _Rules) -> Iterator[Place]:
    """Further mentions of names that the list lacks, each word of them as it was written."""
    known = {*rules.names, *rules.never, *" ".join(_LINKS).split()}
    parts = {word for name in found for word in _WORD.findall(name) if len(word) > 2 and word.casefold() not in known}
    for match in _WORD.finditer(text):
        bare = re.sub(r"['’]s\Z", "", match[0])
        if bare in parts:
            yield match.start(), match.start() + len(bare)
