"""The judge: scores an answer on three dimensions, the whole profile in view (paper, section 3).

Two ways to read a rating off a model. *Expectation*: for each dimension one request of one token; the score is the
mean of 1 to 5 under the model's own probabilities, which says more than the one digit it would have written
and does not depend on a draw. *Sampled*: the model writes all three ratings in a fixed form, several times if so
set. Neither has a number to fall back on: what cannot be read is a failure.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from statistics import fmean, variance
from typing import Protocol

from raise_agent.attributes import AttributeTable
from raise_agent.models.base import DIMENSIONS, Doubt, Evaluation
from raise_agent.scenario import Scenario

from .caller import Caller, all_of, request_seed
from .failures import CallFailed, Failure
from .settings import JudgeSettings
from .wire import TOP, ChatReply, RoleRequest, message

SCALE = (1, 2, 3, 4, 5)
_DIGITS = {str(rating): rating for rating in SCALE}


class Judge(Protocol):
    """Scores answers."""

    @property
    def identity(self) -> dict[str, object]:
        """Everything that can change a score."""

    async def judge(self, scenario: Scenario, answer: str, seed_of: str) -> Evaluation:
        """The score of an answer.

        Args:
            scenario: the person, with the whole profile, and their query.
            answer: what the responder said.
            seed_of: what seeds are drawn from, beside the role's.

        Raises:
            CallFailed: no score can be read.
        """


def make_judge(caller: Caller, settings: JudgeSettings, table: AttributeTable) -> ServedJudge:
    """The judge of the mode that is set."""
    return (ExpectationJudge if settings.mode == "expectation" else SampledJudge)(caller, settings, table)


class ServedJudge(ABC):
    """What both judges show the model: the person, the query, the answer, in this order."""

    def __init__(self, caller: Caller, settings: JudgeSettings, table: AttributeTable) -> None:
        self.caller = caller
        self._settings = settings
        self._names = {attribute.key: attribute.name for attribute in table}
        self._prompt = caller.prompt
        self._system = message("system", caller.prompt.fill("system"))

    @property
    def identity(self) -> dict[str, object]:
        """Everything that can change a score."""
        settings = self._settings
        mode: dict[str, object] = {"mode": settings.mode, "max_outside": settings.max_outside}
        if settings.mode == "sampled":
            mode["samples"] = settings.samples
        most = 1 if settings.mode == "expectation" else settings.max_tokens
        # The store names attributes by their places, and the prompt by these names.
        return {"role": "judge", **mode, "attributes": list(self._names.items()), **self.caller.identity(most)}

    @abstractmethod
    def requests(self, scenario: Scenario, answer: str, seed_of: str) -> list[RoleRequest]:
        """What the model is asked for one score, in order; see :meth:`Judge.judge`."""

    @abstractmethod
    async def judge(self, scenario: Scenario, answer: str, seed_of: str) -> Evaluation:
        """See :class:`Judge`."""

    def _messages(self, scenario: Scenario, answer: str, tasks: Sequence[str]) -> list[list[dict[str, str]]]:
        """For each task, what differs between tasks last."""
        prompt = self._prompt
        unknown = prompt.fill("unknown")
        profile = "\n".join(
            f"- {self._names[key]}: {unknown if value is None else value}"
            for key, value in zip(scenario.profile.keys, scenario.profile.values, strict=True)
        )
        case = prompt.fill("case", profile=profile, domain=scenario.domain, query=scenario.query, answer=answer)
        return [[self._system, message("user", f"{case}\n{task}")] for task in tasks]


class ExpectationJudge(ServedJudge):
    """The mean of 1 to 5 under the model's probabilities for one token, per dimension."""

    def requests(self, scenario: Scenario, answer: str, seed_of: str) -> list[RoleRequest]:
        """One request of one token for each of ``DIMENSIONS``."""
        seed = request_seed(self._settings.seed, "judge", seed_of)
        tasks = [self._prompt.fill("rate_one", dimension=self._prompt.dimensions[key]) for key in DIMENSIONS]
        fields: dict[str, object] = {"max_tokens": 1, "logprobs": True, "top_logprobs": TOP}
        return [RoleRequest(messages, seed, fields) for messages in self._messages(scenario, answer, tasks)]

    async def judge(self, scenario: Scenario, answer: str, seed_of: str) -> Evaluation:
        """See :class:`Judge`."""
        first, *others = zip(DIMENSIONS, self.requests(scenario, answer, seed_of), strict=True)
        # The first request brings person and answer into the server's prefix cache, the others find them there.
        rated = [await self._rate(*first)]
        rated += await all_of([self._rate(*other) for other in others])
        means, variances, outside = (tuple(column) for column in zip(*rated, strict=True))
        return Evaluation(*means, doubt=Doubt(variances=variances, outside=outside))

    async def _rate(self, dimension: str, request: RoleRequest) -> tuple[float, float, float]:
        reply = await self.caller.ask(*request)
        mean, spread, outside = expectation(reply.first_token)
        if outside > self._settings.max_outside:
            raise CallFailed(Failure.OFF_SCALE, dimension)
        return mean, spread, outside


