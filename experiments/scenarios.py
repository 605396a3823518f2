"""``raise-agent scenarios``: write scenarios as JSON Lines."""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from raise_agent.data import write_jsonl

from .assembly import make_table, read_scenarios
from .config import CONF


@hydra.main(version_base="1.3", config_path=CONF, config_name="scenarios")
def main(cfg: DictConfig) -> None:
    """Write the scenarios of the ``data`` group to ``output``."""
    scenarios, skipped, duplicates = read_scenarios(cfg.data, make_table(cfg.attributes))
    write_jsonl(Path(cfg.output), scenarios)
    print(f"{len(scenarios):,} scenarios: {cfg.output} ({len(skipped):,} records skipped, {duplicates:,} duplicates)")
