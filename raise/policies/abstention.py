"""When to stop asking, without a model: ``never``, ``budget``, ``value``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from raise_agent.errors import ConfigError

from .contract import Abstention, Known, Policy, Ranking, Verdict
from .decisions import DIGITS, chance_of_no_gain, floor_of


@dataclass(frozen=True, slots=True)
class NeverAbstention:
    """Asks until nothing is left to ask."""

    def judge(self, query: str, known: Known, asked: int, ranking: Ranking) -> Verdict:
        """Not enough."""
        return Verdict(False, "asks for everything")


@dataclass(frozen=True, slots=True)
class BudgetAbstention:
    """Answers after so many questions, declined ones counted.

    Raises:
        ConfigError: the number is below 0.
    """

    questions: int = 3

    def __post_init__(self) -> None:
        if self.questions < 0:
            raise ConfigError(f"questions must be 0 or more, not {self.questions}")

    def judge(self, query: str, known: Known, asked: int, ranking: Ranking) -> Verdict:
        """Enough once that many questions were asked."""
        return Verdict(asked >= self.questions, f"{asked} of at most {self.questions} questions asked")


@dataclass(frozen=True, slots=True)
class LimitedAbstention:
    """Another abstention, within a number of questions, declined ones counted.

    Raises:
        ConfigError: the number is below 0.
    """

    abstention: Abstention
    questions: int

    def __post_init__(self) -> None:
        BudgetAbstention(self.questions)

    def judge(self, query: str, known: Known, asked: int, ranking: Ranking) -> Verdict:
        """Enough once that many questions were asked, or earlier, where the other says so."""
        if asked >= self.questions:
            return BudgetAbstention(self.questions).judge(query, known, asked, ranking)
        return self.abstention.judge(query, known, asked, ranking)


@dataclass(frozen=True, slots=True)
class ValueAbstention:
    """Answers when no question is expected to pay.

    Raises:
        ConfigError: ``min_gain`` is not finite.
    """

    min_gain: float = 0.0
    """What the best question must be expected to add beyond its cost, in score points, to be asked."""
    by: Policy | None = None
    """Who expects it: a policy that knows what answering now is worth; None: the one that asks."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.min_gain):
            raise ConfigError(f"min_gain must be a finite number of score points, not {self.min_gain}")

    def judge(self, query: str, known: Known, asked: int, ranking: Ranking) -> Verdict:
        """Enough where the best question is expected to add ``min_gain`` or less, as an exported policy decides it.

        Raises:
            ConfigError: the policy does not know what answering now is worth.
        """
        if self.by is not None:
            ranking = self.by.rank(query, known)
        if ranking.now is None:
            raise ConfigError(
                "abstention 'value' needs a policy that knows what answering now is worth: let it go by 'distilled'"
            )
        # Some rankings are not rounded as the policy's own decisions are.
        best, floor = round(max(ranking.scores.values()), DIGITS), floor_of(ranking.now, self.min_gain)
        enough = best <= floor
        confidence = None
        if ranking.spread:
            below = chance_of_no_gain(best, floor, ranking.spread)
            confidence = below if enough else 1 - below
        gain = best - ranking.now
        whose = "" if self.by is None else " by the distilled policy"
        return Verdict(enough, f"the best question is expected{whose} to add {gain:+.3f} points", confidence)
