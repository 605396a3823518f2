"""The judge's noise and the spread of gains, where both are known."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from raise_agent.distill.judge_noise import judge_noise
from raise_agent.distill.spread import Steps, gain_spread, single_steps

from .world import N, make_world

Array = npt.NDArray[np.float64]


def chains(count: int, noise: Array, own: float, seed: int = 0) -> tuple[Steps, Array]:
    """Scenarios whose questions 0, 1 and 2 were asked one after another, and what each brought beyond its forecast.

    Args:
        count: of scenarios.
        noise: (count, 4), standard deviations of the scores after 0 to 3 questions.
        own: standard deviation of what a question brings to a user.
    """
    rng = np.random.default_rng(seed)
    scores = np.cumsum(np.column_stack([np.zeros(count), own * rng.standard_normal((count, 3))]), axis=1)
    scores += noise * rng.standard_normal(scores.shape)
    rows = np.repeat(np.arange(count), 3)
    before = np.tile(np.array([0, 1, 3]), count)
    added = np.tile(np.arange(3), count)
    doubts = np.stack([(noise[:, :3] ** 2).ravel(), (noise[:, 1:] ** 2).ravel()], axis=1)
    residuals = np.diff(scores, axis=1).ravel()
    return Steps(rows, before, added, residuals, doubts / max((noise**2).mean(), 1e-12)), residuals


def noise_of(steps: Steps, residuals: Array, doubts: Array | None = None) -> float:
    doubts = np.ones(len(steps)) if doubts is None else doubts
    return judge_noise(steps.rows, steps.before, steps.after, residuals, doubts)


@pytest.mark.parametrize(("noise", "own"), [(0.02, 0.0), (0.3, 0.0), (1.0, 0.0), (0.3, 0.2), (1.0, 0.2)])
def test_noise_is_told_from_what_users_differ_in(noise: float, own: float) -> None:
    found = noise_of(*chains(20_000, np.full((20_000, 4), noise), own))
    assert found < noise * 1.02
    assert found == pytest.approx(noise, rel=0.06 if own <= noise else 0.3)


def test_no_noise_is_claimed_that_does_not_show() -> None:
    for own in (0.0, 0.3):
        shown = [noise_of(*chains(300, np.zeros((300, 4)), own, seed)) > 0 for seed in range(200)]
        # One in forty by chance: the lower end of a 95 % interval.
        assert np.mean(shown) <= 0.06
    none = np.zeros(0, np.int64)
    assert judge_noise(none, none, none, np.zeros(0), np.zeros(0)) == 0
    # Questions that no two of are in a row say nothing.
    rows, before, after = np.array([[0, 1], [0, 0], [1, 2]])
    assert judge_noise(rows, before, after, np.array([1.0, -1.0]), np.ones(2)) == 0


def test_the_bound_holds_as_often_as_it_says() -> None:
    true = 0.2
    found = np.array([noise_of(*chains(200, np.full((200, 4), true), 0.3, seed)) for seed in range(300)])
    assert 0.93 <= np.mean(found <= true) <= 1


def test_scores_of_a_scenario_are_not_taken_for_independent() -> None:
    """The same scenarios a hundred times over show no more than once."""
    steps, residuals = chains(50, np.full((50, 4), 0.3), 0.3)
    shifted = [replace(steps, before=steps.before | 1 << (3 + k)) for k in range(20)]
    rows, before, after = (
        np.concatenate([getattr(one, name) for one in shifted]) for name in ("rows", "before", "after")
    )
    again = judge_noise(rows, before, after, np.tile(residuals, 20), np.ones(len(rows)))
    assert again == pytest.approx(noise_of(steps, residuals))


def test_scores_that_differ_in_doubt_count_by_it() -> None:
    rng = np.random.default_rng(1)
    noise = np.exp(0.7 * rng.standard_normal((20_000, 4))) * 0.2
    usual = math.sqrt(float((noise**2).mean()))
    steps, residuals = chains(20_000, noise, 0.2)
    assert noise_of(steps, residuals, steps.doubts[:, 0]) == pytest.approx(usual, rel=0.06)


def test_the_noise_of_a_whole_lattice_of_subsets_is_found() -> None:
    """All 16 subsets scored: each but the first and the last lies between several questions."""
    world = make_world(3000, 4, noise=0.25)
    steps = single_steps(world, None)
    truth = single_steps(make_world(3000, 4), None)
    assert [truth.rows.tolist(), truth.before.tolist()] == [steps.rows.tolist(), steps.before.tolist()]
    assert noise_of(steps, steps.brought - truth.brought) == pytest.approx(0.25, rel=0.03)


def test_steps_are_all_pairs_that_differ_by_one_answer() -> None:
    world = make_world(12, 1, missing=0.3)
    rng = np.random.default_rng(0)
    world = replace(world, weights=world.weights * (rng.random(world.weights.shape) < 0.7).astype(np.float32))
    expected = {}
    for row in range(len(world)):
        there = {
            int(s): float(score)
            for s, score, weight in zip(world.subsets[row], world.scores[row], world.weights[row], strict=True)
            if weight
        }
        held = sum(1 << i for i in range(N) if world.values_of[row, i])
        for one, other in combinations(sorted(there), 2):
            if one & other == one and (one ^ other).bit_count() == 1 and not other & ~held:
                expected[row, one, (one ^ other).bit_length() - 1] = there[other] - there[one]
    steps = single_steps(world, None)
    keys = zip(steps.rows.tolist(), steps.before.tolist(), steps.added.tolist(), strict=True)
    assert dict(zip(keys, steps.brought.tolist(), strict=True)) == pytest.approx(expected)
    assert len(steps) == len(expected)


def test_doubts_of_steps_are_those_of_their_two_scores() -> None:
    world = make_world(3, 1)
    doubts = np.arange(world.scores.size, dtype=np.float32).reshape(world.scores.shape) + 1
    draws = np.where(world.subsets % 2 == 0, 1, 4)
    steps = single_steps(replace(world, doubts=doubts, draws=draws), 2.0)
    place = {(row, int(s)): (row, k) for row in range(3) for k, s in enumerate(world.subsets[row])}
    for row, before, after, of in zip(steps.rows, steps.before, steps.after, steps.doubts, strict=True):
        expected = [doubts[place[row, s]] / 2.0 / draws[place[row, s]] for s in (before, after)]
        assert of.tolist() == pytest.approx(expected)
    assert single_steps(replace(world, draws=draws), None).doubts.min() == 0.25


def test_without_noise_the_spread_is_linear_regression() -> None:
    rng = np.random.default_rng(0)
    forecast = rng.uniform(-0.2, 1.0, 5000)
    residuals = (0.1 + 0.4 * np.maximum(forecast, 0)) * rng.standard_normal(5000)
    features = np.column_stack([np.ones(5000), np.maximum(forecast, 0)])
    expected, *_ = np.linalg.lstsq(features, np.abs(residuals) * math.sqrt(math.pi / 2), rcond=None)
    assert gain_spread(forecast, residuals, np.zeros(5000)) == pytest.approx(tuple(expected), rel=1e-5)


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_the_spread_beneath_known_noise_is_found(noise: float) -> None:
    rng = np.random.default_rng(2)
    forecast = rng.uniform(-0.2, 1.0, 40_000)
    variances = noise**2 * np.exp(rng.standard_normal(40_000) - 0.5)
    residuals = (0.1 + 0.4 * np.maximum(forecast, 0)) * rng.standard_normal(40_000)
    residuals += np.sqrt(variances) * rng.standard_normal(40_000)
    spread, share = gain_spread(forecast, residuals, variances)
    assert spread == pytest.approx(0.1, abs=0.03)
    assert share == pytest.approx(0.4, abs=0.04)


def test_no_spread_is_less_than_a_tenth_of_what_was_seen() -> None:
    rng = np.random.default_rng(3)
    forecast, residuals = rng.uniform(0.5, 1.0, 1000), 0.2 * rng.standard_normal(1000)
    spread, share = gain_spread(forecast, residuals, np.full(1000, 9.0))
    assert spread == pytest.approx(0.1 * np.abs(residuals).mean() * math.sqrt(math.pi / 2))
    assert share == pytest.approx(0, abs=1e-6)
    assert gain_spread(forecast, np.zeros(1000), np.zeros(1000)) == pytest.approx((0, 0), abs=1e-4)
