"""The simulated model: a generative account of why attributes matter. Embedded, deterministic, no download.

For a scenario with query concern c and user u, attribute i carries the *evidence*

    w_i = salience_i * relevance(c, i) * severity(value_i) * individual(u, i)

A subset S of known attributes carries, in each dimension d of the safety score,

    z_d(S) = sum_{i in S} A_di w_i + sum_{pairs in S} k_ij min(w_i, w_j) (A_di + A_dj) / 2

with synergies (k > 0, growing with the severity of both) and redundancies (k < 0), and returns diminish:

    score_d(S) = floor_d + room_d * (1 - exp(-z_d(S)))

``floor_d`` is the score without context, lower for users in a graver situation. The constants are set so that
the means are those of the paper (section 6; Figure 6 for single attributes). Nothing here judges real
answers: whatever is derived from it is *simulated*.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import Attribute, AttributeTable
from raise_agent.data.synthetic import query_stock
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import ConfigError, TableError, did_you_mean
from raise_agent.scenario import Scenario
from raise_agent.subsets import members

from .base import (
    DIMENSIONS,
    HIGHEST,
    LOWEST,
    Evaluation,
    EvaluationRequest,
    RankRequest,
    Unscored,
    Weights,
)

VERSION = 1
"""Part of the store's key; raised with every change of the account below."""

IN_FLIGHT = 4096

FLOOR_MEAN, FLOOR_SHARED, FLOOR_OWN = 2.828, 0.22, 0.30
CEILING_MEAN, CEILING_SPREAD = 4.065, 0.20
GRAVITY = 0.8
"""How much lower the floor lies for a user whose mean severity is 1 rather than 0."""
GRAVITY_CENTRE = 0.45
SEVERITY_BASE, SEVERITY_SLOPE = 0.2, 1.6
INDIVIDUAL, WORDING = 0.4, 0.2
"""Standard deviations, in log units, of how users and wordings of one concern differ."""

_KIND_SALIENCE = {"demographic": 0.18, "health": 0.43, "psychological": 0.57, "emotional": 0.41}
_KIND_DIMENSIONS = {
    "demographic": (0.9, 0.7, 1.4),
    "health": (1.6, 0.6, 0.8),
    "psychological": (1.5, 0.9, 0.6),
    "emotional": (0.7, 1.8, 0.5),
}
_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class _Account:
    """The ``simulation`` section of a table, as arrays over its n attributes and p interplaying pairs."""

    salience: npt.NDArray[np.float64]
    """(n,)"""
    dimensions: npt.NDArray[np.float64]
    """(n, 3): how much of an attribute's evidence counts in each dimension."""
    relevance: Mapping[str, npt.NDArray[np.float64]]
    """concern -> (n,)"""
    pairs: tuple[tuple[int, int], ...]
    factors: tuple[float, ...]
    """(p,): synergy above 0, redundancy below."""

    def plain(self) -> list[object]:
        """The same as plain data."""
        rows = {concern: row.tolist() for concern, row in self.relevance.items()}
        return [self.salience.tolist(), self.dimensions.tolist(), rows, self.pairs, self.factors]


def _account(table: AttributeTable) -> _Account:
    section = table.sections.get("simulation", {})
    where = f"attribute table {table.name!r}: simulation"
    try:
        _check_names(section, {"source", "salience", "dimensions", "relevance", "interplay"}, where)
        for row in (section.get("salience", {}), section.get("dimensions", {}), *section.get("relevance", {}).values()):
            _check_names(row, table.keys, where)
        salience = [float(section.get("salience", {}).get(a.key, _KIND_SALIENCE[a.kind])) for a in table]
        dimensions = [section.get("dimensions", {}).get(a.key, _KIND_DIMENSIONS[a.kind]) for a in table]
        relevance = {
            concern: np.asarray([float(row.get(a.key, 1.0)) for a in table])
            for concern, row in section.get("relevance", {}).items()
        }
        interplay = section.get("interplay", [])
        pairs = tuple((table.index(pair["between"][0]), table.index(pair["between"][1])) for pair in interplay)
        factors = tuple(float(pair["factor"]) for pair in interplay)
        shaped = np.asarray(dimensions, dtype=np.float64).reshape(len(table), len(DIMENSIONS))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise TableError(f"{where}: {type(error).__name__}: {error}; see penguin.json for the form") from error
    if any(i == j for i, j in pairs):
        raise TableError(f"{where}: an attribute cannot interplay with itself")
    every = np.concatenate([np.asarray(salience), shaped.ravel(), *relevance.values()])
    if not (np.isfinite(every) & (every >= 0)).all():
        raise TableError(f"{where}: salience, dimensions and relevance must be numbers of 0 or more")
    if not np.isfinite(factors).all():
        raise TableError(f"{where}: the factors of 'interplay' must be finite numbers")
    return _Account(np.asarray(salience), shaped, relevance, pairs, factors)


