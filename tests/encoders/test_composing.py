"""Word pieces learn to add up to what a model makes of whole texts, held against a world in which they do."""

from __future__ import annotations

import json
import re
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from model2vec.distill import distill

from raise_agent.encoders import composing
from raise_agent.encoders.composing import learn_pieces, made_up_texts
from raise_agent.encoders.sentence_transformer import SentenceTransformerEncoder, quiet
from raise_agent.encoders.static import StaticEncoder
from raise_agent.errors import ConfigError

WORDS = [f"w{'abcdefghij'[i // 100]}{'abcdefghij'[i // 10 % 10]}{'abcdefghij'[i % 10]}" for i in range(300)]
CARRIERS = resources.files("raise_agent.encoders").joinpath("carriers.txt").read_text(encoding="utf-8").splitlines()
PIECES, WIDTH = 60, 12

Vectors = npt.NDArray[np.float64]


def unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def world(n: int, seed: int = 0) -> tuple[Vectors, list[list[int]], Vectors]:
    """What pieces are, random texts, and the texts' vectors: of length 1, along the sum of their pieces."""
    rng = np.random.default_rng(seed)
    true = np.random.default_rng(99).standard_normal((PIECES, WIDTH))
    texts = [rng.integers(PIECES, size=rng.integers(2, 9)).tolist() for _ in range(n)]
    return true, texts, summed(true, texts)


def summed(vectors: Vectors, texts: list[list[int]]) -> Vectors:
    return unit(np.array([vectors[text].sum(axis=0) for text in texts]))


def cosines(one: Vectors, other: Vectors) -> Vectors:
    """Between all pairs of rows that are not the same, within each."""
    above = np.triu_indices(len(one), 1)
    return np.asarray(np.corrcoef((one @ one.T)[above], (other @ other.T)[above]))


# Texts


def test_texts_are_carriers_filled_and_bare_words_by_turns() -> None:
    filled = [re.compile(re.escape(carrier).replace("_", f"({'|'.join(WORDS)})")) for carrier in CARRIERS]
    texts = made_up_texts(WORDS, 400, seed=0)
    assert len(texts) == 400
    for text in texts[::2]:
        assert any(pattern.fullmatch(text) for pattern in filled)
    for text in texts[1::2]:
        assert set(text.split()) <= set(WORDS)
        assert 3 <= len(text.split()) <= 13
    assert len({text.split()[0] for text in texts[::2]}) > 20


def test_frequent_words_are_drawn_more_often() -> None:
    words = " ".join(made_up_texts(WORDS, 4000, seed=0)[1::2]).split()
    half = len(WORDS) // 2
    often, seldom = (sum(word in part for word in words) for part in (set(WORDS[:half]), set(WORDS[half:])))
    # 1 / (rank + 300) gives the halves ln(450 / 300) and ln(600 / 450).
    assert abs(often / seldom - np.log(450 / 300) / np.log(600 / 450)) < 0.1


def test_the_same_seed_gives_the_same_texts() -> None:
    assert made_up_texts(WORDS, 50, seed=3) == made_up_texts(WORDS, 50, seed=3) != made_up_texts(WORDS, 50, seed=4)


def test_carriers_are_plain_and_distinct() -> None:
    assert len(set(CARRIERS)) == len(CARRIERS) >= 100
    for carrier in CARRIERS:
        assert carrier.isascii()
        assert "_" in carrier
        assert carrier == " ".join(carrier.split())


# Learning


def test_pieces_that_were_told_wrong_are_found_by_their_texts() -> None:
    """Alone, pieces are turned by a map and of wrong lengths; texts that were not learned from tell."""
    true, texts, whole = world(3000)
    rng = np.random.default_rng(1)
    alone = true @ rng.standard_normal((WIDTH, WIDTH)) * np.exp(rng.normal(0, 0.3, (PIECES, 1)))
    learned = learn_pieces(alone, texts, whole, WIDTH).astype(np.float64)
    _, held_out, expected = world(300, seed=7)
    assert cosines(summed(learned, held_out), expected)[0, 1] > 0.96
    assert cosines(summed(alone, held_out), expected)[0, 1] < 0.8


