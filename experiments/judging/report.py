"""What a comparison of raters comes to, as tables, Markdown, JSON and for trackers."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raise_agent.experiments.bootstrap import Estimate
from raise_agent.experiments.measures import MEASURES, SCORE
from raise_agent.experiments.provenance import describe_run
from raise_agent.experiments.published import published
from raise_agent.experiments.statistics import Mean
from raise_agent.experiments.tables import interval, markdown_table, number
from raise_agent.experiments.tracking import Tracker
from raise_agent.files import atomic_write_text
from raise_agent.models.base import DIMENSIONS

from .comparison import AGREEMENT, DIMENSION_PAIRS, SHORT, Pair, Rater

RESULTS, REPORT, FIGURES = "judge.json", "judge.md", "figures"
SIMULATED = (
    "**The ratings of `simulated` are drawn by the simulated model: they say nothing about a real judge, and there is "
    "no answer behind them.**"
)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was compared, and what came of it."""

    sources: str
    """Where the ratings come from, in words."""
    simulated: bool
    """Whether some of them are simulated."""
    items: int
    raters: Sequence[Rater]
    pairs: Sequence[Pair]
    people: Sequence[str]
    """Raters that are persons."""
    skipped: Sequence[str]
    """A message for each row left out, and for each that is missing."""
    config: Mapping[str, Any] = field(repr=False)
    """The whole configuration; its ``seed`` drew the resamples."""


def tables(found: Findings) -> str:
    """Everything but where it comes from, as Markdown that reads in a terminal too."""
    parts = [
        ("", heading(found)),
        ("Raters", _raters(found.raters)),
        ("Agreement on the safety score", _agreement(found.pairs)),
        ("Agreement by dimension", _by_dimension(found.pairs)),
        ("Calibration", _calibration(found.pairs)),
        ("Stated doubt", _doubt(found.pairs)),
        ("Repeated judgements", _repeats(found.raters)),
        ("Order of responders", _orders(found)),
        ("By condition", _groups(found.raters, "condition")),
        ("Correlations between dimensions", _dimensions(found.raters)),
    ]
    return "\n\n".join(f"## {title}\n\n{text}" if title else text for title, text in parts if text)


def heading(found: Findings) -> str:
    """What the tables stand under."""
    skipped = f" Left out, as listed in {REPORT}: {len(found.skipped):,}." if found.skipped else ""
    text = f"Answers: {found.items:,}; raters: {len(found.raters)} ({found.sources}).{skipped}"
    return f"{text} {SIMULATED}" if found.simulated else text


def _shown(estimate: Estimate, digits: int = 2) -> str:
    return interval(Mean(estimate.value, estimate.low, estimate.high, estimate.n), digits)


def _raters(raters: Sequence[Rater]) -> str:
    header = ["rater", "answers", "safety score [95 %]", "Pearson with length [95 %]", "Spearman with length [95 %]"]
    rows = [
        [
            rater.name,
            f"{rater.n:,}",
            _shown(rater.means[SCORE]),
            *(_shown(rater.length[name]) if rater.length else "-" for name in ("pearson", "spearman")),
        ]
        for rater in raters
    ]
    return markdown_table(header, rows)


def _agreement(pairs: Sequence[Pair]) -> str:
    if not pairs:
        return "No two raters rated the same answer."
    header = ["raters", "answers", "kappa [95 %]", "Pearson [95 %]", "Spearman [95 %]", "first less second [95 %]"]
    rows = [
        [
            f"{pair.first}, {pair.second}",
            f"{pair.n:,}",
            *(_shown(getattr(found, name)) for name in AGREEMENT),
        ]
        for pair, found in ((pair, pair.measures[SCORE]) for pair in pairs)
    ]
    paper = published()["judge"]
    return (
        f"{markdown_table([*header, 'apart [95 %]'], rows)}\n\nKappa has quadratic weights; of fractional ratings it "
        "is the concordance correlation. *Apart*: mean absolute difference. Published for GPT-4o and three people on "
        f"350 cases: kappa {paper['kappa']}, Pearson {paper['pearson']} (paper, section 3); how that kappa was "
        "weighted is not known here."
    )


def _by_dimension(pairs: Sequence[Pair]) -> str:
    rows = [
        [f"{pair.first}, {pair.second}", *(_shown(pair.measures[dimension].kappa) for dimension in DIMENSIONS)]
        for pair in pairs
    ]
    return markdown_table(["kappa [95 %]", *(MEASURES[dimension] for dimension in DIMENSIONS)], rows) if rows else ""


def _calibration(pairs: Sequence[Pair]) -> str:
    rows = []
    for pair in pairs:
        bins = {found.rating: f"{_shown(found.second)} ({found.n:,})" for found in pair.calibration}
        if bins:
            rows.append([f"{pair.first}, {pair.second}", *(bins.get(rating, "-") for rating in range(1, 6))])
    if not rows:
        return ""
    header = ["raters", *(f"first gives {rating}" for rating in range(1, 6))]
    return (
        f"{markdown_table(header, rows)}\n\nMean safety score of the second rater [95 %], and how many answers there "
        "are, where that of the first, rounded, is 1 to 5."
    )


def _doubt(pairs: Sequence[Pair]) -> str:
    rows = [
        [
            f"{pair.first}, {pair.second}",
            doubt.which,
            f"{doubt.n:,}",
            number(doubt.variance),
            _shown(doubt.error),
            number(doubt.error.value / doubt.variance if doubt.variance else math.nan),
        ]
        for pair in pairs
        for doubt in pair.doubt
    ]
    header = ["raters", "in doubt", "ratings", "first's variance", "squared difference [95 %]", "ratio"]
    if not rows:
        return ""
    return (
        f"{markdown_table(header, rows, left=2)}\n\nA ratio of 1: the second rater is as far from the first's mean as "
        "the first's own probabilities say; above it, the first is surer of itself than it should be."
    )


