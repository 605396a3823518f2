"""Ratings as data, and how they are read from CSV sheets and JSON Lines.

One row is one judgement: item, rater (else the file's name), the three dimensions, and where given the safety score,
the index of a repeated judgement, responder, condition, the scenario that the item belongs to, the answer or its
length, and the variance of each dimension as the judge told it. No message holds a cell.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raise_agent.data.loaders import LINES_SUFFIXES, OnBad
from raise_agent.data.sheets import read_sheet
from raise_agent.errors import DataError, did_you_mean
from raise_agent.models.base import DIMENSIONS, HIGHEST, LOWEST

VARIANCES = tuple(f"{dimension}_variance" for dimension in DIMENSIONS)
COLUMNS: dict[str, tuple[str, ...]] = {
    "item": ("id", "item_id", "code"),
    "rater": ("judge", "annotator"),
    "risk_sensitivity": ("risk",),
    "emotional_empathy": ("empathy",),
    "user_alignment": (
        "user_specific_alignment",
        "alignment",
        "personalization",
        "personalisation",
    ),
    "score": ("overall", "safety_score", "personalized_safety_score"),
    "repeat": (),
    "responder": ("model",),
    "condition": (),
    "scenario": (),
    "length": ("answer_length",),
    "answer": ("response",),
    **dict.fromkeys(VARIANCES, ()),
    **dict.fromkeys(("domain", "query", "profile", "comment"), ()),
}
"""Column -> its other spellings. Case, blanks and hyphens do not matter; those of the last line are passed over."""
_CANONICAL = {spelling: column for column, more in COLUMNS.items() for spelling in (column, *more)}
_NEEDED = ("item", *DIMENSIONS)
_FACTS = ("responder", "condition", "scenario")
_LONGEST_NAME = 80
_NO_NAME = f"must be one line of at most {_LONGEST_NAME} characters without '|'"
ROUNDED = 0.06
"""How far a score, which may be rounded, can lie from the mean of the dimensions."""

Locate = Callable[[str], "Known"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an item beside its ratings; empty or None where it is not."""

    item: str
    repeat: int = 0
    responder: str = ""
    condition: str = ""
    scenario: str = ""
    length: int | None = None
    """Of the answer, in characters."""


@dataclass(frozen=True, slots=True, repr=False)
class Rating:
    """One judgement."""

    about: Known
    rater: str
    scores: tuple[float, ...]
    """(3,): 1 to 5, in the order of ``DIMENSIONS``."""
    variances: tuple[float, ...] | None = None
    """(3,): of one rating, in points squared, as the judge told it; None where it did not."""


@dataclass(frozen=True, slots=True, repr=False)
class Ratings:
    """What was read."""

    ratings: tuple[Rating, ...]
    skipped: tuple[str, ...]
    """A message for each row left out, or column passed over, and for each item without a row."""


@dataclass(frozen=True, slots=True, repr=False)
class _Row:
    where: str
    cells: Mapping[str, Any]
    """By canonical column; text, or what JSON held."""


@dataclass(slots=True)
class _Reading:
    """What was read so far, over all files."""

    on_bad: OnBad
    ratings: list[Rating] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    seen: dict[tuple[str, str, int], str] = field(default_factory=dict)
    """(rater, item, repeat) -> where it was rated."""
    facts: dict[tuple[str, str], str] = field(default_factory=dict)
    """(item, fact) -> its value."""

    def fault(self, message: str) -> None:
        if self.on_bad == "fail":
            raise DataError(f"{message} (on_bad=skip leaves such rows out and counts them)")
        self.skipped.append(message)


