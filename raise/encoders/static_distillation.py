"""Distils a sentence-transformers model into a static encoder.

Minishlab's model2vec makes one vector per word piece, and these then learn to add up to what the model makes of whole
texts (``composing``).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from raise_agent.errors import ConfigError, MissingExtraError

from .sentence_transformer import SentenceTransformerEncoder, find_model, quiet
from .static import Model, open_model


def distil(model: str, dimension: int, texts: int) -> Model:
    """A static model of a sentence-transformers model; the arguments are ``StaticEncoder``'s.

    Raises:
        ConfigError: an argument is out of range, or the model cannot be found or distilled.
        MissingExtraError: an extra is not installed.
    """
    if dimension < 1:
        raise ConfigError(f"encoder dimension must be 1 or more, not {dimension}")
    if texts < 0:
        raise ConfigError(f"encoder texts must be 0 or more, not {texts}")
    try:
        from model2vec.distill import distill
    except ImportError as error:
        raise MissingExtraError("distilling a static encoder", "encoders") from error
    # Not before: it needs torch, which comes with model2vec's extra.
    from raise_agent.threads import one_thread

    network = _network(model) if texts else None
    try:
        with quiet(), one_thread():
            found = find_model(model)
            distilled = distill(model_name=found, pca_dims=None if texts else dimension, device="cpu")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"encoder model {model!r} cannot be distilled ({type(error).__name__}); name a folder that "
            "sentence-transformers or model2vec saved, or an id where the hub can be reached"
        ) from error
    if Path(found).is_dir():
        # A policy is published with it: no path of this machine.
        distilled.config["tokenizer_name"] = Path(found).name
    with TemporaryDirectory() as scratch:
        with quiet():
            distilled.save_pretrained(scratch)
        opened = open_model(Path(scratch))
    if network is None:
        return opened
    with one_thread():
        return _learned(opened, network, dimension, texts)


def _network(model: str) -> SentenceTransformerEncoder:
    try:
        return SentenceTransformerEncoder(model)
    except MissingExtraError as error:
        raise MissingExtraError("distilling a static encoder", "encoders") from error
    except ConfigError as error:
        raise ConfigError(f"{error}; or set texts=0, for which single word pieces suffice") from error


def _learned(alone: Model, network: SentenceTransformerEncoder, dimension: int, texts: int) -> Model:
    """The same pieces, with vectors that add up to the model's own of whole texts.

    Raises:
        ConfigError: the vocabulary has no words to make texts of.
    """
    from .composing import learn_pieces, made_up_texts

    words = alone.pieces.words
    if not words:
        raise ConfigError(f"encoder model {network.model!r}: its vocabulary has no words to make texts of; set texts=0")
    cut = {text: numbers for text in made_up_texts(words, texts, seed=0) if (numbers := alone.numbers(text))}
    whole = network.encode(list(cut))
    vectors = learn_pieces(alone.vectors, list(cut.values()), whole, dimension)
    return replace(alone, vectors=vectors.astype(np.float16))
