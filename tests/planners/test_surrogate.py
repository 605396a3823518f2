"""The model of the score, against Bayesian linear regression on features written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import ndtri
from scipy.stats import multivariate_normal, multivariate_t

from raise_agent.errors import ConfigError
from raise_agent.planners import PlanningProblem
from raise_agent.planners.beliefs import Belief, features, n_features
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


def regression(phi: Array, told: Sequence[int], scores: Array, noise: float) -> tuple[Array, Array]:
    """Mean and covariance of phi . b given scores of some rows, b ~ N(0, 1); by least squares of stacked rows."""
    stacked = np.concatenate([phi[told] / np.sqrt(noise), np.eye(phi.shape[1])])
    q, r = np.linalg.qr(stacked)
    right = np.concatenate([scores / np.sqrt(noise), np.zeros(phi.shape[1])])
    root = np.linalg.solve(r.T, phi.T)
    return root.T @ (q.T @ right), root.T @ root


def oracle(problem: PlanningProblem, candidates: Sequence[int], heard: Sequence[tuple[int, float]]) -> list[Posterior]:
    """What each hypothesis says; evidence without the prior weights of hypotheses."""
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
    for features_of in explicit(problem.n_attributes, problem.depth):
        for scale in scales:
            phi = features_of[list(candidates)] * np.sqrt(scale)
            mean, covariance = regression(phi, told, y - y[0], variance or JITTER)
            k = phi[told] @ phi[told].T + (variance or JITTER) * np.eye(len(told))
            if variance:
                evidence = multivariate_normal(np.full(len(y), y[0]), k).logpdf(y)
            else:
                # Of one score alone the scale is not known, and all are as likely.
                student = multivariate_t(np.full(len(y), y[0]), least / SHAPE * k, df=2 * SHAPE) if least else None
                evidence = 0.0 if student is None else student.logpdf(y)
                residual = y - y[0]
                shape = SHAPE + len(y) / 2
                covariance = covariance * (least + residual @ np.linalg.solve(k, residual) / 2) / shape
            found.append(Posterior(y[0] + mean, covariance, float(evidence)))
    if problem.belief is not None:
        phi = features(list(candidates), problem.n_attributes, problem.depth)
        prior, expected = phi @ sigma @ phi.T + belief.misfit * np.eye(len(phi)), phi @ belief.mean
        k = prior[np.ix_(told, told)] + (variance or JITTER) * np.eye(len(told))
        assert np.allclose(np.diag(k) - (variance or JITTER), np.diag(prior)[told])
        assert (same >= np.eye(len(told))).all()
        gain = np.linalg.solve(k, prior[told]).T
        evidence = multivariate_normal(expected[told], k).logpdf(y)
        found.append(Posterior(expected + gain @ (y - expected[told]), prior - gain @ prior[told], float(evidence)))
    return found


def weights_of(posteriors: Sequence[Posterior], belief: Belief | None) -> Array:
    """Bayes' rule."""
    cold = len(posteriors) - (belief is not None)
    prior = np.full(cold, 1 / cold) if belief is None else np.append(np.full(cold, (1 - TRUST) / cold), TRUST)
    logs = np.log(prior) + [posterior.log_evidence for posterior in posteriors]
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


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
    """Whatever the order of the candidates."""
    assert set(one.masks) == set(other.masks)
    order = [other.columns[subset] for subset in one.masks]
    for ours, theirs in zip(one._believed(), other._believed(), strict=True):
        np.testing.assert_allclose(ours, theirs[:, order] if theirs.ndim == 2 else theirs, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(one.means(), other.means()[order], atol=1e-8)
    np.testing.assert_allclose(one.knowledge_gradient(), other.knowledge_gradient()[order], atol=1e-8)


each_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=list(PROBLEMS))


