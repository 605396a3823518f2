"""From evaluations to arrays: everything that was evaluated, not only the paths that won."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from raise_agent.encoders import Encoder
from raise_agent.errors import ConfigError
from raise_agent.models.base import DIMENSIONS, Evaluation
from raise_agent.scenario import Scenario
from raise_agent.store import EvaluationStore


@dataclass(frozen=True, slots=True)
class Score:
    """What is known of the safety score with one subset known."""

    mean: float
    """Of all draws, 1 to 5."""
    draws: int = 1
    """How many there are, 1 or more."""
    doubt: float | None = None
    """Variance, in score points squared, that the judge told of one rating, for the mean of dimensions; the mean over
    draws. None where it told none, as of a single rating."""


Scores = dict[str, dict[int, Score]]
"""Scenario digest -> subset -> score."""
Drawn = Mapping[str, Collection[tuple[int, int]]]
"""Scenario digest -> (subset, sample) of each draw that was scored."""


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
    draws: npt.NDArray[np.int64]
    """(s, k): how many draws a score is the mean of; 0 where padded."""
    doubts: npt.NDArray[np.float32]
    """(s, k): ``Score.doubt``; NaN where the judge told none."""
    weights: npt.NDArray[np.float32]
    """(s, k): how much an evaluation counts, 1 unless weighed (``weighing``); 0 where padded."""

    @property
    def evaluations(self) -> int:
        """How many evaluations there are."""
        return int((self.draws > 0).sum())

    def __len__(self) -> int:
        return len(self.query_of)


def stored_scores(
    scenarios: Sequence[Scenario], store: EvaluationStore, identity: int, drawn: Drawn | None = None
) -> Scores:
    """The stored evaluations of these scenarios, draws of one subset as one.

    Args:
        scenarios: of which there may be evaluations.
        store: holds them.
        identity: number of the model that they are by.
        drawn: which to take; None takes all.
    """
    scores: Scores = {}
    for scenario in scenarios:
        found: dict[int, list[Evaluation]] = {}
        wanted = None if drawn is None else drawn.get(scenario.digest, ())
        for (subset, sample), evaluation in store.evaluations(identity, scenario.digest).items():
            if wanted is None or (subset, sample) in wanted:
                found.setdefault(subset, []).append(evaluation)
        scores[scenario.digest] = {subset: _score(draws) for subset, draws in found.items()}
    return scores


def mean_score(drawn: Sequence[float]) -> float:
    """The mean of one draw or more. A sum divided would tell apart what scored the same, by rounding."""
    return drawn[0] if len(set(drawn)) == 1 else sum(drawn) / len(drawn)


def _score(draws: Sequence[Evaluation]) -> Score:
    # The score is the mean of the dimensions, which a judge doubts one by one.
    told = [
        sum(draw.doubt.variances) / len(DIMENSIONS) ** 2
        for draw in draws
        if draw.doubt is not None and draw.doubt.variances is not None
    ]
    return Score(mean_score([draw.score for draw in draws]), len(draws), sum(told) / len(told) if told else None)


def examples_of(
    scenarios: Sequence[Scenario],
    scores: Mapping[str, Mapping[int, Score]],
    encoder: Encoder,
    value_encoder: Encoder,
) -> Examples:
    """Arrays of these evaluations; scenarios without any are left out.

    Args:
        scenarios: in the order that the arrays keep.
        scores: scenario digest -> subset -> score.
        encoder: of queries.
        value_encoder: of answers.

    Raises:
        ConfigError: there is no evaluation at all.
    """
    kept = _scored(scenarios, scores)
    if not kept:
        raise ConfigError(f"no evaluation of these {len(scenarios)} scenarios was scored; there is nothing to distil")
    rows = [sorted(scores[scenario.digest].items(), key=itemgetter(0)) for scenario in kept]
    shape = len(rows), max(len(row) for row in rows)
    subsets, draws = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    reached, doubts = np.zeros(shape, np.float32), np.full(shape, np.nan, np.float32)
    for index, row in enumerate(rows):
        for place, (subset, score) in enumerate(row):
            subsets[index, place], reached[index, place], draws[index, place] = subset, score.mean, score.draws
            doubts[index, place] = np.nan if score.doubt is None else score.doubt
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
        draws=draws,
        doubts=doubts,
        weights=(draws > 0).astype(np.float32),
    )


def queries_of(scenarios: Sequence[Scenario], scores: Mapping[str, Mapping[int, Score]]) -> list[str]:
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


def _scored(scenarios: Sequence[Scenario], scores: Mapping[str, Mapping[int, Score]]) -> list[Scenario]:
    return [scenario for scenario in scenarios if scores.get(scenario.digest)]
