"""``raise-agent judge`` as a user meets it: sheets out and back, ratings of any source, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf
from scipy import stats

from raise_agent.data.sheets import SheetRow, read_sheet, write_sheet
from raise_agent.errors import RaiseError
from raise_agent.experiments.judge import check, find
from raise_agent.models.base import DIMENSIONS, Evaluation, EvaluationRequest
from raise_agent.models.simulated import SimulatedSafetyModel
from raise_agent.store import EvaluationRow, EvaluationStore
from tests.models.served.stand_in import StandIn, running

from .made_store import TABLE, answer, make_store, scenarios

if TYPE_CHECKING:
    from tests.conftest import Cli

QUICK = ("resamples=200", "hydra.run.dir=r")
STORE = "runs/evaluations.sqlite"
SECRET = "what a person said"


@pytest.fixture
def unplotted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of the time of a test."""
    monkeypatch.setattr("raise_agent.experiments.judging.figures.draw", lambda *arguments, **more: [])


def results(tmp_path: Path) -> Any:
    return json.loads((tmp_path / "r" / "judge.json").read_text())


def fill(rows: list[SheetRow], path: Path, ratings: dict[str, list[int]]) -> None:
    """A sheet as a rater saves it: their ratings by code."""
    columns = list(rows[0].cells)
    kept = columns[: columns.index(DIMENSIONS[0])]
    filled = [[row.cells[column] for column in kept] + ratings[row.cells["code"]] + [SECRET] for row in rows]
    write_sheet(path, columns, filled)


def pair_of(found: Any, first: str, second: str) -> Any:
    return next(pair for pair in found["pairs"] if (pair["first"], pair["second"]) == (first, second))


@pytest.mark.usefixtures("unplotted")
def test_a_sheet_goes_out_and_comes_back(cli: Cli, tmp_path: Path) -> None:
    make_store(tmp_path / STORE, 40)
    done = cli("judge", "sheet=out.csv", "n=30", "twice=5", "data.n=40", "seed=3")
    assert "35 rows, drawn from 160 judged answers" in done.stdout
    assert "conditions: context-free 15, context-rich 15" in done.stdout
    rows = read_sheet(tmp_path / "out.csv")
    rng = np.random.default_rng(0)
    # One person rates what the answers to everything known deserve, another at random.
    told = {answer(f"org/{name}", s, s.profile.known) for name in ("alpha", "beta") for s in scenarios(40)}
    one = {row.cells["code"]: [4 if row.cells["answer"] in told else 2] * 3 for row in rows}
    other = {code: rng.integers(1, 6, 3).tolist() for code in one}
    fill(rows, tmp_path / "anna.csv", one)
    fill(rows, tmp_path / "ben.csv", other)
    done = cli("judge", "ratings=[anna.csv,ben.csv]", "key=out.key.json", *QUICK)
    found = results(tmp_path)
    assert found["simulated"] is False
    names = ["sharp (expectation)", "blunt (expectation)", "anna", "ben", "people"]
    assert [rater["name"] for rater in found["raters"]] == names
    assert ("anna", "people") not in {(pair["first"], pair["second"]) for pair in found["pairs"]}
    kappas = {
        (judge, person): pair_of(found, f"{judge} (expectation)", person)["measures"]["score"]["kappa"]["value"]
        for judge in ("sharp", "blunt")
        for person in ("anna", "ben")
    }
    assert kappas["sharp", "anna"] > 0.4 > abs(kappas["sharp", "ben"])
    assert kappas["blunt", "anna"] > 0.4 > abs(kappas["blunt", "ben"])
    anna = found["raters"][2]
    assert anna["groups"]["condition"] == {
        "context-free": {"value": 2.0, "low": 2.0, "high": 2.0, "n": 15},
        "context-rich": {"value": 4.0, "low": 4.0, "high": 4.0, "n": 15},
    }
    assert anna["repeats"]["score"]["n"] == 5
    assert anna["repeats"]["score"]["deviation"]["value"] == 0.0
    assert anna["length"]["pearson"]["value"] is not None
    report = (tmp_path / "r" / "judge.md").read_text()
    for text in (done.stdout, done.stderr, report, json.dumps(found)):
        assert SECRET not in text
        assert not any(scenario.query in text for scenario in scenarios(40))


