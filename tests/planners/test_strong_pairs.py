"""Sets of strong pairs, against the joint normal distribution written out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from raise_agent.planners import PlanningProblem, strong_pairs
from raise_agent.planners.strong_pairs import EXPECTED, KEPT, MOST, SLAB, Sets, StrongPairs
from raise_agent.planners.surrogate import Surrogate
from raise_agent.subsets import full_mask, members, subsets_of_size

Array = npt.NDArray[np.float64]
Places = tuple[int, ...]
"""Places of the pairs of a set."""
NOISE = 0.2
OFF = 1e-100
"""So few strong pairs expected that no scores speak for one."""


def evidence(log_det: Array, misfit: Array) -> Array:
    return -0.5 * (log_det + misfit)


@dataclass
class Case:
    """A base that is any covariance of the candidates; what was scored of these, and what is under way."""

    known: npt.NDArray[np.int64]
    base: Array
    """Covariances of the candidates, (m, m)."""
    told: list[int]
    scores: Array
    waiting: Sequence[int] = ()

    @property
    def pairs(self) -> list[tuple[int, int]]:
        return list(combinations(range(self.known.shape[1]), 2))

    @property
    def placed(self) -> list[int]:
        return [*self.told, *self.waiting]

    def fed(self, late: int = 0) -> StrongPairs:
        """Told of everything, and of the last candidates only at the end."""
        n, early = self.known.shape[1], len(self.known) - late
        strong, (factor, rows) = StrongPairs(full_mask(n)), self.factors(self.placed)
        strong.add(self.known[:early], np.zeros((0, early)))
        for place, column in enumerate(self.placed):
            strong.place(column, float(factor[place, place]), rows[place, :early])
        if late:
            strong.add(self.known[early:], rows[:, early:])
        for place, white in enumerate(self.whitened().tolist()):
            strong.hear(place, white)
        return strong

    def factors(self, placed: list[int]) -> tuple[Array, Array]:
        factor = np.linalg.cholesky(self.base[np.ix_(placed, placed)] + NOISE * np.eye(len(placed)))
        return np.asarray(factor), np.asarray(np.linalg.solve(factor, self.base[placed]))

    def whitened(self) -> Array:
        factor, _ = self.factors(self.told)
        return np.asarray(np.linalg.solve(factor, self.scores))

    def likeliest(self, strong: StrongPairs) -> Sets | None:
        factor, _ = self.factors(self.told)
        log_det = 2 * np.log(np.diagonal(factor)).sum()
        return strong.likeliest(float(log_det), float((self.whitened() ** 2).sum()), evidence)

    def shift(self, sets: Sets, late: int = 0) -> tuple[Array, Array]:
        return self.fed(late).shift(sets, self.factors(self.placed)[1][len(self.told) :])

    # --- the oracle ---------------------------------------------------------------------------------------------------

    def every(self) -> list[Places]:
        """All sets of pairs that were scored."""
        scored = [p for p, (i, j) in enumerate(self.pairs) if (self.known[self.told][:, [i, j]] == 1).all(1).any()]
        return [pairs for size in range(1, MOST + 1) for pairs in combinations(scored, size)]

    def indicators(self, pairs: Places) -> Array:
        chosen = [self.pairs[pair] for pair in pairs]
        both = [[float(row[i] * row[j]) for i, j in chosen] for row in self.known]
        return np.array(both).reshape(len(self.known), len(pairs))

    def given(self, pairs: Places, placed: list[int]) -> tuple[Array, Array, Array]:
        """Weights of the scores placed in what is expected, covariances given these, and those of the scores."""
        of = self.indicators(pairs)
        prior = self.base + SLAB**2 * of @ of.T
        k = prior[np.ix_(placed, placed)] + NOISE * np.eye(len(placed))
        gain = np.asarray(np.linalg.solve(k, prior[placed]).T)
        return gain, prior - gain @ prior[placed], k

    def log_odds(self, pairs: Places) -> float:
        """Of the scores and the set, but for the constant that all hypotheses share."""
        log_det = float(np.linalg.slogdet(self.given(pairs, self.told)[2])[1])
        return -0.5 * (log_det + self.misfit(pairs)) + len(pairs) * math.log(EXPECTED / len(self.pairs))

    def misfit(self, pairs: Places) -> float:
        return float(self.scores @ np.linalg.solve(self.given(pairs, self.told)[2], self.scores))

    def effects(self, pairs: Places) -> Array:
        """Expected effects of the pairs."""
        k = self.given(pairs, self.told)[2]
        return np.asarray(SLAB**2 * self.indicators(pairs)[self.told].T @ np.linalg.solve(k, self.scores))

    def added(self, pairs: Places) -> tuple[Array, Array]:
        """What the pairs add to what is expected by the scores heard, and to variances given all that is placed."""
        mean = (self.given(pairs, self.told)[0] - self.given((), self.told)[0]) @ self.scores
        variance = np.diag(self.given(pairs, self.placed)[1] - self.given((), self.placed)[1])
        return mean, variance


def case(n: int, told: int, seed: int, *, waiting: int = 0, effects: Sequence[float] = ()) -> Case:
    """Of subsets of 3 of n attributes, with these effects of the pairs (0, 1), (2, 3) and (0, 4)."""
    rng = np.random.default_rng(seed)
    known = np.array([[subset >> i & 1 for i in range(n)] for subset in subsets_of_size(full_mask(n), 3)])
    centred = known - known.mean(axis=0)
    # Mostly additive.
    root = rng.normal(0.0, 0.2, (len(known), 4))
    base: Array = centred @ centred.T + root @ root.T
    columns = rng.choice(len(known), told + waiting, replace=told + waiting > len(known)).tolist()
    scores = centred @ rng.normal(0.0, 0.5, n) + NOISE * rng.standard_normal(len(known))
    for (i, j), effect in zip(((0, 1), (2, 3), (0, 4)), effects, strict=False):
        scores = scores + effect * known[:, i] * known[:, j]
    return Case(known, base, columns[:told], scores[columns[:told]], columns[told:])


def listed(sets: Sets, pairs: int) -> list[Places]:
    """The sets held; one past the last pair is none."""
    rows = [tuple(sorted(pair for pair in row if pair < pairs)) for row in sets.pairs.tolist()]
    assert all(len(set(row)) == len(row) > 0 for row in rows)
    return rows


def found(one: Case) -> tuple[list[Places], Sets]:
    """By the scores heard; what is under way is placed since."""
    one = replace(one, waiting=())
    sets = one.likeliest(one.fed())
    assert sets is not None
    return listed(sets, len(one.pairs)), sets


# --- what is held -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [1, 4, 8, 9, 20])
def test_every_set_is_weighed_as_the_joint_normal_says(monkeypatch: pytest.MonkeyPatch, told: int) -> None:
    """Also where more is placed than there was room for at first."""
    monkeypatch.setattr(strong_pairs, "KEPT", 10_000)
    one = case(5, told, told)
    held, sets = found(one)
    assert sorted(held) == sorted(one.every())
    np.testing.assert_allclose(sets.log_odds, [one.log_odds(each) for each in held], atol=1e-9)
    np.testing.assert_allclose(sets.misfit, [one.misfit(each) for each in held], atol=1e-9)
    assert (np.diff(sets.log_odds) <= 0).all()
    for place, each in enumerate(held):
        # In the order in which the set grew; what is none counts for nothing.
        order = [sets.pairs[place].tolist().index(pair) for pair in each]
        np.testing.assert_allclose(sets.effects[place, order], one.effects(each), atol=1e-9)
        assert not np.delete(sets.effects[place], order).any()


@pytest.mark.parametrize("told", [1, 4, 9])
@pytest.mark.parametrize("waiting", [0, 1, 6])
def test_what_a_set_adds_is_what_the_joint_normal_says(
    monkeypatch: pytest.MonkeyPatch, told: int, waiting: int
) -> None:
    """What is under way makes variances smaller and leaves expected scores as they are."""
    monkeypatch.setattr(strong_pairs, "KEPT", 40)
    one = case(6, told, told, waiting=waiting, effects=(4.0, 3.0, 5.0))
    held, sets = found(one)
    mean, variance = one.shift(sets)
    expected = [one.added(each) for each in held]
    np.testing.assert_allclose(mean, [each[0] for each in expected], atol=1e-9)
    np.testing.assert_allclose(variance, [each[1] for each in expected], atol=1e-9)
    assert abs(mean).max() > 0.1
    assert variance.max() > 0.1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("effects", [(4.0,), (4.0, 3.0), (4.0, 3.0, 5.0)])
def test_the_likeliest_of_all_sets_is_found_though_few_are_kept(seed: int, effects: tuple[float, ...]) -> None:
    one = case(6, 16, seed, effects=effects)
    held, sets = found(one)
    assert len(held) == KEPT
    best = max(one.every(), key=one.log_odds)
    assert held[0] == best
    # Pairs of which one was never scored apart from another may stand for each other.
    assert {one.pairs.index(pair) for pair in ((0, 1), (2, 3), (0, 4))[: len(effects)]} <= set(best)
    np.testing.assert_allclose(sets.log_odds, [one.log_odds(each) for each in held], atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_of_single_pairs_the_likeliest_are_kept_whatever_the_scores(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(strong_pairs, "MOST", 1)
    monkeypatch.setattr(strong_pairs, "KEPT", 3)
    one = case(6, 9, seed)
    singles = sorted((each for each in one.every() if len(each) == 1), key=one.log_odds, reverse=True)
    assert found(one)[0] == singles[:3]


@pytest.mark.parametrize("kept", [1, 2, KEPT, 100])
@pytest.mark.parametrize("seed", range(4))
def test_no_set_is_held_twice_and_no_more_than_are_to_be_kept(
    monkeypatch: pytest.MonkeyPatch, kept: int, seed: int
) -> None:
    monkeypatch.setattr(strong_pairs, "KEPT", kept)
    held, _ = found(case(6, 14, seed, effects=(4.0, 4.0, 4.0)))
    assert len(set(held)) == len(held) == kept


def test_the_same_set_grown_in_two_ways_leaves_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the sets of each size as many are kept as may be, each once."""
    one = case(4, 3, 0)
    every = one.every()
    monkeypatch.setattr(strong_pairs, "KEPT", len(every))
    assert sorted(found(one)[0]) == sorted(every)


