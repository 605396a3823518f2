"""What each attribute brings when it alone is known (paper, Figure 6)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from raise_agent.errors import ConfigError
from raise_agent.experiments.assembly import Bench
from raise_agent.experiments.bootstrap import Array, Estimate, Resampling
from raise_agent.experiments.drawing import COLOURS, MARKERS, legend, title
from raise_agent.experiments.published import published
from raise_agent.experiments.sensitivity import at_most_one
from raise_agent.experiments.statistics import Mean
from raise_agent.experiments.tables import interval, markdown_table, number
from raise_agent.experiments.tracking import Tracker
from raise_agent.experiments.yardsticks import HELD_OUT_SAMPLE, score_held_out
from raise_agent.subsets import members

from .contract import Findings, Part
from .held_out import Scores, paired, scored, unscored
from .registry import register


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One attribute, over the scenarios whose profile holds it."""

    key: str
    score: Mean
    gain: Mean
    """Over knowing nothing, paired by scenario."""
    gains: Array
    """(scenarios,): the same one by one, not-a-number where there is none."""
    unscored: float
    published: float | None
    published_gain: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "attribute": self.key,
            "score": self.score.to_json(),
            "gain": self.gain.to_json(),
            "unscored": self.unscored,
            "published": {"score": self.published, "gain": self.published_gain},
        }

    def flat(self) -> dict[str, Any]:
        """A row for trackers."""
        return {
            "what": self.key,
            "score": self.score.mean,
            "gain": self.gain.mean,
            "gain_low": self.gain.low,
            "gain_high": self.gain.high,
            "unscored": self.unscored,
            "published_score": self.published,
            "published_gain": self.published_gain,
        }


@register("sensitivity")
@dataclass(frozen=True, slots=True)
class SensitivityStudy:
    """The score when nothing is known, and when one attribute is.

    Raises:
        ConfigError: ``resamples`` is no whole number of 1 or more.
    """

    resamples: int = 2000
    """Bootstrap samples of the scenarios, for the interval of the rank correlation."""

    def __post_init__(self) -> None:
        if not isinstance(self.resamples, int) or self.resamples < 1:
            raise ConfigError(f"study.resamples must be 1 or more, a whole number, not {self.resamples!r}")

    def parts(self, bench: Bench) -> Sequence[Part]:
        """Each scenario with nothing known, and with each attribute alone."""
        each = 1 + len(bench.table)
        return [Part("single attributes", bench.scenarios.test, each, at_most_one, HELD_OUT_SAMPLE)]

    def measure(self, bench: Bench, tracker: Tracker, folder: Path) -> Findings:
        """Score, then hold the means against the published ones."""
        scenarios = bench.scenarios.test
        with bench.runner("single attributes") as runner:
            scored_rows = score_held_out(runner, scenarios, [at_most_one(scenario) for scenario in scenarios])
        none = [row[0] for row in scored_rows]
        alone = [
            dict(zip(members(scenario.profile.known), row[1:], strict=True))
            for scenario, row in zip(scenarios, scored_rows, strict=True)
        ]
        rows = [_row(bench.table.keys[index], index, none, alone) for index in range(len(bench.table))]
        rows.sort(key=lambda row: math.inf if math.isnan(row.gain.mean) else -row.gain.mean)
        known = [row for row in rows if row.published_gain is not None and row.gain.n]
        agreement = _agreement(
            [row.gains for row in known], [row.published_gain or 0.0 for row in known], self.resamples, bench.cfg.seed
        )
        nothing = scored(none)
        return Findings(
            about="one attribute known at a time",
            sections={"": f"{_table(nothing, unscored(none), rows)}\n\n{_agreement_told(agreement, len(known))}"},
            data={
                "none": {"score": nothing.to_json(), "unscored": unscored(none)},
                "attributes": [row.to_json() for row in rows],
                "rank_correlation": {"spearman": agreement.to_json(), "attributes": len(known)},
            },
            rows=[row.flat() for row in rows],
            figure=_draw(rows, simulated=bench.safety.simulated),
        )


