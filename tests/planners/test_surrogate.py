"""The model of the score, against Bayesian linear regression on features written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, permutations
from math import comb

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import ndtri
from scipy.stats import multivariate_normal, multivariate_t, norm

from raise_agent.errors import ConfigError
from raise_agent.planners import PlanningProblem, strong_pairs
from raise_agent.planners.beliefs import Belief, features, n_features
from raise_agent.planners.lattice import PathLattice
from raise_agent.planners.strong_pairs import EXPECTED, KEPT, MOST, SLAB
from raise_agent.planners.surrogate import (
    BEND,
    HYPOTHESES,
    JITTER,
    LEVEL,
    NOISY_SCALES,
    SHAPE,
    SLOPE,
    SPREAD,
    TRUST,
    Surrogate,
)
from raise_agent.subsets import full_mask, members, subsets_of_size

Array = npt.NDArray[np.float64]
Pairs = tuple[tuple[int, int], ...]


def up_to(n: int, depth: int, least: int = 0) -> list[int]:
    return [subset for size in range(least, depth + 1) for subset in subsets_of_size(full_mask(n), size)]


def a_belief(n: int, depth: int, seed: int = 0, spread: float = 0.3, misfit: float = 0.02) -> Belief:
    rng, p = np.random.default_rng(seed), n_features(n, depth)
    mean = rng.normal(0.0, spread, p)
    mean[: depth + 1] += 3.0
    return Belief(n, depth, mean, rng.normal(0.0, spread, (p, 4)), misfit)


# --- the oracle -----------------------------------------------------------------------------------------------------


def indicators(n: int, subsets: Sequence[int]) -> tuple[Array, Array]:
    """Attributes (k, n) and pairs of attributes (k, n (n - 1) / 2) in each subset."""
    known = np.array([[subset >> i & 1 for i in range(n)] for subset in subsets], dtype=np.float64)
    pairs = [known[:, i] * known[:, j] for i, j in combinations(range(n), 2)]
    return known, np.stack(pairs, axis=1) if pairs else np.zeros((len(subsets), 0))


@lru_cache
def explicit(n: int, depth: int) -> tuple[Array, ...]:
    """Features of all subsets up to the full size, by mask: of the level, and of each hypothesis."""
    level = np.zeros((1 << n, depth + 3))
    kinds = [np.zeros((1 << n, n)), np.zeros((1 << n, n * (n - 1) // 2)), np.zeros((1 << n, n * (n - 1) // 2))]
    variances = np.zeros((3, depth + 1))
    for size in range(depth + 1):
        masks = list(subsets_of_size(full_mask(n), size))
        level[masks, 0] = np.sqrt(LEVEL)
        level[masks, 1] = np.sqrt(SLOPE) * (size - depth) / depth
        level[masks, 2 + size] = np.sqrt(BEND)
        effects, pairs = (table - table.mean(axis=0) for table in indicators(n, masks))
        # Least squares, whatever the formula says.
        synergies = pairs - effects @ np.linalg.lstsq(effects, pairs, rcond=1e-9)[0]
        for kind, table in enumerate((effects, pairs, synergies)):
            kinds[kind][masks] = table
            variances[kind, size] = (table**2).sum(axis=1).mean()
    unit = variances[:, depth] if depth < n else variances.max(axis=1)
    scaled = [kind * (0.0 if u < 1e-9 else u**-0.5) for kind, u in zip(kinds, unit, strict=True)]
    return tuple(
        np.concatenate([level, *(np.sqrt(w) * kind for w, kind in zip(shares, scaled, strict=True))], axis=1)
        for shares in HYPOTHESES
    )


@dataclass
class Posterior:
    """What one hypothesis says of all candidates."""

    mean: Array
    covariance: Array
    log_evidence: float
    log_prior: float
    """Log odds beforehand against one hypothesis without strong pairs and without the belief."""
    noise: float
    """Variance of one evaluation."""

    def expecting(self, column: int) -> Posterior:
        """While one more candidate is being evaluated."""
        row = self.covariance[column] / np.sqrt(self.covariance[column, column] + self.noise)
        return replace(self, covariance=self.covariance - np.outer(row, row))


def regression(phi: Array, told: Sequence[int], scores: Array, noise: float) -> tuple[Array, Array]:
    """Mean and covariance of phi . b given scores of some rows, b ~ N(0, 1); by least squares of stacked rows."""
    stacked = np.concatenate([phi[told] / np.sqrt(noise), np.eye(phi.shape[1])])
    q, r = np.linalg.qr(stacked)
    right = np.concatenate([scores / np.sqrt(noise), np.zeros(phi.shape[1])])
    root = np.linalg.solve(r.T, phi.T)
    return root.T @ (q.T @ right), root.T @ root


def together(candidates: Sequence[int], pairs: Pairs) -> Array:
    """Which of these pairs each candidate holds whole, (m, pairs)."""
    both = [[float(subset >> i & subset >> j & 1) for i, j in pairs] for subset in candidates]
    return np.array(both).reshape(len(candidates), len(pairs))


def all_sets(problem: PlanningProblem, heard: Sequence[tuple[int, float]]) -> list[Pairs]:
    """Every set of strong pairs that were scored; none where scores are noisy."""
    scored = {pair for subset, _ in heard for pair in combinations(members(subset), 2) if not problem.noise}
    return [pairs for size in range(1, MOST + 1) for pairs in combinations(sorted(scored), size)]


def held(surrogate: Surrogate) -> list[Pairs]:
    """The sets of strong pairs held, in their order."""
    if (sets := surrogate._sets) is None:
        return []
    pairs = list(combinations(members(surrogate._problem.pool), 2))
    return [tuple(sorted(pairs[place] for place in row if place < len(pairs))) for row in sets.pairs]


def oracle(
    problem: PlanningProblem,
    candidates: Sequence[int],
    heard: Sequence[tuple[int, float]],
    sets: Sequence[Pairs] = (),
) -> list[Posterior]:
    """What each hypothesis says: those without strong pairs, the belief, then those with these sets of them."""
    told = [candidates.index(subset) for subset, _ in heard]
    y, variance, found = np.array([score for _, score in heard]), problem.noise**2, []
    same = np.equal.outer(told, told).astype(float)
    scales = [s**2 * variance for s in NOISY_SCALES] if variance else [1.0]
    least = SPREAD * float(y.var())
    if problem.belief is not None:
        belief = problem.belief
        phi = features(list(candidates), problem.n_attributes, problem.depth)
        full = phi[[subset.bit_count() == problem.depth for subset in candidates]]
        around = full - full.mean(axis=0)
        sigma = belief.root @ belief.root.T
        least = SPREAD * (float(np.einsum("kp,pq,kq->k", around, sigma, around).mean()) + belief.misfit)
    cold = [
        features_of[list(candidates)] * np.sqrt(scale)
        for features_of in explicit(problem.n_attributes, problem.depth)
        for scale in scales
    ]

    def linear(phi: Array, log_prior: float = 0.0) -> Posterior:
        mean, covariance = regression(phi, told, y - y[0], variance or JITTER)
        k = phi[told] @ phi[told].T + (variance or JITTER) * np.eye(len(told))
        if variance:
            evidence = multivariate_normal(np.full(len(y), y[0]), k).logpdf(y)
            return Posterior(y[0] + mean, covariance, float(evidence), log_prior, variance)
        # Of one score alone the scale is not known: whatever it is, it is the same for all.
        evidence = multivariate_t(np.full(len(y), y[0]), (least or 1.0) / SHAPE * k, df=2 * SHAPE).logpdf(y)
        residual = y - y[0]
        amplitude = (least + residual @ np.linalg.solve(k, residual) / 2) / (SHAPE + len(y) / 2)
        return Posterior(y[0] + mean, covariance * amplitude, float(evidence), log_prior, JITTER * amplitude)

    found = [linear(phi) for phi in cold]
    if problem.belief is not None:
        phi = features(list(candidates), problem.n_attributes, problem.depth)
        prior, expected = phi @ sigma @ phi.T + belief.misfit * np.eye(len(phi)), phi @ belief.mean
        k = prior[np.ix_(told, told)] + (variance or JITTER) * np.eye(len(told))
        assert np.allclose(np.diag(k) - (variance or JITTER), np.diag(prior)[told])
        assert (same >= np.eye(len(told))).all()
        gain = np.linalg.solve(k, prior[told]).T
        evidence = multivariate_normal(expected[told], k).logpdf(y)
        trusted = float(np.log(TRUST / (1 - TRUST) * len(cold)))
        mean, covariance = expected + gain @ (y - expected[told]), prior - gain @ prior[told]
        found.append(Posterior(mean, covariance, float(evidence), trusted, variance or JITTER))
    for pairs in sets:
        # Beside the nearly additive one, that is first.
        phi = np.concatenate([cold[0], SLAB * together(candidates, pairs)], axis=1)
        found.append(linear(phi, len(pairs) * float(np.log(EXPECTED / comb(problem.n_attributes, 2)))))
    return found


def weights_of(posteriors: Sequence[Posterior]) -> Array:
    """Bayes' rule."""
    logs = np.array([posterior.log_prior + posterior.log_evidence for posterior in posteriors])
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def mean_of(posteriors: Sequence[Posterior]) -> Array:
    return np.asarray(weights_of(posteriors) @ np.array([each.mean for each in posteriors]))


