"""From the store to arrays, against values written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import pytest

from raise_agent.distill.dataset import (
    Score,
    Scores,
    examples_of,
    mean_score,
    queries_of,
    requests_of,
    stored_scores,
)
from raise_agent.encoders import Encoder
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import ConfigError
from raise_agent.models.base import Doubt, Evaluation
from raise_agent.scenario import Profile, Scenario
from raise_agent.store import EvaluationRow, EvaluationStore

KEYS = ("mood", "job", "sleep")
ENCODER, VALUE_ENCODER = HashingEncoder(32), HashingEncoder(16)
OURS, THEIRS = 1, 2


def scenario(name: str, query: str, *values: str | None) -> Scenario:
    return Scenario(name, "Life", query, Profile(KEYS, values))


A = scenario("a", "How do I cope?", "low", None, "badly")
B = scenario("b", "Should I quit?", "low", "nurse", None)
C = scenario("c", "How do I cope?", None, None, None)
UNSEEN = scenario("u", "Nobody asked for this", "secret", "spy", "never")


def row(of: Scenario, subset: int, score: float, sample: int = 0, spread: float = 0.0) -> EvaluationRow:
    return EvaluationRow(of.digest, subset, sample, Evaluation(score - spread, score, score + spread))


@pytest.fixture
def store() -> Iterator[EvaluationStore]:
    with EvaluationStore(":memory:") as opened:
        yield opened


def rows_of(subsets: Sequence[int], scores: Sequence[float], weights: Sequence[float]) -> dict[int, float]:
    return {subset: round(score, 6) for subset, score, weight in zip(subsets, scores, weights, strict=True) if weight}


def test_every_evaluation_of_ours_is_there_once(store: EvaluationStore) -> None:
    store.write_evaluations(
        OURS,
        "mcts",
        [row(A, 0, 2.0, spread=0.5), row(A, 5, 3.0), row(A, 1, 2.5), row(B, 3, 4.0), row(C, 0, 1.5)],
    )
    store.write_evaluations(OURS, "random", [row(B, 1, 3.5)])
    store.write_evaluations(THEIRS, "mcts", [row(A, 2, 5.0), row(A, 0, 5.0), row(UNSEEN, 1, 5.0)])
    examples = examples_of([A, UNSEEN, B, C], stored_scores([A, UNSEEN, B, C], store, OURS), ENCODER, VALUE_ENCODER)
    assert len(examples) == 3, "a scenario without evaluations is left out"
    assert examples.evaluations == 6
    found = [
        rows_of(*arrays)
        for arrays in zip(examples.subsets.tolist(), examples.scores.tolist(), examples.weights.tolist(), strict=True)
    ]
    assert found == [{0: 2.0, 1: 2.5, 5: 3.0}, {1: 3.5, 3: 4.0}, {0: 1.5}]
    assert examples.subsets.shape == examples.scores.shape == examples.weights.shape == (3, 3)
    padded = examples.weights == 0
    assert padded.sum() == 3
    assert not examples.draws[padded].any()
    assert not examples.subsets[padded].any()
    assert not examples.scores[padded].any()


def test_queries_and_answers_are_encoded_once_and_pointed_at(store: EvaluationStore) -> None:
    store.write_evaluations(OURS, "mcts", [row(A, 0, 2.0), row(B, 3, 4.0), row(C, 0, 1.5)])
    examples = examples_of([A, B, C], stored_scores([A, B, C], store, OURS), ENCODER, VALUE_ENCODER)
    assert len(examples.queries) == 2
    for index, each in enumerate([A, B, C]):
        np.testing.assert_array_equal(examples.queries[examples.query_of[index]], ENCODER.encode([each.query])[0])
        for position, value in enumerate(each.profile.values):
            expected = np.zeros(16, np.float32) if value is None else VALUE_ENCODER.encode([value])[0]
            np.testing.assert_array_equal(examples.values[examples.values_of[index, position]], expected)
            assert (examples.values_of[index, position] == 0) == (value is None)
    assert len(examples.values) == 1 + len({"low", "badly", "nurse"})


def test_an_answer_without_a_word_is_still_an_answer(store: EvaluationStore) -> None:
    """Its code is zeros as well, but its row is not that of no answer."""
    marks = scenario("m", "How?", "?!", None, None)
    store.write_evaluations(OURS, "mcts", [row(marks, 1, 2.0)])
    examples = examples_of([marks], stored_scores([marks], store, OURS), ENCODER, VALUE_ENCODER)
    assert examples.values_of.tolist() == [[1, 0, 0]]
    assert not examples.values[1].any()


def test_samples_of_one_subset_are_averaged(store: EvaluationStore) -> None:
    store.write_evaluations(
        OURS, "mcts", [row(A, 3, 2.0), row(A, 3, 3.0, sample=1), row(A, 3, 5.0, sample=7), row(A, 1, 1.0)]
    )
    examples = examples_of([A], stored_scores([A], store, OURS), ENCODER, VALUE_ENCODER)
    assert examples.subsets.tolist() == [[1, 3]]
    assert examples.scores.tolist() == [[1.0, pytest.approx(10 / 3)]]
    assert examples.weights.tolist() == [[1.0, 1.0]]
    assert examples.evaluations == 2


def test_arrays_have_the_types_that_training_takes(store: EvaluationStore) -> None:
    store.write_evaluations(OURS, "mcts", [row(C, 0, 2.0)])
    examples = examples_of([C], stored_scores([C], store, OURS), ENCODER, VALUE_ENCODER)
    floats = examples.queries, examples.values, examples.scores, examples.doubts, examples.weights
    assert {a.dtype for a in floats} == {np.dtype(np.float32)}
    numbers = examples.query_of, examples.values_of, examples.subsets, examples.draws
    assert {a.dtype for a in numbers} == {np.dtype(np.int64)}
    assert examples.values.shape == (1, 16), "nobody answered anything"


def test_the_largest_table_fits(store: EvaluationStore) -> None:
    keys = tuple(f"a{i}" for i in range(62))
    wide = Scenario("w", "Life", "How?", Profile(keys, ("x",) * 62))
    full = (1 << 62) - 1
    store.write_evaluations(OURS, "mcts", [row(wide, full, 2.0)])
    examples = examples_of([wide], stored_scores([wide], store, OURS), ENCODER, VALUE_ENCODER)
    assert examples.subsets.tolist() == [[full]]


@pytest.mark.parametrize("scenarios", [[], [A, B]])
def test_nothing_to_learn_from(store: EvaluationStore, scenarios: list[Scenario]) -> None:
    store.write_evaluations(THEIRS, "mcts", [row(A, 0, 2.0)])
    with pytest.raises(ConfigError, match=f"no evaluation of these {len(scenarios)} scenarios was scored"):
        examples_of(scenarios, stored_scores(scenarios, store, OURS), ENCODER, VALUE_ENCODER)


def test_stored_scores_are_means_of_samples_by_scenario_and_subset(store: EvaluationStore) -> None:
    store.write_evaluations(OURS, "mcts", [row(A, 5, 3.0), row(A, 5, 4.0, 1), row(A, 0, 2.0), row(B, 3, 4.0)])
    store.write_evaluations(THEIRS, "mcts", [row(A, 1, 1.0), row(UNSEEN, 0, 1.0)])
    found = stored_scores([A, B, C], store, OURS)
    assert found == {A.digest: {5: Score(3.5, 2), 0: Score(2.0)}, B.digest: {3: Score(4.0)}, C.digest: {}}


def test_only_the_draws_that_are_wanted_are_taken(store: EvaluationStore) -> None:
    store.write_evaluations(
        OURS, "mcts", [row(A, 5, 3.0), row(A, 5, 4.0, 1), row(A, 5, 5.0, 2), row(A, 0, 2.0), row(B, 3, 4.0)]
    )
    found = stored_scores([A, B], store, OURS, {A.digest: {(5, 0), (5, 2), (6, 0)}})
    assert found == {A.digest: {5: Score(4.0, 2)}, B.digest: {}}
    assert stored_scores([A], store, OURS, {}) == {A.digest: {}}


def test_doubt_is_the_variance_of_the_mean_of_dimensions_averaged_over_the_draws_that_tell_any(
    store: EvaluationStore,
) -> None:
    def doubted(sample: int, variances: tuple[float, ...] | None) -> EvaluationRow:
        return EvaluationRow(A.digest, 3, sample, Evaluation(2.0, 2.0, 2.0, doubt=Doubt(variances, (0.0,) * 3)))

    store.write_evaluations(
        OURS, "mcts", [doubted(0, (0.9, 0.0, 0.9)), doubted(1, (0.0, 0.9, 0.0)), doubted(2, None), row(A, 1, 2.0)]
    )
    scores = stored_scores([A], store, OURS)
    assert scores[A.digest][1] == Score(2.0)
    assert scores[A.digest][3].doubt == pytest.approx(0.15)
    examples = examples_of([A], scores, ENCODER, VALUE_ENCODER)
    assert examples.draws.tolist() == [[1, 3]]
    np.testing.assert_allclose(examples.doubts, [[np.nan, 0.15]], rtol=1e-6)


def test_draws_of_one_score_have_that_very_score_as_their_mean() -> None:
    assert mean_score([0.1 + 3] * 3) == 0.1 + 3
    assert mean_score([2.0, 3.0, 5.0]) == pytest.approx(10 / 3)


def test_queries_are_those_of_scored_scenarios_in_the_order_of_their_vectors() -> None:
    scores = {scenario.digest: {0: Score(2.0)} for scenario in (UNSEEN, B, A)}
    queries = queries_of([A, UNSEEN, C, B], {**scores, C.digest: {}})
    assert queries == [A.query, UNSEEN.query, B.query]
    examples = examples_of([A, UNSEEN, C, B], scores, ENCODER, VALUE_ENCODER)
    np.testing.assert_array_equal(examples.queries, ENCODER.encode(queries))


def test_a_request_lies_in_the_middle_of_its_wordings() -> None:
    texts = [["How do I cope?", "What next?", "And now?"], ["Should I quit?"], ["Why?", "Zzz"]]
    queries = ENCODER.encode([query for query, *_ in texts])
    requests = requests_of(queries, [others for _, *others in texts], ENCODER)
    assert requests.dtype == np.float32
    for request, wordings in zip(requests, texts, strict=True):
        mean = ENCODER.encode(wordings).astype(np.float64).sum(axis=0)
        np.testing.assert_allclose(request, mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_array_equal(requests[1], queries[1])
    assert not np.allclose(requests[[0, 2]], queries[[0, 2]])


def test_without_other_wordings_requests_lie_where_queries_do() -> None:
    queries = ENCODER.encode(["How do I cope?", "Should I quit?"])
    np.testing.assert_array_equal(requests_of(queries, [(), ()], ENCODER), queries)


def test_wordings_that_cancel_out_lie_nowhere() -> None:
    class Opposite:
        dimension = 2

        def encode(self, texts: Sequence[str]) -> Any:
            return np.asarray([[-1.0, 0.0]] * len(texts), np.float32)

    queries = np.asarray([[1.0, 0.0]], np.float32)
    np.testing.assert_array_equal(requests_of(queries, [("No",)], cast(Encoder, Opposite())), [[0.0, 0.0]])


@pytest.mark.parametrize("scores", [{}, {A.digest: {}}, {UNSEEN.digest: {0: Score(2.0)}}])
def test_no_score_at_hand_is_nothing_to_learn_from(scores: Scores) -> None:
    with pytest.raises(ConfigError, match="no evaluation of these 2 scenarios"):
        examples_of([A, B], scores, ENCODER, VALUE_ENCODER)
