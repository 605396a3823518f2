"""The report that ``run`` and ``evaluate`` write of themselves when they end, and what trackers are shown of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raise_agent.experiments.assembly import Bench
from raise_agent.experiments.statistics import Mean
from raise_agent.experiments.tracking import Tracker
from raise_agent.files import atomic_write_text

from .answers import Stored, answers_of
from .folder import read_run
from .page import REPORT, ReportSettings, domains_of, page
from .people import SYNTHETIC, matched
from .summaries import Groups, by_dimension, by_domain, curves


def report_job(bench: Bench, tracker: Tracker, folder: Path) -> Path:
    """Write ``report.html`` of a job that has written its results.

    It holds queries, profiles and answers where scenarios are synthetic, so that nobody said them; of others only
    when ``raise-agent report`` is asked for them. A tracker is shown a report without any, and the tables behind it.

    Returns:
        The file.

    Raises:
        OSError: it cannot be written.
    """
    run = read_run(folder)
    people = matched(run, bench.scenarios)
    settings = ReportSettings(profiles=bench.cfg.data.name == SYNTHETIC)
    stored = answers_of(run, people.held_out, settings.answers) if settings.profiles else Stored({}, None)
    atomic_write_text(folder / REPORT, page(run, people, stored, settings))
    tracker.page("report", lambda: page(run, people, Stored({}, None), ReportSettings(profiles=False)))
    domains = domains_of(run, people)
    if domains is not None:
        tracker.table("report/by_domain", _rows(by_domain(run, domains), "domain"))
    tracker.table("report/by_dimension", _rows(by_dimension(run), "dimension"))
    tracker.table(
        "report/by_question",
        [
            {"method": curve.method, "questions": asked, **_flat(mean)}
            for curve in curves(run, bench.cfg.budget)
            for asked, mean in enumerate(curve.after)
        ],
    )
    return folder / REPORT


def _rows(groups: Groups, what: str) -> list[Mapping[str, Any]]:
    return [{what: name, "method": m, **_flat(mean)} for name, group in groups.items() for m, mean in group.items()]


def _flat(mean: Mean) -> dict[str, float]:
    return {"score": mean.mean, "score_low": mean.low, "score_high": mean.high}
