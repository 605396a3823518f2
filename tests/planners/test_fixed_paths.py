"""Planners that choose without looking: random and static."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from raise_agent.errors import ConfigError
from raise_agent.planners import Plan, PlanningProblem, make_planner, run_planner
from raise_agent.planners.static import StaticPlanner

FREE = PlanningProblem(5, 3)


def static(order: tuple[int, ...], problem: PlanningProblem = FREE) -> Plan:
    return run_planner(StaticPlanner(order=order), problem, float, np.random.default_rng(0))


def test_random_paths_are_uniform_over_the_legal_ones() -> None:
    problem = PlanningProblem(5, 2, legal=[True, False, True, True, False])
    rng = np.random.default_rng(0)
    planner = make_planner("random")
    seen = Counter(run_planner(planner, problem, float, rng).path for _ in range(3000))
    assert sorted(seen) == [(0, 2), (0, 3), (2, 0), (2, 3), (3, 0), (3, 2)]
    assert max(abs(count - 500) for count in seen.values()) < 100


def test_random_scores_only_the_end_where_asking_is_free() -> None:
    plan = run_planner(make_planner("random", evaluations=100), FREE, float, np.random.default_rng(1))
    assert plan.evaluations == 1


def test_random_scores_all_prefixes_where_asking_costs() -> None:
    problem = PlanningProblem(5, 3, costs=[0.5] * 5)
    plan = run_planner(make_planner("random"), problem, float, np.random.default_rng(1))
    assert [subset.bit_count() for subset, _ in plan.trace] == [3, 2, 1, 0]


def test_without_an_order_the_path_follows_the_table() -> None:
    assert static(()).path == (0, 1, 2)


def test_the_order_is_followed() -> None:
    assert static((4, 1, 3)).path == (4, 1, 3)


def test_attributes_missing_from_the_order_come_after_by_index() -> None:
    assert static((4,)).path == (4, 0, 1)


def test_an_order_longer_than_the_budget_is_cut() -> None:
    assert static((4, 3, 2, 1, 0)).path == (4, 3, 2)


def test_attributes_that_are_not_legal_are_passed_over() -> None:
    assert static((4, 3), PlanningProblem(5, 3, legal=[True, True, True, True, False])).path == (3, 0, 1)


def test_an_order_from_a_configuration_is_a_list() -> None:
    assert StaticPlanner(order=[2, 0]) == StaticPlanner(order=(2, 0))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["static", "mcts"])
def test_an_attribute_named_twice_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"order names an attribute twice: \[1, 2, 1\]"):
        make_planner(name, order=(1, 2, 1))


@pytest.mark.parametrize("name", ["static", "mcts"])
def test_a_negative_index_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="order holds attribute indices, 0 or more, not -2"):
        make_planner(name, order=(0, -2))


@pytest.mark.parametrize(("name", "other"), [("static", {}), ("mcts", {"prior": "static"})])
def test_an_index_beyond_the_attributes_is_refused_when_they_are_known(name: str, other: dict[str, str]) -> None:
    planner = make_planner(name, order=(7, 0), **other)
    with pytest.raises(ConfigError, match="order names attribute 7, but there are 5: valid are 0 to 4"):
        run_planner(planner, FREE, float, np.random.default_rng(0))
