"""Tracking of a run: nothing, or Weights & Biases. No query and no attribute value is ever passed to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from omegaconf import DictConfig

from raise_agent.errors import ConfigError, MissingExtraError, did_you_mean

from .assembly import plain


class Tracker(Protocol):
    """Takes what a run wants remembered."""

    def log(self, metrics: Mapping[str, float | int]) -> None:
        """Numbers of one step, or of the whole run."""

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows with the same keys."""

    def image(self, name: str, path: Path) -> None:
        """A picture to show, such as a PNG."""

    def page(self, name: str, make: Callable[[], str]) -> None:
        """A page of HTML to show, made where there is somebody to show it to."""

    def artifact(self, name: str, kind: str, path: Path) -> None:
        """A file or folder to keep."""


class NullTracker:
    """Remembers nothing."""

    def log(self, metrics: Mapping[str, float | int]) -> None:
        """Ignore."""

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Ignore."""

    def image(self, name: str, path: Path) -> None:
        """Ignore."""

    def page(self, name: str, make: Callable[[], str]) -> None:
        """Ignore."""

    def artifact(self, name: str, kind: str, path: Path) -> None:
        """Ignore."""


class WandbTracker:
    """One wandb run."""

    def __init__(self, run: Any, wandb: Any) -> None:
        self._run = run
        self._wandb = wandb

    def log(self, metrics: Mapping[str, float | int]) -> None:
        """A step of the run's history."""
        self._run.log(dict(metrics))

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """A wandb table."""
        if rows:
            columns = list(rows[0])
            data = [[row[column] for column in columns] for row in rows]
            self._run.log({name: self._wandb.Table(columns=columns, data=data)})

    def image(self, name: str, path: Path) -> None:
        """A wandb image."""
        self._run.log({name: self._wandb.Image(str(path))})

    def page(self, name: str, make: Callable[[], str]) -> None:
        """Wandb HTML."""
        self._run.log({name: self._wandb.Html(make(), inject=False)})

    def artifact(self, name: str, kind: str, path: Path) -> None:
        """A wandb artifact."""
        kept = self._wandb.Artifact(name=name, type=kind)
        (kept.add_dir if path.is_dir() else kept.add_file)(str(path))
        self._run.log_artifact(kept)


@contextmanager
def tracking(cfg: DictConfig, verb: str, folder: Path, *, simulated: bool) -> Iterator[Tracker]:
    """The tracker of one job; a wandb run is finished however the job ends.

    Args:
        cfg: the whole configuration; its ``tracker`` group says which.
        verb: the kind of job.
        folder: where wandb keeps its files.
        simulated: tags the run as simulated.
    """
    if cfg.tracker.name == "none":
        yield NullTracker()
        return
    modes = ("offline", "online")
    if cfg.tracker.mode not in modes:
        raise ConfigError(f"tracker.mode {cfg.tracker.mode!r}: {did_you_mean(cfg.tracker.mode, modes)}")
    try:
        import wandb
    except ImportError as error:
        raise MissingExtraError("tracker=wandb", "research") from error
    run = wandb.init(
        project=cfg.tracker.project,
        entity=cfg.tracker.entity,
        mode=cfg.tracker.mode,
        tags=[*cfg.tracker.tags, *(["simulated"] if simulated else [])],
        job_type=verb,
        dir=str(folder.resolve()),
        config=plain(cfg),
        settings=wandb.Settings(console="off", silent=True, x_disable_stats=True, x_disable_meta=True),
    )
    failed = True
    try:
        yield WandbTracker(run, wandb)
        failed = False
    finally:
        run.finish(exit_code=1 if failed else 0)
