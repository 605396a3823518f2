"""Near duplicates, found by what an encoder makes of the texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raise_agent.encoders import Encoder

DUPLICATE = "near duplicate of an earlier one"
"""Why one is dropped."""
BLOCK = 512
"""Texts compared with all earlier ones at once: bounds memory, changes nothing."""


def near_duplicates(texts: Sequence[str], groups: Sequence[str], encoder: Encoder, threshold: float) -> dict[int, int]:
    """The texts that say nearly what an earlier one of their group says that is kept.

    In the order given: the first is kept, and each further one unless it is too near to a text that is kept. More texts
    at the end change nothing about those before.

    Args:
        texts: in order of preference.
        groups: of each text, such as its domain; texts of different groups are never compared.
        encoder: gives unit vectors.
        threshold: cosine from which on two texts are near duplicates, above 0; above 1 only equal texts are.

    Returns:
        Index of each near duplicate -> index of the text that is kept and nearest to it.
    """
    found: dict[int, int] = {}
    for group in dict.fromkeys(groups):
        members = [index for index, one in enumerate(groups) if one == group]
        found.update(_within(members, [texts[index] for index in members], encoder, threshold))
    return found


def _within(members: Sequence[int], texts: Sequence[str], encoder: Encoder, threshold: float) -> dict[int, int]:
    vectors = encoder.encode(texts)
    found: dict[int, int] = {}
    first: dict[str, int] = {}
    kept = np.zeros(len(texts), dtype=bool)
    for start in range(0, len(texts), BLOCK):
        end = min(start + BLOCK, len(texts))
        # Equal vectors may come out a rounding short of 1.
        nearness = np.round(vectors[start:end] @ vectors[:end].T, 5)
        for place, row in enumerate(nearness, start):
            if texts[place] in first:
                found[members[place]] = members[first[texts[place]]]
                continue
            row[~kept[:end]] = -np.inf
            nearest = int(row.argmax())
            if row[nearest] >= threshold:
                found[members[place]] = members[nearest]
                continue
            kept[place] = True
            first[texts[place]] = place
    return found
