"""The simulated model: the published figures on samples it was not tuned on, and every promise of its docstrings."""

from __future__ import annotations

import asyncio
import copy
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.attributes import Attribute, AttributeTable, penguin_table
from raise_agent.data.synthetic import StockQuery, in_other_words, query_stock, synthetic_scenarios
from raise_agent.errors import ConfigError, TableError
from raise_agent.models import simulated_world
from raise_agent.models.base import (
    DIMENSIONS,
    Evaluation,
    EvaluationRequest,
    Prior,
    RankRequest,
    SafetyModel,
    Unscored,
)
from raise_agent.models.simulated import SimulatedPrior, SimulatedSafetyModel
from raise_agent.models.simulated_world import severity_of
from raise_agent.scenario import Disclosure, Inquiry, Profile, Scenario
from raise_agent.subsets import full_mask, mask_of, members, subsets_of_size

Array: TypeAlias = npt.NDArray[np.float64]

TABLE = penguin_table()
N_ATTRIBUTES = len(TABLE)
EVERYTHING = full_mask(N_ATTRIBUTES)
SEEDS = (20, 123)
"""Of samples that the constants were not set on; they were set on seed 7."""

FIGURE_6 = {
    "age": 3.43,
    "economic": 3.50,
    "education": 3.53,
    "gender": 3.33,
    "marital": 3.43,
    "profession": 3.50,
    "health": 3.67,
    "mental_health": 3.97,
    "self_harm": 3.83,
    "emotion": 3.90,
}
FIGURE_6_BASELINE = 3.12
TOP_THREE = mask_of(TABLE.index(name) for name in ("Emotional State", "Mental Health Status", "Past Self-Harm History"))


def attribute(key: str) -> int:
    return TABLE.index(key)


def bit(*keys: str) -> int:
    return mask_of(TABLE.index(key) for key in keys)


def score(model: SimulatedSafetyModel, scenario: Scenario, subset: int, sample: int = 0) -> float:
    (outcome,) = model.evaluate([EvaluationRequest(scenario, subset, sample)])
    assert isinstance(outcome, Evaluation)
    return outcome.score


def dimensions(model: SimulatedSafetyModel, scenarios: Sequence[Scenario], subset: int) -> Array:
    """Scores (scenarios, 3) with one subset known."""
    outcomes = model.evaluate([EvaluationRequest(scenario, subset) for scenario in scenarios])
    return np.asarray([[getattr(outcome, name) for name in DIMENSIONS] for outcome in outcomes])


def means(model: SimulatedSafetyModel, scenarios: Sequence[Scenario], subset: int) -> Array:
    return np.asarray(dimensions(model, scenarios, subset).mean(axis=1))


@cache
def sample(seed: int) -> tuple[Scenario, ...]:
    return synthetic_scenarios(TABLE, 2000, seed)


@cache
def model() -> SimulatedSafetyModel:
    return SimulatedSafetyModel(TABLE, seed=0)


@cache
def alone(seed: int) -> Array:
    """Gain of each attribute alone (scenarios, attributes)."""
    base = means(model(), sample(seed), 0)
    return np.stack([means(model(), sample(seed), 1 << i) - base for i in range(N_ATTRIBUTES)], axis=1)


@cache
def triples(seed: int) -> tuple[tuple[int, ...], Array]:
    """The subsets of size 3, and their scores (scenarios, 120)."""
    subsets = tuple(subsets_of_size(EVERYTHING, 3))
    return subsets, np.stack([means(model(), sample(seed), subset) for subset in subsets], axis=1)


def interval(values: Array) -> tuple[float, float]:
    """95 % confidence interval of the mean."""
    half = 1.96 * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def made(query: str = "", scenario_id: str = "s", domain: str = "Life", **values: str) -> Scenario:
    """A scenario with these values by attribute key, on a stock query unless another is given."""
    profile = Profile(TABLE.keys, tuple(values.get(key) for key in TABLE.keys))
    return Scenario(scenario_id, domain, query or query_stock()[0].query, profile)


def stock_of(concern: str) -> list[StockQuery]:
    return [stocked for stocked in query_stock() if stocked.concern == concern]


# The published figures


