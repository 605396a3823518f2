"""Runs the command line as a user would, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from raise_agent.experiments.main import main

ENCODING = ("run", "distill", "evaluate", "agent")
"""Verbs with an encoder."""


@dataclass(frozen=True)
class Done:
    """What a command printed."""

    stdout: str
    stderr: str


Cli = Callable[..., Done]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Call with the arguments of ``raise-agent``; the working folder is ``tmp_path``.

    Queries are hashed where no encoder is named: distilling the default takes longer than all other work of a test.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")

    def call(*arguments: str, status: int = 0) -> Done:
        capfd.readouterr()
        if arguments and arguments[0] in ENCODING and not any(word.startswith("encoder") for word in arguments):
            start = 2 if "-m" in arguments[:2] else 1
            arguments = (*arguments[:start], "encoder=hashing", *arguments[start:])
        returned = main(arguments)
        done = Done(*capfd.readouterr())
        assert returned == status, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done

    return call
