"""Paths through all subsets, against all paths written out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest

from raise_agent.planners.lattice import PathLattice
from raise_agent.subsets import full_mask, mask_of, members, subsets_of_size

Array = npt.NDArray[np.float64]
SIZES = [(n, depth) for n in range(1, 6) for depth in range(1, n + 1)]

each_size = pytest.mark.parametrize(("n", "depth"), SIZES)


def columns_of(pool: int, sizes: Iterable[int], seed: int) -> dict[int, int]:
    """Of all subsets of these sizes, in any order; some columns are of nothing."""
    subsets = [subset for size in sizes for subset in subsets_of_size(pool, size)]
    rng = np.random.default_rng(seed)
    places = rng.permutation(len(subsets) + 2)[: len(subsets)].tolist()
    return {subsets[i]: place for i, place in zip(rng.permutation(len(subsets)), places, strict=True)}


def prefixes(path: Sequence[int]) -> list[int]:
    return [mask_of(path[: length + 1]) for length in range(len(path))]


def total(path: Sequence[int], columns: dict[int, int], worths: Array) -> float:
    return float(sum(worths[columns[subset]] for subset in prefixes(path)))


@each_size
@pytest.mark.parametrize("smallest", [0, 1])
def test_through_each_subset_leads_the_best_of_all_paths_that_hold_it(n: int, depth: int, smallest: int) -> None:
    for seed in range(3):
        columns = columns_of(full_mask(n), range(smallest, depth + 1), seed)
        worths = np.random.default_rng(seed).normal(0.0, 1.0, len(columns) + 2)
        expected = np.full(len(worths), -np.inf)
        for path in permutations(range(n), depth):
            for subset in prefixes(path):
                column = columns[subset]
                expected[column] = max(expected[column], total(path, columns, worths))
        np.testing.assert_allclose(PathLattice(columns, depth).through(worths), expected, atol=1e-12)


@each_size
def test_the_best_path_is_the_best_of_all(n: int, depth: int) -> None:
    for seed in range(3):
        columns = columns_of(full_mask(n), range(1, depth + 1), seed)
        worths = np.random.default_rng(seed).normal(0.0, 1.0, len(columns) + 2)
        lattice = PathLattice(columns, depth)
        assert lattice.best(worths) == max(permutations(range(n), depth), key=lambda path: total(path, columns, worths))
        ends = [columns[subset] for subset in subsets_of_size(full_mask(n), depth)]
        assert total(lattice.best(worths), columns, worths) == pytest.approx(lattice.through(worths)[ends].max())


@each_size
@pytest.mark.parametrize("most", [0, 1, 2])
def test_of_equal_paths_that_to_the_first_end_with_the_lowest_index_last_is_taken(
    n: int, depth: int, most: int
) -> None:
    """Whole numbers, so that sums tie."""
    for seed in range(4):
        columns = columns_of(full_mask(n), range(1, depth + 1), seed)
        worths = np.random.default_rng(seed).integers(0, most + 1, len(columns) + 2).astype(np.float64)
        place = {subset: order for order, subset in enumerate(columns)}
        best = max(
            permutations(range(n), depth),
            key=lambda path: (total(path, columns, worths), -place[mask_of(path)], [-i for i in reversed(path)]),
        )
        assert PathLattice(columns, depth).best(worths) == best


def test_only_what_may_be_asked_is_on_a_path() -> None:
    pool = 0b1011010
    columns = columns_of(pool, range(4), 0)
    worths = np.random.default_rng(0).normal(0.0, 1.0, len(columns) + 2)
    lattice = PathLattice(columns, 3)
    best = max(permutations(members(pool), 3), key=lambda path: total(path, columns, worths))
    assert lattice.best(worths) == best
    assert lattice.depth == 3
    assert lattice.through(worths).max() == pytest.approx(total(best, columns, worths))


def test_worths_are_left_as_they_are() -> None:
    columns = columns_of(full_mask(4), range(4), 0)
    worths = np.random.default_rng(0).normal(0.0, 1.0, len(columns) + 2)
    before, lattice = worths.copy(), PathLattice(columns, 3)
    first = lattice.through(worths)
    lattice.best(worths)
    np.testing.assert_array_equal(worths, before)
    lattice.through(-worths)
    np.testing.assert_array_equal(lattice.through(worths), first)
