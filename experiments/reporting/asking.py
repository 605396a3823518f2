"""Which attributes are asked first, and then."""

from __future__ import annotations

import math
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from .markup import Part, el, figure, scrolling, table
from .paths import ENDED, flow_chart, legend
from .shown import Section, Shown, left_out, named
from .summaries import PLANNING, Paths, asked_at, first_questions, paths_of


def asking(shown: Shown) -> Section:
    """Which attributes are asked first, and then."""
    run, paths = shown.run, paths_of(shown.run)
    if not paths:
        return Section("asking", "Paths", "What is asked", [left_out("no method asks anything")])
    chosen = next((name for name in ("distilled", PLANNING) if name in paths), next(iter(paths)))
    return Section(
        "asking",
        "Paths",
        "What is asked",
        [el("h3", "First question"), _first(shown, paths), el("h3", "And then"), *_flows(shown, paths, chosen)]
        + ([] if run.plan is None or run.planned else [left_out("the plans are gone")]),
    )


def _first(shown: Shown, paths: Mapping[str, Paths]) -> Element:
    attributes = shown.run.table

    def cell(share: float) -> Element:
        text = "-" if not share else f"{share:.0%}" if share >= 0.01 else "<1%"
        return el("td", text, class_=f"n heat h{math.ceil(10 * share)}" if share else "n none")

    rows: list[list[Part]] = [
        [
            el("th", named(shown.styles[name]), scope="row", class_="method"),
            *(cell(share) for share in first_questions(asked, len(attributes))),
        ]
        for name, asked in paths.items()
    ]
    names = [attribute.name for attribute in attributes]
    return table(
        ["method", *names],
        rows,
        caption="Share of conversations that begin with an attribute",
        class_="heat-table first",
    )


def _flows(shown: Shown, paths: Mapping[str, Paths], chosen: str) -> list[Part]:
    """A picture of each method's paths; the page shows one at a time."""
    options = [
        el("option", shown.styles[name].label, value=f"paths-{place}", selected=name == chosen)
        for place, name in enumerate(paths)
    ]
    select = el("select", options, id="paths-of", data_picks="paths", autocomplete="off")
    pictures = [
        el("div", _flow(shown, name, asked, place), id=f"paths-{place}", data_group="paths", hidden=name != chosen)
        for place, (name, asked) in enumerate(paths.items())
    ]
    return [
        el("p", el("label", "Paths of ", for_="paths-of"), select, class_="pick"),
        legend(shown.run.table),
        *pictures,
    ]


def _flow(shown: Shown, name: str, paths: Paths, place: int) -> Element:
    attributes, label = shown.run.table, shown.styles[name].label
    depth = min(shown.budget, max(map(len, paths)))
    rows: list[list[Part]] = []
    for question in range(depth):
        for attribute, count in sorted(asked_at(paths, question).items(), key=lambda item: -item[1]):
            said = ENDED if attribute is None else attributes[attribute].name
            rows.append([str(question + 1), said, f"{count:,}", f"{count / len(paths):.1%}"])
    behind = table(["question", "attribute", "conversations", "share"], rows, caption=f"Paths of {label}", left=2)
    most = [f"{row[1]} {row[3]}" for row in rows if row[0] == "1"][:3]
    picture = flow_chart(paths, attributes, depth, f"Paths of {label}; first {', '.join(most)}")
    caption = shown.said(
        f"The paths of {label}: {len(paths):,} conversations from left to right, ribbons as wide as they are frequent."
    )
    return figure(scrolling(picture, f"Paths of {label}, picture"), caption, f"paths-{place}-figure", behind)
