"""How much each attribute alone adds to the safety score (paper, Figure 6)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from raise_agent.errors import ConfigError
from raise_agent.planners.runner import Runner, Task, score_subsets
from raise_agent.scenario import Scenario
from raise_agent.subsets import members


def at_most_one(scenario: Scenario) -> list[int]:
    """The subset of nothing, then those of one attribute that has a value."""
    return [0, *(1 << index for index in members(scenario.profile.known))]


def measure_sensitivities(runner: Runner, scenarios: Sequence[Scenario], n_attributes: int) -> list[float]:
    """Mean gain of each attribute over knowing nothing, in score points; 0 where nobody has a value.

    Raises:
        ConfigError: there are no scenarios to measure on.
    """
    if not scenarios:
        raise ConfigError("a static order is measured on training scenarios, and there are none; give planner.order")
    tasks = [Task(s, partial(score_subsets, at_most_one(s))) for s in scenarios]
    gains: list[list[float]] = [[] for _ in range(n_attributes)]
    for scenario, scores in zip(scenarios, runner.run(tasks, origin="sensitivity"), strict=True):
        for index, score in zip(members(scenario.profile.known), scores[1:], strict=True):
            if score is not None and scores[0] is not None:
                gains[index].append(score - scores[0])
    return [sum(found) / len(found) if found else 0.0 for found in gains]
