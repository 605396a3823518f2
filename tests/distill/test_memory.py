"""The memory against scikit-learn: ridge regressions, a Gaussian process, and fits without what is left out."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.special import softmax
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import Ridge

from raise_agent.distill.dataset import Examples
from raise_agent.distill.memory import recall, remember
from raise_agent.distill.settings import DistillSettings
from raise_agent.distill.train import train
from raise_agent.policies.acquisition import AcquisitionPolicy
from raise_agent.policies.memory import Memory, Recollection
from raise_agent.policies.parts import PolicyParts

from .world import ENCODER, GAINS, TABLE, N, expected_gain, make_world, query_of, states

Doubles = npt.NDArray[np.float64]
RIDGE, NOISE, BANDWIDTH, CONCENTRATION, ANSWER_RIDGE = 1.0, 0.2, 3.0, 30.0, 20.0
RECURRENCE = 0.3
WIDTH = 1 / np.sqrt(BANDWIDTH)
"""Length scale of the usual kernel that is the same on vectors of length 1."""
PAIRS = list(combinations(range(N), 2))


@cache
def world() -> Examples:
    """Some wordings of more scenarios than others, padded rows, questions that some scenarios did not score, and
    evaluations that count more than others."""
    examples = make_world(43, 1, base_spread=1.0, noise=0.3, missing=0.2)
    weights = np.random.default_rng(2).uniform(0.3, 2.0, examples.weights.shape).astype(np.float32)
    weights[::3, 5:] = 0.0
    return replace(examples, weights=weights)


@cache
def requests() -> npt.NDArray[np.float32]:
    """Where the queries' requests lie: some are known in other words too."""
    queries = world().queries
    moved = queries + 0.3 * np.random.default_rng(5).standard_normal(queries.shape)
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    moved[::3] = queries[::3]
    return moved.astype(np.float32)


@cache
def worth() -> tuple[Doubles, Doubles]:
    """(scenarios, questions): what the query adds to a question's worth, in standard deviations of what is shown of it;
    and how precisely that is known, over a question that is wholly scored and answered typically."""
    examples = world()
    members = (examples.subsets[..., None] >> np.arange(N) & 1).astype(float)
    held = [examples.weights[row] > 0 for row in range(len(examples))]
    inputs = [members[row, real] for row, real in enumerate(held)]
    weights = [examples.weights[row, real].astype(float) for row, real in enumerate(held)]
    scores = [examples.scores[row, real].astype(float) for row, real in enumerate(held)]
    both = [np.stack([x[:, i] * x[:, j] for i, j in PAIRS], axis=1) for x in inputs]

    def pooled(features: list[Doubles], wanted: list[Doubles]) -> Any:
        centred = [x - np.average(x, axis=0, weights=w) for x, w in zip(features, weights, strict=True)]
        model = Ridge(alpha=RIDGE, fit_intercept=False)
        model.fit(np.concatenate(centred), np.concatenate(wanted), sample_weight=np.concatenate(weights))
        return model.coef_

    overlaps = pooled([np.hstack([x, z]) for x, z in zip(inputs, both, strict=True)], scores)[N:]
    assert overlaps[PAIRS.index((0, 1))] > 0.1
    assert overlaps[PAIRS.index((2, 3))] < -0.1
    scores = [y - z @ overlaps for y, z in zip(scores, both, strict=True)]
    mean = pooled(inputs, scores)
    own = [y - x @ mean for x, y in zip(inputs, scores, strict=True)]
    told = list(zip(inputs, own, weights, strict=True))
    shown = np.array([Ridge(alpha=RIDGE).fit(x, y, sample_weight=w).coef_ for x, y, w in told])
    resolution = np.array(
        [[Ridge(alpha=RIDGE).fit(x, x[:, i], sample_weight=w).coef_[i] for i in range(N)] for x, _, w in told]
    )
    factor = np.zeros_like(shown)
    for i in range(N):
        codes = examples.values[examples.values_of[:, i]].astype(float)
        some = resolution[:, i] > 0
        model = Ridge(alpha=ANSWER_RIDGE, fit_intercept=False)
        model.fit(codes[some], shown[some, i] / resolution[some, i], sample_weight=resolution[some, i])
        factor[:, i] = np.clip(1 + model.predict(codes) / max(mean[i], 0.1 * mean.max()), 0.1, 10)
    factor *= examples.values_of != 0
    shown = shown - resolution * mean * (factor - 1)
    seen = resolution * factor
    shown /= shown[seen > 0.1].std()
    assert (seen == 0).any()
    return np.divide(shown, seen, out=np.zeros_like(shown), where=seen > 0), resolution * factor**2


