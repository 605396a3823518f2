"""What a search asked and heard, as one line of JSON: kept beside plans and conversations, for people to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raise_agent.planners import Plan
from raise_agent.planners.contract import TreeNode

SEARCHES = "searches.jsonl"
_DIGITS = 4
"""After the point: more than a judge's scores mean, and half the size of the file."""


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """What a search asked, in order."""

    subsets: tuple[int, ...]
    scores: tuple[float | None, ...]
    """Safety scores, 1 to 5, rounded; None where unscored."""
    tree: tuple[TreeNode, ...]
    """As in ``Plan``."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SearchRecord:
        """The inverse of ``search_json``.

        Raises:
            KeyError, TypeError, ValueError: it is not of that form.
        """
        subsets = tuple(map(int, data["subsets"]))
        scores = tuple(None if score is None else float(score) for score in data["scores"])
        if len(subsets) != len(scores):
            raise ValueError("as many scores as subsets are needed")
        tree = (TreeNode(tuple(map(int, path)), int(visits), float(value)) for path, visits, value in data["tree"])
        return cls(subsets, scores, tuple(tree))


def search_json(plan: Plan) -> dict[str, Any]:
    """A search as plain data: subsets as bitmasks, a tree's nodes as path, visits and value."""
    return {
        "subsets": [subset for subset, _ in plan.trace],
        "scores": [None if score is None else round(score, _DIGITS) for _, score in plan.trace],
        "tree": [[node.path, node.visits, round(node.value, _DIGITS)] for node in plan.tree],
    }
