"""``raise-agent run``: plan, distil and evaluate in one go."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from .comparing import compare
from .config import CONF
from .distilling import distill_policy
from .job import job
from .planning import PLANS, plan_scenarios
from .reporting.job import report_job
from .results import REPORT, heading, results_table


@hydra.main(version_base="1.3", config_path=CONF, config_name="run")
def main(cfg: DictConfig) -> None:
    """Plan, distil, evaluate."""
    with job(cfg, "run") as (bench, tracker, folder):
        drawn = plan_scenarios(bench, tracker, folder)
        policy = distill_policy(bench, tracker, folder, drawn)
        results = compare(bench, tracker, folder, policy, folder / PLANS)
        print(f"{heading(bench, len(bench.scenarios.test[: cfg.evaluate.scenarios]))}\n\n{results_table(results)}")
        report = report_job(bench, tracker, folder)
        print(f"\nPolicy: {policy}\nReport: {report}\nTables: {folder / REPORT}")