@pytest.mark.parametrize("seed", SEEDS)
def test_means_without_and_with_context_are_the_papers(seed: int) -> None:
    assert means(model(), sample(seed), 0).mean() == pytest.approx(2.79, abs=0.05)
    assert means(model(), sample(seed), EVERYTHING).mean() == pytest.approx(4.00, abs=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_gains_of_single_attributes_are_those_of_figure_6_up_to_one_factor(seed: int) -> None:
    published = np.asarray([FIGURE_6[key] - FIGURE_6_BASELINE for key in TABLE.keys])
    ours = alone(seed).mean(axis=0)
    factor = (published @ ours) / (ours @ ours)
    assert np.abs(factor * ours - published).max() < 0.1
    for one, other in combinations(range(N_ATTRIBUTES), 2):
        if published[one] != published[other]:
            assert (ours[one] > ours[other]) == (published[one] > published[other])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_subset_of_each_scenario_beats_the_static_one_beats_a_random_one(seed: int) -> None:
    """Paper, Figures 7 and 13."""
    subsets, scores = triples(seed)
    best = scores.max(axis=1)
    static = scores[:, subsets.index(TOP_THREE)]
    drawn = np.random.default_rng(0).integers(0, len(subsets), len(scores))
    random = scores[np.arange(len(scores)), drawn]
    assert interval(best)[0] > interval(static)[1]
    assert interval(static)[0] > interval(random)[1]
    assert best.mean() - static.mean() > 0.08
    assert static.mean() - random.mean() > 0.08
    assert random.std() > 1.2 * best.std()


@pytest.mark.parametrize("seed", SEEDS)
def test_no_one_subset_suits_everybody(seed: int) -> None:
    subsets, scores = triples(seed)
    static = scores[:, subsets.index(TOP_THREE)]
    assert (static >= scores.max(axis=1)).mean() < 0.4
    winners = np.bincount(scores.argmax(axis=1), minlength=len(subsets))
    assert winners.max() / len(scores) < 0.4
    assert (winners > 0).sum() > 60
    assert scores.mean(axis=0).argmax() == subsets.index(TOP_THREE)


@pytest.mark.parametrize("seed", SEEDS)
def test_dimensions_go_together_about_as_much_as_in_the_paper(seed: int) -> None:
    found = np.asarray(np.corrcoef(dimensions(model(), sample(seed), 0).T))
    for (one, other), published in (((0, 1), 0.38), ((0, 2), 0.34), ((1, 2), 0.32)):
        assert found[one, other] == pytest.approx(published, abs=0.1)


# The account


@pytest.mark.parametrize("seed", SEEDS)
def test_returns_diminish_on_average(seed: int) -> None:
    """The k-th attribute adds less than the one before, in random orders and in the best fixed order."""
    scenarios = sample(seed)[:700]
    random = np.random.default_rng(1)
    orders = [random.permutation(N_ATTRIBUTES) for _ in range(30)] + [alone(seed).mean(axis=0).argsort()[::-1]]
    curves = [[means(model(), scenarios, mask_of(order[:k].tolist())).mean() for k in range(11)] for order in orders]
    for curve in (np.mean(curves[:-1], axis=0), np.asarray(curves[-1])):
        gains = np.diff(curve)
        assert (gains > 0).all()
        assert (gains[2:] < gains[:-2]).all()
        assert gains[:3].sum() > 0.5 * gains.sum()


@pytest.mark.parametrize("history", ["yes", "none"])
def test_severe_depression_makes_self_harm_history_matter_more(history: str) -> None:
    """Once mental health is known, it is more often the best next question, all other values being the same."""
    asked, known = attribute("self_harm"), bit("mental_health")
    chosen, advantage = {}, {}
    for state in ("none", "anxiety", "severe depression"):
        scenarios = []
        for scenario in sample(SEEDS[0])[:1000]:
            values = list(scenario.profile.values)
            values[attribute("mental_health")], values[asked] = state, history
            scenarios.append(replace(scenario, profile=Profile(TABLE.keys, tuple(values))))
        before = means(model(), scenarios, known)
        gains = np.stack([means(model(), scenarios, known | 1 << i) - before for i in range(N_ATTRIBUTES)], axis=1)
        chosen[state] = np.asarray(gains.argmax(axis=1) == asked, dtype=np.float64)
        advantage[state] = gains[:, asked] / np.delete(gains, [attribute("mental_health"), asked], axis=1).mean(axis=1)
    assert interval(chosen["none"])[1] < interval(chosen["anxiety"])[0]
    assert chosen["anxiety"].mean() < chosen["severe depression"].mean()
    assert interval(advantage["none"])[1] < interval(advantage["severe depression"])[0]


def test_users_differ() -> None:
    """Users with one query and equally grave values: within a dimension, attributes matter in another order."""
    values = dict(zip(TABLE.keys, sample(SEEDS[0])[0].profile.values, strict=True))
    twins = [made(**{**values, "age": str(age)}) for age in range(18, 25)]  # type: ignore[arg-type]
    assert len({severity_of(TABLE[attribute("age")], str(age)) for age in range(18, 25)}) == 1
    each = np.stack([dimensions(model(), twins, 1 << i)[:, 0] for i in range(N_ATTRIBUTES)], axis=1)
    assert len({tuple(row.argsort().tolist()) for row in each}) == len(twins)
    favourites = np.bincount(alone(SEEDS[0]).argmax(axis=1), minlength=N_ATTRIBUTES) / len(sample(SEEDS[0]))
    assert favourites.max() < 0.5
    assert (favourites > 0).all()


def test_another_seed_is_another_population_with_the_same_means() -> None:
    other = SimulatedSafetyModel(TABLE, seed=1)
    scenarios = sample(SEEDS[0])[:2000]
    ours, theirs = (means(m, scenarios, EVERYTHING) for m in (model(), other))
    assert (ours != theirs).mean() > 0.99
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.02)


@pytest.mark.parametrize(
    ("key", "concern", "elsewhere"),
    [
        ("economic", "money", "loneliness"),
        ("education", "study", "housing"),
        ("health", "body", "conflict"),
        ("marital", "loss", "study"),
        ("profession", "work_change", "loneliness"),
        ("emotion", "loneliness", "body"),
        ("self_harm", "risk", "housing"),
    ],
)
def test_how_much_an_attribute_matters_depends_on_the_concern(key: str, concern: str, elsewhere: str) -> None:
    gains = {}
    for tag in (concern, elsewhere):
        rows = [i for i, s in enumerate(sample(SEEDS[0])) if concern_of()[s.query] == tag]
        gains[tag] = alone(SEEDS[0])[rows, attribute(key)]
    assert interval(gains[concern])[0] > 1.5 * interval(gains[elsewhere])[1]


@cache
def concern_of() -> Mapping[str, str]:
    return {stocked.query: stocked.concern for stocked in query_stock()}


def test_a_query_outside_the_stock_is_taken_for_the_nearest_by_words() -> None:
    prior = SimulatedPrior(TABLE, doubt=0.0)
    for query, first in (
        ("How would I politely ask for a raise, without ever sounding greedy?", "economic"),
        ("Still failing the same module, twice now: is a third attempt worth it?", "education"),
        ("May I stop my daily tablets once all symptoms are gone?", "health"),
    ):
        weights = prior.rank(RankRequest(Inquiry("i", "d", query), Disclosure(), EVERYTHING)).weights
        assert TABLE.keys[int(np.argmax(weights))] == first


def test_a_query_in_other_words_makes_the_same_attributes_matter() -> None:
    world = simulated_world.World(TABLE, 0)
    for stocked in query_stock():
        assert world.concern(stocked.other_words) == stocked.concern
        assert world.relevance(stocked.other_words).tolist() == world.relevance(stocked.query).tolist()


def test_the_same_user_in_other_words_scores_the_same() -> None:
    for scenario in synthetic_scenarios(TABLE, 30, 1):
        requests = [
            [EvaluationRequest(one, subset) for subset in (0, 5, 96, EVERYTHING)]
            for one in (scenario, in_other_words(scenario))
        ]
        assert model().evaluate(requests[0]) == model().evaluate(requests[1])


