"""Finished calls are kept, and only those."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from raise_agent.building.contract import Unwritten
from raise_agent.building.forms import ALONE, BESIDE
from raise_agent.building.journal import Journal, KeptWriter
from raise_agent.errors import StoreError

from .support import Scripted


def test_a_call_is_made_once_and_anything_that_can_change_it_makes_it_another(tmp_path: Path) -> None:
    made = Scripted()
    calls: list[tuple[str, Any, int | None, dict[str, str]]] = [
        ("alone", ALONE, None, {"query": "a"}),
        ("alone", ALONE, 0, {"query": "a"}),
        ("alone", ALONE, 1, {"query": "a"}),
        ("alone", ALONE, None, {"query": "b"}),
        ("alone", BESIDE, None, {"query": "a"}),
        ("beside", BESIDE, None, {"query": "a"}),
        ("beside", BESIDE, None, {"query": "a", "profile": "p"}),
    ]
    results = []
    for _ in range(2):
        with Journal(tmp_path / "sub" / "j.sqlite") as journal:
            writer = KeptWriter(made, journal)
            results.append([writer.write(part, form, draw=draw, **values) for part, form, draw, values in calls])
    assert results[0] == results[1]
    assert len(made.seen) == len(calls)
    assert (writer.asked, writer.taken) == (0, len(calls))
    other = Scripted()
    other.identity = {**other.identity, "seed": 1}
    with Journal(tmp_path / "sub" / "j.sqlite") as journal:
        KeptWriter(other, journal).write("alone", ALONE, query="a")
    assert len(other.seen) == 1


@pytest.mark.parametrize(("reason", "again"), [("broken structure", False), ("cut short", False), ("no answer", True)])
def test_what_failed_for_good_is_kept_and_what_failed_in_passing_is_asked_again(
    reason: Any, again: bool, tmp_path: Path
) -> None:
    def fails(number: int, part: str, values: object) -> Any:
        raise Unwritten(reason)

    made = Scripted(fails)
    for _ in range(2):
        with Journal(tmp_path / "j.sqlite") as journal:
            with pytest.raises(Unwritten) as failed:
                KeptWriter(made, journal).write("alone", ALONE, query="a")
            assert failed.value.reason == reason
    assert len(made.seen) == 1 + again


def test_failures_need_not_be_kept(tmp_path: Path) -> None:
    def fails(number: int, part: str, values: object) -> Any:
        if number == 0:
            raise Unwritten("cut short")

    made = Scripted(fails)
    with Journal(tmp_path / "j.sqlite") as journal:
        with pytest.raises(Unwritten):
            KeptWriter(made, journal, failures=False).write("alone", ALONE, query="a")
        again = KeptWriter(made, journal, failures=False)
        assert again.write("alone", ALONE, query="a") == again.write("alone", ALONE, query="a")
    assert len(made.seen) == 2


def test_two_that_ask_for_the_same_at_once_go_on_with_the_same(tmp_path: Path) -> None:
    """The second is still being asked when the first is done."""
    with Journal(tmp_path / "j.sqlite") as journal:
        first = KeptWriter(Scripted(lambda *call: {"neutral": "yes"}), journal)

        def later(*call: object) -> Any:
            first.write("alone", ALONE, query="a")
            return {"neutral": "no"}

        assert KeptWriter(Scripted(later), journal).write("alone", ALONE, query="a") == {"neutral": "yes"}


def test_no_value_that_was_filled_in_is_kept(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        KeptWriter(Scripted(), journal).write("alone", ALONE, query="zq17x")
    assert b"zq17x" not in (tmp_path / "j.sqlite").read_bytes()


def test_other_files_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    theirs, no_database = tmp_path / "theirs.sqlite", tmp_path / "text.sqlite"
    with sqlite3.connect(theirs) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    no_database.write_text("words " * 1000)
    for path in (theirs, no_database):
        before = path.read_bytes()
        with pytest.raises(StoreError, match=path.name):
            Journal(path)
        assert path.read_bytes() == before
    with pytest.raises(StoreError, match="cannot open"):
        Journal(no_database / "j.sqlite")
