"""Ask what was planned for similar queries (paper, section 5.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import AttributeTable
from raise_agent.encoders import Encoder
from raise_agent.errors import ConfigError

from .contract import Known, Ranking

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A query that was planned for."""

    place: int
    """Which of the offline queries."""
    similarity: float
    """Cosine, -1 to 1."""
    path: tuple[str, ...]
    """Attribute keys in the order planned."""


class PlannedPaths:
    """Queries that were planned for, with their paths, found by cosine similarity.

    Args:
        table: the attributes of the paths.
        encoder: of queries.
        queries: their texts; they are encoded once and not kept.
        paths: attribute indices in the order asked, one path for each query.

    Raises:
        ConfigError: there is no query, or not one path for each.
    """

    def __init__(
        self, table: AttributeTable, encoder: Encoder, queries: Sequence[str], paths: Sequence[Sequence[int]]
    ) -> None:
        if not queries or len(queries) != len(paths):
            raise ConfigError(
                f"one path for each query is needed, and one query at least: {len(queries)}, {len(paths)}"
            )
        self.table, self._encoder = table, encoder
        distinct = {query: row for row, query in enumerate(dict.fromkeys(queries))}
        self._vectors: Array = encoder.encode(list(distinct))
        self._vector_of = np.asarray([distinct[query] for query in queries])
        self._paths = [tuple(table.keys[index] for index in path) for path in paths]

    def nearest(self, query: str, k: int) -> list[Neighbour]:
        """The k most similar queries, the most similar first; of equals the first planned."""
        similarities = (self._vectors @ self._encoder.encode([query])[0])[self._vector_of]
        places = np.argsort(-similarities, kind="stable")[:k].tolist()
        return [Neighbour(place, float(similarities[place]), self._paths[place]) for place in places]


class OnPaths:
    """What policies that go by the ``k`` nearest planned paths have in common."""

    __slots__ = ()
    planned: PlannedPaths
    k: int

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"k must be 1 or more queries, not {self.k}")

    @property
    def table(self) -> AttributeTable:
        """The attributes of the paths."""
        return self.planned.table


@dataclass(frozen=True, slots=True)
class RetrievalPolicy(OnPaths):
    """Asks what most of the nearest queries' paths would ask next.

    Each of the ``k`` nearest paths, less what was asked already, votes for its r-th attribute with weight
    similarity / r. The paper shows these paths to a model, which then names the next attribute (policy ``llm``);
    this is what they say without one.
    """

    planned: PlannedPaths
    k: int = 5
    """How many queries (paper: 5; 3 to 10 did as well)."""

    def rank(self, query: str, known: Known) -> Ranking:
        """Votes for each attribute not asked yet."""
        near = self.planned.nearest(query, self.k)
        unasked = [key for key in self.table.keys if key not in known]
        return Ranking(votes(near, unasked), because={"policy": "retrieval", "retrieved": shown(near)})


def votes(near: Sequence[Neighbour], unasked: Sequence[str]) -> dict[str, float]:
    """What the paths of these queries say of each unasked attribute."""
    return path_votes(((neighbour.path, max(neighbour.similarity, 0.0)) for neighbour in near), unasked)


def path_votes(paths: Iterable[tuple[Sequence[str], float]], unasked: Sequence[str]) -> dict[str, float]:
    """For each unasked attribute the sum, over paths with a weight, of weight / rank among the unasked."""
    total = dict.fromkeys(unasked, 0.0)
    for path, weight in paths:
        for rank, key in enumerate((key for key in path if key in total), start=1):
            total[key] += weight / rank
    return total


def shown(near: Sequence[Neighbour]) -> list[dict[str, object]]:
    """Retrieved paths as plain data, to explain a decision by; the queries themselves are not kept."""
    return [{"place": n.place, "similarity": round(n.similarity, 4), "path": list(n.path)} for n in near]
