"""A batch decides as its conversations would one by one, bit for bit."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raise_agent.attributes import AttributeTable
from raise_agent.errors import PolicyError, TableError
from raise_agent.policies import AcquisitionPolicy, Answer, Ask, Decision, Decisions
from raise_agent.policies import batch as batch_module
from raise_agent.policies.decisions import Rule
from raise_agent.policies.network import Array, NetworkShape, PolicyNetwork

from .support import KEYS, MEMORY, QUERY, SHAPE, TABLE, constant_policy, make_parts, make_policy, random_weights

pytestmark = pytest.mark.filterwarnings("error")

Conversation = tuple[str, Mapping[str, Any] | None]
SECRET = "zq-secret"
QUERIES = [f"Should I take the offer in city {number}, or wait?" for number in range(40)]


def states(count: int, seed: int = 0) -> list[Conversation]:
    """Conversations of every length, with few and many distinct answers."""
    rng = np.random.default_rng(seed)
    made: list[Conversation] = []
    for _ in range(count):
        keys = rng.permutation(KEYS)[: rng.integers(0, 5)].tolist()
        known = {key: None if rng.random() < 0.3 else f"answer {rng.integers(30)}" for key in keys}
        made.append((QUERIES[rng.integers(len(QUERIES))], known or None))
    return made


def same(policy: AcquisitionPolicy, conversations: Sequence[Conversation], **given: Any) -> Decisions:
    """The batch, once every decision in it has been found to be that of ``decide``: type, bits and order of keys."""
    made = policy.decide_batch(conversations, **given)
    assert len(made) == len(conversations)
    for decision, conversation in zip(made, conversations, strict=True):
        # A float's repr says all of it, and tells the zeros apart.
        assert repr(decision) == repr(policy.decide(*conversation))
    return made


POLICIES = [
    make_policy(random_weights(1)),
    make_policy(random_weights(2), budget=4, min_gain=-100.0),
    make_policy(random_weights(2), memory=MEMORY, min_gain=-100.0),
    make_policy(random_weights(3), min_gain=0.0000005, table=TABLE.with_costs({"job": 0.1, "fear": 1 / 3})),
    make_policy({name: array * np.float32(1e6) for name, array in random_weights(4).items()}),
    constant_policy(3.0, (0.1, 0.1, -0.3, -0.2), min_gain=0.1),
    constant_policy(-0.0, (-1e-9, -0.0, 0.0, 1e-9)),
    constant_policy(3.0, (0.1, 0.4, 0.3, 0.2), budget=1),
    make_policy(random_weights(5), table=TABLE.with_costs({"job": 1.7e308, "fear": 1e305}), min_gain=1.7e308),
    make_policy({name: np.full(sizes, 3e38, np.float32) for name, sizes in SHAPE.weights().items()}),
]


@settings(max_examples=150)
@given(
    policy=st.sampled_from(POLICIES),
    conversations=st.lists(
        st.tuples(
            st.text(max_size=20) | st.sampled_from(QUERIES),
            st.none()
            | st.dictionaries(
                st.sampled_from(KEYS),
                st.none()
                | st.text(max_size=12)
                | st.sampled_from(["low", "n/a", " ", "Not Specified", 1, 1.0, 34.5, math.nan, 2**53, float(2**53)]),
            ),
        ),
        max_size=20,
    ),
    encoded=st.booleans(),
)
def test_any_batch_is_its_decisions_one_by_one(
    policy: AcquisitionPolicy, conversations: list[Conversation], encoded: bool
) -> None:
    vectors = policy.encode([query for query, _ in conversations])
    same(policy, conversations, **({"encoded": vectors} if encoded else {}))


@pytest.mark.parametrize("policy", POLICIES)
def test_large_batches(policy: AcquisitionPolicy) -> None:
    conversations = states(300)
    single = [repr(policy.decide(*conversation)) for conversation in conversations]
    for repeats in (1, 7, 15):
        made = policy.decide_batch(conversations * repeats)
        assert [repr(decision) for decision in made] == single * repeats
    assert policy.decide_batch([]).asks.shape == (0,)
    assert list(policy.decide_batch([], policy.encode([]))) == []


def test_of_the_size_that_is_trained_by_default() -> None:
    shape = NetworkShape(n_attributes=4, query_dimension=512, value_dimension=64, hidden=128)
    encoder = replace(make_parts().encoder, dimension=512)  # type: ignore[type-var]
    policy = make_policy(random_weights(0, shape), shape=shape, encoder=encoder)
    made = same(policy, states(3000))
    assert len(set(made.asks.tolist())) > 2


@pytest.mark.parametrize("state", range(12))
@pytest.mark.parametrize("side", [-1, 0, 1])
def test_a_score_in_the_middle_of_two_roundings_is_rounded_as_if_alone(
    state: int, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The price of a question is set such that its score lies on the middle, or one bit beside it."""
    conversations = [(query, known) for query, known in states(80, seed=state) if not known or "job" not in known]
    query, known = conversations[0]
    parts = make_parts(random_weights(state))
    policy = AcquisitionPolicy(parts)
    forecast: list[float] = []
    head = PolicyNetwork.head

    def listen(self: PolicyNetwork, mixed: Any) -> Any:
        made = head(self, mixed)
        forecast[:] = [float(made[0, 0]), float(made[0, 1 + KEYS.index("job")])]
        return made

    with monkeypatch.context() as patch:
        patch.setattr(PolicyNetwork, "head", listen)
        policy.decide(query, known)
    now, gain = forecast
    middle = (math.floor((now + gain) * 1e6) - 100_000.5) * 1e-6
    cost = np.nextafter((now + gain) - middle, (now + gain) - middle + side)
    priced = make_policy(parts.weights, table=TABLE.with_costs({"job": float(cost)}))
    alone = 0
    scores = priced._scores

    def count(*given: Any) -> Any:
        nonlocal alone
        alone += 1
        return scores(*given)

    expected = [repr(priced.decide(*conversation)) for conversation in conversations]
    monkeypatch.setattr(priced, "_scores", count)
    assert [repr(decision) for decision in priced.decide_batch(conversations)] == expected
    repeats = sum(conversation == conversations[0] for conversation in conversations)
    assert alone == repeats, "the state in doubt was not scored alone, or others were too"


