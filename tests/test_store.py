import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from raise_agent.errors import StoreError
from raise_agent.models.base import Doubt, Evaluation, Weights
from raise_agent.store import FORMAT, EvaluationRow, EvaluationStore, RankingRow, ResponseRow

A, B = "a" * 32, "b" * 32


def row(subset: int, score: float, digest: str = A, sample: int = 0) -> EvaluationRow:
    return EvaluationRow(digest, subset, sample, Evaluation(score, score, score))


def test_what_was_written_is_read_by_a_later_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store.sqlite"
    exact = Evaluation(1.000001, 2.3456789012345, 4.9999999)
    with EvaluationStore(path) as store:
        number = store.identity({"llm": "x", "seed": 1})
        store.write_evaluations(number, "mcts", [EvaluationRow(A, 5, 2, exact)])
        store.write_rankings(number, [RankingRow(A, 1, Weights((0.1, 0.2, 0.7)))])
    with EvaluationStore(path) as store:
        number = store.identity({"seed": 1, "llm": "x"})
        assert store.evaluations(number, A) == {(5, 2): exact}
        assert store.rankings(number, A) == {1: Weights((0.1, 0.2, 0.7))}
        assert store.evaluations(number, B) == {}


def test_any_difference_in_identity_keeps_evaluations_apart() -> None:
    store = EvaluationStore(":memory:")
    one, other = store.identity({"model": "m", "temperature": 0}), store.identity({"model": "m", "temperature": 1})
    store.write_evaluations(one, "x", [row(3, 2.0)])
    assert one != other
    assert store.evaluations(other, A) == {}


def test_samples_of_one_subset_are_kept_apart_and_the_first_result_stays() -> None:
    store = EvaluationStore(":memory:")
    number = store.identity({})
    store.write_evaluations(number, "x", [row(3, 2.0), row(3, 3.0, sample=1)])
    store.write_evaluations(number, "y", [row(3, 5.0)])
    found = store.evaluations(number, A)
    assert {key: evaluation.score for key, evaluation in found.items()} == {(3, 0): 2.0, (3, 1): 3.0}
    assert store.origins(number, [A]) == {"x": 2}


def test_origins_count_the_wanted_scenarios_only() -> None:
    store = EvaluationStore(":memory:")
    number = store.identity({})
    store.write_evaluations(number, "mcts", [row(1, 2.0), row(2, 2.0), row(1, 2.0, digest=B)])
    store.write_evaluations(number, "evaluate", [row(4, 2.0)])
    assert store.origins(number, [A]) == {"evaluate": 1, "mcts": 2}


