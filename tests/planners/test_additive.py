"""The additive account of what a search has heard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.planners.additive import LEVEL_RIDGE, RIDGE, AdditiveFit
from raise_agent.subsets import members, subsets_of_size

N, DEPTH = 6, 3


@settings(max_examples=60, deadline=None)
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
