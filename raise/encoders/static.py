"""A static encoder distilled from a sentence-transformers model by model2vec: no torch to run it.

Minishlab's model2vec averages one vector per token; distilling all-MiniLM-L6-v2 takes seconds to minutes and gives
about 15 MB. It travels inside the policy folder. Distilled again, on one machine and by the same versions, it has the
same bytes; on another, float16 may round the last digit otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from raise_agent.errors import ConfigError, MissingExtraError, PolicyError

from .sentence_transformer import MINILM, find_model, quiet, well_formed

_FOLDER = "model"


class StaticEncoder:
    """One vector per token, averaged.

    Args:
        model: a folder that model2vec saved, or a sentence-transformers model to distil first.
        dimension: length of the vectors when distilling, 1 or more; at most the distilled model's own.
    """

    name = "static"

    def __init__(self, model: str = MINILM, dimension: int = 256) -> None:
        self._model = _open(Path(model)) if is_static(Path(model)) else _distil(model, dimension)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._model.dim)

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (texts, dimension); a text without a known token gives zeros."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        vectors = np.asarray(self._model.encode(well_formed(texts)), dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(norms > 0, norms, 1), dtype=np.float32)

    def save(self, folder: Path) -> Mapping[str, Any]:
        """The token vectors and the tokenizer."""
        self._model.save_pretrained(str(folder / _FOLDER))
        (folder / _FOLDER / "README.md").unlink(missing_ok=True)
        return {}

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any]) -> StaticEncoder:
        """The encoder that was saved; what is damaged is never distilled anew.

        Raises:
            PolicyError: the folder holds no model of model2vec.
        """
        saved = folder / _FOLDER
        if not is_static(saved):
            raise PolicyError(f"{saved}: holds no static encoder; export the policy again")
        return cls(str(saved))


def is_static(path: Path) -> bool:
    """Whether model2vec saved this folder."""
    config = path / "config.json"
    return config.is_file() and '"model2vec"' in config.read_text(encoding="utf-8")


def _open(path: Path) -> Any:
    try:
        from model2vec import StaticModel
    except ImportError as error:
        raise MissingExtraError("the static encoder", "static") from error
    try:
        return StaticModel.from_pretrained(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise ConfigError(
            f"static encoder {path} cannot be loaded ({type(error).__name__}); its files are missing or damaged"
        ) from error


def _distil(model: str, dimension: int) -> Any:
    if dimension < 1:
        raise ConfigError(f"encoder dimension must be 1 or more, not {dimension}")
    try:
        from model2vec.distill import distill
    except ImportError as error:
        raise MissingExtraError("distilling a static encoder", "encoders") from error
    try:
        with quiet():
            found = find_model(model)
            distilled = distill(model_name=found, pca_dims=dimension, device="cpu")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"encoder model {model!r} cannot be distilled ({type(error).__name__}); name a folder that "
            "sentence-transformers or model2vec saved, or an id where the hub can be reached"
        ) from error
    if Path(found).is_dir():
        # A policy is published with it: no path of this machine.
        distilled.config["tokenizer_name"] = Path(found).name
    return distilled
