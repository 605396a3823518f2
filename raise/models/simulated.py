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
import math
import struct
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import AttributeTable
from raise_agent.errors import ConfigError, TableError
from raise_agent.scenario import Disclosure, Scenario
from raise_agent.subsets import members

from .base import (
    DIMENSIONS,
    HIGHEST,
    LOWEST,
    Doubt,
    Evaluation,
    EvaluationRequest,
    RankRequest,
    Unscored,
    Weights,
)
from .instant import InstantPrior
from .simulated_world import World

IN_FLIGHT = 4096
MOST_NOISE, MOST_NOISE_SPREAD = 1e6, 3.0

FLOOR_MEAN, FLOOR_SHARED, FLOOR_OWN = 2.828, 0.22, 0.30
CEILING_MEAN, CEILING_SPREAD = 4.065, 0.20
GRAVITY = 0.8
"""How much lower the floor lies for a user whose mean severity is 1 rather than 0."""
GRAVITY_CENTRE = 0.45
SEVERITY_BASE, SEVERITY_SLOPE = 0.2, 1.6
INDIVIDUAL = 0.4
"""Standard deviation, in log units, of how users differ."""


class SimulatedSafetyModel:
    """Responder and judge in one, simulated (``llm=simulated``).

    Args:
        table: the attributes; its ``simulation`` section where it has one, else an account by kind.
        seed: of users' individuality; another seed is another population.
        judge_noise: standard deviation of each dimension of one judgement, in score points, 0 or more.
        judge_noise_spread: how unlike answers are in this noise, 0 or more: the standard deviation of its logarithm,
            the mean of its square being that of ``judge_noise``. Where both are above 0 the judge tells how noisy each
            judgement is.
        failure_rate: share of evaluations, 0 to 1, that come back unscored, always the same ones.
    """

    simulated = True
    in_flight = IN_FLIGHT

    def __init__(
        self,
        table: AttributeTable,
        *,
        seed: int = 0,
        judge_noise: float = 0.0,
        judge_noise_spread: float = 0.0,
        failure_rate: float = 0.0,
    ) -> None:
        if not 0 <= judge_noise <= MOST_NOISE:
            raise ConfigError(f"judge_noise must be 0 to {MOST_NOISE:,.0f} score points, not {judge_noise}")
        if not 0 <= judge_noise_spread <= MOST_NOISE_SPREAD:
            raise ConfigError(f"judge_noise_spread must be from 0 to {MOST_NOISE_SPREAD}, not {judge_noise_spread}")
        if not 0 <= failure_rate <= 1:
            raise ConfigError(f"failure_rate must be a share between 0 and 1, not {failure_rate}")
        self._world = World(table, seed)
        self._judge_noise, self._judge_noise_spread = judge_noise, judge_noise_spread
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
            # Scores that were kept before there was such a thing are still right.
            **({"judge_noise_spread": self._judge_noise_spread} if self._judge_noise_spread else {}),
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
        # The same user puts the same request in whatever words.
        rng = world.generator("user", replace(scenario, query=world.plainly(scenario.query)).digest)
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
        noise, spread, doubt = self._judge_noise, self._judge_noise_spread, None
        if spread:
            # Whoever judges this answer again is as unsure of it.
            unlike = NormalDist().inv_cdf(self._draw(replace(request, sample=0), "doubt"))
            noise *= math.exp(spread * unlike - spread**2)
            doubt = Doubt(variances=(noise**2,) * len(DIMENSIONS), outside=(0.0,) * len(DIMENSIONS))
        drawn = (
            score + noise * NormalDist().inv_cdf(self._draw(request, name))
            for name, score in zip(DIMENSIONS, exact, strict=True)
        )
        return Evaluation(*(round(min(max(score, LOWEST), HIGHEST), 6) for score in drawn), doubt=doubt)


class SimulatedPrior(InstantPrior):
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
        super().__init__()
        if not 0 <= doubt < math.inf:
            raise ConfigError(f"prior doubt must be 0 or more, not {doubt}")
        self._world = World(table, seed)
        self._doubt = doubt
        self._guess: dict[str, npt.NDArray[np.float64]] = {}

    @property
    def identity(self) -> dict[str, object]:
        """Everything that can change a weight."""
        return {**self._world.identity(), "role": "prior", "doubt": self._doubt}

    def rank(self, request: RankRequest) -> Weights:
        """Weights over the unasked attributes, all positive; what is known shifts what interplays with it.

        Raises:
            ValueError: no attribute is unasked.
        """
        if not request.unasked:
            raise ValueError("no attribute is left to rank")
        weights = self.expected(request.inquiry.query, request.known)
        unasked = members(request.unasked)
        total = sum(weights[i] for i in unasked)
        uniform = self.UNIFORM_SHARE if total > 0 else 1.0
        shares = [0.0] * len(weights)
        for i in unasked:
            shares[i] = uniform / len(unasked) + (1 - uniform) * weights[i] / (total or 1.0)
        return Weights(tuple(shares))

    def expected(self, query: str, known: Disclosure) -> list[float]:
        """The guess itself: evidence that each attribute is expected to carry, 0 or more; shape (n,)."""
        world = self._world
        guess = self._guess.get(query)
        if guess is None:
            doubt = np.exp(self._doubt * world.generator("prior", query).standard_normal(len(world.table)))
            guess = self._guess[query] = world.relevance(query) * doubt
        weights: list[float] = guess.tolist()
        severity = {
            index: world.severity(index, answer)
            for index, answer in ((world.table.index(key), answer) for key, answer in known.items())
            if answer is not None
        }
        for (i, j), factor in zip(world.account.pairs, world.account.factors, strict=True):
            for given, other in ((i, j), (j, i)):
                if given in severity:
                    weights[other] *= max(0.2, 1 + factor * (severity[given] if factor > 0 else 1.0))
        return weights
