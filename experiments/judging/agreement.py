"""Statistics of agreement, each as a function of the items' weights, so that all resamples are worked on at once.

With weights of 1 they are those of scipy and scikit-learn. Where one is undefined, as a correlation of ratings that are
all alike, it is not-a-number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from raise_agent.experiments.bootstrap import Array, Statistic

_CONSTANT = 1e-12
"""A variance below it is none: of ratings in points squared, of other columns relative to that of all items."""


def mean_of(values: Array, counts: Array | None = None) -> Statistic:
    """The mean of (items,) values, each counted so often, once unless told; undefined where none is counted."""
    counts = np.ones(len(values)) if counts is None else counts
    totals = counts * values

    def mean(weights: Array) -> Array:
        return _ratio(weights @ totals, weights @ counts)

    return mean


def kappa(x: Array, y: Array) -> Statistic:
    """Quadratic-weighted kappa of two raters' (items,) ratings, whole or fractional.

    One less the mean squared difference of the two ratings of an item, as a share of that of two ratings of items drawn
    independently. On whole ratings it is Cohen's kappa with quadratic weights; on any, it is the concordance
    correlation coefficient (Lin 1989) with variances over n. Undefined where all ratings of both are one number.
    """
    middle = float(x.mean())

    def concordance(weights: Array) -> Array:
        mx, my, vx, vy, cov = _moments(weights, x - middle, y - middle)
        return _ratio(2 * cov, vx + vy + (mx - my) ** 2)

    return concordance


def pearson(x: Array, y: Array) -> Statistic:
    """Pearson's correlation of two (items,) columns; undefined where one is constant."""
    x, y = _standard(x), _standard(y)

    def correlation(weights: Array) -> Array:
        _, _, vx, vy, cov = _moments(weights, x, y)
        return _correlation(cov, vx, vy)

    return correlation


def spearman(x: Array, y: Array) -> Statistic:
    """Spearman's correlation of two (items,) columns, ties at their mean rank; undefined where one is constant."""
    rank_x, rank_y = _ranker(x), _ranker(y)

    def correlation(weights: Array) -> Array:
        total = weights.sum(axis=1)
        rx, ry = rank_x(weights, total), rank_y(weights, total)
        # Ranks are centred: their mean is half of all, whatever the weights.
        vx, vy, cov = ((weights * a * b).sum(axis=1) / total for a, b in ((rx, rx), (ry, ry), (rx, ry)))
        return _correlation(cov, vx, vy)

    return correlation


class _ranker:  # noqa: N801
    """Weighted mean ranks, less their mean, as a share of the total weight."""

    def __init__(self, values: Array) -> None:
        distinct, self._group = np.unique(values, return_inverse=True)
        self._order = np.argsort(self._group, kind="stable")
        self._starts = np.searchsorted(self._group[self._order], np.arange(len(distinct)))

    def __call__(self, weights: Array, total: Array) -> Array:
        counts = np.add.reduceat(weights[:, self._order], self._starts, axis=1)
        ranks = np.cumsum(counts, axis=1) - counts / 2
        shares: Array = (ranks / total[:, None] - 0.5)[:, self._group]
        return shares


def intraclass(counts: Array, means: Array, squares: Array) -> Statistic:
    """Agreement of repeated judgements: the intraclass correlation ICC(1,1) of a one-way analysis of variance.

    The share of the variance of a single judgement that lies between items (Shrout and Fleiss 1979); with unequal
    numbers of repeats, the mean number is corrected as for variance components. It may be negative; undefined
    where all judgements are one number.

    Args:
        counts: (items,) judgements of each, 2 or more.
        means: (items,) their mean.
        squares: (items,) sum of squared differences from it.
    """
    means = means - means.mean()

    def correlation(weights: Array) -> Array:
        items, judgements = weights.sum(axis=1), weights @ counts
        grand = (weights @ (counts * means)) / judgements
        between_squares = weights @ (counts * means**2) - judgements * grand**2
        within = _ratio(weights @ squares, judgements - items)
        between = _ratio(between_squares, items - 1)
        repeats = _ratio(judgements - (weights @ counts**2) / judgements, items - 1)
        return _ratio(between - within, between + (repeats - 1) * within)

    return correlation


