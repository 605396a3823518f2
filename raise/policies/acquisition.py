"""The policy that other projects load: which question next, or answer now. numpy only.

from raise_agent import AcquisitionPolicy
policy = AcquisitionPolicy.load("path/to/policy")
decision = policy.decide(query, known={"Age": "25-34", "Health Status": None})
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from raise_agent.attributes import Attribute, AttributeTable
from raise_agent.errors import PolicyError, RaiseError, TableError

from .folder import GOLDEN, PolicyParts, new_folder, read_parts, write_parts
from .network import PolicyNetwork

ANSWER = "answer"
"""Key of the answer action beside the attribute keys; no attribute table has such an attribute."""
_DIGITS = 6
"""Scores are compared after rounding, so that platforms agree; ties go to the first attribute."""
_SAME = 1e-4
"""How far a golden score may lie from the one made here."""


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
    """Probability, 0 to 1, that the best question left would not bring more than its cost and the policy's
    ``min_gain``, on a normal error around its forecast; 1 when no question may be asked any more."""
    scores: Mapping[str, float]
    """As in ``Ask``."""


Decision = Ask | Answer


class AcquisitionPolicy:
    """Decides, turn by turn, from the query and the answers so far. Safe to share between threads.

    Use ``load``; the constructor is for exporters.

    Raises:
        PolicyError: the parts do not make a policy that could be saved and loaded again.
    """

    def __init__(self, parts: PolicyParts) -> None:
        for file, fault in parts.faults():
            raise PolicyError(f"not a sound policy: {file}: {fault}")
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
            MissingExtraError: its query encoder needs an extra that is not installed.
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

    def save(
        self, path: str | os.PathLike[str], golden_inputs: Iterable[tuple[str, Mapping[str, str | float | None]]]
    ) -> None:
        """Write a policy folder; one that is there is replaced whole or, on any failure, not at all.

        Args:
            path: the folder.
            golden_inputs: (query, known) pairs whose decisions are kept and repeated on load; at least one. They are
                shipped with the policy: use made-up people only.

        Raises:
            PolicyError: something that is no policy is in the way, there is no golden input, or a part is not
                plain data.
        """
        golden = [
            {"query": query, "known": dict(known), "decision": _plain(self.decide(query, known))}
            for query, known in golden_inputs
        ]
        if not golden:
            raise PolicyError(f"{path}: a policy needs at least one golden decision")
        with new_folder(Path(path)) as folder:
            write_parts(folder, self._parts, golden)

    def decide(self, query: str, known: Mapping[str, str | float | None] | None = None) -> Decision:
        """Ask or answer.

        Args:
            query: what the user wrote.
            known: answers so far, text or finite number, by attribute key, name or alias; None for a question asked
                and declined. As in data files, blank text, NaN and the table's spellings of "unknown" count as None.

        Raises:
            PolicyError: the query is not text, or an answer is neither text, number nor None.
            TableError: an attribute is unknown or given twice.
        """
        _check(query, known)
        answers = self._read(known or {})
        scores, spread = self._scores(_encodable(query), answers), self._parts.gain_spread
        floor = round(scores[ANSWER] + self._parts.min_gain, _DIGITS)
        asks = {key: score for key, score in scores.items() if key != ANSWER}
        best = max(asks, key=lambda key: asks[key]) if asks else None
        if best is None or len(answers) >= self.budget:
            return Answer(1.0, scores)
        if asks[best] <= floor:
            return Answer(NormalDist().cdf((floor - asks[best]) / spread), scores)
        attribute = self.table[self.table.index(best)]
        return Ask(attribute, attribute.question, scores)

    def _read(self, known: Mapping[Any, object]) -> dict[int, str | None]:
        """Answers by attribute index; a value that only says "unknown" counts as declined."""
        answers: dict[int, str | None] = {}
        for spelling, value in known.items():
            if not isinstance(spelling, str):
                raise PolicyError(f"an attribute is named by text, not {type(spelling).__name__}")
            index = self.table.index(spelling)
            if index in answers:
                raise TableError(f"attribute {self.table.keys[index]!r} is given twice")
            answers[index] = _text(value, self.table.keys[index], self.table)
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
                made = _plain(self.decide(case["query"], case["known"]))
                same = _agree(made, case["decision"], self._parts.gain_spread)
            except (AttributeError, LookupError, TypeError, ArithmeticError, RaiseError) as error:
                raise PolicyError(
                    f"{folder / GOLDEN}: case {number} is not usable ({type(error).__name__}); export the policy again"
                ) from error
            if not same:
                raise PolicyError(
                    f"{folder / GOLDEN}: case {number} is decided otherwise here; the policy or numpy is not sound"
                )


def _check(query: object, known: object) -> None:
    if not isinstance(query, str):
        raise PolicyError(f"the query must be text, not {type(query).__name__}")
    if known is not None and not isinstance(known, Mapping):
        raise PolicyError(f"known must map attributes to answers, not be {type(known).__name__}")


def _text(value: object, key: str, table: AttributeTable) -> str | None:
    """An answer as the data loaders would read it, since the policy learned from what they read."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    wanted = f"the answer for {key!r} must be text, a finite number or None"
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise PolicyError(f"{wanted}, not {type(value).__name__}")
    if isinstance(value, float) and math.isinf(value):
        raise PolicyError(f"{wanted}; it is infinite")
    try:
        return table.text_of(value)
    except ValueError:
        raise PolicyError(f"{wanted}; it has too many digits") from None


def _encodable(text: str) -> str:
    """Without lone surrogates, which not every encoder takes; "?" is no word to any of them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain(decision: Decision) -> dict[str, Any]:
    if isinstance(decision, Ask):
        return {"ask": decision.attribute.key, "scores": dict(decision.scores)}
    return {"answer": round(decision.confidence, _DIGITS), "scores": dict(decision.scores)}


def _agree(made: Mapping[str, Any], expected: Mapping[str, Any], spread: float) -> bool:
    """The same action, with scores equal but for the last rounded digits."""
    return (
        made.keys() == expected.keys()
        and made.get("ask") == expected.get("ask")
        and made["scores"].keys() == expected["scores"].keys()
        and all(abs(score - expected["scores"][key]) < _SAME for key, score in made["scores"].items())
        # A score that rounds to the other side moves the confidence by up to 10**-_DIGITS / spread.
        and ("answer" not in made or abs(made["answer"] - expected["answer"]) < _SAME + 10**-_DIGITS / spread)
    )
