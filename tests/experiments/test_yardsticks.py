"""What results are held against, where the scores of every subset are known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np
import pytest

from raise_agent.attributes import penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.encoders import HashingEncoder
from raise_agent.experiments.comparing import _oracle_gains
from raise_agent.experiments.methods import Conversation
from raise_agent.experiments.sensitivity import best_fixed_order
from raise_agent.experiments.yardsticks import THRESHOLDS, calibrate, known_after, prefix_scores
from raise_agent.models.base import Evaluation, EvaluationRequest
from raise_agent.models.simulated import SimulatedPrior, SimulatedSafetyModel
from raise_agent.planners.runner import Runner
from raise_agent.policies import AcquisitionPolicy
from raise_agent.policies.network import NetworkShape
from raise_agent.policies.parts import PolicyParts
from raise_agent.scenario import Scenario
from raise_agent.store import EvaluationStore
from raise_agent.subsets import mask_of

TABLE = penguin_table()
SCENARIOS = synthetic_scenarios(TABLE, 60, seed=5, missing=0.1)
MODEL = SimulatedSafetyModel(TABLE)


def score(scenario: Scenario, subset: int) -> float:
    (found,) = MODEL.evaluate([EvaluationRequest(scenario, subset)])
    assert isinstance(found, Evaluation)
    return found.score


@pytest.fixture
def runner() -> Iterator[Runner]:
    with EvaluationStore(":memory:") as store:
        yield Runner(MODEL, SimulatedPrior(TABLE), store)


def expecting(now: float, gains: list[float], spread: float, share: float) -> AcquisitionPolicy:
    """A policy that forecasts the same, whatever it sees."""
    shape = NetworkShape(len(TABLE), 32, 16, 4)
    weights = {name: np.zeros(sizes, np.float32) for name, sizes in shape.weights().items()}
    weights["output.bias"][: 1 + len(gains)] = [now, *gains]
    parts = PolicyParts(
        TABLE, 3, 0.0, spread, shape, weights, HashingEncoder(32), {"simulated": True}, gain_share=share
    )
    return AcquisitionPolicy(parts)


def test_prefixes_are_scored_with_what_was_answered_by_then(runner: Runner) -> None:
    talks = [Conversation((8, 2, 5), mask_of((8, 5)) & s.profile.known) for s in SCENARIOS]
    found = prefix_scores(runner, SCENARIOS, talks)
    for scenario, talk, ladder in zip(SCENARIOS, talks, found, strict=True):
        steps = [0, 1 << 8, 1 << 8, 1 << 8 | 1 << 5]
        assert ladder == pytest.approx([score(scenario, step & talk.known) for step in steps], abs=1e-6)
    assert known_after(talks[0], 3) == talks[0].known


def test_the_oracles_share_compares_as_many_questions_and_leaves_out_what_is_unscored() -> None:
    talks = [Conversation((1,), 2), Conversation((1, 2), 6), Conversation((), 0), Conversation((3,), 8)]
    oracle: list[list[float | None]] = [
        [2.0, 3.0, 4.0, 4.5],
        [2.0, 2.5, 4.0, 4.5],
        [2.0, 3.0, 3.0, 3.0],
        [2.0, None, 3.0, 3.0],
    ]
    scores: dict[str, list[float | None]] = {"mine": [2.5, 3.0, 2.0, 3.0], "none": [2.0] * 4}
    assert _oracle_gains("mine", talks, scores, oracle) == [(0, 0.5, 1.0), (1, 1.0, 2.0), (2, 0.0, 0.0)]
    # What another method has not scored is left out for all.
    others = {**scores, "other": [None, 2.0, 2.0, 2.0]}
    assert _oracle_gains("mine", talks, others, oracle) == [(1, 1.0, 2.0), (2, 0.0, 0.0)]
    # A path that ends early keeps what it has gained.
    short: list[list[float | None]] = [[2.0, 3.0], *oracle[1:]]
    assert _oracle_gains("mine", [Conversation((1, 2), 6), *talks[1:]], scores, short)[0] == (0, 0.5, 1.0)
    everything = [Conversation(tuple(range(10)), 1023)]
    assert _oracle_gains("mine", everything, {"mine": [4.0], "none": [2.0]}, oracle[:1]) == []


def test_the_best_fixed_order_is_that_of_exhaustive_forward_selection(runner: Runner) -> None:
    order = best_fixed_order(runner, SCENARIOS, TABLE.costs, 3)

    def mean(chosen: tuple[int, ...]) -> float:
        return float(np.mean([score(s, mask_of(chosen) & s.profile.known) for s in SCENARIOS]))

    for size in range(3):
        ahead = tuple(order[:size])
        values = {index: mean((*ahead, index)) for index in range(len(TABLE)) if index not in ahead}
        assert order[size] == max(values, key=lambda index: values[index])
    everything = sorted(mean(chosen) for chosen in combinations(range(len(TABLE)), 3))
    assert mean(tuple(order)) >= everything[-3]


def test_the_best_fixed_order_ends_where_no_question_is_worth_its_cost(runner: Runner) -> None:
    free = best_fixed_order(runner, SCENARIOS, TABLE.costs, 3)
    costs = [5.0 if index == free[0] else 0.25 for index in range(len(TABLE))]
    order = best_fixed_order(runner, SCENARIOS, costs, 10)
    assert free[0] not in order
    assert 0 < len(order) < 9
    assert best_fixed_order(runner, SCENARIOS, [9.0] * len(TABLE), 3) == []


def test_calibration_is_what_counting_by_hand_gives(runner: Runner) -> None:
    gains = [0.0] * len(TABLE)
    gains[8], gains[7] = 0.4, 0.3
    policy = expecting(3.0, gains, 0.1, 0.5)
    # 6 is asked in vain by the first half; the conversation then ends within the budget.
    talks = [
        Conversation((6, 8), 1 << 8 & s.profile.known) if row < 30 else Conversation((8,), 1 << 8 & s.profile.known)
        for row, s in enumerate(SCENARIOS)
    ]
    found = calibrate(policy, runner, SCENARIOS, talks)
    assert found is not None
    brought: list[tuple[float, float, float, int]] = []
    for row, s in enumerate(SCENARIOS):
        steps = [(0, 8), (1, 8), (2, 7)] if row < 30 else [(0, 8), (1, 7)]
        for asked, best in steps:
            before = (1 << 8 if best == 7 else 0) & s.profile.known
            if not s.profile.known >> best & 1:
                continue
            forecast = 0.4 if best == 8 else 0.3
            brought.append((forecast, 0.1 + 0.5 * forecast, score(s, before | 1 << best) - score(s, before), asked))
    assert sum(f.turns for f in found.forecasts) == len(brought)
    for asked, row_of in enumerate(found.forecasts):
        here = [(forecast, gain) for forecast, _, gain, at in brought if at == asked]
        assert (row_of.forecast, row_of.brought) == pytest.approx(tuple(np.mean(here, axis=0)), abs=1e-5)
    assert sum(r.statements for r in found.reliability) == len(brought) * len(THRESHOLDS)
    held = [gain > threshold for _, _, gain, _ in brought for threshold in THRESHOLDS]
    assert sum(r.statements * r.held for r in found.reliability) == pytest.approx(sum(held))
    said = [
        0.5 * math.erfc((threshold - forecast) / spread / math.sqrt(2))
        for forecast, spread, _, _ in brought
        for threshold in THRESHOLDS
    ]
    assert sum(r.statements * r.said for r in found.reliability) == pytest.approx(sum(said), abs=1e-3)


def test_a_policy_that_knows_gains_and_spread_is_calibrated_and_a_rash_one_is_not(runner: Runner) -> None:
    gains = [0.0] * len(TABLE)
    first = [score(s, 1 << 8) - score(s, 0) for s in SCENARIOS if s.profile.known >> 8 & 1]
    gains[8] = float(np.mean(first))
    talks = [Conversation((8, 1, 2), 1 << 8 & s.profile.known) for s in SCENARIOS]
    sound = calibrate(expecting(3.0, gains, float(np.std(first)), 0.0), runner, SCENARIOS, talks)
    rash = calibrate(expecting(3.0, gains, 0.01, 0.0), runner, SCENARIOS, talks)
    assert sound is not None
    assert rash is not None
    assert sound.error < 0.15 < rash.error


@pytest.mark.parametrize("noise", [0.0, 0.6])
def test_a_noisy_judge_is_not_taken_for_a_rash_policy(noise: float) -> None:
    """What is said of the user's own gain is right; that a noisy judge lets less of it hold is no error."""
    scenarios, order = synthetic_scenarios(TABLE, 1000, seed=6, missing=0.0), (7, 8, 9)
    gains, residuals = [-1.0] * len(TABLE), []
    for place, index in enumerate(order):
        before = mask_of(order[:place])
        brought = [score(s, before | 1 << index) - score(s, before) for s in scenarios]
        gains[index] = float(np.mean(brought))
        residuals += [gain - gains[index] for gain in brought]
    assert gains[order[0]] > gains[order[1]] > gains[order[2]]
    policy = expecting(3.0, gains, float(np.std(residuals)), 0.0)
    talks = [Conversation(order[:2], mask_of(order[:2])) for _ in scenarios]
    with EvaluationStore(":memory:") as store:
        runner = Runner(SimulatedSafetyModel(TABLE, judge_noise=noise), SimulatedPrior(TABLE), store)
        found = calibrate(policy, runner, scenarios, talks)
    assert found is not None
    # A score is the mean of three dimensions.
    assert found.judge_noise == pytest.approx(noise / math.sqrt(3), rel=0.1, abs=0.05)
    unlike = sum(r.statements * abs(r.said - r.held) for r in found.reliability)
    unlike /= sum(r.statements for r in found.reliability)
    assert found.error < 0.06
    assert unlike == pytest.approx(found.error, abs=0.02) if not noise else unlike > 0.12
    assert ("by this judge" in found.markdown()) == (found.judge_noise > 0)


def test_orders_of_one_set_share_their_last_score(runner: Runner) -> None:
    talks = [Conversation(order, 0b111 & SCENARIOS[0].profile.known) for order in permutations(range(3))]
    ends = {ladder[-1] for ladder in prefix_scores(runner, [SCENARIOS[0]] * len(talks), talks)}
    assert len(ends) == 1