def test_of_fewer_directions_those_are_kept_that_hold_most_of_the_texts() -> None:
    true, texts, _ = world(1500)
    turned = np.linalg.qr(np.random.default_rng(3).standard_normal((WIDTH, WIDTH)))[0]
    true = true * np.where(np.arange(WIDTH) < 4, 1.0, 0.02) @ turned
    learned = learn_pieces(true, texts, summed(true, texts), 4).astype(np.float64)
    assert learned.shape == (PIECES, 4)
    assert cosines(summed(learned, texts[:200]), summed(true, texts[:200]))[0, 1] > 0.99


def test_a_piece_that_no_text_holds_is_where_the_map_puts_it() -> None:
    """Pieces are right but for a map that all share, and the last one is never met."""
    true, texts, _ = world(3000)
    texts = [[piece for piece in text if piece < PIECES - 1] or [0] for text in texts]
    alone = true @ np.random.default_rng(2).standard_normal((WIDTH, WIDTH))
    learned = learn_pieces(alone, texts, summed(true, texts), WIDTH).astype(np.float64)
    assert cosines(unit(learned), unit(true))[0, 1] > 0.98
    last, true_last = unit(learned) @ unit(learned)[-1], unit(true) @ unit(true)[-1]
    assert np.corrcoef(last[:-1], true_last[:-1])[0, 1] > 0.95


def test_learning_is_repeated_exactly_and_leaves_randomness_alone() -> None:
    true, texts, whole = world(200)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = learn_pieces(true, texts, whole, 6)
    assert torch.equal(torch.rand(3), expected)
    assert learn_pieces(true, texts, whole, 6).tobytes() == first.tobytes()


def test_it_learns_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    fit, threads = composing._fit, []

    def watched(*given: Any) -> None:
        threads.append(torch.get_num_threads())
        fit(*given)

    monkeypatch.setattr(composing, "_fit", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        learn_pieces(*world(50), 6)
        assert (threads, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


# The encoder


def test_a_static_encoder_that_learned_is_nearer_to_its_model(network: Path) -> None:
    model = SentenceTransformerEncoder(str(network))
    texts = made_up_texts(["debt", "sleep", "job", "home", "stress", "money"], 120, seed=9)
    whole = model.encode(texts).astype(np.float64)
    plain, learned = (StaticEncoder(str(network), 32, n).encode(texts).astype(np.float64) for n in (0, 600))
    assert cosines(learned, whole)[0, 1] > cosines(plain, whole)[0, 1] + 0.05


def test_texts_are_encoded_on_one_thread(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of several threads end in other digits, which learning carries on."""
    encode, threads = SentenceTransformerEncoder.encode, []

    def watched(self: SentenceTransformerEncoder, texts: list[str]) -> Any:
        threads.append(torch.get_num_threads())
        return encode(self, texts)

    monkeypatch.setattr(SentenceTransformerEncoder, "encode", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        StaticEncoder(str(network), 16, 40)
        assert (threads, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def test_without_texts_the_vectors_are_model2vecs(network: Path) -> None:
    with quiet():
        theirs = distill(model_name=str(network), pca_dims=16, device="cpu")
    texts = ["how do i cope with debt", "what should i eat"]
    expected = unit(theirs.encode(texts).astype(np.float64))
    assert np.abs(StaticEncoder(str(network), 16, 0).encode(texts) - expected).max() < 2e-3


def test_a_vocabulary_without_words_is_told(network: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(network, other)
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {
        piece if not piece.isalpha() else f"##{piece}x": i for piece, i in vocabulary.items()
    }
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ConfigError, match="its vocabulary has no words to make texts of; set texts=0"):
        StaticEncoder(str(other), 16, 40)


def test_a_number_of_texts_below_0_is_refused(network: Path) -> None:
    with pytest.raises(ConfigError, match="encoder texts must be 0 or more, not -1"):
        StaticEncoder(str(network), 16, -1)
