"""The paper's experiments on the simulated model, held against what that model says when it is asked directly."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from scipy import stats

from raise_agent.attributes import penguin_table
from raise_agent.data import SplitFractions, split
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.errors import ConfigError
from raise_agent.experiments.config import register_schemas
from raise_agent.experiments.main import main
from raise_agent.experiments.published import published
from raise_agent.experiments.reproduce import sizes
from raise_agent.experiments.studies.registry import STUDIES
from raise_agent.models.base import Evaluation, EvaluationRequest
from raise_agent.models.simulated import SimulatedSafetyModel
from raise_agent.scenario import Scenario
from raise_agent.subsets import full_mask, mask_of, subsets_of_size
from tests.conftest import Cli, commands, render_only
from tests.models.served.stand_in import StandIn, running

TABLE = penguin_table()
MODEL = SimulatedSafetyModel(TABLE)
SIDES = split(synthetic_scenarios(TABLE, 150, seed=0, missing=0.0), SplitFractions())
TEST = SIDES["test"][:14]
DATA = ("data.n=150", "scenarios=14", "sensitivity_scenarios=20")
LEARNING = ("training=24", "encoder=hashing", "distill.epochs=20", "planner.evaluations=8", "budget=3")
LEARNED = ("evaluate.policy=table2/policy", "evaluate.plans=table2/plans.jsonl")
TWO: dict[str, Any] = {"planners": ["greedy", "mcts"], "evaluations": [5], "reference": "greedy"}
SETTINGS: dict[str, tuple[str, ...]] = {
    "sensitivity": ("study.resamples=200",),
    "subsets": (),
    # All 55 subsets of at most 2 are fewer than 60 evaluations, so that a search that asks none twice knows them all.
    "convergence": ("budget=2", "study.evaluations=[5,60]"),
    "table2": LEARNING,
    "stepwise": (*LEARNING, *LEARNED, "evaluate.methods=[static,distilled,bayesian]"),
    "abstention": (*LEARNING, *LEARNED),
}


def score(scenario: Scenario, subset: int) -> float:
    """What the simulated model says."""
    (found,) = MODEL.evaluate([EvaluationRequest(scenario, subset)])
    assert isinstance(found, Evaluation)
    return found.score


class Runs:
    """Each experiment, run once, in one folder on one store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._said: dict[str, str] = {}

    def run(self, experiment: str, target: str) -> str:
        """Run it; what it printed."""
        out, told = StringIO(), [f"experiment={experiment}", *DATA, *SETTINGS[experiment], f"hydra.run.dir={target}"]
        with redirect_stdout(out), redirect_stderr(out):
            assert main(["reproduce", *told]) == 0, out.getvalue()
        return out.getvalue()

    def said(self, experiment: str) -> str:
        """What it printed the first time."""
        if experiment not in self._said:
            if {*LEARNED} & {*SETTINGS[experiment]}:
                self.said("table2")
            self._said[experiment] = self.run(experiment, experiment)
        return self._said[experiment]

    def results(self, experiment: str) -> dict[str, Any]:
        """What it left."""
        self.said(experiment)
        return self.read(experiment, experiment)

    def read(self, experiment: str, target: str) -> dict[str, Any]:
        """What a run of it left in a folder."""
        found: dict[str, Any] = json.loads((self._folder / target / f"{experiment}.json").read_text())
        return found

    def file(self, experiment: str, name: str) -> Path:
        """A file that it left."""
        self.said(experiment)
        return self._folder / experiment / name


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("reproduce")
    with commands(folder) as patch:
        render_only(patch, "svg")
        yield Runs(folder)


def test_single_attributes_score_what_the_model_says_and_are_ranked_as_scipy_does(runs: Runs) -> None:
    found = runs.results("sensitivity")["results"]
    assert found["none"]["score"]["mean"] == pytest.approx(fmean(score(s, 0) for s in TEST), abs=1e-9)
    gains = {}
    for row in found["attributes"]:
        alone = 1 << TABLE.index(row["attribute"])
        gains[row["attribute"]] = fmean(score(s, alone) - score(s, 0) for s in TEST)
        assert row["score"]["mean"] == pytest.approx(fmean(score(s, alone) for s in TEST), abs=1e-9)
        assert row["gain"]["mean"] == pytest.approx(gains[row["attribute"]], abs=1e-9)
        assert row["published"]["score"] == published()["sensitivity"]["attributes"][row["attribute"]]
    assert list(gains.values()) == sorted(gains.values(), reverse=True)
    rho = stats.spearmanr(list(gains.values()), [published()["sensitivity"]["attributes"][key] for key in gains])
    told = found["rank_correlation"]["spearman"]
    assert told["value"] == pytest.approx(rho.statistic, abs=1e-9)
    assert told["low"] <= told["value"] <= told["high"] <= 1


