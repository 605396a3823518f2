"""``raise-agent benchmark`` at a size that takes seconds."""

from __future__ import annotations

import csv
import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from raise_agent.experiments import tracking
from raise_agent.experiments.benchmarking import running
from raise_agent.experiments.benchmarking.lessons import Learning, Lesson, study
from raise_agent.experiments.benchmarking.standings import (
    Block,
    block_json,
    block_table,
    difference_table,
    needed,
    standings,
)
from raise_agent.experiments.benchmarking.trials import (
    BestOfRandom,
    Ground,
    Judge,
    Named,
    Slice,
    Values,
    play,
    standard_normal,
    static_tops,
    value_of,
)
from raise_agent.experiments.tracking import NullTracker
from raise_agent.planners import Evaluate, Plan, PlanningProblem, Rank, Search, make_planner, run_planner
from raise_agent.planners.beliefs import History, learn
from raise_agent.planners.families import Instance, make_family
from raise_agent.subsets import mask_of, subsets_of_size
from tests.conftest import render_only

if TYPE_CHECKING:
    from tests.conftest import Cli

TINY = ("instances=4", "evaluations=[5,20]", "budgets=[2]", "n_attributes=[6]")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting processes takes longer than what they do; results do not depend on it, as the first test shows."""
    monkeypatch.setattr(running, "_pool", lambda workers: ThreadPoolExecutor(1))


def rows_of(folder: Path) -> list[Mapping[str, str]]:
    with open(folder / "benchmark.csv", newline="") as stream:
        return list(csv.DictReader(stream))


# The command


def test_tables_data_and_plots_are_written_and_do_not_depend_on_the_number_of_processes(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (
        "benchmark",
        "families=[simulated,{pairs: {name: interacting, density: 1.0}}]",
        "planners=[best_of_random,greedy,exhaustive,{wide: {name: mcts, c: 2.0}},{bayesian: {warm: true}}]",
        "learning.instances=30",
        "instances=20",
        *TINY[1:],
        "noise=[0.2]",
    )
    one, two = tmp_path / "one", tmp_path / "two"
    done = cli(*settings, "workers=1", "hydra.run.dir=one")
    render_only(monkeypatch, "svg")
    again = cli(*settings, "workers=2", "hydra.run.dir=two")
    assert (one / "benchmark.csv").read_bytes() == (two / "benchmark.csv").read_bytes()
    assert "6/6 parts, done" in again.stderr
    assert "benchmark (simulated)" in again.stderr

    headings = [line for line in done.stdout.splitlines() if line.startswith("###")]
    assert headings == [
        f"### {family}, 6 attributes, budget 2, noise 0.2, 20 instances"
        for family in ("simulated (*simulated*)", "pairs")
    ]
    assert "nothing about a real model" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert "mean over prefixes" not in done.stdout
    assert "| planner        |" in done.stdout
    assert "| bayesian, warm |" in done.stdout
    assert "n/a, exhaustive: exhaustive search of this problem needs evaluations=21" in done.stdout
    report = (one / "benchmark.md").read_text()
    assert "## Differences" in report
    assert "| after ... questions |" in report
    assert "| mean over prefixes |" in report
    assert "less best_of_random" in report

    results = json.loads((one / "benchmark.json").read_text())
    assert results["simulated"] is True
    assert results["seeds"] == [0]
    assert {"raise-agent", "numpy", "scikit-learn", "matplotlib"} <= set(results["versions"])
    assert results["config"]["families"][1] == {"pairs": {"name": "interacting", "density": 1.0}}
    assert [(b["family"], b["simulated"], b["noise"]) for b in results["blocks"]] == [
        ("simulated", True, 0.2),
        ("pairs", False, 0.2),
    ]
    assert timeless(results) == timeless(json.loads((two / "benchmark.json").read_text()))

    for kind in ("convergence", "steps", "strategies"):
        for family in ("simulated", "pairs"):
            png, svg = (one / "figures" / f"{kind}_{family}.{format}" for format in ("png", "svg"))
            assert png.read_bytes().startswith(b"\x89PNG")
            assert png.stat().st_size > 10_000
            text = svg.read_text()
            assert text.rstrip().endswith("</svg>")
            assert text == (two / "figures" / svg.name).read_text()
            assert f"figures/{png.name}" in report


def timeless(results: dict[str, Any]) -> dict[str, Any]:
    """The results without what may differ: times, and the configured number of processes."""
    plain = json.loads(json.dumps(results))
    for block in plain["blocks"]:
        if block["learning"]:
            assert block["learning"].pop("cpu_seconds") > 0
        for planner in block["planners"]:
            for result in planner["results"]:
                assert result.pop("cpu_ms_per_evaluation") >= 0
    plain["config"].pop("workers")
    assert isinstance(plain, dict)
    return plain


class Tracked(NullTracker):
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.numbers: dict[str, float] = {}
        self.tables: dict[str, Sequence[Mapping[str, Any]]] = {}
        self.artifacts: dict[str, Path] = {}

    def log(self, metrics: Mapping[str, float | int]) -> None:
        self.numbers.update(metrics)

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.tables[name] = rows

    def image(self, name: str, path: Path) -> None:
        raise AssertionError(name)

    def artifact(self, name: str, kind: str, path: Path) -> None:
        assert path.exists()
        self.artifacts[name] = path


@pytest.mark.usefixtures("unrendered", "in_this_process")
def test_the_gain_captured_is_what_a_search_by_hand_captures_and_the_tracker_is_told(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracked()
    monkeypatch.setattr(tracking, "NullTracker", lambda: tracker)
    cli("benchmark", *TINY, "families=[additive,needle]", "planners=[greedy,mcts]", "seeds=[3,4]")
    (folder,) = (tmp_path / "runs/benchmark").iterdir()
    rows = rows_of(folder)
    assert len(rows) == 2 * 2 * 4 * 2 * 2
    instances = {(f, seed): make_family(f).instances(6, 2, 4, seed) for f in ("additive", "needle") for seed in (3, 4)}
    for row in rows:
        instance = instances[row["family"], int(row["seed"])][int(row["instance"])]

        def value(subset: int, instance: Any = instance) -> float:
            return float(instance.values(np.asarray([subset]))[0])

        best = max(value(subset) for subset in subsets_of_size(0b111111, 2))
        path = [int(attribute) for attribute in row["path"].split()]
        assert len(path) == 2
        share = (value(mask_of(path)) - value(0)) / (best - value(0))
        assert float(row["captured"]) == pytest.approx(share)
        steps = [value(mask_of(path[:asked])) for asked in range(3)]
        assert [float(step) for step in row["steps"].split()] == steps
        shares = [(step - steps[0]) / (best - steps[0]) for step in steps[1:]]
        assert float(row["prefixes"]) == pytest.approx(statistics.fmean(shares))
        assert (float(row["best"]), float(row["nothing"])) == (best, value(0))
        assert int(row["used"]) <= int(row["evaluations"])
        if row["planner"] == "greedy":
            plan = run_planner(
                make_planner("greedy", evaluations=int(row["evaluations"])),
                PlanningProblem(6, 2),
                value,
                np.random.default_rng(0),
            )
            assert tuple(path) == plan.path

    results = json.loads((folder / "benchmark.json").read_text())
    assert results["simulated"] is False
    for block in results["blocks"]:
        for planner in block["planners"]:
            for result in planner["results"]:
                cell = [
                    row
                    for row in rows
                    if (row["family"], row["planner"]) == (block["family"], planner["planner"])
                    and int(row["evaluations"]) == result["evaluations"]
                ]
                captured = [float(row["captured"]) for row in cell]
                prefixes = [float(row["prefixes"]) for row in cell]
                assert result["prefixes"]["mean"] == pytest.approx(statistics.fmean(prefixes))
                for asked, step in enumerate(result["steps"]):
                    assert step["mean"] == pytest.approx(
                        statistics.fmean(float(row["steps"].split()[asked]) for row in cell)
                    )
                assert len(result["steps"]) == 3
                assert result["captured"]["n"] == len(captured) == 8
                assert result["captured"]["mean"] == pytest.approx(statistics.fmean(captured))
                name = f"benchmark/{block['family']}/n6/b2/noise0/{planner['planner']}/{result['evaluations']}"
                assert tracker.numbers[name] == result["captured"]["mean"]
                assert (result["difference"] is None) == (planner["planner"] == "greedy")
    assert len(tracker.tables["benchmark/results"]) == 2 * 2 * 2
    assert [path.name for path in tracker.artifacts.values()] == ["benchmark.json", "benchmark.csv", "figures"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("planners=[gredy]", "did you mean 'greedy'"),
        ("planners=[best_of_randm]", "did you mean 'best_of_random'"),
        ("planners=[{a: {name: mcts, cc: 1}}]", "did you mean 'c'"),
        ("planners=[{a: {name: mcts, evaluations: 3}}]", "the limit is set by 'evaluations'"),
        ("planners=[greedy,greedy]", "each under a name of its own"),
        ("families=[nedle]", "did you mean 'needle'"),
        ("families=[{a: {name: interacting, densty: 1}}]", "did you mean 'density'"),
        ("families=[deceptive] budgets=[1]", "budget must be 2 or more"),
        ("budgets=[11]", "budgets must be at most n_attributes"),
        ("n_attributes=[60] budgets=[8]", "at most 200,000"),
        ("noise=[-1]", "noise must be"),
        ("evaluations=[0]", "evaluations must hold"),
        ("seeds=[-1]", "seeds must hold"),
        ("instances=0", "instances must be 1 or more"),
        ("reference=gredy", "did you mean 'greedy'"),
        ("objective=prefixs", "did you mean 'prefixes'"),
        ("planners=[{mcts: {warm: 3}}]", "warm must be true or false"),
        ("planners=[{best_of_random: {warm: true}}]", "cannot start warm"),
        ("families=[{additive: {warm: true}}]", "warm"),
        ("planners=[{mcts:{warm:true}}] learning.seed=0", "learning.seed must be"),
        ("planners=[{mcts:{warm:true}}] learning.instances=0", "learning.instances must be 1 or more"),
        ("planners=[{mcts:{warm:true}}] learning.evaluations=0", "learning.evaluations must be 1 or more"),
        ("planners=[{mcts:{warm:true}}] learning.planner=gredy", "learning.planner: unknown planner 'gredy'"),
        ("planners=[{mcts:{warm:true}}] learning.planner={name:mcts,evaluations:3}", "set by 'learning.evaluations'"),
        ("planners=[{mcts:{warm:true}}] learning.planner={c:3}", "must be a name"),
        ("planners=[{mcts:{warm:true}}] learning.family=nedle", "did you mean 'needle'"),
        ("instnces=3", "did you mean 'instances'"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_runs(cli: Cli, setting: str, said: str) -> None:
    done = cli("benchmark", *re.split(r" (?=\w[\w.]*=)", setting), status=2)
    assert said in done.stderr
    assert "parts" not in done.stderr


# Trials


def a_slice(*planners: Named, family: str = "additive", noises: tuple[float, ...] = (0.0,), **other: Any) -> Slice:
    settings: dict[str, Any] = {"seed": 0, "count": 5, "first": 0, "last": 5, "evaluations": (5, 30), "prior": False}
    ground = Ground(Named(family, family), 6, 2)
    return Slice(ground=ground, noises=noises, planners=planners, **settings | other)


def test_a_slice_gives_what_the_whole_gives() -> None:
    planners, noises = (Named("mcts", "mcts"), Named("best", "best_of_random")), (0.0, 0.3)
    whole = play(a_slice(*planners, noises=noises))
    part = play(a_slice(*planners, noises=noises, first=2, last=4))

    def timeless(trials: Any) -> list[Any]:
        return [(t.noise, t.instance, t.planner, t.evaluations, t.used, t.path, t.value) for t in trials]

    assert timeless(part.trials) == timeless(t for t in whole.trials if 2 <= t.instance < 4)
    assert part.references == whole.references[2:4]


def test_the_reference_knows_what_there_is_to_gain() -> None:
    part = a_slice(Named("greedy", "greedy"))
    instances = part.ground.instances(5, 0)
    for reference, instance in zip(play(part).references, instances, strict=True):
        ends = [float(instance.values(np.asarray([s]))[0]) for s in subsets_of_size(0b111111, 2)]
        assert reference.best == max(ends)
        assert reference.random_mean == pytest.approx(statistics.fmean(ends))
        assert reference.random_quantiles[0] == min(ends)
        assert reference.random_quantiles[3] == pytest.approx(statistics.median(ends))
        assert reference.captured(reference.best) == 1
        assert reference.captured(reference.nothing) == 0


def test_the_static_top_is_measured_on_the_other_instances() -> None:
    instances = make_family("additive").instances(6, 2, 4, 0)
    singles = np.asarray([1 << attribute for attribute in range(6)])
    gains = [(i.values(singles) - i.values(np.asarray([0]))).tolist() for i in instances]
    for index, top in enumerate(static_tops(instances, 2)):
        others = [sum(row[a] for place, row in enumerate(gains) if place != index) for a in range(6)]
        assert top == mask_of(sorted(range(6), key=lambda a: -others[a])[:2])
    assert static_tops(instances[:1], 2) == [None]


def test_best_of_random_asks_each_subset_once_and_takes_the_best() -> None:
    asked: list[int] = []

    def evaluate(subset: int) -> float | None:
        asked.append(subset)
        return None if subset & 1 else float(subset)

    plan = run_planner(BestOfRandom(9), PlanningProblem(6, 3), evaluate, np.random.default_rng(0))
    assert len(set(asked)) == len(asked) == plan.evaluations == 9
    assert all(subset.bit_count() == 3 for subset in asked)
    assert mask_of(plan.path) == max(subset for subset in asked if not subset & 1)
    assert run_planner(BestOfRandom(99), PlanningProblem(6, 3), evaluate, np.random.default_rng(0)).evaluations == 20


def test_the_same_draw_has_the_same_noise_whoever_asks_and_another_draw_another() -> None:
    (instance,) = make_family("additive").instances(6, 2, 1, 0)
    values = Values(instance, 2)
    one, other, exact = Judge(values, 0.5, 1), Judge(values, 0.5, 1), Judge(values, 0.0, 1)
    first, second = one(3), one(3)
    assert first != second
    other(5)
    assert (other(3), other(3)) == (first, second)
    assert (exact(3), exact(3)) == (values(3), values(3))
    assert (one.evaluations, other.evaluations) == (2, 3)
    assert Judge(values, 0.5, 2)(3) != first
    assert (first - values(3)) / 0.5 == pytest.approx((Judge(values, 0.1, 1)(3) - values(3)) / 0.1)


def test_noise_is_standard_normal_and_independent() -> None:
    drawn = np.asarray([[standard_normal(7, subset, draw) for draw in range(4)] for subset in range(4000)])
    assert drawn.mean() == pytest.approx(0, abs=0.03)
    assert drawn.std() == pytest.approx(1, abs=0.02)
    assert (np.abs(drawn) > 1.96).mean() == pytest.approx(0.05, abs=0.006)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(4)).max() < 0.06
    assert abs(np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1]) < 0.06


def test_the_prior_is_asked_only_where_it_is_wanted() -> None:
    guided = Named("guided", "mcts", {"prefix_share": 0.0})
    cold, warm = (play(a_slice(guided, family="simulated", prior=prior)).trials for prior in (False, True))
    assert [t.path for t in cold] != [t.path for t in warm]


# Along the path


def test_the_value_stays_where_a_path_ends_before_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Named, "planner", lambda self, evaluations: Brief())
    part = a_slice(Named("brief", "brief"))
    played = play(part)
    for trial, instance in zip(played.trials[::2], part.ground.instances(5, 0), strict=True):
        before, after = instance.values(np.asarray([0, 0b1000])).tolist()
        assert trial.steps == (before, after, after)
        reference = played.references[trial.instance]
        assert trial.prefixes == trial.captured == reference.captured(after)


class Brief:
    """Asks attribute 3 and answers; remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[PlanningProblem] = []
        self.priors: list[Any] = []

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        self.told.append(problem)
        self.priors.append((yield Rank(0)))
        scores = yield Evaluate([0b1000])
        return Plan((3,), scores[0], 1, ((0b1000, scores[0]),))


