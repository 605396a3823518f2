"""Training against a world whose expectations are known, and each promise of the module on its own."""

from __future__ import annotations

import math
import pickle
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from raise_agent.distill.dataset import Examples, Score, examples_of
from raise_agent.distill.settings import DistillSettings
from raise_agent.distill.train import Epoch, Trained, _Batches, _Network, _validate, train
from raise_agent.errors import ConfigError
from raise_agent.policies import AcquisitionPolicy, Answer, Ask
from raise_agent.policies.network import PolicyNetwork
from raise_agent.policies.parts import PolicyParts
from raise_agent.scenario import Profile, Scenario

from .world import (
    ENCODER,
    GAINS,
    KEYS,
    REDUNDANCY,
    SYNERGY,
    TABLE,
    VALUE_ENCODER,
    N,
    expected_gain,
    forecast_gains,
    make_world,
    query_of,
    states,
)

SETTINGS = DistillSettings(hidden=64, value_dimension=16, epochs=40, patience=40, dropout=0.0, learning_rate=4e-3)
QUICK = replace(SETTINGS, hidden=8, epochs=3)
KINDS: dict[str, dict[str, float]] = {
    "plain": {},
    "bases differ": {"base_spread": 0.5},
    "noisy": {"noise": 0.2},
    "gaps": {"missing": 0.3},
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small lose more than they gain by sharing their work, many times over on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def trained(kind: str) -> Trained:
    return train(make_world(800, 1, **KINDS[kind]), make_world(100, 2, **KINDS[kind]), SETTINGS, seed=0)


def network_of(result: Trained) -> PolicyNetwork:
    return PolicyNetwork(result.shape, result.weights)


def policy_of(result: Trained, **changes: Any) -> AcquisitionPolicy:
    parts = PolicyParts(
        table=TABLE,
        budget=3,
        min_gain=0.0,
        gain_spread=max(result.gain_spread, 1e-6),
        shape=result.shape,
        weights=result.weights,
        encoder=ENCODER,
        provenance={"simulated": True},
    )
    return AcquisitionPolicy(replace(parts, **changes))


# What is learned


def test_the_world_is_what_its_docstring_says() -> None:
    assert expected_gain("money", {}, 0) == pytest.approx(0.5)
    assert expected_gain("money", {1: "low"}, 0) == pytest.approx(0.5 + SYNERGY / 2)
    assert expected_gain("money", {0: "high"}, 1) == pytest.approx(0.1 + SYNERGY)
    assert expected_gain("money", {0: "low"}, 1) == pytest.approx(0.1)
    assert expected_gain("sleep", {2: "low"}, 3) == pytest.approx(0.6 - REDUNDANCY)
    assert len(states()) == 81


@pytest.mark.parametrize("kind", KINDS)
def test_gains_are_the_conditional_expectations(kind: str) -> None:
    network = network_of(trained(kind))
    answered = 1.0 - KINDS[kind].get("missing", 0.0)
    errors = [
        forecast_gains(network, word, known)[index] - answered * expected_gain(word, known, index)
        for word in GAINS
        for known in states()
        for index in range(N)
        if index not in known
    ]
    assert np.abs(errors).max() < 0.2
    assert np.abs(errors).mean() < 0.04


@pytest.mark.parametrize("overheard", [0.5, 0.0])
def test_what_an_answer_says_of_questions_that_were_never_asked_after_it_is_overheard(overheard: float) -> None:
    """The first answer says which of two other questions is worth a point; no evaluated subset holds it with either.

    So it may as well be that the answers are worth so much together: a part of it is learned as that.
    """
    rng = np.random.default_rng(0)
    scenarios, scores = [], {}
    for number in range(400):
        answers = tuple(str(answer) for answer in rng.choice(["high", "low"], size=N))
        scenarios.append(Scenario(str(number), "Life", query_of("money"), Profile(KEYS, answers)))
        worth = (0.0, 0.0, 1.0, 0.0) if answers[0] == "high" else (0.0, 0.0, 0.0, 1.0)
        scores[scenarios[-1].digest] = {0: Score(2.0), **{1 << i: Score(2.0 + worth[i]) for i in range(N)}}
    examples = examples_of(scenarios, scores, ENCODER, VALUE_ENCODER)
    network = network_of(train(examples, None, replace(SETTINGS, overheard=overheard), seed=0))
    for answer, sign in (("high", 1), ("low", -1)):
        gains = forecast_gains(network, "money", {0: answer})
        told = sign * (gains[2] - gains[3])
        assert 0.3 < told < 1.1 if overheard else abs(told) < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_declined_question_tells_nothing(kind: str) -> None:
    network = network_of(trained(kind))
    changes = [
        forecast_gains(network, word, known, [declined])[index] - forecast_gains(network, word, known)[index]
        for word in GAINS
        for known in states()
        for declined, index in combinations([i for i in range(N) if i not in known], 2)
    ]
    assert np.abs(changes).max() < 0.2
    assert np.abs(changes).mean() < 0.04


def test_overlaps_are_what_two_questions_share() -> None:
    network = network_of(trained("plain"))
    for word in GAINS:
        forecast = network.forward(
            ENCODER.encode([query_of(word)]),
            np.zeros((1, N, VALUE_ENCODER.dimension), np.float32),
            np.zeros((1, N), np.bool_),
            np.zeros((1, N), np.bool_),
        )
        overlap = forecast.factors[0] @ forecast.factors[0].T
        for i, j in combinations(range(N), 2):
            expected = {(0, 1): -SYNERGY / 2, (2, 3): REDUNDANCY}.get((i, j), 0.0)
            assert overlap[i, j] == pytest.approx(expected, abs=0.12)


def test_the_score_now_is_forecast_too() -> None:
    network = network_of(trained("plain"))
    for known, expected in (({}, 2.0), ({0: "high"}, 2.5), ({0: "high", 1: "low"}, 3.2)):
        values = np.zeros((1, N, VALUE_ENCODER.dimension), np.float32)
        answered = np.zeros((1, N), np.bool_)
        for index, answer in known.items():
            answered[0, index] = True
            values[0, index] = VALUE_ENCODER.encode([answer])[0]
        query = ENCODER.encode([query_of("money")])
        forecast = network.forward(query, values, answered, np.zeros((1, N), np.bool_))
        assert forecast.now[0] == pytest.approx(expected, abs=0.15)


def test_the_policy_adapts_to_query_and_answers() -> None:
    """The best next question, as the closed form has it, wherever it leads by a margin."""
    policy = policy_of(trained("plain"), min_gain=-10.0, budget=4)

    def asks(word: str, known: dict[str, str]) -> str:
        decision = policy.decide(query_of(word), known)
        assert isinstance(decision, Ask)
        return decision.attribute.key

    assert asks("money", {}) == "first"
    assert asks("sleep", {}) == "fourth"
    assert asks("money", {"first": "high"}) == "second"
    assert asks("money", {"first": "low"}) == "third"
    checked = 0
    for word in GAINS:
        for known in states():
            gains = {i: expected_gain(word, known, i) for i in range(N) if i not in known}
            ranked = sorted(gains.values(), reverse=True)
            if len(ranked) > 1 and ranked[0] - ranked[1] > 0.24:
                best = max(gains, key=lambda index: gains[index])
                assert asks(word, {KEYS[i]: answer for i, answer in known.items()}) == KEYS[best]
                checked += 1
    assert checked > 20


def test_the_policy_stops_where_asking_stops_paying() -> None:
    costly = policy_of(trained("plain"), table=TABLE.with_costs(dict.fromkeys(KEYS, 0.42)))
    assert isinstance(costly.decide(query_of("money")), Ask)
    assert isinstance(costly.decide(query_of("money"), {"first": "high"}), Ask)
    assert isinstance(costly.decide(query_of("money"), {"first": "low"}), Answer)
    assert isinstance(costly.decide(query_of("sleep"), {"fourth": "high"}), Answer)


@pytest.mark.parametrize(("kind", "noise"), [("plain", 0.0), ("bases differ", 0.0), ("noisy", 0.2), ("gaps", 0.0)])
def test_the_judges_noise_is_found_and_is_not_in_the_spread(kind: str, noise: float) -> None:
    plain, found = trained("plain"), trained(kind)
    assert found.judge_noise == pytest.approx(noise, abs=0.1 * noise)
    if noise:
        # With the noise of both scores in it, it would be 0.30.
        usual = [policy.gain_spread + 0.5 * policy.gain_share for policy in (plain, found)]
        assert usual[0] == pytest.approx(0.11, abs=0.02)
        assert usual[1] == pytest.approx(usual[0], abs=0.07)


def test_a_gain_that_varies_with_its_size_has_its_share_found() -> None:
    """Half of the users gain twice what is expected, half nothing: the spread is the forecast itself."""
    rng = np.random.default_rng(0)
    world = make_world(400, 7)
    scale = 2.0 * (rng.random(len(world)) < 0.5)[:, None]
    lowest = world.scores[world.subsets == 0].reshape(-1, 1)
    stretched = replace(world, scores=(lowest + scale * (world.scores - lowest)).astype(np.float32))
    found = train(stretched, None, SETTINGS, seed=0)
    # Glejser's factor is that of a normal error; here every residual is as large as the forecast.
    assert found.gain_share == pytest.approx(math.sqrt(math.pi / 2), abs=0.25)
    assert found.gain_spread < 0.1


def test_where_no_two_subsets_differ_by_one_answer_the_spread_is_that_of_scores() -> None:
    world = make_world(60, 3, noise=0.3)
    sizes = (world.subsets[..., None] >> np.arange(N) & 1).sum(axis=-1)
    pairs = replace(world, weights=np.where(sizes == 2, world.weights, 0).astype(np.float32))
    found = train(pairs, None, SETTINGS, seed=0)
    assert found.gain_share == 0
    assert found.gain_spread == pytest.approx(0.3 * math.sqrt(5 / 6), abs=0.06)


def test_gain_spread_is_measured_on_scenarios_not_trained_on() -> None:
    clean, noisy = make_world(40, 1), make_world(40, 2, noise=0.5)
    assert train(clean, noisy, QUICK, seed=0).gain_spread > train(clean, clean, QUICK, seed=0).gain_spread + 0.1
    assert train(noisy, clean, QUICK, seed=0).gain_spread < train(noisy, None, QUICK, seed=0).gain_spread - 0.1


def test_nothing_is_dropped_out_where_the_network_is_measured() -> None:
    still = replace(QUICK, learning_rate=0.0, epochs=2)
    training, held = make_world(20, 1), make_world(20, 2)
    plain, dropped = (train(training, held, replace(still, dropout=share), seed=0) for share in (0.0, 0.5))
    assert as_bytes(plain) == as_bytes(dropped)
    assert [e.validation_loss for e in plain.curve] == [e.validation_loss for e in dropped.curve]
    assert plain.gain_spread == dropped.gain_spread
    assert plain.curve[0].training_loss != dropped.curve[0].training_loss


# The loss and the views


def sparse() -> Examples:
    """Six scenarios of some evaluations each, some of which count more than others."""
    examples = make_world(6, 1, base_spread=0.5, noise=0.1)
    rng = np.random.default_rng(0)
    weights = (rng.random(examples.weights.shape) < 0.6) * rng.uniform(0.3, 3.0, examples.weights.shape)
    return replace(examples, weights=weights.astype(np.float32))


@pytest.mark.parametrize(("levels", "slopes"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.3), (0.5, 0.3)])
def test_the_loss_is_that_of_a_mixed_model(levels: float, slopes: float) -> None:
    examples = sparse()
    forecast = torch.from_numpy(np.random.default_rng(1).normal(size=examples.scores.shape)).float()
    expected = 0.0
    for row in range(len(examples)):
        real = examples.weights[row] > 0
        members = (examples.subsets[row, real][:, None] >> np.arange(N) & 1).astype(float)
        covariance = np.diag(1 / examples.weights[row, real]) + levels + slopes * members @ members.T
        residual = (forecast.numpy()[row] - examples.scores[row])[real]
        expected += residual @ np.linalg.solve(covariance, residual)
    batches = _Batches(examples, N, replace(SETTINGS, levels=levels, slopes=slopes))
    loss = float(batches.loss(forecast, torch.arange(6)))
    assert loss == pytest.approx(expected / (examples.weights > 0).sum(), rel=1e-5)


