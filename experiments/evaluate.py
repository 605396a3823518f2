"""``raise-agent evaluate``: compare methods on scenarios that nobody planned over."""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from .comparing import compare
from .config import CONF
from .job import job
from .reporting.job import report_job
from .results import REPORT, heading, results_table


@hydra.main(version_base="1.3", config_path=CONF, config_name="evaluate")
def main(cfg: DictConfig) -> None:
    """Compare methods on the test scenarios."""
    with job(cfg, "evaluate") as (bench, tracker, folder):
        policy = None if cfg.evaluate.policy is None else Path(cfg.evaluate.policy)
        plans = None if cfg.evaluate.plans is None else Path(cfg.evaluate.plans)
        results = compare(bench, tracker, folder, policy, plans)
        print(f"{heading(bench, len(bench.scenarios.test[: cfg.evaluate.scenarios]))}\n\n{results_table(results)}")
        report = report_job(bench, tracker, folder)
        print(f"\nReport: {report}\nTables: {folder / REPORT}")