def within_deviation(counts: Array, squares: Array) -> Statistic:
    """Standard deviation of one of several judgements of the same, pooled over items; arguments as ``intraclass``."""

    def deviation(weights: Array) -> Array:
        return np.sqrt(_ratio(weights @ squares, weights @ (counts - 1)))

    return deviation


def kendall_of_means(x: Array, y: Array, groups: Sequence[str]) -> Statistic:
    """Kendall's tau-b between the orders in which two raters' mean ratings put the groups of items."""
    place = _places(groups)

    def tau(weights: Array) -> Array:
        sx, sy = (_signs(_group_means(weights, values, place)) for values in (x, y))
        product, xx, yy = ((a * b).sum(axis=(1, 2)) for a, b in ((sx, sy), (sx, sx), (sy, sy)))
        return _ratio(product, np.sqrt(xx * yy))

    return tau


def spearman_of_means(x: Array, y: Array, groups: Sequence[str]) -> Statistic:
    """Spearman's correlation between two raters' mean ratings of the groups of items."""
    place = _places(groups)

    def correlation(weights: Array) -> Array:
        # Half the number of groups below less that above is the rank, but for a constant.
        rx, ry = (_signs(_group_means(weights, values, place)).sum(axis=2) / 2 for values in (x, y))
        product, xx, yy = ((a * b).sum(axis=1) for a, b in ((rx, ry), (rx, rx), (ry, ry)))
        return _ratio(product, np.sqrt(xx * yy))

    return correlation


def confusion(x: Array, y: Array) -> list[list[int]]:
    """How often each pair of ratings was given, (5, 5): rows the first rater's 1 to 5, columns the second's.

    Fractional ratings are rounded, halves upwards.

    >>> confusion(np.array([1.0, 4.5]), np.array([1.0, 4.4]))[4]
    [0, 0, 0, 1, 0]
    """
    table = np.zeros((5, 5), dtype=np.int64)
    np.add.at(table, (rounded(x) - 1, rounded(y) - 1), 1)
    counts: list[list[int]] = table.tolist()
    return counts


def rounded(ratings: Array) -> npt.NDArray[np.int64]:
    """The nearest whole ratings, halves upwards."""
    # A mean of thirds may lie a rounding error below its half.
    whole: npt.NDArray[np.int64] = np.clip(np.floor(ratings + 0.5 + 1e-9), 1, 5).astype(np.int64)
    return whole


def _moments(weights: Array, x: Array, y: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Means, variances (over n) and covariance under each row of weights."""
    sums = weights @ np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)
    _, mx, my, mxx, myy, mxy = (sums / sums[:, :1]).T
    return mx, my, mxx - mx**2, myy - my**2, mxy - mx * my


def _correlation(covariance: Array, vx: Array, vy: Array) -> Array:
    constant = (vx < _CONSTANT) | (vy < _CONSTANT)
    return np.clip(_ratio(covariance, np.sqrt(np.where(constant, 0.0, vx * vy))), -1.0, 1.0)


def _ratio(above: Array, below: Array) -> Array:
    defined = below > _CONSTANT
    return np.where(defined, above, np.nan) / np.where(defined, below, 1.0)


def _standard(values: Array) -> Array:
    centred = values - values.mean()
    deviation = float(np.sqrt(np.mean(centred**2)))
    scaled: Array = centred / deviation if deviation > _CONSTANT else np.zeros(len(values))
    return scaled


def _places(groups: Sequence[str]) -> Array:
    """(items, groups): 1 where an item belongs to a group."""
    names = sorted(set(groups))
    places: Array = (np.array(groups)[:, None] == np.array(names)).astype(np.float64)
    return places


def _group_means(weights: Array, values: Array, place: Array) -> Array:
    return _ratio(weights @ (values[:, None] * place), weights @ place)


def _signs(means: Array) -> Array:
    """(resamples, groups, groups): which of two means is the larger; means a rounding error apart are equal."""
    difference = means[:, :, None] - means[:, None, :]
    signs: Array = np.where(np.abs(difference) < 1e-9, 0.0, np.sign(difference))
    return signs