def test_scenarios_of_little_weight_count_little_whatever_they_share_a_batch_with() -> None:
    examples = make_world(6, 1, noise=0.3)
    weights = np.where(np.arange(6)[:, None] < 3, 0.02, 1.98).astype(np.float32) * np.ones_like(examples.weights)
    batches = _Batches(replace(examples, weights=weights), N, replace(SETTINGS, levels=0.0, slopes=0.0))
    plain = _Batches(examples, N, replace(SETTINGS, levels=0.0, slopes=0.0))
    forecast = torch.zeros(1, 1 << N)
    for row, weight in ((0, 0.02), (5, 1.98)):
        rows = torch.tensor([row])
        assert float(batches.loss(forecast, rows)) == pytest.approx(
            weight * float(plain.loss(forecast, rows)), rel=1e-5
        )


def test_what_is_a_users_own_hardly_enters_the_loss_where_it_may_vary_without_bound() -> None:
    examples = sparse()
    batches = _Batches(examples, N, replace(SETTINGS, levels=1e4, slopes=1e4))
    forecast = torch.from_numpy(np.random.default_rng(1).normal(size=examples.scores.shape)).float()
    own = torch.from_numpy(np.random.default_rng(2).normal(size=(6, N))).float()
    moved = forecast + 3 + (batches.members @ own[..., None])[..., 0]
    rows = torch.arange(6)
    assert float(batches.loss(moved, rows)) == pytest.approx(float(batches.loss(forecast, rows)), rel=0.01)


