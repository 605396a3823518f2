"""Which features a classifier needs to know: set functions from real data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from raise_agent.errors import ConfigError, MissingExtraError, did_you_mean
from raise_agent.subsets import known_in

from .contract import Instance, Subsets, Values
from .registry import register_family
from .scaling import Scaled, check_size, nothing_of, oracle_gain, stream

DATA_SETS: Mapping[str, int] = MappingProxyType({"breast_cancer": 30, "diabetes": 10, "digits": 64, "wine": 13})
"""Data set -> how many features it has. All ship with scikit-learn."""
MODELS = ("logistic", "forest")
HELD_OUT = 0.4
"""Share of the rows that instances are made of; the others train the classifiers."""
BACKGROUND = 64
"""Training rows that stand for what is not known."""
TREES, DEPTH = 50, 4
LEAST_GAIN = 0.3
"""A row whose best subset brings less than this share of its source's mean gain is dropped."""
MEASURED = 24
"""Held-out rows, the first ones, that a source's mean gain is measured on."""
_CHUNK = 512


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One data set, one fitted classifier, and the rows it has not seen."""

    model: Any
    """The fitted scikit-learn classifier, on standardised features."""
    background: npt.NDArray[np.float64]
    """(b, n): training rows, standardised."""
    rows: npt.NDArray[np.float64]
    """(r, n): held-out rows, standardised."""
    labels: npt.NDArray[np.int64]
    """(r,): the column of the true class in ``predict_proba``."""

    def values_of(self, row: int) -> Values:
        """Probability of the row's true class, by subset of features known."""
        of_model = _LinearValues if hasattr(self.model, "coef_") else _ForestValues
        values: Values = of_model.of(self, row)
        return values


@register_family("real")
@dataclass(frozen=True, slots=True)
class RealFamily:
    """Real rows, and classifiers fitted to real data.

        v(S) = nothing + scale * (p(S) - p(nothing)),    p(S) = mean over rows b of P(true class | x_S, b_rest)

    For a held-out row x, p(S) is the probability of its true class when only the features in S are known and the
    others are those of a training row, averaged over ``BACKGROUND`` such rows (the interventional expectation of
    Lundberg and Lee, 2017). Nobody made up how features interplay: correlated ones say the same twice, some
    count only together, and a few lower the probability.

    Instances take turns among the data sets of scikit-learn that have enough features (breast_cancer, diabetes with its
    target cut at the median, digits, wine), each under a logistic regression and a random forest. Of each set
    the ``n_attributes`` features that tell the classes apart best in training (one-way F statistic) are used. A
    source's scale makes the mean oracle gain of its rows 1 point; a row whose best subset brings less than
    ``LEAST_GAIN`` of the mean is dropped, since a share of a tiny gain means nothing: these are rows that are clear
    before anything is known, or misclassified. The context tells the data set, one place each. Split and forests
    depend on the seed.
    """

    data: tuple[str, ...] = ()
    """Names of data sets; empty means all that have enough features."""
    models: tuple[str, ...] = MODELS
    """``logistic``, ``forest``."""

    def __post_init__(self) -> None:
        for name, valid in (("data", tuple(DATA_SETS)), ("models", MODELS)):
            given = tuple(getattr(self, name))
            object.__setattr__(self, name, given)
            for entry in given:
                if entry not in valid:
                    raise ConfigError(f"family 'real': {name}: unknown {entry!r}: {did_you_mean(entry, valid)}")
        if not self.models:
            raise ConfigError("family 'real': models must name one model or more")

    def instances(self, n_attributes: int, budget: int, count: int, seed: int) -> list[Instance]:
        """Held-out rows, source by source in turn.

        Raises:
            ConfigError: a data set has too few features, or there are not so many rows.
            MissingExtraError: scikit-learn is not installed.
        """
        check_size("real", n_attributes, budget, count, seed)
        names = self.data or tuple(name for name, features in DATA_SETS.items() if features >= n_attributes)
        for name in names or tuple(DATA_SETS):
            if DATA_SETS[name] < n_attributes:
                raise ConfigError(
                    f"family 'real': data set {name!r} has {DATA_SETS[name]} features, so n_attributes "
                    f"must be at most that, not {n_attributes}"
                )
        if find_spec("sklearn") is None:
            raise MissingExtraError("family 'real'", "research")
        if not count:
            return []
        waiting = [
            (name, _kept(source(name, model, n_attributes, seed), n_attributes, budget))
            for name in names
            for model in self.models
        ]
        made: list[Instance] = []
        while len(made) < count and waiting:
            name, rows = waiting.pop(0)
            found = next(rows, None)
            if found is None:
                continue
            waiting.append((name, rows))
            p, scale = found
            context = np.asarray([float(name == known) for known in DATA_SETS])
            made.append(Instance(n_attributes, Scaled(p, nothing_of("real", seed, len(made)), scale), None, context))
        if len(made) < count:
            raise ConfigError(
                f"family 'real' has {len(made)} rows for {n_attributes} attributes and budget {budget}, not {count}"
            )
        return made


