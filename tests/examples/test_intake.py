"""The example of a table of one's own, in which one answer says which other questions are worth asking."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from raise_agent.attributes import load_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.models.base import Evaluation, EvaluationRequest
from raise_agent.models.simulated import SimulatedSafetyModel

FILE = Path(__file__).parents[2] / "examples" / "intake.json"
BRANCHES = {
    "caring for somebody": {"cared_for", "care_help", "nights"},
    "work": {"contract", "superior", "savings"},
    "the right to stay": {"stay_tied", "deadline", "counsel"},
    "an illness": {"medicines", "pain", "prospects"},
    "none of these": set[str](),
}
FOLLOWERS = set().union(*BRANCHES.values())


def test_only_the_questions_of_what_weighs_most_apply() -> None:
    table = load_table(str(FILE))
    assert set(table.keys) == {"burden", "mood"} | FOLLOWERS
    for scenario in synthetic_scenarios(table, 2000, 0):
        values = dict(zip(table.keys, scenario.profile.values, strict=True))
        applying = {key for key in FOLLOWERS if values[key] != "does not apply"}
        assert applying == BRANCHES[str(values["burden"])]


def test_questions_that_apply_are_worth_more() -> None:
    table = load_table(str(FILE))
    model, scenarios = SimulatedSafetyModel(table), synthetic_scenarios(table, 500, 0)
    worth: dict[bool, list[float]] = {True: [], False: []}
    for key in sorted(FOLLOWERS):
        subsets = [0, 1 << table.index(key)]
        outcomes = model.evaluate(
            [EvaluationRequest(scenario, subset, 0) for scenario in scenarios for subset in subsets]
        )
        scores = np.array([outcome.score for outcome in outcomes if isinstance(outcome, Evaluation)]).reshape(-1, 2)
        for scenario, (before, after) in zip(scenarios, scores, strict=True):
            worth[scenario.profile.values[table.index(key)] != "does not apply"].append(after - before)
    assert np.mean(worth[True]) > 3 * np.mean(worth[False])
