"""``raise-agent benchmark``: compare planners on families of problems, at equal evaluations."""

from __future__ import annotations

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from .benchmarking.design import design_from
from .benchmarking.running import FIGURES, REPORT, run_design, tables, write
from .config import CONF
from .tracking import tracking


@hydra.main(version_base="1.3", config_path=CONF, config_name="benchmark")
def main(cfg: DictConfig) -> None:
    """Compare, print the tables, write results and figures."""
    design = design_from(cfg)
    folder = Path(HydraConfig.get().runtime.output_dir)
    if folder.is_relative_to(Path.cwd()):
        folder = folder.relative_to(Path.cwd())
    with tracking(cfg, "benchmark", folder, simulated=design.simulated) as tracker:
        try:
            blocks = run_design(design)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("a benchmark that is not finished leaves no results") from None
        write(design, blocks, cfg, folder, tracker)
    print(f"{tables(blocks)}\n\nReport: {folder / REPORT}\nFigures: {folder / FIGURES}")