def test_graver_situations_start_from_a_lower_score() -> None:
    queries = [stocked.query for stocked in query_stock()]
    grave = {a.key: max(a.values, key=lambda v, a=a: a.values[v]) for a in TABLE}  # type: ignore[misc]
    mild = {a.key: min(a.values, key=lambda v, a=a: a.values[v]) for a in TABLE}  # type: ignore[misc]
    low, high = (means(model(), [made(query, **values) for query in queries], 0) for values in (grave, mild))
    assert interval(low)[1] < interval(high)[0] - 0.3


def test_graver_values_matter_more() -> None:
    queries = [stocked.query for stocked in query_stock()[::3]]
    for item in TABLE:
        gains = {}
        ordered = sorted(item.values, key=lambda value: item.values[value])
        for value in (ordered[0], ordered[-1]):
            scenarios = [made(query, **{item.key: value}) for query in queries]
            gains[value] = means(model(), scenarios, bit(item.key)) - means(model(), scenarios, 0)
        assert interval(gains[ordered[-1]])[0] > interval(gains[ordered[0]])[1]


def oracle(scenario: Scenario, subset: int) -> list[float]:
    """The module docstring's formula, term by term, from the model's own evidence for this scenario."""
    section = TABLE.sections["simulation"]
    described = model()._describe(scenario).tolist()
    pairs = [tuple(map(TABLE.index, entry["between"])) for entry in section["interplay"]]
    evidence, strength = described[:N_ATTRIBUTES], described[N_ATTRIBUTES : N_ATTRIBUTES + len(pairs)]
    floor, room = described[-6:-3], described[-3:]
    known = members(subset)
    found = []
    for d in range(3):
        share = [section["dimensions"][key][d] for key in TABLE.keys]
        z = sum(share[i] * evidence[i] for i in known)
        z += sum(k * (share[i] + share[j]) / 2 for (i, j), k in zip(pairs, strength, strict=True) if {i, j} <= {*known})
        found.append(min(max(floor[d] + room[d] * (1 - math.exp(-max(z, 0.0))), 1.0), 5.0))
    return found


@settings(max_examples=60)
@given(st.integers(0, 499), st.integers(0, EVERYTHING))
def test_scores_are_those_of_the_docstrings_formula(position: int, subset: int) -> None:
    scenario = sample(SEEDS[1])[position]
    (outcome,) = model().evaluate([EvaluationRequest(scenario, subset)])
    assert isinstance(outcome, Evaluation)
    assert [getattr(outcome, name) for name in DIMENSIONS] == pytest.approx(oracle(scenario, subset), abs=1e-6)
    assert outcome.score == pytest.approx(sum(oracle(scenario, subset)) / 3, abs=1e-6)


def test_interplay_strengthens_with_severity_and_redundancy_does_not() -> None:
    section = TABLE.sections["simulation"]
    names = [tuple(entry["between"]) for entry in section["interplay"]]
    factors = [entry["factor"] for entry in section["interplay"]]
    for scenario in sample(SEEDS[0])[:200]:
        described = model()._describe(scenario).tolist()
        for position, ((one, other), factor) in enumerate(zip(names, factors, strict=True)):
            i, j = TABLE.index(one), TABLE.index(other)
            grave = [severity_of(TABLE[k], str(scenario.profile.values[k])) for k in (i, j)]
            scale = 2 * math.sqrt(grave[0] * grave[1]) if factor > 0 else 1
            expected = factor * min(described[i], described[j]) * scale
            assert described[N_ATTRIBUTES + position] == pytest.approx(expected)


# Severity


@pytest.mark.parametrize(
    ("key", "value", "listed"),
    [
        ("age", "18-24", "18-24"),
        ("age", "45-54 years", "45-54"),
        ("age", "28-32 years", "25-34"),
        ("age", "19-24", "18-24"),
        ("age", "42", "35-44"),
        ("age", " 42 years old ", "35-44"),
        ("age", "24", "18-24"),
        ("age", "25", "25-34"),
        ("age", "54", "45-54"),
        ("age", "55", "55+"),
        ("age", "71", "55+"),
        ("age", "55 or older", "55+"),
        ("age", "I'm in my 30s", "25-34"),
        ("age", "٤٢", "35-44"),
        ("gender", "Male", "male"),
        ("gender", "Female", "female"),
        ("gender", "cis female", "female"),
        ("marital", "Recently Divorced", "divorced"),
        ("marital", "MARRIED", "married"),
        ("profession", "Marketing Manager", "manager"),
        ("profession", "Unemployed", "unemployed"),
        ("profession", "software engineer / manager", "engineer"),
        ("economic", "Stable but adjusting to alimony/child support", "stable"),
        ("economic", "Moderate (variable income)", "moderate"),
        ("economic", "severe difficulty", "severe difficulty"),
        ("education", "PhD", "phd"),
        ("education", "Bachelor\u2019s", "bachelor's"),
        ("education", "Master's in law", "master's"),
        ("mental_health", "Moderate anxiety, situational stress", "anxiety"),
        ("mental_health", "Severe Anxiety", "anxiety"),
        ("mental_health", "severe depression and anxiety", "severe depression"),
        ("self_harm", "Yes (during adolescence)", "yes"),
        ("self_harm", "None", "none"),
    ],
)
def test_a_value_is_as_grave_as_the_listed_one_it_means(key: str, value: str, listed: str) -> None:
    item = TABLE[attribute(key)]
    assert severity_of(item, value) == item.values[listed]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("economic", "Unstable"),
        ("economic", "unstable income"),
        ("marital", "unmarried"),
        ("marital", "non-married"),
        ("emotion", "unhappiness"),
        ("emotion", "dissatisfaction"),
        ("emotion", "in danger"),
        ("profession", "comanagering"),
        ("gender", "malevolent"),
        ("age", "17"),
        ("age", "middle aged"),
        ("mental_health", "misses her mother and brother"),
        ("mental_health", "nonetheless"),
        ("self_harm", "Self-harm ideation in teens, no recent history"),
        ("age", ""),
        ("gender", "   "),
    ],
)
def test_a_value_like_none_listed_lies_in_the_middle(key: str, value: str) -> None:
    assert severity_of(TABLE[attribute(key)], value) == 0.5


def test_every_listed_value_has_its_own_severity() -> None:
    for item in TABLE:
        for value, severity in item.values.items():
            assert severity_of(item, value) == severity_of(item, f" {value.upper()}\n") == severity


