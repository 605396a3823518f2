"""A static encoder distilled from a sentence-transformers model by model2vec: no torch to run it.

Minishlab's model2vec averages one vector per token; distilling all-MiniLM-L6-v2 takes seconds and gives about
15 MB. It travels inside the policy folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, MissingExtraError
from .sentence_transformer import MINILM, find_model

_FOLDER = "model"


class StaticEncoder:
    """One vector per token, averaged.

    Args:
        model: a folder that model2vec saved, or a sentence-transformers model to distil first.
        dimension: length of the vectors when distilling.
    """

    name = "static"

    def __init__(self, model: str = MINILM, dimension: int = 256) -> None:
        self._model = _open(Path(model)) if _is_static(Path(model)) else _distil(model, dimension)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._model.dim)

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (texts, dimension)."""
        vectors = np.asarray(self._model.encode(list(texts)), dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        scaled: npt.NDArray[np.float32] = vectors / np.where(norms > 0, norms, 1)
        return scaled

    def save(self, folder: Path) -> Mapping[str, Any]:
        """The token vectors and the tokenizer."""
        self._model.save_pretrained(str(folder / _FOLDER))
        (folder / _FOLDER / "README.md").unlink(missing_ok=True)
        return {}

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any]) -> StaticEncoder:
        """The encoder that was saved."""
        return cls(str(folder / _FOLDER))


def _is_static(path: Path) -> bool:
    config = path / "config.json"
    return config.is_file() and '"model2vec"' in config.read_text(encoding="utf-8")


def _open(path: Path) -> Any:
    try:
        from model2vec import StaticModel
    except ImportError as error:
        raise MissingExtraError("the static encoder", "static") from error
    return StaticModel.from_pretrained(str(path))


def _distil(model: str, dimension: int) -> Any:
    try:
        from model2vec.distill import distill
    except ImportError as error:
        raise MissingExtraError("distilling a static encoder", "encoders") from error
    try:
        return distill(model_name=find_model(model), pca_dims=dimension, device="cpu")
    except (OSError, ValueError) as error:
        raise ConfigError(f"encoder model {model!r} cannot be distilled ({type(error).__name__})") from error
