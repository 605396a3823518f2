"""The numpy forward pass against the torch network that was trained, and overlaps by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from raise_agent.distill.train import _Network
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.policies.network import OVERLAP_RANK, NetworkShape, PolicyNetwork

from .support import KEYS, QUERY, SHAPE, make_policy

SHAPES = (
    NetworkShape(n_attributes=1, query_dimension=16, value_dimension=16, hidden=5),
    NetworkShape(n_attributes=4, query_dimension=32, value_dimension=16, hidden=8),
    NetworkShape(n_attributes=10, query_dimension=64, value_dimension=16, hidden=24),
)
Bits = npt.NDArray[np.bool_]


def torch_network(shape: NetworkShape, seed: int) -> _Network:
    """Random weights, biases too, of a size that saturates nothing; dropout must not matter in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    network = _Network(shape, dropout=0.5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    network.eval()
    return network


def random_states(shape: NetworkShape, seed: int, states: int = 40) -> tuple[Any, Any, Bits, Bits, Bits]:
    """Queries, answers, and disjoint marks: answered, declined, asked next, none of these."""
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(states, shape.query_dimension)).astype(np.float32)
    values = rng.normal(size=(states, shape.n_attributes, shape.value_dimension)).astype(np.float32)
    role = rng.integers(0, 4, size=(states, shape.n_attributes))
    return queries, values, role == 0, role == 1, role == 2


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"n{shape.n_attributes}")
@pytest.mark.parametrize("seed", range(4))
def test_numpy_forecasts_what_torch_forecasts_for_any_set_asked_next(shape: NetworkShape, seed: int) -> None:
    network = torch_network(shape, seed)
    queries, values, answered, declined, asked = random_states(shape, seed)
    shown = np.where(answered[..., None], values, np.float32(0))
    forecast = PolicyNetwork(shape, network.export()).forward(queries, shown, answered, declined)
    network.double()
    with torch.no_grad():
        marks = [torch.from_numpy(m[:, None].astype(np.float64)) for m in (answered, declined, asked)]
        expected = network(torch.from_numpy(queries).double(), torch.from_numpy(values).double(), *marks)[:, 0].numpy()
    by_hand = []
    for row in range(len(queries)):
        chosen = [i for i in range(shape.n_attributes) if asked[row, i]]
        score = forecast.now[row] + sum(forecast.gains[row, i] for i in chosen)
        for position, i in enumerate(chosen):
            for j in chosen[position + 1 :]:
                score -= sum(forecast.factors[row, i, r] * forecast.factors[row, j, r] for r in range(OVERLAP_RANK))
        by_hand.append(score)
    assert np.std(expected) > 0.1, "forecasts so alike that anything agrees"
    np.testing.assert_allclose(by_hand, expected, rtol=1e-9, atol=1e-9)


def test_a_batch_is_its_states_one_by_one() -> None:
    network = PolicyNetwork(SHAPE, torch_network(SHAPE, 9).export())
    queries, values, answered, declined, _ = random_states(SHAPE, 9, states=12)
    values = np.where(answered[..., None], values, np.float32(0))
    whole = network.forward(queries, values, answered, declined)
    assert not answered.any(axis=1).all(), "a state without an answer must be among them"
    for row in range(len(queries)):
        one = slice(row, row + 1)
        alone = network.forward(queries[one], values[one], answered[one], declined[one])
        np.testing.assert_allclose(alone.now, whole.now[one], rtol=1e-12)
        np.testing.assert_allclose(alone.gains, whole.gains[one], rtol=1e-12)
        np.testing.assert_allclose(alone.factors, whole.factors[one], rtol=1e-12)


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"mood": "low"},
        {"fear": None},
        {"mood": "low", "sleep": None},
        {"job": "nurse", "sleep": "four hours", "fear": None},
    ],
)
def test_scores_of_a_decision_are_those_of_torch(known: dict[str, str | None]) -> None:
    network = torch_network(SHAPE, 3)
    scores = make_policy(network.export()).decide(QUERY, known).scores
    query = torch.from_numpy(HashingEncoder(SHAPE.query_dimension).encode([QUERY]))
    values = np.zeros((1, len(KEYS), SHAPE.value_dimension), np.float32)
    answered, declined = torch.zeros(1, 1, len(KEYS)), torch.zeros(1, 1, len(KEYS))
    for key, value in known.items():
        index = KEYS.index(key)
        if value is None:
            declined[0, 0, index] = 1
        else:
            answered[0, 0, index] = 1
            values[0, index] = HashingEncoder(SHAPE.value_dimension).encode([value])[0]
    expected = {}
    for option in ("answer", *(key for key in KEYS if key not in known)):
        asked = torch.zeros(1, 1, len(KEYS))
        if option != "answer":
            asked[0, 0, KEYS.index(option)] = 1
        with torch.no_grad():
            expected[option] = float(network(query, torch.from_numpy(values), answered, declined, asked)[0, 0])
    assert list(scores) == list(expected)
    assert [scores[key] for key in expected] == pytest.approx(list(expected.values()), abs=1e-5)


def test_the_shape_lists_every_array_that_training_exports() -> None:
    for shape in SHAPES:
        exported = torch_network(shape, 0).export()
        assert {name: array.shape for name, array in exported.items()} == shape.weights()
        assert {array.dtype for array in exported.values()} == {np.dtype(np.float32)}