def test_best_static_and_random_subsets_are_those_of_an_exhaustive_look_and_in_the_published_order(runs: Runs) -> None:
    found = runs.results("subsets")["results"]
    means = {row["strategy"]: row["score"]["mean"] for row in found["strategies"]}
    every = [[score(s, subset) for subset in subsets_of_size(full_mask(10), 3)] for s in TEST]
    assert means["best"] == pytest.approx(fmean(map(max, every)), abs=1e-9)
    assert means["random"] == pytest.approx(fmean(map(fmean, every)), abs=1e-9)
    sample = SIDES["train"][:20]
    order = sorted(range(10), key=lambda i: -fmean(score(s, 1 << i) - score(s, 0) for s in sample))
    assert found["static"] == [TABLE.keys[i] for i in order[:3]]
    assert means["static"] == pytest.approx(fmean(score(s, mask_of(order[:3])) for s in TEST), abs=1e-9)
    assert means["best"] >= means["bayesian"] > means["static"] > means["random"]
    assert means["best"] >= means["mcts"] > means["static"]
    assert [pair["over"] for pair in found["order"]] == ["best over mcts", "mcts over static", "static over random"]
    assert found["order"][1]["difference"]["mean"] == pytest.approx(means["mcts"] - means["static"], abs=1e-9)


def test_a_search_that_may_ask_for_everything_finds_the_best_and_none_finds_more(runs: Runs) -> None:
    found = runs.results("convergence")["results"]
    means = {(row["planner"], row["evaluations"]): row["score"]["mean"] for row in found["searches"]}
    best = fmean(max(score(s, subset) for subset in subsets_of_size(full_mask(10), 2)) for s in TEST)
    assert means["bayesian", 60] == pytest.approx(best, abs=1e-9)
    assert max(means.values()) <= best + 1e-9
    assert means["vanilla", 60] > means["vanilla", 5]
    less = {(row["planner"], row["evaluations"]): row["less_reference"] for row in found["searches"]}
    assert less.pop(("vanilla", 60)) is None
    assert less["guided", 5]["mean"] == pytest.approx(means["guided", 5] - means["vanilla", 60], abs=1e-9)
    used = {(row["planner"], row["evaluations"]): row["used"] for row in found["searches"]}
    assert used["guided", 60] == 60 >= used["bayesian", 60]


def test_table2_comes_apart_by_domain_and_dimension_and_stands_beside_the_published_means(runs: Runs) -> None:
    rows = {row["method"]: row for row in runs.results("table2")["results"]["methods"]}
    assert list(rows) == ["none", "agent", "raise", "distilled_value", "distilled", "full"]
    assert rows["none"]["score"]["mean"] == pytest.approx(fmean(score(s, 0) for s in TEST), abs=1e-9)
    for row in rows.values():
        parts = [(part["score"]["mean"], part["questions"], part["score"]["n"]) for part in row["domains"].values()]
        assert sum(n for _, _, n in parts) == len(TEST)
        assert sum(mean * n for mean, _, n in parts) / len(TEST) == pytest.approx(row["score"]["mean"], abs=1e-9)
        assert sum(asked * n for _, asked, n in parts) / len(TEST) == pytest.approx(row["questions"], abs=1e-9)
        by_dimension = fmean(mean["mean"] for mean in row["dimensions"].values())
        assert by_dimension == pytest.approx(row["score"]["mean"], abs=1e-9)
    over = rows["raise"]["gain_over_the_method_before"]["mean"]
    assert over == pytest.approx(rows["raise"]["score"]["mean"] - rows["agent"]["score"]["mean"], abs=1e-9)
    assert rows["agent"]["published"] == {"score": 3.56, "questions": 2.6}
    assert rows["raise"]["published"] == {"score": 3.77, "questions": 2.7}
    assert rows["distilled"]["published"]["score"] is None
    assert 0 < rows["distilled_value"]["questions"] <= rows["distilled"]["questions"] == 3


def test_the_agent_without_its_planner_sees_no_path(runs: Runs) -> None:
    lines = [json.loads(line) for line in runs.file("table2", "conversations.jsonl").read_text().splitlines()]
    asked = {method: [line["methods"][method]["asked"] for line in lines] for method in ("agent", "raise")}
    assert asked["agent"] != asked["raise"]


