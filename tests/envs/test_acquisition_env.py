"""The Gymnasium environment against direct computation: rewards, masks, declines, missing scores, secrecy."""

from __future__ import annotations

import copy
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

from raise_agent.attributes import Attribute, AttributeTable, penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.envs import ENV_ID
from raise_agent.envs.acquisition import AttributeAcquisitionEnv, Observation, simulated_score
from raise_agent.envs.ending import EndAtBudget
from raise_agent.errors import ConfigError, TableError
from raise_agent.models.base import Evaluation, EvaluationRequest
from raise_agent.models.simulated import SimulatedSafetyModel
from raise_agent.scenario import Profile, Scenario
from raise_agent.subsets import full_mask, mask_of, members

PENGUIN = penguin_table()
N = len(PENGUIN)
ANSWER = N
SCENARIOS = synthetic_scenarios(PENGUIN, 12, seed=3)
GAPPY = synthetic_scenarios(PENGUIN, 12, seed=3, missing=0.5)
PRICES = dict(zip(PENGUIN.keys, np.linspace(0.05, 0.5, N).tolist(), strict=True))
PRICED = PENGUIN.with_costs(PRICES)
MODEL = SimulatedSafetyModel(PRICED)
SIMULATED = simulated_score(MODEL)

SMALL = AttributeTable(
    "small",
    tuple(
        Attribute(key, key, kind, f"What about {key}?", cost=cost)
        for key, kind, cost in [
            ("sleep", "health", 0.1),
            ("mood", "emotional", 0.2),
            ("job", "demographic", 0.0),
            ("fear", "psychological", 0.3),
        ]
    ),
)


def small_scenario(number: int, values: tuple[str | None, ...]) -> Scenario:
    query = f"How do I get through week {number}?"
    return Scenario(f"small-{number}", "Life", query, Profile(SMALL.keys, values))


SMALL_SCENARIOS = (
    small_scenario(0, ("poor", "low", "nurse", "heights")),
    small_scenario(1, ("good", None, "cook", None)),
    small_scenario(2, (None, None, None, None)),
)


def made(**arguments: Any) -> AttributeAcquisitionEnv:
    env = gymnasium.make(ENV_ID, **arguments).unwrapped
    assert isinstance(env, AttributeAcquisitionEnv)
    return env


def additive(scenario: Scenario, subset: int) -> float:
    """A set function that is easy to do by hand: 1 for nothing, then i + 1 for attribute i."""
    return 1.0 + sum(i + 1 for i in members(subset))


@dataclass
class Played:
    observations: list[Observation] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    infos: list[dict[str, Any]] = field(default_factory=list)
    terminated: bool = False
    truncated: bool = False

    @property
    def asked(self) -> int:
        return _subset(self.observations[-1]["asked"])

    @property
    def known(self) -> int:
        return _subset(self.observations[-1]["known"])

    def bytes(self) -> list[Any]:
        """Everything that the agent was told, comparable to the last bit."""
        seen = [{k: (v.dtype.str, v.tobytes()) for k, v in o.items()} for o in self.observations]
        told = [info | {"action_mask": info["action_mask"].tobytes()} for info in self.infos]
        return [seen, told, self.rewards, self.terminated, self.truncated]


def _subset(bits: npt.NDArray[np.int8]) -> int:
    return mask_of(np.flatnonzero(bits).tolist())


def play(env: AttributeAcquisitionEnv, actions: Iterable[int], *, seed: int | None = 0, **options: Any) -> Played:
    played = Played()
    observation, info = env.reset(seed=seed, options=options)
    played.observations.append(observation)
    played.infos.append(info)
    for action in actions:
        observation, reward, played.terminated, played.truncated, info = env.step(action)
        played.observations.append(observation)
        played.rewards.append(reward)
        played.infos.append(info)
        if played.terminated or played.truncated:
            break
    return played


