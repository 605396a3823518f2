"""Intervals by the bootstrap: bias-corrected and accelerated (Efron 1987), of many statistics on the same resamples.

Of few items such intervals are too narrow, since a normal distribution is narrower than Student's, and a variance over
n smaller than one over n - 1; the level is raised to make up for both (Hesterberg 2015). A resample is a row of
weights, how often each item was drawn, and a statistic maps rows of weights to numbers. All resamples are worked on at
once, which takes a small part of the time of ``scipy.stats.bootstrap`` and gives, of the same resamples and level, the
same interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Array = npt.NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""Weights (resamples, items), 0 or more -> (resamples,), not-a-number where a resample leaves it undefined."""

LEVEL = 0.95
MOST_UNDEFINED = 0.05
"""Share of resamples that may leave a statistic undefined; with more of them it has no interval."""
_MOST_LEFT_OUT = 500
"""Groups of units that the jackknife leaves out one by one; where there are more units, several go together."""
_CHUNK = 1_000_000
"""Weights in memory at a time."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic with its 95 % interval; not-a-number where there is none."""

    value: float
    low: float
    high: float
    n: int
    """Items that it was taken over."""

    def to_json(self) -> dict[str, float | int | None]:
        """Plain data; null for what does not exist."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {**{key: number if math.isfinite(number) else None for key, number in numbers.items()}, "n": self.n}


class Resampling:
    """Draws units, each with all its items, with replacement.

    Args:
        units: (items,) what each item belongs to; items of one unit are not independent, so they are drawn together.
        resamples: how many, 1 or more.
        seed: of the draws; the same units and seed give the same resamples.
    """

    def __init__(self, units: Sequence[Hashable], resamples: int, seed: int) -> None:
        places: dict[Hashable, int] = {}
        self._unit = np.array([places.setdefault(unit, len(places)) for unit in units], dtype=np.intp)
        self._units = len(places)
        self._resamples = resamples
        self._seed = seed

    def estimates(self, statistics: Mapping[str, Statistic]) -> dict[str, Estimate]:
        """Each statistic over all items, with its interval; there is none of fewer than two units."""
        n = len(self._unit)
        if not n:
            return {name: Estimate(math.nan, math.nan, math.nan, 0) for name in statistics}
        whole = {name: float(statistic(np.ones((1, n)))[0]) for name, statistic in statistics.items()}
        if self._units < 2:
            return {name: Estimate(value, math.nan, math.nan, n) for name, value in whole.items()}
        drawn, left_out = self.distributions(statistics)
        level = raised_level(self._units)
        return {
            name: Estimate(value, *bca(value, drawn[name], left_out[name], level), n) for name, value in whole.items()
        }

    def distributions(self, statistics: Mapping[str, Statistic]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Each statistic over each resample, and without each group of units; as ``bca`` takes them."""
        return _values(statistics, self._drawn()), _values(statistics, self._left_out())

    def _drawn(self) -> Iterator[Array]:
        rng = np.random.default_rng(self._seed)
        for rows in self._chunks(self._resamples):
            places = rng.integers(0, self._units, size=(rows, self._units))
            places += self._units * np.arange(rows)[:, None]
            counts = np.bincount(places.ravel(), minlength=rows * self._units).reshape(rows, self._units)
            yield counts[:, self._unit].astype(np.float64)

    def _left_out(self) -> Iterator[Array]:
        groups = min(self._units, _MOST_LEFT_OUT)
        group = self._unit % groups
        first = 0
        for rows in self._chunks(groups):
            yield (group != np.arange(first, first + rows)[:, None]).astype(np.float64)
            first += rows

    def _chunks(self, rows: int) -> Iterator[int]:
        most = max(1, _CHUNK // len(self._unit))
        for first in range(0, rows, most):
            yield min(most, rows - first)


def _values(statistics: Mapping[str, Statistic], weights: Iterator[Array]) -> dict[str, Array]:
    found: dict[str, list[Array]] = {name: [] for name in statistics}
    for rows in weights:
        for name, statistic in statistics.items():
            found[name].append(statistic(rows))
    return {name: np.concatenate(values) for name, values in found.items()}


def raised_level(units: int) -> float:
    """The level that makes a bootstrap interval of the mean of so many units, 2 or more, as wide as Student's.

    >>> round(raised_level(20), 3), round(raised_level(1000), 3)
    (0.968, 0.95)
    """
    bound = stats.t.ppf((1 + LEVEL) / 2, units - 1) * math.sqrt(units / (units - 1))
    return float(2 * special.ndtr(bound) - 1)


def bca(value: float, drawn: Array, left_out: Array, level: float = LEVEL) -> tuple[float, float]:
    """Bounds of the bias-corrected and accelerated interval.

    Args:
        value: the statistic over all items.
        drawn: (resamples,) over each resample.
        left_out: (groups,) without each group of units.
        level: 0 to 1.

    Returns:
        The bounds; not-a-number where the statistic, or too much of the resamples, is undefined.
    """
    defined = drawn[np.isfinite(drawn)]
    if not math.isfinite(value) or len(defined) < (1 - MOST_UNDEFINED) * len(drawn):
        return math.nan, math.nan
    below = (np.mean(defined < value) + np.mean(defined <= value)) / 2
    bias = special.ndtri(below)
    around = left_out[np.isfinite(left_out)]
    influence = around.mean() - around if len(around) else np.zeros(1)
    spread = float(np.sum(influence**2)) ** 1.5
    # Where nothing depends on what is left out, there is nothing to correct for.
    acceleration = float(np.sum(influence**3)) / (6 * spread) if spread > 0 else 0.0
    ends = bias + special.ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    # Of two units the raised level is 1, and where all resamples lie on one side the bias has no end.
    if not np.isfinite([bias, *ends]).all():
        return math.nan, math.nan
    shares = special.ndtr(bias + ends / (1 - acceleration * ends))
    low, high = np.quantile(defined, shares)
    return float(low), float(high)