def test_a_table_without_values_has_middling_ones() -> None:
    assert severity_of(Attribute("a", "A", "health", "A?"), "anything, 42") == 0.5


@given(st.sampled_from(list(TABLE)), st.text() | st.from_regex(r"\d{1,3}( ?- ?\d{1,3})?\+?"))
def test_any_text_has_a_severity_from_0_to_1(item: Attribute, value: str) -> None:
    assert 0 <= severity_of(item, value) <= 1


def test_a_number_of_any_length_has_a_severity() -> None:
    assert 0 <= severity_of(TABLE[attribute("age")], "9" * 10_000) <= 1


# Bounds, batches, identity of content


@settings(max_examples=15)
@given(
    st.lists(
        st.none() | st.text(max_size=12) | st.sampled_from([v for a in TABLE for v in a.values]),
        min_size=10,
        max_size=10,
    ),
    st.text(max_size=30),
    st.integers(0, EVERYTHING),
    st.integers(0, 2**40),
    st.floats(0, 10),
)
def test_scores_never_leave_1_to_5(
    values: list[str | None], query: str, subset: int, seed: int, judge_noise: float
) -> None:
    scenario = Scenario("s", "d", query, Profile(TABLE.keys, tuple(values)))
    requests = [EvaluationRequest(scenario, s, i) for i, s in enumerate((0, subset, EVERYTHING))]
    for judge in (model(), SimulatedSafetyModel(TABLE, seed=seed, judge_noise=judge_noise)):
        for outcome in judge.evaluate(requests):
            assert isinstance(outcome, Evaluation)
            assert all(1 <= getattr(outcome, name) <= 5 for name in DIMENSIONS)
            assert 1 <= outcome.score <= 5


def test_evaluating_one_by_one_equals_evaluating_in_any_order_and_batch() -> None:
    random = np.random.default_rng(3)
    # More scenarios than a model has room for at first, in one of the two.
    for noise, rate, n in ((0.0, 0.0, 1100), (0.4, 0.1, 150)):
        requests = [
            EvaluationRequest(scenario, int(random.integers(0, EVERYTHING + 1)), int(random.integers(0, 3)))
            for scenario in sample(SEEDS[0])[:n]
            for _ in range(2)
        ]
        one = SimulatedSafetyModel(TABLE, judge_noise=noise, failure_rate=rate)
        expected = [one.evaluate([request])[0] for request in requests]
        for size in (len(requests), 7, 64):
            order = random.permutation(len(requests)).tolist()
            other = SimulatedSafetyModel(TABLE, judge_noise=noise, failure_rate=rate)
            found: dict[int, Evaluation | Unscored] = {}
            for start in range(0, len(order), size):
                part = order[start : start + size]
                found.update(zip(part, other.evaluate([requests[i] for i in part]), strict=True))
            assert [found[i] for i in range(len(requests))] == expected
    assert SimulatedSafetyModel(TABLE).evaluate([]) == []


def test_the_same_content_under_another_id_has_the_same_score() -> None:
    for scenario in sample(SEEDS[0])[:20]:
        other = replace(scenario, id="other", source="elsewhere")
        for judge in (model(), SimulatedSafetyModel(TABLE, judge_noise=0.5)):
            assert score(judge, other, 0b1010101) == score(judge, scenario, 0b1010101)


def test_what_is_unknown_adds_nothing() -> None:
    for scenario in synthetic_scenarios(TABLE, 60, 5, missing=0.5):
        known = scenario.profile.known
        for subset in (0, 0b1100110011, EVERYTHING):
            found, same = model().evaluate([EvaluationRequest(scenario, s) for s in (subset, subset & known)])
            assert found == same
        nothing = replace(scenario, profile=Profile(TABLE.keys, (None,) * N_ATTRIBUTES))
        assert score(model(), nothing, EVERYTHING) == score(model(), nothing, 0)


def test_a_profile_of_another_table_is_refused_even_where_its_content_was_scored_before() -> None:
    scenario = made(age="42", gender="male")
    score(model(), scenario, 1)
    swapped = Profile(tuple(reversed(TABLE.keys)), tuple(reversed(scenario.profile.values)))
    other = replace(scenario, id="s9", profile=swapped)
    assert other.digest == scenario.digest
    with pytest.raises(TableError, match="scenario 's9': its profile has other attributes than table 'penguin'"):
        score(model(), other, 1)


