"""What the drawn families share: one scale, and random streams that do not depend on how many are drawn.

A family draws functions on any scale of its own; here each becomes ``nothing + scale * f``. ``scale`` is one
number per family, number of attributes and budget: one over the oracle's mean gain on instances of a stream of
its own. So gains vary from instance to instance, as they do among people, and are 1 point on average.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb
from typing import Protocol, cast
from zlib import crc32

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import MAX_ATTRIBUTES
from raise_agent.errors import ConfigError

from .contract import Instance, Subsets, Values

NOTHING, NOTHING_SPREAD = 2.8, 0.2
"""Mean and standard deviation of the value of nothing, in score points."""
CALIBRATION = 64
"""Instances that the scale is measured on."""
MOST_SUBSETS = 200_000
"""Most subsets of full size: all are scored to know the oracle's gain."""
DIGITS = 9
"""Decimals of a value."""
_DRAWN, _MEASURED, _STARTED = 0, 1, 2


class Drawn(Protocol):
    """A family that draws one function at a time, on any scale; frozen and hashable."""

    def draw(self, n_attributes: int, budget: int, rng: np.random.Generator) -> Values:
        """One function, 0 for the empty subset; the best subset of full size must be worth more."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """``nothing + scale * f(S)``"""

    f: Values
    nothing: float
    scale: float

    def __call__(self, subsets: Subsets) -> npt.NDArray[np.float64]:
        """Values in score points."""
        # The last bits of a matrix product depend on how many rows it has; a value may not.
        values: npt.NDArray[np.float64] = np.round(self.nothing + self.scale * self.f(subsets), DIGITS)
        return values


def check_size(family: str, n_attributes: int, budget: int, count: int, seed: int) -> None:
    """Refuse what no family can do.

    Raises:
        ConfigError: an argument of ``instances`` is out of range, or there are too many subsets for an oracle.
    """
    if not 1 <= n_attributes <= MAX_ATTRIBUTES:
        raise ConfigError(f"family {family!r}: n_attributes must be between 1 and {MAX_ATTRIBUTES}, not {n_attributes}")
    if not 1 <= budget <= n_attributes:
        raise ConfigError(f"family {family!r}: budget must be between 1 and {n_attributes}, not {budget}")
    ends = comb(n_attributes, budget)
    if ends > MOST_SUBSETS:
        raise ConfigError(
            f"family {family!r}: {n_attributes} attributes have {ends:,} subsets of size {budget}; "
            f"at most {MOST_SUBSETS:,} can be scored to know the best"
        )
    if count < 0 or seed < 0:
        raise ConfigError(f"family {family!r}: count and seed must be 0 or more, not {count} and {seed}")


def stream(family: str, seed: int, index: int, purpose: int = _DRAWN) -> np.random.Generator:
    """The randomness of one instance: by family name, seed and position alone."""
    return np.random.default_rng([crc32(family.encode()), purpose, seed, index])


def nothing_of(family: str, seed: int, index: int) -> float:
    """The value of nothing in one instance, in score points."""
    return NOTHING + NOTHING_SPREAD * float(stream(family, seed, index, _STARTED).standard_normal())


@lru_cache(maxsize=64)
def full_subsets(n_attributes: int, budget: int) -> Subsets:
    """All subsets of size ``budget``, shape (k,), in lexicographic order of their indices; not to be written to."""
    chosen = np.asarray(list(combinations(range(n_attributes), budget)), dtype=np.int64)
    found: Subsets = np.bitwise_or.reduce(np.int64(1) << chosen, axis=1)
    found.flags.writeable = False
    return found


def oracle_gain(f: Values, n_attributes: int, budget: int) -> float:
    """What the best subset of full size adds to nothing, on the function's own scale."""
    best = f(full_subsets(n_attributes, budget)).max()
    return float(best - f(np.zeros(1, np.int64))[0])


def scaled_instances(family: Drawn, name: str, n_attributes: int, budget: int, count: int, seed: int) -> list[Instance]:
    """Instances of a family that draws one function at a time, on the common scale."""
    check_size(name, n_attributes, budget, count, seed)
    scale = _scale(cast(Hashable, family), name, n_attributes, budget)
    return [
        Instance(
            n_attributes,
            Scaled(family.draw(n_attributes, budget, stream(name, seed, index)), nothing_of(name, seed, index), scale),
        )
        for index in range(count)
    ]


@lru_cache(maxsize=256)
def _scale(family: Hashable, name: str, n_attributes: int, budget: int) -> float:
    draw = cast(Drawn, family).draw
    drawn = (draw(n_attributes, budget, stream(name, 0, index, _MEASURED)) for index in range(CALIBRATION))
    return 1.0 / float(np.mean([oracle_gain(f, n_attributes, budget) for f in drawn]))