@pytest.mark.usefixtures("unrendered", "in_this_process")
def test_the_objective_reaches_the_planner(cli: Cli, tmp_path: Path) -> None:
    settings = ("families=[interacting]", "planners=[bayesian]", "evaluations=[12]", "instances=6", "budgets=[3]")
    done = cli("benchmark", *settings, "objective=prefixes", "hydra.run.dir=done")
    assert "| mean over prefixes |" in done.stdout
    (block,) = json.loads((tmp_path / "done/benchmark.json").read_text())["blocks"]
    assert block["objective"] == "prefixes"
    found = [tuple(int(attribute) for attribute in row["path"].split()) for row in rows_of(tmp_path / "done")]
    ground = Ground(Named("interacting", "interacting"), 10, 3)
    by_hand = {
        objective: [
            run_planner(
                make_planner("bayesian", evaluations=12),
                PlanningProblem(10, 3, objective=objective),
                value_of(instance),
                np.random.default_rng(ground.key("search", 0, index)),
            ).path
            for index, instance in enumerate(ground.instances(6, 0))
        ]
        for objective in ("budget", "prefixes")
    }
    assert found == by_hand["prefixes"] != by_hand["budget"]


# Warm


def a_lesson(ground: Ground, noise: float = 0.0, instances: int = 25, **other: Any) -> Lesson:
    settings = {"family": None, "planner": Named("bayesian", "bayesian"), "evaluations": 6, "seed": 7, **other}
    learning = Learning(instances=instances, **settings)
    context = learning.knows_context(ground)
    return Lesson(learning, learning.ground(ground), noise, "budget", prior=True, context=context)


