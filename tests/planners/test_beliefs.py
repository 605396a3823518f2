"""What searches teach, against the linear mixed model written out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import save_file
from scipy.stats import multivariate_normal

from raise_agent.errors import ConfigError
from raise_agent.planners import beliefs
from raise_agent.planners.beliefs import (
    CONTEXT_RIDGE,
    LEAST_MISFIT,
    PRIOR_SCENARIOS,
    Experience,
    History,
    features,
    learn,
    n_features,
    prior_context,
)
from raise_agent.subsets import full_mask, subsets_of_size

Array = npt.NDArray[np.float64]

N, DEPTH = 5, 3
SUBSETS = [subset for size in range(DEPTH + 1) for subset in subsets_of_size(full_mask(N), size)]
P = n_features(N, DEPTH)
PHI = features(SUBSETS, N, DEPTH)
"""Parameters are compared through the scores that they imply: features are not independent."""


class World:
    """The mixed model, with parameters of its own."""

    def __init__(self, seed: int = 0, misfit: float = 0.01, influence: float = 0.2) -> None:
        self.rng = np.random.default_rng(seed)
        effects, pairs = self.rng.normal(0.2, 0.2, N), self.rng.normal(0.0, 0.1, P - N - DEPTH - 1)
        self.mean = np.concatenate([[3.0, 3.3, 3.5, 3.6], effects, pairs])
        self.influence = influence * self.rng.standard_normal((2, P))
        self.deviations = np.array([0.2] * 4 + [0.3] * N + [0.15] * len(pairs))
        self.misfit = misfit

    def history(self, count: int, noise: float = 0.0, repeats: int = 1, context: bool = True) -> History:
        known = self.rng.standard_normal(2)
        beta = self.mean + self.deviations * self.rng.standard_normal(P) + context * known @ self.influence
        asked = self.rng.choice(len(SUBSETS), count, replace=False)
        values = PHI[asked] @ beta + np.sqrt(self.misfit) * self.rng.standard_normal(count)
        drawn = [(SUBSETS[i], float(v)) for i, v in zip(asked, values, strict=True) for _ in range(repeats)]
        scores = [(subset, value + noise * self.rng.standard_normal()) for subset, value in drawn]
        return History(scores, known if context else None)

    def histories(self, how_many: int, count: int, **other: Any) -> list[History]:
        return [self.history(count, **other) for _ in range(how_many)]


def implied(experience: Experience, contexts: Sequence[Array | None] = (None,)) -> tuple[Array, Array]:
    """Expected scores for each context (c, k) and their covariance (k, k)."""
    believed = [experience.belief(context) for context in contexts]
    root = PHI @ believed[0].root
    return np.stack([PHI @ belief.mean for belief in believed]), root @ root.T


def assert_same(one: Experience, other: Experience, rtol: float = 1e-7, atol: float = 1e-9) -> None:
    # Directions may differ in sign; what is believed may not.
    contexts = [None, *np.random.default_rng(9).standard_normal((3, len(one.centre)))]
    for ours, theirs in zip(implied(one, contexts), implied(other, contexts), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=rtol, atol=atol)
    np.testing.assert_allclose(one.misfit, other.misfit, rtol=rtol, atol=atol)
    assert (one.n_attributes, one.depth, one.scenarios) == (other.n_attributes, other.depth, other.scenarios)


def rounds(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(beliefs, "ROUNDS", count)
    monkeypatch.setattr(beliefs, "SETTLED", -1.0)


# --- features ---------------------------------------------------------------------------------------------------------


def test_features_are_size_members_and_pairs() -> None:
    for subset, row in zip(SUBSETS, PHI, strict=True):
        members = [i for i in range(N) if subset >> i & 1]
        sizes = [float(len(members) == size) for size in range(DEPTH + 1)]
        pairs = [float(i in members and j in members) for i, j in combinations(range(N), 2)]
        assert row.tolist() == [*sizes, *(float(i in members) for i in range(N)), *pairs]
    assert PHI.shape == (len(SUBSETS), P)


# --- learning ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "repeats", "noise"), [(12, 1, 0.0), (12, 3, 0.3)])
def test_the_parameters_of_the_mixed_model_are_found(count: int, repeats: int, noise: float) -> None:
    world = World(misfit=0.04)
    experience = learn(world.histories(1000, count, repeats=repeats, noise=noise), N, DEPTH, noise)
    axes = list(np.eye(2))
    means, covariance = implied(experience, [np.zeros(2), *axes])
    np.testing.assert_allclose(means[0], PHI @ world.mean, atol=0.1)
    for axis in axes:
        moved = means[1 + int(axis[1])] - means[0]
        true = PHI @ (axis @ world.influence)
        assert np.corrcoef(moved, true)[0, 1] > 0.97
        assert 0.8 < moved @ true / (true @ true) < 1.0, "shrunk a little"
    true_covariance = (PHI * world.deviations**2) @ PHI.T
    full = [subset.bit_count() == DEPTH for subset in SUBSETS]
    assert np.diag(covariance)[full] == pytest.approx(np.diag(true_covariance)[full], rel=0.25)
    assert np.corrcoef(covariance.ravel(), true_covariance.ravel())[0, 1] > 0.97
    assert experience.misfit == pytest.approx(world.misfit, rel=0.25)


def naive(histories: Sequence[History], count: int, noise: float) -> tuple[Callable[[Array], Array], Array, float]:
    """Expectation-maximisation, scenario by scenario, the lack of fit written out as further unknowns."""
    kept = [[(s, y) for s, y in history.scores if y is not None] for history in histories]
    contexts = np.stack(
        [h.context for h, scores in zip(histories, kept, strict=True) if h.context is not None and scores]
    )
    kept = [scores for scores in kept if scores]
    samples = [{s: [y for t, y in scores if t == s] for s, _ in scores} for scores in kept]
    means = [np.array([np.mean(drawn) for drawn in each.values()]) for each in samples]
    errors = [np.array([noise**2 / len(drawn) for drawn in each.values()]) for each in samples]
    designs = [features(list(each), N, DEPTH) for each in samples]
    within = np.average([y.var() for y in means], weights=None) + 1e-9
    everything = np.concatenate(means)
    start = np.diag(
        [everything.var() + within] * (DEPTH + 1)
        + [within / DEPTH] * N
        + [0.3 * within / (DEPTH * (DEPTH - 1) / 2)] * (N * (N - 1) // 2)
    )
    centre = contexts.mean(axis=0)
    eigenvalues, axes = np.linalg.eigh((contexts - centre).T @ (contexts - centre) / len(contexts))
    axes = axes / np.sqrt(eigenvalues.max())
    x = np.concatenate([np.ones((len(kept), 1)), (contexts - centre) @ axes], axis=1)
    m, sigma, misfit = np.zeros((x.shape[1], P)), start, 0.1 * within
    m[0, : DEPTH + 1] = everything.mean()
    for _ in range(count):
        expected, left, lacking = np.zeros((len(kept), P)), np.zeros((P, P)), 0.0
        for place, (phi, y, error) in enumerate(zip(designs, means, errors, strict=True)):
            k = len(y)
            prior = np.block([[sigma, np.zeros((P, k))], [np.zeros((k, P)), misfit * np.eye(k)]])
            sees = np.concatenate([phi, np.eye(k)], axis=1)
            gain = prior @ sees.T @ np.linalg.inv(sees @ prior @ sees.T + np.diag(error))
            mean = np.concatenate([x[place] @ m, np.zeros(k)])
            mean = mean + gain @ (y - sees @ mean)
            covariance = prior - gain @ sees @ prior
            expected[place], left = mean[:P], left + covariance[:P, :P]
            lacking += float(mean[P:] @ mean[P:] + np.trace(covariance[P:, P:]))
        ridge = np.diag([1e-9] + [CONTEXT_RIDGE] * (x.shape[1] - 1))
        m = np.linalg.inv(x.T @ x + ridge) @ x.T @ expected
        around = expected - x @ m
        sigma = (left + around.T @ around + PRIOR_SCENARIOS * start) / (len(kept) + PRIOR_SCENARIOS)
        misfit = max(lacking / len(everything), LEAST_MISFIT * within)
    return (lambda context: np.concatenate([[1.0], (context - centre) @ axes]) @ m), sigma, misfit


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_each_round_is_that_of_the_naive_account(monkeypatch: pytest.MonkeyPatch, count: int, noise: float) -> None:
    world = World(1)
    same = [world.history(6, noise, repeats=2 if noise else 1) for _ in range(12)]
    other = [world.history(6, noise, repeats=1) for _ in range(6)]
    partly = [
        History([(s, None if place % 3 == 0 else y) for place, (s, y) in enumerate(h.scores)], h.context) for h in other
    ]
    histories = [*same, *partly]
    rounds(monkeypatch, count)
    experience = learn(histories, N, DEPTH, noise)
    mean_of, covariance, misfit = naive(histories, count, noise)
    for context in ([0.0, 0.0], [1.0, -0.5], [0.3, 2.0]):
        np.testing.assert_allclose(
            experience.belief(np.array(context)).mean, mean_of(np.array(context)), rtol=1e-6, atol=1e-8
        )
    np.testing.assert_allclose(experience.covariance, covariance, rtol=1e-6, atol=1e-8)
    assert experience.misfit == pytest.approx(misfit, rel=1e-6)


def objective(experience: Experience, histories: Sequence[History], noise: float, start: Array) -> float:
    """Log-likelihood of what was heard, and log of what shrinks the covariance."""
    total = 0.0
    for history in histories:
        phi = features([subset for subset, _ in history.scores], N, DEPTH)
        covariance = phi @ experience.covariance @ phi.T + (experience.misfit + noise**2) * np.eye(len(phi))
        scores = [score for _, score in history.scores if score is not None]
        total += float(multivariate_normal(phi @ experience.belief().mean, covariance).logpdf(scores))
    _, logdet = np.linalg.slogdet(experience.covariance)
    shrink = logdet + float(np.trace(np.linalg.solve(experience.covariance, start)))
    return float(total - PRIOR_SCENARIOS / 2 * shrink)


@pytest.mark.parametrize(("misfit", "noise"), [(0.0, 0.0), (0.05, 0.0), (0.05, 0.2)])
def test_what_was_heard_gets_likelier_from_round_to_round(
    monkeypatch: pytest.MonkeyPatch, misfit: float, noise: float
) -> None:
    histories = World(2, misfit).histories(40, 9, context=False, noise=noise)
    rounds(monkeypatch, 0)
    start = learn(histories, N, DEPTH, noise).covariance
    found = []
    for count in range(9):
        rounds(monkeypatch, count)
        found.append(objective(learn(histories, N, DEPTH, noise), histories, noise, start))
    assert (np.diff(found) > -1e-6).all()
    assert found[-1] > found[0] + 10


def test_rounding_does_not_grow_from_round_to_round(monkeypatch: pytest.MonkeyPatch) -> None:
    histories = World(0, 0.0).histories(100, 6)
    rounds(monkeypatch, 150)
    experience = learn(histories, N, DEPTH)
    assert np.array_equal(experience.covariance, experience.covariance.T)
    assert np.linalg.eigvalsh(experience.covariance).min() > 0
    assert np.abs(experience.covariance).max() < 10


def test_the_order_of_searches_does_not_matter() -> None:
    world = World(3)
    histories = [world.history(count) for count in [4, 9, 6, 4, 1, 12] * 5]
    assert_same(learn(histories, N, DEPTH), learn(histories[::-1], N, DEPTH), rtol=1e-6, atol=1e-8)
    swapped = [History(list(history.scores)[::-1], history.context) for history in histories]
    assert_same(learn(histories, N, DEPTH), learn(swapped, N, DEPTH), rtol=1e-6, atol=1e-8)


def test_unscored_evaluations_are_passed_over() -> None:
    world = World(4)
    histories = world.histories(15, 6)
    holes = [History([(7, None), *history.scores, (SUBSETS[3], None)], history.context) for history in histories]
    silent = [History([(7, None)], np.full(2, 50.0)), History([], np.full(2, -9.0))]
    assert_same(learn([*silent, *holes], N, DEPTH), learn(histories, N, DEPTH))


def test_samples_of_a_subset_count_as_their_mean_with_less_noise() -> None:
    histories = World(5).histories(20, 6, noise=0.4, repeats=4)
    pooled = []
    for history in histories:
        drawn = [score for _, score in history.scores if score is not None]
        asked = [subset for subset, _ in history.scores][::4]
        means = np.asarray(drawn).reshape(-1, 4).mean(axis=1)
        pooled.append(History(list(zip(asked, means.tolist(), strict=True)), history.context))
    assert_same(learn(histories, N, DEPTH, 0.4), learn(pooled, N, DEPTH, 0.2))


def test_noise_is_not_taken_for_a_lack_of_fit() -> None:
    histories = World(6, misfit=0.0025).histories(300, 10, noise=0.3)
    assert learn(histories, N, DEPTH, 0.3).misfit < 0.03 < 0.05 < learn(histories, N, DEPTH, 0.0).misfit


def test_the_lack_of_fit_is_never_nothing() -> None:
    histories = World(7, misfit=0.0).histories(30, len(SUBSETS))
    within = np.mean([np.var([score for _, score in history.scores if score is not None]) for history in histories])
    assert learn(histories, N, DEPTH).misfit == pytest.approx(LEAST_MISFIT * within, rel=1e-6)


# --- little to learn from ---------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "histories",
    [
        [History([(3, 2.0), (5, 2.5), (6, 4.0)])],
        [History([(3, 2.0), (5, 2.5), (6, 4.0)], np.array([1.0, 2.0]))],
        [History([(7, 3.0)])],
        [History([(7, 3.0), (11, 3.0)]), History([(7, 3.0)]), History([(13, 3.0)])],
        [History([(7, 1.0), (11, 2.0)], np.ones(3)), History([(7, 3.0), (13, 5.0)], np.ones(3))],
        [History([(7, 1.0), (11, 2.0)], np.ones(0)), History([(7, 3.0), (13, 5.0)], np.ones(0))],
        [History([(7, 1.0), (11, 2.0)], np.ones(2)), History([(7, 3.0), (13, 5.0)])],
    ],
    ids=["one", "one with context", "one score", "all equal", "equal contexts", "empty contexts", "some contexts"],
)
def test_a_little_teaches_a_little(histories: list[History]) -> None:
    experience = learn(histories, N, DEPTH)
    scores = [score for history in histories for _, score in history.scores if score is not None]
    belief = experience.belief()
    assert np.isfinite(belief.mean).all()
    assert np.isfinite(belief.root).all()
    assert belief.misfit > 0
    full = PHI[[subset.bit_count() == DEPTH for subset in SUBSETS]]
    assert min(scores) - 1 < float((full @ belief.mean).mean()) < max(scores) + 1
    context = histories[0].context
    if context is not None:
        np.testing.assert_allclose(experience.belief(context).mean, belief.mean)


def test_few_searches_teach_less_than_many() -> None:
    world = World(8)
    histories = world.histories(200, 8)
    contexts = [np.zeros(2), np.ones(2)]
    moved = [np.abs(np.diff(implied(learn(histories[:k], N, DEPTH), contexts)[0], axis=0)).mean() for k in (5, 20, 200)]
    assert moved[0] < moved[1] < moved[2]


@pytest.mark.parametrize("histories", [[], [History([(3, None)])], [History([])]])
def test_without_a_score_there_is_nothing_to_learn(histories: list[History]) -> None:
    with pytest.raises(ConfigError, match="nothing to learn from"):
        learn(histories, N, DEPTH)


@pytest.mark.parametrize("subset", [0b1111, 0b100000])
def test_a_subset_that_cannot_be_is_refused(subset: int) -> None:
    with pytest.raises(ConfigError, match=f"subset {subset:#b} is not one of at most 3 of 5 attributes"):
        learn([History([(3, 1.0), (subset, 2.0)])], N, DEPTH)


@pytest.mark.parametrize(
    ("contexts", "message"),
    [([np.ones(2), np.ones(3)], "of one length"), ([np.ones(2), np.array([1.0, np.nan])], "finite numbers")],
)
def test_contexts_that_do_not_fit_are_refused(contexts: list[Array], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        learn([History([(3, 1.0)], context) for context in contexts], N, DEPTH)


# --- beliefs ----------------------------------------------------------------------------------------------------------


def test_a_context_moves_the_mean_as_ridge_regression_says() -> None:
    """Where every subset is scored coefficients are as good as known, and only the regression is left."""
    histories = World(9, misfit=1e-4).histories(150, len(SUBSETS))
    experience = learn(histories, N, DEPTH)
    contexts = np.stack([history.context for history in histories if history.context is not None])
    scores = np.stack(
        [np.array([dict(history.scores)[subset] for subset in SUBSETS], dtype=np.float64) for history in histories]
    )
    centred = contexts - contexts.mean(axis=0)
    largest = np.linalg.eigvalsh(centred.T @ centred / len(centred)).max()
    slopes = np.linalg.solve(centred.T @ centred + CONTEXT_RIDGE * largest * np.eye(2), centred.T @ scores)
    for context in contexts[:5]:
        expected = scores.mean(axis=0) + (context - contexts.mean(axis=0)) @ slopes
        np.testing.assert_allclose(PHI @ experience.belief(context).mean, expected, atol=0.02)
    np.testing.assert_allclose(PHI @ experience.belief().mean, scores.mean(axis=0), atol=0.02)


def test_many_directions_of_few_contexts_are_possible() -> None:
    rng = np.random.default_rng(0)
    histories = [History(h.scores, rng.standard_normal(200)) for h in World(1).histories(90, 5)]
    experience = learn(histories, N, DEPTH)
    assert experience.directions.shape == (200, beliefs.DIRECTIONS)
    assert np.isfinite(experience.belief(rng.standard_normal(200)).mean).all()


def test_what_is_known_is_passed_over_where_nothing_was_learned_from_it() -> None:
    experience = learn(World(1).histories(5, 5, context=False), N, DEPTH)
    for known in (np.ones(1), np.ones(3)):
        np.testing.assert_array_equal(experience.belief(known).mean, experience.belief().mean)


def test_a_context_of_another_length_is_refused() -> None:
    experience = learn(World(1).histories(5, 5), N, DEPTH)
    for known in (np.ones(1), np.ones(3), np.ones((2, 2))):
        with pytest.raises(ConfigError, match="a context of 2 numbers is expected"):
            experience.belief(known)


def test_the_root_is_that_of_the_covariance() -> None:
    experience = learn(World(1).histories(30, 8), N, DEPTH)
    root = experience.belief().root
    np.testing.assert_allclose(root @ root.T, experience.covariance, atol=1e-9)


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [True, False])
def test_what_was_saved_is_loaded_bit_by_bit(tmp_path: Path, context: bool) -> None:
    experience = learn(World(1).histories(12, 6, context=context), N, DEPTH)
    experience.save(tmp_path / "experience")
    loaded = Experience.load(tmp_path / "experience")
    known = np.array([0.3, -1.2]) if context else None
    for ours, theirs in ((experience.belief(known), loaded.belief(known)), (experience.belief(), loaded.belief())):
        assert (ours.mean.tobytes(), ours.root.tobytes()) == (theirs.mean.tobytes(), theirs.root.tobytes())
        assert (ours.n_attributes, ours.depth, ours.misfit) == (theirs.n_attributes, theirs.depth, theirs.misfit)
    assert loaded.scenarios == 12
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "experience").read_bytes()


@pytest.mark.parametrize("cut", [0, 4, 8, 60, 0.5, -1])
def test_a_file_cut_short_is_refused(tmp_path: Path, cut: float) -> None:
    path = tmp_path / "experience"
    learn(World(1).histories(5, 6), N, DEPTH).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole)) if isinstance(cut, float) else cut])
    with pytest.raises(ConfigError, match=r"experience: not a file of what searches taught \(.+\)"):
        Experience.load(path)


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("experience", encoding="utf-8")
    for name in ("nothing", "text", "."):
        with pytest.raises(ConfigError, match="not a file of what searches taught"):
            Experience.load(tmp_path / name)


@pytest.mark.parametrize(
    ("tensors", "told", "message"),
    [
        ({}, None, "another format"),
        ({}, "no JSON", "Expecting value"),
        ({}, "[1]", "list indices"),
        ({}, {"depth": None}, "not 'NoneType'"),
        ({}, {"depth": np.inf}, "infinity"),
        ({}, {"depth": 4}, "shapes that do not fit"),
        ({}, {"n_attributes": "five"}, "invalid literal"),
        ({}, {"n_attributes": 6}, "shapes that do not fit"),
        ({}, {"misfit": np.nan}, "not finite"),
        ({}, {"misfit": np.inf}, "not finite"),
        ({}, {"misfit": -0.1}, "not finite"),
        ({"centre": np.zeros(3)}, {}, "shapes that do not fit"),
        ({"directions": np.zeros(2)}, {}, "not enough values"),
        ({"influence": np.zeros((2, P))}, {}, "shapes that do not fit"),
        ({"covariance": np.zeros((P, P - 1))}, {}, "shapes that do not fit"),
        ({"covariance": np.full((P, P), np.nan)}, {}, "not finite"),
        ({"influence": np.full((3, P), np.inf)}, {}, "not finite"),
        ({"covariance": np.eye(P, dtype=np.float32)}, {}, "not of 64 bits"),
        ({"covariance": np.eye(P, dtype=bool)}, {}, "not of 64 bits"),
        ({"influence": None}, {}, "influence"),
    ],
)
def test_a_file_that_does_not_make_sense_is_refused(
    tmp_path: Path, tensors: dict[str, Any], told: dict[str, Any] | str | None, message: str
) -> None:
    made = learn(World(1).histories(5, 6), N, DEPTH)
    whole = {name: getattr(made, name) for name in ("centre", "directions", "influence", "covariance")} | tensors
    if isinstance(told, dict):
        told = json.dumps({"n_attributes": 5, "depth": 3, "scenarios": 5, "misfit": 0.1} | told)
    path = tmp_path / "experience"
    kept = {name: tensor for name, tensor in whole.items() if tensor is not None}
    save_file(kept, path, {"another": ""} if told is None else {beliefs.FORMAT: told})
    with pytest.raises(ConfigError, match=message):
        Experience.load(path)


def test_a_file_written_by_hand_is_taken(tmp_path: Path) -> None:
    """So the refusals above are for the reasons they give."""
    made = learn(World(1).histories(5, 6), N, DEPTH)
    whole = {name: getattr(made, name) for name in ("centre", "directions", "influence", "covariance")}
    told = json.dumps({"n_attributes": 5, "depth": 3, "scenarios": 5, "misfit": made.misfit})
    save_file(whole, tmp_path / "experience", {beliefs.FORMAT: told})
    assert_same(Experience.load(tmp_path / "experience"), made)


def test_what_a_prior_tells_is_centred_logarithms_of_what_can_be_known() -> None:
    weights = [0.5, 0.0, 0.25, 2.0]
    logs = np.log([0.5, 0.25, 2.0])
    expected = np.zeros(4)
    expected[[0, 2, 3]] = 0.3 * (logs - logs.mean())
    assert prior_context(weights, 4) == pytest.approx(expected)
    assert prior_context([w * 7 for w in weights], 4) == pytest.approx(expected), "on whatever scale"
    for nothing in (None, [0.0] * 4):
        assert not prior_context(nothing, 4).any()
