"""The static encoder runs without model2vec: its word pieces are the library's, its vectors those of model2vec."""

from __future__ import annotations

import functools
import json
import random
import sys
import time
import tracemalloc
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model2vec import StaticModel
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer  # type: ignore[import-untyped]

from raise_agent.data.synthetic import query_stock
from raise_agent.encoders import load_encoder, make_encoder, save_encoder
from raise_agent.encoders.base import MINILM
from raise_agent.encoders.sentence_transformer import find_model
from raise_agent.encoders.static import StaticEncoder
from raise_agent.encoders.wordpiece import WordPieces
from raise_agent.errors import ConfigError, PolicyError

CHANGED_SINCE = "\u166d\u1734\u1885\u1886"
"""Characters that Unicode has moved to another category since the library's tables were made."""


NO_FLAGS = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
"""Of an added token."""


@functools.cache
def minilm() -> tuple[Tokenizer, WordPieces]:
    """The library's tokeniser and ours, both with the vocabulary of all-MiniLM-L6-v2."""
    file = Path(find_model(MINILM)) / "tokenizer.json"
    oracle = Tokenizer.from_file(str(file))
    oracle.no_truncation()
    oracle.no_padding()
    return oracle, WordPieces(json.loads(file.read_text(encoding="utf-8")))


def agree(text: str) -> None:
    oracle, pieces = minilm()
    assert pieces.numbers(text) == oracle.encode(text, add_special_tokens=False).ids, ascii(text)


def old(character: str) -> bool:
    """Whether Unicode 3.2 had it, so that no table lacks it."""
    known = unicodedata.ucd_3_2_0.category(character) not in ("Cn", "Cs")
    return known and character not in CHANGED_SINCE


# Word pieces


def test_every_character_of_old_is_split_as_the_library_does() -> None:
    characters = [c for c in map(chr, range(sys.maxunicode + 1)) if old(c)]
    # Most are Chinese or Korean and alike: every tenth will do.
    characters = [c for c in characters if unicodedata.category(c) not in ("Lo", "Co") or ord(c) % 10 == 0]
    assert len(characters) > 10_000
    for start in range(0, len(characters), 500):
        agree(" ".join(f"a{c}b {c}" for c in characters[start : start + 500]))


@settings(max_examples=600)
@given(st.text(st.characters(exclude_categories=["Cs", "Cn"]).filter(old), max_size=60))
def test_any_text_is_split_as_the_library_does(text: str) -> None:
    agree(text)


def test_mixed_texts_are_split_as_the_library_does() -> None:
    """Mostly ASCII with other scripts, accents and odd spaces in between: what random Unicode seldom makes."""
    rng = random.Random(0)
    plain = [chr(i) for i in range(128)] + list("   etaoinshr")
    other = [c for c in map(chr, range(0x3100)) if old(c)] + list("中文😀가각ΑΣİıﬁ\u0301\u0300\u200d\ufe0f")
    for _ in range(4000):
        agree("".join(rng.choice(plain if rng.random() < 0.8 else other) for _ in range(rng.randrange(60))))


def test_queries_are_split_as_the_library_does() -> None:
    for query in query_stock():
        agree(query.query)


@pytest.mark.parametrize(
    "text",
    [
        "naïve café, Ångström",
        "cafe\u0301 e\u0301\u0301",
        "ΟΔΥΣΣΕΥΣ ΑΣ σς",
        "İstanbul ıI straße STRASSE ﬁne",
        "我想辞职 日本語は 한국어 中a文",
        "😀👩\u200d👩\u200d👧 sad😢face",
        "a\x00b\x0bc\x1cd\x85e\u200bf\ufffdg\ue000h",
        "a\xa0b\u3000c\u2028d\u2003e",
        "don't I’m 'quoted' “so” -- well... $5 a^b ~c` <d>",
        "x" * 100 + " " + "x" * 101 + " " + "é" * 100 + " " + "e\u0301" * 100,
        "unaffordable antidisestablishmentarianism zzzzqqq xyz##abc",
        "[UNK] a[PAD]b [[CLS]] [mask] [MASK ]",
        "",
        " \n\t",
    ],
)
def test_corner_cases_are_split_as_the_library_does(text: str) -> None:
    agree(text)


