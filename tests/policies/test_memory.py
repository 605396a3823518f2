"""What a memory recalls, by its formula, and that a policy decides on that."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import PolicyError
from raise_agent.policies.memory import Memory, Recollection
from raise_agent.policies.network import Array

from .support import MEMORY, QUERY, SHAPE, TRAINED_ON, make_policy

ENCODER = HashingEncoder(SHAPE.query_dimension)


def rounded(vector: Array) -> list[float]:
    return [round(number * 3900) / 3900 for number in vector.tolist()]


@pytest.mark.parametrize("query", [QUERY, TRAINED_ON[2], "Something else?", ""])
@pytest.mark.parametrize(("bandwidth", "concentration"), [(0.1, 40.0), (3, 30), (40.0, 0.1)])
def test_what_is_recalled_is_the_sum_of_the_docstring(query: str, bandwidth: float, concentration: float) -> None:
    memory = replace(MEMORY, bandwidth=bandwidth, concentration=concentration)
    vector = ENCODER.encode([query])
    cosines = [sum(a * b for a, b in zip(rounded(vector[0]), rounded(kept), strict=True)) for kept in MEMORY.vectors]
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
    whole = np.rint(vectors.astype(np.float32) * np.float32(3900)).astype(np.int64)
    cosines = whole[:-1] @ whole[-1] / 3900**2
    likely = np.exp(30.0 * cosines)
    expected = 0.4 * likely @ found / likely.sum() + 0.6 * np.exp(3.0 * (cosines - 1.0)) @ effects
    recollection = Recollection(memory)
    recalled = recollection.recall(vectors[-1:].astype(np.float32))
    np.testing.assert_allclose(recalled[0], expected, rtol=1e-6, atol=1e-6)
    assert ("_by_number" in vars(recollection)) == (not_zero < 128), "zeros are left out where they are most numbers"
    if not_zero >= 128:
        assert max(block.size for block in recollection._blocks) < 9216, "a product that may wake other threads"


NEARNESS = """
import hashlib
import numpy as np
from raise_agent.policies.memory import Memory, Recollection
rng = np.random.default_rng(0)
vectors = rng.normal(size=(900, 256))
vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
effects = np.zeros((700, 3), np.float32)
near = []
class Listening(Recollection):
    def _nearness(self, query):
        near.append(super()._nearness(query))
        return near[-1]
recollection = Listening(Memory(vectors[:700], effects, effects, 3.0, 30.0, 0.5))
for query in vectors[700:]:
    recollection.recall(query[None])
    recollection.recall(np.where(np.arange(256) < 50, query, np.float32(0))[None])
print(hashlib.sha256(np.concatenate(near).tobytes()).hexdigest())
"""


def test_every_processor_finds_queries_as_near_to_the_last_bit() -> None:
    found = set()
    for kind in ("Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen"):
        # OpenBLAS then multiplies as it would on that processor; another BLAS takes no notice.
        environment = {**os.environ, "OPENBLAS_CORETYPE": kind}
        made = subprocess.run(
            [sys.executable, "-c", NEARNESS], env=environment, capture_output=True, text=True, check=True, timeout=120
        )
        found.add(made.stdout)
    assert len(found) == 1


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
