"""A sheet for raters is balanced, blind, the same for the same seed, and comes back through its key."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from raise_agent.data.sheets import LONGEST_CELL, read_sheet
from raise_agent.errors import ConfigError, DataError, StoreError
from raise_agent.experiments.judging.sheet import (
    COLUMNS,
    FREE,
    RICH,
    candidates,
    draw,
    guide_of,
    key_of,
    read_key,
    write_rating_sheet,
)
from raise_agent.experiments.judging.stored import answer_of
from raise_agent.models.base import DIMENSIONS, Evaluation
from raise_agent.store import EvaluationRow, EvaluationStore, ResponseRow

from .made_store import RESPONDERS, TABLE, answer, make_store, scenarios

N = 60


@pytest.fixture(scope="module")
def store_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "store.sqlite"
    make_store(path, N)
    return path


def write(
    store_file: Path, sheet: Path, *, key: Path | None = None, n: int = 28, twice: int = 4, seed: int = 0
) -> Path:
    with EvaluationStore(store_file) as store:
        write_rating_sheet(
            store,
            scenarios(N),
            TABLE,
            sheet=sheet,
            key=key or key_of(sheet),
            n=n,
            twice=twice,
            seed=seed,
            rubric="default",
        )
    return sheet


def test_domains_conditions_and_responders_come_equally_often(store_file: Path) -> None:
    with EvaluationStore(store_file) as store:
        found, unshowable = candidates(store, scenarios(N))
    drawn = draw(found, 42, np.random.default_rng(1))
    assert (len(found), unshowable) == (4 * N, 0)
    assert Counter(one.condition for one in drawn) == {FREE: 21, RICH: 21}
    assert Counter(one.responder for one in drawn) == {"alpha": 21, "beta": 21}
    domains = Counter(one.scenario.domain for one in drawn)
    assert len(domains) == 7
    assert max(domains.values()) - min(domains.values()) <= 1
    assert len({one.scenario.digest for one in drawn}) == 42
    assert len(draw(found, 1000, np.random.default_rng(1))) == len(found)


def test_the_key_tells_what_the_sheet_does_not(store_file: Path, tmp_path: Path) -> None:
    sheet = write(store_file, tmp_path / "out.csv")
    rows, key = read_sheet(sheet), read_key(key_of(sheet))
    assert tuple(rows[0].cells) == COLUMNS
    assert [row.cells["code"] for row in rows] == list(key.items)
    by_digest = {scenario.digest: scenario for scenario in scenarios(N)}
    shown = []
    for row in rows:
        known = key.locate(row.cells["code"])
        digest, subset, _ = answer_of(known.item)
        text = answer(f"org/{known.responder}", by_digest[digest], subset)
        assert row.cells["answer"] == text
        assert row.cells["query"] == by_digest[digest].query
        assert row.cells["profile"].startswith("Age: ")
        assert not any(row.cells[column] for column in (*DIMENSIONS, "comment"))
        assert known.length == len(text)
        assert known.condition == (RICH if subset else FREE)
        shown.append((known.item, known.repeat))
    assert len(set(shown)) == len(rows) == 32
    again = [(place, item) for place, (item, repeat) in enumerate(shown) if repeat]
    assert len(again) == 4
    # Whoever sees an answer again has seen others since.
    assert all(shown.index((item, 0)) < 14 <= place for place, item in again)
    guide = guide_of(sheet).read_text(encoding="utf-8")
    assert "1 - absent" in guide
    assert all(dimension in guide for dimension in DIMENSIONS)


def test_condition_and_responder_stand_nowhere_but_in_the_key(store_file: Path, tmp_path: Path) -> None:
    sheet = write(store_file, tmp_path / "out.csv")
    columns = [column for column in COLUMNS if column != "answer"]
    text = "\n".join(row.cells[column] for row in read_sheet(sheet) for column in columns)
    for told in (FREE, RICH, *RESPONDERS, "alpha", "beta"):
        assert told not in text + guide_of(sheet).read_text(encoding="utf-8")
    said = key_of(sheet).read_text(encoding="utf-8")
    assert not any(scenario.query in said for scenario in scenarios(N))


def test_the_same_seed_gives_the_same_bytes_and_another_an_order_of_its_own(store_file: Path, tmp_path: Path) -> None:
    one, two, other = (
        write(store_file, tmp_path / name / "out.csv", seed=seed).read_bytes()
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert one == two != other


def test_nothing_is_written_over(store_file: Path, tmp_path: Path) -> None:
    sheet = write(store_file, tmp_path / "out.csv")
    before = sheet.read_bytes()
    with pytest.raises(ConfigError, match=r"out\.csv: is there already"):
        write(store_file, sheet, seed=1)
    assert sheet.read_bytes() == before
    for name in ("new.csv", "new.guide.txt"):
        with pytest.raises(ConfigError, match="give the key one of its own"):
            write(store_file, tmp_path / "new.csv", key=tmp_path / name)
    with pytest.raises(ConfigError, match=r"name a file \*\.csv"):
        write(store_file, tmp_path / "new.jsonl")
    assert not list(tmp_path.glob("new*"))


def test_answers_that_no_judge_scored_or_no_cell_holds_are_left_out(tmp_path: Path) -> None:
    made = scenarios(4)
    with EvaluationStore(tmp_path / "s.sqlite") as store:
        responder = {"role": "responder", "model": "m"}
        texts = ["good", "unjudged", "x" * LONGEST_CELL, "null \0 byte"]
        rows = [ResponseRow(s.digest, 0, 0, text, True) for s, text in zip(made, texts, strict=True)]
        store.write_responses(store.identity(responder), rows)
        number = store.identity({"responder": responder, "judge": {"role": "judge", "model": "j", "mode": "sampled"}})
        three = Evaluation(3.0, 3.0, 3.0)
        store.write_evaluations(number, "x", [EvaluationRow(made[i].digest, 0, 0, three) for i in (0, 2, 3)])
        found, unshowable = candidates(store, made)
        assert [one.said.text for one in found] == ["good"]
        assert unshowable == 2
        with pytest.raises(StoreError, match="of its 4 answers none that was scored is to one of the 0 scenarios"):
            candidates(store, [])


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key.update(kind="other"),
        lambda key: key.update(format=9),
        lambda key: key.update(responders={}),
        lambda key: key.pop("items"),
        lambda key: next(iter(key["items"].values())).update(scenario="no digest"),
        lambda key: next(iter(key["items"].values())).update(repeat=None),
    ],
)
def test_a_file_that_is_no_key_is_refused(store_file: Path, tmp_path: Path, change: object) -> None:
    key = key_of(write(store_file, tmp_path / "out.csv"))
    data = json.loads(key.read_text(encoding="utf-8"))
    assert callable(change)
    change(data)
    key.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(DataError, match=r"out\.key\.json: (not the key of a sheet|key format 9)"):
        read_key(key)
