"""The policy that other projects load: which question next, or answer now. numpy only.

from raise_agent import AcquisitionPolicy
policy = AcquisitionPolicy.load("path/to/policy")
decision = policy.decide(query, known={"Age": "25-34", "Health Status": None})
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import AttributeTable
from raise_agent.errors import PolicyError, TableError
from raise_agent.text import well_formed

from .batch import BatchScorer, Known, query_vectors
from .decisions import ANSWER, DIGITS, Answer, Ask, Decision, Decisions, Rule
from .folder import read_parts
from .golden import check_golden
from .memory import Recollection
from .network import Array, PolicyNetwork
from .parts import GOLDEN, PolicyParts
from .pretrained import Pretrained

__all__ = ["AcquisitionPolicy", "Answer", "Ask", "Decision", "Decisions", "SimulatedPolicyWarning"]


Bits = npt.NDArray[np.bool_]


class SimulatedPolicyWarning(UserWarning):
    """A policy was distilled from simulated scores: fit for trying things out, not for people."""


class AcquisitionPolicy(Pretrained):
    """Decides, turn by turn, from the query and the answers so far. Safe to share between threads.

    Use ``load``; the constructor is for exporters.

    Args:
        parts: what it is made of.
        golden_inputs: what ``save`` keeps decisions for if it is given none.

    Raises:
        PolicyError: the parts do not make a policy that could be saved and loaded again.
    """

    def __init__(self, parts: PolicyParts, golden_inputs: Iterable[tuple[str, Known]] = ()) -> None:
        for file, fault in parts.faults():
            raise PolicyError(f"not a sound policy: {file}: {fault}")
        self._parts = parts
        self._network = PolicyNetwork(parts.shape, parts.weights)
        self._recollection = None if parts.memory is None else Recollection(parts.memory)
        self._value_encoder = parts.value_encoder
        self._rule = Rule(parts.table, parts.budget, parts.min_gain, parts.gain_spread, parts.gain_share)
        self._golden = tuple((query, dict(known)) for query, known in golden_inputs)

    @property
    def table(self) -> AttributeTable:
        """The attributes it may ask for."""
        return self._parts.table

    @property
    def budget(self) -> int:
        """Most questions, declined ones counted."""
        return self._parts.budget

    def spread(self, gain: float) -> float:
        """Standard deviation of what a question brings that is forecast to bring ``gain``, both in score points."""
        return self._rule.spread(gain)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Which models, planner, data and commit it comes from."""
        return self._parts.provenance

    @property
    def simulated(self) -> bool:
        """Whether it was distilled from simulated scores."""
        return bool(self._parts.provenance["simulated"])

    @property
    def golden_inputs(self) -> tuple[tuple[str, Known], ...]:
        """The (query, known) pairs whose decisions were checked when it was loaded."""
        return self._golden

    @property
    def parts(self) -> PolicyParts:
        """What it is made of; not to be changed."""
        return self._parts

    @property
    def network(self) -> PolicyNetwork:
        """What forecasts; takes ``inputs``."""
        return self._network

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AcquisitionPolicy:
        """Load and check a policy folder, and repeat its golden decisions.

        Raises:
            PolicyError: it is missing, cut short, altered, of a later format, or decides otherwise here.
            MissingExtraError: its query encoder needs an extra that is not installed.
        """
        return cls._load(Path(path), ())

    @classmethod
    def _load(cls, folder: Path, roots: Sequence[Path]) -> AcquisitionPolicy:
        parts, golden = read_parts(folder, roots)
        policy = cls(parts)
        check_golden(policy.decide, golden, folder / GOLDEN, parts.gain_spread)
        policy._golden = tuple((case["query"], dict(case["known"] or {})) for case in golden)
        if policy.simulated:
            warnings.warn(
                f"{folder}: this policy was distilled from simulated scores; use it to try things out, not with people",
                SimulatedPolicyWarning,
                stacklevel=3,
            )
        return policy

    def decide(self, query: str, known: Known | None = None) -> Decision:
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
        return self._rule.decide(self._scores(self._encode_one(query), answers), len(answers))

    def encode(self, queries: Sequence[str]) -> Array:
        """What the network reads of queries, (queries, query_dimension), each as ``decide`` would make it.

        Raises:
            PolicyError: a query is not text.
        """
        vectors = np.empty((len(queries), self._parts.shape.query_dimension), np.float32)
        for row, query in enumerate(queries):
            _check(query, None)
            # One at a time: a sentence encoder pads a batch, and then gives slightly other vectors.
            vectors[row] = self._encode_one(query)
        return vectors

    def decide_batch(
        self,
        conversations: Sequence[tuple[str, Known | None]],
        encoded: npt.ArrayLike | None = None,
    ) -> Decisions:
        """Decide many conversations at once; each decision is exactly the one that ``decide`` makes.

        Args:
            conversations: (query, known) pairs, as for ``decide``.
            encoded: ``encode`` of their queries, a row for each conversation; None encodes each distinct query here.

        Returns:
            The decisions, in order; they hold arrays, and make ``Ask`` and ``Answer`` when these are taken out.

        Raises:
            PolicyError, TableError: as ``decide``, with the number of a conversation at fault, from 0; or ``encoded``
                does not fit.
        """
        pairs = list(conversations)
        knowns = []
        for number, pair in enumerate(pairs):
            try:
                query, known = pair
                if not (type(query) is str and (known is None or type(known) is dict)):
                    _check(query, known)
            except (TypeError, ValueError):
                raise PolicyError(f"conversation {number}: a pair of query and known is expected") from None
            except PolicyError as error:
                raise PolicyError(f"conversation {number}: {error}") from None
            knowns.append(known)
        which = None
        if encoded is None:
            place: dict[str, int] = {}
            which = np.array([place.setdefault(query, len(place)) for query, _ in pairs], np.intp)
            vectors = self.encode(list(place))
        else:
            vectors = query_vectors(encoded, len(pairs), self._parts.shape.query_dimension)
        scorer = BatchScorer(self._network, self.table, self._value_encoder, self._read, self._scores)
        now, scores = scorer.score(knowns, vectors, which)
        return Decisions(self._rule, self._rule.decide_all(now, scores), now, scores)

    def inputs(self, query: str, known: Known | None = None) -> dict[str, npt.NDArray[Any]]:
        """What the network is given for ``decide``, by the names that ``export_onnx`` gives its inputs; one state.

        Raises:
            PolicyError, TableError: as ``decide``.
        """
        _check(query, known)
        values, answered, declined = self._arrays(self._read(known or {}))
        return {"query": self._encode_one(query), "values": values, "answered": answered, "declined": declined}

    def _encode_one(self, query: str) -> Array:
        """(1, query_dimension): what the network reads of it."""
        vector = self._parts.encoder.encode([well_formed(query)])
        return vector if self._recollection is None else self._recollection.recall(vector)

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

    def _scores(self, query: Array, answers: Mapping[int, str | None]) -> dict[str, float]:
        """Expected score less cost of each question left, and of answering now; ``query`` is one vector, (1, d)."""
        mixed = self._network.query_part(query)
        # In table order: sums in another order would be rounded otherwise.
        for index in sorted(answers):
            value = answers[index]
            if value is None:
                mixed += self._network.declined_part(index)
            else:
                mixed += self._network.answer_part(index, self._value_encoder.encode([value])[0])
        now, *gains = self._network.head(mixed)[0].tolist()
        # Adding zero makes one of the two zeros.
        scores = {ANSWER: round(now, DIGITS) + 0.0}
        for index, (key, cost, gain) in enumerate(zip(self.table.keys, self.table.costs, gains, strict=True)):
            if index not in answers:
                scores[key] = round(now + gain - cost, DIGITS) + 0.0
        return scores

    def _arrays(self, answers: Mapping[int, str | None]) -> tuple[Array, Bits, Bits]:
        """Codes of the answers, (1, n, v), and marks of what was answered and what was declined, (1, n)."""
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
        return values, answered, declined


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
