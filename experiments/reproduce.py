"""``raise-agent reproduce``: one of the paper's experiments, beside what it published."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from raise_agent.errors import ConfigError, did_you_mean
from raise_agent.files import atomic_write_text

from .assembly import Bench, ScenarioSet, plain
from .config import CONF
from .drawing import save
from .estimate import announce_known, announce_many
from .job import job
from .provenance import content_digest, describe_run, published_yaml, without_folders
from .published import published
from .studies.contract import Findings, Part
from .studies.registry import STUDIES
from .tracking import Tracker
from .yardsticks import HELD_OUT_SAMPLE

_log = logging.getLogger(__name__)

SIMULATED = "**Simulated scores: they say how things compare in the simulation, nothing about a real model.**"


@hydra.main(version_base="1.3", config_path=CONF, config_name="reproduce")
def main(cfg: DictConfig) -> None:
    """Say what it will take, measure, write, print."""
    if cfg.experiment is None:
        raise ConfigError(
            f"reproduce: say which experiment, as in experiment=table2. {did_you_mean('', STUDIES.names())}"
        )
    study = STUDIES.make(cfg.experiment, {} if cfg.study is None else plain(cfg.study))
    test, training = sizes(cfg)
    with job(cfg, "reproduce") as (bench, tracker, folder):
        bench.scenarios = limited(bench.scenarios, test, training)
        announce(bench, study.parts(bench))
        findings = study.measure(bench, tracker, folder)
        report = write(bench, tracker, folder, findings)
        print(f"{heading(bench, findings)}\n\n{_text(findings)}\n\nReport: {report}")


def sizes(cfg: DictConfig) -> tuple[int | None, int | None]:
    """Most test and training scenarios; None takes all.

    Raises:
        ConfigError: a number is below 1.
    """
    for name in ("scenarios", "training"):
        most = cfg.get(name)
        if most is not None and most < 1:
            raise ConfigError(f"{name} must be 1 or more, or null for all, not {most}")
    test = [most for most in (cfg.scenarios, OmegaConf.select(cfg, "evaluate.scenarios")) if most is not None]
    return min(test, default=None), cfg.get("training")


def limited(scenarios: ScenarioSet, test: int | None, training: int | None) -> ScenarioSet:
    """No more than so many test and training scenarios, and validation ones in proportion; None takes all.

    Raises:
        ConfigError: there is no test scenario.
    """
    if not scenarios.test:
        raise ConfigError("no scenario to measure on: data.split leaves none for test")
    share = 1.0 if training is None or not scenarios.train else min(1.0, training / len(scenarios.train))
    return replace(
        scenarios,
        train=scenarios.train[:training],
        validation=scenarios.validation[: round(share * len(scenarios.validation))],
        test=scenarios.test[:test],
    )


def announce(bench: Bench, parts: Sequence[Part]) -> None:
    """Say what the experiment will take before it is spent; what is served is measured on a few real evaluations."""
    total = sum(part.evaluations for part in parts)
    told = "; ".join(f"{part.what}, {part.each:,} x {len(part.scenarios):,} scenarios" for part in parts)
    marked = " (simulated)" if bench.safety.simulated else ""
    decisions = sum(part.decisions for part in parts)
    asked = f", and up to {decisions:,} decisions of the agent's model" if decisions else ""
    wordings = sum(part.wordings for part in parts)
    asked += f", and up to {wordings:,} queries put in other words" if wordings else ""
    evaluations = f"up to {total:,} evaluations ({told}){asked}"
    _log.warning(
        "%s%s: %s; what %s holds is not made again", bench.cfg.experiment, marked, evaluations, bench.cfg.store
    )
    for part in parts:
        if part.wanted is not None:
            announce_known(bench, part.scenarios, part.wanted, part.what, part.sample)
    others = [part for part in parts if part.wanted is None and not part.tells]
    # Every experiment scores its test scenarios with nothing known.
    what = ", ".join(part.what for part in others)
    announce_many(bench, sum(part.evaluations for part in others), bench.scenarios.test, what, HELD_OUT_SAMPLE)


def heading(bench: Bench, findings: Findings) -> str:
    """What the results stand under."""
    name = bench.cfg.experiment
    text = (
        f"{name} ({published()[name]['where']}): {len(bench.scenarios.test):,} scenarios ({bench.scenarios.tested}), "
        f"{findings.about}."
    )
    return f"{text} {SIMULATED}" if bench.safety.simulated else text


def _text(findings: Findings) -> str:
    """The sections as Markdown."""
    return "\n\n".join(f"## {name}\n\n{text}" if name else text for name, text in findings.sections.items())


def write(bench: Bench, tracker: Tracker, folder: Path, findings: Findings) -> Path:
    """Write ``<experiment>.json``, ``<experiment>.md`` and the plot, and tell the tracker; the report's path."""
    name = bench.cfg.experiment
    run = describe_run(bench.cfg.seed, simulated=bench.safety.simulated)
    sides = bench.scenarios
    results: dict[str, Any] = {
        **run,
        "experiment": name,
        "data": {
            "name": sides.tested,
            "scenarios": len(sides.test),
            "digest": content_digest(sides.test),
            "skipped_records": len(sides.skipped),
            "duplicates": sides.duplicates,
        },
        "models": without_folders({"safety": dict(bench.safety.identity), "prior": dict(bench.prior.identity)}),
        "evaluations_made": bench.allowance.evaluations,
        "results": findings.data,
        "published": {"source": published()["source"], **published()[name]},
        "config": without_folders(OmegaConf.to_container(bench.cfg, resolve=True)),
    }
    file = folder / f"{name}.json"
    atomic_write_text(file, json.dumps(results, indent=2, allow_nan=False) + "\n")
    pictures = [] if findings.figure is None else save(findings.figure, folder, name)
    shown = [f"![{name}]({path.name})" for path in pictures if path.suffix == ".png"]
    made_with = ", ".join(f"{package} {number}" for package, number in run["versions"].items())
    parts = [
        f"# {name}",
        heading(bench, findings),
        _text(findings),
        *shown,
        "## Where it comes from",
        f"Published values: {published()['source']}; {published()[name]['where']}.",
        f"Evaluations made in this run: {bench.allowance.evaluations:,}; the others were in the store.",
        f"commit {run['commit']}; {made_with}",
        f"```yaml\n{published_yaml(bench.cfg)}```",
    ]
    report = folder / f"{name}.md"
    atomic_write_text(report, "\n\n".join(parts) + "\n")
    tracker.table(f"{name}/results", findings.rows)
    tracker.log({f"{name}/{row['what']}/score": row["score"] for row in findings.rows if math.isfinite(row["score"])})
    for path in pictures:
        if path.suffix == ".png":
            tracker.image(f"{name}/figure", path)
    tracker.artifact(name, "results", file)
    return report