def _row(key: str, index: int, none: Scores, alone: Sequence[Mapping[int, float | None]]) -> _Row:
    places = [place for place, scores in enumerate(alone) if index in scores]
    scores, nothing = [alone[place][index] for place in places], [none[place] for place in places]
    gains = np.full(len(alone), np.nan)
    for place, score, before in zip(places, scores, nothing, strict=True):
        if score is not None and before is not None:
            gains[place] = score - before
    source = published()["sensitivity"]
    told = source["attributes"].get(key)
    return _Row(
        key=key,
        score=scored(scores),
        gain=paired(scores, nothing),
        gains=gains,
        unscored=unscored(scores) if scores else 0.0,
        published=told,
        published_gain=None if told is None else told - source["none"],
    )


def _agreement(gains: Sequence[Array], others: Sequence[float], resamples: int, seed: int) -> Estimate:
    """Rank correlation of mean gains with the published ones; scenarios are resampled.

    Args:
        gains: of each attribute, (scenarios,), not-a-number where there is none.
        others: published gain of each.
        resamples: of the bootstrap.
        seed: of the resamples.
    """
    if len(gains) < 2:
        return Estimate(math.nan, math.nan, math.nan, len(gains))
    table, published_ranks = np.stack(gains, axis=1), stats.rankdata(others)
    heard = np.isfinite(table)

    def spearman(weights: Array) -> Array:
        with np.errstate(invalid="ignore"):
            # A resample may lack an attribute that few profiles hold, or a tie all ranks: it then has none.
            means = (weights @ np.where(heard, table, 0.0)) / (weights @ heard)
            ranks = stats.rankdata(means, axis=1, nan_policy="propagate")
            return np.array([np.corrcoef(row, published_ranks)[0, 1] for row in ranks])

    return Resampling(range(len(table)), resamples, seed).estimates({"spearman": spearman})["spearman"]


def _agreement_told(agreement: Estimate, attributes: int) -> str:
    if not math.isfinite(agreement.value):
        return "No rank correlation with the published order."
    bounds = f" [{agreement.low:.2f}, {agreement.high:.2f}]" if math.isfinite(agreement.low) else ""
    return (
        f"Rank correlation (Spearman) with the published order over {attributes} attributes: "
        f"{agreement.value:.2f}{bounds}; scenarios resampled."
    )


def _table(nothing: Mean, missing: float, rows: Sequence[_Row]) -> str:
    header = [
        "known",
        "safety score [95 %]",
        "gain over none [95 %]",
        "unscored",
        "published score",
        "published gain",
    ]
    first = ["none", interval(nothing), "-", f"{missing:.1%}", number(published()["sensitivity"]["none"]), "-"]
    cells = [
        [
            row.key,
            interval(row.score),
            interval(row.gain),
            f"{row.unscored:.1%}",
            "-" if row.published is None else number(row.published),
            "-" if row.published_gain is None else number(row.published_gain),
        ]
        for row in rows
    ]
    return markdown_table(header, [first, *cells])


def _draw(rows: Sequence[_Row], *, simulated: bool) -> Figure:
    """Gain of each attribute with its interval, beside the published one."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    figure.suptitle(title("one attribute known", simulated=simulated), fontsize=12)
    for place, row in enumerate(reversed(rows)):
        first = place == 0
        axes.plot([row.gain.low, row.gain.high], [place, place], color=COLOURS[0], linewidth=1.5)
        axes.plot([row.gain.mean], [place], MARKERS[0], color=COLOURS[0], label="here, 95 %" if first else None)
        if row.published_gain is not None:
            axes.plot(
                [row.published_gain],
                [place],
                MARKERS[6],
                color=COLOURS[1],
                label="published" if first else None,
            )
    axes.set_yticks(range(len(rows)), [row.key for row in reversed(rows)])
    axes.set_xlabel("gain over knowing nothing, score points")
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", linewidth=0.4, alpha=0.5)
    legend(figure, axes)
    return figure
