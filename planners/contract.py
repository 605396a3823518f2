"""The planner's contract: what a search is given, what it may ask, what it returns.

A planner is a generator. It yields ``Evaluate`` or ``Rank``, is sent the answers, and returns a ``Plan``. It
does no I/O, keeps no state between searches, and sees no profile: an attribute is an index, a subset a
bitmask.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from raise_agent.attributes import MAX_ATTRIBUTES
from raise_agent.envs.dynamics import Rules
from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.subsets import full_mask, mask_of

from .beliefs import Belief

OBJECTIVES = ("budget", "prefixes")
"""What makes a path good."""


@dataclass(frozen=True, slots=True)
class PlanningProblem:
    """Which attributes to ask, in which order, so that the answer is safest (paper, section 5.2).

    Raises:
        ConfigError: the budget is not between 1 and ``n_attributes``, or a length does not fit.
    """

    n_attributes: int
    """How many attributes there are; attribute i is bit i of a subset."""
    budget: int
    """Most questions, 1 to ``n_attributes``."""
    costs: Sequence[float] | None = None
    """Cost of each question in score points, 0 or more; None means all 0."""
    legal: Sequence[bool] | None = None
    """Which attributes may be asked; None means all."""
    noise: float = 0.0
    """Standard deviation of one evaluation, in score points; 0 means exact."""
    objective: str = "budget"
    """``budget``: the worth of the whole path. ``prefixes``: the mean worth of all its prefixes but the empty one, for
    conversations that may end early (paper, section 5.2)."""
    horizon: int | None = None
    """How many evaluations the search can count on where many searches share them; None: as many as it may make."""
    belief: Belief | None = None
    """What earlier searches taught about this scenario; None where nothing is believed beforehand."""
    pool: int = field(init=False)
    """The subset of attributes that may be asked."""
    rules: Rules = field(init=False)
    """What ``envs.dynamics`` needs to say which attribute may be asked next."""

    def __post_init__(self) -> None:
        if not 1 <= self.n_attributes <= MAX_ATTRIBUTES:
            raise ConfigError(f"n_attributes must be between 1 and {MAX_ATTRIBUTES}, not {self.n_attributes}")
        if not 1 <= self.budget <= self.n_attributes:
            raise ConfigError(
                f"budget must be between 1 and the number of attributes, {self.n_attributes}, not {self.budget}"
            )
        for name, given in (("costs", self.costs), ("legal", self.legal)):
            if given is not None and len(given) != self.n_attributes:
                raise ConfigError(f"{name} needs {self.n_attributes} entries, one per attribute, not {len(given)}")
        if self.costs is not None:
            if not all(math.isfinite(cost) and cost >= 0 for cost in self.costs):
                raise ConfigError("costs must be numbers of score points, 0 or more")
            object.__setattr__(self, "costs", tuple(float(cost) for cost in self.costs))
        if not (math.isfinite(self.noise) and self.noise >= 0):
            raise ConfigError(f"noise must be a standard deviation, 0 or more, not {self.noise}")
        if self.objective not in OBJECTIVES:
            raise ConfigError(f"unknown objective {self.objective!r}: {did_you_mean(self.objective, OBJECTIVES)}")
        if self.horizon is not None and self.horizon < 0:
            raise ConfigError(f"horizon must be 0 evaluations or more, not {self.horizon}")
        pool = full_mask(self.n_attributes)
        if self.legal is not None:
            object.__setattr__(self, "legal", tuple(bool(legal) for legal in self.legal))
            pool = mask_of(index for index, legal in enumerate(self.legal) if legal)
        object.__setattr__(self, "pool", pool)
        object.__setattr__(self, "rules", Rules(self.n_attributes, self.budget))

    @property
    def depth(self) -> int:
        """Length of a full path: the budget, or fewer where fewer attributes are legal."""
        return min(self.budget, self.pool.bit_count())

    @property
    def free(self) -> bool:
        """Whether asking costs nothing, so that a full path is never worth less than a shorter one."""
        return self.costs is None or not any(self.costs)

    def cost_of(self, subset: int) -> float:
        """What asking this subset costs, in score points."""
        if self.costs is None:
            return 0.0
        return sum(cost for index, cost in enumerate(self.costs) if subset >> index & 1)


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Ask for the safety scores of these subsets; answered by a list in order, None where unscored.

    Answered by None in place of a list where nothing more is to be spent on this search: it then returns the best
    plan it has.
    """

    subsets: Sequence[int]
    gain: float = math.inf
    """What the scores are expected to add to the plan's value, in score points; infinite where the planner does not
    say. Where evaluations are shared among searches, those that expect most go first."""


@dataclass(frozen=True, slots=True)
class Rank:
    """Ask the prior for weights when ``subset`` is known; answered by one weight per attribute.

    Weights are positive for each legal unasked attribute, 0 for the others, and sum to 1. None means that
    there is no prior or that it failed.
    """

    subset: int


KEPT_NODES = 64
"""Most nodes of its tree that a search keeps in its plan."""


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A node of a search tree over paths, for people to look at."""

    path: tuple[int, ...]
    """The attributes asked on the way to it, in order; empty at the root."""
    visits: int
    """Scored rollouts through it."""
    value: float
    """Their mean score."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a search found."""

    path: tuple[int, ...]
    """Attribute indices in asking order."""
    value: float | None
    """Score of the path's subset less the cost of asking it; None where it was not scored."""
    evaluations: int
    """How many subsets were asked to be scored."""
    trace: tuple[tuple[int, float | None], ...] = ()
    """Every (subset, score) in the order asked."""
    tree: tuple[TreeNode, ...] = ()
    """The ``KEPT_NODES`` most visited nodes, each after its parent, of a search whose tree the trace does not tell:
    that of one over subsets has as visits of a node the subsets scored that hold its attributes."""


Found = TypeVar("Found")
Search = Generator["Evaluate | Rank", Any, Found]
"""Straight-line code that yields questions and returns what it found."""


@runtime_checkable
class Planner(Protocol):
    """One way to search. A planner holds hyperparameters only."""

    def search(self, problem: PlanningProblem, rng: np.random.Generator) -> Search[Plan]:
        """Search for the best path; at most the planner's ``evaluations`` subsets are evaluated."""