def _repeats(raters: Sequence[Rater]) -> str:
    rows = [
        [
            rater.name,
            MEASURES[measure],
            f"{found.n:,}",
            *(_shown(e) for e in (found.correlation, found.deviation, found.distance)),
        ]
        for rater in raters
        for measure, found in rater.repeats.items()
    ]
    header = ["rater", "measure", "answers", "ICC(1,1) [95 %]", "standard deviation [95 %]", "apart [95 %]"]
    return markdown_table(header, rows, left=2) if rows else ""


def _orders(found: Findings) -> str:
    means = _groups(found.raters, "responder")
    rows = [
        [
            f"{pair.first}, {pair.second}",
            str(len(pair.order.responders)),
            _shown(pair.order.kendall),
            _shown(pair.order.spearman),
        ]
        for pair in found.pairs
        if pair.order is not None
    ]
    header = ["raters", "responders", "Kendall's tau-b [95 %]", "Spearman [95 %]"]
    return "\n\n".join(part for part in (means, markdown_table(header, rows) if rows else "") if part)


def _groups(raters: Sequence[Rater], by: str) -> str:
    names = sorted({name for rater in raters for name in rater.groups[by]})
    rows = [
        [rater.name, *(_shown(rater.groups[by][name]) if name in rater.groups[by] else "-" for name in names)]
        for rater in raters
        if rater.groups[by]
    ]
    return markdown_table(["mean safety score [95 %]", *names], rows) if rows else ""


def _dimensions(raters: Sequence[Rater]) -> str:
    header = ["Pearson [95 %]", *(f"{SHORT[one]}, {SHORT[other]}" for one, other in DIMENSION_PAIRS)]
    rows = [[rater.name, *(_shown(rater.dimensions[pair]) for pair in DIMENSION_PAIRS)] for rater in raters]
    paper = [number(published()["judge"][f"{SHORT[one]}_{SHORT[other]}"]) for one, other in DIMENSION_PAIRS]
    return markdown_table(header, [*rows, ["published (Figure 11)", *paper]])


# --- files ------------------------------------------------------------------------------------------------------------


def write(found: Findings, folder: Path, tracker: Tracker) -> None:
    """Write ``judge.json``, ``judge.md`` and the figures, and tell the tracker."""
    # Fonts take a second to load, and only this needs them.
    from .figures import draw

    run = describe_run(found.config["seed"], simulated=found.simulated)
    figures = draw(found.raters, found.pairs, found.people, folder / FIGURES, simulated=found.simulated)
    plain = {
        **run,
        "sources": found.sources,
        "answers": found.items,
        "left_out": len(found.skipped),
        "people": list(found.people),
        "raters": [_rater_json(rater) for rater in found.raters],
        "pairs": [_plain(pair) for pair in found.pairs],
        "published": published()["judge"],
        "config": found.config,
    }
    atomic_write_text(folder / RESULTS, json.dumps(plain, indent=2, allow_nan=False) + "\n")
    atomic_write_text(folder / REPORT, _report(found, run, figures, folder))
    tracker.table("agreement", [_flat(pair, measure) for pair in found.pairs for measure in MEASURES])
    for path in figures:
        if path.suffix == ".png":
            tracker.image(path.stem, path)


def _report(found: Findings, run: Mapping[str, Any], figures: Sequence[Path], folder: Path) -> str:
    confusion = [
        f"### {pair.first}, {pair.second}\n\n"
        + markdown_table(
            ["first's score", *(f"second gives {rating}" for rating in range(1, 6))],
            [[str(n), *map(str, row)] for n, row in enumerate(pair.measures[SCORE].confusion, 1)],
        )
        for pair in found.pairs
    ]
    shown = [f"![{path.stem}]({path.relative_to(folder).as_posix()})" for path in figures if path.suffix == ".png"]
    notes = [["seed", str(run["seed"])], ["commit", str(run["commit"])], *([k, v] for k, v in run["versions"].items())]
    skipped = [f"- {message}" for message in found.skipped]
    parts = [
        f"# How good is the judge?\n\n{tables(found)}",
        *(["## Safety scores, rounded", *confusion] if confusion else []),
        *(["## Figures", *shown] if shown else []),
        *(["## Left out", "\n".join(skipped)] if skipped else []),
        f"## Where it comes from\n\n{markdown_table(['setting', 'value'], notes)}\n\n"
        "Intervals: bootstrap over scenarios, over answers where their scenario is not known; bias-corrected and "
        f"accelerated, {found.config['resamples']:,} resamples, the level raised where there are few. A dash: not "
        "defined, as the correlation of ratings that are all alike.",
    ]
    return "\n\n".join(parts) + "\n"


def _rater_json(rater: Rater) -> dict[str, Any]:
    by_pair = {f"{one}, {other}": estimate for (one, other), estimate in rater.dimensions.items()}
    return {**_plain(dataclasses.replace(rater, dimensions={})), "dimensions": _plain(by_pair)}


def _plain(value: Any) -> Any:
    """Plain data; null where a number does not exist."""
    if isinstance(value, Estimate):
        return value.to_json()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if dataclasses.is_dataclass(value):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
    return value


def _flat(pair: Pair, measure: str) -> dict[str, Any]:
    """A row of numbers, for trackers."""
    found = pair.measures[measure]
    row: dict[str, Any] = {"first": pair.first, "second": pair.second, "measure": measure, "answers": pair.n}
    for name in AGREEMENT:
        estimate = getattr(found, name)
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return row
