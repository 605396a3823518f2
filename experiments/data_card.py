"""The data card of a build: what the scenarios are, how they came about, and what not to use them for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from raise_agent.attributes import AttributeTable
from raise_agent.building.steps import Built, Step
from raise_agent.scenario import Scenario

from .tables import markdown_table

SIMULATED = (
    "**Simulated.** No language model wrote or read any of this: `llm=simulated` puts it together from the attribute "
    "table and a stock of queries, and errs on purpose. It shows how a build goes, and is no data to draw conclusions "
    "from."
)


def data_card(
    name: str, built: Built, table: AttributeTable, settings: Mapping[str, Any], made_by: Mapping[str, Any]
) -> str:
    """The card as Markdown; no query and no value that the table does not list.

    Args:
        name: of the scenarios' file.
        built: what was built.
        table: whose values are counted.
        settings: of the build.
        made_by: the model and the versions, with ``simulated``.
    """
    parts = [f"# Data card of {name}"]
    if made_by["simulated"]:
        parts.append(f"> {SIMULATED}")
    parts += [built.about, "## Counts at each step", steps_table(built.steps)]
    dropped = [[step.name, why, f"{count:,}"] for step in built.steps for why, count in step.dropped.items()]
    parts += ["## What was dropped, and why", _table(["step", "reason", "dropped"], dropped, left=2)]
    redone = [[step.name, why, f"{count:,}"] for step in built.steps for why, count in step.redone.items()]
    parts += ["## What was sent back to be written anew", _table(["step", "reason", "times"], redone, left=2)]
    missing = [[what, f"{count:,}"] for what, count in built.shortfall.items()]
    if missing:
        parts += ["## What was asked for and is missing", _table(["of", "scenarios"], missing)]
    parts += ["## Domains", _domains(built)]
    parts += ["## Attributes", "Shares of the scenarios, in %.", _attributes(built.scenarios, table)]
    parts += ["## Limits", "\n".join(f"- {limit}" for limit in built.limits)]
    parts += ["## How it was made", _code({"settings": settings, **made_by})]
    return "\n\n".join(parts) + "\n"


def steps_table(steps: Sequence[Step]) -> str:
    """What went in, was dropped and was kept at each step, as a Markdown table."""
    rows = [
        [
            step.name,
            f"{step.entered:,}",
            f"{sum(step.redone.values()):,}",
            f"{step.entered - step.kept:,}",
            f"{step.kept:,}",
        ]
        for step in steps
    ]
    return markdown_table(["step", "in", "sent back", "dropped", "kept"], rows)


def _domains(built: Built) -> str:
    """Scenarios by domain and by what reviewers see beside them; all and the distinct profiles."""
    details = sorted(set(built.details.values()))
    rows = []
    for domain in dict.fromkeys(scenario.domain for scenario in built.scenarios):
        there = [scenario for scenario in built.scenarios if scenario.domain == domain]
        counts = Counter(built.details.get(scenario.id) for scenario in there)
        profiles = len({scenario.profile for scenario in there})
        rows.append([domain, *(f"{counts[detail]:,}" for detail in details), f"{len(there):,}", f"{profiles:,}"])
    return _table(["domain", *details, "scenarios", "distinct profiles"], rows)


def _attributes(scenarios: Sequence[Scenario], table: AttributeTable) -> str:
    """The share of each value that the table lists; what else there is, only as a share."""
    rows = []
    for place, attribute in enumerate(table):
        counts = Counter(scenario.profile.values[place] for scenario in scenarios)
        unknown = counts.pop(None, 0)
        listed = {value: counts.pop(value, 0) for value in attribute.values}
        others = {"(another value)": counts.total(), "(not known)": unknown}
        for value, count in {**listed, **{name: count for name, count in others.items() if count}}.items():
            rows.append([attribute.name, value, f"{100 * count / max(len(scenarios), 1):.1f}"])
    return _table(["attribute", "value", "%"], rows, left=2)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    return markdown_table(header, rows, left) if rows else "None."


def _code(data: Mapping[str, Any]) -> str:
    return f"```json\n{json.dumps(data, indent=2, ensure_ascii=False)}\n```"
