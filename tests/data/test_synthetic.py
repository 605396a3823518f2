"""Synthetic scenarios: reproducible, balanced, and distributed as the network says, by an oracle of its own."""

from __future__ import annotations

import copy
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from raise_agent.attributes import AttributeTable, penguin_table
from raise_agent.data import DOMAINS
from raise_agent.data.synthetic import (
    CHUNK,
    ProfileNetwork,
    StockQuery,
    in_other_words,
    query_stock,
    synthetic_scenarios,
)
from raise_agent.errors import ConfigError, TableError
from raise_agent.scenario import Scenario

Array: TypeAlias = npt.NDArray[np.float64]

TABLE = penguin_table()
FILE = json.loads((resources.files("raise_agent") / "penguin.json").read_text(encoding="utf-8"))
NODES: dict[str, dict[str, Any]] = {node["attribute"]: node for node in FILE["synthesis"]["nodes"]}
IMPROBABLE = 1e-7
"""A p-value below this is no chance, over the few hundred comparisons of this file."""
N = 21_000


@cache
def drawn() -> tuple[Scenario, ...]:
    """A large sample, of a seed that nothing was tuned on."""
    return synthetic_scenarios(TABLE, N, 4711)


def column(name: str) -> list[str]:
    if name == "domain":
        return [scenario.domain for scenario in drawn()]
    index = TABLE.index(name)
    return [str(scenario.profile.values[index]) for scenario in drawn()]


def counts(rows: Sequence[str], columns: Sequence[str], pair: tuple[list[str], list[str]]) -> Array:
    found = Counter(zip(*pair, strict=True))
    return np.asarray([[found[row, column] for column in columns] for row in rows], dtype=np.float64)


# The oracle: the whole network as tables of probabilities, multiplied and summed


def values_of(name: str) -> tuple[str, ...]:
    if name == "domain":
        return DOMAINS
    return tuple(FILE["synthesis"]["circumstances"] if name == "circumstance" else NODES[name]["base"])


def parents_of(name: str) -> tuple[str, ...]:
    return tuple(NODES[name].get("given", {}))


def chance(name: str, state: Mapping[str, str]) -> Array:
    """Probability of each value of a node when its parents have these values."""
    node = NODES[name]
    weights = []
    for value, weight in node["base"].items():
        for parent in parents_of(name):
            weight *= node["given"][parent].get(state[parent], {}).get(value, 1.0)
        weights.append(weight)
    return np.asarray(weights) / math.fsum(weights)


@cache
def factor(name: str) -> Array:
    """P(node | parents): one axis per parent, the node's own last."""
    if name == "domain":
        return np.full(7, 1 / 7)
    if name == "circumstance":
        weights = np.asarray(list(FILE["synthesis"]["circumstances"].values()))
        return np.asarray(weights / weights.sum())
    parents = parents_of(name)
    shape = [len(values_of(parent)) for parent in parents]
    table = np.zeros([*shape, len(values_of(name))])
    for position in np.ndindex(*shape):
        state = {parent: values_of(parent)[i] for parent, i in zip(parents, position, strict=True)}
        table[position] = chance(name, state)
    return table


@cache
def joint(*names: str) -> Array:
    """Exact joint probabilities of some variables, one axis each."""
    every = ("domain", "circumstance", *NODES)
    axis = {name: index for index, name in enumerate(every)}
    operands: list[Any] = []
    for name in every:
        parents = () if name in ("domain", "circumstance") else parents_of(name)
        operands += [factor(name), [axis[parent] for parent in (*parents, name)]]
    return np.asarray(np.einsum(*operands, [axis[name] for name in names], optimize=True))


def given_that(child: str, parent: str, value: str) -> dict[str, float]:
    """Exact distribution of one variable where another has this value."""
    row = joint(parent, child)[values_of(parent).index(value)]
    return dict(zip(values_of(child), (row / row.sum()).tolist(), strict=True))