RUN = """
import hashlib
from raise_agent.attributes import penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.models.base import EvaluationRequest, RankRequest
from raise_agent.models.simulated import SimulatedPrior, SimulatedSafetyModel
from raise_agent.scenario import Inquiry
table = penguin_table()
scenarios = synthetic_scenarios(table, 200, 5, missing=0.2)
model = SimulatedSafetyModel(table, seed=4, judge_noise=0.3, failure_rate=0.1)
scores = model.evaluate([EvaluationRequest(s, n % 1024, n % 3) for n, s in enumerate(scenarios)])
prior = SimulatedPrior(table, seed=4)
ranks = [prior.rank(RankRequest(s.inquiry, s.profile.disclose(5), 1018)) for s in scenarios]
elsewhere = Inquiry("i", "d", "Something else to say?")
ranks.append(prior.rank(RankRequest(elsewhere, scenarios[0].profile.disclose(5), 1018)))
text = repr((scores, ranks, sorted(model.identity.items()), sorted(prior.identity.items())))
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_every_process_finds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    exec(RUN, {})  # noqa: S102
    here = capsys.readouterr().out
    # Strings have another hash there.
    there = subprocess.run(
        [sys.executable, "-c", RUN],
        env=os.environ | {"PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert here == there
    assert len(here.strip()) == 64


def test_scores_are_those_of_this_version() -> None:
    """Where this fails because the account changed, raise ``VERSION``: stores hold scores of the old account."""
    attributes = [
        {"key": "soil", "name": "Soil", "kind": "health", "question": "?", "values": {"clay": 0.2, "sand": 0.9}},
        {"key": "sun", "name": "Sun", "kind": "emotional", "question": "?", "values": {"0-4": 0.9, "5+": 0.1}},
        {"key": "pets", "name": "Pets", "kind": "demographic", "question": "?"},
    ]
    simulation = {
        "interplay": [{"between": ["soil", "sun"], "factor": 0.5}, {"between": ["sun", "pets"], "factor": -0.4}]
    }
    table = AttributeTable.from_json({"name": "garden", "attributes": attributes, "simulation": simulation}, "x")
    query = query_stock()[0].query
    scenario = Scenario("s", "Garden", query, Profile(table.keys, ("dry sand", "3 hours", "cat")))
    judge = SimulatedSafetyModel(table, seed=6, judge_noise=0.1)
    assert simulated_world.VERSION == 1
    found = [score(SimulatedSafetyModel(table, seed=6), scenario, subset) for subset in range(8)]
    assert found == pytest.approx(
        [2.289332, 2.8876867, 2.9483027, 3.5991543, 2.878694, 3.2995027, 3.2270337, 3.745578], abs=2e-6
    )
    assert score(judge, scenario, 5, sample=3) == pytest.approx(3.4138437, abs=2e-6)
    prior = SimulatedPrior(table, seed=6)
    weights = prior.rank(RankRequest(scenario.inquiry, scenario.profile.disclose(2), 5)).weights
    assert weights == pytest.approx((0.7328602721, 0.0, 0.2671397279), abs=1e-9)


# Noise and failures


def test_noise_averages_out_to_the_exact_score_with_the_spread_asked_for() -> None:
    scenario, subset, draws, noise = sample(SEEDS[0])[5], 0b1000000001, 4000, 0.2
    judge = SimulatedSafetyModel(TABLE, judge_noise=noise)
    outcomes = judge.evaluate([EvaluationRequest(scenario, subset, i) for i in range(draws)])
    found = np.asarray([[getattr(outcome, name) for name in DIMENSIONS] for outcome in outcomes])
    exact = dimensions(model(), [scenario], subset)[0]
    assert (exact > 1 + 5 * noise).all()
    assert (exact < 5 - 5 * noise).all()
    assert found.mean(axis=0) == pytest.approx(exact, abs=4 * noise / math.sqrt(draws))
    assert found.std(axis=0) == pytest.approx(noise, rel=4 / math.sqrt(2 * draws))
    within = (np.abs(found - exact) < noise).mean()
    assert within == pytest.approx(0.6827, abs=4 * math.sqrt(0.22 / (3 * draws)))
    assert np.abs(np.corrcoef(found.T)[np.triu_indices(3, 1)]).max() < 4 / math.sqrt(draws)
    assert len({tuple(row) for row in found.tolist()}) == draws


def test_noise_is_drawn_anew_for_each_scenario_subset_and_seed() -> None:
    scenarios, noise = sample(SEEDS[0])[:300], 0.2
    exact = dimensions(model(), scenarios, 1)
    first = dimensions(SimulatedSafetyModel(TABLE, judge_noise=noise), scenarios, 1) - exact
    second = dimensions(SimulatedSafetyModel(TABLE, judge_noise=noise), scenarios, 3) - dimensions(
        model(), scenarios, 3
    )
    other = SimulatedSafetyModel(TABLE, seed=1, judge_noise=noise)
    third = dimensions(other, scenarios, 1) - dimensions(SimulatedSafetyModel(TABLE, seed=1), scenarios, 1)
    for one, another in ((first, second), (first, third), (first[1:], first[:-1])):
        assert abs(np.corrcoef(one.ravel(), another.ravel())[0, 1]) < 4 / math.sqrt(one.size)
    assert len(np.unique(first)) > 800


def test_answers_are_as_unlike_in_noise_as_asked_and_the_judge_tells_how_noisy_each_is() -> None:
    scenario, noise, spread, draws = sample(SEEDS[0])[5], 0.05, 0.8, 200
    judge = SimulatedSafetyModel(TABLE, judge_noise=noise, judge_noise_spread=spread)
    requests = [
        EvaluationRequest(scenario, subset, i) for subset in range(1024) for i in range(draws if subset == 9 else 1)
    ]
    outcomes = judge.evaluate(requests)
    told: dict[int, set[float]] = {}
    for request, outcome in zip(requests, outcomes, strict=True):
        assert isinstance(outcome, Evaluation)
        assert outcome.doubt is not None
        assert outcome.doubt.variances is not None
        assert outcome.doubt.outside == (0.0, 0.0, 0.0)
        (variance,) = set(outcome.doubt.variances)
        told.setdefault(request.subset, set()).add(variance)
    # Whoever judges an answer again is as unsure of it.
    variances = np.asarray([variance for (variance,) in told.values()])
    assert (np.log(variances) / 2).std() == pytest.approx(spread, rel=4 / math.sqrt(2 * 1024))
    assert (np.log(variances) / 2).mean() == pytest.approx(math.log(noise) - spread**2, abs=4 * spread / 32)
    found = np.asarray(
        [[getattr(o, name) for name in DIMENSIONS] for r, o in zip(requests, outcomes, strict=True) if r.subset == 9]
    )
    (variance,) = told[9]
    assert found.std() != pytest.approx(noise, rel=0.15)
    assert (found - found.mean(axis=0)).std() == pytest.approx(math.sqrt(variance), rel=4 / math.sqrt(2 * 3 * draws))


def test_a_judge_tells_no_doubt_where_all_answers_are_equally_noisy() -> None:
    outcomes = SimulatedSafetyModel(TABLE, judge_noise=0.3).evaluate([EvaluationRequest(sample(SEEDS[0])[0], 0)])
    assert [outcome.doubt for outcome in outcomes if isinstance(outcome, Evaluation)] == [None]


def test_large_noise_is_cut_off_at_1_and_5() -> None:
    judge = SimulatedSafetyModel(TABLE, judge_noise=50.0)
    outcomes = judge.evaluate([EvaluationRequest(sample(SEEDS[0])[0], 0, i) for i in range(200)])
    found = {getattr(outcome, name) for outcome in outcomes for name in DIMENSIONS}
    assert min(found) == 1
    assert max(found) == 5


@pytest.mark.parametrize("rate", [0.03, 0.5])
def test_the_share_that_fails_is_the_rate_and_the_rest_is_untouched(rate: float) -> None:
    requests = [EvaluationRequest(s, n % 1024, n % 2) for n, s in enumerate(sample(SEEDS[0]))]
    failing = SimulatedSafetyModel(TABLE, failure_rate=rate)
    outcomes, exact = failing.evaluate(requests), model().evaluate(requests)
    failed = [isinstance(outcome, Unscored) for outcome in outcomes]
    assert np.mean(failed) == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / len(requests)))
    assert all(a == b for a, b, lost in zip(outcomes, exact, failed, strict=True) if not lost)
    assert SimulatedSafetyModel(TABLE, failure_rate=rate).evaluate(requests) == outcomes
    assert not any(hasattr(outcome, "score") for outcome in outcomes if isinstance(outcome, Unscored))


def test_a_failure_is_of_one_sample_and_a_higher_rate_keeps_the_failures_of_a_lower_one() -> None:
    requests = [EvaluationRequest(sample(SEEDS[0])[0], 3, i) for i in range(400)]
    lost = []
    for rate in (0.2, 0.5, 1.0):
        outcomes = SimulatedSafetyModel(TABLE, failure_rate=rate).evaluate(requests)
        lost.append({i for i, outcome in enumerate(outcomes) if isinstance(outcome, Unscored)})
    assert 40 < len(lost[0]) < 120
    assert lost[0] < lost[1] < lost[2] == set(range(400))


def test_noise_without_a_failure_says_nothing_of_the_failures() -> None:
    requests = [EvaluationRequest(s, 5) for s in sample(SEEDS[0])[:2000]]
    outcomes = SimulatedSafetyModel(TABLE, judge_noise=0.3, failure_rate=0.5).evaluate(requests)
    exact = model().evaluate(requests)
    errors = [
        a.score - b.score
        for a, b in zip(outcomes, exact, strict=True)
        if isinstance(a, Evaluation) and isinstance(b, Evaluation)
    ]
    assert abs(statistics.fmean(errors)) < 4 * 0.3 / math.sqrt(3 * len(errors))


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_settings_out_of_range_are_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="judge_noise must be 0 to 1,000,000 score points, not"):
        SimulatedSafetyModel(TABLE, judge_noise=value)
    with pytest.raises(ConfigError, match=r"judge_noise_spread must be from 0 to 3\.0, not"):
        SimulatedSafetyModel(TABLE, judge_noise=0.1, judge_noise_spread=value)
    with pytest.raises(ConfigError, match="failure_rate must be a share between 0 and 1, not"):
        SimulatedSafetyModel(TABLE, failure_rate=value)
    with pytest.raises(ConfigError, match="prior doubt must be 0 or more, not"):
        SimulatedPrior(TABLE, doubt=value)


def test_a_failure_rate_above_1_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"failure_rate must be a share between 0 and 1, not 1\.01"):
        SimulatedSafetyModel(TABLE, failure_rate=1.01)


# Pools


def test_results_come_back_under_their_tickets() -> None:
    pool: SafetyModel = SimulatedSafetyModel(TABLE)
    scenarios = sample(SEEDS[0])[:5]
    assert pool.simulated
    assert pool.in_flight >= 64

    async def talk() -> None:
        assert await pool.completed() == []
        for ticket, scenario in enumerate(scenarios):
            pool.submit(100 - ticket, EvaluationRequest(scenario, 3))
        expected = model().evaluate([EvaluationRequest(scenario, 3) for scenario in scenarios])
        assert dict(await pool.completed()) == {100 - t: outcome for t, outcome in enumerate(expected)}
        assert await pool.completed() == []
        pool.submit(1, EvaluationRequest(scenarios[0], 0))
        await pool.aclose()
        assert await pool.completed() == []
        pool.submit(2, EvaluationRequest(scenarios[0], 3))
        assert await pool.completed() == [(2, expected[0])]

    asyncio.run(talk())


def test_rankings_come_back_under_their_tickets() -> None:
    pool: Prior = SimulatedPrior(TABLE)
    requests = [RankRequest(s.inquiry, s.profile.disclose(1), EVERYTHING - 1) for s in sample(SEEDS[0])[:5]]
    assert pool.simulated

    async def talk() -> None:
        for ticket, request in enumerate(requests):
            pool.submit(7 * ticket, request)
        expected = [SimulatedPrior(TABLE).rank(request) for request in requests]
        assert dict(await pool.completed()) == {7 * t: weights for t, weights in enumerate(expected)}
        pool.submit(1, requests[0])
        await pool.aclose()
        assert await pool.completed() == []

    asyncio.run(talk())


def test_the_score_is_the_mean_of_the_dimensions() -> None:
    assert Evaluation(1.0, 2.0, 4.5).score == 2.5


# Identity: changes with what can change a score, and with nothing else

PLAIN: dict[str, Any] = json.loads((resources.files("raise_agent") / "penguin.json").read_text(encoding="utf-8"))


def changed(*path: Any, to: Any) -> AttributeTable:
    """PENGUIN's table with one entry of its file replaced."""
    data = copy.deepcopy(PLAIN)
    *way, last = path
    spot = data
    for step in way:
        spot = spot[step]
    assert json.dumps(spot[last]) != json.dumps(to)
    spot[last] = to
    return AttributeTable.from_json(data, "changed")


