"""The methods side by side: over all scenarios, by domain and by dimension."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from raise_agent.experiments.results import failures_told
from raise_agent.experiments.statistics import Mean
from raise_agent.experiments.tables import interval, number, percentages

from . import charts
from .charts import Scale
from .markup import Part, el, figure, table
from .shown import (
    DIMENSION_NAMES,
    LEVEL,
    NEUTRAL,
    SCORE,
    Section,
    Shown,
    left_out,
    named,
    share,
    with_interval,
)
from .summaries import Groups, by_dimension, by_domain

_SHARE = "share_of_oracle_gain"
BEHIND, ORACLES = f"behind distilled {LEVEL}", f"of the oracle's {LEVEL}"


def comparison(shown: Shown) -> Section:
    """The main table."""
    assert shown.run.results is not None
    methods = shown.run.results["methods"]
    means = {m["method"]: Mean.from_json(m["score"]) for m in methods}
    scale = Scale(*charts.reach(list(means.values())), 6.0, 134.0)
    columns: dict[str, Callable[[Mapping[str, Any]], Part]] = {
        "method": lambda m: el("th", named(shown.styles[m["method"]]), scope="row", class_="method"),
        "": lambda m: charts.strip(means[m["method"]], scale, shown.styles[m["method"]]),
        f"{SCORE} {LEVEL}": lambda m: with_interval(means[m["method"]]),
        f"gain over none {LEVEL}": lambda m: with_interval(Mean.from_json(m["gain"])),
        "share of full gain": lambda m: share(m.get("share_of_full_gain")),
        ORACLES: lambda m: percentages(Mean.from_json(m[_SHARE])) if m.get(_SHARE) else "-",
        BEHIND: lambda m: with_interval(Mean.from_json(m["behind_distilled"]), 3) if m.get("behind_distilled") else "-",
        "questions": lambda m: number(m["questions"]),
        "evaluations": lambda m: number(m.get("evaluations", 0.0), 1),
        "unscored": lambda m: f"{m['unscored']:.1%}",
    }
    if any(m.get("cost") for m in methods):
        columns["cost"] = lambda m: number(m["cost"], 3)
        columns["score less cost"] = lambda m: number(means[m["method"]].mean - m["cost"], 3)
    for name, key in ((ORACLES, _SHARE), (BEHIND, "behind_distilled")):
        if not any(m.get(key) for m in methods):
            del columns[name]
    rows = [[cell(m) for cell in columns.values()] for m in methods]
    head: list[Part] = [name or el("span", "picture", class_="unseen") for name in columns]
    failed = failures_told((m["method"], m.get("failures") or 0) for m in methods)
    return Section(
        "comparison",
        "Methods",
        "Methods side by side",
        [
            _verdict(shown, means),
            table(head, rows, caption="Methods side by side", left=2, class_="main"),
            el(
                "p",
                shown.said(
                    "Hollow: searches on these very scenarios with the safety model at hand (evaluations, per "
                    "scenario); filled: agents, which see the query and the answers only. Gains are paired by "
                    "scenario; a scenario whose evaluation failed is unscored and enters no mean."
                ),
                class_="note",
            ),
            el("p", failed) if failed else None,
        ],
    )


def _verdict(shown: Shown, means: Mapping[str, Mean]) -> Part:
    """The result in a sentence: what the policy reaches, between the two ends."""
    assert shown.run.results is not None
    agents = [m for m in shown.run.results["methods"] if m["method"] not in NEUTRAL and not m.get("evaluations")]
    chosen = next((m for m in agents if m["method"] == "distilled"), agents[-1] if agents else None)
    if chosen is None or not math.isfinite(means[chosen["method"]].mean):
        return None
    share = chosen.get("share_of_full_gain")
    return el(
        "p",
        el("strong", chosen["method"]),
        f" reaches a safety score of {interval(means[chosen['method']])} with {chosen['questions']:.2f} questions, "
        f"{interval(Mean.from_json(chosen['gain']))} above asking nothing",
        f": {share:.0%} of what the full profile would bring." if share is not None else ".",
        class_="verdict",
    )


def breakdowns(shown: Shown) -> Section:
    """Scores by domain and by dimension."""
    parts: list[Part] = []
    if shown.domains is None:
        parts.append(left_out("this folder does not say which domain a scenario is of, and its data is not to be had"))
    else:
        parts += _breakdown(shown, by_domain(shown.run, shown.domains), "domain")
    dimensions = by_dimension(shown.run)
    if dimensions:
        named = {DIMENSION_NAMES[name]: group for name, group in dimensions.items()}
        parts += _breakdown(shown, named, "dimension")
    else:
        parts.append(left_out("this folder holds no score by dimension; it was written by an earlier version"))
    return Section("breakdowns", "Domains", "By domain and by dimension", parts)


def _breakdown(shown: Shown, groups: Groups, what: str) -> list[Part]:
    cells = [mean for group in groups.values() for mean in group.values()]
    limits = charts.reach(cells)
    panels = [
        charts.panel(name, [(shown.styles[method], mean) for method, mean in group.items()], limits)
        for name, group in groups.items()
    ]
    caption = shown.said(
        f"Mean safety score by {what}, with 95 % intervals. All panels share one axis; hollow points are searches."
    )
    return [
        el("h3", f"By {what}"),
        _heat(shown, groups, what),
        figure(el("div", panels, class_="panels"), caption, f"by-{what}", _interval_table(groups, what)),
    ]


def _heat(shown: Shown, groups: Groups, what: str) -> Element:
    means = [mean.mean for group in groups.values() for mean in group.values() if math.isfinite(mean.mean)]
    low, high = min(means, default=1.0), max(means, default=5.0)

    def cell(mean: Mean) -> Element:
        if not math.isfinite(mean.mean):
            return el("td", "-", class_="n")
        step = 0 if high == low else round(10 * (mean.mean - low) / (high - low))
        return el("td", f"{mean.mean:.2f}", class_=f"n heat h{step}")

    methods = shown.run.methods
    rows: list[list[Part]] = [
        [el("th", named(shown.styles[m]), scope="row", class_="method"), *(cell(g[m]) for g in groups.values())]
        for m in methods
    ]
    return table(["method", *groups], rows, caption=f"Mean safety score by {what}", class_="heat-table")


def _interval_table(groups: Groups, what: str) -> Element:
    rows = [
        [name, method, interval(mean), f"{mean.n:,}"]
        for name, group in groups.items()
        for method, mean in group.items()
    ]
    return table([what, "method", f"{SCORE} {LEVEL}", "scenarios"], rows, caption=f"By {what}", left=2)
