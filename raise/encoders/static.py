"""A static encoder, distilled from a sentence-transformers model by model2vec: numpy alone to run it.

Distilling all-MiniLM-L6-v2 takes minutes and gives about 15 MB, which travel inside the policy folder. A text's vector
is the mean over its pieces, scaled to length 1.
Sums of float16 are exact here, so that a folder gives the same vectors on every machine; model2vec itself rounds each
step to float16 and differs by up to 1e-3. Distilled again, on one machine and by the same versions, a model gives the
same bytes, however many cores it has; on another, float16 may round the last digit otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from raise_agent.errors import ConfigError, MissingExtraError, PolicyError
from raise_agent.strict_json import MAX_JSON_BYTES, JsonError, parse_json, read_bounded

from .base import MINILM
from .wordpiece import WordPieces

_FOLDER = "model"
_CONFIG, _TOKENIZER, _VECTORS = "config.json", "tokenizer.json", "model.safetensors"
_MAX_LENGTH = 512
"""Of a text in word pieces, where the folder names none; model2vec's."""


class StaticEncoder:
    """One vector per word piece, averaged.

    Args:
        model: a folder that model2vec saved, or a sentence-transformers model to distil first.
        dimension: length of the vectors when distilling, 1 or more; at most the distilled model's own.
        texts: made-up texts to learn from when distilling, 0 or more; 0 leaves the vectors as model2vec makes them.
    """

    name = "static"

    def __init__(self, model: str = MINILM, dimension: int = 256, texts: int = 16_000) -> None:
        self._model = open_model(Path(model)) if is_static(Path(model)) else _made(model, dimension, texts)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._model.vectors.shape[1])

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (texts, dimension); a text without a known word gives zeros.

        A text counts up to 512 word pieces, or what the folder says.
        """
        encoded = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(encoded, texts, strict=True):
            numbers = self._model.numbers(text)
            if numbers:
                total = np.add.reduce(self._model.vectors.take(numbers, axis=0), axis=0, dtype=np.float64)
                # Added by numpy, not BLAS: in the same order on every processor.
                norm = math.sqrt(np.add.reduce(total * total))
                if norm > 0:
                    row[:] = total / norm
        return encoded

    def telling_apart(self, requests: Sequence[Sequence[str]], passes: int, seed: int) -> StaticEncoder:
        """One of the same pieces, to which wordings of one request are more alike than those of others.

        Takes seconds for a thousand requests.

        Args:
            requests: wordings of each; of those that have two or more it learns.
            passes: over all of them (see ``contrast``).
            seed: of what is drawn.

        Raises:
            MissingExtraError: torch is missing.
        """
        try:
            from .contrast import tell_apart
        except ImportError as error:
            raise MissingExtraError("telling requests apart", "research") from error

        cut = [[numbers for text in wordings if (numbers := self._model.numbers(text))] for wordings in requests]
        vectors = tell_apart(self._model.vectors, [texts for texts in cut if len(texts) > 1], passes, seed)
        taught = copy(self)
        taught._model = replace(self._model, vectors=vectors.astype(self._model.vectors.dtype))
        return taught

    def save(self, folder: Path) -> Mapping[str, Any]:
        """The vectors and the tokeniser, in a folder that model2vec can load too."""
        made = folder / _FOLDER
        made.mkdir()
        (made / _CONFIG).write_bytes(self._model.config)
        (made / _TOKENIZER).write_bytes(self._model.tokenizer)
        (made / _VECTORS).write_bytes(save({"embeddings": self._model.vectors}))
        return {}

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any]) -> StaticEncoder:
        """The encoder that was saved; what is damaged is never distilled anew.

        Raises:
            PolicyError: the folder holds no model of model2vec.
            ConfigError: it holds one that is damaged, or of a kind that cannot be used.
        """
        saved = folder / _FOLDER
        if not is_static(saved):
            raise PolicyError(f"{saved}: holds no static encoder; export the policy again")
        return cls(str(saved))


def is_static(path: Path) -> bool:
    """Whether model2vec saved this folder."""
    config = path / _CONFIG
    if not config.is_file():
        return False
    with config.open("rb") as stream:
        return b'"model2vec"' in stream.read(MAX_JSON_BYTES)


@dataclass(frozen=True, slots=True)
class Model:
    """A folder of model2vec."""

    config: bytes
    tokenizer: bytes
    """The two files as they are."""
    vectors: npt.NDArray[np.floating[Any]]
    """Shape (word pieces, dimension), float16 or float32."""
    pieces: WordPieces
    max_length: int | None
    """Most word pieces of a text that count; None: all."""

    def numbers(self, text: str) -> list[int]:
        """Rows of ``vectors`` for a text. As model2vec cuts it: characters first, then pieces, unknown ones last."""
        most = self.max_length
        found = self.pieces.numbers(text if most is None else text[: most * self.pieces.median_length])[:most]
        unknown = self.pieces.unknown
        return [number for number in found if number != unknown] if unknown in found else found


def open_model(path: Path) -> Model:
    """A folder of model2vec, checked.

    Raises:
        ConfigError: it is damaged, or of a kind that cannot be used.
    """
    try:
        config, said = _json(path / _CONFIG)
        tokenizer, cut = _json(path / _TOKENIZER)
        tensors = load_file(path / _VECTORS)
        pieces = WordPieces(cut)
        most = said.get("max_length", _MAX_LENGTH)
        pooling = said.get("pooling", "mean")
    except ConfigError as error:
        raise ConfigError(f"static encoder {path}: {error}") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SafetensorError) as error:
        reason = str(error) if isinstance(error, JsonError) else type(error).__name__
        raise ConfigError(
            f"static encoder {path} cannot be loaded ({reason}); its files are missing or damaged"
        ) from error
    if most is not None and (type(most) is not int or most < 1):
        raise ConfigError(f"static encoder {path}: 'max_length' must be a whole number, 1 or more, or null")
    if pooling != "mean":
        raise ConfigError(f"static encoder {path}: 'pooling' must be 'mean', not {pooling!r}")
    if set(tensors) != {"embeddings"}:
        raise ConfigError(
            f"static encoder {path}: {_VECTORS} must hold 'embeddings' alone, not {sorted(tensors)}; distil without "
            "quantising the vocabulary"
        )
    vectors = tensors["embeddings"]
    if vectors.dtype not in (np.float16, np.float32):
        raise ConfigError(f"static encoder {path}: vectors must be float16 or float32, not {vectors.dtype}")
    if vectors.ndim != 2 or vectors.shape[0] != len(pieces) or vectors.shape[1] < 1:
        raise ConfigError(f"static encoder {path}: {len(pieces)} word pieces, but vectors of shape {vectors.shape}")
    if not _all_finite(vectors):
        raise ConfigError(f"static encoder {path}: vectors hold values that are not finite")
    return Model(config, tokenizer, vectors, pieces, most)


def _json(file: Path) -> tuple[bytes, Any]:
    """A file as it is, and what it says."""
    try:
        data = read_bounded(file)
        return data, parse_json(data)
    except JsonError as error:
        raise JsonError(f"{file.name}: {error}") from None


def _all_finite(vectors: npt.NDArray[np.floating[Any]]) -> bool:
    """As ``np.isfinite``, which takes five times as long for float16."""
    if vectors.dtype != np.float16:
        return bool(np.isfinite(vectors).all())
    # All numbers are smaller than infinity, which is all ones in the exponent; what is none is larger.
    return bool((vectors.view(np.uint16) & 0x7FFF).max() < np.float16(np.inf).view(np.uint16))


def _made(model: str, dimension: int, texts: int) -> Model:
    # Not before: whoever loads what was distilled needs none of it.
    from .static_distillation import distil

    return distil(model, dimension, texts)
