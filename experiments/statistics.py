"""Means with intervals over scenarios."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its 95 % interval (Student's t, scenarios independent)."""

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


def mean_interval(values: Sequence[float], level: float = 0.95) -> Mean:
    """Mean and interval of independent values; not-a-number bounds where fewer than two were scored.

    >>> mean_interval([1.0, 2.0, 3.0]).mean
    2.0
    """
    n = len(values)
    if n == 0:
        return Mean(math.nan, math.nan, math.nan, 0)
    mean = float(np.mean(values))
    if n == 1:
        return Mean(mean, math.nan, math.nan, 1)
    half = float(special.stdtrit(n - 1, 0.5 + level / 2) * np.std(values, ddof=1) / math.sqrt(n))
    return Mean(mean, mean - half, mean + half, n)
