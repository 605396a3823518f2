"""Raters held against each other, and each by itself: what ``raise-agent judge`` reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from raise_agent.errors import ConfigError, DataError, did_you_mean
from raise_agent.experiments.bootstrap import Array, Estimate, Resampling, Statistic
from raise_agent.experiments.measures import MEASURES
from raise_agent.models.base import DIMENSIONS

from .agreement import (
    confusion,
    intraclass,
    kappa,
    kendall_of_means,
    mean_of,
    pearson,
    rounded,
    spearman,
    spearman_of_means,
    within_deviation,
)
from .ratings import Known, Rating

PEOPLE = "people"
"""The mean of all people who rated an item, as one more rater."""
DIMENSION_PAIRS = tuple(combinations(DIMENSIONS, 2))
SHORT = {"risk_sensitivity": "risk", "emotional_empathy": "empathy", "user_alignment": "alignment"}
"""Dimension -> its name where there is little room, as in ``published.json``."""
_THIRDS = ("least", "middle", "most")
_LEAST_FOR_THIRDS = 30
"""Variances from which on they are divided."""
_MOST_GROUPS = 50
"""Responders, or conditions; more are no names of models, and would take the square of their number in memory."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two raters on one measure."""

    kappa: Estimate
    """Quadratic-weighted, of whole and fractional ratings."""
    pearson: Estimate
    spearman: Estimate
    difference: Estimate
    """Mean of the first less the second, in points."""
    distance: Estimate
    """Mean absolute difference, in points."""
    confusion: list[list[int]]
    """(5, 5), ratings rounded: rows the first's, columns the second's."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers to which the first rater's safety score, rounded, is the same."""

    rating: int
    n: int
    first: float
    """Mean of the first rater's score."""
    second: Estimate
    """Mean of the second's."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What the first rater said of its own doubt, all dimensions together, against how far the second lies from it."""

    which: str
    """``all``, or the third of the ratings that was least, middle or most in doubt."""
    n: int
    """Ratings: three of each answer."""
    variance: float
    """Mean, as told, in points squared."""
    error: Estimate
    """Mean squared difference to the second rater."""


@dataclass(frozen=True, slots=True)
class Order:
    """How alike two raters rank responders by mean score, over the answers that both rated."""

    responders: tuple[str, ...]
    kendall: Estimate
    spearman: Estimate


@dataclass(frozen=True, slots=True)
class Pair:
    """Two raters, over the answers that both rated; of repeated judgements, the first."""

    first: str
    second: str
    n: int
    measures: Mapping[str, Agreement]
    calibration: tuple[Bin, ...]
    """Empty where the first rater is a person."""
    doubt: tuple[Doubt, ...]
    """Empty where the first rater told no variances."""
    order: Order | None
    """None where there are not two responders."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """Agreement of a rater with itself, over the answers that it judged more than once."""

    n: int
    correlation: Estimate
    """ICC(1,1)."""
    deviation: Estimate
    """Standard deviation of one judgement, in points."""
    distance: Estimate
    """Mean absolute difference of two judgements, in points."""


@dataclass(frozen=True, slots=True)
class Rater:
    """One rater by itself."""

    name: str
    n: int
    """Answers rated."""
    means: Mapping[str, Estimate]
    """By measure, in points."""
    length: Mapping[str, Estimate]
    """``pearson`` and ``spearman`` of the score with the answer's length in characters; empty where that is unknown."""
    dimensions: Mapping[tuple[str, str], Estimate]
    """Pearson's correlation of two dimensions (paper, Figure 11)."""
    repeats: Mapping[str, Repeats]
    """By measure; empty where nothing was judged twice."""
    groups: Mapping[str, Mapping[str, Estimate]]
    """``condition`` and ``responder`` -> mean score of each, where there are two."""


@dataclass(frozen=True, slots=True, repr=False)
class Panel:
    """All ratings, by rater and item."""

    about: Mapping[str, Known]
    judgements: Mapping[str, Mapping[str, Array]]
    """rater -> item -> (repeats, 4): the dimensions and their mean, in the order of ``MEASURES``."""
    variances: Mapping[str, Mapping[str, Array]]
    """rater -> item -> (3,), of the first judgement."""
    people: tuple[str, ...]
    """Raters that are persons."""