# --- which pairs ------------------------------------------------------------------------------------------------------


def test_pairs_that_were_never_scored_are_in_no_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strong_pairs, "KEPT", 10_000)
    one = case(6, 3, 1)
    scored = {pair for pairs in one.every() for pair in pairs}
    assert len(scored) < len(one.pairs)
    assert {pair for pairs in found(one)[0] for pair in pairs} == scored


def test_before_anything_is_scored_there_are_no_sets() -> None:
    strong = StrongPairs(full_mask(4))
    strong.add(np.eye(4, dtype=np.int64), np.zeros((0, 4)))
    assert strong.likeliest(0.0, 0.0, evidence) is None


@pytest.mark.parametrize("pool", [0b000, 0b010])
def test_fewer_than_two_attributes_make_no_pairs(pool: int) -> None:
    strong = StrongPairs(pool)
    strong.add(np.array([[0, 1, 0], [0, 0, 0]]), np.zeros((0, 2)))
    strong.place(0, 1.0, np.ones(2))
    strong.hear(0, 1.0)
    assert strong.likeliest(0.0, 1.0, evidence) is None


def test_only_attributes_of_the_pool_make_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of 0, 1 and 3, in this order: of candidates that have no base, the pairs alone are expected."""
    monkeypatch.setattr(strong_pairs, "MOST", 1)
    known = np.array([[1, 1, 1, 1], [0, 1, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0]])
    strong = StrongPairs(0b1011)
    strong.add(known, np.zeros((0, 4)))
    strong.place(0, 1.0, np.zeros(4))
    strong.hear(0, 1.0)
    sets = strong.likeliest(0.0, 1.0, evidence)
    assert sets is not None
    assert sorted(listed(sets, 3)) == [(0,), (1,), (2,)]
    in_order, effect = np.argsort(sets.pairs[:, 0]), SLAB**2 / (SLAB**2 + 1)
    expected = [[row[i] * row[j] * effect for row in known] for i, j in ((0, 1), (0, 3), (1, 3))]
    np.testing.assert_allclose(strong.shift(sets, np.zeros((0, 4)))[0][in_order], expected)


def test_a_subset_that_could_not_be_scored_leaves_no_pairs() -> None:
    subsets = list(subsets_of_size(full_mask(5), 2))
    surrogate, scores = Surrogate(PlanningProblem(5, 2), subsets), (3.0, None, 5.0, None)
    for column in range(len(scores)):
        surrogate.expect(column)
    surrogate.hear(scores)
    assert surrogate._sets is not None
    pairs = list(combinations(range(5), 2))
    held = {pair for row in listed(surrogate._sets, len(pairs)) for pair in row}
    assert held == {pairs.index((i, j)) for column in (0, 2) for i, j in [members(subsets[column])]}


# --- candidates and what is under way ---------------------------------------------------------------------------------


@pytest.mark.parametrize("waiting", [0, 3])
def test_candidates_that_come_late_are_as_those_there_from_the_start(waiting: int) -> None:
    one = case(6, 6, 2, waiting=waiting)
    last = [column for column in range(len(one.known)) if column not in one.placed]
    order = [*one.placed, *last]
    # What comes late was not placed.
    base = one.base[np.ix_(order, order)]
    one = Case(one.known[order], base, list(range(6)), one.scores, range(6, 6 + waiting))
    _, sets = found(one)
    for late, early in zip(one.shift(sets, late=len(last)), one.shift(sets), strict=True):
        np.testing.assert_allclose(late, early, atol=1e-12)
        assert early[:, -len(last) :].any()


# --- what it is for ---------------------------------------------------------------------------------------------------


def test_two_pairs_found_apart_are_expected_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """No subset that was scored has both."""
    subsets = list(subsets_of_size(full_mask(8), 4))

    def score(subset: int) -> float:
        return 3.0 + 2.0 * (subset & 0b11 == 0b11) + 2.0 * (subset & 0b1100 == 0b1100)

    apart = [subset for subset in subsets if score(subset) < 6]
    expected = dict[float, list[float]]()
    for seed in range(5):
        asked = np.random.default_rng(seed).permutation(apart)[:20].tolist()
        assert {score(subset) for subset in asked} == {3.0, 5.0}
        for rare in (EXPECTED, OFF):
            monkeypatch.setattr(strong_pairs, "EXPECTED", rare)
            surrogate = Surrogate(PlanningProblem(8, 4), subsets)
            for subset in asked:
                surrogate.expect(surrogate.columns[subset])
                surrogate.hear([score(subset)])
            expected.setdefault(rare, []).append(float(surrogate.means()[surrogate.columns[0b1111]]))
    assert expected[EXPECTED] == pytest.approx([7.0] * 5, abs=0.2)
    assert max(expected[OFF]) < 6.5
