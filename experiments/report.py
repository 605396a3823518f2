"""``raise-agent report RUN``: a run as one HTML file to look at."""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from raise_agent.errors import ConfigError

from .config import CONF
from .reporting.page import REPORT, ReportSettings, write_report


@hydra.main(version_base="1.3", config_path=CONF, config_name="report")
def main(cfg: DictConfig) -> None:
    """Write the report of the folder ``run``."""
    if OmegaConf.is_missing(cfg, "run"):
        raise ConfigError("report: the folder of a run is needed: raise-agent report FOLDER")
    folder = Path(cfg.run)
    output = folder / REPORT if cfg.output is None else Path(cfg.output)
    if output.is_dir():
        raise ConfigError(f"output: {output} is a folder; name the file to write, such as {output / REPORT}")
    write_report(folder, output, ReportSettings(cfg.profiles, cfg.scenarios, cfg.answers))
    print(f"Report: {output}")
