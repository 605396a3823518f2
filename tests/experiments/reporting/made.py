"""Runs to report on, made by the command line; and what a written page holds."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from raise_agent.experiments import job
from raise_agent.experiments.main import main
from raise_agent.experiments.tracking import NullTracker

METHODS = "evaluate.methods=[none,random,greedy,mcts,paper_mcts,distilled,oracle,full]"
RUN = (METHODS, "planner=mcts", "planner.evaluations=6", "distill.epochs=2", "sensitivity_scenarios=10", "seed=3")


@dataclass
class Told(NullTracker):
    """What a tracker was told."""

    tables: dict[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    pages: list[str] = field(default_factory=list)

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.tables[name] = rows

    def page(self, name: str, make: Callable[[], str]) -> None:
        self.pages.append(make())


def command(folder: Path, *arguments: str) -> Told:
    """Run ``raise-agent`` in a folder."""
    told, before = Told(), Path.cwd()

    @contextmanager
    def tracking(*_: object, **__: object) -> Iterator[Told]:
        yield told

    os.chdir(folder)
    try:
        with mock.patch.object(job, "tracking", tracking):
            assert main(list(arguments)) == 0, arguments
    finally:
        os.chdir(before)
    return told


def copied(run: Path, to: Path, **changes: Callable[[str], str]) -> Path:
    """A copy of a run's folder with the text of some files changed; a file's name is its stem."""
    shutil.copytree(run, to)
    for file in [*to.iterdir(), *(to / ".hydra").iterdir()]:
        if file.stem in changes and file.suffix in (".json", ".jsonl", ".yaml"):
            file.write_text(changes[file.stem](file.read_text()))
    return to


def lines(file: Path) -> list[Any]:
    """JSON Lines."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def data_of(page: str) -> Any:
    """What the page's script is given."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])
