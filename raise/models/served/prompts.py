"""The prompts of the roles: files, versioned, shown by ``raise-agent prompts``.

A prompt is a YAML file of named texts with ``${placeholders}`` and a ``version``. The shipped ones lie in ``prompts/``;
another file of the same form may take the place of one. Every word of a prompt enters the identity of the
model that it is put to, so that an edit never meets results of the words before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import yaml

from raise_agent.errors import ConfigError, did_you_mean

PARTS: dict[str, dict[str, frozenset[str]]] = {
    "responder": {
        "system": frozenset(),
        "question": frozenset({"query"}),
        "background": frozenset({"known"}),
        "declined": frozenset(),
    },
    "judge": {
        "system": frozenset(),
        "case": frozenset({"profile", "domain", "query", "answer"}),
        "rate_one": frozenset({"dimension"}),
        "rate_all": frozenset({"dimensions", "form"}),
        "unknown": frozenset(),
    },
    "prior": {
        "system": frozenset({"attributes"}),
        "case": frozenset({"domain", "query", "known", "unasked"}),
        "choose": frozenset(),
        "rank": frozenset(),
        "nothing": frozenset(),
        "declined": frozenset(),
    },
    "agent": {
        "system": frozenset({"attributes"}),
        "case": frozenset({"query", "known", "unasked"}),
        "examples": frozenset({"paths"}),
        "choose": frozenset(),
        "basic": frozenset(),
        "binary": frozenset(),
        "scale": frozenset(),
        "nothing": frozenset(),
        "declined": frozenset(),
        "watch_system": frozenset(),
        "asked": frozenset({"question"}),
        "watch": frozenset({"message"}),
    },
    "writer": {
        "system": frozenset(),
        "profile": frozenset({"domain", "situation", "attributes", "given", "rules", "remarks"}),
        "queries": frozenset({"domain", "situation", "profile", "count", "remarks"}),
        "alone": frozenset({"query"}),
        "beside": frozenset({"profile", "query"}),
        "wordings": frozenset({"query", "count"}),
        "post_fields": frozenset({"post", "attributes"}),
        "post_values": frozenset({"post", "attributes"}),
        "post_query": frozenset({"post"}),
        "post_query_again": frozenset({"post", "query", "stated"}),
        "post_domain": frozenset({"post", "domains"}),
    },
}
"""role -> its texts -> the placeholders that each may hold."""


@dataclass(frozen=True)
class Prompt:
    """The texts of one role."""

    role: str
    name: str
    """A shipped name, or the file it was read from."""
    version: int
    texts: Mapping[str, str]
    dimensions: Mapping[str, str]
    """What each dimension asks; empty but for the judge."""

    @cached_property
    def _templates(self) -> dict[str, Template]:
        return {part: Template(text) for part, text in self.texts.items()}

    def fill(self, part: str, **values: str) -> str:
        """A text with its placeholders filled in; what is filled in is never read as a placeholder."""
        return self._templates[part].substitute(values)

    @cached_property
    def identity(self) -> dict[str, object]:
        """Version and digest of every word."""
        content = json.dumps([dict(self.texts), dict(self.dimensions)], sort_keys=True, ensure_ascii=False)
        digest = hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
        return {"role": self.role, "version": self.version, "digest": digest}


def load_prompt(role: str, source: str, dimensions: tuple[str, ...] = ()) -> Prompt:
    """The prompt of a role.

    Args:
        role: one of ``PARTS``.
        source: ``default`` for the shipped one, else the path of a YAML file of the same form.
        dimensions: keys that the prompt's ``dimensions`` must explain.

    Raises:
        ConfigError: the file cannot be read, or a text or placeholder is missing or unknown.
    """
    where = f"prompts/{role}.yaml" if source == "default" else source
    try:
        data = yaml.safe_load(_read(role, source))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: cannot read the prompt of the {role} ({type(error).__name__})") from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{where}{line}: not valid YAML") from error
    return _checked(role, where, data, dimensions)


def _read(role: str, source: str) -> str:
    if source == "default":
        return (resources.files("raise_agent.models.served") / "prompts" / f"{role}.yaml").read_text(encoding="utf-8")
    return Path(source).read_text(encoding="utf-8-sig")


def _checked(role: str, where: str, data: Any, dimensions: tuple[str, ...]) -> Prompt:
    parts = PARTS[role]
    wanted = {"version", *parts, *(("dimensions",) if dimensions else ())}
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: a prompt is a YAML mapping with {', '.join(sorted(wanted))}")
    for key in data:
        if key not in wanted:
            raise ConfigError(f"{where}: unknown text {key!r}: {did_you_mean(str(key), wanted)}")
    for key in sorted(wanted - set(data)):
        raise ConfigError(f"{where}: {key!r} is missing; a prompt of the {role} has {', '.join(sorted(wanted))}")
    version = data["version"]
    if not isinstance(version, int) or isinstance(version, bool):
        raise ConfigError(f"{where}: 'version' must be a whole number; raise it whenever the words change")
    explained = data.get("dimensions", {})
    if not isinstance(explained, dict) or set(explained) != set(dimensions):
        raise ConfigError(f"{where}: 'dimensions' must explain {', '.join(dimensions)}")
    for part, text in (*((p, data[p]) for p in parts), *explained.items()):
        if not isinstance(text, str) or not text.strip():
            raise ConfigError(f"{where}: {part!r} must be a text")
    for part, allowed in parts.items():
        _check_placeholders(f"{where}: {part!r}", data[part], allowed)
    return Prompt(role, where, version, {part: data[part] for part in parts}, explained)


def _check_placeholders(where: str, text: str, allowed: frozenset[str]) -> None:
    matches = list(Template.pattern.finditer(text))
    if any(match["invalid"] is not None for match in matches):
        raise ConfigError(f"{where}: a lone '$' must be written '$$'")
    if {name for match in matches if (name := match["named"] or match["braced"])} != allowed:
        holds = ", ".join(f"${{{name}}}" for name in sorted(allowed)) or "no placeholder"
        raise ConfigError(f"{where} must hold {holds}")
