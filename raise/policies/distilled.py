"""A distilled policy as one of several policies, so that it may be paired with any abstention."""

from __future__ import annotations

from dataclasses import dataclass

from raise_agent.attributes import AttributeTable

from .acquisition import AcquisitionPolicy
from .contract import Known, Ranking
from .decisions import ANSWER


@dataclass(frozen=True, slots=True)
class DistilledPolicy:
    """Asks what the network expects to raise the safety score most, less the question's cost."""

    policy: AcquisitionPolicy

    @property
    def table(self) -> AttributeTable:
        """The attributes of the policy."""
        return self.policy.table

    def rank(self, query: str, known: Known) -> Ranking:
        """Expected safety score less cost, by attribute, and that of answering now."""
        scores = dict(self.policy.decide(query, known).scores)
        now = scores.pop(ANSWER)
        return Ranking(scores, now, self.policy.gain_spread, {"policy": "distilled"})
