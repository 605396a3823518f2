"""What an encoder is, and how one is found, saved and loaded with a policy.

Encoder name = file name = Hydra option. A saved encoder is a folder with ``encoder.json`` (name and settings) and,
for some, a model's own files.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from raise_agent.errors import ConfigError, PolicyError, did_you_mean
from raise_agent.strict_json import parse_json, read_bounded

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
"""The sentence encoder of the paper, which others are distilled from."""
_ENCODERS = {
    "hashing": "HashingEncoder",
    "sentence_transformer": "SentenceTransformerEncoder",
    "static": "StaticEncoder",
}


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    name: str

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (texts, dimension); zeros where a text holds nothing to encode."""

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write model files, if any, into an existing folder; return the settings that load needs."""

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any]) -> Encoder:
        """The encoder that was saved."""


def available_encoders() -> tuple[str, ...]:
    """Names of all encoders, sorted."""
    return tuple(sorted(_ENCODERS))


def _encoder_class(name: str) -> Any:
    if name not in _ENCODERS:
        raise ConfigError(f"unknown encoder {name!r}: {did_you_mean(name, _ENCODERS)}")
    return getattr(importlib.import_module(f"{__package__}.{name}"), _ENCODERS[name])


def make_encoder(name: str, **settings: Any) -> Encoder:
    """An encoder by name.

    >>> make_encoder("hashing", dimension=64).dimension
    64

    Raises:
        ConfigError: the name or a setting is wrong.
        MissingExtraError: it needs an extra that is not installed.
    """
    wanted = _encoder_class(name)
    valid = inspect.signature(wanted).parameters
    for setting in settings:
        if setting not in valid:
            raise ConfigError(f"encoder {name!r} has no setting {setting!r}: {did_you_mean(setting, valid)}")
    made: Encoder = wanted(**settings)
    return made


def save_encoder(encoder: Encoder, folder: Path) -> None:
    """Write an encoder into a new folder."""
    folder.mkdir()
    settings = encoder.save(folder)
    text = json.dumps({"name": encoder.name, "settings": dict(settings)}, indent=2, sort_keys=True)
    (folder / "encoder.json").write_text(text + "\n", encoding="utf-8")


def load_encoder(folder: Path) -> Encoder:
    """Load an encoder that ``save_encoder`` wrote.

    Raises:
        PolicyError: the folder does not hold one.
    """
    file = folder / "encoder.json"
    try:
        saved = parse_json(read_bounded(file))
        name, settings = saved["name"], saved["settings"]
        loaded: Encoder = _encoder_class(name).load(folder, settings)
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        raise PolicyError(f"{file}: not a saved encoder ({type(error).__name__}: {error})") from error
    return loaded
