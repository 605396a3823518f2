"""``raise-agent penguin``: PENGUIN as a benchmark of responders, context-free against context-rich."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hydra
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from raise_agent.errors import ConfigError, LimitReachedError

from .assembly import is_reworded
from .config import CONF
from .contexts.lineup import COMPARISON, line_up, lineup_tables, write_lineup
from .contexts.results import REPORT, heading, tables, write
from .contexts.scoring import score_contexts
from .job import job


class LineUpSweep(Callback):
    """Sets the models of a sweep side by side, in its folder; again after each job, as one that fails ends the sweep
    without a word to callbacks."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Compare what there is so far."""
        if config.hydra.mode == RunMode.MULTIRUN:
            folder = _sweep_folder(config)
            models = line_up(folder)
            if len(models.entries) > 1:
                write_lineup(models, folder)
                print(f"Comparison: {folder / COMPARISON}")

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Show the whole comparison."""
        models = line_up(_sweep_folder(config))
        if len(models.entries) > 1:
            print(f"\n{lineup_tables(models)}")


def _sweep_folder(config: DictConfig) -> Path:
    return Path(config.hydra.sweep.dir)


@hydra.main(version_base="1.3", config_path=CONF, config_name="penguin")
def main(cfg: DictConfig) -> None:
    """Score scenarios in both contexts, print the tables, write results and figures."""
    if is_reworded(cfg.data):
        raise ConfigError("data.reworded is for verbs that evaluate on test scenarios; penguin scores all of them")
    with job(cfg, "penguin") as (bench, tracker, folder):
        found = score_contexts(bench)
        write(bench, tracker, folder, found)
        print(f"{heading(found, bench.scenarios.name)}\n\n{tables(found)}\n\nReport: {folder / REPORT}")
        if found.stop is not None:
            raise LimitReachedError(f"{found.stop}; what is scored until then is in {folder / REPORT}")
