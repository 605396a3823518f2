"""Synthetic scenarios, offline: profiles from a Bayesian network, queries from a stock.

The network's structure is the paper's (A.3.1): each attribute depends on the situation and on a few other
attributes. A node's distribution is log-linear: its base weights, times one factor per parent value. The
numbers live in the attribute table's ``synthesis`` section, so another table brings its own network.

Deliberate differences of PENGUIN's network from A.3.1. The paper's *scenario* is two parents here, the query's
domain and whether life is in crisis or going well. Marital status also depends on age, or a fifth of the
widowed would be under 25. Economic status, mental health and emotion also depend on the circumstance, or the paper's
"good scenario" would be one in name only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import AttributeTable, check_names
from raise_agent.errors import ConfigError, TableError
from raise_agent.scenario import Profile, Scenario

CHUNK = 1024
"""Scenarios drawn from one random stream; a longer set starts with the shorter one of the same seed."""

SITUATION = ("domain", "circumstance")
"""Parents that are not attributes: the query's domain, and whether life is in crisis or going well."""


@dataclass(frozen=True, slots=True)
class StockQuery:
    """A query that reads neutral on its own, with what it is about."""

    domain: str
    concern: str
    query: str
    other_words: str
    """The same request as somebody else might put it, who shares hardly a word with it; for evaluation alone."""
    paraphrases: tuple[str, ...]
    """The same request as the simulated writer puts it, one to four times, for training; in words that were written
    without sight of ``other_words`` and together share no more with them than the query does."""


@cache
def query_stock() -> tuple[StockQuery, ...]:
    """The stock of neutral queries, grouped by domain.

    >>> len({stocked.domain for stocked in query_stock()})
    7
    """
    text = (resources.files("raise_agent.data") / "queries.json").read_text(encoding="utf-8")
    return tuple(
        StockQuery(domain, entry["concern"], entry["query"], entry["other_words"], tuple(entry["paraphrases"]))
        for domain, entries in json.loads(text).items()
        for entry in entries
    )


@dataclass(frozen=True, slots=True)
class _Node:
    attribute: int
    values: tuple[str, ...]
    base: npt.NDArray[np.float64]
    """Shape (values,)."""
    parents: tuple[tuple[str, Mapping[str, npt.NDArray[np.float64]]], ...]
    """(parent, parent value -> factors of shape (values,)); a parent value not listed changes nothing."""


@dataclass(frozen=True, slots=True)
class ProfileNetwork:
    """A Bayesian network over the attributes of one table (paper, A.3.1)."""

    table: AttributeTable
    nodes: tuple[_Node, ...]
    """In an order in which parents come before children."""
    circumstances: tuple[tuple[str, ...], npt.NDArray[np.float64]]

    @classmethod
    def of(cls, table: AttributeTable) -> ProfileNetwork:
        """Read the network in the table's ``synthesis`` section.

        Raises:
            TableError: there is none, or it does not fit the table.
        """
        section = table.sections.get("synthesis")
        where = f"attribute table {table.name!r}: synthesis"
        if section is None:
            raise TableError(
                f"{where}: this table has no such part, so no profiles can be drawn from it; "
                "add one or load scenarios from files"
            )
        nodes: list[_Node] = []
        try:
            check_names(section, {"source", "circumstances", "nodes"}, where, "part")
            circumstances = (tuple(section["circumstances"]), _weights(section["circumstances"], where))
            domains = dict.fromkeys(stocked.domain for stocked in query_stock())
            seen: dict[str, tuple[str, ...]] = dict(zip(SITUATION, (tuple(domains), circumstances[0]), strict=True))
            for entry in section["nodes"]:
                node = _node(table, entry, seen, where)
                nodes.append(node)
                seen[table.keys[node.attribute]] = node.values
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TableError(f"{where}: {type(error).__name__}: {error}; see penguin.json for the form") from error
        return cls(table, tuple(nodes), circumstances)

    def sample(
        self, domains: list[str], rng: np.random.Generator, fixed: Mapping[str, str] | None = None
    ) -> list[tuple[str | None, ...]]:
        """One profile per domain, values in table order; None for an attribute without a node.

        Args:
            domains: of the queries.
            rng: draws.
            fixed: values by attribute key, and the ``circumstance``, that are not drawn but given.
        """
        names, weights = self.circumstances
        state: dict[str, list[str]] = {name: [value] * len(domains) for name, value in (fixed or {}).items()}
        state["domain"] = domains
        if "circumstance" not in state:
            state["circumstance"] = [names[i] for i in _draw(np.tile(weights, (len(domains), 1)), rng)]
        for node in self.nodes:
            key = self.table.keys[node.attribute]
            if key not in state:
                weights = self._weights(node, state, len(domains))
                state[key] = [node.values[i] for i in _draw(weights, rng)]
        columns = [state.get(key, [None] * len(domains)) for key in self.table.keys]
        return list(zip(*columns, strict=True))

    def chances(self, state: Mapping[str, str]) -> dict[str, float]:
        """Attribute key -> probability of its value given those of its parents.

        Args:
            state: ``domain``, ``circumstance`` and the values of all attributes that have a node. A value that the
                network does not know has probability 0.
        """
        many = {name: [value] for name, value in state.items()}
        found = {}
        for node in self.nodes:
            key = self.table.keys[node.attribute]
            weights = dict(zip(node.values, self._weights(node, many, 1)[0], strict=True))
            found[key] = float(weights.get(state[key], 0.0) / sum(weights.values()))
        return found

    @property
    def roots(self) -> tuple[str, ...]:
        """Keys of the attributes that depend on the situation alone, in the order of the network."""
        return tuple(
            self.table.keys[node.attribute]
            for node in self.nodes
            if all(parent in SITUATION for parent, _ in node.parents)
        )

    def _weights(self, node: _Node, state: Mapping[str, list[str]], rows: int) -> npt.NDArray[np.float64]:
        """Weights of a node's values, shape (rows, values)."""
        weights = np.tile(node.base, (rows, 1))
        for parent, factors in node.parents:
            for row, value in enumerate(state[parent]):
                if value in factors:
                    weights[row] *= factors[value]
        if not weights.any(axis=1).all():
            raise TableError(
                f"attribute table {self.table.name!r}: synthesis: the factors of "
                f"{self.table.keys[node.attribute]!r} leave no value possible for some parents"
            )
        return weights


