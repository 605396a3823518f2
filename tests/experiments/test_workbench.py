"""Policies from outside in the comparison."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from raise_agent.attributes import Attribute, AttributeTable, penguin_table
from raise_agent.data.synthetic import in_other_words, synthetic_scenarios
from raise_agent.errors import ConfigError
from raise_agent.experiments.assembly import make_scenarios, read_scenarios
from raise_agent.experiments.methods import Pair
from raise_agent.experiments.workbench import compare_policies, workbench
from raise_agent.policies.abstention import BudgetAbstention, NeverAbstention
from raise_agent.policies.orders import StaticPolicy

TABLE = penguin_table()
OTHER = AttributeTable("other", (Attribute("mood", "Mood", "emotional", "How are you?"),))
ORDER = ["health", "age", "emotion"]
SAME = "{theirs: {policy: static, order: [health, age, emotion], abstention: budget, questions: 2}}"
SMALL = ["data.n=60", "evaluate.decline=0.2"]


def test_a_policy_from_outside_does_as_the_same_one_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pair = (StaticPolicy(TABLE, ORDER), BudgetAbstention(2))
    with workbench([*SMALL, f"evaluate.methods=[{SAME}]", "sensitivity_scenarios=5"]) as bench:
        theirs, mine = compare_policies(bench, {"mine": pair}, tmp_path / "out")
    assert (theirs.method, mine.method) == ("theirs", "mine")
    assert mine.to_json() == {**theirs.to_json(), "method": "mine"}
    assert mine.questions == 2
    assert "mine" in (tmp_path / "out/results.md").read_text()


@pytest.mark.parametrize(
    ("agents", "said"),
    [
        ({"none": (StaticPolicy(TABLE), NeverAbstention())}, "agent 'none': another method has this name"),
        ({"full": (StaticPolicy(TABLE), NeverAbstention())}, "agent 'full': another method has this name"),
        ({"mine": (StaticPolicy(OTHER), NeverAbstention())}, "agent 'mine' asks for mood, the scenarios hold age"),
    ],
)
def test_an_agent_that_does_not_fit_is_refused(
    agents: dict[str, Pair], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with workbench([*SMALL, "evaluate.methods=[none]"]) as bench, pytest.raises(ConfigError, match=said):
        compare_policies(bench, agents, tmp_path / "out")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("data.m=3", "no setting 'm' in data"),
        ("evaluate.methods=[noone]", "did you mean 'none'"),
        ("llm=simulatd", "did you mean 'simulated'"),
    ],
)
def test_a_wrong_setting_is_told_as_on_the_command_line(setting: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said), workbench([setting]):
        pass


def test_only_test_scenarios_put_their_queries_in_other_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with workbench(SMALL) as bench:
        before = bench.scenarios
    with workbench([*SMALL, "data.reworded=true"]) as bench:
        after = bench.scenarios
    assert (after.train, after.validation) == (before.train, before.validation)
    assert after.test == tuple(map(in_other_words, before.test))
    assert (after.name, after.tested) == (before.name, f"{before.name}, test queries in other words")
    assert before.tested == before.name


def test_a_verb_that_reads_all_scenarios_finds_the_same_ones_in_other_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with workbench([*SMALL, "data.reworded=true"]) as bench:
        scenarios, _, _ = read_scenarios(bench.cfg.data, TABLE)
        sides = bench.scenarios
    assert sorted(s.digest for s in scenarios) == sorted(s.digest for s in sides.planned + sides.test)
    assert [s.id for s in scenarios] == [s.id for s in synthetic_scenarios(TABLE, 60, 0)]


def test_a_run_of_before_there_were_other_words_is_read_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with workbench(SMALL) as bench:
        data, sides = bench.cfg.data.copy(), bench.scenarios
    OmegaConf.set_struct(data, False)
    del data["reworded"]
    assert make_scenarios(data, TABLE) == sides
