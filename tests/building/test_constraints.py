"""What a made-up profile must keep: the paper's rules, the network, and their share of exceptions."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest

from raise_agent.attributes import AttributeTable
from raise_agent.building.constraints import IMPOSSIBLE, Constraints
from raise_agent.data.records import DOMAINS
from raise_agent.errors import TableError
from raise_agent.scenario import Profile

from .support import TABLE

CONSTRAINTS = Constraints.of(TABLE)
USUAL = dict(
    zip(
        TABLE.keys,
        ("35-44", "female", "married", "teacher", "moderate", "bachelor's", "good", "none", "none", "anxiety"),
        strict=True,
    )
)


def found(domain: str = "Life", circumstance: str = "crisis", **values: str | None) -> list[str]:
    profile = Profile(TABLE.keys, tuple({**USUAL, **values}[key] for key in TABLE.keys))
    return [one.rule for one in CONSTRAINTS.violations({"domain": domain, "circumstance": circumstance}, profile)]


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"age": "18-24", "education": "phd"}, "a doctorate before 25"),
        ({"profession": "lawyer", "economic": "severe difficulty"}, "severe financial difficulty of a finance"),
        ({"profession": "finance professional", "economic": "severe difficulty"}, "severe financial difficulty of a"),
        ({"domain": "Relationship", "marital": "single"}, "a relationship crisis of somebody single"),
        ({"health": "serious illness"}, "a serious illness before 55"),
        ({"self_harm": "yes"}, "a history of self-harm without"),
        ({"emotion": "despair"}, "despair without severe depression"),
    ],
)
def test_each_rule_of_the_paper_is_found_and_its_remark_names_what_is_wrong(values: dict[str, str], rule: str) -> None:
    assert [one.startswith(rule) for one in found(**values)] == [True]
    told = CONSTRAINTS.told()
    assert all(repr(value) in told for key, value in values.items())


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"age": "25-34", "education": "phd"},
        {"profession": "student", "economic": "severe difficulty"},
        {"domain": "Relationship", "circumstance": "good", "marital": "single"},
        {"age": "55+", "health": "serious illness"},
        {"self_harm": "yes", "mental_health": "anxiety"},
        {"emotion": "despair", "mental_health": "severe depression"},
        # What is not known breaks nothing.
        {"health": "serious illness", "age": None},
    ],
)
def test_what_the_paper_allows_is_allowed(values: dict[str, Any]) -> None:
    assert found(**values) == []


def test_what_the_network_gives_next_to_no_probability_is_found_beside_the_rules() -> None:
    assert found(age="18-24", profession="retired", marital="single") == ["Profession given the rest"]
    profile = Profile(TABLE.keys, tuple({**USUAL, "age": "18-24", "profession": "retired"}.values()))
    state = {
        "domain": "Life",
        "circumstance": "crisis",
        **dict(zip(profile.keys, map(str, profile.values), strict=True)),
    }
    assert CONSTRAINTS.network.chances(state)["profession"] < IMPOSSIBLE


def test_chances_are_the_shares_of_draws() -> None:
    network = CONSTRAINTS.network
    fixed = {**USUAL, "circumstance": "crisis"}
    for key in ("profession", "emotion", "age"):
        others = {name: value for name, value in fixed.items() if name != key}
        # Children do not matter to a draw of this node: only its parents are given.
        drawn = network.sample(["Life"] * 20_000, np.random.default_rng(0), others)
        shares = Counter(row[TABLE.index(key)] for row in drawn)
        for value, count in shares.most_common(3):
            chance = network.chances({**fixed, key: str(value), "domain": "Life"})[key]
            assert chance == pytest.approx(count / 20_000, abs=0.012)


def test_rules_and_network_of_penguin_agree() -> None:
    """A rule without exceptions hardly ever occurs in the network, one with some less often than they allow."""
    domains = [DOMAINS[i % 7] for i in range(14_000)]
    for circumstance in CONSTRAINTS.network.circumstances[0]:
        drawn = CONSTRAINTS.network.sample(domains, np.random.default_rng(1), {"circumstance": circumstance})
        states = [
            {**dict(zip(TABLE.keys, row, strict=True)), "domain": domain, "circumstance": circumstance}
            for row, domain in zip(drawn, domains, strict=True)
        ]
        for rule in CONSTRAINTS.rules:
            spoken_of = [state for state in states if all(state[key] in some for key, some in rule.when.items())]
            share = sum(map(rule.broken_by, spoken_of)) / max(len(spoken_of), 1)
            assert share <= max(rule.exceptions, 0.01), rule.name


def test_exceptions_are_drawn_in_their_share() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(name for _ in range(5000) for name in CONSTRAINTS.excused(rng))
    for rule in CONSTRAINTS.rules:
        assert counts[rule.name] / 5000 == pytest.approx(rule.exceptions, abs=0.02)


def _with(section: Any) -> AttributeTable:
    return dataclasses.replace(TABLE, sections={**TABLE.sections, "constraints": section})


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"ruels": []}, "did you mean 'rules'"),
        ({"circumstances": {"crises": "x"}}, "did you mean 'crisis'"),
        ({"rules": [{"name": "a", "when": {"agee": []}, "unlikely": {}, "exceptions": 0}]}, "did you mean 'age'"),
        (
            {"rules": [{"name": "a", "when": {"age": ["18"]}, "unlikely": {}, "exceptions": 0}]},
            "unknown value of 'age'",
        ),
        ({"rules": [{"name": "a", "when": {}, "unlikely": {}, "exceptions": 0}]}, "names nothing"),
        (
            {"rules": [{"name": "a", "when": {}, "unlikely": {"age": ["55+"]}, "exceptions": 1}]},
            "exceptions is a share",
        ),
        ({"rules": [{"name": "a"}]}, "see penguin.json"),
    ],
)
def test_constraints_that_do_not_fit_the_table_are_refused(section: Any, said: str) -> None:
    with pytest.raises(TableError, match=said):
        Constraints.of(_with(section))


def test_a_table_without_rules_has_its_network_alone() -> None:
    plain = Constraints.of(dataclasses.replace(TABLE, sections={"synthesis": TABLE.sections["synthesis"]}))
    assert plain.rules == ()
    assert plain.descriptions == {"crisis": "crisis", "good": "good"}
    with pytest.raises(TableError, match="synthesis"):
        Constraints.of(dataclasses.replace(TABLE, sections={}))