def test_a_search_that_dwells_on_what_suits_its_user_does_not_mislead() -> None:
    world = make_world(500, 5)
    # To each user every question is worth more or less than to others, and what is worth most is scored with others.
    own = np.random.default_rng(6).normal(size=(500, N)) * 0.5
    members = (world.subsets[..., None] >> np.arange(N) & 1).astype(float)
    scores = world.scores + np.einsum("skn,sn->sk", members, own - own.mean(axis=0))
    singles = members.sum(axis=-1) <= 1
    favourite = np.take_along_axis(members, own.argmax(axis=1)[:, None, None], axis=2)[..., 0] > 0
    chosen = replace(world, scores=scores.astype(np.float32), weights=(singles | favourite).astype(np.float32))

    def error(slopes: float) -> float:
        settings = replace(SETTINGS, epochs=15, slopes=slopes)
        made = train(chosen, None, settings, seed=0)
        network = PolicyNetwork(made.shape, made.weights)
        gains = [forecast_gains(network, word, {}) for word in GAINS]
        exact = [[expected_gain(word, {}, i) for i in range(N)] for word in GAINS]
        return float((np.asarray(gains) - exact).mean())

    assert error(0.0) > 0.15
    assert abs(error(10.0)) < 0.05


@pytest.mark.parametrize("decline", [0.0, 0.3])
def test_a_view_splits_what_was_evaluated_into_said_refused_and_to_come(decline: float) -> None:
    examples = make_world(60, 3, missing=0.4)
    batches = _Batches(examples, N, replace(SETTINGS, decline=decline, overheard=0.0, unfamiliar=0.0))
    rows = torch.arange(60)
    query, values, answered, declined, asked = batches.views(rows, torch.Generator().manual_seed(0))
    torch.testing.assert_close(query, torch.from_numpy(examples.queries[examples.query_of]))
    torch.testing.assert_close(values, torch.from_numpy(examples.values[examples.values_of]))
    members = (examples.subsets[..., None] >> np.arange(N) & 1).astype(bool)
    has = (examples.values_of != 0)[:, None] & np.ones_like(members)
    said, refused, next_ones = (array.numpy().astype(bool) for array in (answered, declined, asked))
    assert not (said & ~(members & has)).any(), "only what was evaluated and has a value is shown as an answer"
    assert not (next_ones & ~members).any()
    assert not (said & refused).any()
    assert not (said & next_ones).any()
    assert not (refused & next_ones).any()
    assert (said | refused | next_ones)[members].all()
    assert ((refused & members) == (members & ~next_ones & ~has)).all(), "asked without a value to give: declined"
    outside = refused[~members].mean()
    assert outside == pytest.approx(decline, abs=0.05)
    assert (refused & members).any()
    assert (next_ones & ~has).any(), "whether a user has an answer is not known before asking"
    for array in (answered, declined, asked):
        assert set(array.flatten().tolist()) <= {0.0, 1.0}


