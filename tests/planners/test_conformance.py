"""What every planner owes, whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError, dataclass, field
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from raise_agent.errors import ConfigError
from raise_agent.planners import Plan, PlanningProblem, available_planners, make_planner, planner_class, run_planner
from raise_agent.subsets import mask_of

ALL = available_planners()
BLIND = {"random", "static"}
"""Planners that do not look at scores when they choose."""
FORGETFUL = {"paper_mcts"}
"""Planners that ask again what they have heard and look at no costs; the published search does."""
MINDFUL = sorted(set(ALL) - FORGETFUL)
"""Planners that weigh what a question costs."""


@dataclass
class Referee:
    """A set function that remembers what it was asked."""

    problem: PlanningProblem
    seed: int = 0
    failing: float = 0.0
    """Share of subsets, 0 to 1, that come back unscored."""
    score: Callable[[int], float] | None = None
    asked: list[int] = field(default_factory=list)
    ranked: list[int] = field(default_factory=list)

    def reply(self, subset: int) -> float | None:
        rng = np.random.default_rng([self.seed, subset])
        if rng.random() < self.failing:
            return None
        return float(rng.uniform(1, 5)) if self.score is None else self.score(subset)

    def evaluate(self, subset: int) -> float | None:
        self.asked.append(subset)
        return self.reply(subset)

    def rank(self, subset: int) -> Sequence[float]:
        self.ranked.append(subset)
        rng = np.random.default_rng([self.seed, 7, subset])
        n = self.problem.n_attributes
        weights = rng.random(n) * [self.problem.pool >> i & ~subset >> i & 1 for i in range(n)]
        return [float(weight) for weight in weights / weights.sum()]


def plan_with(
    name: str, referee: Referee, evaluations: int = 5_000, *, prior: bool = True, seed: int = 0, **other: Any
) -> Plan:
    planner = make_planner(name, evaluations=evaluations, **other)
    rank = referee.rank if prior else None
    return run_planner(planner, referee.problem, referee.evaluate, np.random.default_rng(seed), rank)


def check(name: str, plan: Plan, referee: Referee, evaluations: int) -> None:
    """Everything that holds for every plan of every search."""
    problem = referee.problem
    assert plan.evaluations == len(referee.asked) <= evaluations
    if name in FORGETFUL:
        assert plan.evaluations == evaluations
    else:
        assert len(set(referee.asked)) == len(referee.asked)
        assert len(set(referee.ranked)) == len(referee.ranked)
    assert plan.trace == tuple((subset, referee.reply(subset)) for subset in referee.asked)
    assert all(subset & ~problem.pool == 0 and subset.bit_count() <= problem.depth for subset in referee.asked)
    assert all(subset & problem.pool != problem.pool for subset in referee.ranked)

    assert len(set(plan.path)) == len(plan.path) <= problem.depth
    assert all(problem.pool >> attribute & 1 for attribute in plan.path)
    if problem.free or name in FORGETFUL:
        assert len(plan.path) == problem.depth

    end = mask_of(plan.path)
    score = referee.reply(end) if end in referee.asked else None
    assert plan.value == (None if score is None else pytest.approx(score - problem.cost_of(end)))
    if score is not None and not problem.free and name not in FORGETFUL:
        scored = {s: r for s in referee.asked if (r := referee.reply(s)) is not None}
        prefixes = [mask_of(plan.path[:length]) for length in range(len(plan.path))]
        assert all(scored[p] - problem.cost_of(p) < score - problem.cost_of(end) for p in prefixes if p in scored)


def least_evaluations(name: str, problem: PlanningProblem) -> int:
    """The lowest limit with which a planner takes on a problem: only the oracle must score everything."""
    if name != "exhaustive":
        return 1
    smallest = min(1, problem.depth) if problem.free else 0
    return sum(comb(problem.pool.bit_count(), size) for size in range(smallest, problem.depth + 1))


@st.composite
def problems(draw: st.DrawFn) -> PlanningProblem:
    n = draw(st.integers(1, 7))
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    costs = st.lists(st.sampled_from([0.0, 0.25, 0.5, 2.0]), min_size=n, max_size=n)
    return PlanningProblem(
        n, draw(st.integers(1, n)), costs=draw(st.none() | costs), legal=draw(st.none() | st.none() | flags)
    )


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=60)
@given(
    problem=problems(),
    seed=st.integers(0, 1000),
    failing=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
    evaluations=st.integers(1, 30) | st.just(5_000),
    prior=st.booleans(),
)
def test_every_plan_keeps_the_contract(
    name: str, problem: PlanningProblem, seed: int, failing: float, evaluations: int, prior: bool
) -> None:
    if name in FORGETFUL:
        evaluations = min(evaluations, 300)
    referee = Referee(problem, seed, failing)
    if evaluations < least_evaluations(name, problem):
        with pytest.raises(ConfigError, match="evaluations="):
            plan_with(name, referee, evaluations, prior=prior, seed=seed)
        assert not referee.asked
        return
    plan = plan_with(name, referee, evaluations, prior=prior, seed=seed)
    check(name, plan, referee, evaluations)
    if not failing:
        assert plan.value is not None
    if failing == 1.0:
        assert plan.value is None
        assert len(plan.path) == problem.depth

    again = Referee(problem, seed, failing)
    assert plan_with(name, again, evaluations, prior=prior, seed=seed) == plan
    assert again.asked == referee.asked


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("costs", [None, [0.1] * 5])
def test_every_limit_is_kept(name: str, costs: Sequence[float] | None) -> None:
    problem = PlanningProblem(5, 3, costs)
    for evaluations in range(least_evaluations(name, problem), 35):
        referee = Referee(problem)
        check(name, plan_with(name, referee, evaluations), referee, evaluations)


@pytest.mark.parametrize("name", ALL)
def test_the_registry_name_is_the_file_name(name: str) -> None:
    assert planner_class(name).__module__ == f"raise_agent.planners.{name}"


@pytest.mark.parametrize("name", ALL)
def test_a_planner_is_frozen_and_holds_plain_settings_that_a_configuration_can_carry(name: str) -> None:
    planner = make_planner(name)
    assert isinstance(planner, planner_class(name))
    assert OmegaConf.to_object(OmegaConf.structured(planner_class(name))) == planner
    assert not hasattr(planner, "__dict__")
    with pytest.raises(FrozenInstanceError):
        planner.evaluations = 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ALL)
def test_the_docstring_names_the_paper(name: str) -> None:
    assert "paper" in (planner_class(name).__doc__ or "")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("evaluations", [0, -3])
def test_a_limit_below_one_is_refused(name: str, evaluations: int) -> None:
    with pytest.raises(ConfigError, match="evaluations must be 1 or more"):
        make_planner(name, evaluations=evaluations)


@pytest.mark.parametrize("name", ALL)
def test_an_additive_score_is_solved(name: str) -> None:
    worth = [1.0, 8.0, 2.0, 16.0, 4.0, 0.5]
    problem = PlanningProblem(6, 3)
    referee = Referee(problem, score=lambda subset: sum(w for i, w in enumerate(worth) if subset >> i & 1))
    settings_of: dict[str, dict[str, Any]] = {"static": {"order": (3, 1, 4)}}
    plan = plan_with(name, referee, 200, **settings_of.get(name, {}))
    if name != "random":
        assert plan.path == (3, 1, 4)
        assert plan.value == 28.0


@pytest.mark.parametrize("name", ALL)
def test_where_asking_is_free_the_budget_is_spent_even_if_scores_fall(name: str) -> None:
    referee = Referee(PlanningProblem(6, 4), score=lambda subset: -float(subset.bit_count()))
    plan = plan_with(name, referee)
    assert len(plan.path) == 4
    assert plan.value == -4.0


@pytest.mark.parametrize("name", ALL)
def test_costs_of_zero_are_free(name: str) -> None:
    referee = Referee(PlanningProblem(6, 4, costs=[0.0] * 6), score=lambda subset: -float(subset.bit_count()))
    assert len(plan_with(name, referee).path) == 4


@pytest.mark.parametrize("name", MINDFUL)
def test_nothing_is_asked_where_every_question_costs_more_than_it_brings(name: str) -> None:
    referee = Referee(PlanningProblem(6, 3, costs=[2.0] * 6), score=lambda subset: float(subset.bit_count()))
    plan = plan_with(name, referee)
    assert plan.path == ()
    assert plan.value == 0.0


@pytest.mark.parametrize("name", MINDFUL)
def test_asking_stops_where_the_next_question_costs_more_than_it_brings(name: str) -> None:
    problem = PlanningProblem(6, 4, costs=[0.5] * 6)
    plan = plan_with(name, Referee(problem, score=lambda subset: float(min(subset.bit_count(), 2))))
    assert len(plan.path) == 2
    assert plan.value == 1.0


@pytest.mark.parametrize("name", MINDFUL)
def test_a_question_that_pays_exactly_its_cost_is_not_asked(name: str) -> None:
    problem = PlanningProblem(4, 3, costs=[0.5] * 4)
    plan = plan_with(name, Referee(problem, score=lambda subset: 0.5 * subset.bit_count()))
    assert plan.path == ()


@pytest.mark.parametrize("name", ALL)
def test_only_legal_attributes_are_asked(name: str) -> None:
    referee = Referee(PlanningProblem(6, 2, legal=[False, True, False, True, True, False]))
    plan = plan_with(name, referee)
    assert set(plan.path) <= {1, 3, 4}
    assert len(plan.path) == 2


@pytest.mark.parametrize("name", ALL)
def test_with_fewer_legal_attributes_than_budget_all_are_asked(name: str) -> None:
    plan = plan_with(name, Referee(PlanningProblem(6, 5, legal=[False, True, False, True, False, False])))
    assert sorted(plan.path) == [1, 3]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("costs", [None, [1.0, 1.0, 1.0]])
def test_without_legal_attributes_the_path_is_empty_and_its_value_known(
    name: str, costs: Sequence[float] | None
) -> None:
    referee = Referee(PlanningProblem(3, 2, costs=costs, legal=[False] * 3), score=lambda subset: 2.5)
    plan = plan_with(name, referee)
    assert (plan.path, plan.value, set(referee.asked), referee.ranked) == ((), 2.5, {0}, [])
    assert name in FORGETFUL or referee.asked == [0]


@pytest.mark.parametrize("name", ALL)
def test_one_attribute_is_enough(name: str) -> None:
    referee = Referee(PlanningProblem(1, 1), score=lambda subset: 3.0 + subset)
    plan = plan_with(name, referee)
    assert (plan.path, plan.value) == ((0,), 4.0)


@pytest.mark.parametrize("name", ALL)
def test_scores_that_are_no_finite_numbers_count_as_unscored(name: str) -> None:
    problem = PlanningProblem(5, 2)
    bad = Referee(problem, score=lambda subset: [float("nan"), float("inf"), -float("inf")][subset % 3])
    plan = plan_with(name, bad)
    assert plan.value is None
    assert len(plan.path) == 2


@pytest.mark.parametrize("name", ALL)
def test_scores_of_any_scale_do(name: str) -> None:
    for scale in (1e-9, 1e9):
        referee = Referee(PlanningProblem(5, 2), score=lambda subset, scale=scale: scale * (subset - 7))  # type: ignore[misc]
        plan = plan_with(name, referee, 100)
        if name not in BLIND:
            assert set(plan.path) == {3, 4}


@pytest.mark.parametrize("name", sorted(set(ALL) - {"exhaustive"}))
def test_many_attributes_need_no_table_of_all_subsets(name: str) -> None:
    for budget in (3, 31, 62):
        referee = Referee(PlanningProblem(62, budget), score=lambda subset: float(subset % 1009))
        check(name, plan_with(name, referee, 10), referee, 10)


def additive(effects: Sequence[float]) -> Callable[[int], float]:
    def score(subset: int) -> float:
        return float(sum(effect for i, effect in enumerate(effects) if subset >> i & 1))

    return score


@pytest.mark.parametrize("name", ["bayesian", "mcts"])
@pytest.mark.parametrize("cost", [1.0, 0.0])
def test_prefixes_that_do_not_pay_are_not_asked(name: str, cost: float) -> None:
    gains = (np.random.default_rng(0).random(8) * 0.5).tolist()
    problem = PlanningProblem(8, 4, costs=[cost] * 8, objective="prefixes")
    for seed in range(4):
        referee = Referee(problem, score=additive(gains))
        plan = plan_with(name, referee, 20, seed=seed)
        assert len(plan.path) == (0 if cost else 4)


@pytest.mark.parametrize("name", ["bayesian", "mcts"])
def test_the_only_subset_is_not_asked_again_however_noisy(name: str) -> None:
    for problem in (PlanningProblem(1, 1, noise=0.3), PlanningProblem(3, 2, legal=[False] * 3, noise=0.3)):
        assert plan_with(name, Referee(problem), 20).evaluations == 1


@pytest.mark.parametrize("name", ["bayesian", "mcts"])
def test_little_noise_costs_little(name: str) -> None:
    lost = list[float]()
    for seed in range(12):
        effects = np.random.default_rng(seed).lognormal(size=8).tolist()
        problem = PlanningProblem(8, 3, noise=0.001)
        referee = Referee(problem, score=additive(effects))
        best = sum(sorted(effects)[-3:])
        lost.append(1 - sum(effects[i] for i in plan_with(name, referee, 20, seed=seed).path) / best)
    assert np.mean(lost) < 0.01


@pytest.mark.parametrize("name", ["bayesian", "mcts"])
def test_huge_scores_do_not_make_legal_what_is_not(name: str) -> None:
    legal = [i % 2 == 0 for i in range(10)]
    referee = Referee(PlanningProblem(10, 3, legal=legal), score=lambda subset: 1e18 * subset)
    assert plan_with(name, referee, 30).path in {(8, 6, 4), (6, 8, 4), (8, 4, 6), (4, 8, 6), (4, 6, 8), (6, 4, 8)}


def test_a_search_among_very_many_subsets_uses_its_evaluations() -> None:
    problem = PlanningProblem(16, 3)
    referee = Referee(problem, score=lambda subset: float(subset == 0b1001000000000001))
    plan = plan_with("bayesian", referee, 560)
    assert plan.value == 1.0
    assert len(set(referee.asked)) == plan.evaluations == 560


def test_what_is_no_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="no setting 'learns'"):
        make_planner("bayesian", learns=False)
