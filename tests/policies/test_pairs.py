"""Policies and abstentions, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from raise_agent.attributes import penguin_table
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import ConfigError, TableError
from raise_agent.policies import AcquisitionPolicy, Answer
from raise_agent.policies.abstention import BudgetAbstention, NeverAbstention, ValueAbstention
from raise_agent.policies.contract import Ranking
from raise_agent.policies.distilled import DistilledPolicy
from raise_agent.policies.network import PolicyNetwork
from raise_agent.policies.orders import RandomPolicy, StaticPolicy
from raise_agent.policies.retrieval import PlannedPaths, RetrievalPolicy
from tests.policies.support import constant_policy, make_policy

TABLE = penguin_table()


def followed(policy: StaticPolicy | RandomPolicy | RetrievalPolicy, query: str) -> list[str]:
    """The attributes asked if every reply is a refusal."""
    known: dict[str, str | None] = {}
    while (best := policy.rank(query, known).best) is not None:
        known[best] = None
    return list(known)


def test_static_asks_in_its_order_then_in_that_of_the_table() -> None:
    policy = StaticPolicy(TABLE, ["Emotional State", "age"])
    rest = [key for key in TABLE.keys if key not in ("emotion", "age")]
    assert followed(policy, "anything") == ["emotion", "age", *rest]
    assert list(policy.rank("x", {"emotion": "anger"}).scores) == [key for key in TABLE.keys if key != "emotion"]


@pytest.mark.parametrize(("order", "error"), [(["age", "Age group"], ConfigError), (["shoe size"], TableError)])
def test_an_order_that_cannot_be_is_refused(order: list[str], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"twice|shoe size"):
        StaticPolicy(TABLE, order)


def test_random_orders_differ_by_query_and_seed_and_are_uniform() -> None:
    queries = [f"query {i}" for i in range(600)]
    first = [followed(RandomPolicy(TABLE), query)[0] for query in queries]
    counts = np.unique(first, return_counts=True)[1]
    assert len(counts) == len(TABLE)
    # Binomial with mean 60 and standard deviation 7.3.
    assert counts.min() > 60 - 5 * 7.4
    assert counts.max() < 60 + 5 * 7.4
    assert followed(RandomPolicy(TABLE), "q") == followed(RandomPolicy(TABLE), "q")
    assert sorted(followed(RandomPolicy(TABLE), "q")) == sorted(TABLE.keys)
    assert any(followed(RandomPolicy(TABLE, 1), q) != followed(RandomPolicy(TABLE), q) for q in queries[:5])


def test_retrieval_votes_as_by_hand() -> None:
    encoder = HashingEncoder(256)
    queries = ["my boss shouts at me", "my boss ignores me", "should i see a doctor", "my boss shouts at me"]
    paths = [(0, 3), (3, 4), (6, 7), (9, 3)]
    policy = RetrievalPolicy(PlannedPaths(TABLE, encoder, queries, paths), k=3)
    query, known = "my boss shouts at me again", {"profession": "nurse"}
    vectors = encoder.encode([query, *queries]).astype(np.float64)
    similar = vectors[1:] @ vectors[0]
    nearest = sorted(range(4), key=lambda i: (-round(similar[i], 6), i))[:3]
    votes = dict.fromkeys((key for key in TABLE.keys if key != "profession"), 0.0)
    for place in nearest:
        left = [TABLE.keys[i] for i in paths[place] if TABLE.keys[i] != "profession"]
        for rank, key in enumerate(left, start=1):
            votes[key] += similar[place] / rank
    ranking = policy.rank(query, known)
    assert ranking.scores == pytest.approx(votes, abs=1e-6)
    assert [found["place"] for found in ranking.because["retrieved"]] == nearest
    assert nearest[0] == 0
    assert ranking.best == "age"


@pytest.mark.parametrize(("queries", "paths"), [([], []), (["a"], []), (["a"], [(0,), (1,)])])
def test_retrieval_needs_a_path_for_each_query(queries: list[str], paths: list[tuple[int, ...]]) -> None:
    with pytest.raises(ConfigError, match="one path for each query"):
        PlannedPaths(TABLE, HashingEncoder(64), queries, paths)
    with pytest.raises(ConfigError, match="k must be 1"):
        RetrievalPolicy(PlannedPaths(TABLE, HashingEncoder(64), ["a"], [(0,)]), k=0)


def test_distilled_ranks_as_the_policy_decides() -> None:
    policy = make_policy()
    known = {"mood": "low", "fear": None}
    scores = dict(policy.decide("Should I go?", known).scores)
    ranking = DistilledPolicy(policy).rank("Should I go?", known)
    assert ranking.now == scores.pop("answer")
    assert ranking.scores == scores
    assert set(scores) == set(policy.table.keys) - set(known)


def test_value_stops_as_the_distilled_policy_alone_does() -> None:
    policy = make_policy()
    ranking = DistilledPolicy(policy).rank("Should I go?", {})
    gain = max(ranking.scores.values()) - (ranking.now or 0.0)
    for min_gain in (gain + step for step in (-0.01, -2e-6, -1e-7, 0.0, 1e-7, 2e-6, 0.01)):
        assert_value_is_the_policys_own(make_policy(min_gain=min_gain))
    goes_on = ValueAbstention(gain - 0.01).judge("Should I go?", {}, 0, ranking)
    stops = ValueAbstention(gain + 0.01).judge("Should I go?", {}, 0, ranking)
    assert (goes_on.enough, stops.enough) == (False, True)
    for verdict in (goes_on, stops):
        assert verdict.confidence is not None
        assert 0.5 < verdict.confidence < 0.6


def assert_value_is_the_policys_own(policy: AcquisitionPolicy) -> None:
    """Both stop, or both go on; where they stop, equally sure of it."""
    alone = policy.decide("Should I go?")
    ranking = DistilledPolicy(policy).rank("Should I go?", {})
    verdict = ValueAbstention(policy.parts.min_gain).judge("Should I go?", {}, 0, ranking)
    assert verdict.enough == isinstance(alone, Answer)
    if isinstance(alone, Answer):
        assert verdict.confidence == alone.confidence


@pytest.mark.parametrize("min_gain", [-0.3, 0.0, 0.1, 0.2, 0.3, 0.6, 0.7, 1.1])
@pytest.mark.parametrize("now", [1.0, 2.9, 3.0, 3.1, 4.3])
def test_value_stops_at_the_threshold_as_the_distilled_policy_alone_does(now: float, min_gain: float) -> None:
    """Where the best question brings just what is asked for, raw differences fall to either side by rounding."""
    for step in (-1e-6, 0.0, 1e-6):
        assert_value_is_the_policys_own(constant_policy(now, (min_gain + step, -5.0, -5.0, -5.0), min_gain=min_gain))


@pytest.mark.parametrize("min_gain", [0.1, 0.2, 0.7])
def test_value_stops_at_the_threshold_in_a_fixed_order_too(min_gain: float) -> None:
    policy = constant_policy(3.0, (min_gain, -5.0, -5.0, -5.0), min_gain=min_gain)
    ranking = DistilledPolicy(policy, adaptive=False).rank("Should I go?", {})
    assert ValueAbstention(min_gain).judge("Should I go?", {}, 0, ranking).enough


def test_value_may_go_by_another_policy_than_the_one_that_asks() -> None:
    distilled = DistilledPolicy(make_policy())
    asks = StaticPolicy(distilled.table)
    known = {distilled.table.keys[0]: None}
    ranking = distilled.rank("Should I go?", known)
    gain = max(ranking.scores.values()) - (ranking.now or 0.0)
    for min_gain in (gain - 0.01, gain + 0.01):
        verdict = ValueAbstention(min_gain, by=distilled).judge(
            "Should I go?", known, 1, asks.rank("Should I go?", known)
        )
        alone = ValueAbstention(min_gain).judge("Should I go?", known, 1, ranking)
        assert (verdict.enough, verdict.confidence) == (alone.enough, alone.confidence)
        assert verdict.because == alone.because.replace("expected", "expected by the distilled policy")


def test_value_needs_a_policy_that_knows_what_now_is_worth() -> None:
    with pytest.raises(ConfigError, match="go by 'distilled'"):
        ValueAbstention().judge("q", {}, 0, Ranking({"age": 1.0}))


def test_the_others_count_or_never_stop() -> None:
    ranking = Ranking({"age": 1.0})
    assert not NeverAbstention().judge("q", {}, 9, ranking).enough
    assert [BudgetAbstention(2).judge("q", {"age": "x", "health": "y"}, n, ranking).enough for n in (0, 1, 2)] == [
        False,
        False,
        True,
    ]
    for wrong in (lambda: BudgetAbstention(-1), lambda: ValueAbstention(float("nan"))):
        with pytest.raises(ConfigError, match=r"0 or more|finite"):
            wrong()


def test_a_fixed_order_is_that_of_the_first_forecast_less_overlaps_whatever_is_answered() -> None:
    policy = make_policy()
    parts = policy.parts
    forecast = PolicyNetwork(parts.shape, parts.weights).forward(**policy.inputs("How do I cope?"))
    now, gains, factors = float(forecast.now[0]), forecast.gains[0], forecast.factors[0]

    def worth(asked: list[int]) -> float:
        """The network's own forecast of asking a set next."""
        pairs = sum(float(factors[i] @ factors[j]) for place, i in enumerate(asked) for j in asked[:place])
        return now + float(gains[asked].sum()) - pairs

    fixed = DistilledPolicy(policy, adaptive=False)
    keys, asked = list(policy.table.keys), list[int]()
    for answer in ("low", None, "high"):
        ranking = fixed.rank("How do I cope?", dict.fromkeys((keys[i] for i in asked), answer))
        left = [i for i in range(len(keys)) if i not in asked]
        assert ranking.now == pytest.approx(worth(asked))
        assert ranking.scores == pytest.approx({keys[i]: worth([*asked, i]) - policy.table[i].cost for i in left})
        assert ranking.best is not None
        asked.append(keys.index(ranking.best))


def test_a_spread_is_that_of_the_best_question() -> None:
    policy = constant_policy(3.0, (0.2, -0.5, 0.6, 0.1), gain_spread=0.1, gain_share=0.5)
    assert DistilledPolicy(policy).rank("q", {}).spread == pytest.approx(0.1 + 0.5 * 0.6)
    assert DistilledPolicy(policy).rank("q", {"sleep": "badly"}).spread == pytest.approx(0.1 + 0.5 * 0.2)
