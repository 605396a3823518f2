"""Subsets of attributes as int bitmasks: bit i is attribute i of the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt


def mask_of(indices: Iterable[int]) -> int:
    """The subset that holds these attributes.

    >>> mask_of([0, 3])
    9
    """
    mask = 0
    for index in indices:
        mask |= 1 << index
    return mask


def full_mask(n_attributes: int) -> int:
    """The subset of all attributes."""
    return (1 << n_attributes) - 1


@lru_cache(maxsize=1 << 16)
def members(mask: int) -> tuple[int, ...]:
    """The attributes of a subset, ascending.

    >>> members(9)
    (0, 3)

    Raises:
        ValueError: the mask is negative.
    """
    if mask < 0:
        raise ValueError("a subset is a mask of 0 or more")
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return tuple(found)


def submasks(mask: int) -> Iterator[int]:
    """Every subset of a subset, itself first and the empty one last.

    >>> list(submasks(5))
    [5, 4, 1, 0]
    """
    part = mask
    while part:
        yield part
        part = (part - 1) & mask
    yield 0


def subsets_of_size(pool: int, size: int) -> Iterator[int]:
    """Every subset of ``pool`` with ``size`` members, in lexicographic order of their indices."""
    for chosen in combinations(members(pool), size):
        yield mask_of(chosen)


def known_in(subsets: Sequence[int] | npt.NDArray[np.int64], n_attributes: int) -> npt.NDArray[np.float64]:
    """Membership, (..., n): 1 for each attribute that a subset holds, 0 for the others.

    >>> known_in([5, 2], 3)
    array([[1., 0., 1.],
           [0., 1., 0.]])
    """
    masks = np.asarray(subsets, dtype=np.uint64)[..., None]
    return np.asarray(masks >> np.arange(n_attributes, dtype=np.uint64) & np.uint64(1), np.float64)