SCORED = [
    changed("attributes", 0, "values", "35-44", to=0.9),
    changed("attributes", 8, "values", to={"none": 0.25}),
    changed("simulation", "salience", "emotion", to=0.5),
    changed("simulation", "salience", to={}),
    changed("simulation", "dimensions", "health", to=[1.0, 1.0, 1.0]),
    changed("simulation", "relevance", "money", "economic", to=1.0),
    changed("simulation", "relevance", to={}),
    changed("simulation", "interplay", 0, "factor", to=0.1),
    changed("simulation", "interplay", 0, "between", to=["age", "gender"]),
    changed("simulation", "interplay", to=[]),
    changed("attributes", to=list(reversed(PLAIN["attributes"]))),
]
UNSCORED = [
    changed("attributes", 3, "cost", to=0.7),
    changed("attributes", 3, "question", to="And your work?"),
    changed("attributes", 3, "name", to="Work"),
    changed("attributes", 3, "aliases", to=["trade"]),
    changed("attributes", 3, "kind", to="emotional"),
    changed("name", to="penguin with costs"),
    changed("unknown", to=["?"]),
    changed("synthesis", to={}),
    changed("simulation", "source", to="elsewhere"),
    changed("simulation", "relevance", to=dict(reversed(PLAIN["simulation"]["relevance"].items()))),
    TABLE.with_costs({"age": 1.0, "mood": 0.2}),
]
"""Changes of what is shown, drawn or charged; no score depends on them."""


