"""Agents described by configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from raise_agent.attributes import penguin_table
from raise_agent.envs.dynamics import Rules
from raise_agent.errors import ConfigError
from raise_agent.experiments.agents import AgentMethod, labels_of, method_of
from raise_agent.experiments.methods import converse, talk_with
from raise_agent.policies.abstention import BudgetAbstention, NeverAbstention
from raise_agent.policies.orders import StaticPolicy
from raise_agent.scenario import Profile, Scenario
from tests.conftest import Cli

TABLE = penguin_table()


def test_names_and_labels() -> None:
    lean = {"lean": {"policy": "distilled", "abstention": "value", "min_gain": 0.1}}
    few = {"few": {"policy": "retrieval", "k": 3, "abstention": "budget", "questions": 2}}
    entries = OmegaConf.create(["none", "random", "distilled", "oracle", lean, few])
    assert labels_of(entries) == ["none", "random", "distilled", "oracle", "lean", "few"]
    assert [method_of(entry) for entry in entries] == [
        "none",
        AgentMethod("random", "random", "never"),
        "distilled",
        "oracle",
        AgentMethod("lean", "distilled", "value", {}, {"min_gain": 0.1}),
        AgentMethod("few", "retrieval", "budget", {"k": 3}, {"questions": 2}),
    ]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"a": {"policy": "retreival"}}, "unknown policy 'retreival': did you mean 'retrieval'"),
        ({"a": {"policy": "static", "abstention": "valeu"}}, "unknown abstention 'valeu': did you mean 'value'"),
        ({"a": {"policy": "static", "kk": 3}}, "neither 'static' nor 'never' has a setting 'kk'"),
        ({"a": {"policy": "retrieval", "planned": 3}}, "has a setting 'planned'"),
        ({"a": {}}, "unknown policy None"),
        ({"a": {"policy": "distilled", "adaptive": "no"}}, "adaptive must be true or false, not 'no'"),
        ({"a": {"policy": "retrieval", "k": 2.5}}, "k must be a whole number, 0 or more, not 2.5"),
        ({"a": {"policy": "random", "seed": -1}}, "seed must be a whole number"),
        ({"a": {"policy": "distilled", "abstention": "value", "min_gain": "x"}}, "min_gain must be a finite number"),
        ({"a": {"policy": "static", "abstention": "budget", "questions": None}}, "questions must be a whole number"),
        ({"a": "static"}, "give its policy and abstention"),
        ({"a": {"policy": "static"}, "b": {"policy": "static"}}, "one label with what it is made of"),
        (3, "one label with what it is made of"),
    ],
)
def test_what_describes_no_agent_is_refused(entry: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        method_of(OmegaConf.create(entry) if isinstance(entry, dict) else entry)


@pytest.mark.parametrize(("questions", "asked"), [(0, ()), (2, (9, 1)), (7, (9, 1, 0))])
def test_an_agent_asks_what_its_policy_ranks_until_its_abstention_or_the_budget_ends_it(
    questions: int, asked: tuple[int, ...]
) -> None:
    values = tuple("x" if index != 1 else None for index in range(len(TABLE)))
    scenario = Scenario("s", "Life", "Should I?", Profile(TABLE.keys, values))
    policy = StaticPolicy(TABLE, ["emotion", "gender"])
    talk = converse(Rules(len(TABLE), 3), scenario, talk_with(policy, BudgetAbstention(questions)), 0)
    assert talk.asked == asked
    assert talk.known == sum(1 << index for index in asked if index != 1)


def test_nothing_is_asked_twice_when_all_is_asked() -> None:
    scenario = Scenario("s", "Life", "Should I?", Profile(TABLE.keys, (None,) * len(TABLE)))
    n = len(TABLE)
    talk = converse(Rules(n, n), scenario, talk_with(StaticPolicy(TABLE), NeverAbstention()), 0)
    assert talk.asked == tuple(range(n))


def test_agents_are_compared_from_the_command_line(cli: Cli, tmp_path: Path) -> None:
    small = ["data.n=300", "planner=greedy", "distill.epochs=3", "sensitivity_scenarios=40"]
    pairs = [
        "{lean: {policy: distilled, abstention: budget, questions: 1}}",
        "{same: {policy: distilled, abstention: value}}",
        "{mute: {policy: distilled, abstention: value, min_gain: 9.0}}",
        "{shy: {policy: retrieval, abstention: value, min_gain: 9.0}}",
        "{bold: {policy: retrieval, abstention: value, min_gain: -9.0}}",
    ]
    methods = ",".join(["retrieval", *pairs, "distilled", "none"])
    cli("run", *small, f"evaluate.methods=[{methods}]", "hydra.run.dir=whole")
    results = json.loads((tmp_path / "whole/results.json").read_text())["methods"]
    by_name = {result["method"]: result for result in results}
    assert list(by_name) == ["retrieval", "lean", "same", "mute", "shy", "bold", "distilled", "none"]
    assert by_name["none"]["score"]["mean"] < by_name["lean"]["score"]["mean"] < by_name["distilled"]["score"]["mean"]
    assert [by_name[name]["questions"] for name in ("lean", "retrieval", "mute")] == [1, 3, 0]
    for one, other in (("same", "distilled"), ("mute", "none"), ("shy", "none"), ("bold", "retrieval")):
        differing = {"method": "", "behind_distilled": None}
        assert {**by_name[one], **differing} == {**by_name[other], **differing}
    again = ["data.n=300", "evaluate.methods=[retrieval]", "sensitivity_scenarios=40", "hydra.run.dir=again"]
    cli("evaluate", *again, "evaluate.plans=whole/plans.jsonl")
    (alone,) = json.loads((tmp_path / "again/results.json").read_text())["methods"]
    assert alone == {**by_name["retrieval"], "behind_distilled": None}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["evaluate.methods=[retrieval]"], "give the plans it retrieves as evaluate.plans"),
        (["evaluate.methods=[retrieval]", "evaluate.plans=missing.jsonl"], "missing.jsonl: No such file"),
        (["evaluate.methods=[retrieval]", "evaluate.plans=broken.jsonl"], "is not a plans.jsonl of this attribute"),
        (["evaluate.methods=[retrieval]", "evaluate.plans=other.jsonl"], "holds no plan of these scenarios"),
    ],
)
def test_what_an_agent_lacks_is_told(cli: Cli, tmp_path: Path, settings: list[str], said: str) -> None:
    (tmp_path / "broken.jsonl").write_text('{"id": "x", "path": ["shoe"]}\n')
    (tmp_path / "other.jsonl").write_text('{"id": "x", "path": ["age"]}\n')
    done = cli("evaluate", "data.n=60", "sensitivity_scenarios=10", *settings, status=2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