def expectation(first_token: Sequence[tuple[str, float]] | None) -> tuple[float, float, float]:
    """Mean and variance of the rating, and the probability off the scale, from one token's alternatives.

    Tokens that differ in white space only are the same rating. Alternatives that the server did not list count as
    off the scale.

    Args:
        first_token: (token, natural log-probability).

    Returns:
        The mean over 1 to 5, its variance, and the mass outside, 0 to 1.

    Raises:
        CallFailed: no probabilities, or none of a rating.

    >>> import math
    >>> [round(x, 6) for x in expectation([("4", math.log(0.6)), (" 2", math.log(0.2)), ("Good", math.log(0.2))])]
    [3.5, 0.75, 0.2]
    """
    if not first_token:
        raise CallFailed(Failure.NO_PROBABILITIES)
    mass = dict.fromkeys(SCALE, 0.0)
    for token, logprob in first_token:
        rating = _DIGITS.get(token.strip())
        if rating is not None:
            mass[rating] += math.exp(logprob)
    total = sum(mass.values())
    if not total > 0:
        raise CallFailed(Failure.OFF_SCALE)
    mean = sum(rating * p for rating, p in mass.items()) / total
    spread = sum((rating - mean) ** 2 * p for rating, p in mass.items()) / total
    # Probabilities arrive rounded: a few parts in a million above 1 are none outside.
    return min(max(mean, 1.0), 5.0), spread, min(max(1.0 - total, 0.0), 1.0)


_FORM = "{" + ", ".join(f'"{dimension}": N' for dimension in DIMENSIONS) + "}"
_PATTERN = r"\{" + ", ".join(f'"{dimension}": [1-5]' for dimension in DIMENSIONS) + r"\}"
_SCHEMA = {
    "type": "object",
    "properties": {dimension: {"type": "integer", "enum": list(SCALE)} for dimension in DIMENSIONS},
    "required": list(DIMENSIONS),
    "additionalProperties": False,
}


class SampledJudge(ServedJudge):
    """Ratings that the model writes, all three at once; the mean where it is asked several times."""

    def requests(self, scenario: Scenario, answer: str, seed_of: str) -> list[RoleRequest]:
        """One request for each sample; they differ in their seeds."""
        prompt = self._prompt
        explained = "\n".join(f"- {key}: {prompt.dimensions[key]}" for key in DIMENSIONS)
        task = prompt.fill("rate_all", dimensions=explained, form=_FORM)
        (messages,) = self._messages(scenario, answer, [task])
        fields: dict[str, object]
        if self.caller.model.is_vllm:
            # A pattern leaves no room for blanks; a schema would let a weak model pad with them without end.
            fields = {"structured_outputs": {"regex": _PATTERN}}
        else:
            schema = {"name": "rating", "strict": True, "schema": _SCHEMA}
            fields = {"response_format": {"type": "json_schema", "json_schema": schema}}
        seeds = [request_seed(self._settings.seed, "judge", seed_of, i) for i in range(self._settings.samples)]
        return [RoleRequest(messages, seed, fields) for seed in seeds]

    async def judge(self, scenario: Scenario, answer: str, seed_of: str) -> Evaluation:
        """See :class:`Judge`."""
        samples = self._settings.samples
        drawn = await all_of([self._draw(request) for request in self.requests(scenario, answer, seed_of)])
        ratings = [ratings for ratings in drawn if not isinstance(ratings, CallFailed)]
        outside = 1.0 - len(ratings) / samples
        if not ratings or outside > self._settings.max_outside:
            raise next(failed for failed in drawn if isinstance(failed, CallFailed))
        columns = list(zip(*ratings, strict=True))
        spreads = tuple(variance(map(float, c)) for c in columns) if len(ratings) > 1 else None
        return Evaluation(*map(fmean, columns), doubt=Doubt(variances=spreads, outside=(outside,) * 3))

    async def _draw(self, request: RoleRequest) -> tuple[int, ...] | CallFailed:
        try:
            return read_ratings(await self.caller.ask(*request))
        except CallFailed as failed:
            if failed.passing:
                raise
            return failed


def read_ratings(reply: ChatReply) -> tuple[int, ...]:
    """Three ratings, each 1 to 5, from an answer that holds them and nothing else.

    Raises:
        CallFailed: the answer was cut short, or is of another form, or rates off the scale.
    """
    if not reply.finished:
        raise CallFailed(Failure.TRUNCATED)
    try:
        data = json.loads(reply.text)
    except (ValueError, RecursionError):
        raise CallFailed(Failure.UNPARSABLE) from None
    if not isinstance(data, dict) or set(data) != set(DIMENSIONS):
        raise CallFailed(Failure.UNPARSABLE)
    ratings = tuple(data[dimension] for dimension in DIMENSIONS)
    if not all(type(rating) is int and rating in SCALE for rating in ratings):
        raise CallFailed(Failure.OFF_SCALE)
    return ratings
