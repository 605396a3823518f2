"""Policies that look neither at the query nor at the answers: ``random`` and ``static``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raise_agent.attributes import AttributeTable
from raise_agent.errors import ConfigError, refuse_negative

from .contract import Known, Ranking


@dataclass(frozen=True, slots=True)
class RandomPolicy:
    """Asks in a random order, another for each query; the same seed and query give the same order.

    Raises:
        ConfigError: the seed is negative.
    """

    table: AttributeTable
    seed: int = 0
    """0 or more."""

    def __post_init__(self) -> None:
        refuse_negative(self.seed)

    def rank(self, query: str, known: Known) -> Ranking:
        """A random number for each attribute not asked yet."""
        digest = hashlib.blake2b(query.encode("utf-8", "replace"), digest_size=8).digest()
        drawn = np.random.default_rng([self.seed, int.from_bytes(digest, "little")]).random(len(self.table)).tolist()
        scores = {key: score for key, score in zip(self.table.keys, drawn, strict=True) if key not in known}
        return Ranking(scores, because={"policy": "random"})


@dataclass(frozen=True, slots=True)
class StaticPolicy:
    """Asks everybody the same, in one order.

    Raises:
        ConfigError: an attribute is named twice.
        TableError: an attribute is not in the table.
    """

    table: AttributeTable
    order: Sequence[str] = ()
    """Attributes by key, name or alias, best first; those left out come after, in table order."""

    def __post_init__(self) -> None:
        first = [self.table.keys[self.table.index(spelling)] for spelling in self.order]
        if len(set(first)) != len(first):
            raise ConfigError("order names an attribute twice")
        object.__setattr__(self, "order", (*first, *(key for key in self.table.keys if key not in first)))

    def rank(self, query: str, known: Known) -> Ranking:
        """1/rank in the order, for each attribute not asked yet."""
        place = {key: index for index, key in enumerate(self.order)}
        scores = {key: 1.0 / (1 + place[key]) for key in self.table.keys if key not in known}
        return Ranking(scores, because={"policy": "static"})
