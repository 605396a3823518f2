"""What PENGUIN as a benchmark comes to, as tables, JSON and Markdown; none holds what a user said."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from raise_agent.experiments.assembly import Bench
from raise_agent.experiments.measures import MEASURES, value
from raise_agent.experiments.provenance import content_digest, describe_run, published_yaml, without_folders
from raise_agent.experiments.published import published
from raise_agent.experiments.statistics import Mean
from raise_agent.experiments.tables import cell, interval, markdown_table, number
from raise_agent.experiments.tracking import Tracker
from raise_agent.files import atomic_write_text
from raise_agent.models.base import DIMENSIONS, Evaluation

from .scoring import Contexts, Contrast, Group, Pair

RESULTS, REPORT, SCORES, FIGURES = "penguin.json", "penguin.md", "scores.jsonl", "figures"
SIMULATED = "**Simulated scores: nothing about a real model.**"
CALIBRATED = "The simulated model is set so that its means are the published ones: that they agree says nothing."
ABOUT = (
    "*Context-free*: the responder sees the query alone. *Context-rich*: it sees all that the profile holds. The judge "
    "sees the whole profile in both. Scores are from 1 to 5; the safety score is the mean of the three dimensions. "
    "Intervals are at 95 %, over scenarios (Student's t). Gains are paired, over the scenarios that are scored both "
    "ways; an evaluation that failed is unscored and enters no mean."
)


def paper_row() -> tuple[str, str, str, str]:
    """The published means (paper, section 3): label, context-free, context-rich, gain."""
    means = published()["context"]
    free, rich = means["context_free"], means["context_rich"]
    return "paper, mean of its models", number(free), number(rich), number(rich - free)


def heading(found: Contexts, name: str) -> str:
    """What the tables stand under.

    Args:
        found: the result.
        name: where the scenarios come from.
    """
    n = len(found.pairs)
    cut = f" of {found.wanted:,} wanted, cut off at a limit," if n < found.wanted else ""
    parts = [
        f"{n:,}{cut} of {found.available:,} scenarios ({name}). Responder: {found.responder}. Judge: {found.judge}."
    ]
    if found.without_profile:
        parts.append(f"Left out, as their profile holds nothing: {found.without_profile:,}.")
    if found.simulated:
        parts.append(SIMULATED)
    return " ".join(parts)


def tables(found: Contexts) -> str:
    """What is printed: by dimension, by domain and, where there are several, by source."""
    parts = [_measures_table(found.overall), _unscored(found), groups_table("domain", found.domains)]
    if len(found.sources) > 1:
        parts.append(groups_table("source", found.sources))
    return "\n\n".join(part for part in parts if part)


def _measures_table(overall: Group) -> str:
    rows = [[label, *_cells(overall.contrasts[measure])] for measure, label in MEASURES.items()]
    return markdown_table(["", "context-free [95 %]", "context-rich [95 %]", "gain [95 %]"], [*rows, paper_row()])


def _cells(contrast: Contrast) -> list[str]:
    return [interval(contrast.free), interval(contrast.rich), interval(contrast.gain)]


def _unscored(found: Contexts) -> str:
    free, rich = found.overall.unscored
    if not free and not rich:
        return ""
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in found.reasons.items())
    return f"Unscored: {free:.1%} of the context-free evaluations, {rich:.1%} of the context-rich ones ({reasons})."


def groups_table(what: str, groups: Sequence[Group]) -> str:
    """The safety score of each group; which share is unscored, where any is."""
    header = [what, "scenarios", "context-free [95 %]", "context-rich [95 %]", "gain [95 %]"]
    rows = [[cell(g.name), f"{g.scenarios:,}", *_cells(g.score)] for g in groups]
    if any(any(g.unscored) for g in groups):
        header.append("unscored, free and rich")
        rows = [[*row, "{:.1%}, {:.1%}".format(*g.unscored)] for row, g in zip(rows, groups, strict=True)]
    return markdown_table(header, rows)


def dimensions_table(what: str, groups: Sequence[Group]) -> str:
    """Each dimension of each group: both means and the gain with its interval."""
    rows = [[cell(g.name), *(shift(g.contrasts[dimension]) for dimension in DIMENSIONS)] for g in groups]
    return markdown_table([what, *(MEASURES[dimension] for dimension in DIMENSIONS)], rows)


def shift(contrast: Contrast) -> str:
    """Both means and the gain, ``2.79 to 4.00, 1.21 [1.19, 1.24]``, or a dash where nothing is scored."""
    if not contrast.free.n and not contrast.rich.n:
        return "-"
    return f"{number(contrast.free.mean)} to {number(contrast.rich.mean)}, {interval(contrast.gain)}"


def write(bench: Bench, tracker: Tracker, folder: Path, found: Contexts) -> None:
    """Scores, plots, report and results into the folder, the results last; and to the tracker."""
    # Fonts take a second to load, and only this needs them.
    from .figures import draw_contexts

    made = results(bench, found)
    config = published_yaml(bench.cfg)
    atomic_write_text(folder / SCORES, "".join(json.dumps(_plain(p, found.simulated)) + "\n" for p in found.pairs))
    drawn = [path for path in draw_contexts(found, folder / FIGURES) if path.suffix == ".png"]
    names = [path.name for path in drawn]
    atomic_write_text(folder / REPORT, _report(found, made, bench.scenarios.name, names, config))
    atomic_write_text(folder / RESULTS, json.dumps(made, indent=2, allow_nan=False) + "\n")
    tracker.log(_metrics(found.overall))
    tracker.table("penguin/groups", [row for group in _all_groups(found) for row in _rows(*group)])
    for path in drawn:
        tracker.image(f"penguin/{path.stem}", path)
    tracker.artifact("penguin", "results", folder / RESULTS)


def results(bench: Bench, found: Contexts) -> dict[str, Any]:
    """All of it as plain data."""
    scenarios = bench.scenarios
    return {
        **describe_run(bench.cfg.seed, simulated=found.simulated),
        "complete": found.stop is None,
        "data": {
            "name": scenarios.name,
            "digest": content_digest(pair.scenario for pair in found.pairs),
            "scenarios": len(found.pairs),
            "wanted": found.wanted,
            "available": found.available,
            "without_profile": found.without_profile,
            "skipped_records": len(scenarios.skipped),
            "duplicates": scenarios.duplicates,
        },
        "responder": found.responder.to_json(),
        "judge": found.judge.to_json(),
        "published": published()["context"],
        "overall": found.overall.to_json(),
        "domains": [group.to_json() for group in found.domains],
        "sources": [group.to_json() for group in found.sources],
        "by_source": {source: [group.to_json() for group in groups] for source, groups in found.by_source.items()},
        "unscored_reasons": dict(found.reasons),
        "models": without_folders({"safety": dict(bench.safety.identity)}),
        "config": without_folders(OmegaConf.to_container(bench.cfg, resolve=True)),
    }


def _plain(pair: Pair, simulated: bool) -> dict[str, Any]:
    """The scores of one scenario, without anything a user said."""
    scenario = pair.scenario
    return {
        "id": scenario.id,
        "digest": scenario.digest,
        "domain": scenario.domain,
        "source": scenario.source,
        "simulated": simulated,
        "context_free": _scores(pair.free),
        "context_rich": _scores(pair.rich),
    }


def _scores(evaluation: Evaluation | None) -> dict[str, float] | None:
    return None if evaluation is None else {measure: value(evaluation, measure) for measure in MEASURES}


def _metrics(overall: Group) -> dict[str, float]:
    """The means of all scenarios, and the share unscored."""
    metrics = dict(zip(("penguin/unscored_free", "penguin/unscored_rich"), overall.unscored, strict=True))
    for measure, contrast in overall.contrasts.items():
        means = {"context_free": contrast.free, "context_rich": contrast.rich, "gain": contrast.gain}
        metrics |= {f"penguin/{measure}/{name}": mean.mean for name, mean in means.items() if math.isfinite(mean.mean)}
    return metrics


def _all_groups(found: Contexts) -> list[tuple[str, Group]]:
    """Each group with what it is one of."""
    kinds = {"all": [found.overall], "domain": found.domains, "source": found.sources}
    return [(kind, group) for kind, groups in kinds.items() for group in groups]


def _rows(kind: str, group: Group) -> list[dict[str, Any]]:
    """A row of numbers for each measure, for trackers."""
    free, rich = group.unscored
    return [
        {
            "group": kind,
            "name": group.name,
            "measure": measure,
            "scenarios": group.scenarios,
            **_bounds("context_free", contrast.free),
            **_bounds("context_rich", contrast.rich),
            **_bounds("gain", contrast.gain),
            "unscored_free": free,
            "unscored_rich": rich,
        }
        for measure, contrast in group.contrasts.items()
    ]


def _bounds(name: str, mean: Mean) -> dict[str, float]:
    return {name: mean.mean, f"{name}_low": mean.low, f"{name}_high": mean.high}


def _report(found: Contexts, run: Mapping[str, Any], name: str, figures: Sequence[str], config: str) -> str:
    parts = ["# PENGUIN: context-free against context-rich", heading(found, name), tables(found), ABOUT]
    if found.simulated:
        parts.append(CALIBRATED)
    parts += [f"![{figure.removesuffix('.png').replace('_', ' ')}]({FIGURES}/{figure})" for figure in figures]
    parts += ["## By domain and dimension", dimensions_table("domain", found.domains)]
    if len(found.sources) > 1:
        parts += ["## By source and dimension", dimensions_table("source", found.sources)]
        for source, groups in found.by_source.items():
            parts += [f"## Domains of source {cell(source)}", groups_table("domain", groups)]
    parts += ["## Where it comes from", comes_from(run), f"```yaml\n{config}```"]
    return "\n\n".join(parts) + "\n"


def comes_from(run: Mapping[str, Any]) -> str:
    """Seed, commit and versions in a sentence."""
    made_with = ", ".join(f"{package} {number}" for package, number in run["versions"].items())
    return f"seed {run['seed']}; commit {run['commit']}; {made_with}"
