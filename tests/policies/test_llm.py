"""Policy ``llm`` and the abstentions that ask a model, with a stub whose preferences are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from raise_agent.attributes import penguin_table
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import ConfigError
from raise_agent.policies.assessment import BasicAbstention, BinaryAbstention, ScaleAbstention
from raise_agent.policies.contract import Known, Ranking
from raise_agent.policies.llm import LLMPolicy
from raise_agent.policies.model import OPTIONS, Form, NoDecisionError, shares
from raise_agent.policies.retrieval import PlannedPaths, RetrievalPolicy

TABLE = penguin_table()
QUERIES = ["my boss shouts at me", "my boss ignores me", "should i see a doctor", "what shall i cook"]
PATHS = [(0, 3), (3, 4), (6, 7), (9, 3)]
PLANNED = PlannedPaths(TABLE, HashingEncoder(256), QUERIES, PATHS)
QUERY, KNOWN = "my boss shouts at me again", {"profession": "xylophonist"}


@dataclass
class Stub:
    """Prefers as it is told, and remembers what it saw."""

    prefers: Mapping[str, float] = field(default_factory=dict)
    says: Mapping[str, float] = field(default_factory=dict)
    seen: list[Any] = field(default_factory=list)

    def choose(
        self, query: str, known: Known, unasked: Sequence[str], examples: Sequence[Sequence[str]]
    ) -> Mapping[str, float]:
        self.seen.append((query, dict(known), list(unasked), [tuple(path) for path in examples]))
        return self.prefers

    def assess(self, form: Form, query: str, known: Known, unasked: Sequence[str]) -> Mapping[str, float]:
        self.seen.append((form, query, dict(known), list(unasked)))
        return self.says


def test_the_model_sees_query_answers_what_is_unasked_and_the_nearest_paths_and_names_the_next() -> None:
    stub = Stub({"emotion": 3.0, "age": 1.0})
    ranking = LLMPolicy(PLANNED, stub, k=2).rank(QUERY, KNOWN)
    unasked = [key for key in TABLE.keys if key != "profession"]
    keys = TABLE.keys
    assert stub.seen == [(QUERY, KNOWN, unasked, [(keys[0], keys[3]), (keys[3], keys[4])])]
    assert ranking.best == "emotion"
    assert list(ranking.scores) == unasked
    assert ranking.scores["emotion"] == 0.75
    assert sum(ranking.scores.values()) == 1.0
    assert ranking.because["policy"] == "llm"
    assert ranking.because["retrieved"] == RetrievalPolicy(PLANNED, k=2).rank(QUERY, KNOWN).because["retrieved"]


def test_what_was_asked_is_never_named_again() -> None:
    stub, known = Stub({key: float(place) for place, key in enumerate(TABLE.keys)}), dict[str, str | None]()
    policy = LLMPolicy(PLANNED, stub)
    while (best := policy.rank(QUERY, known).best) is not None:
        assert best not in known
        known[best] = None
    assert list(known) == [*reversed(TABLE.keys)], "age, which it gives no weight, comes last"
    assert len(stub.seen) == len(TABLE), "with nothing left, the model is not asked"


@pytest.mark.parametrize(
    "prefers", [{}, {"profession": 1.0}, {"age": float("nan")}, {"age": -1.0, "emotion": 2.0}, {"age": float("inf")}]
)
def test_a_choice_that_is_none_leaves_it_to_the_votes_of_the_paths(prefers: Mapping[str, float]) -> None:
    ranking = LLMPolicy(PLANNED, Stub(prefers)).rank(QUERY, KNOWN)
    assert ranking.scores == RetrievalPolicy(PLANNED).rank(QUERY, KNOWN).scores
    assert "chose nothing" in ranking.because["failed"]
    assert "xylophonist" not in str(ranking.because)
    assert "boss" not in str(ranking.because)


def test_without_paths_the_model_goes_by_itself() -> None:
    stub = Stub({"emotion": 1.0})
    ranking = LLMPolicy(PLANNED, stub, k=0).rank(QUERY, KNOWN)
    assert ranking.best == "emotion"
    assert ranking.because["retrieved"] == []
    assert stub.seen[0][-1] == []
    failed = LLMPolicy(PLANNED, Stub({}), k=0).rank(QUERY, KNOWN)
    assert failed.best == next(key for key in TABLE.keys if key not in KNOWN)
    assert "failed" in failed.because


def test_weights_off_the_options_count_for_nothing() -> None:
    assert shares({"a": 1.0, "b": 3.0, "c": 96.0}, ["b", "a", "d"]) == {"b": 0.75, "a": 0.25, "d": 0.0}
    with pytest.raises(NoDecisionError):
        shares({"c": 1.0}, ["a"])


# --- abstentions ------------------------------------------------------------------------------------------------------

RANKING = Ranking({"age": 1.0, "emotion": 0.5})


@pytest.mark.parametrize(("kind", "form"), [(BasicAbstention, "basic"), (BinaryAbstention, "binary")])
@pytest.mark.parametrize(("share", "enough"), [(0.0, False), (0.49, False), (0.5, True), (1.0, True)])
def test_basic_and_binary_stop_where_the_model_would(kind: Any, form: Form, share: float, enough: bool) -> None:
    stop, go_on = OPTIONS[form]
    stub = Stub(says={stop: share, go_on: 1 - share})
    verdict = kind(stub).judge(QUERY, KNOWN, 7, RANKING)
    assert (verdict.enough, verdict.failed) == (enough, False)
    assert stub.seen == [(form, QUERY, KNOWN, ["age", "emotion"])]
    assert "xylophonist" not in verdict.because


@pytest.mark.parametrize(
    ("says", "threshold", "enough"),
    [
        ({"4": 1.0}, 4, True),
        ({"3": 1.0}, 4, False),
        ({"5": 1.0}, 5, True),
        ({"4": 0.9, "5": 0.1}, 5, False),
        ({"3": 0.5, "4": 0.5}, 3.5, True),
        ({"3": 0.6, "4": 0.4}, 3.5, False),
        ({"0": 1.0}, 0, True),
    ],
)
def test_scale_stops_from_its_threshold_on(says: Mapping[str, float], threshold: float, enough: bool) -> None:
    assert ScaleAbstention(Stub(says=says), threshold=threshold).judge(QUERY, KNOWN, 0, RANKING).enough is enough


def test_the_scale_answers_by_default_where_its_anchors_say_that_what_decides_is_known() -> None:
    verdicts = [ScaleAbstention(Stub(says={level: 1.0})).judge(QUERY, {}, 0, RANKING) for level in OPTIONS["scale"]]
    assert [verdict.enough for verdict in verdicts] == [False, False, False, False, True, True]


@pytest.mark.parametrize("kind", [BasicAbstention, BinaryAbstention, ScaleAbstention])
def test_a_model_that_says_nothing_is_not_taken_for_enough_until_the_cap(kind: Any) -> None:
    verdicts = [kind(Stub(), if_failed=2).judge(QUERY, KNOWN, asked, RANKING) for asked in range(4)]
    assert [verdict.enough for verdict in verdicts] == [False, False, True, True]
    assert all(verdict.failed and "no decision" in verdict.because for verdict in verdicts)
    assert "xylophonist" not in str(verdicts)


def test_settings_off_the_scale_are_refused() -> None:
    for wrong in (
        lambda: ScaleAbstention(Stub(), threshold=5.5),
        lambda: ScaleAbstention(Stub(), threshold=float("nan")),
        lambda: BinaryAbstention(Stub(), if_failed=-1),
        lambda: ScaleAbstention(Stub(), if_failed=-1),
        lambda: LLMPolicy(PLANNED, Stub(), k=-1),
    ):
        with pytest.raises(ConfigError, match=r"0 to 5|0 or more"):
            wrong()