def test_an_answer_that_is_overheard_is_taken_back_from_the_score() -> None:
    examples = make_world(400, 3, missing=0.4)
    batches = _Batches(examples, N, replace(SETTINGS, overheard=0.6))
    _, _, answered, declined, asked = batches.views(torch.arange(400), torch.Generator().manual_seed(0))
    members = torch.from_numpy(examples.subsets[..., None] >> np.arange(N) & 1)
    has = torch.from_numpy(examples.values_of != 0)[:, None].expand(members.shape)
    torch.testing.assert_close(answered + declined * members + asked, members.float())
    beside = (answered * (1 - members)).bool()
    assert (asked == -1).equal(beside)
    assert not (beside & ~has).any(), "a question without an answer cannot be overheard"
    assert not (beside & declined.bool()).any()
    room = members.sum(dim=-1) < N
    assert beside.sum(dim=-1)[room].float().mean() / has.float().mean() == pytest.approx(0.6, abs=0.03)


def test_some_answers_are_told_in_words_never_met() -> None:
    examples = make_world(400, 3)
    batches = _Batches(examples, N, replace(SETTINGS, unfamiliar=0.3))
    _, values, *_ = batches.views(torch.arange(400), torch.Generator().manual_seed(0))
    codes = torch.from_numpy(examples.values[examples.values_of])
    same = (values == codes).all(dim=-1)
    assert 1 - same.float().mean().item() == pytest.approx(0.3, abs=0.05)
    torch.testing.assert_close(values.norm(dim=-1), torch.ones(400, N))
    assert (values * codes).sum(dim=-1)[~same].mean().abs() < 0.05