def _node(table: AttributeTable, entry: Mapping[str, Any], seen: Mapping[str, tuple[str, ...]], where: str) -> _Node:
    """One node; ``seen`` holds what is drawn before it, each with its values."""
    check_names(entry, {"attribute", "base", "given"}, where, "field of a node")
    index = table.index(entry["attribute"])
    key = table.keys[index]
    if key in seen:
        raise TableError(f"{where}: {key!r} is drawn already; a node needs an attribute and a key of its own")
    values = tuple(entry["base"])
    parents = []
    for name, given in entry.get("given", {}).items():
        found = None if name in SITUATION else table.find(name)
        parent = name if found is None else table.keys[found]
        if parent not in seen:
            raise TableError(f"{where}: {key!r} depends on {name!r}, which is not drawn before it")
        check_names(given, seen[parent], where, f"value of {parent!r}:")
        factors = {}
        for parent_value, change in given.items():
            check_names(change, values, where, f"value of {key!r}:")
            factors[parent_value] = _weights(dict.fromkeys(values, 1.0) | change, where)
        parents.append((parent, factors))
    return _Node(index, values, _weights(entry["base"], where), tuple(parents))


def _weights(given: Mapping[str, Any], where: str) -> npt.NDArray[np.float64]:
    weights = np.asarray(list(given.values()), dtype=np.float64)
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise TableError(f"{where}: the weights of {', '.join(given)} must be 0 or more, not all of them 0")
    return weights


def _draw(weights: npt.NDArray[np.float64], rng: np.random.Generator) -> list[int]:
    """One index per row of ``weights`` (rows, choices), by inverse distribution function."""
    cumulative = np.cumsum(weights, axis=1)
    drawn = rng.random(len(weights))[:, None] * cumulative[:, -1:]
    chosen = (drawn >= cumulative).sum(axis=1)
    return [int(i) for i in np.minimum(chosen, weights.shape[1] - 1)]


def synthetic_scenarios(table: AttributeTable, n: int, seed: int, missing: float = 0.0) -> tuple[Scenario, ...]:
    """Draw ``n`` scenarios, balanced over the domains; the same seed gives the same scenarios.

    Args:
        table: must have a ``synthesis`` section.
        n: how many, 1 or more.
        seed: 0 or more. A larger ``n`` extends the smaller set.
        missing: share of values, 0 to 1, that the profile does not hold, as in the Reddit half of PENGUIN.

    Raises:
        ConfigError: ``n``, ``seed`` or ``missing`` is out of range.
        TableError: the table has no usable network.
    """
    if n < 1:
        raise ConfigError(f"the number of synthetic scenarios must be 1 or more, not {n}")
    if seed < 0:
        raise ConfigError(f"the seed of synthetic scenarios must be 0 or more, not {seed}")
    if not 0 <= missing <= 1:
        raise ConfigError(f"missing must be a share between 0 and 1, not {missing}")
    network = ProfileNetwork.of(table)
    return tuple(islice(_stream(network, seed, missing), n))


@cache
def _rewordings() -> Mapping[str, str]:
    return {stocked.query: stocked.other_words for stocked in query_stock()}


def in_other_words(scenario: Scenario) -> Scenario:
    """The same user with the same request, put in other words.

    Raises:
        ConfigError: the query is not of the stock, and nobody wrote it in other words.
    """
    found = _rewordings().get(scenario.query)
    if found is None:
        raise ConfigError(f"scenario {scenario.id!r}: only queries of the stock are there in other words")
    return replace(scenario, query=found)


def _stream(network: ProfileNetwork, seed: int, missing: float) -> Iterator[Scenario]:
    stock: dict[str, list[str]] = {}
    for stocked in query_stock():
        stock.setdefault(stocked.domain, []).append(stocked.query)
    domains = list(stock)
    number = 0
    while True:
        rng = np.random.default_rng([seed, number // CHUNK])
        chosen = [domains[(number + i) % len(domains)] for i in range(CHUNK)]
        picks = rng.random(CHUNK)
        profiles = network.sample(chosen, rng)
        gone = rng.random((CHUNK, len(network.table))) < missing
        for domain, pick, values, absent in zip(chosen, picks, profiles, gone, strict=True):
            kept = tuple(None if drop else value for value, drop in zip(values, absent, strict=True))
            yield Scenario(
                id=f"synthetic-{seed}-{number:06d}",
                domain=domain,
                query=stock[domain][int(pick * len(stock[domain]))],
                profile=Profile(network.table.keys, kept),
                source="synthetic",
            )
            number += 1