def direct_score(scenario: Scenario, subset: int) -> float:
    (outcome,) = MODEL.evaluate([EvaluationRequest(scenario, subset)])
    assert isinstance(outcome, Evaluation)
    return outcome.score


# Gymnasium's own conformance check


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"decline_probability": 0.5},
        {"decline_probability": 1.0},
        {"scenarios": GAPPY, "budget": 10, "table": PRICED},
        {"scenarios": SMALL_SCENARIOS, "table": SMALL, "budget": 2},
        {"scenarios": SMALL_SCENARIOS, "table": SMALL, "budget": 4, "decline_probability": 0.5},
        {"scenarios": SCENARIOS, "score": lambda scenario, subset: None},
        {"encoder": HashingEncoder(64), "value_dimension": 16, "render_mode": "ansi"},
    ],
    ids=["default", "declining", "never-telling", "gaps", "small", "small-declining", "unscored", "encoder"],
)
def test_gymnasium_finds_no_fault(arguments: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(made(**arguments))


def test_made_through_gymnasium_it_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(f"raise_agent.envs:{ENV_ID}")
        env.action_space.seed(0)
        for seed in range(5):
            env.reset(seed=seed)
            over = False
            while not over:
                _, _, terminated, truncated, _ = env.step(env.action_space.sample())
                over = terminated or truncated
        masks = env.get_wrapper_attr("action_masks")()
    assert masks.dtype == np.bool_
    assert isinstance(env.unwrapped, AttributeAcquisitionEnv)
    env.close()


def test_package_needs_gymnasium_only_for_the_env() -> None:
    code = (
        "import sys; sys.modules['gymnasium'] = None\n"
        "import raise_agent.envs, raise_agent.envs.dynamics\n"
        "from raise_agent.errors import MissingExtraError\n"
        "try: raise_agent.envs.AttributeAcquisitionEnv\n"
        "except MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'raise-agent[research]'" in done.stdout


def test_package_names_the_env_and_nothing_else() -> None:
    import raise_agent.envs as package

    assert package.AttributeAcquisitionEnv is AttributeAcquisitionEnv
    with pytest.raises(AttributeError, match="no attribute 'AtributeAcquisitionEnv'"):
        _ = package.AtributeAcquisitionEnv  # type: ignore[attr-defined]


def test_stable_baselines3_can_name_modules_after_the_keys() -> None:
    torch = pytest.importorskip("torch")
    observation, _ = AttributeAcquisitionEnv(score=additive).reset()
    torch.nn.ModuleDict({key: torch.nn.Identity() for key in observation})


# Vector environments


def vector_play(mode: str, arguments: dict[str, Any], steps: int) -> tuple[list[Any], list[dict[str, Any]]]:
    vector_kwargs = {"context": "spawn"} if mode == "async" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make_vec(ENV_ID, num_envs=2, vectorization_mode=mode, vector_kwargs=vector_kwargs, **arguments)
        try:
            observations, infos = env.reset(seed=5)
            seen: list[Any] = [observations]
            told = [infos]
            env.action_space.seed(5)
            for _ in range(steps):
                *result, infos = env.step(env.action_space.sample())
                seen.append(result)
                told.append(infos)
        finally:
            env.close()
    return seen, told


def test_vector_modes_agree_and_go_on_after_the_end() -> None:
    arguments = {"scenarios": GAPPY, "decline_probability": 0.2}
    serial, serial_infos = vector_play("sync", arguments, steps=12)
    parallel, parallel_infos = vector_play("async", arguments, steps=12)
    for one, other in zip(serial, parallel, strict=True):
        np.testing.assert_equal(one, other)
    for info, other_info in zip(serial_infos, parallel_infos, strict=True):
        np.testing.assert_equal(info, other_info)
    terminations = np.array([result[2] | result[3] for result in serial[1:]])
    assert terminations.sum(axis=0).min() >= 2


def test_vector_info_is_arrays_and_marks_what_is_unscored() -> None:
    first = SCENARIOS[0].digest

    def half(scenario: Scenario, subset: int) -> float | None:
        return None if scenario.digest == first else 3.5

    _, (info, *_) = vector_play("sync", {"scenarios": SCENARIOS[:2], "score": half}, steps=0)
    scored = np.array([scenario != SCENARIOS[0].id for scenario in info["scenario"]])
    assert sorted(scored.tolist()) == [False, True], "pick a seed that draws both scenarios"
    assert info["action_mask"].shape == (2, N + 1)
    assert info["action_mask"].dtype == np.int8
    assert info["unscored"].tolist() == (~scored).tolist()
    assert info["_score"].tolist() == scored.tolist()
    assert info["score"].dtype == np.float64
    assert info["score"][scored].tolist() == [3.5]
    assert info["questions"].tolist() == [0, 0]


# Rewards


@given(
    number=st.integers(0, len(GAPPY) - 1),
    actions=st.lists(st.integers(0, N), min_size=1, max_size=8),
    seed=st.integers(0, 2**31),
    budget=st.integers(1, N),
    decline=st.sampled_from([0.0, 0.4, 1.0]),
)
def test_any_play_keeps_the_rules(number: int, actions: list[int], seed: int, budget: int, decline: float) -> None:
    env = AttributeAcquisitionEnv(
        scenarios=GAPPY, table=PRICED, budget=budget, decline_probability=decline, score=SIMULATED
    )
    scenario = GAPPY[number]
    played = play(env, actions, seed=seed, scenario=number)
    put = actions[: len(played.rewards)]
    questions = [action for action in put if action != ANSWER]
    for step, (observation, info) in enumerate(zip(played.observations, played.infos, strict=True)):
        assert observation in env.observation_space
        asked, known = _subset(observation["asked"]), _subset(observation["known"])
        assert asked == mask_of(action for action in put[:step] if action != ANSWER)
        assert known & ~(asked & scenario.profile.known) == 0
        if decline == 0:
            assert known == asked & scenario.profile.known
        answers = observation["answers"]
        for i in range(N):
            value = scenario.profile.values[i]
            code = HashingEncoder(32).encode([value])[0] if known >> i & 1 and value else np.zeros(32)
            np.testing.assert_array_equal(answers[i], code)
        over = step == len(put) and (played.terminated or played.truncated)
        legal = 0 if over else full_mask(N) & ~asked
        assert _subset(info["action_mask"]) == legal | 1 << ANSWER
        assert info["questions"] == len([action for action in put[:step] if action != ANSWER]) <= budget
        assert info["score"] == pytest.approx(direct_score(scenario, known))
        assert info["scenario"] == scenario.id
        assert info["unscored"] is False
    assert played.terminated == (put[-1] == ANSWER)
    assert played.truncated == (not played.terminated and len(questions) == budget)
    gain = direct_score(scenario, played.known) - direct_score(scenario, 0)
    assert sum(played.rewards) == pytest.approx(gain - sum(PRICED.costs[i] for i in questions))


def test_each_step_pays_the_increase_less_the_cost() -> None:
    env = AttributeAcquisitionEnv(scenarios=SMALL_SCENARIOS, table=SMALL, score=additive)
    played = play(env, [3, 0, 4], scenario="small-0")
    assert played.rewards == pytest.approx([4 - 0.3, 1 - 0.1, 0])
    assert [info["score"] for info in played.infos] == [1, 5, 6, 6]


def test_a_question_put_again_is_in_vain() -> None:
    env = AttributeAcquisitionEnv(scenarios=SMALL_SCENARIOS, table=SMALL, score=additive, budget=3)
    played = play(env, [1, 1, 1, 1], scenario="small-0")
    assert played.rewards == pytest.approx([2 - 0.2, -0.2, -0.2])
    assert [info["questions"] for info in played.infos] == [0, 1, 2, 3]
    assert played.truncated
    assert not played.terminated
    np.testing.assert_equal(played.observations[1], played.observations[2])
    assert _subset(played.infos[2]["action_mask"]) == 0b11101
    assert _subset(played.infos[3]["action_mask"]) == 0b10000
    assert play(env, [1, 1, 4], scenario="small-0").terminated
    again = play(env, [0, 1, 2], scenario="small-0")
    assert [info["questions"] for info in again.infos] == [0, 1, 2, 3]


# Declining


def test_an_attribute_without_a_value_is_always_declined() -> None:
    calls: list[int] = []

    def score(scenario: Scenario, subset: int) -> float:
        calls.append(subset)
        return additive(scenario, subset)

    env = AttributeAcquisitionEnv(scenarios=SMALL_SCENARIOS, table=SMALL, score=score)
    played = play(env, [1, 0, 3], scenario="small-1")
    assert played.asked == 0b1011
    assert played.known == 0b0001
    assert played.rewards == pytest.approx([-0.2, 1 - 0.1, -0.3])
    assert not played.observations[-1]["answers"][[1, 3]].any()
    assert calls == [0, 1], "what did not change is not scored again"


def test_who_never_tells_teaches_nothing() -> None:
    env = AttributeAcquisitionEnv(scenarios=SCENARIOS, table=PRICED, decline_probability=1.0)
    played = play(env, [0, 1, 2])
    assert played.known == 0
    assert played.asked == 0b111
    assert played.rewards == pytest.approx([-PRICED.costs[i] for i in range(3)])


def test_declines_come_at_their_rate_and_whatever_the_order() -> None:
    env = AttributeAcquisitionEnv(scenarios=SCENARIOS, score=additive, budget=N, decline_probability=0.3)
    known = []
    for seed in range(300):
        played = play(env, range(N), seed=seed)
        backwards = play(env, reversed(range(N)), seed=seed)
        assert played.known == backwards.known
        known.append(played.known.bit_count())
    assert np.mean(known) / N == pytest.approx(0.7, abs=0.03)


# Starting state


def test_a_seed_fixes_everything_to_the_last_bit() -> None:
    for seed in range(20):
        actions = np.random.default_rng(seed).integers(0, N + 1, size=9).tolist()
        one, other = (
            AttributeAcquisitionEnv(scenarios=GAPPY, table=PRICED, budget=5, decline_probability=0.3) for _ in range(2)
        )
        assert play(one, actions, seed=seed).bytes() == play(other, actions, seed=seed).bytes()
        assert play(one, actions, seed=None).bytes() == play(other, actions, seed=None).bytes()


def test_the_next_users_depend_on_neither_actions_nor_settings() -> None:
    def ids(actions: list[int], **arguments: Any) -> list[str]:
        env = AttributeAcquisitionEnv(scenarios=SCENARIOS, **arguments)
        return [play(env, actions, seed=9 if i == 0 else None).infos[0]["scenario"] for i in range(8)]

    users = ids([ANSWER])
    assert len(set(users)) > 1
    assert users == ids([0, 1, 2]) == ids([5, 5], decline_probability=0.5, budget=2)


def test_every_scenario_is_drawn() -> None:
    env = AttributeAcquisitionEnv(scenarios=SCENARIOS, score=additive)
    drawn = {play(env, [], seed=seed).infos[0]["scenario"] for seed in range(200)}
    assert drawn == {scenario.id for scenario in SCENARIOS}


def test_an_option_picks_the_scenario_by_id_or_index() -> None:
    env = AttributeAcquisitionEnv(scenarios=SCENARIOS)
    for position, scenario in enumerate(SCENARIOS):
        assert play(env, [], scenario=scenario.id).infos[0]["scenario"] == scenario.id
        observation, info = env.reset(options={"scenario": np.int64(position)})
        assert info["scenario"] == scenario.id
        np.testing.assert_array_equal(observation["query"], HashingEncoder(512).encode([scenario.query])[0])


# Unscored evaluations


def failing(fails: Callable[[int, int], bool]) -> Callable[[Scenario, int], float | None]:
    """``additive``, unscored where ``fails`` says so of the subset and how often it was asked before."""
    asked: dict[int, int] = {}

    def score(scenario: Scenario, subset: int) -> float | None:
        asked[subset] = asked.get(subset, 0) + 1
        return None if fails(subset, asked[subset]) else additive(scenario, subset)

    return score


def unscored_play(fails: Callable[[int, int], bool], actions: Sequence[int]) -> Played:
    env = AttributeAcquisitionEnv(scenarios=SMALL_SCENARIOS, table=SMALL, score=failing(fails))
    return play(env, actions, scenario="small-0")


def test_an_increase_is_paid_at_the_next_step_that_is_scored() -> None:
    played = unscored_play(lambda subset, time: subset == 0b0010, [1, 3, 4])
    assert played.rewards == pytest.approx([-0.2, 6 - 0.3, 0])
    assert [info["unscored"] for info in played.infos] == [False, True, False, False]
    assert [info.get("score") for info in played.infos] == [1, None, 7, 7]


def test_a_failed_evaluation_is_tried_again_with_the_answer() -> None:
    played = unscored_play(lambda subset, time: subset == 0b0010 and time == 1, [1, 4])
    assert played.rewards == pytest.approx([-0.2, 2])
    assert not played.infos[-1]["unscored"]


def test_an_increase_that_is_never_scored_is_never_paid() -> None:
    played = unscored_play(lambda subset, time: subset != 0, [1, 4])
    assert played.rewards == pytest.approx([-0.2, 0])
    assert played.infos[-1]["unscored"]
    assert "score" not in played.infos[-1]


def test_without_a_score_to_start_from_all_is_paid_once_there_is_one() -> None:
    played = unscored_play(lambda subset, time: subset == 0 and time <= 2, [1, 3, 4])
    assert played.rewards == pytest.approx([-0.2, 6 - 0.3, 0])
    assert [info["unscored"] for info in played.infos] == [True, True, False, False]
    assert [info.get("score") for info in played.infos] == [None, 3, 7, 7]


def test_with_no_score_to_start_from_nothing_is_paid() -> None:
    played = unscored_play(lambda subset, time: subset == 0, [1, 3, 4])
    assert played.rewards == pytest.approx([-0.2, -0.3, 0])
    assert all(info["unscored"] for info in played.infos)


def test_simulated_failures_are_unscored() -> None:
    env = AttributeAcquisitionEnv(score=simulated_score(SimulatedSafetyModel(PENGUIN, failure_rate=1.0)))
    played = play(env, [0, 1, 2])
    assert played.rewards == [0, 0, 0]
    assert played.infos[-1]["unscored"]


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    env = AttributeAcquisitionEnv(score=lambda scenario, subset: score)
    with pytest.raises(ValueError, match="None where the evaluation is unscored"):
        env.reset()


# What the agent may see


def test_hidden_values_reach_nothing_that_the_agent_is_told() -> None:
    def constant(scenario: Scenario, subset: int) -> float:
        return 3.0

    shown = (1, 4, 7)
    for scenario in SCENARIOS:
        other = [value if i in shown else f"other {i}" for i, value in enumerate(scenario.profile.values)]
        twin = Scenario(scenario.id, scenario.domain, scenario.query, Profile(PENGUIN.keys, tuple(other)))
        told = []
        for user in (scenario, twin):
            env = AttributeAcquisitionEnv(
                scenarios=[user], score=constant, budget=4, decline_probability=0.2, render_mode="ansi"
            )
            played = play(env, [*shown, ANSWER])
            told.append([*played.bytes(), env.render(), env.action_masks().tolist()])
        assert told[0] == told[1]


@pytest.mark.parametrize("decline", [0.0, 0.5])
def test_what_a_conversation_elsewhere_would_show_is_what_the_env_shows(decline: float) -> None:
    env = made(scenarios=GAPPY, budget=4, decline_probability=decline)
    elsewhere = made(scenarios=SCENARIOS, budget=2)
    declined = 0
    for scenario in GAPPY:
        for observation in play(env, [3, 0, 9, 6], scenario=scenario.id).observations:
            asked, known = _subset(observation["asked"]), _subset(observation["known"])
            declined += (asked & ~known).bit_count()
            told = {PENGUIN[i].name: scenario.profile.values[i] if known >> i & 1 else None for i in members(asked)}
            shown = elsewhere.observe(scenario.query, told)
            assert shown in elsewhere.observation_space
            for key, array in observation.items():
                np.testing.assert_array_equal(shown[key], array)
                assert shown[key].dtype == array.dtype
    assert declined
    with pytest.raises(TableError, match="shoe"):
        env.observe("Should I?", {"shoe": "42"})
    with pytest.raises(TableError, match="twice"):
        env.observe("Should I?", {"age": "25-34", "Age": None})
    refused = env.observe("Should I?", {"age": None})
    for blank in ("not specified", " "):
        shown = env.observe("Should I?", {"age": blank})
        for key, array in refused.items():
            np.testing.assert_array_equal(shown[key], array)


def test_info_and_rendering_show_no_answer() -> None:
    secret = "Zanzibar"
    scenario = small_scenario(9, (secret, secret, None, secret))
    env = AttributeAcquisitionEnv(scenarios=[scenario], table=SMALL, render_mode="ansi")
    assert env.metadata["render_modes"] == ["ansi"]
    played = play(env, [0, 2, 4])
    text = env.render()
    assert text is not None
    assert secret not in text
    assert secret not in repr(played.infos)
    assert "asked: sleep (answered), job (declined)" in text
    assert "questions: 2 of 3" in text
    assert "(simulated); answered" in text
    assert set(played.infos[-1]) == {"action_mask", "scenario", "score", "questions", "unscored"}


@pytest.mark.parametrize("mode", [None, "rgb_array"])
def test_nothing_is_rendered_in_another_mode(mode: str | None) -> None:
    env = AttributeAcquisitionEnv(render_mode=mode)
    env.reset()
    assert env.render() is None


def test_rendering_tells_unscored() -> None:
    unscored = AttributeAcquisitionEnv(score=lambda scenario, subset: None, render_mode="ansi")
    with pytest.raises(gymnasium.error.ResetNeeded):
        unscored.render()
    unscored.reset()
    assert str(unscored.render()).endswith("asked: nothing\nquestions: 0 of 3; unscored")


def test_arrays_handed_out_are_the_caller_s_own() -> None:
    env = AttributeAcquisitionEnv(scenarios=SCENARIOS, score=additive)
    played = play(env, [0])
    before = copy.deepcopy(played.observations[-1])
    for array in (*played.observations[-1].values(), played.infos[-1]["action_mask"]):
        array[...] = 1
    observation, *_ = env.step(0)
    np.testing.assert_equal(observation, before)


# Masks and the end


def test_masks_follow_what_was_asked() -> None:
    env = AttributeAcquisitionEnv(scenarios=SCENARIOS, budget=2, score=additive)
    assert env.action_masks().all()
    _, info = env.reset()
    assert env.action_masks().all()
    assert info["action_mask"].all()
    *_, info = env.step(4)
    assert np.flatnonzero(~env.action_masks()).tolist() == [4]
    np.testing.assert_array_equal(info["action_mask"], env.action_masks())
    env.step(5)
    assert np.flatnonzero(env.action_masks()).tolist() == [ANSWER]


def test_answering_terminates_and_the_last_question_truncates() -> None:
    env = AttributeAcquisitionEnv(scenarios=SCENARIOS, budget=2)
    answered = play(env, [ANSWER])
    assert (answered.terminated, answered.truncated, answered.rewards) == (True, False, [0])
    answered = play(env, [1, ANSWER])
    assert (answered.terminated, answered.truncated) == (True, False)
    spent = play(env, [1, 2])
    assert (spent.terminated, spent.truncated) == (False, True)


def test_a_spent_budget_can_be_told_as_termination() -> None:
    plain, ending = (AttributeAcquisitionEnv(scenarios=GAPPY, budget=2) for _ in range(2))
    wrapped = EndAtBudget(ending)
    for actions in ([3, 4], [3, ANSWER]):
        played = play(plain, actions, scenario=1)
        wrapped.reset(seed=0, options={"scenario": 1})
        ends = []
        for action, reward in zip(actions, played.rewards, strict=True):
            _, paid, *over, _ = wrapped.step(action)
            assert paid == reward
            ends.append(over)
        assert ends == [[False, False], [True, False]]
        assert played.truncated == (actions[-1] != ANSWER)
    assert wrapped.get_wrapper_attr("action_masks")().tolist() == ending.action_masks().tolist()


@pytest.mark.parametrize("actions", [[ANSWER], [1, 2]], ids=["answered", "spent"])
@pytest.mark.parametrize("action", [0, ANSWER])
def test_after_the_end_comes_a_reset(actions: list[int], action: int) -> None:
    env = AttributeAcquisitionEnv(scenarios=SCENARIOS, budget=2)
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        env.step(action)
    play(env, actions)
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        env.step(action)
    assert play(env, [ANSWER]).terminated


@pytest.mark.parametrize("action", [-1, N + 1])
def test_an_action_outside_the_space_is_refused(action: int) -> None:
    env = AttributeAcquisitionEnv(scenarios=SCENARIOS)
    env.reset()
    with pytest.raises(ValueError, match=f"action {action} does not exist; actions are 0 to {N}"):
        env.step(action)
    with pytest.raises(TypeError):
        env.step(1.5)  # type: ignore[arg-type]


# Arguments


class Loud:
    """An encoder that keeps no bounds."""

    dimension = 4

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.full((len(texts), 4), 7, dtype=np.float32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scenarios": []}, "scenarios is empty"),
        ({"scenarios": [SCENARIOS[0], SCENARIOS[0]]}, "two scenarios have the id"),
        ({"scenarios": SMALL_SCENARIOS}, "'small-0' has other attributes than the table"),
        ({"budget": 0}, "budget must be between 1 and"),
        ({"budget": N + 1}, "budget must be between 1 and"),
        ({"decline_probability": -0.1}, "decline_probability must be between 0 and 1"),
        ({"decline_probability": 1.1}, "decline_probability must be between 0 and 1"),
        ({"decline_probability": float("nan")}, "decline_probability must be between 0 and 1"),
        ({"value_dimension": 33}, "value_dimension: .*power of two"),
    ],
)
def test_a_bad_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AttributeAcquisitionEnv(**arguments)


def test_a_table_that_draws_no_profiles_needs_scenarios() -> None:
    with pytest.raises(TableError, match="no profiles can be drawn"):
        AttributeAcquisitionEnv(table=SMALL)


def test_an_encoder_out_of_bounds_is_refused() -> None:
    env = AttributeAcquisitionEnv(encoder=Loud())
    with pytest.raises(ConfigError, match="shape \\(texts, 4\\)"):
        env.reset()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenarios": 0}, "did you mean 'scenario'"),
        ({"scenario": "nobody"}, "no scenario has the id 'nobody'"),
        ({"scenario": -1}, "from 0 to 11"),
        ({"scenario": 12}, "from 0 to 11"),
        ({"scenario": None}, "an id or an index"),
    ],
)
def test_a_bad_option_is_named(options: dict[str, Any], message: str) -> None:
    env = AttributeAcquisitionEnv(scenarios=SCENARIOS)
    with pytest.raises(ConfigError, match=message):
        env.reset(options=options)
