"""The memory against scikit-learn: ridge regressions, a Gaussian process, and fits without what is left out."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import Ridge

from raise_agent.distill.dataset import Examples
from raise_agent.distill.memory import recall, remember
from raise_agent.distill.settings import DistillSettings
from raise_agent.distill.train import train
from raise_agent.policies.acquisition import AcquisitionPolicy
from raise_agent.policies.folder import PolicyParts
from raise_agent.policies.memory import Memory

from .world import ENCODER, GAINS, TABLE, N, expected_gain, make_world, query_of, states

Doubles = npt.NDArray[np.float64]
RIDGE, NOISE, BANDWIDTH = 2.0, 0.3, 3.0
WIDTH = 1 / np.sqrt(BANDWIDTH)
"""Length scale of the usual kernel that is the same on vectors of length 1."""


@cache
def world() -> Examples:
    """Some wordings of more scenarios than others, and padded rows."""
    examples = make_world(43, 1, base_spread=1.0, noise=0.3, missing=0.2)
    weights = examples.weights.copy()
    weights[::3, 5:] = 0.0
    return replace(examples, weights=weights)


@cache
def worth() -> Doubles:
    """Of every question in every scenario above its worth in all, over its standard deviation."""
    examples = world()
    members = (examples.subsets[..., None] >> np.arange(N) & 1).astype(float)
    held = [examples.weights[row] > 0 for row in range(len(examples))]
    inputs = [members[row, real] for row, real in enumerate(held)]
    scores = [examples.scores[row, real].astype(float) for row, real in enumerate(held)]
    everyone = (
        Ridge(alpha=RIDGE, fit_intercept=False)
        .fit(np.concatenate([x - x.mean(axis=0) for x in inputs]), np.concatenate([y - y.mean() for y in scores]))
        .coef_
    )
    found = np.array([Ridge(alpha=RIDGE).fit(x, y - x @ everyone).coef_ for x, y in zip(inputs, scores, strict=True)])
    return np.asarray(found / found.std())


def process(rows: Any) -> GaussianProcessRegressor:
    """Fitted to these scenarios one by one."""
    examples = world()
    model = GaussianProcessRegressor(RBF(WIDTH), alpha=NOISE, optimizer=None)
    return model.fit(examples.queries[examples.query_of[rows]].astype(float), worth()[rows])


def test_what_is_recalled_is_the_mean_of_a_gaussian_process_over_scenarios() -> None:
    memory, _ = remember(world(), 100)
    others = make_world(7, 2)
    queries = np.concatenate([others.queries, ENCODER.encode(["How much sleep is a problem?", "Zebra"])])
    expected = process(np.arange(43)).predict(queries.astype(float))
    assert expected.std(axis=0).min() > 0.01
    recalled = recall(memory, replace(others, queries=queries)).queries
    np.testing.assert_allclose(recalled, expected, atol=1e-4)
    for query, row in zip(queries, recalled, strict=True):
        np.testing.assert_allclose(memory.recall(query[None]), row[None], atol=1e-5)


def test_a_scenario_is_shown_what_a_fit_without_it_would_recall() -> None:
    _, shown = remember(world(), 100)
    assert shown.query_of.tolist() == list(range(43))
    for row in range(43):
        query = world().queries[world().query_of[row]].astype(float)
        expected = process(np.delete(np.arange(43), row)).predict(query[None])[0]
        np.testing.assert_allclose(shown.queries[row], expected, atol=1e-4)


def test_nothing_else_of_the_examples_is_changed() -> None:
    _, shown = remember(world(), 100)
    for name in ("values", "values_of", "subsets", "scores", "weights"):
        assert getattr(shown, name) is getattr(world(), name)
    assert shown.queries.dtype == np.float32


def test_the_wordings_of_most_scenarios_are_kept_and_stand_for_all() -> None:
    examples = world()
    memory, shown = remember(examples, 4)
    counts = np.bincount(examples.query_of)
    assert counts.tolist() == [5, 5, 5, 4, 4, 4, 4, 4, 4, 4]
    assert memory.vectors.tobytes() == examples.queries[:4].tobytes()
    kernel = RBF(WIDTH)(examples.queries[examples.query_of].astype(float), memory.vectors.astype(float))
    within = np.linalg.cholesky(RBF(WIDTH)(memory.vectors.astype(float))).T

    def effects(rows: Any) -> Doubles:
        design = np.concatenate([kernel[rows] / np.sqrt(NOISE), within])
        wanted = np.concatenate([worth()[rows] / np.sqrt(NOISE), np.zeros((4, N))])
        return np.asarray(np.linalg.lstsq(design, wanted, rcond=None)[0])

    np.testing.assert_allclose(memory.effects, effects(np.arange(43)), atol=1e-4)
    for row in (0, 20, 42):
        np.testing.assert_allclose(shown.queries[row], kernel[row] @ effects(np.delete(np.arange(43), row)), atol=1e-4)


@pytest.mark.parametrize(("scenarios", "evaluations"), [(1, 1), (1, 16), (2, 1), (3, 2)])
def test_tiny_data_gives_a_memory(scenarios: int, evaluations: int) -> None:
    examples = make_world(4, 1)
    rows = {name: getattr(examples, name)[:scenarios] for name in ("query_of", "values_of")}
    cut = {name: getattr(examples, name)[:scenarios, :evaluations] for name in ("subsets", "scores", "weights")}
    memory, shown = remember(replace(examples, **rows, **cut), 8)
    assert not list(memory.faults(ENCODER.dimension, N))
    assert np.isfinite(shown.queries).all()


def test_any_number_of_threads_gives_the_same_bytes() -> None:
    before = torch.get_num_threads()
    made: list[tuple[Memory, Examples]] = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            made.append(remember(make_world(900, 3), 100))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    (first, shown), (again, seen) = made
    assert first.effects.tobytes() == again.effects.tobytes()
    assert shown.queries.tobytes() == seen.queries.tobytes()


def test_a_policy_that_reads_its_memory_alone_expects_what_is_to_be_expected() -> None:
    settings = DistillSettings(hidden=64, value_dimension=16, epochs=30, patience=30, dropout=0.0, learning_rate=4e-3)
    memory, training = remember(make_world(400, 1), 100)
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