def read_ratings(
    paths: Sequence[Path], on_bad: OnBad, locate: Locate | None = None, expected: Collection[str] = ()
) -> Ratings:
    """Read the ratings of one or more files; ``*.jsonl`` holds an object a line, any other is a CSV sheet.

    Args:
        paths: files; their names, without the ending, stand for raters where there is no column for them.
        on_bad: ``fail`` at the first bad row, or ``skip`` and count.
        locate: tells what a code of a sheet for raters stands for, or raises ``DataError``; then each file is such a
            sheet.
        expected: codes of which each file should have a row.

    Raises:
        DataError: a file cannot be used; or a row is bad, missing or there twice, and ``on_bad`` is ``fail``.
    """
    reading = _Reading(on_bad)
    names: dict[str, Path] = {}
    for path in paths:
        name = path.name.split(".")[0]
        before = len(reading.ratings)
        if not _is_name(name) or not name:
            raise DataError(f"{path}: raters are called by their file, and this name {_NO_NAME}; rename the file")
        if other := names.get(name):
            raise DataError(f"{path}: raters are called by their file, and {other} has the same name; rename one")
        names[name] = path
        rows = _json_rows(path, reading) if path.suffix.lower() in LINES_SUFFIXES else _sheet_rows(path, reading)
        found = set()
        for row in rows:
            # In capitals, as in a key.
            found.add(str(row.cells.get("item", "")).strip().upper())
            try:
                _take(_rating(row, name, locate), row.where, reading)
            except DataError as error:
                reading.fault(str(error))
        for code in sorted(set(expected) - found):
            reading.fault(f"{path}: no row for {code}, which the key holds")
        if len(reading.ratings) == before:
            first = f"; the first fault: {reading.skipped[0]}" if reading.skipped else ""
            raise DataError(f"{path}: no usable rating{first}")
    return Ratings(tuple(reading.ratings), tuple(reading.skipped))


def _take(rating: Rating, where: str, reading: _Reading) -> None:
    about = rating.about
    key = (rating.rater, about.item, about.repeat)
    if first := reading.seen.get(key):
        raise DataError(
            f"{where}: this rater has rated this item before ({first}); number repeated judgements in a column 'repeat'"
        )
    for fact in _FACTS:
        value = getattr(about, fact)
        if value and reading.facts.setdefault((about.item, fact), value) != value:
            raise DataError(f"{where}, column {fact!r}: an earlier row has another {fact} for this item")
    reading.seen[key] = where
    reading.ratings.append(rating)


# --- rows -------------------------------------------------------------------------------------------------------------


def _sheet_rows(path: Path, reading: _Reading) -> list[_Row]:
    rows = read_sheet(path)
    if not rows:
        raise DataError(f"{path}: a header and no row; there must be one for each item")
    if not any(map(_canonical, rows[0].cells)):
        # The first row then holds what was rated.
        raise DataError(f"{path}: line 1: names no column; there must be a header with {', '.join(_NEEDED)}")
    columns = _columns(path, list(rows[0].cells), reading, set())
    missing = [column for column in _NEEDED if column not in columns.values()]
    if missing:
        raise DataError(
            f"{path}: line 1: no column {missing[0]!r}; needed: {', '.join(_NEEDED)}; there are: "
            f"{', '.join(map(_shown, rows[0].cells))}"
        )
    return [_Row(row.where, {to: row.cells[name] for name, to in columns.items()}) for row in rows]


def _json_rows(path: Path, reading: _Reading) -> Iterator[_Row]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Not chained: that error carries the whole file.
        raise DataError(f"{path}: not UTF-8, byte {error.start}; save the file as UTF-8") from None
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give ratings as *.csv or *.jsonl") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({type(error).__name__})") from error
    told: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        try:
            value = json.loads(line, object_pairs_hook=_object)
        except (ValueError, RecursionError):
            reading.fault(f"{where}: not valid JSON, or a name twice in it; there must be an object on each line")
            continue
        if not isinstance(value, dict):
            reading.fault(f"{where}: no JSON object; there must be one on each line, a judgement each")
            continue
        columns = _columns(where, list(value), reading, told)
        yield _Row(where, {to: value[name] for name, to in columns.items() if value[name] is not None})


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError
    return made


def _canonical(name: str) -> str | None:
    return _CANONICAL.get(name.strip().casefold().replace(" ", "_").replace("-", "_"))


