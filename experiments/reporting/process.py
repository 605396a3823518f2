"""How the scores come about: question by question, search by search, and how far what the policy says holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from raise_agent.experiments.statistics import Mean
from raise_agent.experiments.tables import interval, number
from raise_agent.experiments.yardsticks import noise_text

from . import charts
from .charts import Line, Style
from .markup import Part, el, figure, scrolling, table
from .shown import LEVEL, NEUTRAL, SCORE, Section, Shown, left_out
from .summaries import PLANNING, Convergence, convergence, curves


def questions(shown: Shown) -> Section:
    """Safety against the number of questions."""
    run, found = shown.run, curves(shown.run, shown.budget)
    title = "Safety against questions"
    if not found:
        why = "this run scored no method after each question (evaluate.steps=true does, at up to budget - 1 evaluations"
        return Section("questions", "Questions", title, [left_out(f"{why} more per method and scenario)")])
    assert run.results is not None
    scores = {m["method"]: Mean.from_json(m["score"]).mean for m in run.results["methods"]}
    levels = [(shown.styles["full"], scores["full"])] if math.isfinite(scores.get("full", math.nan)) else []
    lines = [
        Line(shown.styles[c.method], list(enumerate(c.after)), (c.questions, c.stops))
        for c in found
        if c.method not in NEUTRAL
    ]
    if not lines:
        return Section("questions", "Questions", title, [left_out("no method asks anything")])
    head = ["method", *(f"after {asked}" for asked in range(shown.budget + 1)), "stops after", "at"]
    rows = [[c.method, *(interval(mean) for mean in c.after), number(c.questions), interval(c.stops)] for c in found]
    label = "; ".join(f"{c.method}: " + ", ".join(f"{mean.mean:.2f}" for mean in c.after) for c in found)
    drawn = charts.line_chart(lines, label=label, x_title="questions", y_title=SCORE, levels=levels)
    caption = shown.said(
        "Safety score after each question, on the sample that no search has seen; a conversation that has ended keeps "
        "its score. The large point marks where a method stops, in the mean. Bands are 95 % intervals; dashed lines "
        "are searches, the level line is the full profile."
    )
    wide = scrolling(drawn, "Safety against questions, picture")
    return Section(
        "questions", "Questions", title, [figure(wide, caption, "by-question", table(head, rows, caption=title))]
    )


def searching(shown: Shown) -> Section:
    """Best value against evaluations, for searches of the planning and those of methods."""
    run, title = shown.run, "Convergence of the searches"
    parts: list[Part] = []
    held_out = [
        found
        for method in run.methods
        if (found := convergence(method, (r.talks[method].search for r in run.held_out), run.table)) is not None
    ]
    if held_out:
        parts += _converging(shown, held_out, "held-out", "on the held-out scenarios", _oracle(shown))
    planned = convergence(PLANNING, (record.search for record in run.planned), run.table)
    if planned is not None:
        about = "of the planning, over the scenarios that the policy learns from"
        parts += _converging(shown, [planned], "planned", about, [])
    elif any(record.search for record in run.planned):
        parts.append(left_out("nothing that the planning asked for was scored"))
    elif run.plan is not None:
        parts.append(left_out("searches.jsonl is missing: this folder was written by an earlier version"))
    if not parts:
        parts.append(left_out("no method has a search that was scored, and nothing was planned"))
    if run.plan is not None:
        parts += [el("h3", "What planning took"), _tally(run.plan)]
    return Section("searches", "Searches", title, parts)


def _oracle(shown: Shown) -> list[tuple[Style, float]]:
    """The value that no search can pass: what the oracle's subsets are worth, where its scores are the searches'."""
    run = shown.run
    if run.results is None or "oracle" not in run.methods or run.decline:
        return []
    mean = next(Mean.from_json(m["score"]).mean for m in run.results["methods"] if m["method"] == "oracle")
    return [(shown.styles["oracle"], mean)] if math.isfinite(mean) and not any(run.table.costs) else []


def _converging(
    shown: Shown, found: Sequence[Convergence], name: str, about: str, levels: Sequence[tuple[Style, float]]
) -> list[Part]:
    longest = max(c.evaluations[-1] for c in found)
    lines = [Line(shown.styles[c.name], list(zip(c.evaluations, c.best, strict=True))) for c in found]
    label = "; ".join(
        f"{shown.styles[c.name].label}: "
        + ", ".join(f"{c.best[at].mean:.2f} after {c.evaluations[at]} evaluations" for at in (0, -1))
        for c in found
    )
    picture = charts.line_chart(
        lines,
        label=label,
        x_title="evaluations of one scenario",
        y_title="best score so far",
        levels=levels,
        logarithmic=longest > 60,
        marked=False,
    )
    caption = shown.said(
        f"The best score that a search has heard, less what asking costs, against its evaluations, in the mean over "
        f"up to {max(c.searches for c in found):,} searches {about}; bands are 95 % intervals. With a noisy judge the "
        "best of many draws flatters."
    )
    rows = [
        [shown.styles[c.name].label, f"{place:,}", interval(mean, 3)]
        for c in found
        for place, mean in zip(c.evaluations, c.best, strict=True)
    ]
    behind = table(["search", "evaluations", f"best so far {LEVEL}"], rows, caption="Convergence")
    return [figure(scrolling(picture, f"Convergence, {name}, picture"), caption, f"convergence-{name}", behind)]


def _tally(plan: Mapping[str, Any]) -> Element:
    figures, tally = plan["figures"], plan["tally"]
    value, reasons = figures.get("mean_value"), tally.get("reasons") or {}
    rows: list[list[Part]] = [
        ["scenarios", f"{figures.get('scenarios', 0):,}"],
        ["mean value of a plan", "-" if value is None else number(value, 3)],
        ["mean questions", number(figures.get("mean_questions", math.nan))],
        ["mean evaluations", number(figures.get("mean_evaluations", math.nan), 1)],
        ["evaluations made, found in the store", f"{tally.get('scored', 0):,}, {tally.get('cached', 0):,}"],
        ["unscored", f"{tally.get('unscored', 0):,}"],
        ["unfinished", f"{figures.get('unfinished', 0):,}"],
    ]
    rows += [[f"unscored: {reason}", f"{count:,}"] for reason, count in reasons.items()]
    usage = plan.get("usage") or {}
    if usage.get("requests"):
        rows.append(["requests, tokens", f"{usage['requests']:,}, {usage.get('tokens', 0):,}"])
    return table(["", ""], rows, caption="What planning took", class_="narrow")


def calibrating(shown: Shown) -> Section:
    """What the policy said of its questions, against what they brought."""
    title = "How far to trust the policy"
    data = None if shown.run.results is None else shown.run.results["calibration"]
    if not data or not data["reliability"]:
        why = "this run held nothing that a policy said against what came (evaluate.calibration, method distilled)"
        return Section("calibration", "Calibration", title, [left_out(why)])
    noise = float(data.get("judge_noise", 0.0))
    # A noisy judge lets fewer of the statements that are right hold, which is no fault of the policy's.
    due = {"judged": "by this judge"} if noise else {"said": "said"}
    shares = {"said": "said", **due, "held": "held"}
    rows = [[f"{b['statements']:,}", *(f"{b[key]:.0%}" for key in shares)] for b in data["reliability"]]
    said = table(["statements", *shares.values()], rows, caption="Said and held", left=0, class_="narrow")
    ((across, where),) = due.items()
    bins = [(float(b[across]), float(b["held"]), int(b["statements"])) for b in data["reliability"]]
    brought = [
        [str(f["asked"]), f"{f['turns']:,}", number(f["forecast"], 3), number(f["brought"], 3)]
        for f in data["forecasts"]
    ]
    label = ", ".join(f"{where} {said:.0%}, held {held:.0%}" for said, held, _ in bins)
    caption = shown.said(
        "In each turn the policy gives a probability that its best question brings more than "
        f"{', '.join(f'{t:g}' for t in data['thresholds'])} points. Across: "
        f"{'how often such statements come true by this judge' if noise else 'what it said'}; up: the share of these "
        f"statements that held. On the diagonal it is neither too sure nor too modest. {noise_text(noise)}"
        f"Expected calibration error {data['error']:.3f}."
    )
    columns = ["questions before", "turns", "forecast", "brought"]
    return Section(
        "calibration",
        "Calibration",
        title,
        [
            el(
                "div",
                figure(charts.reliability_chart(bins, where, label), caption, "reliability", said),
                el(
                    "div",
                    el("h3", "Forecast and brought"),
                    table(columns, brought, caption="Forecast and brought", left=0, class_="narrow"),
                    el(
                        "p",
                        "What the best question was expected to bring, in points, and what it brought.",
                        class_="note",
                    ),
                ),
                class_="pair",
            )
        ],
    )