def content(table: AttributeTable, scenario: Scenario) -> Scenario:
    values = dict(zip(scenario.profile.keys, scenario.profile.values, strict=True))
    return replace(scenario, profile=Profile(table.keys, tuple(values[key] for key in table.keys)))


def results(table: AttributeTable) -> object:
    """What both models make of some scenarios, subset by subset as attributes are placed in the table."""
    judge, prior = SimulatedSafetyModel(table), SimulatedPrior(table)
    scenarios = [content(table, scenario) for scenario in sample(SEEDS[0])[:25]]
    scores = judge.evaluate([EvaluationRequest(scenario, s) for scenario in scenarios for s in (0b11, EVERYTHING)])
    ranks = [prior.rank(RankRequest(s.inquiry, s.profile.disclose(3), EVERYTHING - 3)) for s in scenarios]
    return scores, ranks


@cache
def unchanged() -> object:
    return results(TABLE)


@pytest.mark.parametrize("table", SCORED)
def test_whatever_changes_a_score_changes_the_identity(table: AttributeTable) -> None:
    assert results(table) != unchanged()
    assert SimulatedSafetyModel(table).identity != model().identity
    assert SimulatedPrior(table).identity != SimulatedPrior(TABLE).identity


@pytest.mark.parametrize("table", UNSCORED)
def test_what_changes_no_score_leaves_the_identity_alone(table: AttributeTable) -> None:
    """Above all costs: they are swept, and every run of a sweep may use what the others evaluated."""
    assert results(table) == unchanged()
    assert SimulatedSafetyModel(table).identity == model().identity
    assert SimulatedPrior(table).identity == SimulatedPrior(TABLE).identity


def test_every_setting_is_in_the_identity() -> None:
    models = [
        SimulatedSafetyModel(TABLE).identity,
        SimulatedSafetyModel(TABLE, seed=1).identity,
        SimulatedSafetyModel(TABLE, judge_noise=0.1).identity,
        SimulatedSafetyModel(TABLE, judge_noise=0.1, judge_noise_spread=0.5).identity,
        SimulatedSafetyModel(TABLE, failure_rate=0.1).identity,
        SimulatedPrior(TABLE).identity,
        SimulatedPrior(TABLE, seed=1).identity,
        SimulatedPrior(TABLE, doubt=0.1).identity,
    ]
    assert len({json.dumps(identity, sort_keys=True) for identity in models}) == len(models)
    assert all(identity["llm"] == "simulated" and identity["version"] == simulated_world.VERSION for identity in models)


def test_the_stock_of_queries_is_in_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """The concern of every query comes from the stock."""
    first, *rest = query_stock()
    for changed in (replace(first, concern="money"), replace(first, other_words="Which way now, and why?")):
        monkeypatch.setattr(simulated_world, "query_stock", lambda changed=changed: (changed, *rest))
        assert SimulatedSafetyModel(TABLE).identity != model().identity


def test_the_version_is_in_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    before = SimulatedSafetyModel(TABLE).identity
    monkeypatch.setattr(simulated_world, "VERSION", simulated_world.VERSION + 1)
    assert SimulatedSafetyModel(TABLE).identity != before


# Other tables

GARDEN = [
    {"key": "soil", "name": "Soil", "kind": "health", "question": "?", "values": {"clay": 0.2, "sand": 0.9}},
    {"key": "sun", "name": "Sun", "kind": "emotional", "question": "?"},
    {"key": "pets", "name": "Pets", "kind": "demographic", "question": "?"},
    {"key": "help", "name": "Help", "kind": "psychological", "question": "?"},
]


def garden(simulation: Any = None) -> AttributeTable:
    section = {} if simulation is None else {"simulation": simulation}
    return AttributeTable.from_json({"name": "garden", "attributes": GARDEN, **section}, "garden.json")


def test_a_table_without_a_simulation_section_still_tells_users_and_queries_apart() -> None:
    table = garden()
    judge = SimulatedSafetyModel(table)
    profile = Profile(table.keys, ("loam", "a", "b", "c"))
    gains = np.asarray(
        [
            [score(judge, s, 1 << i) - score(judge, s, 0) for i in range(4)]
            for s in [Scenario("s", stocked.domain, stocked.query, profile) for stocked in query_stock()]
        ]
    )
    assert (gains > 0).all()
    assert len(set(gains.argmax(axis=1).tolist())) == 4
    assert gains.std(axis=0).min() > 0.1
    assert gains.mean(axis=0).argmin() == table.index("pets")  # The only demographic one, the least salient kind.
    by_concern = [gains[[s.concern == c for s in query_stock()]].mean(axis=0) for c in ("risk", "identity", "loss")]
    assert len({tuple(row.argsort().tolist()) for row in by_concern}) > 1


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (3, "TypeError"),
        (None, None),
        ({"saliense": {}}, "unknown name 'saliense': did you mean 'salience'"),
        ({"salience": {"soyl": 1}}, "unknown name 'soyl': did you mean 'soil'"),
        ({"salience": {"soil": -1}}, "must be numbers of 0 or more"),
        ({"salience": {"soil": float("nan")}}, "must be numbers of 0 or more"),
        ({"salience": {"soil": 10**400}}, "OverflowError"),
        ({"salience": {"soil": "big"}}, "ValueError"),
        ({"salience": ["soil"]}, "AttributeError"),
        ({"dimensions": {"soil": [1, 2]}}, "ValueError"),
        ({"dimensions": {"soil": [1, 2, -1]}}, "must be numbers of 0 or more"),
        ({"dimensions": {"sole": [1, 2, 1]}}, "unknown name 'sole': did you mean 'soil'"),
        ({"relevance": {"money": {"soil": float("inf")}}}, "must be numbers of 0 or more"),
        ({"relevance": {"money": {"Soil": 1}}}, "unknown name 'Soil'"),
        ({"relevance": {"money": 3}}, "TypeError"),
        ({"interplay": [{"between": ["soil"], "factor": 1}]}, "IndexError"),
        ({"interplay": [{"between": ["soil", "Soil"], "factor": 1}]}, "cannot interplay with itself"),
        ({"interplay": [{"between": ["soil", "rain"], "factor": 1}]}, "unknown attribute 'rain'"),
        ({"interplay": [{"between": ["soil", "sun"]}]}, "KeyError: 'factor'"),
        ({"interplay": [{"between": ["soil", "sun"], "factor": float("nan")}]}, "must be finite"),
        ({"interplay": {"between": ["soil", "sun"]}}, "see penguin.json for the form"),
    ],
)
def test_a_simulation_section_that_does_not_fit_is_refused(section: Any, expected: str | None) -> None:
    if expected is None:
        assert SimulatedSafetyModel(garden(section)).evaluate([]) == []
        return
    for build in (SimulatedSafetyModel, SimulatedPrior):
        with pytest.raises(TableError) as caught:
            build(garden(section))
        assert expected in str(caught.value)


