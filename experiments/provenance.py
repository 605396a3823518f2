"""Where a result comes from: versions, commit, configuration, data."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from raise_agent.scenario import Scenario

_PACKAGES = ("raise-agent", "numpy", "torch", "safetensors", "gymnasium", "hydra-core", "scipy", "wandb", "model2vec")


_PLACES = frozenset({"path", "plans", "policy", "posts", "prior_policy", "store", "table"})
"""Settings that name a file or folder."""


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """Commit of the checkout this code runs from, ``+changes`` if it differs; None where it is not a checkout."""
    source = Path(__file__).resolve()
    folder = source.parent.parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if not git("ls-files", str(source)):
            return None
        head = git("rev-parse", "HEAD")
        return head + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def content_digest(scenarios: Iterable[Scenario]) -> str:
    """One digest of a set of scenarios, whatever their order."""
    text = "\n".join(sorted(scenario.digest for scenario in scenarios))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def without_folders(said: Any) -> Any:
    """Plain data in which a path of this machine is its last component alone: folders may be named after people.

    What is published says what was used, ``.hydra`` of the job's folder where it lay. A path is what is absolute, or
    holds a separator and is there; so no name of a hub's model is one. What names a file in any configuration is one
    even where it is gone.
    """
    if isinstance(said, dict):
        return {key: _shown(key, value) for key, value in said.items()}
    if isinstance(said, (list, tuple)):
        return [without_folders(value) for value in said]
    return last_component(said) if isinstance(said, str) and _is_local(said) else said


def published_yaml(cfg: Any, *, resolve: bool = True) -> str:
    """A configuration as reports show it."""
    return OmegaConf.to_yaml(OmegaConf.create(without_folders(OmegaConf.to_container(cfg, resolve=resolve))))


def published_override(override: str) -> str:
    """One of the command line's ``key=value``, as reports show it."""
    key, equals, value = override.partition("=")
    return f"{key}{equals}{_shown(key.rpartition('.')[2], value)}"


def _shown(key: Any, value: Any) -> Any:
    if key in _PLACES and isinstance(value, str) and os.path.dirname(value):
        return last_component(value)
    return without_folders(value)


def last_component(path: str) -> str:
    """The name of a file or folder, without where it lies."""
    return os.path.basename(os.path.abspath(path)) or path


def _is_local(text: str) -> bool:
    if "\n" in text or "://" in text:
        return False
    return os.path.isabs(text) or text.startswith("~") or (os.path.dirname(text) != "" and os.path.exists(text))


def describe_run(seed: int, *, simulated: bool) -> dict[str, Any]:
    """What every result file starts with."""
    return {"simulated": simulated, "seed": seed, "commit": commit(), "versions": versions()}
