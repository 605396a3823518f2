"""``raise-agent distill``: make one policy of everything evaluated so far."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from .config import CONF
from .distilling import distill_policy
from .job import job


@hydra.main(version_base="1.3", config_path=CONF, config_name="distill")
def main(cfg: DictConfig) -> None:
    """Distil a policy from the store."""
    with job(cfg, "distill") as (bench, tracker, folder):
        print(f"Policy: {distill_policy(bench, tracker, folder)}")