def test_steps_begin_with_nothing_and_end_where_the_comparison_does(runs: Runs) -> None:
    rows = {row["method"]: row for row in runs.results("stepwise")["results"]["methods"]}
    compared = json.loads(runs.file("stepwise", "results.json").read_text())["methods"]
    ends = {method["method"]: method["score"]["mean"] for method in compared}
    for method, row in rows.items():
        means = [mean["mean"] for mean in row["scores"]]
        assert means[0] == pytest.approx(fmean(score(s, 0) for s in TEST), abs=1e-9)
        assert means[-1] == pytest.approx(ends[method], abs=1e-9)
        rises = [rise["mean"] for rise in row["rises"]]
        assert sum(rises) == pytest.approx(means[-1] - means[0], abs=1e-9)
    sample = SIDES["train"][:20]
    first = max(range(10), key=lambda i: fmean(score(s, 1 << i) - score(s, 0) for s in sample))
    assert rows["static"]["scores"][1]["mean"] == pytest.approx(fmean(score(s, 1 << first) for s in TEST), abs=1e-9)


def test_who_stops_later_asks_more_and_scores_more(runs: Runs) -> None:
    rows = {row["method"]: row for row in runs.results("abstention")["results"]["methods"]}
    questions = {method: row["questions"]["mean"] for method, row in rows.items()}
    assert 0 == questions["none"] < questions["basic"] < questions["scale"] <= questions["scale_5"]
    assert questions["scale_3"] <= questions["scale"]
    assert questions["value_0.2"] <= questions["value"] <= questions["value_0.05"] <= questions["never"] == 3
    scores = {method: row["score"]["mean"] for method, row in rows.items()}
    assert scores["none"] < scores["basic"] < scores["scale"]
    assert rows["basic"]["published_questions"] == 0.9
    assert rows["scale"]["less_scale"] is None
    assert rows["basic"]["less_scale"]["mean"] == pytest.approx(scores["basic"] - scores["scale"], abs=1e-9)


@pytest.mark.parametrize("experiment", sorted(SETTINGS))
def test_everything_is_marked_written_and_says_beforehand_what_it_takes(runs: Runs, experiment: str) -> None:
    said, results = runs.said(experiment), runs.results(experiment)
    first = next(line for line in said.splitlines() if line.startswith(experiment))
    most = re.match(rf"{experiment} \(simulated\): up to ([\d,]+) evaluations", first)
    assert most
    assert 0 < results["evaluations_made"] <= int(most[1].replace(",", ""))
    worded = re.search(r"and up to (\d+) queries put in other words", first)
    # The others are given its policy, or none.
    assert (worded is not None) == (experiment == "table2")
    assert worded is None or int(worded[1]) == len({scenario.query for scenario in SIDES["train"][:24]})
    assert "Simulated scores" in said
    report = runs.file(experiment, f"{experiment}.md").read_text()
    assert "Simulated scores" in report
    assert "arXiv:2505.18882" in report
    assert results["simulated"] is True
    assert results["published"]["where"] == published()[experiment]["where"]
    drawn = runs.file(experiment, f"{experiment}.png").exists()
    assert drawn == (experiment != "table2")
    if drawn:
        assert "simulated scores" in runs.file(experiment, f"{experiment}.svg").read_text()
    words = [s.query for side in SIDES.values() for s in side]
    for file in runs.file(experiment, "").rglob("*"):
        if file.is_file() and file.suffix != ".safetensors":
            content = file.read_bytes()
            assert not any(query.encode() in content for query in words), file


@pytest.mark.parametrize("experiment", ["convergence", "table2"])
def test_the_same_command_again_makes_no_evaluation_and_the_same_bytes(runs: Runs, experiment: str) -> None:
    before = runs.results(experiment)
    runs.run(experiment, f"{experiment}_again")
    after = runs.read(experiment, f"{experiment}_again")
    assert after["evaluations_made"] == 0 < before["evaluations_made"]
    assert json.dumps(after["results"]) == json.dumps(before["results"])


