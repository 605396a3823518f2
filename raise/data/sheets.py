"""Sheets that people open, fill in and save in a spreadsheet: CSV files with a header.

Text from data is untrusted, and a spreadsheet takes a cell that begins like a formula for one. Such text is written
with an apostrophe before it, which reading takes off again, so that every text comes back as it was.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from raise_agent.errors import DataError
from raise_agent.files import atomic_write_text

from .records import text_fault

Cell = str | int | float | None
"""What may be written; None leaves the cell empty."""

LONGEST_CELL = 32_767
"""Characters; spreadsheets cut off what is beyond."""

_SEPARATORS = (",", ";", "\t")
# Full-width signs too: some spreadsheets take them for the plain ones. Apostrophes first, so that text which
# itself begins with one and a sign comes back with it.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")


@dataclass(frozen=True, slots=True, repr=False)
class SheetRow:
    """One row below the header; its ``repr`` shows no cell."""

    where: str
    """File, line and, where cells of several lines make it differ, the row that a spreadsheet shows; for errors."""
    line: int
    """Line of the file that the row begins on; the first is 1."""
    cells: Mapping[str, str]
    """Text by column, every column of the header, in its order; empty where nothing was filled in."""


def write_sheet(path: str | Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a sheet, replacing the file as a whole or not at all.

    UTF-8 with the mark that spreadsheets tell it by, separated by commas. The same rows give the same bytes.

    Args:
        path: file to write; missing folders are made.
        columns: names, each once and none blank.
        rows: cells in the order of the columns. Numbers are written as such.

    Raises:
        DataError: a text cannot be held (a null byte, half a character, longer than ``LONGEST_CELL``), or the file
            cannot be written; the message gives row and column, and no cell.
        ValueError: a row is not as long as the header, or a column's name is blank, doubled or padded with blanks.
    """
    if len(set(columns)) < len(columns) or not all(name and name == name.strip() for name in columns):
        raise ValueError("columns: each needs a name of its own, without blanks around it")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([_guarded(name) for name in columns])
    for number, row in enumerate(rows, 1):
        cells = zip(columns, row, strict=True)
        writer.writerow([_written(cell, f"{path}: row {number}, column {name!r}") for name, cell in cells])
    try:
        atomic_write_text(path, "\ufeff" + text.getvalue())
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({type(error).__name__})") from error


def read_sheet(path: str | Path) -> list[SheetRow]:
    """Read a sheet as spreadsheets save it: separated by commas, semicolons or tabs, which the header tells.

    Rows without any text are left out. Cells that are missing at the end of a row are empty.

    Raises:
        DataError: there is no such file, it is not UTF-8 or no table, a column has no name or the name of another, or
            a row is longer than the header; the message gives the line, and no cell.
    """
    text = _text(path)
    separator = _separator(text)
    rows: list[SheetRow] = []
    columns: tuple[str, ...] = ()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    number = 0
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            # Its text is of the form alone, never of the cells.
            raise DataError(f"{path}: line {line}: no row of a CSV file ({error}); save it as CSV again") from None
        if cells is None:
            break
        number += 1
        where = f"{path}: line {line}" + (f" (row {number})" if number != line else "")
        cells = [_unguarded(cell) for cell in cells]
        if not any(cell.strip() for cell in cells):
            continue
        if not columns:
            columns = _header(cells, where)
            continue
        if any(cell.strip() for cell in cells[len(columns) :]):
            raise DataError(
                f"{where}: {len(cells)} cells, the header has {len(columns)}; a text that holds the separator "
                f"{separator!r} must stand in quotes"
            )
        padded = [*cells[: len(columns)], *[""] * (len(columns) - len(cells))]
        rows.append(SheetRow(where, line, dict(zip(columns, padded, strict=True))))
    if not columns:
        raise DataError(f"{path}: the sheet is empty; it needs a header and a row for each item")
    return rows


def _guarded(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _written(cell: Cell, where: str) -> str | int | float | None:
    if not isinstance(cell, str):
        return cell
    if fault := text_fault(cell):
        raise DataError(f"{where}: the text {fault}")
    text = _guarded(cell)
    if len(text) > LONGEST_CELL:
        raise DataError(
            f"{where}: a text of {len(text):,} characters; a cell of a spreadsheet holds {LONGEST_CELL:,} at most"
        )
    return text


def _text(path: str | Path) -> str:
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Not chained: that error carries the whole file.
        raise DataError(f"{path}: not UTF-8, byte {error.start}; save the sheet as CSV in UTF-8") from None
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give a sheet that was saved as CSV") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({type(error).__name__})") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}: line {line}: holds a null byte; save the sheet as CSV in UTF-8")
    return text


def _separator(text: str) -> str:
    """The one that splits the first row that is not blank into most cells."""
    start = text.lstrip("\r\n")

    def cells(separator: str) -> int:
        try:
            return len(next(csv.reader(io.StringIO(start, newline=""), delimiter=separator), []))
        except csv.Error:
            return 0

    return max(_SEPARATORS, key=cells)


def _header(cells: Sequence[str], where: str) -> tuple[str, ...]:
    names = [cell.strip() for cell in cells]
    while not names[-1]:
        names.pop()
    for position, name in enumerate(names, 1):
        if not name:
            raise DataError(f"{where}: column {position} has no name")
        if name in names[: position - 1]:
            raise DataError(f"{where}: two columns are called {name!r}; each may stand once")
    return tuple(names)