def predicted(rows: Any, queries: Any) -> Doubles:
    """By a process fitted to these scenarios one by one, as each knows a question."""
    examples, (adds, precise) = world(), worth()
    means = []
    for i in range(N):
        told = rows[precise[rows, i] > 0]
        model = GaussianProcessRegressor(RBF(WIDTH), alpha=NOISE / precise[told, i], optimizer=None)
        model.fit(requests()[examples.query_of[told]].astype(float), adds[told, i])
        means.append(model.predict(queries.astype(float)))
    return np.stack(means, axis=1)


def recalled_by(rows: Any, queries: Any) -> Doubles:
    """By the process, in part for those of training that the queries may be in other words."""
    kept = requests().astype(float)
    likely = softmax(CONCENTRATION * queries.astype(float) @ kept.T, axis=1)
    met: Doubles = likely @ predicted(rows, kept)
    return RECURRENCE * met + (1 - RECURRENCE) * predicted(rows, queries)


def rounded(vectors: Any) -> Any:
    return np.rint(vectors * np.float32(3900)) / np.float32(3900)


def test_what_is_recalled_is_the_mean_of_a_gaussian_process_over_scenarios() -> None:
    memory, _ = remember(world(), requests(), 100, RECURRENCE)
    others = make_world(7, 2)
    queries = np.concatenate([others.queries, ENCODER.encode(["How much sleep is a problem?", "Zebra"])])
    expected = recalled_by(np.arange(43), queries)
    assert np.abs(expected - predicted(np.arange(43), queries)).max() > 0.01
    assert expected.std(axis=0).min() > 0.01
    recalled = recall(memory, replace(others, queries=queries)).queries
    np.testing.assert_allclose(recalled, expected, atol=1e-4)
    # A policy recalls by rounded vectors, which makes next to no difference.
    for recurrence in (0.0, 0.3, 0.8, 1.0):
        other = replace(memory, recurrence=recurrence)
        by_rounded = recall(replace(other, vectors=rounded(other.vectors)), replace(others, queries=rounded(queries)))
        for query, row, plain in zip(
            queries, by_rounded.queries, recall(other, replace(others, queries=queries)).queries, strict=True
        ):
            recalled = Recollection(other).recall(query[None])
            np.testing.assert_allclose(recalled, row[None], atol=1e-5)
            np.testing.assert_allclose(recalled, plain[None], atol=5e-3)


def test_a_scenario_is_shown_what_a_fit_without_it_would_recall() -> None:
    _, shown = remember(world(), requests(), 100, RECURRENCE)
    assert shown.query_of.tolist() == list(range(43))
    for row in range(43):
        query = world().queries[world().query_of[row]]
        expected = recalled_by(np.delete(np.arange(43), row), query[None])[0]
        np.testing.assert_allclose(shown.queries[row], expected, atol=1e-4)


def test_nothing_else_of_the_examples_is_changed() -> None:
    _, shown = remember(world(), requests(), 100, RECURRENCE)
    for name in ("values", "values_of", "subsets", "scores", "weights"):
        assert getattr(shown, name) is getattr(world(), name)
    assert shown.queries.dtype == np.float32


def test_the_queries_of_most_scenarios_are_kept_and_stand_for_all() -> None:
    examples = world()
    memory, shown = remember(examples, requests(), 4, RECURRENCE)
    counts = np.bincount(examples.query_of)
    assert counts.tolist() == [5, 5, 5, 4, 4, 4, 4, 4, 4, 4]
    assert memory.vectors.tobytes() == requests()[:4].tobytes()
    kept = memory.vectors.astype(float)
    asked, wanted = (each[examples.query_of].astype(float) for each in (examples.queries, requests()))
    kernel, among = RBF(WIDTH)(wanted, kept), RBF(WIDTH)(kept)
    within = np.linalg.cholesky(among).T
    met = softmax(CONCENTRATION * asked @ kept.T, axis=1) @ among
    reading = RECURRENCE * met + (1 - RECURRENCE) * RBF(WIDTH)(asked, kept)

    def effects(rows: Any) -> Doubles:
        found = []
        for adds, precise in zip(worth()[0][rows].T, worth()[1][rows].T, strict=True):
            root = np.sqrt(precise / NOISE)
            design = np.concatenate([kernel[rows] * root[:, None], within])
            found.append(np.linalg.lstsq(design, np.concatenate([adds * root, np.zeros(4)]), rcond=None)[0])
        return np.stack(found, axis=1)

    np.testing.assert_allclose(memory.effects, effects(np.arange(43)), atol=1e-4)
    np.testing.assert_allclose(memory.found, among @ effects(np.arange(43)), atol=1e-4)
    assert np.abs(reading - kernel).max() > 0.01
    for row in range(43):
        np.testing.assert_allclose(shown.queries[row], reading[row] @ effects(np.delete(np.arange(43), row)), atol=1e-4)