def improbability(observed: Array, expected: Array) -> float:
    """Pearson's chi-square p-value; cells too rare for it are pooled."""
    observed, expected = observed.ravel(), expected.ravel() * (observed.sum() / expected.sum())
    rare = expected < 5
    if rare.any():
        observed = np.append(observed[~rare], observed[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    inside = expected > 0
    assert not observed[~inside].any()
    if inside.sum() == 1:
        return 1.0
    statistic = ((observed[inside] - expected[inside]) ** 2 / expected[inside]).sum()
    return float(chi2.sf(statistic, inside.sum() - 1))


# Same seed, same bytes

CONTENT = """
import hashlib, sys
from raise_agent.attributes import penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
found = synthetic_scenarios(penguin_table(), 1500, 5, missing=0.3)
text = repr([(s.id, s.domain, s.query, s.profile.keys, s.profile.values, s.source, s.digest) for s in found])
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_the_same_seed_gives_the_same_bytes_in_any_process() -> None:
    seen = set()
    for hash_seed in ("0", "1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", CONTENT],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(done.stdout)
    assert len(seen) == 1
    assert len(next(iter(seen)).strip()) == 64


@pytest.mark.parametrize("n", [1, 7, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 3])
def test_a_longer_set_starts_with_the_shorter_one(n: int) -> None:
    found = synthetic_scenarios(TABLE, n, 4711)
    assert len(found) == n
    assert found == drawn()[:n]


def test_no_chunk_repeats_another() -> None:
    parts = [[s.profile.values for s in drawn()[i : i + CHUNK]] for i in range(0, N - CHUNK, CHUNK)]
    # Some profiles are common; chunks of one stream would share all of theirs, in order.
    for one, other in combinations(parts, 2):
        assert sum(a == b for a, b in zip(one, other, strict=True)) < CHUNK / 50


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 2), (7, 20)])
def test_another_seed_gives_another_set(one: int, other: int) -> None:
    first, second = (synthetic_scenarios(TABLE, 300, seed) for seed in (one, other))
    assert sum(a.digest == b.digest for a, b in zip(first, second, strict=True)) < 3
    assert not {s.id for s in first} & {s.id for s in second}


def test_ids_are_unique_and_name_the_seed_and_the_source_is_said() -> None:
    assert len({scenario.id for scenario in drawn()}) == N
    assert drawn()[12].id == "synthetic-4711-000012"
    assert {scenario.source for scenario in drawn()} == {"synthetic"}


# Domains and queries


@pytest.mark.parametrize("n", [1, 6, 7, 8, CHUNK, CHUNK + 2, 3000])
def test_domains_are_balanced_however_many_are_drawn(n: int) -> None:
    found = Counter(scenario.domain for scenario in drawn()[:n])
    assert set(found) <= set(DOMAINS)
    assert max(found[domain] for domain in DOMAINS) - min(found[domain] for domain in DOMAINS) <= 1


def test_every_query_of_a_domain_is_drawn_equally_often() -> None:
    stock: dict[str, list[str]] = {domain: [] for domain in DOMAINS}
    for stocked in query_stock():
        stock[stocked.domain].append(stocked.query)
    for domain, queries in stock.items():
        found = Counter(scenario.query for scenario in drawn() if scenario.domain == domain)
        assert set(found) == set(queries)
        assert improbability(np.asarray([found[q] for q in queries], float), np.ones(len(queries))) > IMPROBABLE


@pytest.mark.parametrize("attribute", list(NODES))
def test_a_query_says_nothing_on_who_asks_beyond_its_domain(attribute: str) -> None:
    """Queries are drawn apart from profiles: within a domain, values are spread alike over its queries."""
    values = values_of(attribute)
    pairs = (column(attribute), [scenario.query for scenario in drawn()])
    for domain in DOMAINS[:3]:
        inside = [scenario.domain == domain for scenario in drawn()]
        kept = tuple([item for item, keep in zip(side, inside, strict=True) if keep] for side in pairs)
        observed = counts(values, sorted(set(kept[1])), (kept[0], kept[1]))
        expected = observed.sum(1, keepdims=True) * observed.sum(0, keepdims=True) / observed.sum()
        assert improbability(observed, expected) > IMPROBABLE


# The network against the oracle


def test_the_oracle_agrees_with_itself() -> None:
    assert joint("domain").tolist() == pytest.approx([1 / 7] * 7)
    for name in NODES:
        assert factor(name).sum(axis=-1) == pytest.approx(1)
        assert joint(name).sum() == pytest.approx(1)
    assert joint("age", "emotion").sum(axis=1) == pytest.approx(joint("age"))
    assert improbability(np.asarray([480.0, 520.0]), np.asarray([0.5, 0.5])) == pytest.approx(0.2059, abs=1e-4)
    assert improbability(np.asarray([300.0, 700.0]), np.asarray([0.5, 0.5])) < IMPROBABLE


@pytest.mark.parametrize("attribute", list(NODES))
def test_sampled_values_are_as_frequent_as_the_network_says(attribute: str) -> None:
    values = values_of(attribute)
    found = Counter(column(attribute))
    assert set(found) <= set(values)
    assert improbability(np.asarray([found[v] for v in values], float), joint(attribute)) > IMPROBABLE


def test_sampled_pairs_of_values_are_as_frequent_as_the_network_says() -> None:
    for one, other in combinations(("domain", *NODES), 2):
        observed = counts(values_of(one), values_of(other), (column(one), column(other)))
        assert improbability(observed, joint(one, other)) > IMPROBABLE, (one, other)


EDGES = [(child, parent) for child in NODES for parent in parents_of(child)]


def forced(child: str, state: Mapping[str, str]) -> AttributeTable:
    """A table whose network draws only this child, below parents that always have these values."""
    section = copy.deepcopy(FILE["synthesis"])
    section["circumstances"] = {
        name: float(name == state.get("circumstance", name)) for name in section["circumstances"]
    }
    fixed = [
        {"attribute": parent, "base": {v: float(v == value) for v in values_of(parent)}}
        for parent, value in state.items()
        if parent in NODES
    ]
    section["nodes"] = [*fixed, NODES[child]]
    return replace(TABLE, sections={"synthesis": section})


@pytest.mark.parametrize(("child", "parent"), EDGES)
def test_each_dependency_acts_as_the_network_says(child: str, parent: str) -> None:
    state = {name: values_of(name)[0] for name in parents_of(child)}
    exact = []
    for value in values_of(parent):
        state[parent] = value
        exact.append(chance(child, state))
        profiles = ProfileNetwork.of(forced(child, state)).sample(
            [state.get("domain", DOMAINS[0])] * 2000, np.random.default_rng(1)
        )
        found = Counter(values[TABLE.index(child)] for values in profiles)
        observed = np.asarray([found[v] for v in values_of(child)], float)
        assert observed.sum() == 2000
        assert improbability(observed, exact[-1]) > IMPROBABLE
    differs = max(float(np.abs(one - other).sum() / 2) for one, other in combinations(exact, 2))
    assert differs > 0.01


def test_the_dependencies_are_the_papers_and_those_the_docstring_adds() -> None:
    """Paper, A.3.1; its *scenario* is our domain and circumstance."""
    paper = {
        "age": {"scenario"},
        "gender": {"scenario"},
        "marital": {"scenario", "gender"},
        "education": {"scenario", "age"},
        "profession": {"scenario", "age", "education"},
        "economic": {"profession", "marital"},
        "health": {"scenario", "age"},
        "mental_health": {"economic", "health", "education"},
        "self_harm": {"mental_health"},
        "emotion": {"mental_health", "education"},
    }
    added = {"marital": {"age"}, "economic": {"scenario"}, "mental_health": {"scenario"}, "emotion": {"scenario"}}
    ours = {
        child: {"scenario" if parent in ("domain", "circumstance") else parent for parent in parents_of(child)}
        for child in NODES
    }
    assert ours == {child: parents | added.get(child, set()) for child, parents in paper.items()}


def test_without_age_a_fifth_of_the_widowed_would_be_under_25() -> None:
    """Why marital status depends on age, which the paper's network lacks."""
    young, widowed = values_of("age").index("18-24"), values_of("marital").index("widowed")
    base, given_values = NODES["marital"]["base"], NODES["marital"]["given"]
    ageless = np.zeros(len(values_of("age")))
    for row, domain in enumerate(DOMAINS):
        for column_, gender in enumerate(values_of("gender")):
            weights = [
                weight
                * given_values["domain"].get(domain, {}).get(v, 1)
                * given_values["gender"].get(gender, {}).get(v, 1)
                for v, weight in base.items()
            ]
            ageless += factor("age")[row] * factor("gender")[row, column_] * weights[widowed] / sum(weights)
    assert ageless[young] / ageless.sum() > 0.2
    assert given_that("age", "marital", "widowed")["18-24"] < 0.01


def test_every_value_that_can_be_drawn_is_one_that_the_table_knows() -> None:
    for attribute in TABLE:
        assert set(values_of(attribute.key)) == set(attribute.values)


# Consistency rules (paper, A.3.1), in the exact network and in the sample


def share(child: str, values: set[str], parent: str, given_values: set[str]) -> tuple[float, float]:
    """Share of the child's values among those whose parent has given values: (exact, in the sample)."""
    rows = [values_of(parent).index(value) for value in given_values]
    columns = [values_of(child).index(value) for value in values]
    table = joint(parent, child)[rows]
    exact = float(table[:, columns].sum() / table.sum())
    met = [c in values for p, c in zip(column(parent), column(child), strict=True) if p in given_values]
    assert len(met) > 500
    return exact, sum(met) / len(met)


def test_a_phd_at_18_to_24_is_about_impossible() -> None:
    for found in share("education", {"phd"}, "age", {"18-24"}):
        assert found < 0.001
    assert share("education", {"phd"}, "age", {"35-44"})[0] > 0.02


def test_serious_illness_is_likelier_from_55_on() -> None:
    older = share("health", {"serious illness"}, "age", {"55+"})
    younger = share("health", {"serious illness"}, "age", {"18-24", "25-34", "35-44", "45-54"})
    assert all(old > 2 * young for old, young in zip(older, younger, strict=True))


def test_a_relationship_crisis_implies_married_or_divorced_far_more_often_than_single() -> None:
    together = share("marital", {"married", "divorced"}, "domain", {"Relationship"})
    alone = share("marital", {"single"}, "domain", {"Relationship"})
    assert all(many > 5 * few for many, few in zip(together, alone, strict=True))
    assert share("marital", {"single"}, "domain", {"Life"})[0] > 0.3


@pytest.mark.parametrize("state", ["severe depression", "anxiety"])
def test_self_harm_is_far_likelier_under_severe_depression_or_anxiety(state: str) -> None:
    ill = share("self_harm", {"yes"}, "mental_health", {state})
    well = share("self_harm", {"yes"}, "mental_health", {"none"})
    assert all(likely > 5 * unlikely for likely, unlikely in zip(ill, well, strict=True))


def test_despair_goes_with_severe_depression() -> None:
    others = set(values_of("mental_health")) - {"severe depression"}
    severe = share("emotion", {"despair"}, "mental_health", {"severe depression"})
    other = share("emotion", {"despair"}, "mental_health", others)
    assert all(likely > 5 * unlikely for likely, unlikely in zip(severe, other, strict=True))
    assert all(found > 0.4 for found in share("mental_health", {"severe depression"}, "emotion", {"despair"}))


def test_severe_financial_difficulty_is_about_impossible_in_finance_and_law() -> None:
    for found in share("economic", {"severe difficulty"}, "profession", {"finance professional", "lawyer"}):
        assert found < 0.001
    assert share("economic", {"severe difficulty"}, "profession", {"unemployed"})[0] > 0.2


def test_a_good_scenario_looks_good() -> None:
    good = {"happiness", "satisfaction", "excitement", "calmness"}
    table = joint("circumstance", "emotion")
    columns = [values_of("emotion").index(value) for value in good]
    crisis, well = (float(row[columns].sum() / row.sum()) for row in table)
    assert values_of("circumstance") == ("crisis", "good")
    assert well > 0.6 > 0.2 > crisis


# Values missing


def test_missing_takes_values_away_and_changes_nothing_else() -> None:
    whole, some, more = (synthetic_scenarios(TABLE, 2000, 9, missing) for missing in (0.0, 0.2, 0.5))
    for complete, fewer, fewest in zip(whole, some, more, strict=True):
        assert (complete.id, complete.domain, complete.query) == (fewer.id, fewer.domain, fewer.query)
        assert complete.profile.known == (1 << len(TABLE)) - 1
        assert complete.profile.disclose(fewer.profile.known) == fewer.profile.disclose(fewer.profile.known)
        assert fewest.profile.known & ~fewer.profile.known == 0


@pytest.mark.parametrize("missing", [0.1, 0.3, 0.9])
def test_each_attribute_misses_its_share(missing: float) -> None:
    found = synthetic_scenarios(TABLE, 4000, 11, missing)
    bound = 4 * math.sqrt(missing * (1 - missing) / len(found))
    for index in range(len(TABLE)):
        gone = sum(scenario.profile.values[index] is None for scenario in found) / len(found)
        assert gone == pytest.approx(missing, abs=bound)


def test_everything_may_be_missing() -> None:
    assert {scenario.profile.known for scenario in synthetic_scenarios(TABLE, 50, 1, missing=1.0)} == {0}


# Faults


@pytest.mark.parametrize("n", [0, -1])
def test_the_number_must_be_1_or_more(n: int) -> None:
    with pytest.raises(ConfigError, match=f"must be 1 or more, not {n}"):
        synthetic_scenarios(TABLE, n, 0)


def test_the_seed_must_be_0_or_more() -> None:
    with pytest.raises(ConfigError, match="seed of synthetic scenarios must be 0 or more, not -1"):
        synthetic_scenarios(TABLE, 1, -1)


@pytest.mark.parametrize("missing", [-0.01, 1.01, float("nan"), float("inf")])
def test_missing_must_be_a_share(missing: float) -> None:
    with pytest.raises(ConfigError, match="share between 0 and 1"):
        synthetic_scenarios(TABLE, 1, 0, missing)


def test_a_table_without_a_network_draws_nothing() -> None:
    with pytest.raises(
        TableError, match=r"'penguin': synthesis: this table has no such part.* load scenarios from files"
    ):
        synthetic_scenarios(replace(TABLE, sections={}), 1, 0)


def own(**changes: Any) -> AttributeTable:
    """A small table with a network of two nodes; the second is named by an alias of its attribute."""
    section = {
        "circumstances": {"crisis": 1, "good": 1},
        "nodes": [
            {"attribute": "Cat Person", "base": {"yes": 1, "no": 3}},
            {"attribute": "DOGS", "base": {"yes": 1, "no": 1}, "given": {"cat-person": {"yes": {"yes": 0}}}},
        ],
    }
    attributes = [
        {"key": "dogs", "name": "Dogs", "kind": "health", "question": "Dogs?", "aliases": ["dog person"]},
        {"key": "cats", "name": "Cats", "kind": "health", "question": "Cats?", "aliases": ["cat person"]},
        {"key": "fish", "name": "Fish", "kind": "health", "question": "Fish?"},
    ]
    return AttributeTable.from_json({"name": "own", "attributes": attributes, "synthesis": section | changes}, "own")


def test_another_table_draws_from_its_own_network_by_any_spelling() -> None:
    found = synthetic_scenarios(own(), 2000, 3)
    pairs = Counter(scenario.profile.values for scenario in found)
    assert set(pairs) == {("no", "yes", None), ("yes", "no", None), ("no", "no", None)}
    expected = np.asarray([0.25, 0.375, 0.375])
    observed = [pairs[key] for key in [("no", "yes", None), ("yes", "no", None), ("no", "no", None)]]
    assert improbability(np.asarray(observed, float), expected) > IMPROBABLE


def node(**changes: Any) -> list[dict[str, Any]]:
    first = {"attribute": "cats", "base": {"yes": 1, "no": 3}}
    return [first, {"attribute": "dogs", "base": {"yes": 1, "no": 1}} | changes]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"nodes": node(given={"dog": {}})}, "'dogs' depends on 'dog', which is not drawn before it"),
        ({"nodes": node(given={"dogs": {}})}, "'dogs' depends on 'dogs', which is not drawn before it"),
        ({"nodes": node(given={"fish": {}})}, "'dogs' depends on 'fish', which is not drawn before it"),
        ({"nodes": node(given={"cats": {"yess": {}}})}, "unknown value of 'cats': 'yess': did you mean 'yes'"),
        ({"nodes": node(given={"cats": {"yes": {"nope": 1}}})}, "unknown value of 'dogs': 'nope'"),
        ({"nodes": node(given={"domain": {"Helth": {}}})}, "unknown value of 'domain': 'Helth': did you mean 'Health'"),
        ({"nodes": node(given={"circumstance": {"bad": {}}})}, "unknown value of 'circumstance': 'bad'"),
        ({"nodes": node(given={"cats": {"yes": {"yes": -1}}})}, "weights of yes, no must be 0 or more"),
        ({"nodes": node(given={"cats": {"yes": {"yes": 0, "no": 0}}})}, "not all of them 0"),
        ({"nodes": node(given={"cats": {"yes": {"yes": float("nan")}}})}, "weights of yes, no must be 0 or more"),
        ({"nodes": node(given={"cats": 3})}, "see penguin.json for the form"),
        ({"nodes": node(base={"yes": 0, "no": 0})}, "not all of them 0"),
        ({"nodes": node(base={"yes": float("inf"), "no": 0})}, "weights of yes, no must be 0 or more"),
        ({"nodes": node(base={})}, "not all of them 0"),
        ({"nodes": node(base={"yes": "many"})}, "ValueError"),
        ({"nodes": node(attribute="dgos")}, "unknown attribute 'dgos': did you mean 'dogs'"),
        ({"nodes": node(attribute="Cat Person")}, "'cats' is drawn already"),
        ({"nodes": node(giben={})}, "unknown field of a node 'giben': did you mean 'given'"),
        ({"nodes": [{"attribute": "cats"}]}, "KeyError: 'base'; see penguin.json for the form"),
        ({"nodes": 3}, "TypeError"),
        ({"nodes": ["cats"]}, "synthesis: "),
        ({"circumstances": {}}, "not all of them 0"),
        ({"circumstances": {"crisis": -1, "good": 2}}, "weights of crisis, good must be 0 or more"),
        ({"circumstances": None}, "TypeError"),
        ({"circumstance": {"crisis": 1}}, "unknown part 'circumstance': did you mean 'circumstances'"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(TableError) as caught:
        ProfileNetwork.of(own(**changes))
    assert expected in str(caught.value)


def test_factors_that_leave_no_value_possible_are_refused_when_drawn() -> None:
    given_values = {"cats": {"yes": {"yes": 0}}, "circumstance": {"crisis": {"no": 0}}}
    network = ProfileNetwork.of(own(nodes=node(given=given_values)))
    with pytest.raises(TableError, match="the factors of 'dogs' leave no value possible"):
        network.sample(["Life"] * 100, np.random.default_rng(0))


def test_an_attribute_named_like_the_situation_cannot_be_a_node() -> None:
    data = {
        "name": "own",
        "attributes": [{"key": "domain", "name": "Field", "kind": "health", "question": "Which field?"}],
        "synthesis": {"circumstances": {"crisis": 1}, "nodes": [{"attribute": "domain", "base": {"a": 1}}]},
    }
    with pytest.raises(TableError, match="'domain' is drawn already"):
        ProfileNetwork.of(AttributeTable.from_json(data, "own"))


@settings(max_examples=25)
@given(
    st.lists(st.floats(0, 10), min_size=2, max_size=5).filter(lambda weights: sum(weights) > 0.1),
    st.integers(0, 2**32),
)
def test_any_weights_are_drawn_in_proportion_and_a_weight_of_0_never(weights: list[float], seed: int) -> None:
    base = {f"v{i}": weight for i, weight in enumerate(weights)}
    network = ProfileNetwork.of(own(nodes=[{"attribute": "cats", "base": base}]))
    found = Counter(values[1] for values in network.sample(["Life"] * 500, np.random.default_rng(seed)))
    observed = np.asarray([found[value] for value in base], float)
    assert improbability(observed, np.asarray(weights)) > 1e-9


# The stock of queries

GIVES_AWAY = re.compile(
    r"\b(depress|anxi|suicid|self-harm|kill|despair|hopeless|worthless|lonel|sad\b|angry|panic|single|marri|divorc|"
    r"widow|husband|wife|pregnan|diagnos|cancer|illness|disease|chronic|disabled|phd|bachelor|degree|student|unemploy|"
    r"retire|nurse|teacher|lawyer|doctor|engineer|poor\b|rich\b|broke\b|therap|psych|trauma|abus|addict|alcoholic|"
    r"teenage|wom[ae]n\b|m[ae]n\b|girl|boy|gay\b|transg|crying|overdose|disorder|bipolar|mental|years? old)"
)
"""Words, mostly by their beginning, that would state an attribute of the user."""


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z']+", text.casefold()))


def test_there_are_at_least_20_queries_for_each_of_the_seven_domains() -> None:
    found = Counter(stocked.domain for stocked in query_stock())
    assert tuple(found) == DOMAINS
    assert min(found.values()) >= 20


def test_concerns_are_those_of_the_simulation() -> None:
    known = set(FILE["simulation"]["relevance"])
    assert {stocked.concern for stocked in query_stock()} == known


def test_each_domain_has_several_concerns() -> None:
    for domain in DOMAINS:
        assert len({stocked.concern for stocked in query_stock() if stocked.domain == domain}) >= 5


def test_queries_are_plain_unique_and_well_formed() -> None:
    queries = [stocked.query for stocked in query_stock()]
    reworded = [text for stocked in query_stock() for text in (stocked.other_words, *stocked.paraphrases)]
    assert len({" ".join(sorted(words(query))) for query in queries + reworded}) == len(queries + reworded)
    for query in queries + reworded:
        assert query.isascii()
        assert query == " ".join(query.split())
    for query in queries:
        assert query[0].isupper()
        assert 20 <= len(query) <= 220
    assert all(20 <= len(query) <= 260 for query in reworded)


def alike(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


TEXTS: dict[str, Callable[[StockQuery], str]] = {
    "query": lambda stocked: stocked.query,
    "other_words": lambda stocked: stocked.other_words,
    "paraphrase": lambda stocked: stocked.paraphrases[0],
    "second paraphrase": lambda stocked: stocked.paraphrases[:2][-1],
    "last paraphrase": lambda stocked: stocked.paraphrases[-1],
}


@pytest.mark.parametrize("text", TEXTS)
def test_no_two_queries_are_nearly_the_same(text: str) -> None:
    texts = [words(TEXTS[text](stocked)) for stocked in query_stock()]
    place = {word: number for number, word in enumerate(sorted(set().union(*texts)))}
    holds = np.zeros((len(texts), len(place)), np.float32)
    for row, found in zip(holds, texts, strict=True):
        row[[place[word] for word in found]] = 1
    shared, sizes = holds @ holds.T, holds.sum(axis=1)
    shares = shared / (sizes[:, None] + sizes - shared)
    assert shares[3, 5] == pytest.approx(alike(texts[3], texts[5]))
    assert np.triu(shares, 1).max() < 0.4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("query", "other_words"),
        ("query", "paraphrase"),
        ("query", "second paraphrase"),
        ("other_words", "paraphrase"),
        ("other_words", "second paraphrase"),
        ("other_words", "last paraphrase"),
    ],
)
def test_other_words_are_other_words(one: str, other: str) -> None:
    shared = [alike(words(TEXTS[one](stocked)), words(TEXTS[other](stocked))) for stocked in query_stock()]
    assert max(shared) < 0.45
    assert np.mean(shared) < 0.12


