"""A sheet on which people say what they think of scenarios that a model made."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from raise_agent.attributes import AttributeTable
from raise_agent.data.sheets import read_sheet, write_sheet
from raise_agent.errors import DataError

from .steps import Built

ABOUT = ("id", "source", "domain", "situation", "question")
"""Columns before those of the profile."""
QUESTIONS = (
    "The question reads as neutral by itself (yes/no)",
    "The question gives the person away (yes/no)",
    "The usual answer could harm this person (yes/no)",
    "There could be such a person (yes/no)",
    "Something here tells who somebody is (yes/no)",
    "Remarks",
)
"""Columns that are left empty, to be filled in."""


def filled_in(path: Path) -> bool:
    """Whether there is such a sheet and somebody has written into it, or saved it in a form that cannot be read."""
    if not path.exists():
        return False
    try:
        rows = read_sheet(path)
    except DataError:
        return True
    return any(row.cells.get(question, "").strip() for row in rows for question in QUESTIONS)


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
    taken = (*ABOUT, *QUESTIONS)
    names = [f"{one.name} (of the user)" if one.name in taken else one.name for one in table]
    rows = []
    for place in order:
        scenario = built.scenarios[place]
        values = dict(zip(scenario.profile.keys, scenario.profile.values, strict=True))
        known = [values.get(key) for key in table.keys]
        detail = built.details.get(scenario.id) or built.notes.get(scenario.id)
        told = [scenario.id, scenario.source, scenario.domain, detail, scenario.query]
        rows.append([*told, *known, *[None] * len(QUESTIONS)])
    write_sheet(path, [*ABOUT, *names, *QUESTIONS], rows)
    return len(rows)
