"""Acquisition as a finite-horizon decision process (paper, section 5.2): pure functions, no state, no I/O.

The environment, the planners and the evaluation of policies all step through these functions. Differences
from the paper: there is an action to answer, and a user may decline, which spends the question and tells
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from raise_agent.errors import ConfigError
from raise_agent.subsets import full_mask, members


@dataclass(frozen=True, slots=True)
class Rules:
    """What does not change within a conversation."""

    n_attributes: int
    """How many attributes there are; actions 0 to n-1 ask, action n answers."""
    budget: int
    """Most questions, 1 to ``n_attributes``."""

    def __post_init__(self) -> None:
        if not 1 <= self.budget <= self.n_attributes:
            raise ConfigError(
                f"budget must be between 1 and the number of attributes, {self.n_attributes}, not {self.budget}"
            )

    @property
    def answer(self) -> int:
        """The action that stops asking."""
        return self.n_attributes


@dataclass(frozen=True, slots=True)
class State:
    """Where a conversation stands."""

    asked: int = 0
    """The subset of attributes asked, answered or not."""
    known: int = 0
    """The subset of attributes answered."""
    answered: bool = False
    """Whether the user has been given the answer to the query."""


def start() -> State:
    """Nothing asked."""
    return State()


def questions_left(rules: Rules, state: State) -> int:
    """How many more questions the budget allows."""
    return rules.budget - state.asked.bit_count()


def askable(rules: Rules, state: State, pool: int | None = None) -> int:
    """The subset of attributes that may be asked next; ``pool`` limits it further."""
    if state.answered or questions_left(rules, state) <= 0:
        return 0
    return (full_mask(rules.n_attributes) if pool is None else pool) & ~state.asked


def legal_actions(rules: Rules, state: State) -> tuple[int, ...]:
    """Attributes that may be asked, then the answer action, which is always legal."""
    return (*members(askable(rules, state)), rules.answer)


def step(rules: Rules, state: State, action: int, *, declined: bool = False) -> State:
    """The state after an action.

    Args:
        rules: number of attributes and budget.
        state: where the conversation stands.
        action: an attribute to ask, or ``rules.answer``.
        declined: whether the user gives no answer to this question.

    Raises:
        ValueError: the action is not legal here.
    """
    if action == rules.answer:
        return State(state.asked, state.known, answered=True)
    if not 0 <= action < rules.n_attributes or not askable(rules, state) >> action & 1:
        raise ValueError(f"action {action} is not legal here; legal: {legal_actions(rules, state)}")
    bit = 1 << action
    return State(state.asked | bit, state.known if declined else state.known | bit, answered=False)


def is_terminated(state: State) -> bool:
    """The answer was given."""
    return state.answered


def is_truncated(rules: Rules, state: State) -> bool:
    """The budget is spent without an answer."""
    return not state.answered and questions_left(rules, state) <= 0
