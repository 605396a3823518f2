"""A small network to encode with, made on the spot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

# Before any Hugging Face library is imported, which is when they read it.
os.environ["HF_HUB_OFFLINE"] = "1"

VOCABULARY = (
    "how do i cope with my job loss and debt what should eat sleep money work stress sad happy run home friend the a "
    "to is it help quit leave"
)


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder: a random BERT of two layers, 32 wide, with a small WordPiece vocabulary."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer

    folder = tmp_path_factory.mktemp("network")
    words, letters = VOCABULARY.split(), "abcdefghijklmnopqrstuvwxyz0123456789?.,'"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *(c for c in letters if c not in words)]
    tokens += [f"##{c}" for c in letters[:36]]
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    hugging: Any = transformers  # Half of it is untyped.
    bert = hugging.BertModel(hugging.BertConfig(vocab_size=len(tokens), max_position_embeddings=64, **sizes))
    bert.save_pretrained(folder / "bert")
    hugging.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    # Of a network alone sentence-transformers makes one that takes the mean over tokens.
    SentenceTransformer(str(folder / "bert"), device="cpu").save(str(folder / "made"))
    return folder / "made"
