"""``raise-agent plan``: search which attributes are worth asking for, scenario by scenario."""

from __future__ import annotations

import json

import hydra
from omegaconf import DictConfig

from .config import CONF
from .job import job
from .planning import PLANS, SUMMARY, plan_scenarios, plan_table


@hydra.main(version_base="1.3", config_path=CONF, config_name="plan")
def main(cfg: DictConfig) -> None:
    """Plan over the training and validation scenarios."""
    with job(cfg, "plan") as (bench, tracker, folder):
        plan_scenarios(bench, tracker, folder)
        print(plan_table(json.loads((folder / SUMMARY).read_text(encoding="utf-8"))))
        print(f"\nPlans: {folder / PLANS}")
