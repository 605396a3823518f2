"""One job of a verb: its parts, its tracker, its folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from raise_agent.errors import LimitReachedError

from .assembly import Bench, bench
from .methods import check_evaluation
from .tracking import Tracker, tracking

_log = logging.getLogger(__name__)


@contextmanager
def job(cfg: DictConfig, verb: str) -> Iterator[tuple[Bench, Tracker, Path]]:
    """Bench, tracker and output folder; the tracker is finished and the store closed however the job ends."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    if folder.is_relative_to(Path.cwd()):
        folder = folder.relative_to(Path.cwd())
    if "evaluate" in cfg:
        check_evaluation(cfg.evaluate)
    with bench(cfg, folder) as made:
        for message in made.scenarios.skipped:
            _log.warning("skipped: %s", message)
        with tracking(made.cfg, verb, folder, simulated=made.safety.simulated) as tracker:
            try:
                yield made, tracker, folder
            except KeyboardInterrupt:
                raise KeyboardInterrupt(
                    f"every finished evaluation is kept in {cfg.store}; the same command goes on from there"
                ) from None
            except LimitReachedError as stop:
                raise LimitReachedError(
                    f"{stop}; every finished evaluation is kept in {cfg.store}, and the same command goes on from there"
                ) from None