@pytest.mark.usefixtures("unplotted")
def test_statistics_are_those_of_scipy(cli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(1, 6, (30, 3))
    y = np.clip(x + rng.integers(-1, 2, (30, 3)), 1, 5)
    lengths = rng.integers(100, 900, 30)
    for name, ratings in (("ours", x), ("theirs", y)):
        lines = [
            json.dumps({"item": i, **dict(zip(DIMENSIONS, map(int, row), strict=True)), "length": int(lengths[i])})
            for i, row in enumerate(ratings)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    cli("judge", "ratings=[ours.jsonl,theirs.jsonl]", *QUICK)
    found = results(tmp_path)
    (pair,) = found["pairs"]
    for place, dimension in enumerate(DIMENSIONS):
        measured = pair["measures"][dimension]
        assert measured["pearson"]["value"] == pytest.approx(stats.pearsonr(x[:, place], y[:, place])[0], abs=1e-9)
        assert measured["spearman"]["value"] == pytest.approx(stats.spearmanr(x[:, place], y[:, place])[0], abs=1e-9)
        assert measured["kappa"]["low"] < measured["kappa"]["value"] < measured["kappa"]["high"]
        assert sum(map(sum, measured["confusion"])) == 30
    ours = found["raters"][0]
    assert ours["length"]["spearman"]["value"] == pytest.approx(stats.spearmanr(x.mean(axis=1), lengths)[0], abs=1e-9)
    between = stats.pearsonr(x[:, 0], x[:, 1])[0]
    assert ours["dimensions"]["risk_sensitivity, emotional_empathy"]["value"] == pytest.approx(between, abs=1e-9)
    assert sum(one["n"] for one in pair["calibration"]) == 30


@pytest.mark.usefixtures("unplotted")
def test_judges_of_the_store_are_compared_over_responders(cli: Cli, tmp_path: Path) -> None:
    make_store(tmp_path / STORE, 40)
    cli("judge", *QUICK)
    found = results(tmp_path)
    (pair,) = found["pairs"]
    assert (pair["first"], pair["second"], pair["n"]) == ("sharp (expectation)", "blunt (expectation)", 160)
    assert pair["order"]["responders"] == ["alpha", "beta"]
    assert pair["order"]["kendall"]["value"] == 1.0
    # Sharp's errors are 0.2 wide as it says; the other's, of 1, are not its own.
    assert pair["doubt"][0]["variance"] == pytest.approx(0.04)
    assert pair["doubt"][0]["error"]["value"] > 0.5
    with EvaluationStore(tmp_path / STORE) as store:
        first, *_ = store.safety_models()
        scores = [row.evaluation.score for row in store.all_evaluations(first)]
    alpha = found["raters"][0]["groups"]["responder"]["alpha"]
    assert alpha["n"] == len(scores) == 80
    assert alpha["value"] == pytest.approx(np.mean(scores))


def test_the_same_ratings_give_the_same_bytes(cli: Cli, tmp_path: Path) -> None:
    lines = [f"{i},{1 + i % 5},{1 + i * 7 % 5},{1 + i * 3 % 4}" for i in range(20)]
    (tmp_path / "one.csv").write_text("\n".join(["item,risk,empathy,alignment", *lines]))
    made = []
    for _ in range(2):
        cli("judge", "ratings=one.csv", *QUICK)
        files = [tmp_path / "r" / "judge.json", tmp_path / "r" / "judge.md", *(tmp_path / "r" / "figures").iterdir()]
        made.append({file.name: file.read_bytes() for file in files})
    assert made[0] == made[1]
    assert len(made[0]) == 4


@pytest.mark.usefixtures("unrendered")
def test_degenerate_ratings_show_dashes(cli: Cli, tmp_path: Path) -> None:
    header = "item,rater,risk,empathy,alignment"
    (tmp_path / "a.csv").write_text(f"{header}\n1,$x^$,3,3,3\n2,$x^$,3,3,3\n1,y,4,3,3\n2,y,5,3,3\n")
    done = cli("judge", "ratings=a.csv", *QUICK)
    assert pair_of(results(tmp_path), "$x^$", "y")["measures"]["score"]["pearson"]["value"] is None
    assert "nan" not in done.stdout + done.stderr
    assert " - |" in done.stdout
    names = {path.name for path in (tmp_path / "r" / "figures").iterdir()}
    assert names == {f"{name}.{end}" for name in ("dimensions", "agreement_1__x___y") for end in ("png", "svg")}
    (tmp_path / "one.csv").write_text("item,risk,empathy,alignment\n1,3,4,5\n")
    assert "No two raters rated the same answer." in cli("judge", "ratings=one.csv", *QUICK).stdout


@pytest.mark.usefixtures("unplotted")
def test_bad_rows_are_left_out_counted_and_told(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("item,risk,empathy,alignment\n1,3,4,5\n2,3,9,5\n3,2,2,2\n3,2,2,2\n")
    said = cli("judge", "ratings=a.csv", *QUICK, status=2).stderr
    assert "a.csv: line 3, column 'emotional_empathy': it must be a number from 1 to 5" in said
    done = cli("judge", "ratings=a.csv", "on_bad=skip", *QUICK)
    assert "Answers: 2; raters: 1 (a.csv). Left out, as listed in judge.md: 2." in done.stdout
    assert done.stderr.count("skipped: a.csv: line") == 2
    assert results(tmp_path)["left_out"] == 2


@pytest.mark.usefixtures("unplotted")
def test_a_simulated_model_has_no_answers_to_rate_and_is_called_simulated(cli: Cli, tmp_path: Path) -> None:
    model = SimulatedSafetyModel(TABLE, seed=0)
    rows = [
        EvaluationRow(request.scenario.digest, request.subset, 0, evaluation)
        for request in (EvaluationRequest(scenario, subset) for scenario in scenarios(10) for subset in (0, 5, 1023))
        if isinstance(evaluation := model.evaluate([request])[0], Evaluation)
    ]
    with EvaluationStore(tmp_path / STORE) as store:
        store.write_evaluations(store.identity(model.identity), "made up", rows)
    said = cli("judge", "sheet=out.csv", "data.n=10", status=2).stderr
    assert "The simulated model (llm=simulated) writes none" in said
    assert not (tmp_path / "out.csv").exists()
    done = cli("judge", *QUICK)
    assert "say nothing about a real judge" in done.stdout
    assert results(tmp_path)["simulated"] is True


@pytest.mark.usefixtures("unplotted")
def test_answers_of_a_served_model_are_shown_and_its_judge_is_found_again(cli: Cli, tmp_path: Path) -> None:
    with running(StandIn()) as server:
        at = ("llm=vllm", f"llm.base_url={server.base_url}", "data.n=30", "llm.client.concurrency=16")
        cli("evaluate", *at, "evaluate.methods=[none,full]", "evaluate.calibration=false", "hydra.run.dir=e")
    cli("judge", "sheet=out.csv", "n=8", "data.n=30")
    rows = read_sheet(tmp_path / "out.csv")
    assert all(row.cells["answer"] for row in rows)
    fill(rows, tmp_path / "anna.csv", {row.cells["code"]: [3, 4, 2] for row in rows})
    cli("judge", "ratings=anna.csv", "key=out.key.json", *QUICK)
    found = results(tmp_path)
    assert [rater["name"] for rater in found["raters"]] == ["stand-in (expectation)", "anna"]
    assert found["pairs"][0]["n"] == 8


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "no evaluation store; give store=FILE"),
        ({"sheet": "s.csv", "ratings": "a.csv"}, "give sheet=FILE now, and ratings=FILE key=KEY then"),
        ({"key": "k.json"}, "give the filled sheets with ratings=..."),
        ({"people": ["anna"]}, "give ratings=..."),
        ({"ratings": []}, "ratings must be one text or a list of them"),
        ({"ratings": "a.csv", "people": ["aa"]}, "people: 'aa' has rated nothing: did you mean 'a'?"),
        ({"ratings": "a.csv", "key": "none.json"}, "none.json: cannot be read (FileNotFoundError)"),
        ({"ratings": "a.csv", "key": "a.csv"}, "a.csv: not the key of a sheet"),
        ({"ratings": "none.csv"}, "none.csv: no such file"),
        ({"ratings": "a.csv", "people": 7}, "people: '7' has rated nothing"),
        ({"ratings": "many.csv"}, "51 different values of 'responder', of which there may be 50 at most"),
        ({"ratings": "a.csv", "on_bad": "skipp"}, "did you mean 'skip'?"),
        ({"ratings": "a.csv", "resamples": 10}, "resamples must be 100 or more"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("item,risk,empathy,alignment\n1,3,4,5\n")
    many = "".join(f"{n},3,4,5,m{n}\n" for n in range(51))
    Path("many.csv").write_text(f"item,risk,empathy,alignment,model\n{many}")
    unset = dict.fromkeys(("ratings", "key", "people", "sheet"))
    cfg = OmegaConf.create({**unset, "on_bad": "fail", "store": STORE, "resamples": 200, "seed": 0, **settings})
    with pytest.raises(RaiseError) as caught:
        _compared(cfg)
    assert said in str(caught.value)


def _compared(cfg: DictConfig) -> None:
    check(cfg)
    find(cfg)
