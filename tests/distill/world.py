"""A small world whose every expectation is known in closed form.

Four attributes with independent answers, "high" or "low", equally likely. A scenario's score once the subset S is
known is its own base, plus a gain per attribute of S that depends on a word of the query, plus ``SYNERGY`` where
"first" and "second" are both known and the first answer is "high", less ``REDUNDANCY`` where "third" and "fourth"
are both known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import Attribute, AttributeTable
from raise_agent.distill.dataset import Examples, examples_of, stored_scores
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.models.base import Evaluation
from raise_agent.policies.network import PolicyNetwork
from raise_agent.scenario import Profile, Scenario
from raise_agent.store import EvaluationRow, EvaluationStore

KEYS = ("first", "second", "third", "fourth")
N = len(KEYS)
TABLE = AttributeTable("world", tuple(Attribute(k, k, "health", f"What is your {k}?") for k in KEYS))
GAINS = {"money": (0.5, 0.1, 0.35, 0.2), "sleep": (0.1, 0.1, 0.2, 0.6)}
SYNERGY, REDUNDANCY, BASE = 0.6, 0.3, 2.0
ENCODER, VALUE_ENCODER = HashingEncoder(64), HashingEncoder(16)
_FRAMES = ("What about {}?", "Tell me about {}", "I worry over {}", "Is {} a problem?", "How much {} is enough?")


@dataclass(frozen=True)
class Situation:
    """A query's word and a user's answers."""

    word: str
    answers: tuple[str | None, ...]

    def score(self, subset: int) -> float:
        """Above the scenario's own base; an attribute without an answer adds nothing."""
        known = [i for i in range(N) if subset >> i & 1 and self.answers[i] is not None]
        total = sum(GAINS[self.word][i] for i in known)
        if 0 in known and 1 in known and self.answers[0] == "high":
            total += SYNERGY
        return total - (REDUNDANCY if 2 in known and 3 in known else 0.0)


def expected_gain(word: str, known: dict[int, str], index: int) -> float:
    """What asking ``index`` is expected to add to what is known: the mean over all answers not known yet."""
    free = [i for i in range(N) if i not in known]
    worlds = [
        tuple(known.get(i, "high" if bits >> free.index(i) & 1 else "low") if i in free else known[i] for i in range(N))
        for bits in range(1 << len(free))
    ]
    before = sum(1 << i for i in known)
    gains = [Situation(word, w).score(before | 1 << index) - Situation(word, w).score(before) for w in worlds]
    return sum(gains) / len(gains)


def make_world(
    count: int, seed: int, *, base_spread: float = 0.0, noise: float = 0.0, missing: float = 0.0
) -> Examples:
    """Examples of ``count`` scenarios with all 16 subsets evaluated."""
    rng = np.random.default_rng(seed)
    scenarios, situations = [], []
    for number in range(count):
        word = ("money", "sleep")[number % 2]
        answers = tuple(
            None if rng.random() < missing else str(answer) for answer in rng.choice(["high", "low"], size=N)
        )
        query = _FRAMES[number // 2 % len(_FRAMES)].format(word)
        scenarios.append(Scenario(str(number), f"Life {number}", query, Profile(KEYS, answers)))
        situations.append(Situation(word, answers))
    with EvaluationStore(":memory:") as store:
        for scenario, situation in zip(scenarios, situations, strict=True):
            base = BASE + float(np.clip(base_spread * rng.standard_normal(), -0.9, 0.9))
            rows = [
                EvaluationRow(scenario.digest, subset, 0, Evaluation(score, score, score))
                for subset in range(1 << N)
                for score in [base + situation.score(subset) + noise * float(rng.standard_normal())]
            ]
            store.write_evaluations(1, "world", rows)
        return examples_of(scenarios, stored_scores(scenarios, store, 1), ENCODER, VALUE_ENCODER)


def query_of(word: str) -> str:
    return _FRAMES[0].format(word)


def forecast_gains(
    network: PolicyNetwork, word: str, known: dict[int, str], declined: Sequence[int] = ()
) -> npt.NDArray[np.float64]:
    """The network's gains, shape (n,), in one state."""
    values = np.zeros((1, N, VALUE_ENCODER.dimension), np.float32)
    answered, refused = np.zeros((1, N), np.bool_), np.zeros((1, N), np.bool_)
    for index, answer in known.items():
        answered[0, index] = True
        values[0, index] = VALUE_ENCODER.encode([answer])[0]
    refused[0, list(declined)] = True
    forecast = network.forward(ENCODER.encode([query_of(word)]), values, answered, refused)
    return np.asarray(forecast.gains[0], np.float64)


def states() -> list[dict[int, str]]:
    """Everything that can be known."""
    return [
        {i: ("high", "low")[roles[i] - 1] for i in range(N) if roles[i]}
        for code in range(3**N)
        for roles in [[code // 3**i % 3 for i in range(N)]]
    ]