def _check_names(given: Iterable[str], valid: Iterable[str], where: str) -> None:
    for name in given:
        if name not in valid:
            raise TableError(f"{where}: unknown name {name!r}: {did_you_mean(name, valid)}")


def _plain(text: str) -> str:
    return text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").strip().casefold()


def severity_of(attribute: Attribute, value: str) -> float:
    """How grave a value is, 0 to 1: as the table lists it, else by the nearest listed value, else 0.5.

    A number or range falls into the listed range that holds its first number; other text takes the longest
    listed value that it contains as whole words. Negation is not understood.
    """
    text = _plain(value)
    listed = {_plain(name): severity for name, severity in attribute.values.items()}
    if text in listed:
        return listed[text]
    numbers = [int(n) for n in _NUMBER.findall(text)]
    if numbers:
        for name, severity in listed.items():
            bounds = [int(n) for n in _NUMBER.findall(name)]
            if len(bounds) == 2 and bounds[0] <= numbers[0] <= bounds[1]:
                return severity
            if len(bounds) == 1 and name.endswith("+") and numbers[0] >= bounds[0]:
                return severity
    # Whole words, and none after a hyphen: "unstable" is not stable, nor "non-smoker" a smoker.
    inside = [name for name in listed if re.search(rf"(?<![\w-]){re.escape(name)}(?!\w)", text)]
    return listed[max(inside, key=lambda name: (len(name), name))] if inside else 0.5