def deviations_of(posteriors: Sequence[Posterior]) -> Array:
    return np.sqrt([np.maximum(np.diag(each.covariance), 0.0) for each in posteriors])


def moments_of(posteriors: Sequence[Posterior]) -> tuple[Array, Array]:
    """Expected score and its standard deviation, by the law of total variance."""
    weights, means, mean = weights_of(posteriors), np.array([each.mean for each in posteriors]), mean_of(posteriors)
    within = weights @ deviations_of(posteriors) ** 2
    return mean, np.sqrt(within + weights @ means**2 - mean**2)


def above(mean: Array, deviation: Array) -> Array:
    """Expected positive part of normal variables; of those without deviation, their own."""
    unit = mean / np.maximum(deviation, 1e-12)
    return np.asarray(mean * norm.cdf(unit) + deviation * norm.pdf(unit))


def knowledge_gradients(posteriors: Sequence[Posterior]) -> tuple[Array, Array]:
    """Where asking is free: by the single likeliest rival of the present choice, and by all of them."""
    mean = mean_of(posteriors)
    choice = int(np.argmax(mean))
    z = ndtri((np.arange(2_000) + 0.5) / 2_000)
    one, whole = np.zeros_like(mean), np.zeros_like(mean)
    for weight, each in zip(weights_of(posteriors), posteriors, strict=True):
        for column in range(len(mean)):
            moves = each.covariance[column] / np.sqrt(each.covariance[column, column] + each.noise)
            after = mean + z[:, None] * moves
            one[column] += weight * np.maximum(after - after[:, [choice]], 0.0).mean(axis=0).max()
            whole[column] += weight * (after.max(axis=1).mean() - mean[choice])
    return one, whole


