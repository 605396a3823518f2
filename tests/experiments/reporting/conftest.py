from __future__ import annotations

from pathlib import Path

import pytest

from raise_agent.experiments.reporting.folder import RunFolder, read_run

from .made import RUN, Told, command


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    """The folder of a small run, and what its tracker was told."""
    place = tmp_path_factory.mktemp("reported")
    told = command(place, "run", "data.n=70", "encoder=hashing", "hydra.run.dir=r", *RUN)
    return place / "r", told


@pytest.fixture(scope="package")
def folder(made: tuple[Path, Told]) -> Path:
    return made[0]


@pytest.fixture(scope="package")
def run(folder: Path) -> RunFolder:
    return read_run(folder)