def panel(ratings: Iterable[Rating], people: Sequence[str]) -> Panel:
    """Sort ratings; raters come in the order of their first rating, persons last, then their mean where several.

    Raises:
        ConfigError: a person has not rated anything.
        DataError: a rater is called as the mean of people is, or there are too many responders or conditions.
    """
    about: dict[str, Known] = {}
    found: dict[str, dict[str, list[Rating]]] = {}
    for rating in ratings:
        item = rating.about.item
        about[item] = _merged(about.get(item, rating.about), rating.about)
        found.setdefault(rating.rater, {}).setdefault(item, []).append(rating)
    for person in people:
        if person not in found:
            raise ConfigError(f"people: {person!r} has rated nothing: {did_you_mean(person, found)}")
    if PEOPLE in found and len(people) > 1:
        raise DataError(f"a rater is called {PEOPLE!r}, as the mean of several people is; name it otherwise")
    for fact in ("responder", "condition"):
        many = len({getattr(known, fact) for known in about.values()})
        if many > _MOST_GROUPS:
            raise DataError(f"{many:,} different values of {fact!r}, of which there may be {_MOST_GROUPS} at most")
    judgements: dict[str, Mapping[str, Array]] = {}
    variances: dict[str, Mapping[str, Array]] = {}
    for rater in sorted(found, key=lambda name: name in people):
        items = {item: sorted(rated, key=lambda r: r.about.repeat) for item, rated in found[rater].items()}
        judgements[rater] = {item: np.array([_measured(r) for r in rated]) for item, rated in items.items()}
        variances[rater] = {i: np.array(r[0].variances) for i, r in items.items() if r[0].variances is not None}
    if len(people) > 1:
        rated_by: dict[str, list[Array]] = defaultdict(list)
        for person in people:
            for item, judged in judgements[person].items():
                rated_by[item].append(judged[0])
        judgements[PEOPLE] = {item: np.mean(rated, axis=0, keepdims=True) for item, rated in rated_by.items()}
    return Panel(about, judgements, variances, tuple(people))


def _measured(rating: Rating) -> tuple[float, ...]:
    return (*rating.scores, sum(rating.scores) / len(rating.scores))