_OFTEN = ("never", "seldom", "at times", "often", "always", "a bit", "lots", "hardly")
_OWN_WORDS = ("rather much", "42", "zebra", "it depends on the day", "so-so", "divorced last year", "most of the time")


def _lifted_by_some_answers(seed: int) -> Examples:
    """Two of eight answers to the first question make the second worth a point more."""
    rng = np.random.default_rng(seed)
    scenarios, scores = [], {}
    for number in range(600):
        answers = (str(rng.choice(_OFTEN)), *(str(answer) for answer in rng.choice(["high", "low"], size=N - 1)))
        scenarios.append(Scenario(str(number), "Life", query_of("money"), Profile(KEYS, answers)))
        lift = 1.0 if answers[0] in _OFTEN[:2] else 0.0
        scores[scenarios[-1].digest] = {m: Score(2.0 + 0.2 * (m >> 1 & 1) + lift * (m & 3 == 3)) for m in range(1 << N)}
    return examples_of(scenarios, scores, ENCODER, VALUE_ENCODER)


def test_words_never_met_tell_that_a_question_was_answered_and_no_more() -> None:
    """After an answer that nobody understands, what a question brings is the mean over what it may have been."""
    away: dict[float, list[float]] = {}
    for unfamiliar in (0.0, 0.1):
        settings = replace(SETTINGS, unfamiliar=unfamiliar, epochs=25)
        made = train(_lifted_by_some_answers(0), None, settings, seed=0)
        network = PolicyNetwork(made.shape, made.weights)
        gains = [forecast_gains(network, "money", {0: reply})[1] for reply in _OWN_WORDS]
        away[unfamiliar] = [abs(gain - 0.45) for gain in gains]
        assert forecast_gains(network, "money", {0: "never"})[1] == pytest.approx(1.2, abs=0.25)
        assert forecast_gains(network, "money", {0: "lots"})[1] == pytest.approx(0.2, abs=0.25)
    assert np.mean(away[0.1]) < 0.65 * np.mean(away[0.0])