@pytest.mark.parametrize("seed", range(6))
def test_the_bound_holds_and_is_not_idle(seed: int) -> None:
    shape = NetworkShape(n_attributes=10, query_dimension=256, value_dimension=16, hidden=64)
    network, rng = PolicyNetwork(shape, random_weights(seed, shape)), np.random.default_rng(seed)
    query = rng.normal(size=(500, 256))
    query = (query / np.linalg.norm(query, axis=1, keepdims=True)).astype(np.float32)
    codes = rng.normal(size=(500, 10, 16))
    codes = (codes / np.linalg.norm(codes, axis=2, keepdims=True)).astype(np.float32)
    role = rng.integers(0, 3, size=(500, 10))
    whole = network.query_part(query)
    for attribute in range(10):
        told = role[:, attribute] == 1
        whole[told] += network.answer_part(attribute, codes[told, attribute])
        whole[role[:, attribute] == 2] += network.declined_part(attribute)
    made = network.head(whole)
    forecast = network.forward(query, np.where((role == 1)[..., None], codes, np.float32(0)), role == 1, role == 2)
    drift, size = network.drift(1.001)
    expected = np.column_stack([forecast.now, forecast.gains])
    apart = np.abs(made - expected)
    assert apart.max() > 0
    assert (apart <= drift).all()
    assert (np.abs(expected) <= size).all()
    assert drift.max() < 1e-10, "else most states would be scored alone"


# Inputs


@pytest.mark.parametrize("spelling", ["job", "Line of Work", "  JOB ", "Occupation"])
def test_spellings_numbers_and_unknowns_are_read_as_by_decide(spelling: str) -> None:
    values = ["nurse", " ", "n/a", None, 1, 1.0, True + 0.0, np.float64(3), math.nan, 2**53, float(2**53), "1"]
    same(POLICIES[0], [(QUERY, {spelling: value}) for value in values for _ in range(2)])


