"""Drive one search by hand: a set function in, a plan out. No model, no store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from .contract import Evaluate, Plan, Planner, PlanningProblem, Rank, Search

Found = TypeVar("Found")


def drive(
    search: Search[Found],
    evaluate: Callable[[int], float | None],
    rank: Callable[[int], Sequence[float] | None] | None = None,
) -> Found:
    """Run a search to its end, answering each question as it comes."""
    try:
        question = next(search)
        while True:
            match question:
                case Evaluate(subsets):
                    question = search.send([evaluate(subset) for subset in subsets])
                case Rank(subset):
                    question = search.send(rank(subset) if rank is not None else None)
                case _:
                    raise TypeError(f"a planner may yield Evaluate or Rank, not {type(question).__name__}")
    except StopIteration as end:
        found: Found = end.value
        return found


def run_planner(
    planner: Planner,
    problem: PlanningProblem,
    evaluate: Callable[[int], float | None],
    rng: np.random.Generator,
    rank: Callable[[int], Sequence[float] | None] | None = None,
) -> Plan:
    """Plan over any set function.

    Args:
        planner: from ``make_planner``, or anything that follows the contract.
        problem: attributes, budget, costs, legal mask, noise.
        evaluate: subset (bit i = attribute i) -> safety score, or None where it could not be scored.
        rng: the only source of randomness.
        rank: subset known -> one weight per attribute; None lets the planner do without a prior.
    """
    return drive(planner.search(problem, rng), evaluate, rank)