def test_views_reach_every_point_on_the_way() -> None:
    examples = make_world(400, 3)
    _, _, answered, _, asked = _Batches(examples, N, replace(SETTINGS, decline=0.0, overheard=0.0)).views(
        torch.arange(400), torch.Generator().manual_seed(1)
    )
    full = torch.from_numpy(examples.subsets == (1 << N) - 1)
    seen = {tuple(row) for row in answered[full].int().tolist()}
    assert len(seen) == 1 << N
    torch.testing.assert_close(answered[full] + asked[full], torch.ones(400, N))
    counts = np.bincount(answered[full].sum(dim=1).int().numpy(), minlength=N + 1)
    assert counts / 400 == pytest.approx(1 / (N + 1), abs=0.07), "every number of answers is as likely"


# The epochs


def overfitting() -> tuple[Examples, Examples, DistillSettings]:
    return (
        make_world(12, 1, noise=0.5),
        make_world(40, 2, noise=0.5),
        replace(SETTINGS, epochs=60, patience=12, batch=4, learning_rate=1e-2),
    )


def test_the_best_epoch_on_validation_is_kept_and_training_stops_after_it() -> None:
    training, held, settings = overfitting()
    told: list[Epoch] = []
    result = train(training, held, settings, seed=3, on_epoch=told.append)
    assert tuple(told) == result.curve
    assert [epoch.number for epoch in told] == list(range(1, len(told) + 1))
    losses = [epoch.validation_loss for epoch in told]
    assert None not in losses
    best = min(range(len(losses)), key=lambda index: losses[index] or 0.0)
    assert len(told) == best + 1 + settings.patience < settings.epochs, "the case must overfit"
    network = _Network(result.shape, 0.0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            stored = result.weights["input.bias" if name == "mask.bias" else name]
            parameter.copy_(torch.from_numpy(stored.T if stored.ndim == 2 else stored))
    assert _validate(network, _Batches(held, N, settings), 3) == pytest.approx(losses[best], rel=1e-6)


def test_without_validation_every_epoch_is_run_and_the_last_one_kept() -> None:
    training, _, settings = overfitting()
    settings = replace(settings, epochs=15, patience=1)
    result = train(training, None, settings, seed=3)
    assert [epoch.validation_loss for epoch in result.curve] == [None] * 15
    assert result.curve[-1].training_loss < result.curve[0].training_loss
    assert all(np.isfinite(array).all() for array in result.weights.values())
    assert result.gain_spread > 0


def test_validation_changes_neither_order_nor_views() -> None:
    training, held, settings = overfitting()
    settings = replace(settings, epochs=3)
    alone, watched = train(training, None, settings, seed=1), train(training, held, settings, seed=1)
    assert [e.training_loss for e in alone.curve] == [e.training_loss for e in watched.curve]


def test_more_than_one_part_of_validation_is_averaged_over_evaluations() -> None:
    examples = make_world(1500, 4)
    weights = examples.weights.copy()
    weights[:1024, 3:] = 0.0
    examples = replace(examples, weights=weights)
    network = _Network(trained("plain").shape, 0.0)
    batches = _Batches(examples, N, SETTINGS)
    batches.views = lambda rows, generator: (  # type: ignore[method-assign]
        batches.queries[batches.query_of[rows]],
        batches.values[batches.values_of[rows]],
        batches.members[rows],
        torch.zeros(len(rows), 1 << N, N),
        torch.zeros(len(rows), 1 << N, N),
    )
    rows = torch.arange(1500)
    with torch.no_grad():
        network.eval()
        views = batches.views(rows, torch.Generator())
        whole = float(batches.loss(network(*views), rows))
    assert _validate(network, batches, 0) == pytest.approx(whole, rel=1e-5)


# Seeds and state


def as_bytes(result: Trained) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in result.weights.items()}