def _kept(source: Source, n_attributes: int, budget: int) -> Iterator[tuple[Values, float]]:
    """The rows whose gain is large enough, each as its gain in probability by subset, with the source's scale."""

    def gains(row: int) -> tuple[Values, float]:
        p = source.values_of(row)
        start = float(p(np.zeros(1, np.int64))[0])
        return (lambda subsets: p(subsets) - start), oracle_gain(p, n_attributes, budget)

    measured = [gains(row) for row in range(min(MEASURED, len(source.rows)))]
    least = LEAST_GAIN * float(np.mean([gain for _, gain in measured]))
    scale = 1.0 / float(np.mean([gain for _, gain in measured if gain >= least]))
    for row in range(len(source.rows)):
        p, gain = measured[row] if row < len(measured) else gains(row)
        if gain >= least:
            yield p, scale


@lru_cache(maxsize=32)
def source(data: str, model: str, n_attributes: int, seed: int) -> Source:
    """A data set split, cut to its most telling features and standardised, and a classifier fitted to it."""
    from sklearn import datasets
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_selection import f_classif
    from sklearn.linear_model import LogisticRegression

    load: Callable[..., Any] = getattr(datasets, f"load_{data}")
    features, target = load(return_X_y=True)
    labels = (target > np.median(target)).astype(np.int64) if data == "diabetes" else target.astype(np.int64)
    order = stream(f"real {data}", seed, 0).permutation(len(labels))
    held_out, train = np.split(order, [int(HELD_OUT * len(order))])
    telling = np.full(features.shape[1], -1.0)
    # A pixel that is always blank has no F statistic.
    varying = np.flatnonzero(features[train].std(axis=0) > 0)
    telling[varying] = f_classif(features[train][:, varying], labels[train])[0]
    used = np.sort(np.argsort(-telling, kind="stable")[:n_attributes])
    mean, deviation = features[train][:, used].mean(axis=0), features[train][:, used].std(axis=0)
    standard = (features[:, used] - mean) / np.where(deviation > 0, deviation, 1.0)
    fitted: Any = (
        LogisticRegression(max_iter=2000)
        if model == "logistic"
        else RandomForestClassifier(TREES, max_depth=DEPTH, random_state=seed % 2**32)
    )
    fitted.fit(standard[train], labels[train])
    return Source(fitted, standard[train][:BACKGROUND], standard[held_out], labels[held_out])


@dataclass(frozen=True, slots=True, eq=False)
class _LinearValues:
    """Softmax of a linear function of the row where known, of each background row elsewhere."""

    steps: npt.NDArray[np.float64]
    """(classes, n, b): what knowing a feature adds to each class."""
    base: npt.NDArray[np.float64]
    """(classes, 1, b): with nothing known."""
    label: int

    @classmethod
    def of(cls, source: Source, row: int) -> _LinearValues:
        weights, offsets = source.model.coef_, source.model.intercept_
        if len(weights) == 1:
            # Two classes: scikit-learn keeps the second one's margin over the first.
            weights, offsets = np.concatenate([0 * weights, weights]), np.concatenate([0 * offsets, offsets])
        steps = weights[:, :, None] * (source.rows[row] - source.background).T
        base = weights @ source.background.T + offsets[:, None]
        return cls(steps, base[:, None, :], int(source.labels[row]))

    def __call__(self, subsets: Subsets) -> npt.NDArray[np.float64]:
        p = np.empty(len(subsets))
        for begin in range(0, len(subsets), _CHUNK):
            known = known_in(subsets[begin : begin + _CHUNK], self.steps.shape[1])
            margins = known @ self.steps + self.base
            margins -= margins[self.label].copy()
            p[begin : begin + _CHUNK] = (1.0 / np.exp(np.minimum(margins, 700.0)).sum(axis=0)).mean(axis=1)
        return p


