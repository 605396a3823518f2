"""The contract of a problem family: set functions drawn at random, to compare planners on.

A *family* is a frozen dataclass of its settings; an *instance* is one set function, with what a planner may
know of it beforehand. Families exist because planners that shine on one kind of function fail on another, and a served
model's kind is not known before it is asked.

All families speak in points of the safety score: an instance's value of nothing is about 2.8, and the best subset of
full size adds about 1 point on average. So a judge's noise (standard deviation of one evaluation) means the same
on each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

Subsets: TypeAlias = "npt.NDArray[np.int64]"
"""Shape (k,): subsets as bitmasks, bit i is attribute i."""
Values: TypeAlias = Callable[[Subsets], "npt.NDArray[np.float64]"]
"""Subsets, shape (k,) -> their true values, shape (k,), each independent of what it is asked with."""


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One set function to plan over; noise is added by whoever evaluates."""

    n_attributes: int
    """How many attributes there are; all may be asked, at no cost."""
    values: Values
    """True values in points of the safety score, for many subsets at once; the same subset always has the same."""
    weights: Callable[[int], Sequence[float] | None] | None = None
    """Subset known -> a prior's weights over the unasked attributes, one per attribute, as ``Rank`` is answered; None
    where the family has no prior."""
    context: npt.NDArray[np.float64] | None = None
    """What is known before the search, such as an embedding of the query: shape (d,), d the same throughout a
    family. For planners that learn from one instance for the next; None where nothing is known."""


@runtime_checkable
class Family(Protocol):
    """A kind of set function; a frozen dataclass that holds its settings only.

    A class attribute ``simulated = True`` marks all that comes from it as simulated; without one it is not.
    """

    def instances(self, n_attributes: int, budget: int, count: int, seed: int) -> list[Instance]:
        """Draw instances; the same arguments give the same functions.

        Args:
            n_attributes: how many attributes each has.
            budget: most questions, 1 to ``n_attributes``; a family may be made for it, and is scaled by it.
            count: how many; a larger count extends a smaller one. With 0 the arguments are checked, no more.
            seed: 0 or more; other seeds give other instances.

        Raises:
            ConfigError: the family cannot have so many attributes, such a budget or so many instances.
        """


def is_simulated(family: Family) -> bool:
    """Whether results on the family must be marked as simulated."""
    return bool(getattr(family, "simulated", False))