def test_one_seed_gives_the_same_bytes_whatever_the_global_state() -> None:
    training, held = make_world(60, 1), make_world(20, 2)
    settings = replace(QUICK, dropout=0.2)
    torch.manual_seed(1)
    first = train(training, held, settings, seed=4)
    torch.manual_seed(2)
    np.random.seed(2)
    again = train(training, held, settings, seed=4)
    other = train(training, held, settings, seed=5)
    assert as_bytes(first) == as_bytes(again)
    assert (first.curve, first.gain_spread) == (again.curve, again.gain_spread)
    assert all(as_bytes(first)[name] != as_bytes(other)[name] for name in first.weights)


def test_global_random_state_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(seed: int) -> None:
        raise AssertionError("accelerators were seeded for good")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", touched)
    before = torch.get_rng_state(), pickle.dumps(np.random.get_state()), random.getstate()
    train(make_world(20, 1), make_world(10, 2), replace(QUICK, dropout=0.2), seed=4)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert pickle.dumps(np.random.get_state()) == before[1]
    assert random.getstate() == before[2]


def test_examples_are_not_changed() -> None:
    training = make_world(20, 1)
    kept = {name: getattr(training, name).tobytes() for name in training.__slots__}
    train(training, None, QUICK, seed=0)
    assert kept == {name: getattr(training, name).tobytes() for name in training.__slots__}


# Small and odd data


def part_of(examples: Examples, scenarios: int, evaluations: int) -> Examples:
    return replace(
        examples,
        query_of=examples.query_of[:scenarios],
        values_of=examples.values_of[:scenarios],
        subsets=examples.subsets[:scenarios, :evaluations],
        scores=examples.scores[:scenarios, :evaluations],
        draws=examples.draws[:scenarios, :evaluations],
        doubts=examples.doubts[:scenarios, :evaluations],
        weights=examples.weights[:scenarios, :evaluations],
    )


@pytest.mark.parametrize("epochs", [1, 2, 7])
@pytest.mark.parametrize(("scenarios", "evaluations"), [(1, 1), (1, 2), (2, 1), (3, 16)])
@pytest.mark.parametrize("validated", [False, True])
def test_tiny_data_gives_a_policy(epochs: int, scenarios: int, evaluations: int, validated: bool) -> None:
    tiny = part_of(make_world(4, 1), scenarios, evaluations)
    held = part_of(make_world(4, 2), 1, 1) if validated else None
    result = train(tiny, held, replace(QUICK, epochs=epochs, batch=2), seed=0)
    assert all(np.isfinite(array).all() for array in result.weights.values())
    assert all(math.isfinite(epoch.training_loss) for epoch in result.curve)
    assert math.isfinite(result.gain_spread)
    assert all(map(math.isfinite, policy_of(result).decide("Anything?", {"first": "high"}).scores.values()))


@pytest.mark.parametrize("validated", [True, False])
def test_training_that_diverges_is_said_and_gives_no_policy(validated: bool) -> None:
    held = make_world(20, 2) if validated else None
    with pytest.raises(ConfigError, match=r"diverged in pass \d+ of 3.*distill\.learning_rate below 1e\+30"):
        train(make_world(20, 1), held, replace(QUICK, learning_rate=1e30), seed=0)


