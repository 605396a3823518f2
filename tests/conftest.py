"""Runs the command line as a user would, in a folder of its own."""

from __future__ import annotations

import copy
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from raise_agent.experiments.main import main

# A busy machine is slow at times; on CI, what Hypothesis sets there besides stays.
settings.register_profile("unhurried", settings(deadline=None))
settings.load_profile("unhurried")

ENCODING = ("run", "distill", "evaluate", "agent")
"""Verbs with an encoder."""


@dataclass(frozen=True)
class Done:
    """What a command printed."""

    stdout: str
    stderr: str


Cli = Callable[..., Done]


@contextmanager
def commands(folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """Run commands in a folder, half as long as otherwise.

    Hydra would parse every file of settings anew for each command, copy the store of all schemas, of which it copies
    each again as it loads it, and compose all settings once more only to learn whether ``hydra.mode`` is among them.
    Commands that a test starts in a process of their own run as they are.
    """
    with pytest.MonkeyPatch.context() as patch:
        _hasten(patch)
        patch.chdir(folder)
        patch.setenv("WANDB_SILENT", "true")
        patch.setenv("HYDRA_FULL_ERROR", "1")
        yield patch


def _hasten(patch: pytest.MonkeyPatch) -> None:
    from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource as Source
    from hydra._internal.hydra import Hydra
    from hydra.core.config_store import ConfigStore

    from raise_agent.experiments.config import register_schemas

    parse, find_mode = Source._read_config, Hydra.get_mode
    if parse.__name__ == "parsed_once":
        return

    def parsed_once(source: Source, path: Any) -> Any:
        if str(path) not in _PARSED:
            _PARSED[str(path)] = parse(source, path)
        return copy.deepcopy(_PARSED[str(path)])

    def mode(hydra: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        return find_mode(hydra, config_name, overrides) if any("hydra.mode" in one for one in overrides) else None

    def registered_once() -> None:
        if not _REGISTERED:
            register_schemas()
            _REGISTERED.append(True)

    patch.setattr(Source, "_read_config", parsed_once)
    patch.setattr(Hydra, "get_mode", mode)
    patch.setattr(ConfigStore, "__deepcopy__", lambda store, memo: store, raising=False)
    patch.setattr("raise_agent.experiments.launch.register_schemas", registered_once)


_PARSED: dict[str, Any] = {}
_REGISTERED: list[bool] = []


def render_only(patch: pytest.MonkeyPatch, *formats: str) -> None:
    """Leave the files of figures in other formats empty."""
    from matplotlib.figure import Figure

    render = Figure.savefig

    def savefig(figure: Figure, file: Any, *, format: str, **more: Any) -> None:
        if format in formats:
            render(figure, file, format=format, **more)

    patch.setattr(Figure, "savefig", savefig)


def pytest_configure() -> None:
    """A shell starts what it runs in the background deaf to interrupts, and so would be the commands of tests."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_handlers_left() -> Iterator[None]:
    """Hydra's handlers outlive a command, and the stream that a test captured, which is closed after it."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for handler in [each for each in root.handlers if type(each) in (logging.StreamHandler, logging.FileHandler)]:
        root.removeHandler(handler)


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made, and their files written, but empty: rendering takes most of the time of a test."""
    render_only(monkeypatch)


@pytest.fixture
def cli(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Call with the arguments of ``raise-agent``; the working folder is ``tmp_path``.

    Queries are hashed where no encoder is named: distilling the default takes longer than all other work of a test.
    """

    def call(*arguments: str, status: int = 0) -> Done:
        capfd.readouterr()
        if arguments and arguments[0] in ENCODING and not any(word.startswith("encoder") for word in arguments):
            start = 2 if "-m" in arguments[:2] else 1
            arguments = (*arguments[:start], "encoder=hashing", *arguments[start:])
        returned = main(arguments)
        done = Done(*capfd.readouterr())
        assert returned == status, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done

    with commands(tmp_path):
        yield call
