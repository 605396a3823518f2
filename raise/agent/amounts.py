"""Numbers that people say ("42", "my early forties", "born in 1983", "over 60") and the ranges that hold them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

_NEARLY_ALL = 2 / 3
"""Part of a span such as "mid-thirties", 34 to 36, that must lie in one range to be read as that range."""
_OLDEST = 120
_SLACK = 1e-9
_AGE = re.compile(r"\b(?:age|ages|aged|old|older|born|birth|birthday)\b")

_N = r"[$£€]?(\d{1,9}(?:\.\d{1,4})?)( k| thousand| grand)?(?![\w%'/:])"
_OVER = "(?<!not )(?<!no )(?:over|above|older than|more than|past|greater than)"
_UNDER = "(?<!not )(?<!no )(?:under|below|younger than|less than)|not yet"
_FROM = "at least|upwards of|minimum(?: of)?|(?:not|no) (?:under|below|younger than|less than)"
_UP_TO = "at most|up to|maximum(?: of)?|(?:not|no) (?:over|above|older than|more than)"
_OF_AGE = "(?:about |around |(?:the )?age (?:of )?)*"
_YEARS = "(?: years?(?: old| of age)?| yo)?"
_SLIGHTLY = "(?:just|barely|slightly|an? (?:little|bit|touch|tad|hair)(?: bit)?)"
_SOON = "pushing|almost|nearly|turning|about to turn|close to|approaching|will be|will turn|turn|going to be|soon"
_JUST = "about|around|roughly|approximately|just|only|now|currently|still|maybe|probably|like|already|actually"
_THINGS = (
    "kids?|child|children|sons?|daughters?|months?|weeks?|days?|hours?|minutes?|years?(?! (?:old|young|of age))|times?"
    "|siblings?|dogs?|cats?|pounds|lbs|kgs?|kilos|cm|feet|percent|dollars|people|of (?:us|them)|mg|am|pm|th|st|nd|rd"
)
_EARLY, _MIDDLE, _LATE = (0, 3), (4, 6), (7, 9)
_PARTS = {"early": _EARLY, "low": _EARLY, "mid": _MIDDLE, "middle": _MIDDLE, "late": _LATE, "high": _LATE}

_BORN = re.compile(r"\bborn\b(?: (?!\d{4}\b)[\w/.]+){0,4} (?:[\d/.]{2,6}[/.])?((?:19|20)\d\d)\b")
_YEAR = re.compile(r"((?:19|20)\d\d)")
_DECADE = re.compile(
    rf"(?:\b({'|'.join(_PARTS)})(?: (?:to|or) ({'|'.join(_PARTS)}))?(?: of| my)* )?\b(\d0) ('?s|something|ish)\b"
)
_BETWEEN = re.compile(rf"(?<![\w.']){_N} (?:-|to|or) {_N}|\bbetween {_N} and {_N}")
_MORE = re.compile(rf"\b(?:{_OVER}) {_OF_AGE}{_N}")
_LESS = re.compile(rf"\b(?:{_UNDER}) {_OF_AGE}{_N}")
_LEAST = re.compile(
    rf"\b(?:{_FROM}) {_OF_AGE}{_N}"
    rf"|(?<![\w.']){_N}{_YEARS}(?:\+| ?plus\b| (?:or|and) (?:older|over|upwards?|up|more|above)\b(?! \d))"
    rf"|(?<![\w.']){_N}{_YEARS} (?:at (?:the )?(?:very )?least|minimum)\b"
)
_MOST = re.compile(
    rf"\b(?:{_UP_TO}) {_OF_AGE}{_N}|(?<![\w.']){_N}{_YEARS} (?:or|and) (?:younger|under|less|below)\b(?! \d)"
    rf"|(?<![\w.']){_N}{_YEARS} (?:at (?:the )?(?:very )?most|tops|maximum|max)\b"
)
_JUST_OVER = re.compile(rf"\b{_SLIGHTLY} {_OVER} {_N}")
_JUST_UNDER = re.compile(rf"\b(?:{_SLIGHTLY} {_UNDER}|(?:just )?shy of|just short of) {_N}")
_NEARLY = re.compile(rf"\b(?:{_SOON})(?: (?:{_JUST}))? {_N}")
_STATED = re.compile(
    rf"\b(?:i am|i turned|turned|aged?|age is|age of)(?: (?:{_JUST}|a|an|the|age|of))* {_N}(?! (?:{_THINGS})\b)"
    rf"|(?<![\w.']){_N}(?= years? (?:old|of age|young))|(?<![\w.']){_N}(?= yo\b)"
)
_ALONE = re.compile(
    rf"(?:(?:{_JUST}|i|guess|think|well|hi|am|it is|yes|ok|sorry) )*{_N}(?: (?:{_JUST}|i|guess|think|now))*"
)
_OF_THINGS = re.compile(rf" (?:{_THINGS})\b")
_PLAIN = re.compile(rf"(?<![\w.']){_N}(?! (?:{_THINGS})\b)")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of numbers, both ends included; the upper one may be infinite."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Ranges:
    """The values of one attribute that are ranges of numbers."""

    values: tuple[tuple[str, Span], ...]
    """From the lowest range to the highest."""
    are_ages: bool
    """Whether these are a person's age: a year such as 1983 is one of birth, and nobody is older than ``_OLDEST``."""

    @classmethod
    def of(cls, values: Iterable[str], plain_values: Iterable[str], about: str) -> Ranges | None:
        """The ranges among some values, each also given in plain words; None where fewer than two are ranges.

        ``about`` is what the attribute is called and how it is asked for, in plain words.
        """
        found = [
            (value, span)
            for value, words in zip(values, plain_values, strict=True)
            if (span := _range(words)) is not None
        ]
        found.sort(key=lambda item: (item[1].low, item[1].high))
        if len(found) < 2:
            return None
        ages = _AGE.search(about) is not None and all(span.low <= _OLDEST for _, span in found)
        return cls(tuple(found), ages)

    def held(self, spans: Sequence[Span]) -> list[str | None]:
        """The value of each span; of a lower and an upper bound, the value of what lies between them."""
        ups, downs = ([span for span in spans if end(span)] for end in (_has_no_top, _has_no_bottom))
        if len(spans) == 2 and len(ups) == len(downs) == 1 and ups[0].low <= downs[0].high:
            spans = [Span(ups[0].low, downs[0].high)]
        return [self.holding(span) for span in spans]

    def holding(self, said: Span) -> str | None:
        """The value whose range holds nearly all of a span; all of it, where the span has no end.

        "Over 60" is within 55+; "over 18" is within no range, so it does not say which.
        """
        if self.are_ages and (said.low > _OLDEST or said.high < 0):
            return None
        if _has_no_top(said) or _has_no_bottom(said):
            return next((value for value, span in self.values if _within(said, span)), None)
        if said.low == said.high:
            below = [(value, span) for value, span in self.values if span.low <= said.low]
            # Ranges of whole numbers leave gaps: 24.5 is still in 18-24.
            return below[-1][0] if below and said.low < below[-1][1].high + 1 else None
        for value, span in self.values:
            shared = min(said.high, span.high) - max(said.low, span.low) + 1
            if shared >= _NEARLY_ALL * (said.high - said.low + 1) - _SLACK:
                return value
        return None