def test_one_score_a_scenario_does_not_make_a_policy_certain() -> None:
    world = make_world(200, 3, noise=0.3)
    rng = np.random.default_rng(0)
    only = np.arange(world.weights.shape[1]) == rng.integers(world.weights.shape[1], size=200)[:, None]
    found = train(replace(world, weights=(only & (world.weights > 0)).astype(np.float32)), None, SETTINGS, seed=0)
    assert found.gain_spread > 0.15


def test_users_without_a_single_answer_give_a_policy() -> None:
    silent = make_world(6, 1, missing=1.0)
    assert len(silent.values) == 1
    result = train(silent, None, QUICK, seed=0)
    assert all(np.isfinite(array).all() for array in result.weights.values())


def test_padding_does_not_enter_training() -> None:
    examples = part_of(make_world(20, 1), 20, 5)

    def padded(score: float, subset: int) -> Examples:
        def add(array: Any, value: float) -> Any:
            return np.concatenate([array, np.full((20, 3), value, array.dtype)], axis=1)

        return replace(
            examples,
            subsets=add(examples.subsets, subset),
            scores=add(examples.scores, score),
            draws=add(examples.draws, 0),
            doubts=add(examples.doubts, np.nan),
            weights=add(examples.weights, 0),
        )

    assert as_bytes(train(padded(0.0, 0), None, QUICK, 0)) == as_bytes(train(padded(5.0, 0), None, QUICK, 0))
    assert as_bytes(train(padded(0.0, 0), None, QUICK, 0)) == as_bytes(train(padded(0.0, 7), None, QUICK, 0))


def test_the_untrained_forecast_starts_at_the_mean_score() -> None:
    still = replace(QUICK, learning_rate=0.0, epochs=1)
    examples = make_world(20, 1)
    moved = replace(examples, scores=examples.scores + np.float32(1.0))
    biases = [train(each, None, still, seed=0).weights["output.bias"] for each in (examples, moved)]
    assert biases[0][0] == pytest.approx(float(examples.scores.mean()), abs=1e-5)
    assert biases[1][0] == pytest.approx(float(moved.scores.mean()), abs=1e-5)
    assert not biases[0][1:].any()


# Settings


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("min_gain", (math.nan, math.inf, -math.inf), (0.0, -1.0, 2.5)),
        ("memory", (-1, 65537), (0, 1, 65536)),
        ("recurrence", (-0.1, 1.1, math.nan, math.inf), (0.0, 0.5, 1.0)),
        ("value_dimension", (0, 8, 15, 24, 8192, -16), (16, 64, 4096)),
        ("hidden", (0, -1, 65537), (1, 65536)),
        ("epochs", (0, -1), (1,)),
        ("patience", (0, -1), (1,)),
        ("batch", (0, -1), (1,)),
        ("dropout", (-0.1, 1.0, math.nan, math.inf), (0.0, 0.99)),
        ("decline", (-0.1, 1.0, math.nan, math.inf), (0.0, 0.99)),
        ("learning_rate", (-1e-3, math.nan, math.inf), (0.0, 1.0)),
        ("weight_decay", (-1e-3, math.nan, math.inf), (0.0, 1.0)),
        ("overheard", (-0.1, math.nan, math.inf), (0.0, 3.0)),
        ("levels", (-1e-3, math.nan, 1e5), (0.0, 1e4)),
        ("slopes", (-1e-3, math.nan, 1e5), (0.0, 1e4)),
    ],
)
def test_settings_are_checked(name: str, wrong: tuple[float, ...], right: tuple[float, ...]) -> None:
    for value in wrong:
        with pytest.raises(ConfigError, match=rf"distill\.{name} must be .*, not {value}"):
            DistillSettings(**{name: value})  # type: ignore[arg-type]
    for value in right:
        assert getattr(DistillSettings(**{name: value}), name) == value  # type: ignore[arg-type]