def test_what_failed_is_counted_and_the_best_is_not_flattered_by_its_own_draw(cli: Cli, tmp_path: Path) -> None:
    noisy = ("llm.failure_rate=0.2", "llm.judge_noise=0.8", "runner.attempts=1", "hydra.run.dir=out")
    cli("reproduce", "experiment=subsets", *DATA, *noisy, "study.planners=[{bayesian: {evaluations: 5}}]")
    results = json.loads((tmp_path / "out/subsets.json").read_text())["results"]
    rows = {row["strategy"]: row for row in results["strategies"]}
    for row in rows.values():
        if row["strategy"] != "random":
            assert row["score"]["n"] == round(len(TEST) * (1 - row["unscored"]))
    assert any(row["unscored"] for row in rows.values())
    # Of 120 subsets the best draw lies more than two standard deviations, 0.46 points, above its subset.
    best = fmean(max(score(s, subset) for subset in subsets_of_size(full_mask(10), 3)) for s in TEST)
    assert rows["best"]["score"]["mean"] < best + 0.3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], ["say which experiment", *STUDIES.names()]),
        (["experiment=tabel2"], ["did you mean 'table2'", "sensitivity"]),
        (["experiment=subsets", "scenarios=0"], ["scenarios must be 1 or more"]),
        (["experiment=table2", "training=0"], ["training must be 1 or more"]),
        (["experiment=sensitivity", "planner=mcts"], ["planner"]),
        (
            ["experiment=table2", "encoder=hashing", "evaluate.policy=x"],
            ["give both evaluate.policy and evaluate.plans"],
        ),
    ],
)
def test_a_mistake_gets_one_clear_message(cli: Cli, arguments: list[str], said: list[str]) -> None:
    done = cli("reproduce", "data.n=60", *arguments, status=2)
    for part in said:
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("stepwize", {}, "did you mean 'stepwise'"),
        ("sensitivity", {"resample": 3}, "did you mean 'resamples'"),
        ("sensitivity", {"resamples": 0}, "study.resamples must be 1 or more"),
        ("sensitivity", {"resamples": "many"}, "study.resamples must be 1 or more, a whole number"),
        ("subsets", {}, "needs settings that are not there: planners"),
        ("convergence", {**TWO, "evaluations": 5}, "study.evaluations must hold at least one whole number"),
        ("convergence", {**TWO, "evaluations": ["abc"]}, "study.evaluations must hold at least one whole number"),
        ("convergence", {**TWO, "evaluations": [2.7]}, "study.evaluations must hold at least one whole number"),
        ("convergence", {**TWO, "reference": 3}, "3 is not among study.planners"),
        ("subsets", {"planners": [{"best": {"name": "mcts"}}]}, "'best' is the name of another strategy"),
        ("subsets", {"planners": [3]}, "study.planners must hold names"),
        ("convergence", {**TWO, "reference": "gready"}, "did you mean 'greedy'"),
        (
            "convergence",
            {**TWO, "evaluations": [0]},
            "study.evaluations must hold at least one whole number, 1 or more",
        ),
        ("convergence", {**TWO, "planners": [{"greedy": {"evaluations": 3}}]}, "study.evaluations sets the limits"),
    ],
)
def test_settings_that_cannot_work_are_refused(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        STUDIES.make(name, settings)


def test_fewer_scenarios_to_compare_on_are_told_as_what_they_are() -> None:
    cfg = OmegaConf.create({"scenarios": 200, "training": None, "evaluate": {"scenarios": 5}})
    assert sizes(cfg) == (5, None)
    cfg.evaluate.scenarios = None
    assert sizes(cfg) == (200, None)
    cfg.scenarios = None
    assert sizes(cfg) == (None, None)


def test_a_served_model_is_measured_once_on_what_it_is_asked_anyway_and_not_marked_simulated(
    cli: Cli, tmp_path: Path
) -> None:
    command = ("reproduce", "experiment=subsets", "data.n=60", "scenarios=3", "sensitivity_scenarios=4", "budget=1")
    with running(StandIn()) as server:
        at = ("llm=vllm", f"llm.base_url={server.base_url}", "runner.estimate_on=2", "study.planners=[greedy]")
        first = cli(*command, *at, "hydra.run.dir=first")
        again = cli(*command, *at, "hydra.run.dir=again")
    estimates = r"estimate of (.+): up to \d+ evaluations, \d+ requests, .* at most about .* measured on \d real"
    told = ["all subsets", "the fixed order", "searching with greedy, what was chosen"]
    assert re.findall(estimates, first.stderr) == told
    assert re.findall(estimates, again.stderr) == []
    assert "all subsets: up to 0 evaluations (30 more are in the store)" in again.stderr
    # By the searches' draw ten subsets and nothing known; by the other nothing known, and what was chosen.
    made = [json.loads((tmp_path / run / "subsets.json").read_text())["evaluations_made"] for run in ("first", "again")]
    assert 3 * (10 + 1 + 1) + 4 * 11 <= made[0] <= 3 * (10 + 1 + 1 + 3) + 4 * 11
    assert made[1] == 0
    assert "imulated" not in first.stdout + (tmp_path / "first/subsets.md").read_text().split("```yaml")[0]


def test_the_page_on_reproducing_names_experiments_and_settings_that_exist() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "reproduce.md").read_text(encoding="utf-8")
    commands = re.findall(r"^raise-agent reproduce (.*?)(?: +#.*)?$", text, re.MULTILINE)
    assert {name for command in commands for name in re.findall(r"experiment=(\w+)", command)} >= {*STUDIES.names()}
    register_schemas()
    GlobalHydra.instance().clear()
    with initialize_config_module("raise_agent.conf", version_base="1.3"):
        settings: dict[str, dict[str, str]] = {}
        for words in map(shlex.split, commands):
            if "-m" not in words:
                named = dict(word.split("=", 1) for word in words)
                settings.setdefault(named["experiment"], {}).update(named)
        for experiment, named in settings.items():
            words = [f"{key}={value}" for key, value in named.items()]
            assert compose("reproduce", words).experiment == experiment
