"""The order whose prefixes are best."""

from __future__ import annotations

from itertools import permutations
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.planners.ordering import EXACT_SIZE, best_order
from raise_agent.subsets import full_mask, mask_of, members


def mean_of_prefixes(order: tuple[int, ...], scores: list[float]) -> float:
    return fmean(scores[mask_of(order[:length])] for length in range(1, len(order) + 1))


@settings(max_examples=150)
@given(subset=st.integers(1, full_mask(7)).filter(lambda subset: subset.bit_count() <= 5), seed=st.integers(0, 99))
def test_no_other_order_has_better_prefixes(subset: int, seed: int) -> None:
    # Eighths add up exactly, so that equal orders are equal and the tie-break is seen.
    scores = (np.random.default_rng(seed).integers(0, 12, 1 << 7) / 8).tolist()
    best = max(permutations(members(subset)), key=lambda order: mean_of_prefixes(order, scores))
    assert best_order(subset, scores.__getitem__) == best


def test_of_equal_orders_the_lowest_index_goes_first() -> None:
    assert best_order(0b11010, lambda subset: 1.0) == (1, 3, 4)


def test_a_later_prefix_can_decide_what_goes_first() -> None:
    scores = {0b001: 2.0, 0b010: 3.0, 0b100: 1.0, 0b011: 3.0, 0b101: 6.0, 0b110: 3.0}
    assert best_order(0b111, scores.__getitem__) == (0, 2, 1)


@pytest.mark.parametrize(("subset", "order"), [(0, ()), (0b100, (2,))])
def test_there_is_nothing_to_order_below_two(subset: int, order: tuple[int, ...]) -> None:
    assert best_order(subset, lambda prefix: pytest.fail("nothing to compare")) == order


def test_empty_and_whole_subset_do_not_count() -> None:
    assert best_order(0b11, {0b01: 1.0, 0b10: 2.0}.__getitem__) == (1, 0)


def test_a_large_subset_is_ordered_step_by_step() -> None:
    size = EXACT_SIZE + 2
    worth = np.random.default_rng(0).permutation(size).tolist()
    order = best_order(full_mask(size), lambda subset: float(sum(worth[i] for i in members(subset))))
    assert [worth[index] for index in order] == sorted(worth, reverse=True)
