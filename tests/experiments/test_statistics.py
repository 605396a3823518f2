from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from raise_agent.experiments.statistics import mean_interval
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


def test_without_values_there_is_no_number() -> None:
    empty, one = mean_interval([]), mean_interval([4.0])
    assert empty.to_json() == {"mean": None, "low": None, "high": None, "n": 0}
    assert one.to_json() == {"mean": 4.0, "low": None, "high": None, "n": 1}
    assert interval(empty) == "-"
    assert interval(one) == "4.00"


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