def _has_no_top(span: Span) -> bool:
    return span.high == math.inf


def _has_no_bottom(span: Span) -> bool:
    return span.low == -math.inf


def _within(said: Span, span: Span) -> bool:
    # Nothing that is counted here is below 0: 0-17 is all that is under 18.
    low = -math.inf if span.low <= 0 else span.low
    return said.low >= low - _SLACK and said.high <= span.high + _SLACK


def _range(words: str) -> Span | None:
    """A value's spelling as a range, where it is one from end to end."""
    words = words.replace("years old", "").replace("years", "").strip()
    for pattern, make in _BOUNDS:
        match = re.fullmatch(f"(?:{pattern.pattern})", words)
        if match:
            return make(match)
    return None


def _numbers(match: re.Match[str]) -> list[float]:
    groups = match.groups()
    return [
        float(number) * (1000 if scale else 1)
        for number, scale in zip(groups[::2], groups[1::2], strict=True)
        if number is not None
    ]


def said(words: str, ranges: Ranges, today: date) -> list[Span]:
    """What a clause of plain words says in numbers, the clearest form of speech only."""
    if ranges.are_ages:
        born = [_aged(int(year), today) for year in _BORN.findall(words)]
        year = _YEAR.fullmatch(words)
        if born or year:
            return born or [_aged(int(year[1]), today)] if year else born
    for forms in _FORMS:
        found = [make(match) for pattern, make in forms for match in pattern.finditer(words)]
        if found:
            return found
    alone = _ALONE.fullmatch(words)
    return [_exact(match) for match in ([alone] if alone else _PLAIN.finditer(words))]


