"""PENGUIN as a benchmark: means and paired intervals against scipy on the model's own scores, sweeps, limits."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from raise_agent.attributes import penguin_table
from raise_agent.data.jsonl import write_jsonl
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.experiments import tracking
from raise_agent.experiments.main import main
from raise_agent.experiments.measures import MEASURES
from raise_agent.experiments.published import published
from raise_agent.experiments.sampling import spread_evenly
from raise_agent.experiments.tracking import NullTracker, WandbTracker
from raise_agent.models.base import Evaluation, EvaluationRequest
from raise_agent.models.simulated import SimulatedSafetyModel
from raise_agent.scenario import Profile, Scenario
from tests.conftest import commands
from tests.models.served.stand_in import StandIn, running

if TYPE_CHECKING:
    from tests.conftest import Cli

TABLE = penguin_table()
FAILURE_RATE = 0.1
AWKWARD = "Cost: $5 | $10 <b>, and much more that a person may call a domain, at length"
DATA = ("data=files", "data.path=data.jsonl", f"llm.failure_rate={FAILURE_RATE}")


class Tracked(NullTracker):
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.numbers: dict[str, float] = {}
        self.rows: list[Mapping[str, Any]] = []
        self.images: dict[str, Path] = {}

    def log(self, metrics: Mapping[str, float | int]) -> None:
        self.numbers.update(metrics)

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows += rows

    def image(self, name: str, path: Path) -> None:
        assert path.read_bytes().startswith(b"\x89PNG")
        self.images[name] = path


@dataclass(frozen=True)
class Run:
    folder: Path
    scenarios: Sequence[Scenario]
    tracker: Tracked

    @property
    def results(self) -> Any:
        return json.loads((self.folder / "penguin.json").read_text())


def made_scenarios() -> list[Scenario]:
    """Of two sources and eight domains, one of them awkward to show and with a single scenario of one source."""
    scenarios = list(synthetic_scenarios(TABLE, 300, 0, 0.1))
    for place, scenario in enumerate(scenarios):
        domain = AWKWARD if place in (3, 4, 8) else scenario.domain
        scenarios[place] = replace(scenario, domain=domain, source="reddit" if place % 2 else "synthetic")
    return scenarios


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("penguin")
    scenarios = made_scenarios()
    unknown = Scenario(
        "unknown", "Life", "Nothing is known of me.", Profile(TABLE.keys, (None,) * len(TABLE)), "reddit"
    )
    write_jsonl(folder / "data.jsonl", [*scenarios, unknown])
    tracker = Tracked()
    with commands(folder) as patch:
        patch.setattr(tracking, "NullTracker", lambda: tracker)
        assert main(["penguin", *DATA, "hydra.run.dir=out"]) == 0
    return Run(folder / "out", scenarios, tracker)


@pytest.fixture(scope="module")
def by_hand(run: Run) -> np.ndarray[Any, Any]:
    """(scenarios, 2, 4): context and measure from the model itself, not-a-number where it fails."""
    model = SimulatedSafetyModel(TABLE, failure_rate=FAILURE_RATE)
    scores = np.full((len(run.scenarios), 2, len(MEASURES)), np.nan)
    for rich in (0, 1):
        asked = [EvaluationRequest(s, s.profile.known if rich else 0, -1) for s in run.scenarios]
        for row, found in enumerate(model.evaluate(asked)):
            if isinstance(found, Evaluation):
                scores[row, rich] = [getattr(found, measure) for measure in MEASURES]
    return scores


def agrees(plain: Mapping[str, Any], left: np.ndarray[Any, Any], right: np.ndarray[Any, Any] | float = 0.0) -> bool:
    """Whether a mean is that of left less right, with the interval of scipy's paired test."""
    differences = left - right
    expected: dict[str, Any] = {"mean": differences.mean(), "low": None, "high": None}
    if len(left) > 1:
        bounds = stats.ttest_rel(left, np.broadcast_to(right, left.shape)).confidence_interval(0.95)
        expected |= {"low": bounds.low, "high": bounds.high}
    near = {key: pytest.approx(value, abs=1e-9) if value is not None else None for key, value in expected.items()}
    return plain == {**near, "n": len(left)}