def searched(ground: Ground, noise: float, count: int, seed: int, limit: int, experience: Any = None) -> list[Plan]:
    """Plans of searches by hand, told what they know where they have experience."""
    plans = []
    for index, instance in enumerate(ground.instances(count, seed)):
        belief = (
            None if experience is None else experience.belief(known_of(instance) if experience.centre.size else None)
        )
        plans.append(
            run_planner(
                make_planner("bayesian", evaluations=limit),
                PlanningProblem(ground.n_attributes, ground.budget, noise=noise, belief=belief),
                Judge(value_of(instance), noise, ground.key("noise", seed, index)),
                np.random.default_rng(ground.key("search", seed, index)),
                instance.weights,
            )
        )
    return plans


def known_of(instance: Instance) -> Any:
    assert instance.weights is not None
    assert instance.context is not None
    logs = [math.log(weight) for weight in instance.weights(0) or ()]
    return np.asarray([*instance.context, *(0.3 * (log - statistics.fmean(logs)) for log in logs)])


@pytest.mark.usefixtures("unrendered", "in_this_process")
@pytest.mark.parametrize(("family", "noise"), [("null", 0.0), ("null", 0.2), ("additive", 0.0)])
def test_a_warm_search_believes_what_searches_of_other_instances_taught(
    cli: Cli, tmp_path: Path, family: str, noise: float
) -> None:
    planners = "planners=[bayesian,{bayesian: {warm: true}}]"
    taught = ("learning.instances=25", "learning.evaluations=6", "learning.seed=7", f"learning.family={family}")
    settings = ("families=[simulated]", "prior=true", "evaluations=[1,4]", "instances=8", f"noise=[{noise}]")
    done = cli("benchmark", planners, *settings, *TINY[2:], *taught, "hydra.run.dir=done")

    tested = Ground(Named("simulated", "simulated"), 6, 2)
    source = tested if family == "null" else Ground(Named(family, family), 6, 2)
    others = source.instances(25, 7)
    plans = searched(source, noise, 25, 7, 6)
    contexts = [known_of(instance) if family == "null" else None for instance in others]
    histories = [History(plan.trace, context) for plan, context in zip(plans, contexts, strict=True)]
    experience = learn(histories, 6, 2, noise)

    rows = rows_of(tmp_path / "done")
    found = {}
    for label, known in (("bayesian", None), ("bayesian, warm", experience)):
        for limit in (1, 4):
            cell = [row for row in rows if (row["planner"], row["evaluations"]) == (label, str(limit))]
            found[label, limit] = [row["path"] for row in cell]
            expected = [" ".join(map(str, plan.path)) for plan in searched(tested, noise, 8, 0, limit, known)]
            assert found[label, limit] == expected
    assert found["bayesian", 1] != found["bayesian, warm", 1]

    (block,) = json.loads((tmp_path / "done/benchmark.json").read_text())["blocks"]
    assert block["learning"].pop("cpu_seconds") > 0
    assert block["learning"] == {
        "family": source.family.label,
        "family_name": source.family.name,
        "family_settings": {},
        "simulated": family == "null",
        "context": family == "null",
        "instances": 25,
        "seed": 7,
        "planner": "bayesian",
        "planner_settings": {},
        "evaluations": sum(plan.evaluations for plan in plans),
    }
    assert "| bayesian, warm |" in done.stdout
    whose = "other instances of simulated (*simulated*)," if family == "null" else "instances of additive,"
    assert f"Warm: taught by bayesian on 25 {whose}" in done.stdout


