"""Many conversations at once, each decided as if it were alone.

A product of matrices rounds otherwise than one of a single row, in about the twelfth digit, so the same state could
be scored otherwise in another batch. Scores are rounded to ``DIGITS``; that hides the difference but where a score
lies next to the middle between two roundings. ``PolicyNetwork.drift`` bounds how far two orders of summation can
differ: a row with a score nearer than that to a middle is scored again, alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import AttributeTable
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import PolicyError, RaiseError

from .decisions import ANSWER, DIGITS
from .network import Array, PolicyNetwork

Known = Mapping[str, str | float | None]
Doubles = npt.NDArray[np.float64]
_BLOCK = 2048
"""Conversations at a time: what a block needs fits into the cache of a processor."""
_MOST_ANSWERS = 16384
"""Distinct answers remembered within a batch; beyond, they are forgotten and encoded again."""


class Reader(Protocol):
    """The answers of one conversation: by attribute index, None for a question declined."""

    def __call__(self, known: Mapping[Any, object]) -> dict[int, str | None]: ...


class BatchScorer:
    """Scores of many states. One instance serves one batch: it keeps what the batch's users said.

    Args:
        network: the policy's.
        table: the policy's.
        value_encoder: codes of answers.
        read: one conversation's answers, checked.
        alone: rounded scores of one state, from its query vector, shape (1, d), and answers.
    """

    def __init__(
        self,
        network: PolicyNetwork,
        table: AttributeTable,
        value_encoder: HashingEncoder,
        read: Reader,
        alone: Callable[[Array, Mapping[int, str | None]], Mapping[str, float]],
    ) -> None:
        self._network, self._table, self._read, self._alone = network, table, read, alone
        self._answers = _Answers(network, value_encoder, read)

    def score(
        self, knowns: Sequence[Known | None], vectors: Array, which: npt.NDArray[np.intp] | None
    ) -> tuple[Doubles, Doubles]:
        """Rounded scores of answering now, (b,), and of asking, (b, n), NaN where asked already.

        Args:
            knowns: what each of b conversations knows.
            vectors: query vectors.
            which: (b,) row of ``vectors`` for each conversation; None if they are in order.

        Raises:
            PolicyError: an answer is neither text, number nor None.
            TableError: an attribute is unknown or given twice.
        """
        b, n = len(knowns), len(self._table)
        now, scores = np.empty(b), np.empty((b, n))
        # Each distinct query is projected once, if there are fewer than conversations.
        projected = None
        if which is not None and len(vectors) < b:
            projected = np.concatenate([self._network.query_part(part) for part in _blocks(vectors)])
        doubt = _doubt(self._network, np.asarray(self._table.costs), vectors)
        for start in range(0, b, _BLOCK):
            part = slice(start, min(start + _BLOCK, b))
            if projected is not None:
                mixed = projected[which[part]]  # type: ignore[index]
            else:
                mixed = self._network.query_part(vectors[part] if which is None else vectors[which[part]])
            asked = self._add_answers(mixed, knowns, part)
            redo = self._round(mixed, asked, doubt, now[part], scores[part])
            for row in (redo + start).tolist():
                at = row if which is None else int(which[row])
                answers = self._read(knowns[row] or {})
                single = self._alone(vectors[at : at + 1], answers)
                now[row] = single[ANSWER]
                scores[row] = [single.get(key, np.nan) for key in self._table.keys]
        return now, scores

    def _add_answers(self, mixed: Doubles, knowns: Sequence[Known | None], part: slice) -> npt.NDArray[np.bool_]:
        """Add what is known to the first layer; returns (rows, n), which questions were asked."""
        ids: list[int] = []
        counts = [0] * len(mixed)
        find = self._answers.__getitem__
        for row, known in enumerate(islice(knowns, part.start, part.stop)):
            if known:
                before = len(ids)
                try:
                    ids.extend(map(find, known.items()))
                except (RaiseError, TypeError):
                    self._blame(part.start + row, known)
                    raise
                counts[row] = len(ids) - before
        asked = np.zeros((len(mixed), len(self._table)), np.bool_)
        if not ids:
            return asked
        parts, attributes = self._answers.arrays()
        found, count = np.array(ids), np.array(counts)
        rows = np.repeat(np.arange(len(mixed)), count)
        asked[rows, attributes[found]] = True
        if asked.sum() != len(rows):
            (row, *_) = np.flatnonzero(asked.sum(axis=1) != count).tolist()
            self._blame(part.start + row, knowns[part.start + row] or {})
        place = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
        for turn in range(int(count.max())):
            here = place == turn
            mixed[rows[here]] += parts[found[here]]
        if self._answers.full:
            self._answers = self._answers.fresh()
        return asked

    def _blame(self, number: int, known: Known) -> None:
        """Raise what ``decide`` would, with the conversation's number."""
        try:
            self._read(known)
        except RaiseError as error:
            raise type(error)(f"conversation {number}: {error}") from None

    def _round(
        self, mixed: Doubles, asked: npt.NDArray[np.bool_], doubt: Doubles, now: Doubles, scores: Doubles
    ) -> npt.NDArray[np.intp]:
        """Write the rounded scores of a block; returns the rows where the rounding is in doubt."""
        n = len(self._table)
        out = self._network.head(mixed)
        # A price near the largest number overflows here, is therefore in doubt, and is left to the single state.
        with np.errstate(over="ignore", invalid="ignore"):
            out[:, 1:] += out[:, :1]
            out[:, 1:] -= self._table.costs
            out *= 10.0**DIGITS
            whole = np.rint(out)
            out -= whole
            unsafe = ~(np.abs(out, out=out) < 0.5 - doubt)
        unsafe[:, 1:] &= ~asked
        # Adding zero makes one of the two zeros.
        whole /= 10.0**DIGITS
        whole += 0.0
        now[:], scores[:] = whole[:, 0], whole[:, 1 : n + 1]
        scores[asked] = np.nan
        return np.flatnonzero(unsafe.any(axis=1))


