"""The simulated agent: a guess that is better than none, the same under a seed, blind to what was not said."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from statistics import fmean

import pytest

from raise_agent.attributes import penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.models.base import EvaluationRequest
from raise_agent.models.simulated import SimulatedSafetyModel
from raise_agent.models.simulated_agent import SimulatedAgent
from raise_agent.policies.model import OPTIONS, Form
from raise_agent.policies.orders import RandomPolicy
from raise_agent.scenario import Scenario

TABLE = penguin_table()
SCENARIOS = synthetic_scenarios(TABLE, 200, seed=5, missing=0.0)
FORMS: tuple[Form, ...] = ("basic", "binary", "scale")


def reached(pick: Callable[[Scenario, dict[str, str | None], list[str]], str]) -> float:
    """Mean simulated score after three questions."""
    requests = []
    for scenario in SCENARIOS:
        values, known = dict(zip(TABLE.keys, scenario.profile.values, strict=True)), dict[str, str | None]()
        for _ in range(3):
            key = pick(scenario, known, [key for key in TABLE.keys if key not in known])
            known[key] = values[key]
        subset = sum(1 << TABLE.index(key) for key in known)
        requests.append(EvaluationRequest(scenario, subset))
    return fmean(outcome.score for outcome in SimulatedSafetyModel(TABLE).evaluate(requests))  # type: ignore[union-attr]


def level(agent: SimulatedAgent, query: str, known: dict[str, str | None]) -> float:
    unasked = [key for key in TABLE.keys if key not in known]
    return sum(int(option) * share for option, share in agent.assess("scale", query, known, unasked).items())


def test_its_choices_beat_random_ones_and_good_examples_help_it_and_bad_ones_hurt() -> None:
    agent, random = SimulatedAgent(TABLE), RandomPolicy(TABLE)
    truth = SimulatedAgent(TABLE, doubt=0.0)

    def chosen(examples: Callable[[Scenario], list[list[str]]]) -> float:
        def pick(scenario: Scenario, known: dict[str, str | None], unasked: list[str]) -> str:
            weights = agent.choose(scenario.query, known, unasked, examples(scenario))
            return max(weights, key=lambda key: weights[key])

        return reached(pick)

    def ranked(scenario: Scenario) -> list[str]:
        weights = truth.choose(scenario.query, {}, TABLE.keys, [])
        return sorted(TABLE.keys, key=lambda key: -weights[key])

    by_chance = reached(lambda scenario, known, unasked: str(random.rank(scenario.query, known).best))
    alone = chosen(lambda scenario: [])
    assert by_chance + 0.1 < alone
    assert alone < chosen(lambda scenario: [ranked(scenario)[:3]] * 5)
    assert alone > chosen(lambda scenario: [ranked(scenario)[:-4:-1]] * 5)


def test_weights_are_shares_of_what_is_unasked() -> None:
    agent = SimulatedAgent(TABLE)
    weights = agent.choose("Should I quit?", {"age": "25-34"}, ["health", "emotion"], [("age", "emotion")])
    assert list(weights) == ["health", "emotion"]
    assert math.isclose(sum(weights.values()), 1.0)
    for form in FORMS:
        said = agent.assess(form, "Should I quit?", {"age": "25-34"}, ["health", "emotion"])
        assert tuple(said) == OPTIONS[form]
        assert math.isclose(sum(said.values()), 1.0)
        assert min(said.values()) >= 0


def test_completeness_goes_from_nothing_to_all_and_a_refusal_tells_nothing() -> None:
    agent, courses = SimulatedAgent(TABLE), []
    for scenario in SCENARIOS[:100]:
        values, known = dict(zip(TABLE.keys, scenario.profile.values, strict=True)), dict[str, str | None]()
        levels = [level(agent, scenario.query, known)]
        for key in TABLE.keys:
            known[key] = values[key]
            levels.append(level(agent, scenario.query, known))
        assert levels[0] == 0.0
        assert levels[-1] == pytest.approx(5.0)
        assert level(agent, scenario.query, {"mental_health": None}) == 0.0
        courses.append(levels)
    # One grave answer may raise more questions than it settles; the mean rises all the same.
    means = [fmean(levels) for levels in zip(*courses, strict=True)]
    assert all(later > before for before, later in pairwise(means))
    nothing_left = dict.fromkeys(TABLE.keys)
    assert level(agent, "Should I quit?", {**nothing_left}) == 5.0


def test_it_depends_on_seed_and_doubt_and_on_nothing_else() -> None:
    def decisions(agent: SimulatedAgent) -> list[object]:
        unasked = list(TABLE.keys[1:])
        return [
            (agent.choose(s.query, {"age": "25-34"}, unasked, []), agent.assess("binary", s.query, {}, TABLE.keys))
            for s in SCENARIOS[:20]
        ]

    first = SimulatedAgent(TABLE, seed=3)
    decisions(SimulatedAgent(TABLE, seed=4))
    assert decisions(first) == decisions(first) == decisions(SimulatedAgent(TABLE, seed=3))
    assert decisions(first) != decisions(SimulatedAgent(TABLE, seed=4))
    assert decisions(first) != decisions(SimulatedAgent(TABLE, seed=3, doubt=0.1))
    assert first.simulated
    assert first.identity["llm"] == "simulated"
