"""Word pieces learn which texts ask for the same, in a world where only some of them say what is asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
import torch

from raise_agent.encoders import load_encoder, save_encoder
from raise_agent.encoders.contrast import tell_apart
from raise_agent.encoders.static import StaticEncoder
from raise_agent.errors import MissingExtraError

if TYPE_CHECKING:
    from tests.conftest import Cli

REQUESTS, OWN, FILLERS, WIDTH = 300, 4, 40, 64
PIECES = REQUESTS * OWN + FILLERS + 1
UNMET = PIECES - 1
"""A piece that no text holds."""

Vectors = npt.NDArray[np.float32]


def world() -> tuple[Vectors, list[list[list[int]]], list[list[int]]]:
    """Vectors of pieces, three wordings of each request, and a fourth to recognise it by.

    A wording holds two of four pieces that only this request has, and six of forty that all have.
    """
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((PIECES, WIDTH)).astype(np.float32)

    def wording(request: int) -> list[int]:
        own = rng.choice(OWN, 2, replace=False) + request * OWN
        return [*own.tolist(), *(rng.choice(FILLERS, 6, replace=False) + REQUESTS * OWN).tolist()]

    wordings = [[wording(request) for _ in range(4)] for request in range(REQUESTS)]
    return vectors, [texts[:3] for texts in wordings], [texts[3] for texts in wordings]


def recognised(vectors: Vectors, known: list[list[list[int]]], new: list[list[int]]) -> float:
    """The share of new wordings that lie nearest to the middle of their own request's."""

    def directions(texts: list[list[int]]) -> npt.NDArray[np.float64]:
        sums = np.array([vectors[text].sum(axis=0, dtype=np.float64) for text in texts])
        return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True))

    middles = np.array([directions(texts).sum(axis=0) for texts in known])
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    nearest = (directions(new) @ middles.T).argmax(axis=1)
    return float((nearest == np.arange(len(known))).mean())


def test_new_wordings_are_recognised_better_and_the_more_so_the_longer_it_learns() -> None:
    vectors, known, new = world()
    bare = [[[piece for piece in text if piece < REQUESTS * OWN] for text in texts] for texts in known]
    best = recognised(vectors, bare, [[piece for piece in text if piece < REQUESTS * OWN] for text in new])
    shares = [recognised(tell_apart(vectors, known, passes, seed=0), known, new) for passes in (0, 10, 60)]
    assert shares[0] == recognised(vectors, known, new) < shares[1] < shares[2]
    # Somebody who knew which pieces are fillers would leave them out.
    assert shares[2] > 0.9 * best > 0.7


def test_it_learns_alike_at_any_scale() -> None:
    vectors, known, _ = world()
    np.testing.assert_array_equal(
        tell_apart(64 * vectors, known, 2, seed=0), 64 * tell_apart(vectors, known, 2, seed=0)
    )


def test_pieces_that_no_wording_holds_stay_as_they_are() -> None:
    vectors, known, _ = world()
    learned = tell_apart(vectors, known, 20, seed=0)
    met = np.zeros(PIECES, bool)
    met[[piece for texts in known for text in texts for piece in text]] = True
    assert not met[UNMET]
    np.testing.assert_array_equal(learned[~met], vectors[~met])
    assert (learned[met] != vectors[met]).any(axis=1).all()


def test_a_request_alone_teaches_nothing() -> None:
    vectors, known, _ = world()
    np.testing.assert_array_equal(tell_apart(vectors, [], 3, seed=0), vectors)
    learned = tell_apart(vectors, known[:1], 3, seed=0)
    np.testing.assert_array_equal(learned, vectors)


def test_what_all_requests_share_comes_to_count_less() -> None:
    vectors, known, _ = world()
    lengths = np.linalg.norm(tell_apart(vectors, known, 60, seed=0), axis=1) / np.linalg.norm(vectors, axis=1)
    own, fillers = lengths[: REQUESTS * OWN], lengths[REQUESTS * OWN : UNMET]
    assert fillers.max() < 1 < np.median(own)


def test_without_a_direction_there_is_nothing_to_learn() -> None:
    _, known, _ = world()
    nothing = np.zeros((PIECES, WIDTH), np.float32)
    np.testing.assert_array_equal(tell_apart(nothing, known, 2, seed=0), nothing)
    half = world()[0]
    half[: PIECES // 2 + 5] = 0
    assert np.isfinite(tell_apart(half, known, 2, seed=0)).all()


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, known, _ = world()
    threads, randperm = set[int](), torch.randperm

    def watched(count: int) -> torch.Tensor:
        threads.add(torch.get_num_threads())
        return randperm(count)

    monkeypatch.setattr(torch, "randperm", watched)
    torch.manual_seed(5)
    after, before = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        learned = tell_apart(vectors, known, 2, seed=1)
    finally:
        torch.set_num_threads(before)
    assert threads == {1}
    assert torch.equal(torch.get_rng_state(), after)
    assert tell_apart(vectors, known, 2, seed=1).tobytes() == learned.tobytes()
    assert tell_apart(vectors, known, 2, seed=2).tobytes() != learned.tobytes()


@pytest.fixture(scope="module")
def encoder(network: Path) -> StaticEncoder:
    return StaticEncoder(str(network), dimension=16, texts=0)


def test_an_encoder_that_learned_is_another_and_travels_like_any(encoder: StaticEncoder, tmp_path: Path) -> None:
    texts = ["how do i cope with job loss", "is it money", "what should eat"]
    requests = [["my job loss", "how do i leave my job"], ["what should i eat", "do i eat"], ["sleep"], ["", "money"]]
    before = encoder.encode(texts)
    learned = encoder.telling_apart(requests, 5, seed=0)
    assert np.array_equal(encoder.encode(texts), before)
    assert not np.array_equal(learned.encode(texts), before)
    assert np.array_equal(learned.encode(["money"]), encoder.encode(["money"]))
    assert np.linalg.norm(learned.encode(texts), axis=1) == pytest.approx(1.0)
    save_encoder(learned, tmp_path / "learned")
    assert np.array_equal(load_encoder(tmp_path / "learned").encode(texts), learned.encode(texts))


def test_without_torch_the_extra_that_brings_it_is_named(
    encoder: StaticEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("contrast", "pieces"):
        monkeypatch.delitem(sys.modules, f"raise_agent.encoders.{module}")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"^telling requests apart needs .*'raise-agent\[research\]'$"):
        encoder.telling_apart([["my job", "job"]], 1, seed=0)


def test_a_policy_keeps_what_a_static_encoder_learned_of_its_queries(cli: Cli, tmp_path: Path, network: Path) -> None:
    cli("plan", "data.n=40", "planner=greedy")
    static = ("encoder=static", f"encoder.model={network}", "encoder.texts=0", "encoder.dimension=16")
    runs = {
        "learned": static,
        "again": static,
        "plain": (*static, "distill.contrast=0"),
        "unread": (*static, "distill.wordings=0"),
    }
    for run, settings in runs.items():
        cli("distill", "data.n=40", "distill.epochs=1", *settings, f"hydra.run.dir={run}")
    (kept,) = (tmp_path / "runs" / "encoders").glob("*/model/model.safetensors")
    vectors = {
        run: (tmp_path / run / "policy" / "encoder" / "model" / "model.safetensors").read_bytes() for run in runs
    }
    assert vectors["plain"] == vectors["unread"] == kept.read_bytes() != vectors["learned"] == vectors["again"]
    weights = {run: (tmp_path / run / "policy" / "weights.safetensors").read_bytes() for run in runs}
    assert weights["learned"] == weights["again"] != weights["plain"] != weights["unread"]