class _Answers(dict[tuple[str, object], int]):
    """What each distinct (attribute as spelled, answer) adds to the network's first layer; filled as it is asked."""

    def __init__(self, network: PolicyNetwork, encoder: HashingEncoder, read: Reader) -> None:
        super().__init__()
        self._network, self._encoder, self._read = network, encoder, read
        self._attributes: list[int] = []
        self._waiting: list[str | None] = []
        self._parts: Doubles = np.empty((0, network.shape.hidden))

    @property
    def full(self) -> bool:
        return len(self._attributes) > _MOST_ANSWERS

    def fresh(self) -> _Answers:
        return _Answers(self._network, self._encoder, self._read)

    def __missing__(self, item: tuple[str, object]) -> int:
        ((attribute, text),) = self._read(dict([item])).items()
        number = len(self._attributes)
        self._attributes.append(attribute)
        self._waiting.append(text)
        # Equal numbers of other types may be other answers, or none.
        if type(item[0]) is str and (item[1] is None or type(item[1]) is str):
            self[item] = number
        return number

    def arrays(self) -> tuple[Doubles, npt.NDArray[np.intp]]:
        """By number: what it adds, shape (answers, hidden), and its attribute."""
        attributes = np.array(self._attributes)
        if self._waiting:
            start = len(self._parts)
            made = np.empty((len(self._waiting), self._network.shape.hidden))
            given = np.array([text is not None for text in self._waiting])
            codes = self._encoder.encode([text for text in self._waiting if text is not None])
            places = np.cumsum(given) - 1
            for attribute in np.unique(attributes[start:]).tolist():
                here = attributes[start:] == attribute
                made[here & ~given] = self._network.declined_part(attribute)
                told = np.flatnonzero(here & given)
                if len(told):
                    made[told] = self._network.answer_part(attribute, codes[places[told]])
            self._parts = np.concatenate([self._parts, made])
            self._waiting = []
        return self._parts, attributes


def query_vectors(encoded: object, count: int, dimension: int) -> Array:
    """Query vectors handed in, checked.

    Raises:
        PolicyError: they are not ``count`` rows of ``dimension`` finite numbers.
    """
    wanted = f"encoded must be what 'encode' gave, {count} rows of {dimension} finite numbers"
    try:
        vectors: Array = np.asarray(encoded, np.float32)
    except (TypeError, ValueError, OverflowError):
        raise PolicyError(f"{wanted}, not {type(encoded).__name__}") from None
    if vectors.shape != (count, dimension):
        raise PolicyError(f"{wanted}; its shape is {vectors.shape}")
    if not all(np.isfinite(part).all() for part in _blocks(vectors)):
        raise PolicyError(f"{wanted}; some are not finite")
    return vectors


def _blocks(array: Array) -> Iterable[Array]:
    return (array[start : start + _BLOCK] for start in range(0, max(len(array), 1), _BLOCK))


def _doubt(network: PolicyNetwork, costs: Doubles, vectors: Array) -> Doubles:
    """(1 + n,): within how many millionths of a middle the rounding of a score is in doubt."""
    norm = max(float(np.sqrt(np.einsum("ij,ij->i", p, p, dtype=np.float64).max(initial=0.0))) for p in _blocks(vectors))
    drift, size = network.drift(max(norm, 1.0))
    drift[1:] += drift[0]
    size[1:] += size[0] + costs
    # Two sums and the scaling round as well.
    with np.errstate(over="ignore"):
        return np.asarray((drift + 2.0**-49 * size) * 10.0**DIGITS)