def clearly_said(words: str, ranges: Ranges, today: date) -> bool:
    """Whether a clause says outright how many, rather than holds some number."""
    patterns = (_DECADE, _JUST_OVER, _JUST_UNDER, _NEARLY, _STATED, *((_BORN,) if ranges.are_ages else ()))
    return _ALONE.fullmatch(words) is not None or any(pattern.search(words) for pattern in patterns)


def openly_said(words: str) -> bool:
    """Whether a clause gives a bound of what is asked: "over 18", not "over 3 kids"."""
    return any(
        _OF_THINGS.match(words, match.end()) is None for pattern, _ in _OPEN for match in pattern.finditer(words)
    )


def _aged(year: int, today: date) -> Span:
    """The age of someone of whom only the year of birth is known, taken to be on the likelier side of the birthday."""
    age = float(today.year - year - (today.month <= 6))
    return Span(age, age)


def _exact(match: re.Match[str]) -> Span:
    number = _numbers(match)[0]
    return Span(number, number)


def _decade(match: re.Match[str]) -> Span:
    first, last, tens, form = match.groups()
    low, high = (1, 9) if form == "something" else (0, 9)
    if form == "ish":
        low, high = -2, 2
    if first:
        low, high = _PARTS[first][0], _PARTS[last or first][1]
    return Span(int(tens) + low, int(tens) + high)


def _just_above(match: re.Match[str]) -> Span:
    # Both, so that where a range begins right above the number neither side of it is taken.
    number = _numbers(match)[0]
    return Span(number, number + 1)


def _just_below(match: re.Match[str]) -> Span:
    number = _numbers(match)[0] - 1
    return Span(number, number)


def _between(match: re.Match[str]) -> Span:
    low, high = sorted(_numbers(match))
    return Span(low, high)


def _at_least(match: re.Match[str]) -> Span:
    return Span(_numbers(match)[0], math.inf)


def _at_most(match: re.Match[str]) -> Span:
    return Span(-math.inf, _numbers(match)[0])


def _above(match: re.Match[str]) -> Span:
    return Span(math.nextafter(_numbers(match)[0], math.inf), math.inf)


def _below(match: re.Match[str]) -> Span:
    return Span(-math.inf, _numbers(match)[0] - 1)


_Form = tuple[re.Pattern[str], Callable[[re.Match[str]], Span]]

_OPEN: tuple[_Form, ...] = ((_MORE, _above), (_LESS, _below), (_LEAST, _at_least), (_MOST, _at_most))
_BOUNDS: tuple[_Form, ...] = ((_BETWEEN, _between), *_OPEN)
_FORMS: tuple[tuple[_Form, ...], ...] = (
    ((_DECADE, _decade),),
    ((_BETWEEN, _between),),
    ((_JUST_OVER, _just_above), (_JUST_UNDER, _just_below)),
    _OPEN,
    ((_NEARLY, _just_below),),
    ((_STATED, _exact),),
)
"""The clearest first; of those side by side, all that are said count."""
