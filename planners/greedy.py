"""Forward selection: the best next attribute, one at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raise_agent.envs.dynamics import askable, start, step
from raise_agent.subsets import members

from .contract import Plan, PlanningProblem, Search
from .registry import register
from .scoreboard import Scoreboard, check_evaluations


@register("greedy")
@dataclass(frozen=True, slots=True)
class GreedyPlanner:
    """Score each subset that is one attribute larger, keep the best, repeat (not in the paper; a strong baseline).

    It finds the optimum of an additive score and misses attributes that only count together. Of two equal
    subsets that with the lower index is kept; an unscored one never wins against a scored one. Where
    evaluations run short, an additive account of the scores so far says which subsets to score first and, when
    nothing of a step is scored, which attribute to take, again the lower index of equals. One evaluation is
    held back for the end of the path.
    """

    evaluations: int = 28
    """Most evaluations, 1 or more; 28 do for 3 of 10 attributes, the empty subset included."""

    def __post_init__(self) -> None:
        check_evaluations(self.evaluations)

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        """Grow the path by one attribute per step."""
        board = Scoreboard(problem, self.evaluations)
        state, path = start(), list[int]()
        while options := askable(problem.rules, state, problem.pool):
            larger = [state.asked | 1 << attribute for attribute in members(options)]
            affordable = board.left if len(path) + 1 == problem.depth else board.left - 1
            promising = sorted(larger, key=board.estimate, reverse=True)
            yield from board.ask(promising[: max(affordable, 0)])
            best = max(larger, key=lambda subset: (board.worth(subset) is not None, board.estimate(subset)))
            path.append((best & ~state.asked).bit_length() - 1)
            state = step(problem.rules, state, path[-1])
        yield from board.ask_prefixes(path)
        return board.plan(path)