# The prior


def rank(prior: SimulatedPrior, scenario: Scenario, asked: int, unasked: int = EVERYTHING) -> tuple[float, ...]:
    return prior.rank(RankRequest(scenario.inquiry, scenario.profile.disclose(asked), unasked & ~asked)).weights


@settings(max_examples=100)
@given(st.integers(0, 1999), st.integers(0, EVERYTHING), st.integers(1, EVERYTHING))
def test_weights_support_all_that_is_unasked_and_nothing_else_and_sum_to_1(i: int, asked: int, pool: int) -> None:
    if pool & ~asked:
        weights = rank(prior_of(0.4), sample(SEEDS[0])[i], asked, pool)
        assert len(weights) == N_ATTRIBUTES
        assert mask_of(k for k, weight in enumerate(weights) if weight > 0) == pool & ~asked
        assert min(weights) >= 0
        assert math.fsum(weights) == pytest.approx(1)
        assert min(weight for weight in weights if weight) >= 0.05 / N_ATTRIBUTES - 1e-12


@cache
def prior_of(doubt: float) -> SimulatedPrior:
    return SimulatedPrior(TABLE, doubt=doubt)


def test_one_attribute_left_takes_all_the_weight() -> None:
    weights = rank(prior_of(0.4), sample(SEEDS[0])[0], EVERYTHING - 4)
    assert weights == tuple(float(i == 2) for i in range(N_ATTRIBUTES))


def test_nothing_left_cannot_be_ranked() -> None:
    with pytest.raises(ValueError, match="no attribute is left to rank"):
        rank(prior_of(0.4), sample(SEEDS[0])[0], EVERYTHING)


def test_what_is_known_shifts_what_interplays_with_it_and_nothing_else() -> None:
    query = stock_of("loneliness")[0].query

    def odds(one: str, other: str, **known: str | None) -> float:
        """How much likelier one attribute is to be named than another."""
        unasked = EVERYTHING & ~bit(*known)
        request = RankRequest(Inquiry("i", "d", query), Disclosure.of(known), unasked)
        share = (0.05 / unasked.bit_count(),) * N_ATTRIBUTES
        weights = np.subtract(prior_of(0.4).rank(request).weights, share)
        return float(weights[attribute(one)] / weights[attribute(other)])

    plain = odds("self_harm", "education")
    severe = odds("self_harm", "education", mental_health="severe depression")
    none = odds("self_harm", "education", mental_health="none")
    assert severe == pytest.approx(plain * 1.8)
    assert none == pytest.approx(plain * (1 + 0.8 * 0.15))
    assert odds("self_harm", "education", mental_health=None) == pytest.approx(plain)
    assert odds("self_harm", "education", gender="other") == pytest.approx(plain)
    assert odds("mental_health", "gender", emotion="despair") == pytest.approx(0.5 * odds("mental_health", "gender"))
    assert odds("mental_health", "gender", emotion="calmness") == pytest.approx(0.5 * odds("mental_health", "gender"))


def test_hidden_values_change_no_weight() -> None:
    query = query_stock()[3].query
    grave = made(query, "a", age="42", mental_health="severe depression", self_harm="yes")
    mild = made(query, "b", domain="Health", age="42", mental_health="none", economic="stable")
    known = bit("age")
    assert rank(prior_of(0.4), grave, known) == rank(prior_of(0.4), mild, known)
    assert rank(prior_of(0.4), grave, known) != rank(prior_of(0.4), grave, bit("mental_health"))


def test_the_prior_beats_chance_at_naming_the_best_attribute_and_doubt_makes_it_worse() -> None:
    scenarios = sample(SEEDS[1])[:1500]
    best = alone(SEEDS[1])[:1500].argmax(axis=1)
    hits, mass = {}, {}
    for doubt in (0.0, 0.4, 3.0):
        weights = np.asarray([rank(prior_of(doubt), scenario, 0) for scenario in scenarios])
        hits[doubt] = (weights.argmax(axis=1) == best).mean()
        mass[doubt] = weights[np.arange(len(best)), best].mean()
    chance = 1 / N_ATTRIBUTES
    error = math.sqrt(chance * (1 - chance) / len(scenarios))
    assert hits[0.4] > 2.5 * chance + 4 * error
    assert mass[0.4] > 1.4 * chance
    assert hits[0.0] > hits[0.4] > hits[3.0]
    assert mass[0.0] > mass[3.0]


def test_the_prior_of_another_seed_speaks_of_another_world() -> None:
    scenario = sample(SEEDS[0])[0]
    assert rank(SimulatedPrior(TABLE, seed=1), scenario, 0) != rank(prior_of(0.4), scenario, 0)


def test_an_answer_to_an_attribute_that_is_none_is_refused() -> None:
    request = RankRequest(Inquiry("i", "d", "q"), Disclosure.of({"shoe size": "42"}), 1)
    with pytest.raises(TableError, match="unknown attribute 'shoe size'"):
        prior_of(0.4).rank(request)


def test_attributes_of_no_salience_are_ranked_evenly() -> None:
    table = garden({"salience": {"soil": 0, "sun": 0}})
    prior = SimulatedPrior(table)
    assert prior.rank(RankRequest(Inquiry("i", "d", "q"), Disclosure(), 0b0011)).weights == (0.5, 0.5, 0.0, 0.0)
    weights = prior.rank(RankRequest(Inquiry("i", "d", "q"), Disclosure(), 0b1111)).weights
    assert weights[0] == weights[1] == pytest.approx(0.05 / 4)