@pytest.mark.parametrize(("scenarios", "evaluations"), [(1, 1), (1, 2), (1, 16), (2, 1), (3, 2)])
def test_tiny_data_gives_a_memory(scenarios: int, evaluations: int) -> None:
    examples = make_world(4, 1)
    rows = {name: getattr(examples, name)[:scenarios] for name in ("query_of", "values_of")}
    cut = {name: getattr(examples, name)[:scenarios, :evaluations] for name in ("subsets", "scores", "weights")}
    memory, shown = remember(replace(examples, **rows, **cut), examples.queries, 8, RECURRENCE)
    assert not list(memory.faults(ENCODER.dimension, N))
    assert np.abs(shown.queries).max() < 100


def test_one_question_alone_is_remembered() -> None:
    examples = make_world(40, 1)
    two = {name: getattr(examples, name)[:, :2] for name in ("subsets", "scores", "weights")}
    alone = replace(examples, values_of=examples.values_of[:, :1], **two)
    memory, shown = remember(alone, alone.queries, 100, RECURRENCE)
    assert memory.effects.shape == (10, 1)
    money, sleep = shown.queries[::2, 0], shown.queries[1::2, 0]
    assert money.min() > sleep.max()


@pytest.mark.parametrize("harmful", [(0,), (0, 1, 2, 3)])
def test_questions_that_do_harm_are_remembered_as_well_as_those_that_help(harmful: tuple[int, ...]) -> None:
    examples = make_world(40, 0)
    members = (examples.subsets[..., None] >> np.arange(N) & 1).astype(float)
    mean = np.where(np.isin(np.arange(N), harmful), -0.3, 0.3)
    word = np.where(np.arange(40) % 2, 0.1, -0.1)
    answers = 0.15 * np.where(examples.values_of == examples.values_of[0], 1.0, -1.0)
    own = 0.05 * np.random.default_rng(0).normal(size=(40, N))
    scores = 3.0 + np.einsum("skn,sn->sk", members, mean + word[:, None] + answers + own)
    _, shown = remember(replace(examples, scores=scores.astype(np.float32)), examples.queries, 100, RECURRENCE)
    for i in range(N):
        assert np.corrcoef(shown.queries[:, i], word)[0, 1] > 0.8


def test_any_number_of_threads_gives_the_same_bytes() -> None:
    before = torch.get_num_threads()
    made: list[tuple[Memory, Examples]] = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            many = make_world(900, 3)
            made.append(remember(many, many.queries, 100, RECURRENCE))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    (first, shown), (again, seen) = made
    assert first.effects.tobytes() == again.effects.tobytes()
    assert first.found.tobytes() == again.found.tobytes()
    assert shown.queries.tobytes() == seen.queries.tobytes()


def test_a_policy_that_reads_its_memory_alone_expects_what_is_to_be_expected() -> None:
    settings = DistillSettings(hidden=64, value_dimension=16, epochs=30, patience=30, dropout=0.0, learning_rate=4e-3)
    many = make_world(400, 1)
    memory, training = remember(many, many.queries, 100, RECURRENCE)
    made = train(training, recall(memory, make_world(60, 2)), settings, seed=0)
    assert made.shape.query_dimension == N
    policy = AcquisitionPolicy(
        PolicyParts(
            TABLE, 3, 0.0, 0.25, made.shape, made.weights, ENCODER, {"simulated": True}, made.gain_share, memory
        )
    )
    errors = []
    for word in GAINS:
        for known in states():
            scores = policy.decide(query_of(word), {TABLE.keys[i]: answer for i, answer in known.items()}).scores
            for index in set(range(N)) - set(known):
                gain = scores[TABLE.keys[index]] - scores["answer"]
                errors.append(gain - expected_gain(word, known, index))
    assert np.abs(errors).max() < 0.25
    assert np.abs(errors).mean() < 0.06
