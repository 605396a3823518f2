"""The problem a planner is given, and driving it by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from raise_agent.errors import ConfigError
from raise_agent.planners import Evaluate, PlanningProblem, Rank, Search
from raise_agent.planners.drive import drive


@pytest.mark.parametrize("n", [0, -1, 63])
def test_the_number_of_attributes_is_bounded(n: int) -> None:
    with pytest.raises(ConfigError, match=rf"n_attributes must be between 1 and 62, not {n}"):
        PlanningProblem(n, 1)


@pytest.mark.parametrize("budget", [0, -1, 5])
def test_the_budget_is_bounded_by_the_attributes(budget: int) -> None:
    with pytest.raises(ConfigError, match=rf"budget must be between 1 and the number of attributes, 4, not {budget}"):
        PlanningProblem(4, budget)


def test_costs_need_one_entry_per_attribute() -> None:
    with pytest.raises(ConfigError, match="costs needs 4 entries, one per attribute, not 3"):
        PlanningProblem(4, 2, costs=[0.1] * 3)


def test_the_legal_mask_needs_one_entry_per_attribute() -> None:
    with pytest.raises(ConfigError, match="legal needs 4 entries, one per attribute, not 5"):
        PlanningProblem(4, 2, legal=[True] * 5)


@pytest.mark.parametrize("cost", [-0.1, math.nan, math.inf])
def test_costs_are_finite_and_not_negative(cost: float) -> None:
    with pytest.raises(ConfigError, match="costs must be numbers of score points, 0 or more"):
        PlanningProblem(2, 1, costs=[0.0, cost])


@pytest.mark.parametrize("noise", [-0.1, math.nan, math.inf])
def test_noise_is_finite_and_not_negative(noise: float) -> None:
    with pytest.raises(ConfigError, match="noise must be a standard deviation, 0 or more"):
        PlanningProblem(2, 1, noise=noise)


def test_by_default_all_attributes_may_be_asked_for_nothing() -> None:
    problem = PlanningProblem(4, 2)
    assert problem.pool == 0b1111
    assert problem.depth == 2
    assert problem.free
    assert problem.cost_of(0b1111) == 0.0
    assert (problem.rules.n_attributes, problem.rules.budget) == (4, 2)


def test_the_legal_mask_limits_pool_and_depth() -> None:
    problem = PlanningProblem(4, 3, legal=[True, False, False, True])
    assert problem.pool == 0b1001
    assert problem.depth == 2


def test_costs_add_up() -> None:
    problem = PlanningProblem(3, 2, costs=[0.5, 0.0, 0.25])
    assert not problem.free
    assert problem.cost_of(0b101) == 0.75
    assert problem.cost_of(0) == 0.0


def test_costs_of_zero_are_free() -> None:
    assert PlanningProblem(3, 2, costs=[0.0, 0.0, 0.0]).free


def test_arrays_become_plain_values() -> None:
    problem = PlanningProblem(2, 1, costs=np.array([0.5, 0.25]).tolist(), legal=np.array([1, 0]).tolist())
    assert problem == PlanningProblem(2, 1, costs=(0.5, 0.25), legal=(True, False))
    assert hash(problem) == hash(PlanningProblem(2, 1, costs=[0.5, 0.25], legal=[True, False]))


def test_answers_come_back_in_the_order_of_the_questions() -> None:
    def search() -> Search[tuple[object, object]]:
        scores = yield Evaluate([4, 1, 2])
        weights = yield Rank(1)
        return scores, weights

    found = drive(search(), lambda subset: None if subset == 1 else float(subset), lambda subset: [0.0, 0.5, 0.5])
    assert found == ([4.0, None, 2.0], [0.0, 0.5, 0.5])


def test_without_a_prior_the_answer_is_none() -> None:
    def search() -> Search[Sequence[float] | None]:
        weights: Sequence[float] | None = yield Rank(0)
        return weights

    assert drive(search(), float) is None


def test_a_search_may_ask_nothing() -> None:
    def search() -> Search[str]:
        yield from ()
        return "done"

    assert drive(search(), float) == "done"


def test_another_kind_of_question_is_an_error_rather_than_an_endless_loop() -> None:
    def search() -> Search[None]:
        yield 3  # type: ignore[misc]

    with pytest.raises(TypeError, match="a planner may yield Evaluate or Rank, not int"):
        drive(search(), float)
