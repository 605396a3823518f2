"""Other wordings of queries, written by a model.

What is asked for stays the same, so what was found for a query holds for its other wordings too, and a policy that
knows a request in several wordings recognises it better in a new one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .contract import Unwritten, Writer
from .forms import quoted, wordings_schema
from .side_by_side import side_by_side

NOTHING_NEW = "nothing new"
"""Why a query has none where something was written."""
_ECHO = 3
"""A wording that holds a query of this many words whole was not put in other words."""


@dataclass(frozen=True, slots=True, repr=False)
class Wordings:
    """What came of it."""

    of: Mapping[str, tuple[str, ...]]
    """query -> other wordings of it, of those queries that have any."""
    missing: Mapping[str, int]
    """Why queries have none -> how many."""


def write_wordings(
    queries: Sequence[str], writer: Writer, count: int, on_done: Callable[[int], None] = lambda done: None
) -> Wordings:
    """Ask for other wordings of each query, in one call a query.

    What a writer that misses the point repeats is left out, whatever its case and signs: the query itself, another
    query, and what is written for more than one. Whether the rest asks for the same is not checked.

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
    seen = Counter(_words(query) for query in queries)
    seen.update(words for texts in found if isinstance(texts, tuple) for words in {_words(text) for text in texts})
    wordings, missing = dict[str, tuple[str, ...]](), Counter[str]()
    for query, texts in zip(queries, found, strict=True):
        if isinstance(texts, str):
            missing[texts] += 1
            continue
        own = {words: text for text in texts if (words := _words(text)) and seen[words] == 1}
        if kept := tuple(text for words, text in own.items() if not _echoes(words, _words(query))):
            wordings[query] = kept
        else:
            missing[NOTHING_NEW] += 1
    return Wordings(wordings, missing)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _echoes(words: str, query: str) -> bool:
    return len(query.split()) >= _ECHO and f" {query} " in f" {words} "
