"""The Gymnasium environment: a shell over ``dynamics`` with users, scores and observations."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol, SupportsIndex, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import AttributeTable, penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import ConfigError, MissingExtraError, TableError, did_you_mean
from raise_agent.models.base import Evaluation, EvaluationRequest
from raise_agent.models.simulated import SimulatedSafetyModel
from raise_agent.scenario import Scenario
from raise_agent.subsets import mask_of, members

from . import dynamics

try:
    import gymnasium
    from gymnasium import spaces
except ModuleNotFoundError as error:
    raise MissingExtraError("the Gymnasium environment", "research") from error

Score: TypeAlias = Callable[[Scenario, int], "float | None"]
"""(scenario, subset known) -> safety score of the answer, None where unscored."""

Observation: TypeAlias = dict[str, npt.NDArray[Any]]

SCENARIOS = 256
"""How many synthetic scenarios there are where none are given."""


class Encoder(Protocol):
    """Turns texts into vectors; each component between -1 and 1."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors, shape (texts, dimension)."""


def simulated_score(model: SimulatedSafetyModel, cached: int = 1 << 16) -> Score:
    """The score of a simulated safety model, as the environment takes it.

    Args:
        model: the simulation.
        cached: how many scores are remembered; one evaluation on its own costs more than the rest of a step.
    """

    @lru_cache(maxsize=cached)
    def score(scenario: Scenario, subset: int) -> float | None:
        (outcome,) = model.evaluate([EvaluationRequest(scenario, subset)])
        return outcome.score if isinstance(outcome, Evaluation) else None

    return score


@dataclass(slots=True)
class _Codes:
    """Vectors of texts, each text encoded once."""

    encoder: Encoder
    known: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)

    def of(self, text: str) -> npt.NDArray[np.float32]:
        code = self.known.get(text)
        if code is None:
            codes = np.asarray(self.encoder.encode([text]), dtype=np.float32)
            if codes.shape != (1, self.encoder.dimension) or not np.all(np.abs(codes) <= 1 + 1e-4):
                raise ConfigError(
                    f"the encoder must give vectors of shape (texts, {self.encoder.dimension}), each "
                    f"component from -1 to 1; for one text it gave shape {codes.shape}, or larger components"
                )
            code = self.known[text] = np.clip(codes[0], -1, 1)
        return code


@dataclass(slots=True)
class _Episode:
    """One conversation."""

    scenario: Scenario
    willing: int
    """The subset of attributes that the user has a value for and will tell."""
    rules: dynamics.Rules
    """The rules of what is left: a question put twice takes one from the budget."""
    answers: npt.NDArray[np.float32]
    """(n, value_dimension): codes of the answers, zeros where there is none."""
    state: dynamics.State = field(default_factory=dynamics.start)
    score: float | None = None
    """Safety score of what is known, None while unscored."""
    paid: float | None = None
    """The safety score up to which rewards have been paid; None until the empty set is scored."""

    @property
    def unscored(self) -> bool:
        """Whether part of the increase is still to be paid."""
        return self.score is None or self.paid is None

    @property
    def terminated(self) -> bool:
        return dynamics.is_terminated(self.state)

    @property
    def truncated(self) -> bool:
        return dynamics.is_truncated(self.rules, self.state)


