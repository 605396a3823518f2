"""The additive account of what a search has heard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.planners.additive import (
    JITTER,
    LEVEL_RIDGE,
    NOISY_SCALES,
    RIDGE,
    SHAPE,
    SPREAD,
    AdditiveFit,
    Array,
    PairwiseFit,
    _covariances,
)
from raise_agent.planners.contract import PlanningProblem
from raise_agent.subsets import members, subsets_of_size

N, DEPTH = 6, 3


@settings(max_examples=60)
@given(
    pairs=st.lists(
        st.tuples(
            st.sampled_from([s for size in range(DEPTH + 1) for s in subsets_of_size((1 << N) - 1, size)]),
            st.floats(1, 5),
        ),
        min_size=1,
        max_size=25,
    )
)
def test_one_score_at_a_time_gives_the_ridge_regression_on_all(pairs: list[tuple[int, float]]) -> None:
    fit = AdditiveFit(N, DEPTH)
    for subset, score in pairs:
        fit.add(subset, score)
    rows = np.zeros((len(pairs), N + DEPTH + 1))
    for row, (subset, _) in zip(rows, pairs, strict=True):
        row[[*members(subset), N + subset.bit_count()]] = 1
    penalty = np.diag([RIDGE] * N + [LEVEL_RIDGE] * (DEPTH + 1))
    exact = np.linalg.solve(rows.T @ rows + penalty, rows.T @ np.array([score for _, score in pairs]))
    assert [*fit.effects, *fit.levels] == pytest.approx(exact.tolist(), abs=1e-3)
    assert fit.estimate(0b1011) == pytest.approx(exact[[0, 1, 3, N + 3]].sum(), abs=1e-3)


def test_before_anything_is_heard_all_attributes_are_alike() -> None:
    fit = AdditiveFit(N, DEPTH)
    assert fit.effects == [0.0] * N
    assert fit.estimate(0b111) == 0.0


def test_an_attribute_never_seen_lies_between_better_and_worse_ones() -> None:
    fit = AdditiveFit(3, 2)
    fit.add(0b001, 4.0)
    fit.add(0b010, 2.0)
    assert fit.estimate(0b010) < fit.estimate(0b100) < fit.estimate(0b001)


def test_additive_scores_are_ranked_as_they_are() -> None:
    worth = [0.3, 0.1, 0.6, 0.2, 0.5, 0.4]
    fit = AdditiveFit(N, DEPTH)
    for subset in subsets_of_size((1 << N) - 1, DEPTH):
        fit.add(subset, 3.0 + sum(worth[i] for i in members(subset)))
    assert sorted(range(N), key=fit.effects.__getitem__) == sorted(range(N), key=worth.__getitem__)


def test_diminishing_returns_do_not_count_against_an_attribute_seen_in_larger_subsets() -> None:
    fit = AdditiveFit(3, 3)
    fit.add(0b001, 3.0)
    fit.add(0b010, 3.0)
    fit.add(0b100, 3.0)
    fit.add(0b111, 3.1)
    assert fit.effects == pytest.approx([0.0] * 3, abs=1e-4)


def row(subset: int) -> Array:
    return np.asarray([float(subset >> index & 1) for index in range(N)])


ALL = [s for size in range(DEPTH + 1) for s in subsets_of_size((1 << N) - 1, size)]


def covariance(subset: int, other: int) -> float:
    return float(_covariances(N, DEPTH)[0][subset.bit_count(), other.bit_count(), (subset & other).bit_count()])


@settings(max_examples=40)
@given(heard=st.lists(st.tuples(st.sampled_from(ALL), st.floats(1, 5)), min_size=1, max_size=40))
def test_with_noise_one_score_at_a_time_gives_the_gaussian_posterior_averaged_over_scales(
    heard: list[tuple[int, float]],
) -> None:
    noise = 0.3
    fit = PairwiseFit(PlanningProblem(N, DEPTH, noise=noise), np.zeros(N))
    for subset, score in heard:
        fit.add(row(subset), score)
    told = np.asarray([score - heard[0][1] for _, score in heard])
    subsets = [subset for subset, _ in heard]
    evidence, means, variances = [], [], []
    for scale in np.square(NOISY_SCALES) * noise**2:
        k = scale * np.asarray([[covariance(s, t) for t in subsets] for s in subsets]) + noise**2 * np.eye(len(heard))
        beside = scale * np.asarray([[covariance(s, t) for t in subsets] for s in ALL])
        evidence.append(-0.5 * (np.linalg.slogdet(k)[1] + told @ np.linalg.solve(k, told)))
        means.append(heard[0][1] + beside @ np.linalg.solve(k, told))
        prior = scale * np.asarray([covariance(s, s) for s in ALL])
        variances.append(prior - (beside * np.linalg.solve(k, beside.T).T).sum(axis=1))
    likely = np.exp(np.asarray(evidence) - max(evidence))
    likely /= likely.sum()
    mean = likely @ np.asarray(means)
    variance = likely @ (np.asarray(variances) + np.square(np.asarray(means) - mean))
    found, deviations = fit.moments(np.asarray([row(s) for s in ALL]))
    assert found == pytest.approx(mean, abs=1e-6)
    assert np.square(deviations) == pytest.approx(variance, abs=1e-6)
    assert fit.fitted() == pytest.approx([found[ALL.index(subset)] for subset in subsets], abs=1e-6)


def test_effects_and_pairs_say_what_the_moments_say() -> None:
    rng = np.random.default_rng(0)
    fit = PairwiseFit(PlanningProblem(N, DEPTH), 0.3 * rng.standard_normal(N))
    for subset in rng.choice(ALL, 15, replace=False).tolist():
        fit.add(row(subset), float(rng.uniform(1, 5)))
    full = np.asarray([row(s) for s in subsets_of_size((1 << N) - 1, DEPTH)])
    said = full @ fit.effects + ((full @ fit.pairs) * full).sum(axis=1) / 2
    means, _ = fit.moments(full)
    assert said - said[0] == pytest.approx(means - means[0])


def test_exact_scores_are_kept_and_certain() -> None:
    fit = PairwiseFit(PlanningProblem(N, DEPTH), 0.2 * np.arange(N, dtype=np.float64))
    rng = np.random.default_rng(1)
    heard = {subset: float(rng.uniform(1, 5)) for subset in rng.choice(ALL, 20, replace=False).tolist()}
    for subset, score in heard.items():
        fit.add(row(subset), score)
    means, deviations = fit.moments(np.asarray([row(s) for s in heard]))
    assert means == pytest.approx(list(heard.values()), abs=1e-3)
    assert fit.fitted() == pytest.approx(list(heard.values()), abs=1e-3)
    assert deviations == pytest.approx(0.0, abs=1e-2)


def test_the_variance_of_exact_scores_is_told_by_their_spread_and_what_the_account_costs() -> None:
    fit, rng = PairwiseFit(PlanningProblem(N, DEPTH), np.zeros(N)), np.random.default_rng(3)
    heard = {subset: float(rng.uniform(1, 5)) for subset in rng.choice(ALL, 8, replace=False).tolist()}
    for subset, score in heard.items():
        fit.add(row(subset), score)
    scores = np.asarray(list(heard.values()))
    k = np.asarray([[covariance(s, t) for t in heard] for s in heard]) + JITTER * np.eye(8)
    misfit = (scores - scores[0]) @ np.linalg.solve(k, scores - scores[0])
    assert fit.deviation**2 == pytest.approx((SPREAD * scores.var() + misfit / 2) / (SHAPE + 8 / 2))


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_from_the_second_score_on_everything_scales_with_exact_scores(scale: float) -> None:
    rng = np.random.default_rng(2)
    guess = rng.standard_normal(N)
    one, other = (PairwiseFit(PlanningProblem(N, DEPTH), guess) for _ in range(2))
    for subset in rng.permutation(ALL)[:20].tolist():
        score = float(rng.uniform(1, 5))
        one.add(row(subset), score)
        other.add(row(subset), scale * score)
        if one.heard > 1:
            assert other.deviation / scale == pytest.approx(one.deviation)
            assert other.effects / scale == pytest.approx(one.effects)


def test_a_guess_is_followed_until_scores_speak_against_it() -> None:
    guess = np.asarray([0.5, 0.2, 0.0, 0.0, -0.2, -0.5])
    fit = PairwiseFit(PlanningProblem(N, DEPTH), guess)
    full = list(subsets_of_size((1 << N) - 1, DEPTH))

    def favourite() -> int:
        return full[int(fit.moments(np.asarray([row(s) for s in full]))[0].argmax())]

    fit.add(row(0b110100), 14.0)
    assert favourite() == 0b000111
    for subset in set(full) - {0b110100}:
        fit.add(row(subset), 3.0 + sum(members(subset)))
    assert favourite() == 0b111000


def test_where_all_subsets_are_one_nothing_breaks() -> None:
    fit = PairwiseFit(PlanningProblem(3, 3), np.zeros(3))
    for subset in range(8):
        fit.add(np.asarray([float(subset >> index & 1) for index in range(3)]), float(subset))
    assert np.isfinite(fit.moments(np.ones((1, 3)))).all()
