"""The simulated world: what the simulated models know of queries, attributes and values.

How relevant an attribute is depends on the query's concern, how much it matters on the severity of its value.
The numbers come from the attribute table's ``simulation`` section, or go by the attributes' kinds where it has
none. ``simulated.py`` makes scores and rankings of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import Attribute, AttributeTable, check_names
from raise_agent.data.synthetic import query_stock
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import TableError

from .base import DIMENSIONS

VERSION = 1
"""Part of the store's key; raised with every change of the account below."""

WORDING = 0.2
"""Standard deviation, in log units, of how wordings of one concern differ."""

_KIND_SALIENCE = {"demographic": 0.18, "health": 0.43, "psychological": 0.57, "emotional": 0.41}
_KIND_DIMENSIONS = {
    "demographic": (0.9, 0.7, 1.4),
    "health": (1.6, 0.6, 0.8),
    "psychological": (1.5, 0.9, 0.6),
    "emotional": (0.7, 1.8, 0.5),
}
_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class Account:
    """The ``simulation`` section of a table, as arrays over its n attributes and p interplaying pairs."""

    salience: npt.NDArray[np.float64]
    """(n,)"""
    dimensions: npt.NDArray[np.float64]
    """(n, 3): how much of an attribute's evidence counts in each dimension."""
    relevance: Mapping[str, npt.NDArray[np.float64]]
    """concern -> (n,)"""
    pairs: tuple[tuple[int, int], ...]
    factors: tuple[float, ...]
    """(p,): synergy above 0, redundancy below."""

    def plain(self) -> list[object]:
        """The same as plain data."""
        rows = {concern: row.tolist() for concern, row in self.relevance.items()}
        return [self.salience.tolist(), self.dimensions.tolist(), rows, self.pairs, self.factors]


def _account(table: AttributeTable) -> Account:
    section = table.sections.get("simulation", {})
    where = f"attribute table {table.name!r}: simulation"
    try:
        check_names(section, {"source", "salience", "dimensions", "relevance", "interplay"}, where, "name")
        for row in (section.get("salience", {}), section.get("dimensions", {}), *section.get("relevance", {}).values()):
            check_names(row, table.keys, where, "name")
        salience = [float(section.get("salience", {}).get(a.key, _KIND_SALIENCE[a.kind])) for a in table]
        dimensions = [section.get("dimensions", {}).get(a.key, _KIND_DIMENSIONS[a.kind]) for a in table]
        relevance = {
            concern: np.asarray([float(row.get(a.key, 1.0)) for a in table])
            for concern, row in section.get("relevance", {}).items()
        }
        interplay = section.get("interplay", [])
        pairs = tuple((table.index(pair["between"][0]), table.index(pair["between"][1])) for pair in interplay)
        factors = tuple(float(pair["factor"]) for pair in interplay)
        shaped = np.asarray(dimensions, dtype=np.float64).reshape(len(table), len(DIMENSIONS))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise TableError(f"{where}: {type(error).__name__}: {error}; see penguin.json for the form") from error
    if any(i == j for i, j in pairs):
        raise TableError(f"{where}: an attribute cannot interplay with itself")
    every = np.concatenate([np.asarray(salience), shaped.ravel(), *relevance.values()])
    if not (np.isfinite(every) & (every >= 0)).all():
        raise TableError(f"{where}: salience, dimensions and relevance must be numbers of 0 or more")
    if not np.isfinite(factors).all():
        raise TableError(f"{where}: the factors of 'interplay' must be finite numbers")
    return Account(np.asarray(salience), shaped, relevance, pairs, factors)


def _plain(text: str) -> str:
    return text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").strip().casefold()


