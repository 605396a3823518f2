"""The decision process: pure functions of rules, state and action."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raise_agent.envs.dynamics import (
    Rules,
    State,
    askable,
    is_terminated,
    is_truncated,
    legal_actions,
    questions_left,
    start,
    step,
)
from raise_agent.errors import ConfigError
from raise_agent.subsets import full_mask

RULES = Rules(4, 2)


def test_nothing_is_asked_at_the_start() -> None:
    assert start() == State(asked=0, known=0, answered=False)
    assert questions_left(RULES, start()) == 2
    assert legal_actions(RULES, start()) == (0, 1, 2, 3, 4)


def test_answering_is_the_action_after_the_attributes() -> None:
    assert RULES.answer == 4


def test_an_answered_question_is_known() -> None:
    assert step(RULES, start(), 2) == State(asked=0b100, known=0b100)


def test_a_declined_question_is_spent_and_tells_nothing() -> None:
    state = step(RULES, start(), 2, declined=True)
    assert state == State(asked=0b100, known=0)
    assert questions_left(RULES, state) == 1
    assert legal_actions(RULES, state) == (0, 1, 3, 4)


def test_after_the_budget_only_answering_is_legal() -> None:
    state = step(RULES, step(RULES, start(), 2), 0)
    assert askable(RULES, state) == 0
    assert legal_actions(RULES, state) == (4,)
    assert is_truncated(RULES, state)
    assert not is_terminated(state)


def test_answering_ends_the_conversation() -> None:
    state = step(RULES, step(RULES, start(), 2), RULES.answer)
    assert state == State(asked=0b100, known=0b100, answered=True)
    assert is_terminated(state)
    assert not is_truncated(RULES, state)
    assert askable(RULES, state) == 0


def test_answering_after_the_budget_terminates_rather_than_truncates() -> None:
    state = step(RULES, State(asked=0b11, known=0b11), RULES.answer)
    assert is_terminated(state)
    assert not is_truncated(RULES, state)


def test_the_pool_limits_what_may_be_asked() -> None:
    assert askable(RULES, start(), pool=0b1010) == 0b1010
    assert askable(RULES, step(RULES, start(), 1), pool=0b1010) == 0b1000
    assert askable(RULES, start(), pool=0) == 0


@pytest.mark.parametrize("action", [-1, 2, 5])
def test_other_actions_are_refused(action: int) -> None:
    with pytest.raises(ValueError, match=rf"action {action} is not legal here; legal: \(0, 1, 3, 4\)"):
        step(RULES, step(RULES, start(), 2), action)


def test_no_question_is_taken_after_the_answer() -> None:
    with pytest.raises(ValueError, match=r"action 1 is not legal here; legal: \(4,\)"):
        step(RULES, State(answered=True), 1)


def test_no_question_is_taken_beyond_the_budget() -> None:
    with pytest.raises(ValueError, match="action 3 is not legal here"):
        step(RULES, State(asked=0b11, known=0b11), 3)


@pytest.mark.parametrize("budget", [0, -1, 5])
def test_the_budget_is_bounded_by_the_attributes(budget: int) -> None:
    with pytest.raises(ConfigError, match=f"budget must be between 1 and the number of attributes, 4, not {budget}"):
        Rules(4, budget)


@given(n=st.integers(1, 62), data=st.data())
def test_every_walk_keeps_the_rules(n: int, data: st.DataObject) -> None:
    rules = Rules(n, data.draw(st.integers(1, n)))
    state, asked, told = start(), list[int](), list[int]()
    while not (is_terminated(state) or is_truncated(rules, state)):
        actions = legal_actions(rules, state)
        assert actions == (*(i for i in range(n) if i not in asked), rules.answer)
        assert askable(rules, state) == full_mask(n) & ~state.asked
        action = data.draw(st.sampled_from(actions))
        declined = data.draw(st.booleans())
        before = state
        state = step(rules, state, action, declined=declined)
        assert step(rules, before, action, declined=declined) == state
        if action != rules.answer:
            asked.append(action)
            if not declined:
                told.append(action)
        assert state.asked == sum(1 << i for i in asked)
        assert state.known == sum(1 << i for i in told)
        assert questions_left(rules, state) == rules.budget - len(asked)
    assert len(asked) <= rules.budget
    assert is_terminated(state) != is_truncated(rules, state)
    assert askable(rules, state) == 0
