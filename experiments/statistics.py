"""Means and ratios with intervals, over scenarios or over what they have in common."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | int | None]:
        """Plain data; null for a bound that does not exist."""
        return {
            "mean": _finite(self.mean),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "n": self.n,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Mean:
        """The inverse of ``to_json``."""
        mean, low, high = (math.nan if plain[key] is None else float(plain[key]) for key in ("mean", "low", "high"))
        return cls(mean, low, high, int(plain["n"]))


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def mean_interval(values: Sequence[float], units: Sequence[Hashable] | None = None, level: float = 0.95) -> Mean:
    """Mean and interval; not-a-number bounds where fewer than two units were scored.

    Args:
        values: one of each scenario.
        units: what each belongs to, such as its query: units are drawn at random, each with all its values (cluster
            robust, Liang and Zeger, Biometrika 73, 1986, with the correction for few units that makes it Student's
            where each has one value). None takes values as independent.
        level: how often the interval holds the true mean.

    >>> mean_interval([1.0, 2.0, 3.0]).mean
    2.0
    """
    return ratio_interval(values, [1.0] * len(values), units, level)


def ratio_interval(
    above: Sequence[float], below: Sequence[float], units: Sequence[Hashable] | None = None, level: float = 0.95
) -> Mean:
    """Sum of ``above`` over that of ``below``, with an interval by linearisation (the delta method).

    Args:
        above: one number of each scenario.
        below: likewise.
        units: as for ``mean_interval``.
        level: how often the interval holds the true ratio.
    """
    n, whole = len(above), math.fsum(below)
    if not whole:
        return Mean(math.nan, math.nan, math.nan, n)
    ratio = math.fsum(above) / whole
    places: dict[Hashable, int] = {}
    unit = [places.setdefault(one, len(places)) for one in (range(n) if units is None else units)]
    count = len(places)
    if count < 2:
        return Mean(ratio, math.nan, math.nan, n)
    errors = np.bincount(unit, np.asarray(above, np.float64) - ratio * np.asarray(below, np.float64))
    spread = math.sqrt(count / (count - 1) * float(np.square(errors).sum())) / abs(whole)
    half = float(special.stdtrit(count - 1, 0.5 + level / 2)) * spread
    return Mean(ratio, ratio - half, ratio + half, n)
