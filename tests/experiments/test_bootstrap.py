"""Intervals against scipy's on the same resamples, and their coverage."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from raise_agent.experiments.bootstrap import Estimate, Resampling, bca, raised_level
from raise_agent.experiments.judging.agreement import mean_of, pearson


def test_bca_is_that_of_scipy_on_the_same_resamples() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(1, 6, 40).astype(float)
    y = np.clip(x + rng.integers(-2, 2, 40), 1, 5).astype(float)
    found = pearson(x, y)
    resampling = Resampling(range(40), 2000, 0)
    drawn, left_out = resampling.distributions({"r": found})

    def correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], axis: int = -1) -> object:
        return stats.pearsonr(a, b, axis=axis)[0]

    seed = stats.bootstrap((x, y), correlation, paired=True, vectorized=True, n_resamples=2, method="percentile")
    seed.bootstrap_distribution = drawn["r"]
    for level in (0.95, raised_level(40)):
        theirs = stats.bootstrap(
            (x, y),
            correlation,
            paired=True,
            vectorized=True,
            n_resamples=0,
            method="BCa",
            confidence_level=level,
            bootstrap_result=seed,
        ).confidence_interval
        value = float(found(np.ones((1, 40)))[0])
        assert bca(value, drawn["r"], left_out["r"], level) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    used = resampling.estimates({"r": found})["r"]
    assert (used.low, used.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_resamples_follow_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(30.0)
    wanted = Resampling(range(30), 300, 5).estimates({"m": mean_of(values)})
    monkeypatch.setattr("raise_agent.experiments.bootstrap._CHUNK", 100)
    assert Resampling(range(30), 300, 5).estimates({"m": mean_of(values)}) == wanted
    assert Resampling(range(30), 300, 6).estimates({"m": mean_of(values)}) != wanted


def test_items_of_one_unit_are_drawn_together() -> None:
    # Each unit's two items cancel out, so whichever units are drawn, the mean is the same.
    values = np.array([1.0, 5.0] * 20)
    together = Resampling([place // 2 for place in range(40)], 200, 0).estimates({"m": mean_of(values)})["m"]
    alone = Resampling(range(40), 200, 0).estimates({"m": mean_of(values)})["m"]
    assert (together.low, together.high) == (3.0, 3.0)
    assert alone.high - alone.low > 1


@pytest.mark.parametrize(
    ("values", "n"), [([], 0), ([3.0], 1), ([3.0, 3.0], 2)], ids=["no item", "one item", "constant"]
)
def test_what_is_not_defined_is_not_a_number(values: list[float], n: int) -> None:
    x = np.array(values)
    found = Resampling(range(n), 100, 0).estimates({"r": pearson(x, x) if n else mean_of(x)})["r"]
    assert found.n == n
    assert found.to_json() == {"value": None, "low": None, "high": None, "n": n}


def test_a_statistic_that_many_resamples_leave_undefined_has_no_interval() -> None:
    x = np.array([3.0] * 9 + [4.0])  # a third of all resamples miss the 4
    found = Resampling(range(10), 500, 0).estimates({"r": pearson(x, x)})["r"]
    assert found.value == pytest.approx(1.0)
    assert np.isnan([found.low, found.high]).all()


def test_intervals_hold_the_true_mean_about_as_often_as_they_say() -> None:
    trials, items = 300, 15
    rng = np.random.default_rng(8)
    held = 0
    for trial in range(trials):
        estimate: Estimate = Resampling(range(items), 300, trial).estimates(
            {"m": mean_of(np.clip(np.round(rng.normal(3.0, 1.0, items)), 1, 5))}
        )["m"]
        held += estimate.low <= 3.0 <= estimate.high
    # 95 % within three standard errors of this many trials.
    assert held / trials == pytest.approx(0.95, abs=0.04)
