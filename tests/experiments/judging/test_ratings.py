"""Ratings are read in every spelling; what is bad is told by file, line and column, and no cell with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raise_agent.errors import DataError
from raise_agent.experiments.judging.ratings import Known, read_ratings
from raise_agent.experiments.judging.sheet import Key

HEADER = "item,risk_sensitivity,emotional_empathy,user_alignment"
SECRET = "what-a-person-said"


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_sheets_and_json_lines_say_the_same(tmp_path: Path) -> None:
    sheet = written(
        tmp_path / "anna.csv",
        "Code;Risk;Emotional Empathy;Personalization;Overall;Repeat;Model;Condition;Answer;comment",
        "q1;4;3;5;4,0;;llama;free;twelve chars;fine",
        "q1;4,5;3;5;;1;;;;",
    )
    rows = [
        {"id": "q1", "risk": 4, "empathy": 3, "user-alignment": 5, "score": 4, "responder": "llama", "length": 12},
        {"id": "q1", "risk": "4.5", "empathy": 3, "user-alignment": 5, "repeat": 1, "score": None},
    ]
    for row in rows:
        row["condition"] = "free" if "responder" in row else ""
    lines = written(tmp_path / "ben.jsonl", *map(json.dumps, rows))
    one, other = (read_ratings([path], "fail").ratings for path in (sheet, lines))
    assert [(r.about, r.scores) for r in one] == [(r.about, r.scores) for r in other]
    assert one[0].about == Known("q1", 0, "llama", "free", "", 12)
    assert one[1].scores == (4.5, 3.0, 5.0)
    assert {r.rater for r in one} == {"anna"}
    assert {r.rater for r in other} == {"ben"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEADER, f"{SECRET},6,3,3"], "line 2, column 'risk_sensitivity': it must be a number from 1 to 5"),
        ([HEADER, f"{SECRET},3,good,3"], "line 2, column 'emotional_empathy': it must be a number from 1 to 5"),
        ([HEADER, f"{SECRET},3,3,nan"], "line 2, column 'user_alignment': it must be a number from 1 to 5"),
        ([HEADER, f"{SECRET},3,,3"], "line 2, column 'emotional_empathy': no rating"),
        ([HEADER, ",3,3,3"], "line 2, column 'item': empty"),
        ([HEADER, f"{SECRET},3,3,3", f"{SECRET},3,3,4"], "line 3: this rater has rated this item before"),
        ([f"{HEADER},score", f"{SECRET},3,3,3,12"], "line 2, column 'score': it must be a number from 1 to 5"),
        ([f"{HEADER},score", f"{SECRET},3,3,3,4"], "line 2, column 'score': not the mean"),
        ([f"{HEADER},repeat", f"{SECRET},3,3,3,x"], "line 2, column 'repeat': it must be a whole number"),
        ([f"{HEADER},rater", f"{SECRET},3,3,3,"], "line 2, column 'rater': empty"),
        ([f"{HEADER},rater", f'x,3,3,3,"{SECRET}\nb"'], "line 2, column 'rater': it must be one line"),
        ([f"{HEADER},mood", f"{SECRET},3,3,3,x"], "line 1: unknown column 'mood'"),
        (
            [f"{HEADER},responder,repeat", f"x,3,3,3,{SECRET},0", "x,3,3,3,b,1"],
            "line 3, column 'responder': an earlier row has another responder",
        ),
    ],
)
def test_a_bad_row_is_told_or_counted(tmp_path: Path, lines: list[str], said: str) -> None:
    good = ["ok,1,2,3" + "," * (lines[0].count(",") - 3)]
    good[0] = good[0][:-1] + ",me" if "rater" in lines[0] else good[0]
    path = written(tmp_path / "a.csv", *lines, *good)
    with pytest.raises(DataError) as caught:
        read_ratings([path], "fail")
    # The header is line 1 of the file.
    assert said.replace("line 1: ", "") in str(caught.value)
    assert str(path) in str(caught.value)
    assert SECRET not in str(caught.value)
    read = read_ratings([path], "skip")
    assert len(read.skipped) == 1
    assert "ok" in {rating.about.item for rating in read.ratings}


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("a.csv", ["item,risk,empathy", "x,1,2"], "line 1: no column 'user_alignment'; needed: item"),
        ("a.csv", [HEADER], "a header and no row"),
        ("a.csv", [f"{HEADER},risk", "x,1,2,3,4"], "two columns for 'risk_sensitivity'"),
        ("a.csv", [HEADER, "x,9,9,9"], "no usable rating; the first fault: "),
        ("a.csv", [f"{SECRET},1,2,3", "x,1,2,3"], "line 1: names no column; there must be a header"),
        ("a|b.csv", [HEADER, "x,1,2,3"], "this name must be one line of at most 80 characters without '|'"),
        ("a.jsonl", ['{"item": "x", "risk": 1, "risk": 2, "empathy": 1, "alignment": 1}'], "or a name twice in it"),
        ("a.jsonl", [""], "no usable rating"),
        ("a.jsonl", ['{"item": "x"'], "line 1: not valid JSON"),
        ("a.jsonl", ["[" * 100_000], "line 1: not valid JSON"),
        ("a.jsonl", ["3"], "line 1: no JSON object"),
        ("a.jsonl", ['{"item": "x", "risk": true, "empathy": 1, "alignment": 1}'], "column 'risk_sensitivity'"),
        ("a.jsonl", ['{"item": {"a": 1}, "risk": 1, "empathy": 1, "alignment": 1}'], "column 'item': it must be"),
    ],
)
def test_a_file_without_a_usable_row_is_an_error_in_any_case(
    tmp_path: Path, name: str, lines: list[str], said: str
) -> None:
    path = written(tmp_path / name, *lines)
    with pytest.raises(DataError) as caught:
        read_ratings([path], "skip")
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


def test_files_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    paths = [written(folder / "a.csv", HEADER, "x,1,2,3") for folder in (tmp_path, tmp_path / "b")]
    with pytest.raises(DataError, match="has the same name; rename one"):
        read_ratings(paths, "fail")


def test_what_the_key_holds_must_all_be_there(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", HEADER.replace("item", "code"), "bbb,1,2,3")
    known = {"BBB": Known("one", scenario="s"), "CCC": Known("two")}
    with pytest.raises(DataError, match="no row for CCC, which the key holds"):
        read_ratings([path], "fail", Key(known, {}).locate, known)
    read = read_ratings([path], "skip", Key(known, {}).locate, known)
    assert [rating.about for rating in read.ratings] == [known["BBB"]]
    assert len(read.skipped) == 1
