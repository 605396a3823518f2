"""How much evaluations count, against errors that are known and a likelihood by another library."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.stats import multivariate_normal

from raise_agent.distill.dataset import Examples
from raise_agent.distill.settings import DistillSettings
from raise_agent.distill.train import train
from raise_agent.distill.weighing import _minus_log_likelihood, measure_uncertainty
from raise_agent.policies.network import PolicyNetwork

from .world import GAINS, N, expected_gain, forecast_gains, make_world, states

Doubles = npt.NDArray[np.float64]


def uneven(
    count: int, seed: int, noise: float, spread: float = 1.0, scale: float = 1.0, draws: int = 1
) -> tuple[Examples, Doubles]:
    """A world whose scores are as noisy as their judge says, but for the scale; also the variances of their errors.

    The mean variance of one draw is the square of ``noise``.
    """
    rng = np.random.default_rng(seed)
    exact = make_world(count, seed, base_spread=0.3)
    doubts = noise**2 * np.exp(2 * spread * rng.standard_normal(exact.scores.shape) - 2 * spread**2)
    drawn = rng.integers(1, draws + 1, exact.scores.shape)
    errors = np.sqrt(doubts / drawn) * rng.standard_normal(exact.scores.shape)
    return (
        replace(
            exact,
            scores=(exact.scores + errors).astype(np.float32),
            doubts=(scale * doubts).astype(np.float32),
            draws=drawn,
        ),
        doubts / drawn,
    )


@pytest.mark.parametrize("scale", [1.0, 0.01, 40.0])
def test_how_much_of_an_error_goes_with_doubt_is_found_whatever_its_scale(scale: float) -> None:
    examples, variances = uneven(400, 1, 0.5, scale=scale, draws=3)
    found = measure_uncertainty(examples, 0)
    assert found is not None
    assert found.noise == pytest.approx(0.25, rel=0.15)
    assert found.usual_doubt == pytest.approx(examples.doubts.mean(), rel=1e-5)
    weights = found.weigh(examples).weights
    assert weights.mean() == pytest.approx(1.0, rel=1e-5)
    # What these scores do not add up to is a misfit too: a synergy that only some users have.
    assert 0 < found.misfit < 0.06
    assert np.corrcoef(np.log(weights.ravel()), -np.log(found.misfit + variances.ravel()))[0, 1] > 0.99


def test_more_draws_are_surer_where_no_judge_tells_of_doubt() -> None:
    rng = np.random.default_rng(3)
    exact = make_world(400, 3, base_spread=0.3)
    draws = rng.integers(1, 6, exact.scores.shape)
    errors = 0.6 * rng.standard_normal(exact.scores.shape) / np.sqrt(draws)
    examples = replace(exact, scores=(exact.scores + errors).astype(np.float32), draws=draws)
    found = measure_uncertainty(examples, 0)
    assert found is not None
    assert found.noise == pytest.approx(0.36, rel=0.15)
    assert found.usual_doubt is None
    weights = found.weigh(examples).weights
    by_draws = [weights[draws == count] for count in range(1, 6)]
    assert all(np.ptp(each) == 0 for each in by_draws)
    assert (np.diff([each[0] for each in by_draws]) > 0).all()


def effective(weights: npt.NDArray[np.float32]) -> float:
    """Share of equally good evaluations that would tell as much, by Kish's formula."""
    return float(np.square(weights.sum()) / np.square(weights).sum() / weights.size)


@pytest.mark.parametrize("seed", range(3))
def test_a_doubt_that_tells_nothing_hardly_changes_what_counts(seed: int) -> None:
    examples, _ = uneven(400, seed, 0.5)
    shuffled = np.random.default_rng(seed).permutation(examples.doubts.ravel()).reshape(examples.doubts.shape)
    shares = []
    for doubts in (shuffled, examples.doubts):
        found = measure_uncertainty(replace(examples, doubts=doubts), 0)
        assert found is not None
        shares.append(effective(found.weigh(replace(examples, doubts=doubts)).weights))
    assert shares[0] > 0.97
    assert shares[1] < 0.7


@pytest.mark.parametrize("level_spread", [0.0, 1.0])
def test_scores_that_are_explained_wholly_are_all_as_sure_whatever_their_doubt(level_spread: float) -> None:
    rng = np.random.default_rng(1)
    world = make_world(100, 1)
    scores = 3 + level_spread * np.repeat(rng.standard_normal((100, 1)), world.scores.shape[1], axis=1)
    doubts = np.exp(2 * rng.standard_normal(scores.shape))
    examples = replace(world, scores=scores.astype(np.float32), doubts=doubts.astype(np.float32))
    found = measure_uncertainty(examples, 0)
    assert found is not None
    assert found.weigh(examples).weights == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("told", [math.nan, 0.0, 0.3])
def test_where_all_are_equally_doubtful_there_is_nothing_to_weigh(told: float) -> None:
    world = make_world(20, 1, noise=0.3)
    assert measure_uncertainty(replace(world, doubts=np.full_like(world.doubts, told)), 0) is None


def test_scores_without_doubt_among_others_are_as_doubtful_as_the_usual_one() -> None:
    examples, _ = uneven(200, 1, 0.5)
    doubts = examples.doubts.copy()
    doubts[:, ::4] = np.nan
    found = measure_uncertainty(replace(examples, doubts=doubts), 0)
    assert found is not None
    assert found.usual_doubt == pytest.approx(float(np.nanmean(doubts)), rel=1e-5)
    weights = found.weigh(replace(examples, doubts=doubts)).weights[:, ::4]
    assert weights == pytest.approx(1 / (found.precision * (found.misfit + found.noise)), rel=1e-5)


