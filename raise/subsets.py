"""Subsets of attributes as int bitmasks: bit i is attribute i of the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import combinations


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
