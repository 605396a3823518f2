"""The online agent's model, simulated: it knows the query and the answers so far, as a served one does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from raise_agent.attributes import AttributeTable
from raise_agent.policies.contract import Known
from raise_agent.policies.model import OPTIONS, Form
from raise_agent.policies.retrieval import path_votes
from raise_agent.scenario import Disclosure

from .simulated import SimulatedPrior

TRUST = 0.5
"""Part of a choice that the examples make, 0 to 1; the rest is the model's own guess."""
RULE = 1.0
"""Completeness from which the rule of ``basic`` has it answer: a first weighty answer, as the paper's 0.9 questions."""
ENOUGH = 4.0
"""Completeness from which it finds what is known enough (``binary``): as ``scale`` does with its default threshold."""
SHARPNESS = 4.0
"""How fast it comes round near those, per point of completeness."""


class SimulatedAgent:
    """Names the next attribute and says how much is known, simulated (``llm=simulated``).

    ``raise_agent.policies.model.Chooser`` and ``Assessor``. What it goes by is the guess of the simulated prior, which
    is wrong by ``doubt``: how much evidence each attribute is expected to carry for this query, given the answers.

    Args:
        table: the attributes.
        seed: the same as the safety model's, so that both speak of one world.
        doubt: standard deviation, in log units, of how far the guess lies from the mean user, 0 or more.
    """

    simulated = True
    in_flight = 1
    """It computes at once: conversations side by side would gain nothing."""
    warnings: tuple[str, ...] = ()

    def __init__(self, table: AttributeTable, *, seed: int = 0, doubt: float = 0.4) -> None:
        self._prior = SimulatedPrior(table, seed=seed, doubt=doubt)
        self._table = table

    @property
    def identity(self) -> Mapping[str, object]:
        """Everything that can change a decision."""
        return {**self._prior.identity, "role": "agent", "trust": TRUST}

    def choose(
        self, query: str, known: Known, unasked: Sequence[str], examples: Sequence[Sequence[str]]
    ) -> dict[str, float]:
        """Half its own guess, half what the examples would ask next, by the reciprocal of the rank."""
        guess = self._expected(query, known)
        own = {key: guess[key] for key in unasked}
        said = path_votes(((path, 1.0) for path in examples), unasked)
        own_total, said_total = sum(own.values()), sum(said.values())
        trust = TRUST if said_total else 0.0
        return {
            key: (1 - trust) * (own[key] / own_total if own_total else 1 / len(own))
            + trust * (said[key] / said_total if said_total else 0.0)
            for key in unasked
        }

    def assess(self, form: Form, query: str, known: Known, unasked: Sequence[str]) -> dict[str, float]:
        """By its completeness: what is known is expected to gain, as a share of what all that can be known would.

        completeness = 5 (1 - exp(-z(known))) / (1 - exp(-z(known and unasked))), z the sum of the evidence expected,
        as in the simulated safety score; what was declined counts for nothing, and what is unasked as much as it is
        expected to carry beside the answers.
        """
        alone, now = self._expected(query, {}), self._expected(query, known)
        told = sum(alone[key] for key, answer in known.items() if answer is not None)
        left = sum(now[key] for key in unasked)
        level = 5 * math.expm1(-told) / math.expm1(-told - left) if told + left else 5.0
        if form == "scale":
            low = min(int(level), 4)
            shares = {low: 1 - (level - low), low + 1: level - low}
            return {option: shares.get(int(option), 0.0) for option in OPTIONS["scale"]}
        stop, go_on = OPTIONS[form]
        share = 1 / (1 + math.exp(-SHARPNESS * (level - (RULE if form == "basic" else ENOUGH))))
        return {stop: share, go_on: 1 - share}

    def _expected(self, query: str, known: Known) -> dict[str, float]:
        return dict(zip(self._table.keys, self._prior.expected(query, Disclosure.of(known)), strict=True))