@dataclass(frozen=True, slots=True, eq=False)
class _ForestValues:
    """A sum over leaves: ``share`` counts where all of ``must`` is known and nothing of ``barred``.

    A leaf is reached by a mix of row and background row if each of its tests is passed by whichever of the two the
    feature is taken from. So features whose tests only the row passes must be known, and those that only
    the background row passes must not.
    """

    must: npt.NDArray[np.int64]
    """(terms,)"""
    barred: npt.NDArray[np.int64]
    """(terms,)"""
    share: npt.NDArray[np.float64]
    """(terms,): probability of the true class at the leaf, over background rows and trees."""

    @classmethod
    def of(cls, source: Source, row: int) -> _ForestValues:
        label = int(source.labels[row])
        # Trees compare in single precision.
        x, background = source.rows[row].astype(np.float32), source.background.astype(np.float32)
        must, barred, share = list[npt.NDArray[np.int64]](), list[npt.NDArray[np.int64]](), list[np.float64]()
        for tests, lows, highs, probabilities in _leaves(source.model):
            passes = (x[tests] > lows) & (x[tests] <= highs)
            theirs = (background[:, tests] > lows) & (background[:, tests] <= highs)
            here = np.int64(1) << tests
            needed = (~theirs * here).sum(axis=1)
            forbidden = (~passes * here).sum()
            open_to = needed & forbidden == 0
            must.append(needed[open_to])
            barred.append(np.full(int(open_to.sum()), forbidden))
            share.extend([probabilities[label]] * int(open_to.sum()))
        weight = 1.0 / (len(background) * len(source.model.estimators_))
        pairs, place = np.unique(np.stack([np.concatenate(must), np.concatenate(barred)]), axis=1, return_inverse=True)
        shares = np.bincount(place.ravel(), weight * np.asarray(share, dtype=np.float64))
        return cls(pairs[0], pairs[1], shares.astype(np.float64))

    def __call__(self, subsets: Subsets) -> npt.NDArray[np.float64]:
        p = np.empty(len(subsets))
        for begin in range(0, len(subsets), _CHUNK):
            known = subsets[begin : begin + _CHUNK, None]
            reached = ((known & self.must) == self.must) & ((known & self.barred) == 0)
            p[begin : begin + _CHUNK] = reached @ self.share
        return p


_Leaf = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


@lru_cache(maxsize=32)
def _leaves(forest: Any) -> Sequence[_Leaf]:
    """Every leaf of a forest: features tested on the way, above which and up to which value, class probabilities."""
    found: list[_Leaf] = []
    for tree in (estimator.tree_ for estimator in forest.estimators_):
        waiting: list[tuple[int, dict[int, tuple[float, float]]]] = [(0, {})]
        while waiting:
            node, box = waiting.pop()
            left, right = int(tree.children_left[node]), int(tree.children_right[node])
            if left < 0:
                tests = np.asarray(list(box), dtype=np.int64)
                bounds = np.asarray(list(box.values()), dtype=np.float64).reshape(-1, 2)
                value = tree.value[node][0]
                found.append((tests, bounds[:, 0], bounds[:, 1], value / value.sum()))
                continue
            feature, threshold = int(tree.feature[node]), float(tree.threshold[node])
            low, high = box.get(feature, (-np.inf, np.inf))
            waiting.append((left, box | {feature: (low, min(high, threshold))}))
            waiting.append((right, box | {feature: (max(low, threshold), high)}))
    return found