def test_other_mappings_than_dictionaries() -> None:
    class Person(Mapping[str, str]):
        def __getitem__(self, key: str) -> str:
            return {"mood": "low"}[key]

        def __iter__(self) -> Any:
            return iter(["mood"])

        def __len__(self) -> int:
            return 1

    same(POLICIES[0], [(QUERY, Person()), (QUERY, {}), (QUERY, None)])


def test_a_batch_may_hold_more_answers_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "_MOST_ANSWERS", 20)
    monkeypatch.setattr(batch_module, "_BLOCK", 16)
    same(POLICIES[0], [(QUERY, {"mood": f"answer {number % 90}"}) for number in range(300)])


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ((3, {}), PolicyError, "the query must be text, not int"),
        ((QUERY, ["mood"]), PolicyError, "known must map attributes to answers"),
        ((QUERY, {"slep": SECRET}), TableError, "unknown attribute 'slep': did you mean 'sleep'"),
        ((QUERY, {"mood": [SECRET]}), PolicyError, "the answer for 'mood' must be text"),
        ((QUERY, {"mood": True}), PolicyError, "the answer for 'mood' must be text, a finite number or None, not bool"),
        ((QUERY, {"mood": math.inf}), PolicyError, "the answer for 'mood' must be text"),
        ((QUERY, {0: "low"}), PolicyError, "an attribute is named by text"),
        ((QUERY, {"mood": "low", "feeling": SECRET}), TableError, "attribute 'mood' is given twice"),
        ((QUERY, {"mood": None, "feeling": None}), TableError, "attribute 'mood' is given twice"),
        ((QUERY,), PolicyError, "a pair of query and known is expected"),
        (QUERY, PolicyError, "a pair of query and known is expected"),
        (None, PolicyError, "a pair of query and known is expected"),
    ],
)
@pytest.mark.parametrize("number", [0, 30, 2100])
def test_a_fault_is_named_with_its_conversation(fault: Any, error: type[Exception], message: str, number: int) -> None:
    # The same answer was valid before, and equals what is not.
    conversations: list[Any] = [(QUERY, {"mood": 1, "job": "x"})] * number
    with pytest.raises(error) as caught:
        POLICIES[0].decide_batch([*conversations, fault, fault, (QUERY, {})])
    assert str(caught.value).startswith(f"conversation {number}: {message}")
    assert SECRET not in "".join(traceback.format_exception_only(caught.value))


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (np.zeros((2, 32)), r"3 rows of 32 finite numbers; its shape is \(2, 32\)"),
        (np.zeros((3, 31)), r"its shape is \(3, 31\)"),
        (np.zeros(96), r"its shape is \(96,\)"),
        (np.full((3, 32), np.nan), "some are not finite"),
        (np.full((3, 32), np.inf), "some are not finite"),
        ([["a"] * 32] * 3, "not list"),
        ([[0.0], [0.0, 1.0]], "not list"),
        ("text", "not str"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(encoded: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        POLICIES[0].decide_batch([(QUERY, {})] * 3, encoded)


def test_encode_refuses_what_is_no_text() -> None:
    with pytest.raises(PolicyError, match="the query must be text, not NoneType"):
        POLICIES[0].encode([QUERY, None])  # type: ignore[list-item]
    assert POLICIES[0].encode([]).shape == (0, 32)
    assert POLICIES[0].encode([QUERY, "lost \udfff half"]).dtype == np.float32


def test_vectors_of_any_length_keep_the_bound() -> None:
    """What is handed in need not come from an encoder of unit vectors."""
    policy, conversations = POLICIES[0], states(60)
    for scale in (0.0, 1e-3, 1e3, 1e12, 1e30):
        vectors = policy.encode([query for query, _ in conversations]) * np.float32(scale)
        whole = policy.decide_batch(conversations, vectors)
        for row, conversation in enumerate(conversations):
            assert repr(policy.decide_batch([conversation], vectors[row : row + 1])[0]) == repr(whole[row])


class _Padding:
    """An encoder that, as transformers do, gives slightly other vectors in another batch."""

    name = "padding"
    dimension = SHAPE.query_dimension

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str]) -> Array:
        self.seen += texts
        made = np.array([[math.sin(len(text) + i) for i in range(self.dimension)] for text in texts], np.float32)
        return np.asarray(made + np.float32(0.01 * len(texts)))


