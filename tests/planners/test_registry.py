"""Planners by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from raise_agent.errors import ConfigError
from raise_agent.planners import (
    Plan,
    Planner,
    PlanningProblem,
    Search,
    available_planners,
    make_planner,
    planner_class,
    register,
    registry,
    run_planner,
)


@pytest.fixture(autouse=True)
def _registry_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    available_planners()
    monkeypatch.setattr(registry.PLANNERS, "_classes", dict(registry.PLANNERS._classes))


@dataclass(frozen=True, slots=True)
class Lazy:
    """Asks the first attribute and scores nothing."""

    effort: int = 0

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        yield from ()
        return Plan(path=(0,), value=None, evaluations=0)


def test_names_are_sorted_and_those_of_the_paper_are_there() -> None:
    names = available_planners()
    assert list(names) == sorted(names)
    assert {"random", "static", "greedy", "exhaustive", "mcts"} <= set(names)


def test_a_planner_from_elsewhere_is_found_once_registered() -> None:
    assert register("lazy")(Lazy) is Lazy
    assert "lazy" in available_planners()
    assert planner_class("lazy") is Lazy
    planner = make_planner("lazy", effort=3)
    assert planner == Lazy(3)
    assert isinstance(planner, Planner)
    plan = run_planner(planner, PlanningProblem(3, 1), lambda subset: 0.0, np.random.default_rng(0))
    assert plan == Plan((0,), None, 0)


def test_registering_the_same_planner_again_changes_nothing() -> None:
    register("lazy")(Lazy)
    register("lazy")(Lazy)
    assert available_planners().count("lazy") == 1


def test_two_planners_may_not_share_a_name() -> None:
    with pytest.raises(ConfigError, match=r"two planners are named 'mcts': raise_agent\.planners\.mcts"):
        register("mcts")(Lazy)
    assert planner_class("mcts") is not Lazy


@pytest.mark.parametrize("ask", [make_planner, planner_class])
def test_a_mistyped_name_gets_a_suggestion(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(ConfigError, match=r"unknown planner 'mtcs': did you mean 'mcts'\? Valid: .*greedy"):
        ask("mtcs")


def test_a_mistyped_setting_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"planner 'mcts' has no setting 'evaluation': did you mean 'evaluations'\?"):
        make_planner("mcts", evaluation=10)
