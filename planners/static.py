"""One fixed order of asking, whatever the scenario."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raise_agent.envs.dynamics import askable, start, step
from raise_agent.errors import ConfigError

from .contract import Plan, PlanningProblem, Search
from .registry import register
from .scoreboard import Scoreboard, check_evaluations


@register("static")
@dataclass(frozen=True, slots=True)
class StaticPlanner:
    """Ask in a fixed order (the static baseline of paper, Figures 7, 13: Emotion, Mental, Self-Harm first).

    Evaluations only tell what the path is worth and, where asking costs, after which question to stop.
    """

    order: tuple[int, ...] = ()
    """Attribute indices, each once; those left out come after, by index, so empty means table order."""
    evaluations: int = 4
    """Most evaluations, 1 or more; one is enough where asking is free, budget + 1 where it costs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", check_order(self.order))
        check_evaluations(self.evaluations)

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        """Follow the order through the legal attributes and have the path scored."""
        board = Scoreboard(problem, self.evaluations)
        state, path = start(), list[int]()
        for attribute in whole_order(self.order, problem.n_attributes):
            if askable(problem.rules, state, problem.pool) >> attribute & 1:
                path.append(attribute)
                state = step(problem.rules, state, attribute)
        yield from board.ask_prefixes(path)
        return board.plan(path)


def check_order(order: tuple[int, ...]) -> tuple[int, ...]:
    """The order as a tuple; a configuration may give it as a list.

    Raises:
        ConfigError: an index is negative or named twice.
    """
    given = tuple(order)
    if any(index < 0 for index in given):
        raise ConfigError(f"order holds attribute indices, 0 or more, not {min(given)}")
    if len(set(given)) != len(given):
        raise ConfigError(f"order names an attribute twice: {list(given)}; each may be named once")
    return given


def whole_order(order: tuple[int, ...], n_attributes: int) -> tuple[int, ...]:
    """The order, then the attributes missing from it by index.

    Raises:
        ConfigError: an index is not that of an attribute.
    """
    if order and max(order) >= n_attributes:
        raise ConfigError(
            f"order names attribute {max(order)}, but there are {n_attributes}: valid are 0 to {n_attributes - 1}"
        )
    return (*order, *(index for index in range(n_attributes) if index not in order))