# --- covariances ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "depth"), [(1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (4, 3), (5, 5), (6, 3), (7, 4), (8, 7), (10, 3)]
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
    surrogate, expected = told(problem, heard), oracle(problem, candidates_of(problem), heard)
    weights, means, deviations = surrogate._believed()
    np.testing.assert_allclose(means, [each.mean for each in expected], atol=1e-7)
    np.testing.assert_allclose(deviations**2, [np.diag(each.covariance) for each in expected], atol=1e-8)
    if count > 1 or problem.noise or problem.belief:
        np.testing.assert_allclose(weights, weights_of(expected, problem.belief), atol=1e-6)


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
    posteriors = oracle(problem, candidates_of(problem), heard)
    weights, rng = weights_of(posteriors, problem.belief), np.random.default_rng(0)
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
    for subset, score in heard[:4]:
        late.expect(late.columns[subset])
        late.hear([score])
    late.expect(late.columns[heard[4][0]])
    late.add([*candidates[::2], candidates[0]])
    late.hear([heard[4][1]])
    late.add(candidates)
    for subset, score in heard[5:]:
        late.expect(late.columns[subset])
        late.hear([score])
    # What belief and prior variance refer to are the largest of the first candidates.
    late._usual = told(problem, heard)._usual
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
def test_what_is_expected_is_less_in_doubt_and_keeps_its_mean(problem: PlanningProblem) -> None:
    surrogate = told(problem, some_scores(problem, 5))
    weights, means, deviations = surrogate._believed()
    column = int(np.argmax(deviations.max(axis=0)))
    surrogate.expect(column)
    still, after, less = surrogate._believed()
    np.testing.assert_array_equal(means, after)
    np.testing.assert_array_equal(weights, still)
    assert (less <= deviations).all()
    assert (less[:, column] < deviations[:, column]).all()


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
    expected = oracle(problem, candidates_of(problem), heard)
    np.testing.assert_allclose(told(problem, heard)._believed()[1], [each.mean for each in expected], atol=1e-8)


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
    posteriors = oracle(problem, candidates, heard)
    weights = weights_of(posteriors, problem.belief)
    found = told(problem, heard).expected_improvement(3.2)
    assert (found >= 0).all()
    for column in range(0, len(candidates), 3):
        parts = rng.choice(len(weights), 40_000, p=weights)
        centres = np.array([each.mean[column] for each in posteriors])
        spreads = np.sqrt([max(each.covariance[column, column], 0.0) for each in posteriors])
        draws = centres[parts] + spreads[parts] * rng.standard_normal(len(parts))
        over = np.maximum(draws - problem.cost_of(candidates[column]) - 3.2, 0.0)
        assert found[column] == pytest.approx(over.mean(), abs=5 * over.std() / np.sqrt(len(over)) + 1e-6)


def test_nothing_is_expected_of_what_is_out_of_reach() -> None:
    found = told(PROBLEMS["exact"], some_scores(PROBLEMS["exact"], 5)).expected_improvement(1e6)
    assert (found == 0.0).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("believed", [False, True])
@pytest.mark.parametrize("pending", [False, True])
def test_the_knowledge_gradient_counts_one_rival_and_is_below_the_whole_one(
    seed: int, believed: bool, pending: bool
) -> None:
    problem = PlanningProblem(5, 2, noise=0.4, belief=a_belief(5, 2, seed) if believed else None)
    candidates, heard = candidates_of(problem), some_scores(problem, 4, seed)
    surrogate, posteriors = told(problem, heard), oracle(problem, candidates, heard)
    weights = weights_of(posteriors, problem.belief)
    if pending:
        surrogate.expect(3)
        for each in posteriors:
            row = each.covariance[3] / np.sqrt(each.covariance[3, 3] + problem.noise**2)
            each.covariance = each.covariance - np.outer(row, row)
    mean = weights @ np.array([each.mean for each in posteriors])
    choice = int(np.argmax(mean))
    z = ndtri((np.arange(5_000) + 0.5) / 5_000)
    one, whole = np.zeros(len(candidates)), np.zeros(len(candidates))
    for weight, each in zip(weights, posteriors, strict=True):
        for column in range(len(candidates)):
            moves = each.covariance[column] / np.sqrt(each.covariance[column, column] + problem.noise**2)
            after = mean + z[:, None] * moves
            over = np.maximum(after - after[:, [choice]], 0.0).mean(axis=0)
            one[column] += weight * over.max()
            whole[column] += weight * (after.max(axis=1).mean() - mean[choice])
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
        assert surrogate._believed()[0][-1] == pytest.approx(float(weighs), abs=0.01)


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
