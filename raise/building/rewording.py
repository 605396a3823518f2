"""Queries put in other words by a model.

What is asked for stays the same, so what was found for a query holds for its other wordings too, and a policy that
knows a request in several wordings recognises it better in a new one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .contract import Unwritten, Writer
from .forms import quoted, wordings_schema
from .side_by_side import side_by_side


@dataclass(frozen=True, slots=True, repr=False)
class Reworded:
    """What came of it."""

    wordings: Mapping[str, tuple[str, ...]]
    """query -> other wordings of it, of those queries that have any."""
    missing: Mapping[str, int]
    """Why queries have none -> how many."""


def reword(
    queries: Sequence[str], writer: Writer, count: int, on_done: Callable[[int], None] = lambda done: None
) -> Reworded:
    """Ask for other wordings of each query, in one call a query.

    What a writer that misses the point repeats is left out: the query itself, another query, and what it writes for
    more than one.

    Args:
        queries: each once.
        writer: the model.
        count: wordings of each, 1 or more.
        on_done: called after each call with how many are done.

    Raises:
        ModelError: the model is gone; what was written before stands where the writer keeps it.
    """

    def written(query: str) -> tuple[str, ...] | str:
        try:
            reply = writer.write("wordings", wordings_schema(count), 0, query=quoted(query), count=str(count))
        except Unwritten as failed:
            return failed.reason
        return tuple(" ".join(text.split()) for text in reply["wordings"])

    found = side_by_side(written, queries, writer.in_flight, 0, on_done)
    seen = Counter(_plain(query) for query in queries)
    seen.update(plain for texts in found if isinstance(texts, tuple) for plain in {_plain(text) for text in texts})
    wordings, missing = dict[str, tuple[str, ...]](), Counter[str]()
    for query, texts in zip(queries, found, strict=True):
        if isinstance(texts, str):
            missing[texts] += 1
            continue
        own = {_plain(text): text for text in texts}
        if kept := tuple(text for plain, text in own.items() if plain and seen[plain] == 1):
            wordings[query] = kept
        else:
            missing["nothing new"] += 1
    return Reworded(wordings, missing)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
