"""What attributes are worth to all users alike: each alone (paper, Figure 6), and in the best fixed order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from raise_agent.errors import ConfigError
from raise_agent.planners.runner import Runner, Task, score_subsets
from raise_agent.scenario import Scenario
from raise_agent.subsets import mask_of, members


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


def best_fixed_order(runner: Runner, scenarios: Sequence[Scenario], costs: Sequence[float], length: int) -> list[int]:
    """The order to ask everybody in, each next attribute the one that raises the mean score most; the first of equals.

    Unlike the order by sensitivity it heeds that attributes overlap and what they cost, and ends where none is worth
    its cost. It takes the score of every extension of every prefix for each scenario.

    Raises:
        ConfigError: there are no scenarios to measure on.
    """
    if not scenarios:
        raise ConfigError("a fixed order is measured on training scenarios, and there are none")
    order: list[int] = []
    for _ in range(length):
        left = [index for index in range(len(costs)) if index not in order]
        # What a user has no value for tells nothing.
        wanted = [
            [mask_of(order) & s.profile.known, *(mask_of([*order, index]) & s.profile.known for index in left)]
            for s in scenarios
        ]
        tasks = [Task(s, partial(score_subsets, w)) for s, w in zip(scenarios, wanted, strict=True)]
        scored = [row for row in runner.run(tasks, origin="fixed order") if None not in row]
        if not scored:
            break
        now, *means = (sum(score or 0.0 for score in column) / len(scored) for column in zip(*scored, strict=True))
        worth = [mean - now - costs[index] for mean, index in zip(means, left, strict=True)]
        if max(worth) <= 0 and any(costs):
            break
        order.append(left[worth.index(max(worth))])
    return order