def test_a_batch_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with EvaluationStore(tmp_path / "s.sqlite") as store:
        number = store.identity({})
        with pytest.raises(ValueError, match="non-hexadecimal"):
            store.write_evaluations(number, "x", [row(1, 2.0), row(2, 2.0, digest="no hex")])
        assert store.evaluations(number, A) == {}
        store.write_evaluations(number, "x", [row(1, 2.0)])
        assert len(store.evaluations(number, A)) == 1


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE t (x)")
    database.commit()
    database.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"other\.sqlite.*another program"):
        EvaluationStore(path)
    assert path.read_bytes() == before


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    EvaluationStore(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.commit()
    database.close()
    with pytest.raises(StoreError, match=r"s\.sqlite: store format 99.*upgrade"):
        EvaluationStore(path)


def test_text_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to have a header of sorts\n" * 50)
    with pytest.raises(StoreError, match=r"notes\.txt: cannot open"):
        EvaluationStore(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the folder"):
        EvaluationStore(tmp_path / "file" / "s.sqlite")


WRITE_MANY = """
import sys
from raise_agent.models.base import Evaluation
from raise_agent.store import EvaluationRow, EvaluationStore

start = int(sys.argv[2])
with EvaluationStore(sys.argv[1]) as store:
    number = store.identity({"llm": "x"})
    for subset in range(start, start + 100):
        store.write_evaluations(number, "job", [EvaluationRow("a" * 32, subset, 0, Evaluation(2, 2, 2))])
"""


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    jobs = [subprocess.Popen([sys.executable, "-c", WRITE_MANY, str(path), str(start)]) for start in range(1, 401, 100)]
    assert [job.wait() for job in jobs] == [0, 0, 0, 0]
    with EvaluationStore(path) as store:
        assert len(store.evaluations(store.identity({"llm": "x"}), A)) == 400


def test_no_query_and_no_value_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with EvaluationStore(path) as store:
        store.write_evaluations(store.identity({"llm": "x"}), "mcts", [row(1, 2.0)])
    columns = {
        name
        for (table,) in sqlite3.connect(path).execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for _, name, *_ in sqlite3.connect(path).execute(f"PRAGMA table_info({table})")
    }
    assert not columns & {"query", "profile", "values", "answers"}


@pytest.mark.parametrize(
    "doubt",
    [
        None,
        Doubt(variances=(0.1, 0.0, 1.2345678901234), outside=(0.0, 0.25, 1.0)),
        Doubt(variances=None, outside=(0.0, 0.0, 0.0)),
    ],
    ids=["none", "full", "single rating"],
)
def test_how_sure_a_judge_was_is_kept(doubt: Doubt | None, tmp_path: Path) -> None:
    exact = Evaluation(1.5, 2.5, 4.0, doubt=doubt)
    with EvaluationStore(tmp_path / "s.sqlite") as store:
        store.write_evaluations(store.identity({}), "x", [EvaluationRow(A, 1, 0, exact)])
    with EvaluationStore(tmp_path / "s.sqlite") as store:
        assert store.evaluations(store.identity({}), A) == {(1, 0): exact}


def test_answers_are_kept_apart_by_responder_scenario_subset_and_sample(tmp_path: Path) -> None:
    texts = {(A, 1, 0): "one", (A, 1, 1): "two", (A, 2, 0): "three\n\x00 ünï", (B, 1, 0): "four"}
    with EvaluationStore(tmp_path / "s.sqlite") as store:
        number = store.identity({"role": "responder"})
        store.write_responses(number, [ResponseRow(*key, text, finished=True) for key, text in texts.items()])
    with EvaluationStore(tmp_path / "s.sqlite") as store:
        assert {key: store.response(number, *key) for key in texts} == texts
        assert store.response(number, A, 3, 0) is None
        assert store.response(store.identity({"role": "other"}), A, 1, 0) is None


def test_the_first_answer_stays_and_those_cut_off_are_counted() -> None:
    store = EvaluationStore(":memory:")
    number = store.identity({})
    assert store.responses(number) == (0, 0)
    store.write_responses(number, [ResponseRow(A, 1, 0, "first", finished=False), ResponseRow(A, 2, 0, "x", True)])
    store.write_responses(number, [ResponseRow(A, 1, 0, "second", finished=True)])
    assert store.response(number, A, 1, 0) == "first"
    assert store.responses(number) == (2, 1)


FORMAT_1 = """
CREATE TABLE identities (id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE);
CREATE TABLE origins (id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE);
CREATE TABLE evaluations (
    identity INTEGER NOT NULL, scenario BLOB NOT NULL, subset INTEGER NOT NULL, sample INTEGER NOT NULL,
    risk_sensitivity REAL NOT NULL, emotional_empathy REAL NOT NULL, user_alignment REAL NOT NULL,
    origin INTEGER NOT NULL,
    PRIMARY KEY (identity, scenario, subset, sample)
) WITHOUT ROWID;
CREATE TABLE rankings (
    identity INTEGER NOT NULL, scenario BLOB NOT NULL, subset INTEGER NOT NULL, weights BLOB NOT NULL,
    PRIMARY KEY (identity, scenario, subset)
) WITHOUT ROWID;
INSERT INTO identities VALUES (1, '{"llm": "x"}');
INSERT INTO origins VALUES (1, 'mcts');
INSERT INTO evaluations VALUES (1, X'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 5, 0, 1.5, 2.5, 4.0, 1);
INSERT INTO rankings VALUES (1, X'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 0, X'000000000000e03f000000000000e03f');
PRAGMA application_id = 1380010323;
PRAGMA user_version = 1;
"""


def test_a_file_of_the_first_format_is_read_and_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    database = sqlite3.connect(path)
    database.executescript(FORMAT_1)
    database.close()
    doubtful = Evaluation(2.0, 3.0, 4.0, doubt=Doubt((0.5, 0.5, 0.5), (0.0, 0.0, 0.1)))
    for _ in range(2):
        with EvaluationStore(path) as store:
            number = store.identity({"llm": "x"})
            assert store.evaluations(number, A)[5, 0] == Evaluation(1.5, 2.5, 4.0)
            assert store.rankings(number, A) == {0: Weights((0.5, 0.5))}
            assert store.origins(number, [A])["mcts"] >= 1
            store.write_evaluations(number, "mcts", [EvaluationRow(A, 6, 0, doubtful)])
            store.write_responses(number, [ResponseRow(A, 6, 0, "Sleep on it.", finished=True)])
            assert store.evaluations(number, A)[6, 0] == doubtful
            assert store.response(number, A, 6, 0) == "Sleep on it."
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (FORMAT,)


def test_a_row_does_not_show_the_answer() -> None:
    assert "zanzibar" not in repr(ResponseRow(A, 1, 0, "zanzibar", finished=True))
