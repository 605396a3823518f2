"""The oracle against brute force over paths."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.errors import ConfigError
from raise_agent.planners import Plan, PlanningProblem, make_planner, run_planner
from raise_agent.subsets import mask_of


def oracle(problem: PlanningProblem, scores: Sequence[float | None]) -> Plan:
    return run_planner(make_planner("exhaustive"), problem, scores.__getitem__, np.random.default_rng(0))


def by_brute_force(problem: PlanningProblem, scores: Sequence[float]) -> tuple[int, ...]:
    def worth(path: tuple[int, ...]) -> float:
        return scores[mask_of(path)] - problem.cost_of(mask_of(path))

    def merit(path: tuple[int, ...]) -> tuple[object, ...]:
        prefixes = [worth(path[:length]) for length in range(len(path) + 1)]
        lowest_indices = [-index for index in sorted(path)]
        return worth(path), -len(path), lowest_indices, fmean(prefixes), [-index for index in path]

    attributes = [i for i in range(problem.n_attributes) if problem.pool >> i & 1]
    sizes = [problem.depth] if problem.free else range(problem.depth + 1)
    return max((path for size in sizes for path in permutations(attributes, size)), key=merit)


@settings(max_examples=120)
@given(
    n=st.integers(1, 5),
    budget=st.integers(1, 4),
    seed=st.integers(0, 10_000),
    ties=st.sampled_from([3, 1000]),
    cost=st.sampled_from([None, 0.0, 0.25, 1.0]),
)
def test_no_path_is_better(n: int, budget: int, seed: int, ties: int, cost: float | None) -> None:
    rng = np.random.default_rng(seed)
    # Quarters add up exactly, so that ties are ties for both.
    scores = (rng.integers(0, ties, 1 << n) / 4).tolist()
    costs = None if cost is None else (rng.integers(0, 3, n) * cost).tolist()
    problem = PlanningProblem(n, min(budget, n), costs, legal=(rng.random(n) < 0.8).tolist())
    plan = oracle(problem, scores)
    expected = by_brute_force(problem, scores)
    assert plan.path == expected
    assert plan.value == scores[mask_of(expected)] - problem.cost_of(mask_of(expected))


def test_every_subset_up_to_the_budget_is_scored_once_in_one_batch() -> None:
    plan = oracle(PlanningProblem(4, 2), [0.0] * 16)
    assert [subset for subset, _ in plan.trace] == [1, 2, 4, 8, 3, 5, 9, 6, 10, 12]
    assert oracle(PlanningProblem(4, 2, costs=[1.0] * 4), [0.0] * 16).evaluations == 11


def test_of_equal_subsets_that_with_the_lowest_indices_wins() -> None:
    assert oracle(PlanningProblem(4, 2), [1.0] * 16).path == (0, 1)
    tied = [3.0 if subset in (0b0110, 0b1001) else 1.0 for subset in range(16)]
    assert set(oracle(PlanningProblem(4, 2), tied).path) == {0, 3}


def test_of_equal_sizes_the_smaller_wins_where_asking_costs() -> None:
    scores = [0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 3.5]
    assert oracle(PlanningProblem(3, 3, costs=[0.25] * 3), scores).path == (1,)


def test_an_unscored_subset_never_wins() -> None:
    scores: list[float | None] = [None] * 16
    scores[0b1100] = -5.0
    plan = oracle(PlanningProblem(4, 2), scores)
    assert (plan.path, plan.value) == ((2, 3), -5.0)


def test_an_unscored_prefix_is_placed_by_what_its_attributes_do_elsewhere() -> None:
    worth = [0.1, 0.9, 0.5, 0.0]
    scores: list[float | None] = [sum(w for i, w in enumerate(worth) if s >> i & 1) for s in range(16)]
    scores[0b0010] = None
    assert oracle(PlanningProblem(4, 3), scores).path == (1, 2, 0)


@pytest.mark.parametrize(("costs", "needed"), [(None, 175), ([0.1] * 10, 176)])
def test_a_limit_that_is_too_low_is_refused_before_anything_is_asked(
    costs: Sequence[float] | None, needed: int
) -> None:
    problem = PlanningProblem(10, 3, costs)
    with pytest.raises(ConfigError, match=rf"needs evaluations={needed}, not {needed - 1}"):
        next(make_planner("exhaustive", evaluations=needed - 1).search(problem, np.random.default_rng(0)))
    plan = run_planner(make_planner("exhaustive", evaluations=needed), problem, float, np.random.default_rng(0))
    assert plan.evaluations == needed


def test_what_can_never_be_scored_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="needs evaluations=4611686018427387903"):
        run_planner(make_planner("exhaustive"), PlanningProblem(62, 62), float, np.random.default_rng(0))