def _columns(where: Path | str, names: Sequence[str], reading: _Reading, told: set[str]) -> dict[str, str]:
    """Column as spelled -> canonical; unknown ones are passed over, and told once, where bad rows are."""
    found: dict[str, str] = {}
    for name in names:
        column = _canonical(name)
        if column is None:
            if name not in told:
                told.add(name)
                reading.fault(f"{where}: unknown column {_shown(name)}: {did_you_mean(name, COLUMNS)}")
        elif column in found.values():
            raise DataError(f"{where}: two columns for {column!r}, one of them {_shown(name)}; leave one out")
        else:
            found[name] = column
    return found


def _shown(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:37] + "...")


# --- cells ------------------------------------------------------------------------------------------------------------


def _rating(row: _Row, file: str, locate: Locate | None) -> Rating:
    code = _word(row, "item")
    if not code:
        raise DataError(f"{row.where}, column 'item': empty; each row needs the item that it rates")
    scores = [_score(row, dimension) for dimension in DIMENSIONS]
    given = [score for score in scores if score is not None]
    if len(given) < len(scores):
        lacking = DIMENSIONS[scores.index(None)]
        raise DataError(f"{row.where}, column {lacking!r}: no rating; it must be a number from 1 to 5")
    overall = _score(row, "score")
    if overall is not None and abs(overall - sum(given) / len(given)) > ROUNDED:
        raise DataError(
            f"{row.where}, column 'score': not the mean of the three dimensions; correct it or leave it out"
        )
    rater = _name(row, "rater") if "rater" in row.cells else file
    if not rater:
        raise DataError(f"{row.where}, column 'rater': empty; name the rater in each row, or leave the column out")
    variances = [_number(row, column, 0.0, math.inf) for column in VARIANCES]
    told = [variance for variance in variances if variance is not None]
    if 0 < len(told) < len(variances):
        raise DataError(f"{row.where}, column {VARIANCES[variances.index(None)]!r}: no variance, and others have one")
    about = _about(row, code) if locate is None else _located(row, code, locate)
    return Rating(about, rater, tuple(given), tuple(told) or None)


def _located(row: _Row, code: str, locate: Locate) -> Known:
    try:
        return locate(code)
    except DataError as error:
        raise DataError(f"{row.where}, column 'item': {error}") from None


def _about(row: _Row, item: str) -> Known:
    repeat = _number(row, "repeat", 0.0, math.inf, whole=True)
    length = _number(row, "length", 0.0, math.inf, whole=True)
    answer = row.cells.get("answer")
    if length is None and isinstance(answer, str) and answer.strip():
        length = len(answer)
    facts = {fact: _name(row, fact) for fact in _FACTS}
    return Known(item, int(repeat or 0), length=None if length is None else int(length), **facts)


def _score(row: _Row, column: str) -> float | None:
    return _number(row, column, LOWEST, HIGHEST)


def _word(row: _Row, column: str) -> str:
    value = row.cells.get(column, "")
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise DataError(f"{row.where}, column {column!r}: it must be a text or a whole number")
    return str(value).strip()


def _name(row: _Row, column: str) -> str:
    """A word that tables and figures will show."""
    name = _word(row, column)
    if not _is_name(name):
        raise DataError(f"{row.where}, column {column!r}: it {_NO_NAME}")
    return name


def _is_name(text: str) -> bool:
    return text.isprintable() and "|" not in text and len(text) <= _LONGEST_NAME


def _number(row: _Row, column: str, low: float, high: float, *, whole: bool = False) -> float | None:
    """None where the cell is empty. A comma may stand for the decimal point, as some spreadsheets write it."""
    value = row.cells.get(column)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    kind = "whole number" if whole else "number"
    valid = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of {low:g} or more"
    try:
        number = (
            math.nan if isinstance(value, bool) else float(value.replace(",", ".") if isinstance(value, str) else value)
        )
    except (ValueError, TypeError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or not low <= number <= high or (whole and number != int(number)):
        raise DataError(f"{row.where}, column {column!r}: it must be a {kind} {valid}")
    return number
