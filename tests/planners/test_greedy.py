"""Forward selection."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.planners import Plan, PlanningProblem, make_planner, run_planner
from raise_agent.subsets import members


def greedy(problem: PlanningProblem, scores: dict[int, float | None], evaluations: int = 100) -> Plan:
    """Scores default to 0."""
    planner = make_planner("greedy", evaluations=evaluations)
    return run_planner(planner, problem, lambda subset: scores.get(subset, 0.0), np.random.default_rng(0))


@settings(max_examples=80)
@given(seed=st.integers(0, 10_000), budget=st.integers(1, 6), costly=st.booleans())
def test_an_additive_score_is_planned_as_by_the_oracle(seed: int, budget: int, costly: bool) -> None:
    rng = np.random.default_rng(seed)
    # Eighths add up exactly, so that both see the same ties.
    worth = (rng.integers(-4, 20, 6) / 8).tolist()
    costs = (rng.integers(0, 12, 6) / 8).tolist() if costly else None
    problem = PlanningProblem(6, budget, costs, legal=(rng.random(6) < 0.8).tolist())
    plans = [
        run_planner(
            make_planner(name, evaluations=100),
            problem,
            lambda subset: float(sum(worth[i] for i in members(subset))),
            np.random.default_rng(0),
        )
        for name in ("greedy", "exhaustive")
    ]
    assert plans[0].value == plans[1].value
    assert plans[0].path == plans[1].path


def test_it_takes_the_best_next_attribute_even_if_another_pair_is_better() -> None:
    plan = greedy(PlanningProblem(3, 2), {0b001: 1.0, 0b011: 1.1, 0b101: 1.2, 0b110: 9.0})
    assert (plan.path, plan.value) == ((0, 2), 1.2)


def test_of_equal_subsets_the_lower_index_is_taken() -> None:
    assert greedy(PlanningProblem(4, 2), {0b0010: 1.0, 0b0100: 1.0}).path == (1, 0)


def test_an_unscored_subset_never_wins_against_a_scored_one() -> None:
    plan = greedy(PlanningProblem(3, 1), {0b001: None, 0b010: -9.0, 0b100: None})
    assert plan.path == (1,)


def test_where_nothing_is_scored_the_lowest_index_is_taken() -> None:
    assert greedy(PlanningProblem(4, 3), dict.fromkeys(range(16))).path == (0, 1, 2)


def test_cost_counts_at_every_step() -> None:
    problem = PlanningProblem(3, 1, costs=[2.0, 0.0, 0.0])
    assert greedy(problem, {0b001: 3.0, 0b010: 1.5, 0b100: 1.0}).path == (1,)


def test_a_step_that_fails_altogether_follows_earlier_scores() -> None:
    scores: dict[int, float | None] = {0b0001: 1.0, 0b0010: 2.0, 0b0100: 5.0, 0b1000: 4.0}
    scores |= {0b0101: None, 0b0110: None, 0b1100: None}
    assert greedy(PlanningProblem(4, 2), scores).path == (2, 3)


def test_when_evaluations_run_out_the_path_follows_what_was_seen_and_its_end_is_scored() -> None:
    scores: dict[int, float | None] = {0b0001: 1.0, 0b0010: 2.0, 0b0100: 5.0, 0b1000: 4.0, 0b1110: 7.0}
    plan = greedy(PlanningProblem(4, 3), scores, evaluations=5)
    assert (plan.path, plan.value, plan.evaluations) == ((2, 3, 1), 7.0, 5)


def test_with_one_evaluation_the_table_order_is_scored() -> None:
    plan = greedy(PlanningProblem(4, 3), {0b0111: 3.0}, evaluations=1)
    assert (plan.path, plan.value) == ((0, 1, 2), 3.0)


@pytest.mark.parametrize(("costs", "needed"), [(None, 27), ([0.0, 0.5] * 5, 28)])
def test_the_default_does_for_three_of_ten(costs: list[float] | None, needed: int) -> None:
    plan = run_planner(make_planner("greedy"), PlanningProblem(10, 3, costs), float, np.random.default_rng(0))
    assert plan.evaluations == needed


def test_each_step_is_one_batch() -> None:
    search = make_planner("greedy").search(PlanningProblem(3, 2), np.random.default_rng(0))
    assert tuple(next(search).subsets) == (1, 2, 4)  # type: ignore[union-attr]
    assert tuple(search.send([0.0, 1.0, 0.0]).subsets) == (3, 6)  # type: ignore[union-attr]
