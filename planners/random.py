"""A uniformly random path: the floor that every search must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raise_agent.envs.dynamics import askable, start, step
from raise_agent.subsets import members

from .contract import Plan, PlanningProblem, Search
from .registry import register
from .scoreboard import Scoreboard, check_evaluations


@register("random")
@dataclass(frozen=True, slots=True)
class RandomPlanner:
    """Ask legal attributes at random until the budget is spent (the random baseline of paper, Figures 7, 13).

    One path, not the best of several: evaluations only tell what it is worth and, where asking costs, after
    which question to stop.
    """

    evaluations: int = 4
    """Most evaluations, 1 or more; one is enough where asking is free, budget + 1 where it costs."""

    def __post_init__(self) -> None:
        check_evaluations(self.evaluations)

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        """Draw a path and have it scored."""
        board = Scoreboard(problem, self.evaluations)
        state, path = start(), list[int]()
        while options := members(askable(problem.rules, state, problem.pool)):
            path.append(options[int(rng.integers(len(options)))])
            state = step(problem.rules, state, path[-1])
        yield from board.ask_prefixes(path)
        return board.plan(path)