def test_padding_counts_nothing_and_changes_nothing() -> None:
    examples, _ = uneven(60, 1, 0.5)
    wider = {
        name: np.pad(getattr(examples, name), ((0, 0), (0, 3)), constant_values=math.nan if name == "doubts" else 0)
        for name in ("subsets", "scores", "draws", "doubts", "weights")
    }
    one, other = measure_uncertainty(examples, 0), measure_uncertainty(replace(examples, **wider), 0)
    assert one is not None
    assert other is not None
    assert other.noise == pytest.approx(one.noise, rel=1e-6)
    weights = other.weigh(replace(examples, **wider)).weights
    assert not weights[:, 16:].any()
    np.testing.assert_allclose(weights[:, :16], one.weigh(examples).weights, rtol=1e-5)


def test_a_judge_without_any_doubt_of_some_scores_is_not_believed_without_end() -> None:
    rng = np.random.default_rng(1)
    world = make_world(100, 1)
    members = (world.subsets[..., None] >> np.arange(N) & 1).astype(float)
    doubts = np.full(world.scores.shape, 0.5)
    doubts[::2, 3] = 0.0
    additive = 2 + members @ np.asarray([0.1, 0.2, 0.3, 0.4]) + np.sqrt(doubts) * rng.standard_normal(doubts.shape)
    examples = replace(world, scores=additive.astype(np.float32), doubts=doubts.astype(np.float32))
    found = measure_uncertainty(examples, 0)
    assert found is not None
    assert 5.0 < found.weigh(examples).weights.max() < 11.0, "without a limit it would be 30"


def test_other_examples_are_weighed_on_the_scale_of_those_measured_on() -> None:
    examples, _ = uneven(200, 1, 0.5)
    found = measure_uncertainty(examples, 0)
    assert found is not None
    surer = replace(examples, doubts=(examples.doubts / 10).astype(np.float32))
    expected = 1 / (found.precision * (found.misfit + found.noise * surer.doubts / surer.doubts.mean() / 10))
    np.testing.assert_allclose(found.weigh(surer).weights, expected, rtol=1e-4)


def test_levels_are_told_from_the_mean_score() -> None:
    """Where each scenario has but one evaluation, only the mean of all tells what is noise."""
    rng = np.random.default_rng(0)
    world = make_world(600, 1)
    doubts = 0.25 * np.exp(2 * rng.standard_normal((600, 1)) - 2)
    scores = 3 + np.sqrt(doubts) * rng.standard_normal((600, 1))
    one = {"subsets": np.zeros((600, 1), np.int64), "draws": np.ones((600, 1), np.int64)}
    floats = {"scores": scores, "doubts": doubts, "weights": np.ones((600, 1))}
    arrays: dict[str, Any] = {**one, **{name: array.astype(np.float32) for name, array in floats.items()}}
    examples = replace(world, **arrays)
    found = measure_uncertainty(examples, 0)
    assert found is not None
    assert found.noise == pytest.approx(0.25, rel=0.35)
    assert found.misfit < 0.1


@pytest.mark.parametrize("untold", [slice(100), slice(0, None, 4), slice(1, None, 2)])
def test_scenarios_all_over_are_looked_at_where_there_are_more_than_enough(
    monkeypatch: pytest.MonkeyPatch, untold: slice
) -> None:
    """That the first ones, or every fourth, tell no doubt says nothing of the others."""
    examples, _ = uneven(400, 1, 0.5)
    doubts = examples.doubts.copy()
    doubts[untold] = np.nan
    told = replace(examples, doubts=doubts)
    whole = measure_uncertainty(told, 0)
    monkeypatch.setattr("raise_agent.distill.weighing._ENOUGH", 100 * 16)
    part = measure_uncertainty(told, 0)
    assert whole is not None
    assert part is not None
    assert part.noise == pytest.approx(whole.noise, rel=0.3)
    assert part == measure_uncertainty(told, 0)
    assert part != measure_uncertainty(told, 1)


def test_likelihood_is_that_of_a_normal_with_the_whole_covariance() -> None:
    rng = np.random.default_rng(4)
    left, own = rng.normal(size=(5, 7)), rng.integers(0, 2, (5, 7, 3)).astype(float)
    real = (rng.random((5, 7)) < 0.7).astype(float)
    variances, of = rng.uniform(0.1, 2, (5, 7)), np.asarray([0.5, 2.0, 0.0])
    expected = 0.0
    for row in range(5):
        kept = real[row] > 0
        covariance = np.diag(variances[row, kept]) + own[row, kept] * of @ own[row, kept].T
        constant = kept.sum() * math.log(2 * math.pi)
        expected += -2 * multivariate_normal(cov=covariance).logpdf(left[row, kept]) - constant
    found = _minus_log_likelihood(*map(torch.from_numpy, (left, own, real, variances, of)))
    assert float(found) == pytest.approx(expected)


def test_what_is_learned_of_uneven_scores_is_nearer_the_truth_when_weighed() -> None:
    settings = DistillSettings(hidden=32, epochs=30, patience=30, dropout=0.0)
    wrong = {}
    for weighed in (False, True):
        errors = []
        for seed in range(3):
            examples, _ = uneven(150, seed, 1.0, spread=1.5)
            found = measure_uncertainty(examples, 0)
            assert found is not None
            made = train(found.weigh(examples) if weighed else examples, None, settings, seed)
            network = PolicyNetwork(made.shape, made.weights)
            errors += [
                forecast_gains(network, word, known)[index] - expected_gain(word, known, index)
                for word in GAINS
                for known in states()
                for index in range(N)
                if index not in known
            ]
        wrong[weighed] = float(np.square(errors).mean())
    assert wrong[True] < 0.7 * wrong[False]