def test_what_is_taught_is_learned_from_all_that_was_heard() -> None:
    ground = Ground(Named("simulated", "simulated"), 6, 2)
    made = study(a_lesson(ground)).experience
    plans = searched(ground, 0.0, 25, 7, 6)
    contexts = [known_of(instance) for instance in ground.instances(25, 7)]
    by_hand = learn([History(plan.trace, context) for plan, context in zip(plans, contexts, strict=True)], 6, 2)
    for name in ("centre", "directions", "influence", "covariance"):
        np.testing.assert_allclose(getattr(made, name), getattr(by_hand, name), atol=1e-9)
    assert made.scenarios == 25
    elsewhere = study(a_lesson(ground, family=Named("additive", "additive")))
    assert elsewhere.experience.centre.size == 0
    assert elsewhere.evaluations == 25 * 6


def test_learning_knows_the_objective_and_is_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    brief = Brief()
    monkeypatch.setattr(Named, "planner", lambda self, evaluations: brief)
    study(replace(a_lesson(Ground(Named("additive", "additive"), 6, 2), noise=0.1), objective="prefixes"))
    assert {(p.objective, p.noise, p.belief) for p in brief.told} == {("prefixes", 0.1, None)}


@pytest.mark.parametrize("prior", [False, True])
def test_learning_is_answered_by_the_prior_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch, prior: bool) -> None:
    brief = Brief()
    monkeypatch.setattr(Named, "planner", lambda self, evaluations: brief)
    study(replace(a_lesson(Ground(Named("simulated", "simulated"), 6, 2)), prior=prior))
    assert [weights is not None for weights in brief.priors] == [prior] * 25


