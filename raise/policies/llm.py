"""Let a language model name the next question, with planned paths as examples (paper, section 5.3)."""

from __future__ import annotations

from dataclasses import dataclass

from raise_agent.errors import ConfigError

from .contract import Known, Ranking
from .model import Chooser, NoDecisionError, shares
from .retrieval import OnPaths, PlannedPaths, shown, votes


@dataclass(frozen=True, slots=True)
class LLMPolicy(OnPaths):
    """Asks what a model names, which is shown the paths of the ``k`` nearest queries that were planned for.

    The model can name nothing but attributes not asked yet. Where it names none, the votes of those paths decide, as
    in policy ``retrieval``, and ``because`` says under ``failed`` what was wrong; without paths, the first in table
    order is asked.

    Raises:
        ConfigError: ``k`` is below 0.
    """

    planned: PlannedPaths
    chooser: Chooser
    k: int = 5
    """How many queries (paper: 5; 3 to 10 did as well); 0 is the paper's agent without its planner."""

    def __post_init__(self) -> None:
        if self.k < 0:
            raise ConfigError(f"k must be 0 or more queries, not {self.k}")

    def rank(self, query: str, known: Known) -> Ranking:
        """The model's weights of the attributes not asked yet, summing to 1; votes where it failed."""
        near = self.planned.nearest(query, self.k)
        unasked = [key for key in self.table.keys if key not in known]
        because = {"policy": "llm", "retrieved": shown(near)}
        if not unasked:
            return Ranking({}, because=because)
        try:
            weights = self.chooser.choose(query, known, unasked, [neighbour.path for neighbour in near])
            return Ranking(shares(weights, unasked), because=because)
        except NoDecisionError as failed:
            return Ranking(votes(near, unasked), because={**because, "failed": str(failed)})