def test_means_gains_and_intervals_are_scipys_on_the_models_own_scores(run: Run, by_hand: np.ndarray[Any, Any]) -> None:
    results = run.results
    domains, sources = (np.array([getattr(s, kind) for s in run.scenarios]) for kind in ("domain", "source"))
    groups = [(results["overall"], domains != "")]
    groups += [(found, domains == found["name"]) for found in results["domains"]]
    groups += [(found, sources == found["name"]) for found in results["sources"]]
    for source, divided in results["by_source"].items():
        groups += [(found, (sources == source) & (domains == found["name"])) for found in divided]
    assert len(groups) == 1 + 8 + 2 + 2 * 8
    assert min(mine.sum() for _, mine in groups) == 1
    for found, mine in groups:
        assert found["scenarios"] == mine.sum()
        for place, measure in enumerate(MEASURES):
            free, rich = by_hand[mine, 0, place], by_hand[mine, 1, place]
            scored = [~np.isnan(one) for one in (free, rich)]
            assert agrees(found[measure]["context_free"], free[scored[0]])
            assert agrees(found[measure]["context_rich"], rich[scored[1]])
            both = scored[0] & scored[1]
            assert agrees(found[measure]["gain"], rich[both], free[both])
            assert found["unscored"] == {
                "context_free": pytest.approx(1 - scored[0].mean(), abs=1e-12),
                "context_rich": pytest.approx(1 - scored[1].mean(), abs=1e-12),
            }


def test_the_simulated_means_are_near_the_published_ones_and_failures_are_told(run: Run) -> None:
    overall, paper = run.results["overall"], published()["context"]
    assert overall["score"]["context_free"]["mean"] == pytest.approx(paper["context_free"], abs=0.05)
    # A tenth of the values is missing.
    assert overall["score"]["context_rich"]["mean"] == pytest.approx(paper["context_rich"], abs=0.1)
    unscored = sum(overall["unscored"].values()) * len(run.scenarios)
    assert run.results["unscored_reasons"] == {"simulated failure": pytest.approx(unscored)}
    assert unscored / (2 * len(run.scenarios)) == pytest.approx(FAILURE_RATE, abs=0.04)


def test_what_is_written_names_the_models_and_repeats_no_user(run: Run) -> None:
    results, report = run.results, (run.folder / "penguin.md").read_text()
    assert results["simulated"] is True
    data = results["data"]
    assert (data["available"], data["scenarios"], data["without_profile"]) == (301, 300, 1)
    assert "Left out, as their profile holds nothing: 1." in report
    assert results["judge"]["model"] == results["responder"]["model"] == "simulated"
    assert "**Simulated scores" in report
    assert "Responder: simulated. Judge: simulated." in report
    assert f"paper, mean of its models | {published()['context']['context_free']} |" in re.sub(" +", " ", report)
    table_rows = [line for line in report.splitlines() if line.startswith("| Cost")]
    assert table_rows
    for row in table_rows:
        assert len(re.split(r"(?<!\\)\|", row)) == len(
            re.split(r"(?<!\\)\|", report[: report.index(row)].splitlines()[-1])
        )
    queries = {scenario.query for scenario in run.scenarios}
    for file in run.folder.rglob("*"):
        if file.is_file() and file.suffix != ".png":
            assert not [query for query in queries if query in file.read_text(encoding="utf-8")], file


def test_the_tracker_is_told_numbers_rows_and_images(run: Run) -> None:
    tracker, results = run.tracker, run.results
    assert tracker.numbers["penguin/score/gain"] == results["overall"]["score"]["gain"]["mean"]
    assert {(row["group"], row["name"]) for row in tracker.rows} >= {("all", "all"), ("source", "reddit")}
    names = {path.stem for path in (run.folder / "figures").glob("*.svg")}
    assert names == {"domains", "dimensions", "domains_by_dimension", "sources"}
    assert set(tracker.images) == {f"penguin/{name}" for name in names}
    logged: list[dict[str, Any]] = []
    wandb = SimpleNamespace(Image=lambda path: ("image", path))
    WandbTracker(SimpleNamespace(log=logged.append), wandb).image("penguin/domains", Path("domains.png"))
    assert logged == [{"penguin/domains": ("image", "domains.png")}]


