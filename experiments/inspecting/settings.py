"""Settings of the roles, as ``conf/llm`` gives them to the verbs, less what Inspect says: which server, which key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from importlib import resources
from typing import Any

from omegaconf import OmegaConf

from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.models.served.settings import JUDGE_MODES, JudgeSettings, ResponderSettings

_KINDS = {str: "a text", int: "a whole number", float: "a number", dict: "settings such as {samples: 5}"}
_INSPECTS = ("base_url", "model", "revision", "api_key_env")


def responder_settings() -> ResponderSettings:
    """As ``llm/responder=chat``."""
    return ResponderSettings(**_configured("responder", "chat"))


def judge_settings(mode: str, changed: Mapping[str, Any]) -> JudgeSettings:
    """As ``llm/judge=expectation`` or ``llm/judge=sampled``, with some of it changed.

    Raises:
        ConfigError: the mode is none of these, or a setting is unknown or out of range.
    """
    if mode not in JUDGE_MODES:
        raise ConfigError(f"judge {mode!r}: {did_you_mean(str(mode), JUDGE_MODES)}")
    valid = {entry.name for entry in fields(JudgeSettings)} - {*_INSPECTS, "mode"}
    for key, given in changed.items():
        if key not in valid:
            raise ConfigError(f"judge_with: {key!r}: {did_you_mean(str(key), valid)}")
        check_kind(f"judge_with: {key}", given, type(getattr(JudgeSettings(), key)))
    settings = JudgeSettings(**{**_configured("judge", mode), **changed})
    settings.check("judge")
    return settings


def check_kind(name: str, given: object, kind: type) -> None:
    """Refuse what is not of a kind of ``-T``: Inspect reads each value as YAML, whatever is wanted.

    Raises:
        ConfigError: it is not.
    """
    if type(given) is not kind and not (kind is float and type(given) is int):
        raise ConfigError(f"{name} must be {_KINDS[kind]}, not {given!r}")


def _configured(role: str, option: str) -> dict[str, Any]:
    file = resources.files("raise_agent.conf") / "llm" / role / f"{option}.yaml"
    read = OmegaConf.to_container(OmegaConf.create(file.read_text(encoding="utf-8")))
    assert isinstance(read, dict)
    given = {str(key): value for key, value in read.items() if key not in ("defaults", *_INSPECTS)}
    return {**given, "extra": given["extra"] or {}}
