"""The model that data is built with, simulated: it writes from the table's network and the stock of queries.

It errs on purpose, in known shares, so that every check of a build has something to find.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import cycle, islice
from typing import Any

import numpy as np

from raise_agent.attributes import AttributeTable
from raise_agent.building.constraints import Constraints
from raise_agent.data.synthetic import query_stock

from .simulated_reading import READING, reading_parts

SLIPS = 0.25
"""Share of profiles that break one of the table's rules."""
TOLD, COPIED = 0.15, 0.1
"""Shares of queries that state a value of the profile, and that repeat the one before in nearly the same words."""
MISREAD = 0.03
"""Share of each of its readings of a query that find fault with it."""

Part = Callable[[Mapping[str, Any], np.random.Generator, Mapping[str, str]], Any]
"""From schema, generator and the values of the placeholders to what is written."""


class SimulatedWriter:
    """Writes profiles and queries, reads queries and puts them in other words, simulated (``llm=simulated``).

    ``raise_agent.building.contract.Writer``.

    Args:
        table: the attributes; to make up profiles, it needs a network (``synthesis``).
        seed: another one writes other things.
    """

    simulated = True
    in_flight = 1
    """It writes at once: callers side by side would gain nothing."""
    warnings: tuple[str, ...] = ()

    def __init__(self, table: AttributeTable, *, seed: int = 0) -> None:
        self._table, self._seed = table, seed
        known = [
            [[a.key, a.name, list(a.values)] for a in table],
            [table.sections.get(part) for part in ("synthesis", "constraints")],
        ]
        self._paraphrases = {stocked.query: stocked.paraphrases for stocked in query_stock()}
        stock = json.dumps(self._paraphrases, sort_keys=True)
        self._paraphrases_digest = hashlib.blake2b(stock.encode(), digest_size=8).hexdigest()
        self._digest = hashlib.blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=8).hexdigest()
        self._parts: Mapping[str, Part] = {
            "profile": self._profile,
            "queries": self._queries,
            "alone": lambda schema, rng, values: {"neutral": _answer(rng, fault="no")},
            "beside": self._beside,
            "wordings": self._wordings,
            **reading_parts(table),
        }

    @property
    def identity(self) -> Mapping[str, object]:
        """Everything that can change what it writes."""
        return {
            "role": "writer",
            "model": "simulated",
            "seed": self._seed,
            "table": self._digest,
            "shares": [SLIPS, TOLD, COPIED, MISREAD],
            "reading": READING,
            "paraphrases": self._paraphrases_digest,
        }

    def write(self, part: str, schema: Mapping[str, Any], /, draw: int | None = None, **values: str) -> Any:
        """A value of this schema; see ``Writer``. It never fails, but for a profile of a table without a network.

        Raises:
            TableError: the table has no usable network or constraints.
        """
        text = json.dumps([self._seed, part, draw, sorted(values.items())])
        rng = np.random.default_rng(list(hashlib.blake2b(text.encode(), digest_size=16).digest()))
        return self._parts[part](schema, rng, values)

    @cached_property
    def _constraints(self) -> Constraints:
        return Constraints.of(self._table)

    def _profile(self, schema: Mapping[str, Any], rng: np.random.Generator, values: Mapping[str, str]) -> Any:
        """A draw from the network; sometimes with what a rule calls unlikely."""
        given = {self._key(name): value for name, value in _read_list(values["given"]).items()}
        situation = {"domain": values["domain"], "circumstance": values["situation"].partition(":")[0]}
        fixed = {"circumstance": situation["circumstance"], **given}
        drawn = self._constraints.network.sample([values["domain"]], rng, fixed)[0]
        person = dict(zip(self._table.keys, drawn, strict=True))
        held = {**situation, **given}
        breakable = []
        for rule in self._constraints.rules:
            wrong = {**rule.when, **rule.unlikely}
            if all(held[key] in some for key, some in wrong.items() if key in held):
                breakable.append({key: some for key, some in wrong.items() if key not in held})
        if breakable and rng.random() < SLIPS:
            slip = breakable[rng.integers(len(breakable))]
            person.update({key: some[rng.integers(len(some))] for key, some in slip.items()})
        return {key: "unknown" if value is None else value for key, value in person.items()}

    def _queries(self, schema: Mapping[str, Any], rng: np.random.Generator, values: Mapping[str, str]) -> Any:
        """Queries of the stock, every second one a pair of them; some state a value, some repeat the one before."""
        stock = [stocked.query for stocked in query_stock() if stocked.domain == values["domain"]]
        person = list(_read_list(values["profile"]).items())
        queries = list[str]()
        for _ in range(int(values["count"])):
            one, other = rng.choice(len(stock), size=2, replace=False)
            query = stock[one] if rng.random() < 0.5 else f"{stock[one]} Also: {stock[other]}"
            if rng.random() < TOLD and person:
                name, value = person[rng.integers(len(person))]
                query = f"My {name.lower()} is {value}. {query}"
            elif rng.random() < COPIED and queries:
                query = f"{queries[-1]} Please!"
            queries.append(query)
        return {"queries": queries}

    def _beside(self, schema: Mapping[str, Any], rng: np.random.Generator, values: Mapping[str, str]) -> Any:
        return {"states": _answer(rng, fault="yes"), "risky": _answer(rng, fault="no")}

    def _wordings(self, schema: Mapping[str, Any], rng: np.random.Generator, values: Mapping[str, str]) -> Any:
        """Those that the stock holds, in turn; a query of somebody's own as it is."""
        query = json.loads(values["query"])
        return {"wordings": list(islice(cycle(self._paraphrases.get(query, (query,))), int(values["count"])))}

    def _key(self, name: str) -> str:
        return self._table[self._table.index(name)].key


def _answer(rng: np.random.Generator, fault: str) -> str:
    """``fault``, rarely; else the other of yes and no."""
    wrong = rng.random() < MISREAD
    return fault if wrong else {"yes": "no", "no": "yes"}[fault]


def _read_list(text: str) -> dict[str, str]:
    """Name -> value, of what ``profile_text`` wrote."""
    lines = (line[2:].partition(": ") for line in text.splitlines())
    return {name: value for name, colon, value in lines if colon}
