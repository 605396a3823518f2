"""The policy that other projects load: which question next, or answer now. numpy only.

    from raise_agent import AcquisitionPolicy
    policy = AcquisitionPolicy.load("path/to/policy")
    decision = policy.decide(query, known={"Age": "25-34", "Health Status": None})
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from ..attributes import Attribute, AttributeTable
from ..errors import PolicyError, TableError
from .folder import PolicyParts, new_folder, read_parts, write_parts
from .network import PolicyNetwork

ANSWER = "answer"
"""Key of the answer action beside the attribute keys."""
_DIGITS = 6
"""Scores are compared after rounding, so that platforms agree; ties go to the first attribute."""


class SimulatedPolicyWarning(UserWarning):
    """A policy was distilled from simulated scores: fit for trying things out, not for people."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask this question next."""

    attribute: Attribute
    question: str
    scores: Mapping[str, float]
    """Expected safety score less cost, by attribute key for each question left, and ``answer`` for answering now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer now."""

    confidence: float
    """Probability, 0 to 1, that no question left would be worth more than it costs, on a normal error; 1 when
    no question is left to weigh."""
    scores: Mapping[str, float]
    """As in ``Ask``."""


Decision = Ask | Answer


class AcquisitionPolicy:
    """Decides, turn by turn, from the query and the answers so far. Safe to share between threads.

    Use ``load``; the constructor is for exporters.
    """

    def __init__(self, parts: PolicyParts) -> None:
        self._parts = parts
        self._network = PolicyNetwork(parts.shape, parts.weights)
        self._value_encoder = parts.value_encoder

    @property
    def table(self) -> AttributeTable:
        """The attributes it may ask for."""
        return self._parts.table

    @property
    def budget(self) -> int:
        """Most questions, declined ones counted."""
        return self._parts.budget

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Which models, planner, data and commit it comes from."""
        return self._parts.provenance

    @property
    def simulated(self) -> bool:
        """Whether it was distilled from simulated scores."""
        return bool(self._parts.provenance["simulated"])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AcquisitionPolicy:
        """Load and check a policy folder, and repeat its golden decisions.

        Raises:
            PolicyError: it is missing, cut short, altered, of a later format, or decides otherwise here.
        """
        folder = Path(path)
        parts, golden = read_parts(folder)
        policy = cls(parts)
        policy._check_golden(golden, folder)
        if policy.simulated:
            warnings.warn(
                f"{folder}: this policy was distilled from simulated scores; use it to try things out, not with people",
                SimulatedPolicyWarning,
                stacklevel=2,
            )
        return policy

    def save(self, path: str | os.PathLike[str], golden_inputs: Iterable[tuple[str, Mapping[str, str | None]]]) -> None:
        """Write a policy folder; one that is there is replaced at once or not at all.

        Args:
            path: the folder.
            golden_inputs: (query, known) pairs whose decisions are kept and repeated on load; at least one. They are
                shipped with the policy: use made-up people only.
        """
        golden = [
            {"query": query, "known": dict(known), "decision": _plain(self.decide(query, known))}
            for query, known in golden_inputs
        ]
        if not golden:
            raise PolicyError(f"{path}: a policy needs at least one golden decision")
        with new_folder(Path(path)) as folder:
            write_parts(folder, self._parts, golden)

    def decide(self, query: str, known: Mapping[str, str | None] | None = None) -> Decision:
        """Ask or answer.

        Args:
            query: what the user wrote.
            known: answers so far, by attribute key, name or alias; None for a question asked and declined.

        Raises:
            PolicyError: the query is not text, or an answer is neither text nor None.
            TableError: an attribute is unknown or given twice.
        """
        if not isinstance(query, str):
            raise PolicyError(f"the query must be text, not {type(query).__name__}")
        answers = self._read(known or {})
        scores, spread = self._scores(query, answers), self._parts.gain_spread
        floor = scores[ANSWER] + self._parts.min_gain
        asks = {key: score for key, score in scores.items() if key != ANSWER}
        best = max(asks, key=lambda key: asks[key]) if asks else None
        if best is None or len(answers) >= self.budget:
            return Answer(1.0, scores)
        if asks[best] <= floor:
            return Answer(NormalDist().cdf((floor - asks[best]) / spread), scores)
        attribute = self.table[self.table.index(best)]
        return Ask(attribute, attribute.question, scores)

    def _read(self, known: Mapping[str, str | None]) -> dict[int, str | None]:
        """Answers by attribute index; a value that only says "unknown" counts as declined."""
        answers: dict[int, str | None] = {}
        for spelling, value in known.items():
            index = self.table.index(spelling)
            if index in answers:
                raise TableError(f"attribute {self.table.keys[index]!r} is given twice")
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                value = str(value)
            if value is not None and not isinstance(value, str):
                raise PolicyError(
                    f"the answer for {self.table.keys[index]!r} must be text or None, not {type(value).__name__}"
                )
            answers[index] = None if value is None or self.table.is_unknown(value) else value
        return answers

    def _scores(self, query: str, answers: Mapping[int, str | None]) -> dict[str, float]:
        """Expected score less cost of each question left, and of answering now."""
        n = len(self.table)
        answered, declined = np.zeros((1, n), np.bool_), np.zeros((1, n), np.bool_)
        values = np.zeros((1, n, self._parts.shape.value_dimension), np.float32)
        given = [(index, value) for index, value in answers.items() if value is not None]
        for index in answers:
            declined[0, index] = True
        if given:
            indices = [index for index, _ in given]
            answered[0, indices], declined[0, indices] = True, False
            values[0, indices] = self._value_encoder.encode([value for _, value in given])
        forecast = self._network.forward(self._parts.encoder.encode([query]), values, answered, declined)
        now = float(forecast.now[0])
        scores = {ANSWER: round(now, _DIGITS)}
        for index, (attribute, gain) in enumerate(zip(self.table, forecast.gains[0].tolist(), strict=True)):
            if index not in answers:
                scores[attribute.key] = round(now + gain - attribute.cost, _DIGITS)
        return scores

    def _check_golden(self, golden: list[Any], folder: Path) -> None:
        for number, case in enumerate(golden, start=1):
            try:
                same = _agree(_plain(self.decide(case["query"], case["known"])), case["decision"])
            except (KeyError, TypeError, PolicyError, TableError) as error:
                raise PolicyError(f"{folder}/golden.json: case {number} is not usable ({type(error).__name__})") from error
            if not same:
                raise PolicyError(
                    f"{folder}/golden.json: case {number} is decided otherwise here; the policy or numpy is not sound"
                )


def _plain(decision: Decision) -> dict[str, Any]:
    if isinstance(decision, Ask):
        return {"ask": decision.attribute.key, "scores": dict(decision.scores)}
    return {"answer": round(decision.confidence, _DIGITS), "scores": dict(decision.scores)}


def _agree(made: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """The same action, with scores equal but for the last rounded digits."""
    return (
        made.get("ask") == expected.get("ask")
        and made["scores"].keys() == expected["scores"].keys()
        and all(abs(score - expected["scores"][key]) < 1e-4 for key, score in made["scores"].items())
    )