# --- problems ---------------------------------------------------------------------------------------------------------

PROBLEMS = {
    "exact": PlanningProblem(6, 3),
    "costs": PlanningProblem(5, 3, costs=[0.1, 0.0, 0.3, 0.2, 0.1]),
    "all questions": PlanningProblem(4, 4, costs=[0.1] * 4),
    "noisy": PlanningProblem(6, 3, noise=0.3),
    "believed": PlanningProblem(5, 3, costs=[0.1] * 5, belief=a_belief(5, 3)),
    "noisy and believed": PlanningProblem(5, 3, noise=0.3, belief=a_belief(5, 3, 1)),
}


def candidates_of(problem: PlanningProblem) -> list[int]:
    return up_to(problem.n_attributes, problem.depth, problem.depth if problem.free else 0)


def some_scores(problem: PlanningProblem, count: int, seed: int = 0) -> list[tuple[int, float]]:
    """Scores of a function of effects and pairs; of some subsets more than one where they are noisy."""
    rng, candidates = np.random.default_rng(seed), candidates_of(problem)
    known, pairs = indicators(problem.n_attributes, candidates)
    values = 3.0 + known @ rng.normal(0, 0.4, known.shape[1]) + pairs @ rng.normal(0, 0.3, pairs.shape[1])
    places = rng.choice(len(candidates), count, replace=problem.noise > 0)
    return [(candidates[i], float(values[i] + problem.noise * rng.standard_normal())) for i in places]


def told(problem: PlanningProblem, heard: Sequence[tuple[int, float]], candidates: Sequence[int] = ()) -> Surrogate:
    surrogate = Surrogate(problem, candidates or candidates_of(problem))
    for subset, score in heard:
        surrogate.expect(surrogate.columns[subset])
        surrogate.hear([score])
    return surrogate


