"""A distilled policy as one of several policies, so that it may be paired with any abstention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raise_agent.attributes import AttributeTable

from .acquisition import AcquisitionPolicy
from .contract import Known, Ranking
from .decisions import ANSWER


@dataclass(frozen=True, slots=True)
class DistilledPolicy:
    """Asks what the network expects to raise the safety score most, less the question's cost."""

    policy: AcquisitionPolicy
    adaptive: bool = True
    """Whether answers change what is asked next; without, the whole order is fixed by the query."""

    @property
    def table(self) -> AttributeTable:
        """The attributes of the policy."""
        return self.policy.table

    def rank(self, query: str, known: Known) -> Ranking:
        """Expected safety score less cost, by attribute, and that of answering now."""
        scores = dict(self.policy.decide(query, known).scores) if self.adaptive else self._ahead(query, known)
        now = scores.pop(ANSWER)
        best = max(scores, key=lambda key: scores[key], default=None)
        gain = 0.0 if best is None else scores[best] + self.table[self.table.index(best)].cost - now
        return Ranking(scores, now, self.policy.spread(gain), {"policy": "distilled"})

    def _ahead(self, query: str, known: Known) -> dict[str, float]:
        """The same before any answer is heard: what was asked counts with what it was expected to bring."""
        forecast = self.policy.network.forward(**self.policy.inputs(query))
        gains, factors = forecast.gains[0], forecast.factors[0]
        asked = np.isin(self.table.keys, list(known))
        total = factors[asked].sum(axis=0)
        overlaps = factors @ total
        now = forecast.now[0] + gains[asked].sum() - (overlaps[asked].sum() - np.square(factors[asked]).sum()) / 2
        scores = {ANSWER: float(now)}
        for index in np.flatnonzero(~asked).tolist():
            scores[self.table.keys[index]] = float(now + gains[index] - overlaps[index] - self.table[index].cost)
        return scores