def _merged(one: Known, other: Known) -> Known:
    return replace(
        one,
        responder=one.responder or other.responder,
        condition=one.condition or other.condition,
        scenario=one.scenario or other.scenario,
        length=other.length if one.length is None else one.length,
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Takes intervals, all in the same way.

    Args:
        panel: of ratings.
        resamples: of each bootstrap.
        seed: of the draws.
    """

    panel: Panel
    resamples: int
    seed: int

    def raters(self) -> list[Rater]:
        """Each rater, in order."""
        return [self._rater(name) for name in self.panel.judgements]

    def pairs(self) -> list[Pair]:
        """Each two raters that rated an answer in common, but for a person and the mean of people."""
        found = []
        for first, second in combinations(self.panel.judgements, 2):
            theirs = self.panel.judgements[second]
            items = sorted(item for item in self.panel.judgements[first] if item in theirs)
            if items and not (second == PEOPLE and first in self.panel.people):
                found.append(self._pair(first, second, items))
        return found

    def _resampling(self, items: Sequence[str]) -> Resampling:
        # Answers to one person are not independent.
        units = [self.panel.about[item].scenario or f"item {item}" for item in items]
        return Resampling(units, self.resamples, self.seed)

    def _first(self, rater: str, items: Sequence[str]) -> Array:
        """(items, 4): of repeated judgements the first."""
        judgements = self.panel.judgements[rater]
        return np.array([judgements[item][0] for item in items]).reshape(-1, len(MEASURES))

    # --- two raters ---------------------------------------------------------------------------------------------------

    def _pair(self, first: str, second: str, items: Sequence[str]) -> Pair:
        x, y = self._first(first, items), self._first(second, items)
        drawn = self._resampling(items)
        person = first in self.panel.people
        return Pair(
            first,
            second,
            len(items),
            _agreements(x, y, drawn),
            () if person else self._calibration(items, x[:, -1], y[:, -1]),
            self._doubt(first, items, x - y, drawn),
            self._order(items, x[:, -1], y[:, -1], drawn),
        )

    def _order(self, items: Sequence[str], x: Array, y: Array, drawn: Resampling) -> Order | None:
        responders = [self.panel.about[item].responder for item in items]
        names = tuple(sorted(set(responders)))
        if "" in names or len(names) < 2:
            return None
        statistics = {"kendall": kendall_of_means(x, y, responders), "spearman": spearman_of_means(x, y, responders)}
        found = drawn.estimates(statistics)
        return Order(names, found["kendall"], found["spearman"])

    def _calibration(self, items: Sequence[str], score: Array, other: Array) -> tuple[Bin, ...]:
        nearest = rounded(score)
        bins = []
        for rating in np.unique(nearest):
            inside = nearest == rating
            second = self._mean(np.array(items)[inside], other[inside])
            bins.append(Bin(int(rating), int(inside.sum()), float(score[inside].mean()), second))
        return tuple(bins)

    def _mean(self, items: Sequence[str], values: Array) -> Estimate:
        return self._resampling(items).estimates({"mean": mean_of(values)})["mean"]

    def _doubt(self, rater: str, items: Sequence[str], differences: Array, drawn: Resampling) -> tuple[Doubt, ...]:
        groups = self._doubtful(rater, items)
        squares = differences[:, : len(DIMENSIONS)] ** 2
        statistics = {}
        for which, (inside, _) in groups.items():
            counts = inside.sum(axis=1)
            statistics[which] = mean_of((squares * inside).sum(axis=1) / np.maximum(counts, 1), counts)
        found = drawn.estimates(statistics)
        return tuple(
            Doubt(which, int(inside.sum()), variance, replace(found[which], n=int(inside.sum())))
            for which, (inside, variance) in groups.items()
        )

    def _doubtful(self, rater: str, items: Sequence[str]) -> dict[str, tuple[Array, float]]:
        """Which -> (items, 3), 1 where a rating belongs to it, and the mean variance of those."""
        told = self.panel.variances.get(rater, {})
        if not any(item in told for item in items):
            return {}
        silent = np.full(len(DIMENSIONS), np.nan)
        variances = np.array([told.get(item, silent) for item in items])
        known = np.isfinite(variances)
        found = {"all": known}
        ordered = np.argsort(np.where(known, variances, np.inf), axis=None, kind="stable")[: known.sum()]
        if len(ordered) >= _LEAST_FOR_THIRDS and len(np.unique(variances[known])) >= len(_THIRDS):
            for name, places in zip(_THIRDS, np.array_split(ordered, len(_THIRDS)), strict=True):
                inside = np.zeros(variances.size, dtype=bool)
                inside[places] = True
                found[name] = inside.reshape(variances.shape)
        return {which: (inside.astype(np.float64), float(variances[inside].mean())) for which, inside in found.items()}

    # --- one rater ----------------------------------------------------------------------------------------------------

    def _rater(self, name: str) -> Rater:
        judgements = self.panel.judgements[name]
        items = sorted(judgements)
        ratings = self._first(name, items)
        score = ratings[:, -1]
        statistics: dict[str, Statistic] = {
            f"mean {measure}": mean_of(ratings[:, place]) for place, measure in enumerate(MEASURES)
        }
        for one, other in DIMENSION_PAIRS:
            a, b = (ratings[:, DIMENSIONS.index(dimension)] for dimension in (one, other))
            statistics[f"{one} {other}"] = pearson(a, b)
        found = self._resampling(items).estimates(statistics)
        return Rater(
            name,
            len(items),
            {measure: found[f"mean {measure}"] for measure in MEASURES},
            self._length(items, score),
            {pair: found[" ".join(pair)] for pair in DIMENSION_PAIRS},
            self._repeats([item for item in items if len(judgements[item]) > 1], judgements),
            {by: self._groups(items, score, by) for by in ("condition", "responder")},
        )

    def _length(self, items: Sequence[str], score: Array) -> dict[str, Estimate]:
        known = [place for place, item in enumerate(items) if self.panel.about[item].length is not None]
        if not known:
            return {}
        lengths = np.array([self.panel.about[items[place]].length for place in known], dtype=np.float64)
        statistics = {"pearson": pearson(score[known], lengths), "spearman": spearman(score[known], lengths)}
        return self._resampling([items[place] for place in known]).estimates(statistics)

    def _groups(self, items: Sequence[str], score: Array, by: str) -> dict[str, Estimate]:
        names = np.array([getattr(self.panel.about[item], by) for item in items])
        found = sorted(set(names) - {""})
        if len(found) < 2:
            return {}
        return {name: self._mean(np.array(items)[names == name], score[names == name]) for name in found}

    def _repeats(self, items: Sequence[str], judgements: Mapping[str, Array]) -> dict[str, Repeats]:
        if not items:
            return {}
        counts = np.array([len(judgements[item]) for item in items], dtype=np.float64)
        statistics: dict[str, Statistic] = {}
        for place, measure in enumerate(MEASURES):
            columns = [judgements[item][:, place] for item in items]
            means = np.array([column.mean() for column in columns])
            squares = np.array([np.sum((column - column.mean()) ** 2) for column in columns])
            distances = np.array([np.mean([abs(a - b) for a, b in combinations(column, 2)]) for column in columns])
            statistics[f"correlation {measure}"] = intraclass(counts, means, squares)
            statistics[f"deviation {measure}"] = within_deviation(counts, squares)
            statistics[f"distance {measure}"] = mean_of(distances)
        found = self._resampling(items).estimates(statistics)
        return {
            measure: Repeats(len(items), *(found[f"{name} {measure}"] for name in _REPEATS)) for measure in MEASURES
        }


_REPEATS = ("correlation", "deviation", "distance")


AGREEMENT: Mapping[str, Callable[[Array, Array], Statistic]] = {
    "kappa": kappa,
    "pearson": pearson,
    "spearman": spearman,
    "difference": lambda a, b: mean_of(a - b),
    "distance": lambda a, b: mean_of(np.abs(a - b)),
}
"""What ``Agreement`` estimates, of two raters' (items,)."""


def _agreements(x: Array, y: Array, drawn: Resampling) -> dict[str, Agreement]:
    """By measure, of two raters' (items, 4)."""
    columns = {measure: (x[:, place], y[:, place]) for place, measure in enumerate(MEASURES)}
    found = drawn.estimates(
        {
            f"{name} {measure}": statistic(a, b)
            for measure, (a, b) in columns.items()
            for name, statistic in AGREEMENT.items()
        }
    )
    return {
        measure: Agreement(**{name: found[f"{name} {measure}"] for name in AGREEMENT}, confusion=confusion(a, b))
        for measure, (a, b) in columns.items()
    }