def assert_same(one: Surrogate, other: Surrogate) -> None:
    """Whatever the order of the candidates, and of sets of strong pairs that are as likely."""
    assert set(one.masks) == set(other.masks)
    order = [other.columns[subset] for subset in one.masks]
    ours, theirs = held(one), held(other)
    assert sorted(ours) == sorted(theirs)
    plain = len(one._plain()[0])
    rows = [*range(plain), *(plain + theirs.index(each) for each in ours)]
    for mine, yours in zip(one._believed(), other._believed(), strict=True):
        same = yours[rows]
        np.testing.assert_allclose(mine, same[:, order] if same.ndim == 2 else same, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(one.means(), other.means()[order], atol=1e-8)
    if not one.exact:
        np.testing.assert_allclose(one.knowledge_gradient(), other.knowledge_gradient()[order], atol=1e-8)


each_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=list(PROBLEMS))


# --- covariances ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "depth"), [(1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (4, 3), (5, 5), (6, 3), (7, 4), (7, 6), (10, 3)]
)
def test_covariances_are_those_of_explicit_features_and_positive(n: int, depth: int) -> None:
    subsets = up_to(n, depth)
    surrogate = Surrogate(PlanningProblem(n, depth, costs=[0.1] * n), subsets)
    everything = np.arange(len(subsets))
    covariances = surrogate._covariance(everything, everything)
    for covariance, phi in zip(covariances, explicit(n, depth), strict=True):
        np.testing.assert_allclose(covariance, phi[subsets] @ phi[subsets].T, atol=1e-9)
        assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_the_variance_among_subsets_of_full_size_is_one() -> None:
    subsets = up_to(8, 4, 4)
    surrogate = Surrogate(PlanningProblem(8, 4), subsets)
    covariances = surrogate._covariance(np.arange(len(subsets)), np.arange(len(subsets)))
    common = covariances.mean(axis=(1, 2))
    np.testing.assert_allclose(common, LEVEL + BEND)
    np.testing.assert_allclose(np.diagonal(covariances, axis1=1, axis2=2) - common[:, None], 1.0)


def test_where_all_attributes_may_be_asked_each_still_tells_something() -> None:
    """One subset alone has the full size, and nothing varies there."""
    problem = PlanningProblem(4, 4, costs=[0.0, 0.0, 0.0, 0.1])
    surrogate = told(problem, [(0b0001, 4.0), (0b0010, 3.0), (0b1000, 2.0)])
    means = surrogate.means()
    assert means[surrogate.columns[0b0101]] > means[surrogate.columns[0b0110]] > means[surrogate.columns[0b1100]]


# --- posteriors -------------------------------------------------------------------------------------------------------


@each_problem
@pytest.mark.parametrize("count", [1, 2, 7, 11])
def test_beliefs_are_those_of_bayesian_linear_regression(problem: PlanningProblem, count: int) -> None:
    heard = some_scores(problem, count)
    surrogate = told(problem, heard)
    sets = held(surrogate)
    assert len(set(sets)) == len(sets) == min(KEPT, len(all_sets(problem, heard)))
    expected = oracle(problem, candidates_of(problem), heard, sets)
    weights, means, deviations = surrogate._believed()
    np.testing.assert_allclose(means, [each.mean for each in expected], atol=1e-7)
    np.testing.assert_allclose(deviations**2, [np.diag(each.covariance) for each in expected], atol=1e-8)
    np.testing.assert_allclose(weights, weights_of(expected), atol=1e-6)


@each_problem
def test_strong_pairs_stand_beside_the_plain_hypotheses_where_scores_are_exact(problem: PlanningProblem) -> None:
    heard = some_scores(problem, 7)
    surrogate = told(problem, heard)
    log_odds, means, deviations = surrogate._plain()
    expected = oracle(problem, candidates_of(problem), heard)
    weights = np.exp(log_odds - log_odds.max())
    np.testing.assert_allclose(weights / weights.sum(), weights_of(expected), atol=1e-6)
    np.testing.assert_allclose(means, [each.mean for each in expected], atol=1e-7)
    np.testing.assert_allclose(deviations, deviations_of(expected), atol=1e-6)
    assert len(surrogate._believed()[0]) == len(expected) + (0 if problem.noise else KEPT)


SMALL = {
    "exact": PlanningProblem(4, 2),
    "costs": PlanningProblem(4, 3, costs=[0.1, 0.0, 0.3, 0.2]),
    "believed": PlanningProblem(4, 3, costs=[0.1] * 4, belief=a_belief(4, 3)),
}


