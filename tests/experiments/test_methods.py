from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from raise_agent.attributes import penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.envs.dynamics import Rules, State
from raise_agent.errors import ConfigError
from raise_agent.experiments.methods import check_evaluation, converse, declined_by, follow
from raise_agent.scenario import Disclosure, Inquiry

TABLE = penguin_table()
SCENARIOS = synthetic_scenarios(TABLE, 300, seed=11, missing=0.2)
RULES = Rules(len(TABLE), 3)


def test_a_conversation_shows_the_agent_answers_and_refusals_and_nothing_else() -> None:
    scenario = next(s for s in SCENARIOS if s.profile.values[0] is None and s.profile.known & 0b110 == 0b110)
    seen: list[dict[str, str | None]] = []

    def choose(inquiry: Inquiry, disclosed: Disclosure, state: State) -> int:
        assert inquiry == scenario.inquiry
        seen.append(dict(disclosed.items()))
        return len(seen) - 1

    talk = converse(RULES, scenario, choose, declines=0b10)
    keys, values = scenario.profile.keys, scenario.profile.values
    assert seen == [{}, {keys[0]: None}, {keys[0]: None, keys[1]: None}]
    assert talk.asked == (0, 1, 2)
    assert talk.known == 0b100
    assert values[1] is not None, "a refusal must hide a value that is there"


def test_an_agent_that_answers_stops() -> None:
    talk = converse(RULES, SCENARIOS[0], lambda *_: RULES.answer, declines=0)
    assert talk.asked == ()
    assert talk.known == 0


def test_a_short_order_ends_in_an_answer() -> None:
    assert converse(RULES, SCENARIOS[0], follow([4], RULES), declines=0).asked == (4,)


def test_declines_are_the_same_for_every_method_and_as_frequent_as_asked() -> None:
    masks = [declined_by(s, 0.3, seed=1) for s in SCENARIOS]
    assert masks == [declined_by(s, 0.3, seed=1) for s in SCENARIOS]
    assert masks != [declined_by(s, 0.3, seed=2) for s in SCENARIOS]
    share = sum(mask.bit_count() for mask in masks) / (len(SCENARIOS) * len(TABLE))
    assert abs(share - 0.3) < 0.04
    assert {declined_by(s, 0.0, seed=1) for s in SCENARIOS} == {0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"methods": ["mcst"]}, "did you mean 'mcts'"),
        ({"methods": []}, "at least one method"),
        ({"methods": ["none", "none"]}, "each once"),
        ({"decline": 1.5}, "between 0 and 1"),
        ({"scenarios": 0}, "1 or more"),
        ({"methods": [{"none": {"policy": "static"}}]}, "the name of a method of its own"),
        ({"methods": [{"oracle": {"policy": "random"}}]}, "give another label"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, object], said: str) -> None:
    cfg = OmegaConf.create({"methods": ["none"], "decline": 0.0, "scenarios": None, **change})
    with pytest.raises(ConfigError, match=said):
        check_evaluation(cfg)
