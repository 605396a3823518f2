"""Subsets as bitmasks, against Python's own sets."""

from __future__ import annotations

from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raise_agent.subsets import full_mask, mask_of, members, subsets_of_size

indices = st.sets(st.integers(0, 70))


@given(indices)
def test_a_mask_and_its_members_are_each_others_inverse(chosen: set[int]) -> None:
    mask = mask_of(chosen)
    assert members(mask) == tuple(sorted(chosen))
    assert mask_of(members(mask)) == mask
    assert mask.bit_count() == len(chosen)


@given(indices, indices)
def test_masks_unite_and_meet_as_sets_do(one: set[int], other: set[int]) -> None:
    assert members(mask_of(one) | mask_of(other)) == tuple(sorted(one | other))
    assert members(mask_of(one) & mask_of(other)) == tuple(sorted(one & other))


def test_an_index_given_twice_counts_once() -> None:
    assert mask_of([3, 0, 3]) == 0b1001
    assert mask_of(iter([1])) == 2
    assert mask_of([]) == 0


@pytest.mark.parametrize("n", [0, 1, 10, 62])
def test_the_full_mask_holds_every_attribute(n: int) -> None:
    assert members(full_mask(n)) == tuple(range(n))


@pytest.mark.parametrize("size", range(6))
def test_subsets_of_a_size_come_once_each_in_lexicographic_order(size: int) -> None:
    pool = (0, 2, 3, 7, 9)
    found = [members(subset) for subset in subsets_of_size(mask_of(pool), size)]
    assert found == sorted(found)
    assert found == list(combinations(pool, size))
    assert len(found) == comb(5, size)


def test_a_pool_too_small_has_no_subset_of_the_size() -> None:
    assert list(subsets_of_size(0b101, 3)) == []
    assert list(subsets_of_size(0, 0)) == [0]


def test_the_number_of_subsets_is_the_papers() -> None:
    """Paper, section 5.2: 120 subsets of size 3, 252 of size 5, 1,024 in all."""
    sizes = [len(list(subsets_of_size(full_mask(10), size))) for size in range(11)]
    assert (sizes[3], sizes[5], sum(sizes)) == (120, 252, 1024)


def test_negative_indices_and_masks_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        mask_of([0, -1])
    with pytest.raises(ValueError, match="0 or more"):
        members(-1)
    with pytest.raises(ValueError, match="0 or more"):
        list(subsets_of_size(-2, 1))
