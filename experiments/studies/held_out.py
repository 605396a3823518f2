"""What experiments share: scores on the draw that no search has seen, differences paired by scenario."""

from __future__ import annotations

from collections.abc import Sequence

from raise_agent.experiments.statistics import Mean, mean_interval
from raise_agent.experiments.yardsticks import score_held_out
from raise_agent.planners.runner import Runner
from raise_agent.scenario import Scenario

Scores = Sequence[float | None]
"""One per scenario, None where unscored."""


def scored(scores: Scores) -> Mean:
    """Mean over the scenarios that were scored."""
    return mean_interval([score for score in scores if score is not None])


def paired(scores: Scores, others: Scores) -> Mean:
    """Mean of the differences, over the scenarios that both have scored."""
    pairs = zip(scores, others, strict=True)
    return mean_interval([mine - other for mine, other in pairs if mine is not None and other is not None])


def unscored(scores: Scores) -> float:
    """Share of scenarios without a score."""
    return sum(score is None for score in scores) / len(scores)


def column(runner: Runner, scenarios: Sequence[Scenario], subsets: Sequence[int]) -> list[float | None]:
    """The held-out score of one subset of each scenario."""
    return [row[0] for row in score_held_out(runner, scenarios, [[subset] for subset in subsets])]