def test_the_same_seed_gives_the_same_bytes_whatever_the_concurrency(run: Run, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_bytes((run.folder.parent / "data.jsonl").read_bytes())
    cli("penguin", *DATA, "hydra.run.dir=out", "runner.searches=3")
    for file in sorted(path for path in (tmp_path / "out").rglob("*.*") if path.suffix in (".svg", ".png", ".jsonl")):
        assert file.read_bytes() == (run.folder / file.relative_to(tmp_path / "out")).read_bytes(), file
    again = json.loads((tmp_path / "out/penguin.json").read_text())
    again["config"]["runner"]["searches"] = run.results["config"]["runner"]["searches"]
    assert again == run.results


def some(domain: str, source: str, n: int) -> list[Scenario]:
    return [
        Scenario(f"{domain}{source}{i}", domain, f"{domain} {source} {i}", Profile(("age",), ("18-24",)), source)
        for i in range(n)
    ]


def test_scenarios_are_spread_evenly_whatever_their_order() -> None:
    few, many = some("A", "x", 3), [*some("A", "y", 40), *some("B", "x", 50), *some("B", "y", 60)]
    for most in (1, 5, 12, 50, 200):
        chosen = spread_evenly([*few, *many], most)
        assert chosen == spread_evenly([*many[::-1], *few], most)
        assert len(chosen) == min(most, 153)
        counts = Counter((s.domain, s.source) for s in chosen)
        larger = [count for kind, count in counts.items() if kind != ("A", "x")]
        if most <= 100:
            assert max(larger, default=0) - min(larger if len(larger) == 3 else [0]) <= 1
        assert counts["A", "x"] == min(3, -(-most // 4))
        assert {s.id for s in chosen} <= {s.id for s in spread_evenly([*few, *many], most + 7)}


def test_what_cannot_be_scored_is_refused(cli: Cli) -> None:
    done = cli("penguin", "data.n=20", "scenarios=0", status=2)
    assert "scenarios must be 1 or more" in done.stderr
    done = cli("penguin", "data.n=20", "data.reworded=true", status=2)
    assert "penguin scores all of them" in done.stderr
    done = cli("penguin", "data.n=20", "data.missing=1", status=2)
    assert "whose profile holds an attribute" in done.stderr


def evaluations(store: Path) -> int:
    with sqlite3.connect(store) as db:
        return int(db.execute("SELECT count(*) FROM evaluations").fetchone()[0])


@pytest.mark.usefixtures("unrendered")
def test_a_sweep_sets_served_models_side_by_side_and_bears_a_job_that_fails(cli: Cli, tmp_path: Path) -> None:
    with running(StandIn(model="alpha-7b")) as a, running(StandIn(model="beta-70b")) as b, running(StandIn()) as judge:
        roles = [f"llm.{role}.base_url={judge.base_url}" for role in ("judge", "prior")]
        served = ("llm=vllm", *roles, "llm.client.concurrency=16", "data.n=60")
        cut = cli(
            "penguin",
            *served,
            f"llm.responder.base_url={a.base_url}",
            "limits.evaluations=50",
            "hydra.run.dir=cut",
            status=3,
        )
        assert evaluations(tmp_path / "runs/evaluations.sqlite") == 50
        swept = f"llm.responder.base_url={a.base_url},{b.base_url},http://127.0.0.1:9/v1"
        done = cli("penguin", "-m", *served, swept, "hydra.sweep.dir=sweep", status=2)
    assert "imulated" not in cut.stdout + done.stdout + done.stderr

    # The estimate is made of evaluations that are wanted anyway: nothing is made twice, nothing beside.
    assert evaluations(tmp_path / "runs/evaluations.sqlite") == 2 * 120
    told = r"up to (\d+) evaluations.*measured on (\d+) real evaluations"
    said = re.findall(f"estimate of scoring both contexts: {told}", cut.stderr + done.stderr)
    assert [int(left) + int(measured) for left, measured in said] == [120, 70, 120]
    part = json.loads((tmp_path / "cut/penguin.json").read_text())
    assert part["complete"] is False
    assert 0 < part["data"]["scenarios"] < part["data"]["wanted"] == 60
    assert "cut/penguin.md" in cut.stderr
    assert "the same command goes on from there" in cut.stderr
    assert "Responder: alpha-7b (vllm-0.0-standin). Judge: stand-in (mode expectation, vllm-0.0-standin)." in cut.stdout

    compared = json.loads((tmp_path / "sweep/comparison.json").read_text())
    assert [model["name"] for model in compared["models"]] == ["alpha-7b", "beta-70b"]
    assert [folder[:2] for folder in compared["missing"]] == ["2_"]
    assert "no server answers" in done.stderr
    first, second = (
        [json.loads(line) for line in (tmp_path / "sweep" / model["folder"] / "scores.jsonl").read_text().splitlines()]
        for model in compared["models"]
    )
    for measure in MEASURES:
        mine, theirs = (
            np.array([[row[c][measure] for c in ("context_free", "context_rich")] for row in rows])
            for rows in (second, first)
        )
        found = compared["models"][1]["less_the_first"][measure]
        assert agrees(found["context_free"], mine[:, 0], theirs[:, 0])
        assert agrees(found["context_rich"], mine[:, 1], theirs[:, 1])
        assert agrees(found["gain"], mine[:, 1] - mine[:, 0], theirs[:, 1] - theirs[:, 0])
    text = (tmp_path / "sweep/comparison.md").read_text()
    assert "Without a result: 2_" in text
    assert (tmp_path / "sweep/figures/models.png").is_file()
