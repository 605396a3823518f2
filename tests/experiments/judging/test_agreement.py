"""Statistics of agreement against scipy and scikit-learn, on ratings and on resamples of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from raise_agent.experiments.bootstrap import Array, Statistic
from raise_agent.experiments.judging.agreement import (
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

SCALE = [1, 2, 3, 4, 5]


def of(statistic: Statistic, weights: Array) -> float:
    return float(statistic(weights[None])[0])


@st.composite
def pairs(draw: st.DrawFn, whole: bool) -> tuple[Array, Array, Array]:
    """Two raters' ratings, and how often each item was drawn."""
    rating = st.integers(1, 5) if whole else st.integers(100, 500).map(lambda points: points / 100)
    n = draw(st.integers(2, 25))
    x, y = (draw(st.lists(rating, min_size=n, max_size=n)) for _ in range(2))
    weights = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    assume(sum(weights) > 1)
    return np.array(x, dtype=float), np.array(y, dtype=float), np.array(weights, dtype=float)


def repeated(values: Array, weights: Array) -> Array:
    return np.repeat(values, weights.astype(int))


@settings(max_examples=60)
@given(pairs(whole=True))
def test_kappa_of_whole_ratings_is_that_of_scikit_learn(made: tuple[Array, Array, Array]) -> None:
    x, y, weights = made
    a, b = repeated(x, weights), repeated(y, weights)
    found = of(kappa(x, y), weights)
    if len(set(a) | set(b)) == 1:
        assert np.isnan(found)
    else:
        theirs = cohen_kappa_score(a.astype(int), b.astype(int), labels=SCALE, weights="quadratic")
        assert found == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=60)
@given(pairs(whole=False))
def test_kappa_of_fractional_ratings_weighs_against_ratings_drawn_independently(
    made: tuple[Array, Array, Array],
) -> None:
    x, y, weights = made
    a, b = repeated(x, weights), repeated(y, weights)
    by_chance = np.mean((a[:, None] - b[None]) ** 2)
    assume(by_chance > 0)
    assert of(kappa(x, y), weights) == pytest.approx(1 - np.mean((a - b) ** 2) / by_chance, abs=1e-9)


@settings(max_examples=60)
@given(st.booleans().flatmap(pairs))
def test_correlations_are_those_of_scipy(made: tuple[Array, Array, Array]) -> None:
    x, y, weights = made
    a, b = repeated(x, weights), repeated(y, weights)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert np.isnan(of(pearson(x, y), weights))
        assert np.isnan(of(spearman(x, y), weights))
    else:
        assert of(pearson(x, y), weights) == pytest.approx(stats.pearsonr(a, b)[0], abs=1e-9)
        assert of(spearman(x, y), weights) == pytest.approx(stats.spearmanr(a, b)[0], abs=1e-9)


def test_rows_of_weights_are_worked_on_one_by_one() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(1, 6, (2, 30)).astype(float)
    weights = rng.multinomial(30, np.full(30, 1 / 30), size=5).astype(float)
    for made in (kappa(x, y), pearson(x, y), spearman(x, y), mean_of(x - y)):
        assert made(weights) == pytest.approx([of(made, row) for row in weights], abs=1e-12)


def test_a_mean_counts_what_it_is_told_and_is_undefined_of_nothing() -> None:
    values, counts = np.array([1.0, 2.0, 5.0]), np.array([0.0, 2.0, 1.0])
    assert of(mean_of(values, counts), np.array([1.0, 1.0, 1.0])) == pytest.approx(3.0)
    assert np.isnan(of(mean_of(values, counts), np.array([1.0, 0.0, 0.0])))


@pytest.mark.parametrize("repeats", [2, 3])
def test_icc_is_that_of_the_analysis_of_variance(repeats: int) -> None:
    rng = np.random.default_rng(repeats)
    judged = rng.integers(1, 6, (20, 1)) * 0.5 + rng.integers(1, 4, (20, repeats))
    means, counts = judged.mean(axis=1), np.full(20, float(repeats))
    squares = np.sum((judged - means[:, None]) ** 2, axis=1)
    ratio = stats.f_oneway(*judged).statistic  # mean square between items over that within
    ones = np.ones(20)
    assert of(intraclass(counts, means, squares), ones) == pytest.approx((ratio - 1) / (ratio + repeats - 1), abs=1e-9)
    within = np.mean(np.var(judged, axis=1, ddof=1))
    assert of(within_deviation(counts, squares), ones) == pytest.approx(within**0.5, abs=1e-9)


def test_icc_of_unequal_repeats_corrects_their_mean_number() -> None:
    judged = [[1.0, 2.0], [4.0, 5.0, 5.0], [3.0, 3.0]]
    counts = np.array([float(len(row)) for row in judged])
    means = np.array([np.mean(row) for row in judged])
    squares = np.array([np.sum((np.array(row) - np.mean(row)) ** 2) for row in judged])
    ratio = stats.f_oneway(*judged).statistic
    usual = (7 - (4 + 9 + 4) / 7) / 2
    assert of(intraclass(counts, means, squares), np.ones(3)) == pytest.approx((ratio - 1) / (ratio + usual - 1))


def test_orders_of_responders_are_compared_as_scipy_does() -> None:
    rng = np.random.default_rng(3)
    groups = [f"model {place % 5}" for place in range(60)]
    x, y = rng.integers(1, 6, (2, 60)).astype(float)
    x[np.array(groups) == "model 1"] = x[np.array(groups) == "model 2"]  # a tie
    means = [[values[np.array(groups) == group].mean() for group in sorted(set(groups))] for values in (x, y)]
    ones = np.ones(60)
    assert of(kendall_of_means(x, y, groups), ones) == pytest.approx(stats.kendalltau(*means)[0], abs=1e-9)
    assert of(spearman_of_means(x, y, groups), ones) == pytest.approx(stats.spearmanr(*means)[0], abs=1e-9)
    assert np.isnan(of(kendall_of_means(np.ones(60), y, groups), ones))


def test_confusion_counts_rounded_ratings() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.integers(1, 6, (2, 40)).astype(float)
    assert confusion(x, y) == confusion_matrix(x, y, labels=SCALE).tolist()
    thirds = np.array([1.0, 1.4, 1.5, 2.5 - 1e-12, (4.5 * 3 - 9) / 3 + 3, 4.6, 5.0])
    assert rounded(thirds).tolist() == [1, 1, 2, 3, 5, 5, 5]


def test_one_item_has_no_correlation() -> None:
    one = np.array([3.0])
    for made in (kappa(one, one), pearson(one, one), spearman(one, one), *_of_repeats(one)):
        assert np.isnan(of(made, np.ones(1)))


def _of_repeats(one: Array) -> list[Statistic]:
    judged = [np.array([3.0, 4.0])]
    distances = np.array([abs(a - b) for a, b in combinations(judged[0], 2)])
    return [intraclass(np.array([2.0]), one, distances)]