@pytest.mark.parametrize("problem", SMALL.values(), ids=list(SMALL))
@pytest.mark.parametrize("count", [2, 6])
def test_where_all_sets_of_strong_pairs_are_kept_they_are_the_whole_posterior(
    monkeypatch: pytest.MonkeyPatch, problem: PlanningProblem, count: int
) -> None:
    monkeypatch.setattr(strong_pairs, "KEPT", 1000)
    heard, candidates = some_scores(problem, count), candidates_of(problem)
    surrogate, sets = told(problem, heard), all_sets(problem, heard)
    assert sorted(held(surrogate)) == sorted(sets)
    posteriors = oracle(problem, candidates, heard, held(surrogate))
    weights, expected, deviations = weights_of(posteriors), mean_of(posteriors), deviations_of(posteriors)
    costs = np.array([problem.cost_of(subset) for subset in candidates])
    means = np.array([each.mean for each in posteriors])
    for ours, theirs in zip(surrogate._believed(), (weights, means, deviations), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(surrogate.means(), expected - costs, atol=1e-7)
    excess = above(means - costs - 3.2, deviations)
    np.testing.assert_allclose(surrogate.expected_improvement(3.2), weights @ excess, atol=1e-6)


def test_only_pairs_that_may_be_asked_can_be_strong() -> None:
    legal = [False, True, True, False, True, True]
    pool = [i for i in range(6) if legal[i]]
    few, heard = PlanningProblem(4, 2), some_scores(PlanningProblem(4, 2), 5)

    def within(subset: int) -> int:
        return sum(1 << pool[i] for i in members(subset))

    among = told(
        PlanningProblem(6, 2, legal=legal),
        [(within(subset), score) for subset, score in heard],
        [within(subset) for subset in candidates_of(few)],
    )
    for ours, theirs in zip(among._believed(), told(few, heard)._believed(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize("n", [0, 1])
def test_with_fewer_than_two_attributes_there_are_no_pairs(n: int) -> None:
    problem = PlanningProblem(3, 1, costs=[0.1] * 3, legal=[place < n for place in range(3)])
    surrogate = told(problem, [(subset, 2.0 + subset) for subset in up_to(n, 1)], up_to(n, 1))
    assert held(surrogate) == []
    np.testing.assert_allclose(surrogate.means(), [2.0, 2.9][: n + 1], atol=1e-3)


def test_several_samples_of_a_subset_count_as_their_mean() -> None:
    problem = PROBLEMS["noisy"]
    subset, other = candidates_of(problem)[:2]
    heard = [(other, 3.0), (subset, 3.4), (subset, 2.6), (subset, 3.9)]
    pooled = Surrogate(problem, candidates_of(problem))
    for place, (column, score) in enumerate([(other, 3.0), (subset, 3.3)]):
        pooled._nugget = np.full_like(pooled._nugget, problem.noise**2 / (1 + 2 * place))
        pooled.expect(pooled.columns[column])
        pooled.hear([score])
    surrogate = told(problem, heard)
    np.testing.assert_allclose(surrogate._believed()[1], pooled._believed()[1], atol=1e-9)
    np.testing.assert_allclose(surrogate._believed()[2], pooled._believed()[2], atol=1e-9)


@each_problem
def test_moments_are_those_of_the_mixture(problem: PlanningProblem) -> None:
    heard = some_scores(problem, 6)
    posteriors = oracle(problem, candidates_of(problem), heard, held(told(problem, heard)))
    weights, rng = weights_of(posteriors), np.random.default_rng(0)
    mean, deviation = told(problem, heard).moments()
    np.testing.assert_allclose(told(problem, heard).means(), mean)
    for column, subset in enumerate(candidates_of(problem)[:4]):
        parts = rng.choice(len(weights), 40_000, p=weights)
        centres = np.array([each.mean[column] for each in posteriors])
        spreads = np.sqrt([max(each.covariance[column, column], 0.0) for each in posteriors])
        draws = centres[parts] + spreads[parts] * rng.standard_normal(len(parts)) - problem.cost_of(subset)
        assert mean[column] == pytest.approx(draws.mean(), abs=5 * draws.std() / 200 + 1e-6)
        assert deviation[column] == pytest.approx(draws.std(), rel=0.05, abs=1e-5)


@each_problem
def test_candidates_may_come_late(problem: PlanningProblem) -> None:
    heard, candidates = some_scores(problem, 7), candidates_of(problem)
    early = [*dict.fromkeys(subset for subset, _ in heard)]
    late = Surrogate(problem, early)
    # What a belief's variance refers to are the largest of the first candidates.
    late._least = told(problem, heard)._least
    for subset, score in heard[:4]:
        late.expect(late.columns[subset])
        late.hear([score])
    late.expect(late.columns[heard[4][0]])
    late.means()
    late.add([*candidates[::2], candidates[0]])
    late.hear([heard[4][1]])
    late.means()
    late.add(candidates)
    assert len(late.means()) == len(candidates)
    for subset, score in heard[5:]:
        late.expect(late.columns[subset])
        late.hear([score])
    assert_same(late, told(problem, heard))


@each_problem
def test_a_batch_is_the_same_as_one_at_a_time(problem: PlanningProblem) -> None:
    heard = some_scores(problem, 9)
    batch = Surrogate(problem, candidates_of(problem))
    for part in (heard[:5], heard[5:]):
        for subset, _ in part:
            batch.expect(batch.columns[subset])
        batch.hear([score for _, score in part])
    assert_same(batch, told(problem, heard))


@each_problem
@pytest.mark.parametrize("count", [1, 3])
def test_what_is_expected_is_less_in_doubt_and_keeps_its_mean(problem: PlanningProblem, count: int) -> None:
    heard, candidates = some_scores(problem, 5), candidates_of(problem)
    surrogate = told(problem, heard)
    posteriors = oracle(problem, candidates, heard, held(surrogate))
    weights, means, deviations = surrogate._believed()
    for _ in range(count):
        column = int(np.argmax(surrogate._believed()[2].max(axis=0)))
        surrogate.expect(column)
        posteriors = [each.expecting(column) for each in posteriors]
        still, after, less = surrogate._believed()
        np.testing.assert_array_equal(weights, still)
        np.testing.assert_allclose(means, after, atol=1e-9)
        assert (less <= deviations + 1e-9).all()
        assert (less[:, column] < deviations[:, column]).all()
        np.testing.assert_allclose(less, deviations_of(posteriors), atol=1e-5)
        deviations = less


@each_problem
def test_what_is_believed_while_waiting_does_not_depend_on_having_been_asked_before(problem: PlanningProblem) -> None:
    heard, column = some_scores(problem, 5), 2
    asked, silent = Surrogate(problem, candidates_of(problem)), told(problem, heard)
    for subset, score in heard:
        asked.means()
        asked.expect(asked.columns[subset])
        asked.hear([score])
    asked.means()
    asked.expect(column)
    silent.expect(column)
    assert_same(silent, asked)
    silent, score = told(problem, heard), 3.3
    silent.expect(column)
    for surrogate in (silent, asked):
        surrogate.hear([score])
    assert_same(silent, asked)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("count", [0, 4])
def test_what_is_told_may_be_written_to(noise: float, count: int) -> None:
    problem = PlanningProblem(5, 2, noise=noise)
    heard = some_scores(problem, count)
    surrogate, untouched = told(problem, heard), told(problem, heard)
    by_noise = surrogate.knowledge_gradient() if noise else surrogate.expected_improvement(3.0)
    for told_once in (surrogate.means(), *surrogate.moments(), surrogate.expected_improvement(3.0), by_noise):
        told_once[:] = -1.0
    assert_same(surrogate, untouched)


@each_problem
def test_unscored_is_as_never_asked(problem: PlanningProblem) -> None:
    heard, candidates = some_scores(problem, 6), candidates_of(problem)
    surrogate = Surrogate(problem, candidates)
    for batch in ([None], [None, *heard[:1]], heard[1:3], [heard[3], None, heard[4], None], [None], heard[5:]):
        asked = [candidates[-1 - place] if one is None else one[0] for place, one in enumerate(batch)]
        for subset in asked:
            surrogate.expect(surrogate.columns[subset])
        surrogate.hear([None if one is None else one[1] for one in batch])
    assert_same(surrogate, told(problem, heard))


def test_more_than_the_room_it_starts_with() -> None:
    problem = PlanningProblem(6, 3, noise=0.3)
    heard = some_scores(problem, 40)
    surrogate = told(problem, heard)
    expected = oracle(problem, candidates_of(problem), heard, held(surrogate))
    np.testing.assert_allclose(surrogate._believed()[1], [each.mean for each in expected], atol=1e-8)


def test_points_or_percent_are_the_same_where_scores_are_exact() -> None:
    problem = PROBLEMS["exact"]
    heard = some_scores(problem, 8)
    points, percent = told(problem, heard), told(problem, [(subset, 25 * score - 25) for subset, score in heard])
    np.testing.assert_allclose(points._believed()[0], percent._believed()[0], atol=1e-9)
    np.testing.assert_allclose(25 * points.means() - 25, percent.means(), atol=1e-9)
    np.testing.assert_allclose(
        25 * points.expected_improvement(3.0), percent.expected_improvement(50.0), rtol=1e-6, atol=1e-12
    )


# --- what to ask next -------------------------------------------------------------------------------------------------


@each_problem
def test_expected_improvement_is_the_mean_of_what_exceeds_the_best(problem: PlanningProblem) -> None:
    heard, candidates, rng = some_scores(problem, 5), candidates_of(problem), np.random.default_rng(0)
    surrogate = told(problem, heard)
    posteriors = oracle(problem, candidates, heard, held(surrogate))
    weights, found = weights_of(posteriors), surrogate.expected_improvement(3.2)
    assert (found >= 0).all()
    for column in range(0, len(candidates), 3):
        parts = rng.choice(len(weights), 40_000, p=weights)
        centres = np.array([each.mean[column] for each in posteriors])
        spreads = np.sqrt([max(each.covariance[column, column], 0.0) for each in posteriors])
        draws = centres[parts] + spreads[parts] * rng.standard_normal(len(parts))
        over = np.maximum(draws - problem.cost_of(candidates[column]) - 3.2, 0.0)
        assert found[column] == pytest.approx(over.mean(), abs=5 * over.std() / np.sqrt(len(over)) + 1e-6)


PATHS = {
    "exact": PlanningProblem(5, 3),
    "costs": PlanningProblem(5, 3, costs=[0.1, 0.0, 0.3, 0.2, 0.1]),
    "all questions": PlanningProblem(4, 4),
    "one question": PlanningProblem(4, 1),
    "noisy": PlanningProblem(5, 3, noise=0.3),
    "noisy with costs": PlanningProblem(5, 2, costs=[0.1] * 5, noise=0.3),
    "believed": PlanningProblem(5, 3, costs=[0.1] * 5, belief=a_belief(5, 3)),
}


@pytest.mark.parametrize("problem", PATHS.values(), ids=list(PATHS))
@pytest.mark.parametrize("pending", [False, True])
def test_path_improvement_is_what_a_path_through_a_subset_is_expected_to_exceed_the_best_by(
    problem: PlanningProblem, pending: bool
) -> None:
    n, depth = problem.n_attributes, problem.depth
    candidates = up_to(n, depth, int(problem.free))
    heard = some_scores(replace(problem, costs=[0.1] * n), 3)
    heard = [(subset, score) for subset, score in heard if subset in candidates]
    surrogate = told(problem, heard, candidates)
    posteriors = oracle(problem, candidates, heard, held(surrogate))
    if pending:
        column = candidates.index(full_mask(n) >> n - depth)
        surrogate.expect(column)
        posteriors = [each.expecting(column) for each in posteriors]
    worths, deviations = moments_of(posteriors)
    if not problem.noise:
        for subset, score in heard:
            worths[candidates.index(subset)] = score
            deviations[candidates.index(subset)] = 0.0
    worths -= [problem.cost_of(subset) for subset in candidates]
    through = np.full(len(candidates), -np.inf)
    for path in permutations(range(n), depth):
        places = [candidates.index(sum(1 << i for i in path[: length + 1])) for length in range(depth)]
        through[places] = np.maximum(through[places], worths[places].sum())
    expected = np.zeros(len(candidates))
    on = np.isfinite(through)
    expected[on] = above((through[on] - through.max()) / depth, deviations[on] / depth)
    found = surrogate.path_improvement(PathLattice(surrogate.columns, depth))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert expected.max() > 1e-3


def test_nothing_is_expected_of_what_is_out_of_reach() -> None:
    found = told(PROBLEMS["exact"], some_scores(PROBLEMS["exact"], 5)).expected_improvement(1e6)
    assert (found == 0.0).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("believed", [False, True])
@pytest.mark.parametrize("pending", [False, True])
def test_the_knowledge_gradient_counts_one_rival_and_is_below_the_whole_one(
    seed: int, believed: bool, pending: bool
) -> None:
    problem = PlanningProblem(5, 2, noise=0.4, belief=a_belief(5, 2, seed) if believed else None)
    candidates, heard = candidates_of(problem), some_scores(problem, 4, seed)
    surrogate = told(problem, heard)
    posteriors = oracle(problem, candidates, heard, held(surrogate))
    if pending:
        surrogate.expect(3)
        posteriors = [each.expecting(3) for each in posteriors]
    one, whole = knowledge_gradients(posteriors)
    found = surrogate.knowledge_gradient()
    np.testing.assert_allclose(found, one, atol=1e-4)
    assert (found <= whole + 1e-4).all()
    assert found.max() > 0.3 * whole.max()


def test_before_the_first_score_the_least_known_or_the_most_promising_is_first() -> None:
    belief = a_belief(5, 3)
    for noise in (0.0, 0.3):
        cold = PlanningProblem(5, 3, costs=[0.1] * 5, noise=noise)
        surrogate = Surrogate(cold, up_to(5, 3))
        for gains in (surrogate.expected_improvement(0.0), surrogate.knowledge_gradient()):
            assert surrogate.masks[int(np.argmax(gains))] == 0, "departs most from the full size"
        warm = PlanningProblem(5, 3, noise=noise, belief=belief)
        surrogate = Surrogate(warm, up_to(5, 3, 3))
        expected = belief.features(surrogate.masks) @ belief.mean
        for gains in (surrogate.expected_improvement(0.0), surrogate.knowledge_gradient()):
            assert (gains >= 0).all()
            assert np.argmax(gains) == np.argmax(expected)


# --- beliefs ----------------------------------------------------------------------------------------------------------


def test_before_the_first_score_a_belief_is_its_mean_and_covariance() -> None:
    belief, subsets = a_belief(5, 3), up_to(5, 3)
    surrogate = Surrogate(PlanningProblem(5, 3, belief=belief), subsets)
    weights, means, _ = surrogate._believed()
    phi = features(subsets, 5, 3)
    covariance = phi @ belief.root @ belief.root.T @ phi.T + belief.misfit * np.eye(len(phi))
    everything = np.arange(len(subsets))
    np.testing.assert_allclose(surrogate._covariance(everything, everything)[-1], covariance, atol=1e-12)
    np.testing.assert_allclose(surrogate._variance[-1], np.diag(covariance))
    np.testing.assert_allclose(means[-1], phi @ belief.mean)
    assert weights[-1] == pytest.approx(TRUST)


def test_a_belief_gains_weight_by_being_right_and_loses_it_by_being_wrong() -> None:
    belief, rng = a_belief(6, 3, spread=0.2, misfit=0.001), np.random.default_rng(0)
    problem = PlanningProblem(6, 3, belief=belief)
    subsets = up_to(6, 3, 3)
    right = belief.features(subsets) @ (belief.mean + belief.root @ rng.standard_normal(4))
    for values, weighs in ((right, True), (right[::-1], False)):
        surrogate = told(problem, list(zip(subsets[:12], values[:12].tolist(), strict=True)))
        belief_last = len(surrogate._plain()[0]) - 1
        assert surrogate._believed()[0][belief_last] == pytest.approx(float(weighs), abs=0.01)


@pytest.mark.parametrize(("n", "depth"), [(6, 3), (4, 3), (5, 2)])
def test_a_belief_of_another_problem_is_refused(n: int, depth: int) -> None:
    with pytest.raises(ConfigError, match=f"the belief is of {n} attributes and {depth} questions.* has 5 and 3"):
        Surrogate(PlanningProblem(5, 3, belief=a_belief(n, depth)), up_to(5, 3, 3))


def test_a_belief_of_more_questions_serves_for_fewer() -> None:
    belief = a_belief(5, 4)
    surrogate = Surrogate(PlanningProblem(5, 3, belief=belief), up_to(5, 3, 3))
    np.testing.assert_allclose(surrogate._believed()[1][-1], features(surrogate.masks, 5, 4) @ belief.mean)


def test_a_subset_is_described_by_its_members() -> None:
    surrogate = Surrogate(PlanningProblem(4, 2), [0b0011, 0b1010])
    assert [members(mask) for mask in surrogate.masks] == [tuple(np.flatnonzero(row)) for row in surrogate.known]