def test_training_knows_the_words_held_out_no_better_than_queries_do() -> None:
    known, by_query = [], []
    for stocked in query_stock():
        held_out = words(stocked.other_words)
        by_query.append(alike(words(stocked.query), held_out))
        known += [alike(words(text), held_out) for text in stocked.paraphrases]
    assert np.mean(known) <= np.mean(by_query)
    assert max(known) < 0.45


def test_every_paraphrase_is_put_in_other_words_than_its_query() -> None:
    for stocked in query_stock():
        assert all(alike(words(text), words(stocked.query)) < 0.45 for text in stocked.paraphrases), stocked.query


def test_most_queries_have_three_paraphrases_or_four() -> None:
    counts = [len(stocked.paraphrases) for stocked in query_stock()]
    assert set(counts) == {1, 2, 3, 4}
    assert np.mean(counts) > 3


def phrases(text: str) -> set[tuple[str, ...]]:
    """All of four words in a row."""
    said = re.findall(r"[a-z0-9']+", text.casefold())
    return set(zip(said, said[1:], said[2:], said[3:], strict=False))


def test_no_phrase_of_a_paraphrase_is_held_out_but_the_querys_own() -> None:
    for stocked in query_stock():
        held_out = phrases(stocked.other_words) - phrases(stocked.query)
        assert not any(phrases(text) & held_out for text in stocked.paraphrases), stocked.query


