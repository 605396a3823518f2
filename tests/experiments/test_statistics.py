from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from raise_agent.experiments.statistics import mean_interval, ratio_interval
from raise_agent.experiments.tables import cell, interval, markdown_table, shown_name


@pytest.mark.parametrize("n", [2, 3, 30, 1000])
def test_the_interval_is_students(n: int) -> None:
    values = np.random.default_rng(n).normal(3.5, 0.7, n)
    found = mean_interval(values.tolist())
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.mean == pytest.approx(values.mean(), abs=1e-12)
    assert found.n == n


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = sum(m.low <= 1.0 <= m.high for m in (mean_interval(rng.normal(1.0, 2.0, 12).tolist()) for _ in range(4000)))
    assert abs(hits / 4000 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 4000)


def test_over_units_the_interval_is_students_of_what_each_adds() -> None:
    """With as many values in each unit, the means of the units say all."""
    values = np.random.default_rng(1).normal(size=(40, 1)) + 0.1 * np.random.default_rng(2).normal(size=(40, 25))
    found = mean_interval(values.ravel().tolist(), [unit for unit in range(40) for _ in range(25)])
    expected = mean_interval(values.mean(axis=1).tolist())
    assert (found.mean, found.low, found.high) == pytest.approx((expected.mean, expected.low, expected.high))
    assert found.n == 1000
    alone = mean_interval(values.ravel().tolist(), list(range(1000)))
    assert alone == mean_interval(values.ravel().tolist())


def test_over_units_the_interval_covers_the_truth_where_that_over_values_does_not() -> None:
    rng = np.random.default_rng(3)
    hits = {True: 0, False: 0}
    for _ in range(1000):
        sizes = rng.integers(1, 12, 60)
        units = np.repeat(np.arange(60), sizes)
        values = (rng.normal(1.0, 1.0, 60)[units] + rng.normal(0.0, 0.5, len(units))).tolist()
        for clustered in hits:
            found = mean_interval(values, units.tolist() if clustered else None)
            hits[clustered] += found.low <= 1.0 <= found.high
    assert 0.92 < hits[True] / 1000 < 0.97
    assert hits[False] / 1000 < 0.7


def test_a_ratio_is_that_of_sums_and_its_interval_that_of_the_bootstrap() -> None:
    rng = np.random.default_rng(4)
    below = rng.uniform(0.5, 1.5, 400)
    above = 0.9 * below + rng.normal(0, 0.2, 400)
    found = ratio_interval(above.tolist(), below.tolist())
    assert found.mean == pytest.approx(above.sum() / below.sum())
    drawn = stats.bootstrap(
        (above, below), lambda a, b: a.sum() / b.sum(), paired=True, vectorized=False, n_resamples=2000, rng=rng
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((drawn.low, drawn.high), abs=0.003)
    scaled = ratio_interval((above / 3).tolist(), below.tolist())
    assert scaled.high == pytest.approx(found.high / 3)


def test_without_values_there_is_no_number() -> None:
    empty, one = mean_interval([]), mean_interval([4.0])
    assert empty.to_json() == {"mean": None, "low": None, "high": None, "n": 0}
    assert one.to_json() == {"mean": 4.0, "low": None, "high": None, "n": 1}
    assert interval(empty) == "-"
    assert interval(one) == "4.00"
    assert math.isnan(mean_interval([4.0, 5.0], ["a", "a"]).low)
    assert math.isnan(ratio_interval([1.0, 2.0], [0.0, 0.0]).mean)


def test_a_table_is_aligned() -> None:
    lines = markdown_table(["method", "score"], [["none", "2.79"], ["distilled", "3.8"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == "| --------- | ----: |"


def test_a_name_from_data_steers_neither_terminal_nor_markdown() -> None:
    name = shown_name("\u202ea|b\n\x1b[31m<script>")
    assert name.isprintable()
    shown = markdown_table(["", cell(name)], [["none", "1"]]).splitlines()
    assert len(shown) == 3
    assert "\\|b" in shown[0]
    assert "\\<script>" in shown[0]
    assert shown_name(" \u202e ") == "unnamed"
