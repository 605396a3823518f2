"""What a memory recalls, by its formula, and that a policy decides on that."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import PolicyError
from raise_agent.policies.memory import Memory, Recollection

from .support import MEMORY, QUERY, SHAPE, TRAINED_ON, make_policy

ENCODER = HashingEncoder(SHAPE.query_dimension)


@pytest.mark.parametrize("query", [QUERY, TRAINED_ON[2], "Something else?", ""])
@pytest.mark.parametrize(("bandwidth", "concentration"), [(0.1, 40.0), (3, 30), (40.0, 0.1)])
def test_what_is_recalled_is_the_sum_of_the_docstring(query: str, bandwidth: float, concentration: float) -> None:
    memory = replace(MEMORY, bandwidth=bandwidth, concentration=concentration)
    vector = ENCODER.encode([query])
    cosines = [sum(a * b for a, b in zip(vector[0].tolist(), kept, strict=True)) for kept in MEMORY.vectors.tolist()]
    likely = [math.exp(concentration * cosine) for cosine in cosines]
    expected = [0.0] * SHAPE.query_dimension
    for cosine, chance, effects, found in zip(
        cosines, likely, MEMORY.effects.tolist(), MEMORY.found.tolist(), strict=True
    ):
        for place in range(SHAPE.query_dimension):
            expected[place] += chance / sum(likely) * found[place] * MEMORY.recurrence
            expected[place] += math.exp(bandwidth * (cosine - 1)) * effects[place] * (1 - MEMORY.recurrence)
    recalled = Recollection(memory).recall(vector)
    assert recalled.shape == (1, SHAPE.query_dimension)
    assert recalled.dtype == np.float32
    np.testing.assert_allclose(recalled[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("query", [QUERY, "Something else?", ""])
def test_the_steepest_memory_recalls_what_was_found_for_the_nearest(query: str) -> None:
    memory = replace(MEMORY, bandwidth=1000.0, concentration=1000.0, effects=np.zeros_like(MEMORY.effects))
    vector = ENCODER.encode([query])
    nearness = (memory.vectors @ vector[0]).astype(float)
    expected = memory.found[nearness > nearness.max() - 1e-6].mean(axis=0) * memory.recurrence
    np.testing.assert_allclose(Recollection(memory).recall(vector)[0], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("not_zero", [0, 1, 40, 127, 128, 512])
@pytest.mark.parametrize("kept", [1, 17, 18, 19, 700])
def test_all_queries_kept_count_whatever_their_number_and_however_many_numbers_are_zero(
    kept: int, not_zero: int
) -> None:
    rng = np.random.default_rng(kept)
    vectors = rng.normal(size=(kept + 1, 512))
    vectors[-1, rng.permutation(512)[not_zero:]] = 0.0
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    effects, found = rng.normal(size=(2, kept, 7))
    taught = vectors[:-1].astype(np.float32), effects.astype(np.float32), found.astype(np.float32)
    memory = Memory(*taught, bandwidth=3.0, concentration=30.0, recurrence=0.4)
    cosines = vectors[:-1] @ vectors[-1]
    likely = np.exp(30.0 * cosines)
    expected = 0.4 * likely @ found / likely.sum() + 0.6 * np.exp(3.0 * (cosines - 1.0)) @ effects
    recollection = Recollection(memory)
    recalled = recollection.recall(vectors[-1:].astype(np.float32))
    np.testing.assert_allclose(recalled[0], expected, rtol=1e-4, atol=1e-5)
    assert ("_by_number" in vars(recollection)) == (not_zero < 128), "zeros are left out where they are most numbers"
    if not_zero >= 128:
        assert max(block.size for block in recollection._blocks) < 9216, "a product that may wake other threads"


def test_a_policy_reads_what_is_recalled_in_place_of_the_vector() -> None:
    policy, plain = make_policy(memory=MEMORY), make_policy()
    recalled = Recollection(MEMORY).recall(ENCODER.encode([QUERY]))
    for made in (policy.encode([QUERY]), policy.inputs(QUERY)["query"]):
        assert made.tobytes() == recalled.tobytes()
    (expected,) = plain.decide_batch([(QUERY, {"mood": "low"})], recalled)
    assert policy.decide(QUERY, {"mood": "low"}) == expected
    assert policy.decide(QUERY, {"mood": "low"}) != plain.decide(QUERY, {"mood": "low"})


def test_a_memory_that_does_not_fit_makes_no_policy() -> None:
    with pytest.raises(PolicyError, match=r"memory\.effects is float32\(3, 31\), expected float32\(3, 32\)"):
        make_policy(memory=replace(MEMORY, effects=MEMORY.effects[:, 1:]))
    with pytest.raises(PolicyError, match=r"memory\.found is float32\(3, 31\), expected float32\(3, 32\)"):
        make_policy(memory=replace(MEMORY, found=MEMORY.found[:, 1:]))
    with pytest.raises(PolicyError, match=r"memory\.found is float64\(3, 32\), expected float32\(3, 32\)"):
        make_policy(memory=replace(MEMORY, found=MEMORY.found.astype(np.float64)))
    with pytest.raises(PolicyError, match=r"memory\.found is float32\(2, 32\), expected float32\(3, 32\)"):
        make_policy(memory=replace(MEMORY, found=MEMORY.found[1:]))
    with pytest.raises(PolicyError, match=r"memory\.vectors is float32\(3, 32\), expected float32\(3, 64\)"):
        make_policy(memory=MEMORY, encoder=HashingEncoder(64))
    with pytest.raises(PolicyError, match=r"'bandwidth' must be a number above 0, 1000 at most"):
        make_policy(memory=replace(MEMORY, bandwidth=math.nan))
    with pytest.raises(PolicyError, match=r"'concentration' must be a number above 0, 1000 at most"):
        make_policy(memory=replace(MEMORY, concentration=1001.0))
    with pytest.raises(PolicyError, match=r"'recurrence' must be a number from 0 to 1"):
        make_policy(memory=replace(MEMORY, recurrence=1.1))


@pytest.mark.parametrize(
    "ends",
    [{"recurrence": 0}, {"recurrence": 1}, {"bandwidth": 1000, "concentration": 1000}, {"bandwidth": 5e-324}],
)
def test_a_memory_at_the_ends_of_its_ranges_makes_a_policy(ends: dict[str, float]) -> None:
    policy = make_policy(memory=replace(MEMORY, **ends))  # type: ignore[arg-type]
    for query in (QUERY, "Something else?", ""):
        assert all(math.isfinite(score) for score in policy.decide(query).scores.values())
