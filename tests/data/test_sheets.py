"""Sheets: what is written comes back, what spreadsheets make of it too, and no cell stands in an error."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.data.sheets import LONGEST_CELL, read_sheet, write_sheet
from raise_agent.errors import DataError

SECRET = "what a person said"
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "'=x", "''-x", "'quoted'", 'a"b', "a;b,c\td", "two\nlines", "＝1"]
)


@settings(max_examples=60)
@given(st.lists(st.tuples(_TEXTS, _TEXTS), max_size=5))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("sheets") / "sheet.csv"
    write_sheet(path, ["code", "text"], rows)
    read = [tuple(row.cells.values()) for row in read_sheet(path)]
    assert read == [row for row in rows if any(cell.strip() for cell in row)]


def test_a_row_of_blanks_alone_is_no_row(tmp_path: Path) -> None:
    write_sheet(tmp_path / "s.csv", ["a", "b"], [("", "\n"), ("\t", " "), ("x", "\r")])
    assert [dict(row.cells) for row in read_sheet(tmp_path / "s.csv")] == [{"a": "x", "b": "\r"}]


def test_no_cell_begins_like_a_formula(tmp_path: Path) -> None:
    cells = ["=HYPERLINK(1)", "+1", "-1", "@SUM", "\t=1", "\r=1", "\n=1", "'=1", "＝1"]
    write_sheet(tmp_path / "s.csv", ["a"], [[cell] for cell in cells])
    text = (tmp_path / "s.csv").read_bytes().decode("utf-8-sig")
    written = [row[0] for row in csv.reader(io.StringIO(text, newline=""))][1:]
    assert [cell[0] for cell in written] == ["'"] * len(cells)
    assert [row.cells["a"] for row in read_sheet(tmp_path / "s.csv")] == cells


def test_numbers_stay_numbers_and_nothing_stays_empty(tmp_path: Path) -> None:
    write_sheet(tmp_path / "s.csv", ["a", "b", "c"], [(-1, 0.5, None)])
    assert (tmp_path / "s.csv").read_bytes() == "\ufeffa,b,c\r\n-1,0.5,\r\n".encode()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_spreadsheets_save_is_read(tmp_path: Path, separator: str, mark: str, end: str) -> None:
    lines = [["code", " text ", "rating", ""], ["a", '"x, y; z\n2"', "4"], ["", "", "", ""], ["b", "'=1"]]
    text = mark + end.join(separator.join(line) for line in lines) + end
    (tmp_path / "s.csv").write_bytes(text.encode())
    rows = read_sheet(tmp_path / "s.csv")
    assert [dict(row.cells) for row in rows] == [
        {"code": "a", "text": "x, y; z\n2", "rating": "4"},
        {"code": "b", "text": "=1", "rating": ""},
    ]
    assert [row.line for row in rows] == [2, 5]
    assert [row.where for row in rows] == [f"{tmp_path / 's.csv'}: line 2", f"{tmp_path / 's.csv'}: line 5 (row 4)"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the sheet is empty"),
        (b"\r\n\r\n", "the sheet is empty"),
        (f"a,b\n{SECRET},\xe9".encode("latin-1"), "not UTF-8, byte 23"),
        (f"a,b\n{SECRET}\0,1".encode(), "line 2: holds a null byte"),
        (f"a,a\n{SECRET},1".encode(), "line 1: two columns are called 'a'"),
        (f"a,,b\n{SECRET},1,2".encode(), "line 1: column 2 has no name"),
        (f"a,b\n1,2\n{SECRET},1,2".encode(), "line 3: 3 cells, the header has 2"),
        (f'a,b\n1,2\n"{SECRET},1'.encode(), "line 3: no row of a CSV file"),
        (f'a,b\n"{SECRET}" x,1'.encode(), "line 2: no row of a CSV file"),
        (f"a,b\n1,2\n{SECRET * 10_000},1".encode(), "line 3: no row of a CSV file"),
    ],
)
def test_a_fault_is_told_with_its_line_and_without_the_cell(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "s.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_sheet(tmp_path / "s.csv")
    assert f"{tmp_path / 's.csv'}: {said}" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{SECRET}\0", "holds a null byte"),
        (f"{SECRET} \ud83d", "holds a lone surrogate"),
        (SECRET + "x" * LONGEST_CELL, "a cell of a spreadsheet holds 32,767 at most"),
    ],
)
def test_what_no_cell_can_hold_is_not_written(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        write_sheet(tmp_path / "s.csv", ["a", "b"], [("1", "2"), ("3", text)])
    assert f"{tmp_path / 's.csv'}: row 2, column 'b': " in str(caught.value)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        read_sheet(tmp_path / "none.csv")
