"""The prior: which of the attributes not asked yet is most worth asking for (paper, Algorithm 1).

One call gives weights over all of them. Each attribute of the table has a letter; where the server reports token
probabilities, the weights are those of the letters as the next token. Elsewhere the model writes a ranking in a fixed
form, and weights fall with the reciprocal of the rank. Either way a small part is spread evenly: a search that
follows the prior still comes to every attribute in the end, as its convergence needs.
"""

from __future__ import annotations

import json
import math
import string
from collections.abc import Sequence
from typing import Any

from raise_agent.attributes import AttributeTable
from raise_agent.models.base import RankRequest, Weights
from raise_agent.subsets import members

from .caller import Caller, request_seed
from .failures import CallFailed, Failure
from .settings import PriorSettings
from .wire import TOP, ChatReply, RoleRequest, message

LABELS = string.ascii_uppercase + string.ascii_lowercase + string.digits
"""One token each, and as many as a table may have attributes."""
LEAST_MASS = 0.05
"""Probability that must lie on the letters asked about; below this the model has not answered the question."""


class ServedPrior:
    """Ranks attributes by a model's own probabilities, or by a ranking it writes.

    Args:
        caller: the model, its sampling and its prompt.
        settings: of the role.
        mode: ``probabilities`` or ``ranking``.
        table: the attributes.
    """

    def __init__(self, caller: Caller, settings: PriorSettings, mode: str, table: AttributeTable) -> None:
        self._caller = caller
        self._uniform = settings.uniform_share
        self._mode = mode
        self._table = table
        listed = "\n".join(f"{label} - {a.name}: {a.question}" for label, a in zip(LABELS, table, strict=False))
        self._system = caller.prompt.fill("system", attributes=listed)

    @property
    def mode(self) -> str:
        """``probabilities`` or ``ranking``."""
        return self._mode

    @property
    def identity(self) -> dict[str, object]:
        """Everything that can change a weight."""
        return {
            "role": "prior",
            "mode": self._mode,
            "uniform_share": self._uniform,
            "attributes": [[a.key, a.name, a.question] for a in self._table],
            **self._caller.identity(1 if self._mode == "probabilities" else self._caller.settings.max_tokens),
        }

    def messages(self, request: RankRequest) -> list[dict[str, str]]:
        """What the model is shown."""
        prompt = self._caller.prompt
        names = {a.key: a.name for a in self._table}
        declined = prompt.fill("declined")
        said = [f"- {names[key]}: {declined if a is None else a}" for key, a in request.known.items()]
        case = prompt.fill(
            "case",
            domain=request.inquiry.domain,
            query=request.inquiry.query,
            known="\n".join(said) or prompt.fill("nothing"),
            unasked="\n".join(f"{LABELS[i]} - {self._table[i].name}" for i in members(request.unasked)),
        )
        task = prompt.fill("choose" if self._mode == "probabilities" else "rank")
        return [message("system", self._system), message("user", f"{case}\n{task}")]

    def request(self, request: RankRequest, seed_of: str) -> RoleRequest:
        """What the model is asked for one ranking; see :meth:`rank`."""
        fields: dict[str, object] = {"max_tokens": 1, "logprobs": True, "top_logprobs": TOP}
        if self._mode == "ranking":
            fields = self._form([LABELS[index] for index in members(request.unasked)])
        seed = request_seed(self._caller.settings.seed, "prior", seed_of)
        return RoleRequest(self.messages(request), seed, fields)

    async def rank(self, request: RankRequest, seed_of: str) -> Weights:
        """Weights over the unasked attributes, all positive.

        Raises:
            CallFailed: no weights can be read.
        """
        unasked = members(request.unasked)
        reply = await self._caller.ask(*self.request(request, seed_of))
        if self._mode == "probabilities":
            shares = label_shares(reply.first_token, unasked)
        else:
            shares = reciprocal_ranks(read_ranking(reply, unasked), unasked)
        floor = self._uniform / len(unasked)
        weights = [0.0] * len(self._table)
        for index, share in zip(unasked, shares, strict=True):
            weights[index] = floor + (1.0 - self._uniform) * share
        return Weights(tuple(weights))

    def _form(self, labels: Sequence[str]) -> dict[str, Any]:
        """What holds the model to the form and to the letters it is asked about, and bounds it."""
        if self._caller.model.is_vllm:
            label = f'"[{"".join(labels)}]"'
            pattern = r'\{"ranking": \[' + ", ".join([label] * len(labels)) + r"\]\}"
            return {"structured_outputs": {"regex": pattern}}
        items = {"type": "string", "enum": list(labels)}
        schema = {
            "type": "object",
            "properties": {"ranking": {"type": "array", "items": items}},
            "required": ["ranking"],
            "additionalProperties": False,
        }
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "ranking", "schema": schema}}}


def label_shares(first_token: Sequence[tuple[str, float]] | None, unasked: Sequence[int]) -> list[float]:
    """Shares of the unasked attributes, summing to 1, from one token's alternatives.

    Args:
        first_token: (token, natural log-probability).
        unasked: attribute indices.

    Raises:
        CallFailed: no probabilities, or next to none on the letters asked about.
    """
    mass = label_mass(first_token, unasked)
    total = sum(mass)
    if total < LEAST_MASS:
        raise CallFailed(Failure.OFF_SCALE)
    return [one / total for one in mass]


def label_mass(first_token: Sequence[tuple[str, float]] | None, unasked: Sequence[int]) -> list[float]:
    """Probabilities of the letters of the unasked attributes, from one token's alternatives.

    Args:
        first_token: (token, natural log-probability).
        unasked: attribute indices.

    Raises:
        CallFailed: no probabilities.
    """
    if not first_token:
        raise CallFailed(Failure.NO_PROBABILITIES)
    return mass_on(first_token, [LABELS[index] for index in unasked])


def mass_on(first_token: Sequence[tuple[str, float]], signs: Sequence[str]) -> list[float]:
    """Probability of each sign, from one token's alternatives as (token, natural log-probability)."""
    mass = dict.fromkeys(signs, 0.0)
    for token, logprob in first_token:
        sign = token.strip()
        if sign in mass:
            mass[sign] += math.exp(logprob)
    return list(mass.values())


def read_ranking(reply: ChatReply, unasked: Sequence[int]) -> list[int]:
    """Attribute indices in the order that the model wrote, each once; letters it was not asked about are passed over.

    Raises:
        CallFailed: the answer was cut short, or is of another form, or ranks none of them.
    """
    if not reply.finished:
        raise CallFailed(Failure.TRUNCATED)
    try:
        ranking = json.loads(reply.text)["ranking"]
        ranked = [LABELS.index(label) for label in dict.fromkeys(ranking) if label in {LABELS[i] for i in unasked}]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CallFailed(Failure.UNPARSABLE) from None
    if not ranked:
        raise CallFailed(Failure.UNPARSABLE, "ranks nothing it was asked about")
    return ranked


def reciprocal_ranks(ranked: Sequence[int], unasked: Sequence[int]) -> list[float]:
    """Shares that fall with the reciprocal of the rank, summing to 1; what is not ranked shares the places behind.

    >>> [round(share, 4) for share in reciprocal_ranks([7], [2, 7])]
    [0.3333, 0.6667]
    """
    rest = [index for index in unasked if index not in ranked]
    behind = sum(1.0 / place for place in range(len(ranked) + 1, len(unasked) + 1)) / len(rest) if rest else 0.0
    weight = {index: 1.0 / place for place, index in enumerate(ranked, start=1)}
    total = sum(weight.values()) + behind * len(rest)
    return [weight.get(index, behind) / total for index in unasked]
