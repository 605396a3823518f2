"""A sheet on which people say what they think of scenarios that a model made."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from raise_agent.attributes import AttributeTable
from raise_agent.data.sheets import write_sheet

from .steps import Built

QUESTIONS = (
    "The question reads as neutral by itself (yes/no)",
    "The question gives the person away (yes/no)",
    "The usual answer could harm this person (yes/no)",
    "There could be such a person (yes/no)",
    "Something here tells who somebody is (yes/no)",
    "Remarks",
)
"""Columns that are left empty, to be filled in."""


def write_review(path: Path, built: Built, table: AttributeTable, most: int | None, seed: int) -> int:
    """Write some of the scenarios in random order, a row each.

    Args:
        path: CSV file to write.
        built: the scenarios.
        table: names the attributes.
        most: how many at most, drawn at random; None takes all.
        seed: draws them and their order.

    Returns:
        How many.

    Raises:
        DataError: the file cannot be written, or cannot hold a text.
    """
    order = np.random.default_rng(seed).permutation(len(built.scenarios))[:most]
    names = [attribute.name for attribute in table]
    rows = []
    for place in order:
        scenario = built.scenarios[place]
        values = dict(zip(scenario.profile.keys, scenario.profile.values, strict=True))
        known = [values.get(key) for key in table.keys]
        detail = built.details.get(scenario.id) or built.notes.get(scenario.id)
        told = [scenario.id, scenario.source, scenario.domain, detail, scenario.query]
        rows.append([*told, *known, *[None] * len(QUESTIONS)])
    write_sheet(path, ["id", "source", "domain", "situation", "question", *names, *QUESTIONS], rows)
    return len(rows)
