"""All paths from no question to the budget, through every subset on the way."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from raise_agent.subsets import members

Array = npt.NDArray[np.float64]


class PathLattice:
    """Which path has the best prefixes, the empty one left out (paper, section 5.2); by dynamic programming.

    Args:
        columns: where the worth of each subset is found, for all subsets of 1 to ``depth`` attributes; the empty one
            may be there.
        depth: length of a path, 1 or more.
    """

    def __init__(self, columns: Mapping[int, int], depth: int) -> None:
        self.depth, self._columns = depth, columns
        subsets: list[list[int]] = [[] for _ in range(depth + 1)]
        for subset in columns:
            subsets[subset.bit_count()].append(subset)
        self._ends = subsets[depth]
        self._levels = [np.asarray([columns[subset] for subset in level], np.int64) for level in subsets[1:]]
        """Columns of the subsets, by size."""
        self._below = [
            np.asarray([[columns[subset & ~(1 << i)] for i in members(subset)] for subset in level], np.int64)
            for level in subsets[2:]
        ]
        """Columns of what each of them was before its last attribute was asked, from size 2: (m, size)."""

    def through(self, worths: Array) -> Array:
        """The highest sum of the worths of a path's prefixes, by subset that it leads through; -inf without a path."""
        up, down = self._up(worths), np.full(len(worths), -np.inf)
        down[self._levels[-1]] = 0.0
        for level, below in zip(self._levels[:0:-1], self._below[::-1], strict=True):
            np.maximum.at(down, below, (worths[level] + down[level])[:, None])
        return np.asarray(up + down)

    def best(self, worths: Array) -> tuple[int, ...]:
        """The path of highest sum; at a tie the first end, and the lowest index last."""
        up = self._up(worths)
        subset, path = max(self._ends, key=lambda end: float(up[self._columns[end]])), list[int]()
        while subset.bit_count() > 1:
            path.append(max(members(subset), key=lambda i: float(up[self._columns[subset & ~(1 << i)]])))
            subset &= ~(1 << path[-1])
        return (*members(subset), *reversed(path))

    def _up(self, worths: Array) -> Array:
        """The highest sum of the worths of the prefixes of a path to each subset, itself included."""
        up = np.full(len(worths), -np.inf)
        up[self._levels[0]] = worths[self._levels[0]]
        for level, below in zip(self._levels[1:], self._below, strict=True):
            up[level] = worths[level] + up[below].max(axis=1)
        return up