class _World:
    """What safety model and prior share: concerns of queries, relevance of attributes."""

    def __init__(self, table: AttributeTable, seed: int) -> None:
        self.table = table
        self.seed = seed
        self.account = _account(table)
        self._concerns: dict[str, str] = {stocked.query: stocked.concern for stocked in query_stock()}
        self._severity: dict[tuple[int, str], float] = {}
        self._relevance: dict[str, npt.NDArray[np.float64]] = {}
        self._encoder = HashingEncoder(1024)
        self._stock_texts = tuple(self._concerns)
        self._stock = self._encoder.encode(self._stock_texts)

    def generator(self, *parts: object) -> np.random.Generator:
        """Randomness that depends on these parts and the seed alone."""
        text = json.dumps([self.seed, *parts], ensure_ascii=False).encode("utf-8", "surrogatepass")
        return np.random.default_rng(int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little"))

    def severity(self, attribute: int, value: str) -> float:
        """How grave a value is, 0 to 1."""
        found = self._severity.get((attribute, value))
        if found is None:
            found = self._severity[attribute, value] = severity_of(self.table[attribute], value)
        return found

    def concern(self, query: str) -> str:
        """The stock's tag; for another query, that of the stock query nearest by words."""
        found = self._concerns.get(query)
        if found is None:
            near = self._stock @ self._encoder.encode([query])[0]
            found = self._concerns[self._stock_texts[int(np.argmax(np.round(near, 5)))]]
            self._concerns[query] = found
        return found

    def relevance(self, query: str) -> npt.NDArray[np.float64]:
        """How much each attribute matters to this query, before the user's values: shape (n,)."""
        found = self._relevance.get(query)
        if found is None:
            concern = self.concern(query)
            listed = self.account.relevance.get(concern)
            if listed is None:
                listed = np.exp(0.6 * self.generator("concern", concern).standard_normal(len(self.table)))
            wording = np.exp(WORDING * self.generator("wording", query).standard_normal(len(self.table)))
            found = self.account.salience * listed * wording
            self._relevance[query] = found
        return found

    def identity(self) -> dict[str, object]:
        """What scores and weights depend on: neither the costs of questions nor their wording."""
        attributes = [[a.key, list(a.values.items())] for a in self.table]
        stock = [[query, self._concerns[query]] for query in self._stock_texts]
        plain = json.dumps([attributes, self.account.plain(), stock], sort_keys=True)
        digest = hashlib.blake2b(plain.encode("utf-8"), digest_size=16).hexdigest()
        return {"llm": "simulated", "version": VERSION, "seed": self.seed, "table": digest}


class SimulatedSafetyModel:
    """Responder and judge in one, simulated (``llm=simulated``).

    Args:
        table: the attributes; its ``simulation`` section where it has one, else an account by kind.
        seed: of users' individuality; another seed is another population.
        judge_noise: standard deviation of each dimension of one judgement, in score points, 0 or more.
        failure_rate: share of evaluations, 0 to 1, that come back unscored, always the same ones.
    """

    simulated = True
    in_flight = IN_FLIGHT

    def __init__(
        self, table: AttributeTable, *, seed: int = 0, judge_noise: float = 0.0, failure_rate: float = 0.0
    ) -> None:
        if not 0 <= judge_noise < math.inf:
            raise ConfigError(f"judge_noise must be 0 or more score points, not {judge_noise}")
        if not 0 <= failure_rate <= 1:
            raise ConfigError(f"failure_rate must be a share between 0 and 1, not {failure_rate}")
        self._world = _World(table, seed)
        self._judge_noise = judge_noise
        self._failure_rate = failure_rate
        self._rows: dict[str, int] = {}
        account = self._world.account
        self._n, self._p = len(table), len(account.pairs)
        self._parameters = np.zeros((1024, self._n + self._p + 2 * len(DIMENSIONS)))
        self._waiting: list[tuple[int, EvaluationRequest]] = []

    @property
    def identity(self) -> dict[str, object]:
        """Everything that can change a score."""
        return {
            **self._world.identity(),
            "judge_noise": self._judge_noise,
            "failure_rate": self._failure_rate,
        }

    def submit(self, ticket: int, request: EvaluationRequest) -> None:
        """Take a request."""
        self._waiting.append((ticket, request))

    async def completed(self) -> list[tuple[int, Evaluation | Unscored]]:
        """Everything submitted so far, scored."""
        waiting, self._waiting = self._waiting, []
        outcomes = self.evaluate([request for _, request in waiting])
        return [(ticket, outcome) for (ticket, _), outcome in zip(waiting, outcomes, strict=True)]

    async def aclose(self) -> None:
        """Drop what is waiting."""
        self._waiting = []

    def evaluate(self, requests: Sequence[EvaluationRequest]) -> list[Evaluation | Unscored]:
        """Score many requests at once; an outcome does not depend on what it is scored with."""
        if not requests:
            return []
        rows = np.fromiter((self._row(r.scenario) for r in requests), np.int64, len(requests))
        subsets = np.fromiter((r.subset for r in requests), np.int64, len(requests))
        scores = self._scores(rows, subsets)
        outcomes: list[Evaluation | Unscored] = []
        for request, (risk, empathy, alignment) in zip(requests, scores.tolist(), strict=True):
            if self._failure_rate and self._draw(request, "failure") < self._failure_rate:
                outcomes.append(Unscored("simulated failure"))
            elif self._judge_noise:
                outcomes.append(self._noisy(request, (risk, empathy, alignment)))
            else:
                outcomes.append(Evaluation(risk, empathy, alignment))
        return outcomes

    def _scores(self, rows: npt.NDArray[np.int64], subsets: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Scores (requests, 3). Sums run attribute by attribute: no result may depend on the batch's shape."""
        account, n, p = self._world.account, self._n, self._p
        chosen = self._parameters[rows]
        known = [(subsets >> i & 1).astype(np.float64) for i in range(n)]
        evidence = np.zeros((len(rows), len(DIMENSIONS)))
        for i in range(n):
            evidence += (known[i] * chosen[:, i])[:, None] * account.dimensions[i]
        for position, (i, j) in enumerate(account.pairs):
            both = known[i] * known[j] * chosen[:, n + position]
            evidence += both[:, None] * ((account.dimensions[i] + account.dimensions[j]) / 2)
        floor, room = chosen[:, n + p : n + p + 3], chosen[:, n + p + 3 :]
        scores = floor + room * -np.expm1(-np.maximum(evidence, 0.0))
        return np.asarray(np.round(np.clip(scores, LOWEST, HIGHEST), 6), dtype=np.float64)

    def _row(self, scenario: Scenario) -> int:
        if scenario.profile.keys != self._world.table.keys:
            raise TableError(
                f"scenario {scenario.id!r}: its profile has other attributes than table {self._world.table.name!r}"
            )
        row = self._rows.get(scenario.digest)
        if row is None:
            row = len(self._rows)
            if row == len(self._parameters):
                self._parameters = np.concatenate([self._parameters, np.zeros_like(self._parameters)])
            self._parameters[row] = self._describe(scenario)
            self._rows[scenario.digest] = row
        return row

    def _describe(self, scenario: Scenario) -> npt.NDArray[np.float64]:
        """Evidence of each attribute, strength of each pair, floor and room of each dimension."""
        world, account = self._world, self._world.account
        rng = world.generator("user", scenario.digest)
        individual = np.exp(INDIVIDUAL * rng.standard_normal(self._n))
        floor_noise = FLOOR_SHARED * rng.standard_normal() + FLOOR_OWN * rng.standard_normal(3)
        ceiling = CEILING_MEAN + CEILING_SPREAD * rng.standard_normal(3)
        values = [
            None if value is None else world.severity(index, value)
            for index, value in enumerate(scenario.profile.values)
        ]
        severity = np.asarray([0.0 if s is None else s for s in values])
        has = np.asarray([s is not None for s in values], dtype=np.float64)
        weight = has * world.relevance(scenario.query) * (SEVERITY_BASE + SEVERITY_SLOPE * severity) * individual
        strength = [
            factor * min(weight[i], weight[j]) * (2 * math.sqrt(severity[i] * severity[j]) if factor > 0 else 1.0)
            for (i, j), factor in zip(account.pairs, account.factors, strict=True)
        ]
        mean_severity = float((severity * has).sum() / has.sum()) if has.any() else GRAVITY_CENTRE
        floor = np.clip(FLOOR_MEAN + floor_noise - GRAVITY * (mean_severity - GRAVITY_CENTRE), 1.1, 3.8)
        room = np.clip(ceiling, floor + 0.3, 4.95) - floor
        return np.concatenate([weight, strength, floor, room])

    def _draw(self, request: EvaluationRequest, purpose: str) -> float:
        """A uniform number in (0, 1) that depends on the request alone."""
        text = f"{self._world.seed}|{purpose}|{request.scenario.digest}|{request.subset}|{request.sample}"
        (bits,) = struct.unpack("<Q", hashlib.blake2b(text.encode(), digest_size=8).digest())
        # 52 bits and the half fit a float exactly, so that neither end is ever reached.
        return float((bits >> 12) + 0.5) / float(1 << 52)

    def _noisy(self, request: EvaluationRequest, exact: tuple[float, ...]) -> Evaluation:
        drawn = (
            score + self._judge_noise * NormalDist().inv_cdf(self._draw(request, name))
            for name, score in zip(DIMENSIONS, exact, strict=True)
        )
        return Evaluation(*(round(min(max(score, LOWEST), HIGHEST), 6) for score in drawn))


class SimulatedPrior:
    """A light model's guess of what is worth asking, simulated: it knows the query and the answers so far.

    Args:
        table: the attributes.
        seed: the same as the safety model's, so that both speak of one world.
        doubt: standard deviation, in log units, of how far the guess lies from the mean user, 0 or more.
    """

    simulated = True
    in_flight = IN_FLIGHT
    UNIFORM_SHARE = 0.05
    """Part of the weight spread evenly, so that every attribute keeps a chance."""

    def __init__(self, table: AttributeTable, *, seed: int = 0, doubt: float = 0.4) -> None:
        if not 0 <= doubt < math.inf:
            raise ConfigError(f"prior doubt must be 0 or more, not {doubt}")
        self._world = _World(table, seed)
        self._doubt = doubt
        self._guess: dict[str, npt.NDArray[np.float64]] = {}
        self._waiting: list[tuple[int, RankRequest]] = []

    @property
    def identity(self) -> dict[str, object]:
        """Everything that can change a weight."""
        return {**self._world.identity(), "role": "prior", "doubt": self._doubt}

    def submit(self, ticket: int, request: RankRequest) -> None:
        """Take a request."""
        self._waiting.append((ticket, request))

    async def completed(self) -> list[tuple[int, Weights | Unscored]]:
        """Everything submitted so far, ranked."""
        waiting, self._waiting = self._waiting, []
        return [(ticket, self.rank(request)) for ticket, request in waiting]

    async def aclose(self) -> None:
        """Drop what is waiting."""
        self._waiting = []

    def rank(self, request: RankRequest) -> Weights:
        """Weights over the unasked attributes, all positive; what is known shifts what interplays with it.

        Raises:
            ValueError: no attribute is unasked.
        """
        if not request.unasked:
            raise ValueError("no attribute is left to rank")
        world = self._world
        query = request.inquiry.query
        guess = self._guess.get(query)
        if guess is None:
            doubt = np.exp(self._doubt * world.generator("prior", query).standard_normal(len(world.table)))
            guess = self._guess[query] = world.relevance(query) * doubt
        weights = guess.tolist()
        severity = {
            index: world.severity(index, answer)
            for index, answer in ((world.table.index(key), answer) for key, answer in request.known.items())
            if answer is not None
        }
        for (i, j), factor in zip(world.account.pairs, world.account.factors, strict=True):
            for given, other in ((i, j), (j, i)):
                if given in severity:
                    weights[other] *= max(0.2, 1 + factor * (severity[given] if factor > 0 else 1.0))
        unasked = members(request.unasked)
        total = sum(weights[i] for i in unasked)
        uniform = self.UNIFORM_SHARE if total > 0 else 1.0
        shares = [0.0] * len(weights)
        for i in unasked:
            shares[i] = uniform / len(unasked) + (1 - uniform) * weights[i] / (total or 1.0)
        return Weights(tuple(shares))
