"""The oracle: score everything, then choose."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from raise_agent.errors import ConfigError
from raise_agent.subsets import mask_of, members, subsets_of_size

from .contract import Plan, PlanningProblem, Search
from .ordering import best_order
from .registry import register
from .scoreboard import Scoreboard, check_evaluations


@register("exhaustive")
@dataclass(frozen=True, slots=True)
class ExhaustivePlanner:
    """The best subset there is, in the best order (the oracle of paper, Figures 7, 13).

    Where asking is free, the best subset of full size; where it costs, the best of any size by score less
    cost, the smallest of equals. Of equal subsets that with the lowest indices wins; an unscored one never
    wins against a scored one. The order is the one whose prefixes are best (section 5.2).
    """

    evaluations: int = 100_000
    """Most evaluations, 1 or more; a search that needs more is refused."""

    def __post_init__(self) -> None:
        check_evaluations(self.evaluations)

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        """Score every subset up to the budget, choose one, order it.

        Raises:
            ConfigError: ``evaluations`` is less than the number of subsets to score.
        """
        smallest = min(1, problem.depth) if problem.free else 0
        sizes = range(smallest, problem.depth + 1)
        needed = sum(comb(problem.pool.bit_count(), size) for size in sizes)
        if needed > self.evaluations:
            raise ConfigError(
                f"exhaustive search of this problem needs evaluations={needed}, not {self.evaluations}; "
                "planner mcts searches within any number"
            )
        board = Scoreboard(problem, self.evaluations)
        yield from board.ask(subset for size in sizes for subset in subsets_of_size(problem.pool, size))
        ends = [subset for subset in board.scores if not problem.free or subset.bit_count() == problem.depth]
        lowest = mask_of(members(problem.pool)[: problem.depth])
        return board.plan(best_order(board.best(ends or [lowest]), board.estimate))