class AttributeAcquisitionEnv(gymnasium.Env[Observation, SupportsIndex]):
    """Ask a person for what an answer needs in order to be safe, then answer.

    ## Description
    A person asks a question; what they leave out can turn a good answer into a harmful one. The agent sees
    the query and may ask for attributes of the person, one at a time and at most ``budget`` of them, before
    it answers (Wu et al., 2025, section 5.2). A safety model scores the answer given with what is known.

    >>> import gymnasium, raise_agent.envs
    >>> env = gymnasium.make("raise_agent/AttributeAcquisition-v0", budget=2)
    >>> observation, info = env.reset(seed=7)
    >>> {key: value.shape for key, value in observation.items()}
    {'query': (512,), 'asked': (10,), 'known': (10,), 'answers': (10, 32)}
    >>> action = env.action_space.sample(mask=info["action_mask"])

    ## Action space
    ``Discrete(n + 1)`` for a table of n attributes.

    | action | meaning |
    | --- | --- |
    | 0 to n-1 | ask for the attribute at that place of the table |
    | n | answer; always legal |

    ``info["action_mask"]`` and ``action_masks()`` (the convention of sb3-contrib) tell what is legal. Asking
    for an attribute **again** is not legal, yet no error, so that agents that know no masks can learn: the
    question is put in vain. It takes one from the budget, costs what it costs, and tells nothing. From then
    on, and only then, the observation alone does not tell how many questions are left; ``info["questions"]``
    does. An action outside the space raises ``ValueError``.

    ## Observation space
    ``Dict``, fresh arrays with each call:

    | key | space | content |
    | --- | --- | --- |
    | ``query`` | ``Box(-1, 1, (d,), float32)`` | the query's embedding, d as the encoder has it |
    | ``asked`` | ``MultiBinary(n)`` | which attributes were asked |
    | ``known`` | ``MultiBinary(n)`` | which of these were answered; asked but not known was declined |
    | ``answers`` | ``Box(-1, 1, (n, value_dimension), float32)`` | hashed words of each answer, else zeros |

    Values that were not acquired reach neither observation nor info. Scores and rewards do depend on them:
    the safety model judges with the whole profile in view.

    ## Reward
    Each step pays the increase of the safety score, less the attribute's cost if it asked. Over an episode
    the rewards sum to score(known at the end) - score(nothing known) - the costs of all questions put. A
    declined question changes neither what is known nor the score; it costs as any other does. To answer
    pays 0.

    An evaluation that fails is unscored and never counts as a number: the step pays only what its question
    costs, and the increase stays owed until a later step is scored (the answer can be that step). What is
    missing is asked for again with every step. That holds for the empty set too: with no score to start from,
    nothing is paid until there is one. Where ``info["unscored"]`` holds at the end, something was never
    paid: leave that episode out of averages.

    ## Starting state
    Nothing asked. ``reset`` draws a scenario, each equally likely, and what its user will not tell: each
    attribute on its own with ``decline_probability``, and always one without a value in the profile. Both
    come from the seed alone, not from the actions: two policies under one seed meet the same users, each in
    the same mood.
    ``reset(options={"scenario": ...})`` takes the scenario with this id (str) or index (int) instead.

    ## Episode end
    *Terminated* when the agent answers. *Truncated* when the budget is spent, by the step that puts the last
    question; the answer is then given with what is known. No reward could follow, so an algorithm that
    bootstraps at truncation must take the value there as 0: ``raise_agent.envs.ending.EndAtBudget`` sees to it.
    A step after the end raises ``gymnasium.error.ResetNeeded``.

    ## Arguments
    All by keyword; ``make`` and ``make_vec`` pass them on.

    | argument | default | meaning |
    | --- | --- | --- |
    | ``scenarios`` | None | what to draw from, each with an id of its own; None: 256 synthetic ones, seed 0 |
    | ``table`` | None | the attributes, with their costs; None: the ten of PENGUIN, at no cost |
    | ``budget`` | 3 | most questions, 1 to n |
    | ``score`` | None | (scenario, subset known) -> score, None where unscored; None: the simulated model |
    | ``encoder`` | None | ``.dimension``, ``.encode(texts)`` in -1 to 1; None: ``HashingEncoder(512)`` |
    | ``value_dimension`` | 32 | length of an answer's code, a power of two from 16 |
    | ``decline_probability`` | 0.0 | how likely a user is not to tell an attribute that has a value, 0 to 1 |
    | ``render_mode`` | None | "ansi": ``render`` gives a few lines of text that show no answer |

    Episodes are deterministic under a seed where ``score`` is, as the simulated model is. ``score`` is called
    once for each new set of known attributes of an episode, in the process that the environment runs in. With
    ``vectorization_mode="async"`` arguments must survive cloudpickle.

    ## Info
    With each ``reset`` and ``step``; a vector environment makes of each key an array, with a mask ``_key``.

    | key | type | content |
    | --- | --- | --- |
    | ``action_mask`` | int8, (n+1,) | 1 where the action is legal |
    | ``scenario`` | str | id of the scenario |
    | ``score`` | float | safety score of what is known; **no such key** where it is unscored |
    | ``questions`` | int | questions put so far, those in vain included |
    | ``unscored`` | bool | whether, for want of a score, the increase up to here is not paid |

    ## Version history
    * v0: initial version.

    Raises:
        ConfigError: an argument is out of range, an id occurs twice, or a scenario does not fit the table.
        TableError: no scenarios were given, and the table has no network to draw them from.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 - as the base has it

    def __init__(
        self,
        *,
        scenarios: Sequence[Scenario] | None = None,
        table: AttributeTable | None = None,
        budget: int = 3,
        score: Score | None = None,
        encoder: Encoder | None = None,
        value_dimension: int = 32,
        decline_probability: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        self.table = penguin_table() if table is None else table
        self.rules = dynamics.Rules(len(self.table), budget)
        if not 0 <= decline_probability <= 1:
            raise ConfigError(f"decline_probability must be between 0 and 1, not {decline_probability}")
        # Another mode draws nothing rather than fails: make_vec_env of Stable-Baselines3 passes "rgb_array".
        self.render_mode = render_mode
        self._scenarios = synthetic_scenarios(self.table, SCENARIOS, 0) if scenarios is None else tuple(scenarios)
        self._index = _index(self._scenarios, self.table)
        self._simulated = score is None
        self._score = simulated_score(SimulatedSafetyModel(self.table)) if score is None else score
        self._decline_probability = decline_probability
        self._embeddings = _Codes(HashingEncoder(512) if encoder is None else encoder)
        try:
            self._codes = _Codes(HashingEncoder(value_dimension))
        except ConfigError as error:
            raise ConfigError(f"value_dimension: {error}") from error
        self._episode: _Episode | None = None
        n = self.rules.n_attributes
        self._bits = np.arange(n + 1)
        self.action_space = spaces.Discrete(n + 1)
        # Stable-Baselines3 puts the keys into a torch ModuleDict, which refuses names like "values".
        parts: dict[str, spaces.Space[Any]] = {
            "query": spaces.Box(-1.0, 1.0, (self._embeddings.encoder.dimension,), np.float32),
            "asked": spaces.MultiBinary(n),
            "known": spaces.MultiBinary(n),
            "answers": spaces.Box(-1.0, 1.0, (n, value_dimension), np.float32),
        }
        self.observation_space = cast("spaces.Space[Observation]", spaces.Dict(parts))

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a conversation; see the class for what is drawn and for ``options``.

        Raises:
            ConfigError: an option is unknown, or there is no such scenario.
        """
        super().reset(seed=seed)
        # The same draws in every episode: what one setting changes must not shift what the next ones draw.
        drawn = int(self.np_random.integers(len(self._scenarios)))
        mood = self.np_random.random(self.rules.n_attributes)
        scenario = self._scenarios[self._chosen(options or {}, drawn)]
        withheld = mask_of(np.flatnonzero(mood < self._decline_probability).tolist())
        self._episode = episode = _Episode(
            scenario=scenario,
            willing=scenario.profile.known & ~withheld,
            rules=self.rules,
            answers=np.zeros((self.rules.n_attributes, self._codes.encoder.dimension), dtype=np.float32),
        )
        self._settle(episode)
        return self._observation(episode), self._info(episode)

    def step(self, action: SupportsIndex) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Ask or answer.

        Raises:
            ValueError: the action is outside the action space.
            gymnasium.error.ResetNeeded: no conversation is going on.
        """
        episode = self._episode
        if episode is None or episode.terminated or episode.truncated:
            raise gymnasium.error.ResetNeeded("no conversation is going on: call reset() before step()")
        choice = operator.index(action)
        if not 0 <= choice <= self.rules.answer:
            raise ValueError(f"action {choice} does not exist; actions are 0 to {self.rules.answer}")
        cost = 0.0
        if choice == self.rules.answer:
            episode.state = dynamics.step(episode.rules, episode.state, choice)
        else:
            cost = self.table.costs[choice]
            self._ask(episode, choice)
        reward = self._settle(episode) - cost
        return (
            self._observation(episode),
            reward,
            episode.terminated,
            episode.truncated,
            self._info(episode),
        )

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which actions are legal, shape (n+1,); all before the first ``reset``."""
        episode = self._episode
        if episode is None:
            return np.ones(self.rules.n_attributes + 1, dtype=np.bool_)
        return self._legal(episode).astype(np.bool_)

    def observe(self, query: str, known: Mapping[str, str | None]) -> Observation:
        """What would be shown at this point of any conversation, so that what is trained here can decide elsewhere.

        Args:
            query: what the user wrote.
            known: answers so far by attribute key, name or alias; None for a question asked and declined, as is blank
                text and what the table takes for unknown.

        Raises:
            TableError: an attribute is unknown or given twice.
        """
        told: dict[int, str | None] = {}
        for spelling, value in known.items():
            index = self.table.index(spelling)
            if index in told:
                raise TableError(f"{spelling!r} is given twice")
            told[index] = None if value is None else self.table.text_of(value)
        answers = np.zeros((self.rules.n_attributes, self._codes.encoder.dimension), dtype=np.float32)
        for index, value in told.items():
            if value is not None:
                answers[index] = self._codes.of(value)
        answered = mask_of([index for index, value in told.items() if value is not None])
        return self._shown(query, mask_of(list(told)), answered, answers)

    def render(self) -> str | None:
        """The conversation so far, in render mode "ansi"; shows no answer."""
        episode = self._episode
        if self.render_mode != "ansi":
            return None
        if episode is None:
            raise gymnasium.error.ResetNeeded("no conversation to render: call reset() first")
        state = episode.state
        score = "unscored" if episode.score is None else f"score {episode.score:.2f}"
        asked = [
            f"{self.table.keys[i]} ({'answered' if state.known >> i & 1 else 'declined'})" for i in members(state.asked)
        ]
        return "\n".join(
            [
                f"{episode.scenario.id}: {episode.scenario.query}",
                f"asked: {', '.join(asked) or 'nothing'}",
                f"questions: {self._questions(episode)} of {self.rules.budget}; "
                f"{score}{' (simulated)' if self._simulated else ''}{'; answered' if state.answered else ''}",
            ]
        )

    def _chosen(self, options: Mapping[str, Any], drawn: int) -> int:
        for option in options:
            if option != "scenario":
                raise ConfigError(f"unknown reset option {option!r}: {did_you_mean(option, ['scenario'])}")
        wanted = options.get("scenario", drawn)
        if isinstance(wanted, str):
            found = self._index.get(wanted)
            if found is None:
                raise ConfigError(
                    f"no scenario has the id {wanted!r}; there are {len(self._scenarios)}, "
                    f"the first is {self._scenarios[0].id!r}"
                )
            return found
        if not isinstance(wanted, (int, np.integer)) or not 0 <= wanted < len(self._scenarios):
            raise ConfigError(
                f"option 'scenario' must be an id or an index from 0 to {len(self._scenarios) - 1}, not {wanted!r}"
            )
        return int(wanted)

    def _ask(self, episode: _Episode, index: int) -> None:
        if episode.state.asked >> index & 1:
            # The dynamics know no question put twice; a smaller budget makes them count it.
            episode.rules = replace(episode.rules, budget=episode.rules.budget - 1)
            return
        declined = not episode.willing >> index & 1
        episode.state = dynamics.step(episode.rules, episode.state, index, declined=declined)
        value = episode.scenario.profile.values[index]
        if not declined and value is not None:
            episode.answers[index] = self._codes.of(value)
            episode.score = None

    def _settle(self, episode: _Episode) -> float:
        """Ask for the scores that are missing; the increase that is owed, 0 while one is missing."""
        if episode.paid is None:
            episode.paid = self._evaluated(episode.scenario, 0)
        if episode.score is None:
            known = episode.state.known
            episode.score = self._evaluated(episode.scenario, known) if known else episode.paid
        if episode.score is None or episode.paid is None:
            return 0.0
        increase = episode.score - episode.paid
        episode.paid = episode.score
        return increase

    def _evaluated(self, scenario: Scenario, subset: int) -> float | None:
        score = self._score(scenario, subset)
        if score is None:
            return None
        if not math.isfinite(score):
            raise ValueError(
                f"score gave {score} for scenario {scenario.id!r}, subset {subset}; "
                "it must give a finite number, or None where the evaluation is unscored"
            )
        return float(score)

    def _questions(self, episode: _Episode) -> int:
        return self.rules.budget - dynamics.questions_left(episode.rules, episode.state)

    def _legal(self, episode: _Episode) -> npt.NDArray[np.int8]:
        legal = dynamics.askable(episode.rules, episode.state) | 1 << self.rules.answer
        return _as_bits(legal, self._bits)

    def _observation(self, episode: _Episode) -> Observation:
        state = episode.state
        return self._shown(episode.scenario.query, state.asked, state.known, episode.answers.copy())

    def _shown(self, query: str, asked: int, known: int, answers: npt.NDArray[np.float32]) -> Observation:
        attributes = self._bits[:-1]
        return {
            "query": self._embeddings.of(query).copy(),
            "asked": _as_bits(asked, attributes),
            "known": _as_bits(known, attributes),
            "answers": answers,
        }

    def _info(self, episode: _Episode) -> dict[str, Any]:
        info: dict[str, Any] = {
            "action_mask": self._legal(episode),
            "scenario": episode.scenario.id,
            "questions": self._questions(episode),
            "unscored": episode.unscored,
        }
        if episode.score is not None:
            info["score"] = episode.score
        return info


def _as_bits(subset: int, bits: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
    return (subset >> bits & 1).astype(np.int8)


def _index(scenarios: Iterable[Scenario], table: AttributeTable) -> dict[str, int]:
    """Where each id is; refuses scenarios that cannot be used."""
    index: dict[str, int] = {}
    for position, scenario in enumerate(scenarios):
        if scenario.profile.keys != table.keys:
            raise ConfigError(
                f"scenario {scenario.id!r} has other attributes than the table {table.name!r}: "
                "load the scenarios with the table that the environment is given"
            )
        if index.setdefault(scenario.id, position) != position:
            raise ConfigError(f"two scenarios have the id {scenario.id!r}; each needs its own")
    if not index:
        raise ConfigError("scenarios is empty; at least one is needed")
    return index
