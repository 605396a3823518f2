"""The evaluation limit, and how a path becomes a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

import pytest

from raise_agent.planners import Evaluate, PlanningProblem
from raise_agent.planners.drive import drive
from raise_agent.planners.scoreboard import Scoreboard

FREE = PlanningProblem(3, 3)
COSTLY = PlanningProblem(3, 3, costs=[0.5, 0.5, 0.5])


def heard(
    problem: PlanningProblem, scores: dict[int, float | None], limit: int = 100, ask: Iterable[int] | None = None
) -> Scoreboard:
    board = Scoreboard(problem, limit)
    drive(board.ask(scores if ask is None else ask), scores.__getitem__)
    return board


def test_a_batch_is_asked_in_order_and_at_once() -> None:
    search = Scoreboard(FREE, 10).ask([4, 1, 2])
    assert next(search) == Evaluate((4, 1, 2))


def test_nothing_is_asked_twice_in_a_batch_or_later() -> None:
    board = Scoreboard(FREE, 10)
    asked: list[int] = []

    def evaluate(subset: int) -> float:
        asked.append(subset)
        return 1.0

    drive(board.ask([4, 1, 4]), evaluate)
    drive(board.ask([1, 2]), evaluate)
    drive(board.ask([1, 2]), evaluate)
    assert asked == [4, 1, 2]
    assert board.left == 7


def test_the_limit_cuts_a_batch() -> None:
    board = heard(FREE, {1: 1.0, 2: 2.0, 4: 4.0}, limit=2)
    assert board.scores == {1: 1.0, 2: 2.0}
    assert board.left == 0
    assert list(board.ask([4])) == []


def test_subsets_beyond_the_limit_are_not_even_listed() -> None:
    assert heard(FREE, {1: 1.0, 2: 2.0}, limit=2, ask=count(1)).left == 0


@pytest.mark.parametrize("reply", [None, float("nan"), float("inf")])
def test_what_is_no_finite_number_is_unscored_and_counts(reply: float | None) -> None:
    board = heard(FREE, {1: reply}, limit=3)
    assert board.worth(1) is None
    assert board.left == 2
    assert board.plan((0,)).trace == ((1, None),)


def test_worth_is_score_less_cost() -> None:
    board = heard(COSTLY, {0b011: 3.0})
    assert board.worth(0b011) == 2.0
    assert board.worth(0b001) is None


def test_where_asking_is_free_the_whole_path_is_kept() -> None:
    plan = heard(FREE, {0: 9.0, 1: 8.0, 3: 7.0, 7: 6.0}).plan((0, 1, 2))
    assert (plan.path, plan.value, plan.evaluations) == ((0, 1, 2), 6.0, 4)


def test_where_asking_costs_the_path_is_cut_after_its_best_prefix() -> None:
    plan = heard(COSTLY, {0: 1.0, 1: 2.0, 3: 2.4, 7: 2.8}).plan((0, 1, 2))
    assert (plan.path, plan.value) == ((0,), 1.5)


def test_of_equal_prefixes_the_first_is_kept() -> None:
    plan = heard(COSTLY, {0: 1.0, 1: 2.0, 3: 2.5, 7: 3.0}).plan((0, 1, 2))
    assert plan.path == (0,)


def test_unscored_prefixes_are_passed_over() -> None:
    plan = heard(COSTLY, {0: None, 3: 2.5, 7: 2.5}).plan((0, 1, 2))
    assert (plan.path, plan.value) == ((0, 1), 1.5)


@pytest.mark.parametrize("scores", [{0: 9.0, 1: 9.0}, {0: 9.0, 7: None}])
def test_a_path_with_an_unscored_end_is_left_whole(scores: dict[int, float | None]) -> None:
    plan = heard(COSTLY, scores).plan((0, 1, 2))
    assert (plan.path, plan.value) == ((0, 1, 2), None)


def test_a_worth_of_zero_is_a_worth() -> None:
    plan = heard(COSTLY, {0: -1.0, 1: 0.5, 3: 0.0, 7: 0.0}).plan((0, 1, 2))
    assert (plan.path, plan.value) == ((0,), 0.0)


@pytest.mark.parametrize(
    ("problem", "limit", "asked"),
    [(FREE, 9, [7]), (COSTLY, 9, [7, 5, 4, 0]), (COSTLY, 2, [7, 5]), (COSTLY, 1, [7])],
)
def test_prefixes_are_asked_from_the_end_and_only_where_asking_costs(
    problem: PlanningProblem, limit: int, asked: list[int]
) -> None:
    board = Scoreboard(problem, limit)
    drive(board.ask_prefixes((2, 0, 1)), float)
    assert list(board.scores) == asked


def test_the_estimate_of_a_scored_subset_is_its_worth() -> None:
    board = heard(COSTLY, {0b001: 3.0, 0b010: 1.0, 0b100: None})
    assert board.estimate(0b001) == 2.5
    assert board.estimate(0b010) < board.estimate(0b100) < board.estimate(0b001)


def test_estimates_follow_what_is_heard_later() -> None:
    board = heard(FREE, {0b001: 3.0, 0b010: 1.0})
    assert board.estimate(0b101) > board.estimate(0b110)
    drive(board.ask([0b011]), lambda subset: 9.0)
    drive(board.ask([0b111]), lambda subset: 2.0)
    assert board.fit() is board.fit()
    assert board.fit().levels[3] != 0.0


def best(scores: dict[int, float | None], problem: PlanningProblem = FREE) -> int:
    return heard(problem, scores).best(scores)


def test_the_highest_worth_is_best() -> None:
    assert best({1: 1.0, 2: 3.0, 4: 2.0}) == 2
    assert best({1: 1.0, 2: 3.0, 6: 3.2}, COSTLY) == 2


def test_of_equals_the_smallest_is_best() -> None:
    assert best({7: 3.0, 3: 3.0, 4: 3.0}) == 4


def test_of_equals_of_one_size_that_with_the_lowest_indices_is_best() -> None:
    assert best({0b110: 3.0, 0b101: 3.0, 0b011: 3.0}) == 0b011
    assert best({0b110: 3.0, 0b101: 3.0}) == 0b101


def test_an_unscored_subset_never_wins_against_a_scored_one() -> None:
    assert best({1: None, 2: -1e9}) == 2


def test_of_unscored_subsets_the_largest_wins_then_the_lowest_indices() -> None:
    assert best({0b001: None, 0b110: None, 0b101: None}) == 0b101


@pytest.mark.parametrize("evaluate", [lambda subset: 1, lambda subset: True])
def test_scores_become_floats(evaluate: Callable[[int], float]) -> None:
    board = Scoreboard(FREE, 3)
    drive(board.ask([1]), evaluate)
    assert type(board.scores[1]) is float