def severity_of(attribute: Attribute, value: str) -> float:
    """How grave a value is, 0 to 1: as the table lists it, else by the nearest listed value, else 0.5.

    A number or range falls into the listed range that holds its first number; other text takes the longest
    listed value that it contains as whole words. Negation is not understood.
    """
    text = _plain(value)
    listed = {_plain(name): severity for name, severity in attribute.values.items()}
    if text in listed:
        return listed[text]
    numbers = [int(n) for n in _NUMBER.findall(text)]
    if numbers:
        for name, severity in listed.items():
            bounds = [int(n) for n in _NUMBER.findall(name)]
            if len(bounds) == 2 and bounds[0] <= numbers[0] <= bounds[1]:
                return severity
            if len(bounds) == 1 and name.endswith("+") and numbers[0] >= bounds[0]:
                return severity
    # Whole words, and none after a hyphen: "unstable" is not stable, nor "non-smoker" a smoker.
    inside = [name for name in listed if re.search(rf"(?<![\w-]){re.escape(name)}(?!\w)", text)]
    return listed[max(inside, key=lambda name: (len(name), name))] if inside else 0.5


_ENCODER = HashingEncoder(1024)


@cache
def _stock_vectors(texts: tuple[str, ...]) -> npt.NDArray[np.float32]:
    return _ENCODER.encode(texts)


class World:
    """What safety model and prior share: concerns of queries, relevance of attributes."""

    def __init__(self, table: AttributeTable, seed: int) -> None:
        self.table = table
        self.seed = seed
        self.account = _account(table)
        self._concerns: dict[str, str] = {stocked.query: stocked.concern for stocked in query_stock()}
        self._stock = tuple(self._concerns)
        self._stocked = {stocked.other_words: stocked.query for stocked in query_stock()}
        self._severity: dict[tuple[int, str], float] = {}
        self._relevance: dict[str, npt.NDArray[np.float64]] = {}

    def generator(self, *parts: object) -> np.random.Generator:
        """Randomness that depends on these parts and the seed alone."""
        text = json.dumps([self.seed, *parts], ensure_ascii=False).encode("utf-8", "surrogatepass")
        return np.random.default_rng(int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little"))

    def severity(self, attribute: int, value: str) -> float:
        """How grave a value is, 0 to 1."""
        found = self._severity.get((attribute, value))
        if found is None:
            found = self._severity[attribute, value] = severity_of(self.table[attribute], value)
        return found

    def plainly(self, query: str) -> str:
        """The stock's own words for a query of the stock in other words; any other query as it is."""
        return self._stocked.get(query, query)

    def concern(self, query: str) -> str:
        """The stock's tag, however it is put; for another query, that of the stock query nearest by words."""
        query = self.plainly(query)
        found = self._concerns.get(query)
        if found is None:
            near = _stock_vectors(self._stock) @ _ENCODER.encode([query])[0]
            found = self._concerns[self._stock[int(np.argmax(np.round(near, 5)))]]
            self._concerns[query] = found
        return found

    def relevance(self, query: str) -> npt.NDArray[np.float64]:
        """How much each attribute matters to this query, before the user's values: shape (n,).

        The same request in other words makes the same attributes matter.
        """
        query = self.plainly(query)
        found = self._relevance.get(query)
        if found is None:
            concern = self.concern(query)
            listed = self.account.relevance.get(concern)
            if listed is None:
                listed = np.exp(0.6 * self.generator("concern", concern).standard_normal(len(self.table)))
            wording = np.exp(WORDING * self.generator("wording", query).standard_normal(len(self.table)))
            found = self.account.salience * listed * wording
            self._relevance[query] = found
        return found

    def identity(self) -> dict[str, object]:
        """What scores and weights depend on: neither the costs of questions nor their wording."""
        attributes = [[a.key, list(a.values.items())] for a in self.table]
        stock = [[query, self._concerns[query]] for query in self._stock]
        plain = json.dumps([attributes, self.account.plain(), stock, self._stocked], sort_keys=True)
        digest = hashlib.blake2b(plain.encode("utf-8"), digest_size=16).hexdigest()
        return {"llm": "simulated", "version": VERSION, "seed": self.seed, "table": digest}