def test_a_search_that_starts_warm_is_ahead_of_a_cold_one() -> None:
    ground = Ground(Named("simulated", "simulated"), 10, 3)
    learned = study(a_lesson(ground, instances=80, evaluations=12))
    cold, warm = Named("bayesian", "bayesian"), Named("bayesian, warm", "bayesian", warm=True)
    part = Slice(ground, 0, 20, 0, 20, (0.0,), (cold, warm), (3,), True, experience={0.0: learned.experience})
    trials = play(part).trials
    means = [statistics.fmean(t.captured for t in trials if t.planner == p.label) for p in (cold, warm)]
    assert means[1] > means[0] + 0.08
    assert means[1] > 0.93


# Standings


def a_block(part: Slice, reference: str = "greedy") -> Block:
    played = play(part)
    return Block(
        ground=part.ground,
        noise=0.0,
        planners=tuple(planner.label for planner in part.planners),
        evaluations=part.evaluations,
        references=tuple(played.references),
        trials=tuple(played.trials),
        refused=played.refused,
        reference=reference,
        simulated=False,
    )


def test_a_planner_that_does_not_search_within_a_limit_is_not_available() -> None:
    block = a_block(a_slice(Named("exhaustive", "exhaustive"), Named("greedy", "greedy")))
    table = standings(block)
    assert ("exhaustive", 5) not in table
    assert table["exhaustive", 30].captured.mean == 1
    assert needed(block, table, "exhaustive", 0.99) == 30
    line = next(line for line in block_table(block).splitlines() if "| exhaustive" in line)
    assert [cell.strip() for cell in line.split("|")[2:6]] == ["n/a", "100.0 ±0.0", "30", "30"]
    assert "n/a, exhaustive: exhaustive search of this problem needs evaluations=21" in block_table(block)
    (plain,) = [p for p in block_json(block)["planners"] if p["planner"] == "exhaustive"]
    assert list(plain["refused"]) == ["5"]
    assert [result["evaluations"] for result in plain["results"]] == [30]
    assert plain["needed"] == {"0.95": 30, "0.99": 30}


def test_differences_are_paired_with_the_reference() -> None:
    block = a_block(a_slice(Named("greedy", "greedy"), Named("best", "best_of_random")), reference="best")
    table = standings(block)
    difference = table["greedy", 5].difference
    assert difference is not None
    pairs = zip(block.values_at("greedy", 5), block.values_at("best", 5), strict=True)
    assert difference.mean == pytest.approx(statistics.fmean(one.captured - other.captured for one, other in pairs))
    assert table["best", 5].difference is None
    assert "| less best |" in difference_table(block)
    assert difference_table(a_block(a_slice(Named("greedy", "greedy")))) == ""


def test_a_planner_that_breaks_the_rules_is_not_ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Named, "planner", lambda self, evaluations: BestOfRandom(evaluations + 1))
    with pytest.raises(Exception, match="planner 'greedy' made 6 evaluations; its limit is 5"):
        play(a_slice(Named("greedy", "greedy")))
