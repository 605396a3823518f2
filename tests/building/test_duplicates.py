"""Near duplicates, against every pair compared one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from raise_agent.building import duplicates
from raise_agent.building.duplicates import near_duplicates
from raise_agent.encoders.hashing import HashingEncoder


class Vectors:
    """An encoder of texts that are indices into given unit vectors."""

    name = "vectors"

    def __init__(self, vectors: npt.NDArray[np.float32]) -> None:
        self._vectors = vectors
        self.dimension = vectors.shape[1]

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self._vectors[[int(text.split()[0]) for text in texts]]

    def save(self, folder: Path) -> Mapping[str, Any]:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any]) -> Vectors:
        raise NotImplementedError


@pytest.mark.parametrize("block", [1, 7, 512])
def test_as_one_by_one(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "BLOCK", block)
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(90, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    groups = [str(number) for number in rng.integers(0, 3, 90)]
    texts = [str(number) for number in range(90)]
    expected: dict[int, int] = {}
    kept: list[int] = []
    for i in range(90):
        near = [(float(vectors[i] @ vectors[j]), -j) for j in kept if groups[i] == groups[j]]
        if near and max(near)[0] >= 0.97:
            expected[i] = -max(near)[1]
        else:
            kept.append(i)
    found = near_duplicates(texts, groups, Vectors(vectors), 0.97)
    assert found == expected
    assert 10 < len(found) < 80
    # More texts at the end change nothing before.
    assert near_duplicates(texts[:40], groups[:40], Vectors(vectors), 0.97) == {
        i: j for i, j in found.items() if i < 40
    }


def test_equal_texts_are_duplicates_whatever_the_threshold_and_other_domains_are_not_compared() -> None:
    texts = ["May I quit?", "May I quit?", "May I quit?", "", ""]
    found = near_duplicates(texts, ["a", "a", "b", "a", "b"], HashingEncoder(64), 2.0)
    assert found == {1: 0}
    assert near_duplicates([texts[0], "May I quit!"], ["a", "a"], HashingEncoder(64), 1.0) == {1: 0}
    assert near_duplicates([], [], HashingEncoder(64), 0.9) == {}