def test_an_encoder_that_depends_on_the_batch_changes_nothing_and_runs_once_for_each_query() -> None:
    encoder = _Padding()
    policy = make_policy(encoder=encoder)
    conversations = states(200)
    made = [repr(decision) for decision in policy.decide_batch(conversations)]
    assert sorted(encoder.seen) == sorted({query for query, _ in conversations})
    assert made == [repr(policy.decide(*conversation)) for conversation in conversations]


# What comes out


def test_decisions_are_a_sequence() -> None:
    policy, conversations = POLICIES[0], states(50)
    made = same(policy, conversations)
    single = [policy.decide(*conversation) for conversation in conversations]
    assert list(made) == single == [made[number] for number in range(50)]
    assert made[-1] == single[-1]
    assert list(made[10:20:3]) == single[10:20:3]
    assert list(reversed(made)) == single[::-1]
    assert single[7] in made
    with pytest.raises(IndexError):
        made[50]
    kinds: list[type[Decision]] = [Answer if ask < 0 else Ask for ask in made.asks]
    assert [type(decision) for decision in single] == kinds
    assert repr(made) == f"Decisions({kinds.count(Ask)} questions, {kinds.count(Answer)} answers)"


def test_arrays_say_the_same_and_cannot_be_changed() -> None:
    policy, conversations = make_policy(random_weights(1), min_gain=0.3), states(80)
    made = policy.decide_batch(conversations)
    for decision, ask, now, scores, confidence in zip(
        made, made.asks, made.now, made.scores, made.confidences, strict=True
    ):
        assert decision.scores["answer"] == now
        assert [decision.scores.get(key) for key in KEYS] == [None if math.isnan(s) else s for s in scores]
        if isinstance(decision, Ask):
            assert decision.attribute.key == KEYS[ask]
            assert math.isnan(confidence)
        else:
            assert ask == -1
            assert confidence == decision.confidence
    assert {-1} < set(made.asks.tolist())
    for array in (made.asks, made.now, made.scores, made[3:].scores):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@settings(max_examples=300)
@given(
    now=st.floats(-10, 10).map(lambda value: round(value, 6)),
    min_gain=st.sampled_from([0.0, 5e-7, -5e-7, 0.1, 1e-7, 4.9999999e-7, 1e300, -1e300, 1e12])
    | st.floats(-1, 1).map(lambda value: round(value, 7)),
    gain=st.integers(-3, 3),
    budget=st.integers(1, 4),
    asked=st.sets(st.integers(0, 3)),
)
def test_the_rule_is_the_same_for_arrays(now: float, min_gain: float, gain: int, budget: int, asked: set[int]) -> None:
    rule = Rule(TABLE, budget, min_gain, 0.25, 0.5)
    scores = {"answer": now}
    for index, key in enumerate(KEYS):
        if index not in asked:
            scores[key] = round(now + min_gain + (gain + index % 3) * 1e-6, 6)
    row = np.array([[scores.get(key, math.nan) for key in KEYS]])
    (ask,) = rule.decide_all(np.array([now]), row)
    decision = rule.decide(scores, len(asked))
    assert (decision.attribute.key if isinstance(decision, Ask) else None) == (KEYS[ask] if ask >= 0 else None)


def test_a_table_of_one_attribute() -> None:
    table = AttributeTable("one", TABLE.attributes[:1])
    shape = NetworkShape(1, 32, 16, 3)
    policy = make_policy(random_weights(0, shape), table=table, shape=shape, budget=1, min_gain=-100.0)
    same(policy, [(QUERY, {}), (QUERY, {"mood": "low"}), (QUERY, {"mood": None}), (QUERY, None)])


def test_threads_share_a_policy() -> None:
    policy = make_policy(random_weights(4))
    conversations = states(400)
    expected = [repr(policy.decide(*conversation)) for conversation in conversations]
    with ThreadPoolExecutor(8) as pool:
        for made in pool.map(policy.decide_batch, [conversations] * 24):
            assert [repr(decision) for decision in made] == expected