def test_the_first_and_the_last_of_each_block_of_chinese_characters_stand_apart_as_with_the_library() -> None:
    for edge in "\u3400\u4dbf\u4e00\u9fff\uf900\ufaff\U00020000\U0002a6df\U0002a700\U0002b81f\U0002b920\U0002ceaf":
        agree(" ".join(f"a{chr(ord(edge) + step)}b" for step in (-1, 0, 1)))
    agree("a\U0002f7ffb a\U0002f800b a\U0002fa1fb a\U0002fa20b")


# Vectors


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as model2vec makes it of all-MiniLM-L6-v2, with random vectors."""
    folder = tmp_path_factory.mktemp("large")
    oracle, pieces = minilm()
    vectors = np.random.default_rng(0).normal(0, 0.5, (len(pieces), 64)).astype(np.float16)
    StaticModel(vectors, oracle, config={"model_type": "model2vec"}, normalize=True).save_pretrained(folder)
    return folder


def test_vectors_are_those_of_model2vec(large: Path, tmp_path: Path) -> None:
    """Which rounds to half precision; texts that are cut at 512 pieces, or at characters before, among them."""
    texts = [query.query for query in query_stock()[::5]]
    texts += ["debt and stress " * 400, "!" * 3000, "x" * 5000, "antidisestablishmentarianism " * 300]
    texts += ["zzz\u0e00 sleep", "[UNK]", "\u0e00", "", "naïve 中文 😀"]
    save_encoder(StaticEncoder(str(large)), tmp_path / "encoder")
    for folder in (large, tmp_path / "encoder" / "model"):
        expected = StaticModel.from_pretrained(folder).encode(texts).astype(np.float32)
        assert StaticEncoder(str(large)).encode(texts) == pytest.approx(expected, abs=1e-3)
        assert np.count_nonzero(np.linalg.norm(expected, axis=1)) == len(texts) - 4


def test_single_precision_and_no_limit_are_those_of_model2vec(large: Path, tmp_path: Path) -> None:
    vectors = load_file(large / "model.safetensors")["embeddings"].astype(np.float32) * 3
    made = StaticModel(vectors, minilm()[0], config={"model_type": "model2vec"}, normalize=True, max_length=None)
    made.save_pretrained(tmp_path)
    texts = ["debt and stress and sleep " * 400 + "home", "should i move"]
    ours = StaticEncoder(str(tmp_path))
    assert ours.encode(texts) == pytest.approx(made.encode(texts), abs=1e-5)
    assert ours.encode([texts[0][:-4]]).tobytes() != ours.encode(texts[:1]).tobytes()


def test_sums_are_exact(large: Path) -> None:
    """So that no processor can round in another order: the order of words changes not a bit."""
    encoder, rng = StaticEncoder(str(large)), random.Random(0)
    words = [word for query in query_stock()[:12] for word in query.query.split()]
    first = encoder.encode([" ".join(words)]).tobytes()
    for _ in range(20):
        rng.shuffle(words)
        assert encoder.encode([" ".join(words)]).tobytes() == first


@pytest.mark.parametrize("text", ["x", "é", "中", "\u0301", "[", " ", "\x00", "ab ", "\ud800", "x" * 99 + " "])
def test_a_text_of_a_megabyte_takes_no_longer_than_it_counts(large: Path, text: str) -> None:
    encoder = StaticEncoder(str(large))
    began = time.process_time()
    encoder.encode([text * (10**6 // len(text))])
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("text", ["z", "a", "z" * 100 + " ", "z" * 100 + "!", "é", "\u0315\u0300", "\U0001d165\u302e"])
def test_a_text_of_any_length_takes_time_in_proportion_whatever_the_vocabulary(tmp_path: Path, text: str) -> None:
    """Pieces of every length that never fit, the longest words and tokens allowed, and no limit of what counts."""
    spoilt = ["z" * n + "y" for n in range(1, 100)] + ["##" + "z" * n + "y" for n in range(1, 100)]
    added = ["a" * 90 + f"b{n}" for n in range(127)]
    tokens = ["[UNK]", "z", "##z", "b" * 200_000, *spoilt, *added]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer: dict[str, Any] = json.loads(minilm()[0].to_str())
    tokenizer["model"]["vocab"] = vocabulary
    tokenizer["added_tokens"] = [
        {"id": vocabulary[token], "content": token, "special": True} | NO_FLAGS for token in added
    ]
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (tmp_path / "config.json").write_text('{"model_type": "model2vec", "max_length": null}', encoding="utf-8")
    save_file({"embeddings": np.ones((len(tokens), 4), np.float16)}, tmp_path / "model.safetensors")
    encoder = StaticEncoder(str(tmp_path))
    began = time.process_time()
    encoder.encode([text * (50_000 // len(text))])
    assert time.process_time() - began < 2


def test_threads_get_what_one_gets(large: Path) -> None:
    texts = [query.query for query in query_stock()[:200]]
    alone = StaticEncoder(str(large)).encode(texts)
    shared = StaticEncoder(str(large))
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(shared.encode, [texts] * 16):
            assert found.tobytes() == alone.tobytes()


# Folders that cannot be used


@pytest.fixture
def saved(network: Path, small: StaticEncoder, tmp_path: Path) -> Path:
    save_encoder(small, tmp_path / "encoder")
    return tmp_path / "encoder"


@pytest.fixture(scope="module")
def small(network: Path) -> StaticEncoder:
    return StaticEncoder(str(network), dimension=8, texts=40)


def refused(saved: Path, reason: str) -> None:
    with pytest.raises(PolicyError, match=reason):
        load_encoder(saved)
    with pytest.raises(ConfigError, match=reason):
        make_encoder("static", model=str(saved / "model"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: {"embeddings": v[:-1]}, r"word pieces, but vectors of shape \(\d+, 8\)"),
        (lambda v: {"embeddings": np.vstack([v, v[:1]])}, "word pieces, but vectors of shape"),
        (lambda v: {"embeddings": v[:, :0]}, "word pieces, but vectors of shape"),
        (lambda v: {"embeddings": v[:, 0].copy()}, "word pieces, but vectors of shape"),
        (lambda v: {"embeddings": np.where(v == v.max(), np.float16(np.nan), v)}, "not finite"),
        (lambda v: {"embeddings": np.where(v == v.max(), np.float16(np.inf), v)}, "not finite"),
        (lambda v: {"embeddings": v.astype(np.int8)}, "must be float16 or float32, not int8"),
        (lambda v: {"embeddings": v, "weights": v[:, 0].copy()}, r"alone, not \['embeddings', 'weights'\]"),
        (lambda v: {"embeddings": v, "mapping": np.arange(len(v))}, "without quantising the vocabulary"),
        (lambda v: {"vectors": v}, r"alone, not \['vectors'\]"),
    ],
)
def test_vectors_that_cannot_be_used_are_refused(
    saved: Path, change: Callable[[Any], dict[str, Any]], reason: str
) -> None:
    file = saved / "model/model.safetensors"
    save_file({name: np.ascontiguousarray(v) for name, v in change(load_file(file)["embeddings"]).items()}, file)
    refused(saved, reason)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("model.type", "BPE", "'model' has type 'BPE', not 'WordPiece'; a static encoder needs BERT's uncased"),
        ("model.continuing_subword_prefix", "@@", "'model' has continuing_subword_prefix '@@', not '##'"),
        ("model.max_input_chars_per_word", 0, "'max_input_chars_per_word' must be a whole number"),
        ("model.max_input_chars_per_word", True, "'max_input_chars_per_word' must be a whole number"),
        ("model.max_input_chars_per_word", 101, "'max_input_chars_per_word' must be a whole number, 1 to 100"),
        ("model.max_input_chars_per_word", 10**12, "'max_input_chars_per_word' must be a whole number, 1 to 100"),
        ("model.unk_token", "<unk>", "'unk_token' must be one of the vocabulary"),
        ("model.vocab", {}, "'vocab' must map tokens to whole numbers"),
        ("model.vocab", [["a", 0]], "'vocab' must map tokens to whole numbers"),
        ("model.vocab.sleep", 3.0, "'vocab' must map tokens to whole numbers"),
        ("model.vocab.sleep", 10**6, "must be 0, 1, 2 and so on"),
        ("model.vocab.sleep", -1, "must be 0, 1, 2 and so on"),
        ("model.vocab.sleep", 0, "must be 0, 1, 2 and so on"),
        ("model", None, "'model' has type None"),
        ("normalizer", None, "'normalizer' has type None, not 'BertNormalizer'"),
        ("normalizer.lowercase", False, "'normalizer' has lowercase False, not True"),
        ("normalizer.lowercase", 1, "'normalizer' has lowercase 1, not True"),
        ("normalizer.strip_accents", False, "'normalizer' has strip_accents False"),
        ("pre_tokenizer.type", "Whitespace", "'pre_tokenizer' has type 'Whitespace', not 'BertPreTokenizer'"),
        ("added_tokens", [{"id": 9, "content": "<x>", "lstrip": False}], "added token '<x>' must be in the vocab"),
        ("added_tokens.0.lstrip", True, "with none of single_word, lstrip"),
        (
            "added_tokens",
            [{"id": 0, "content": "x" * 101}],
            "at most 128 tokens may be added, of at most 100 characters",
        ),
        ("added_tokens", [{"id": 0, "content": "[PAD]"} | NO_FLAGS] * 129, "at most 128 tokens may be added"),
        ("added_tokens", [3], "its files are missing or damaged"),
    ],
)
def test_a_tokeniser_that_is_not_berts_is_refused(saved: Path, path: str, value: object, reason: str) -> None:
    file = saved / "model/tokenizer.json"
    tokenizer = json.loads(file.read_text(encoding="utf-8"))
    inner, *steps = tokenizer, *path.split(".")
    for step in steps[:-1]:
        inner = inner[int(step) if step.isdigit() else step]
    inner[steps[-1]] = value
    file.write_text(json.dumps(tokenizer), encoding="utf-8")
    refused(saved, reason)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"max_length": 0}, "'max_length' must be a whole number"),
        ({"max_length": "512"}, "'max_length' must be a whole number"),
        ({"pooling": "max"}, "'pooling' must be 'mean', not 'max'"),
    ],
)
def test_settings_that_are_not_known_are_refused(saved: Path, config: dict[str, Any], reason: str) -> None:
    file = saved / "model/config.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **config}), encoding="utf-8")
    refused(saved, reason)


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json"])
def test_json_that_two_readers_could_read_otherwise_is_refused(saved: Path, name: str) -> None:
    file = saved / "model" / name
    text = file.read_text(encoding="utf-8").rstrip().removesuffix("}")
    for more, reason in (('"x": 1, "x": 2', "an object names a key twice"), ('"x": NaN', "not valid JSON")):
        file.write_text(f"{text}, {more}}}", encoding="utf-8")
        refused(saved, rf"cannot be loaded \({name}: {reason}\); its files are missing or damaged")


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json"])
def test_json_that_would_fill_the_memory_is_not_parsed(saved: Path, name: str) -> None:
    with open(saved / "model" / name, "ab") as file:
        file.write(b" " * (17 * 2**20))
    tracemalloc.start()
    with pytest.raises(PolicyError, match=rf"\({name}: larger than 16 MiB\)"):
        load_encoder(saved)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 17 * 2**20, f"{peak} bytes"


@pytest.mark.parametrize(
    "settings", ['{"name": "static", "name": "static", "settings": {}}', '{"name": "static", "settings": {"x": NaN}}']
)
def test_a_description_that_two_readers_could_read_otherwise_is_refused(saved: Path, settings: str) -> None:
    (saved / "encoder.json").write_text(settings, encoding="utf-8")
    with pytest.raises(PolicyError, match=r"an object names a key twice|not valid JSON"):
        load_encoder(saved)


@pytest.mark.parametrize("text", ["[]", "3", '"x"', "[" * 100_000, "\xff", ""])
def test_a_tokeniser_that_is_no_object_is_refused(saved: Path, text: str) -> None:
    (saved / "model/tokenizer.json").write_text(text, encoding="latin-1")
    refused(saved, "its files are missing or damaged")