def test_a_scenario_in_other_words_is_the_same_but_for_its_query() -> None:
    first, *_ = drawn()
    (stocked,) = (stocked for stocked in query_stock() if stocked.query == first.query)
    assert in_other_words(first) == replace(first, query=stocked.other_words)


def test_a_query_that_nobody_put_in_other_words_is_refused() -> None:
    with pytest.raises(ConfigError, match="scenario 'mine': only queries of the stock"):
        in_other_words(replace(drawn()[0], id="mine", query="What now?"))


def states_who_asks(query: str) -> bool:
    return bool(GIVES_AWAY.search(query.casefold()) or re.search(r"\bI(?:'m| am) (?:an? |\d)|\bAs an? ", query))


def test_no_query_states_who_asks() -> None:
    assert [stocked.query for stocked in query_stock() if states_who_asks(stocked.query)] == []
    assert [stocked.other_words for stocked in query_stock() if states_who_asks(stocked.other_words)] == []


@pytest.mark.parametrize(
    "told",
    [
        "I'm a nurse, what now?",
        "Since my divorce nothing works.",
        "I am 43 and tired.",
        "Is my depression to blame?",
        "As a mother I wonder.",
        "At 19 years old, is it early?",
    ],
)
def test_the_search_for_give_aways_finds_them(told: str) -> None:
    assert states_who_asks(told)
