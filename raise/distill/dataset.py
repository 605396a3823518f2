"""From evaluations to arrays: everything that was evaluated, not only the paths that won."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raise_agent.encoders import Encoder
from raise_agent.errors import ConfigError
from raise_agent.scenario import Scenario
from raise_agent.store import EvaluationStore


@dataclass(frozen=True, slots=True)
class Examples:
    """s scenarios with up to k evaluated subsets each, over n attributes.

    Texts repeat across scenarios, so scenarios point into tables of distinct vectors.
    """

    queries: npt.NDArray[np.float32]
    """(distinct queries, d): as they are put, in the order of ``queries_of``."""
    values: npt.NDArray[np.float32]
    """(distinct answers, v); row 0 is zeros and stands for no answer."""
    query_of: npt.NDArray[np.int64]
    """(s,): row of ``queries``."""
    values_of: npt.NDArray[np.int64]
    """(s, n): row of ``values``."""
    subsets: npt.NDArray[np.int64]
    """(s, k): bitmasks; 0 where padded."""
    scores: npt.NDArray[np.float32]
    """(s, k): safety scores, 1 to 5."""
    weights: npt.NDArray[np.float32]
    """(s, k): 1 for an evaluation, 0 where padded."""

    @property
    def evaluations(self) -> int:
        """How many evaluations there are."""
        return int(self.weights.sum())

    def __len__(self) -> int:
        return len(self.query_of)


def stored_scores(scenarios: Sequence[Scenario], store: EvaluationStore, identity: int) -> dict[str, dict[int, float]]:
    """Every stored evaluation of these scenarios, samples of one subset averaged: digest -> subset -> safety score.

    Raises:
        ConfigError: the store holds none.
    """
    scores: dict[str, dict[int, float]] = {}
    for scenario in scenarios:
        drawn: dict[int, list[float]] = {}
        for (subset, _), evaluation in store.evaluations(identity, scenario.digest).items():
            drawn.setdefault(subset, []).append(evaluation.score)
        scores[scenario.digest] = {subset: sum(found) / len(found) for subset, found in drawn.items()}
    if not any(scores.values()):
        raise ConfigError(
            f"{store.path}: no evaluation of these {len(scenarios)} scenarios by this model; "
            "run `raise-agent plan` with the same data, llm and store settings first"
        )
    return scores


def examples_of(
    scenarios: Sequence[Scenario],
    scores: Mapping[str, Mapping[int, float]],
    encoder: Encoder,
    value_encoder: Encoder,
) -> Examples:
    """Arrays of these evaluations; scenarios without any are left out.

    Args:
        scenarios: in the order that the arrays keep.
        scores: scenario digest -> subset -> safety score.
        encoder: of queries.
        value_encoder: of answers.

    Raises:
        ConfigError: there is no evaluation at all.
    """
    kept = _scored(scenarios, scores)
    if not kept:
        raise ConfigError(f"no evaluation of these {len(scenarios)} scenarios was scored; there is nothing to distil")
    rows = [sorted(scores[scenario.digest].items()) for scenario in kept]
    width = max(len(row) for row in rows)
    subsets = np.zeros((len(rows), width), np.int64)
    reached = np.zeros((len(rows), width), np.float32)
    weights = np.zeros((len(rows), width), np.float32)
    for index, row in enumerate(rows):
        subsets[index, : len(row)] = [subset for subset, _ in row]
        reached[index, : len(row)] = [score for _, score in row]
        weights[index, : len(row)] = 1.0
    queries = queries_of(scenarios, scores)
    query_row = {query: i for i, query in enumerate(queries)}
    answers = list(dict.fromkeys(v for scenario in kept for v in scenario.profile.values if v is not None))
    value_row: dict[str | None, int] = {None: 0, **{answer: i + 1 for i, answer in enumerate(answers)}}
    coded = value_encoder.encode(answers) if answers else np.zeros((0, value_encoder.dimension), np.float32)
    return Examples(
        queries=encoder.encode(queries),
        values=np.concatenate([np.zeros((1, value_encoder.dimension), np.float32), coded]),
        query_of=np.asarray([query_row[scenario.query] for scenario in kept]),
        values_of=np.asarray([[value_row[v] for v in scenario.profile.values] for scenario in kept]),
        subsets=subsets,
        scores=reached,
        weights=weights,
    )


def queries_of(scenarios: Sequence[Scenario], scores: Mapping[str, Mapping[int, float]]) -> list[str]:
    """The distinct queries of those scenarios that have evaluations."""
    return list(dict.fromkeys(scenario.query for scenario in _scored(scenarios, scores)))


def requests_of(
    queries: npt.NDArray[np.float32], wordings: Sequence[Sequence[str]], encoder: Encoder
) -> npt.NDArray[np.float32]:
    """(queries, d): where what each query asks for lies, the mean direction of all its wordings.

    Args:
        queries: (queries, d), as they are put.
        wordings: other wordings of each, none or more.
        encoder: of queries.
    """
    of = [row for row, others in enumerate(wordings) for _ in others]
    if not of:
        return queries
    total = queries.astype(np.float64)
    np.add.at(total, of, encoder.encode([text for others in wordings for text in others]))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    mean = np.divide(total, length, out=np.zeros_like(total), where=length > 0)
    return np.where(np.isin(np.arange(len(queries)), of)[:, None], mean, queries).astype(np.float32)


def _scored(scenarios: Sequence[Scenario], scores: Mapping[str, Mapping[int, float]]) -> list[Scenario]:
    return [scenario for scenario in scenarios if scores.get(scenario.digest)]
