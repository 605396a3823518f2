"""Where a result comes from: versions, commit, configuration, data."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from raise_agent.scenario import Scenario

_PACKAGES = ("raise-agent", "numpy", "torch", "safetensors", "gymnasium", "hydra-core", "scipy", "wandb", "model2vec")


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


def describe_run(seed: int, *, simulated: bool) -> dict[str, Any]:
    """What every result file starts with."""
    return {"simulated": simulated, "seed": seed, "commit": commit(), "versions": versions()}
