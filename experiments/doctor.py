"""``raise-agent doctor``: is the server up, which features has it, how fast is it, what to set."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from raise_agent.errors import ConfigError, ModelError
from raise_agent.looping import run
from raise_agent.models.served.doctor import Report, ServerReport, examine
from raise_agent.models.served.features import Finding, State
from raise_agent.models.served.throughput import Throughput

from .assembly import make_table
from .config import CONF
from .models import served_settings, server
from .tables import markdown_table, number

_NO_SERVER = "llm=simulated: the embedded model needs no server, so there is nothing to look over."
_MARKS = {State.FINE: "", State.LIMITED: "", State.MISSING: "MISSING: "}


@hydra.main(version_base="1.3", config_path=CONF, config_name="doctor")
def main(cfg: DictConfig) -> None:
    """Look over the servers of the ``llm`` group; print what was found and what to set, and write ``doctor.json``.

    Raises:
        ModelError: something is missing that a role needs as it is set.
    """
    if not 0 <= cfg.seconds < math.inf:
        raise ConfigError(f"seconds must be 0 or more, not {cfg.seconds}")
    table = make_table(cfg.attributes)
    folder = Path(HydraConfig.get().runtime.output_dir)
    if folder.is_relative_to(Path.cwd()):
        folder = folder.relative_to(Path.cwd())
    if cfg.llm.name == "simulated":
        _write(folder, {"simulated": True, "ready": True})
        print(_NO_SERVER)
        return
    settings = served_settings(cfg.llm)
    settings.check()
    with server(cfg.llm, folder):
        report = run(examine(settings, table, cfg.seconds, _tell))
    _write(folder, as_data(report))
    print(shown(report))
    print(f"\nReport: {folder / 'doctor.json'}")
    if report.missing:
        raise ModelError(
            f"not ready (see {', '.join(report.missing)}): {report.advice[0] if report.advice else 'above'}"
        )


def _tell(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def shown(report: Report) -> str:
    """The report as people read it."""
    parts = [_server(one) for one in report.servers]
    if report.roles:
        parts.append("Roles, on made-up people\n\n" + _findings("role", report.roles))
    if report.throughput is not None:
        parts.append(_throughput(report.throughput))
    if report.advice:
        parts.append("What to do\n\n" + "\n".join(f"- {line}" for line in report.advice))
    if not report.missing:
        parts.append("Ready: everything that the roles need as they are set is there.")
    return "\n\n".join(parts)


def _server(report: ServerReport) -> str:
    title = f"{report.url}, for {', '.join(report.roles)}"
    return f"{title}\n\n{_findings('feature', report.findings)}"


def _findings(what: str, findings: Sequence[Finding]) -> str:
    rows = [[f.feature, _MARKS[f.state] + f.found, f.note] for f in findings]
    return markdown_table([what, "found", "note"], rows, left=3)


def _throughput(measured: Throughput) -> str:
    rows = [
        [
            str(step.concurrency),
            number(step.requests_per_second, 1),
            number(step.tokens_per_second, 0),
            number(step.median_seconds, 3),
            number(step.p95_seconds, 3),
            number(step.evaluation_seconds, 2),
            str(step.failed),
        ]
        for step in measured.steps
    ]
    header = ["at once", "requests/s", "tokens/s", "median [s]", "95 % [s]", "evaluation [s]", "failed"]
    text = "Throughput: answers of the responder and ratings of the judge, a new made-up person each time\n\n"
    text += f"{markdown_table(header, rows, left=0)}\n\nEnded as {measured.ended}."
    if measured.whole_seconds is not None:
        text += (
            f" Answers were cut at {measured.answer_tokens:,} tokens to fit the time; with whole ones fewer requests/s "
            f"are to be expected, and seconds={math.ceil(measured.whole_seconds)} measures them."
        )
    return text


def as_data(report: Report) -> dict[str, object]:
    """The report as plain data."""
    measured = report.throughput
    best = measured.best if measured is not None else None
    return {
        "simulated": False,
        "ready": not report.missing,
        "missing": list(report.missing),
        "advice": list(report.advice),
        "servers": [asdict(one) for one in report.servers],
        "roles": [asdict(one) for one in report.roles],
        "throughput": None if measured is None else {**asdict(measured), "best": best.concurrency if best else None},
    }


def _write(folder: Path, data: Mapping[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(data, indent=2, ensure_ascii=False, default=lambda state: state.value)
    (folder / "doctor.json").write_text(text + "\n", encoding="utf-8")
