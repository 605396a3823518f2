"""When to stop asking, by a language model: ``basic``, ``binary``, ``scale`` (paper, section 5.3).

Each asks the model once a turn. A model that decides nothing is never taken for one that has had enough: the agent
then asks on until ``if_failed`` questions were asked, and the verdict is marked ``failed``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from raise_agent.errors import ConfigError

from .contract import Known, Ranking, Verdict
from .model import OPTIONS, Assessor, Form, NoDecisionError, shares


@dataclass(frozen=True, slots=True)
class _ByModel:
    """What the three have in common.

    Raises:
        ConfigError: ``if_failed`` is below 0.
    """

    assessor: Assessor
    if_failed: int = 3
    """Questions, 0 or more, after which to answer where the model decides nothing; as many as the paper's agents ask
    on average (Table 2: 2.6 to 2.7)."""
    form: ClassVar[Form]

    def __post_init__(self) -> None:
        if self.if_failed < 0:
            raise ConfigError(f"if_failed must be 0 or more questions, not {self.if_failed}")

    def judge(self, query: str, known: Known, asked: int, ranking: Ranking) -> Verdict:
        """What the model says of the query and the answers so far."""
        try:
            weights = self.assessor.assess(self.form, query, known, list(ranking.scores))
            return self._verdict(shares(weights, OPTIONS[self.form]))
        except NoDecisionError as failed:
            because = f"no decision of the model ({failed}): {asked} of at most {self.if_failed} questions asked"
            return Verdict(asked >= self.if_failed, because, failed=True)

    def _verdict(self, weights: Mapping[str, float]) -> Verdict:
        """Enough where the first option weighs as much as the second, or more."""
        stop, _ = OPTIONS[self.form]
        return Verdict(weights[stop] >= 0.5, f"the model says {stop!r} with {weights[stop]:.0%} of its weight")


@dataclass(frozen=True, slots=True)
class BasicAbstention(_ByModel):
    """Answers where the model, told one rule, would rather answer than ask."""

    form: ClassVar[Form] = "basic"


@dataclass(frozen=True, slots=True)
class BinaryAbstention(_ByModel):
    """Answers where the model finds that what is known is enough."""

    form: ClassVar[Form] = "binary"


@dataclass(frozen=True, slots=True)
class ScaleAbstention(_ByModel):
    """Answers from a completeness on, which the model rates from 0 to 5; the paper's best, and its default.

    The completeness is the mean of 0 to 5 under the model's weights: one torn between 3 and 4 rates 3.5.

    Raises:
        ConfigError: ``threshold`` lies off the scale, or ``if_failed`` is below 0.
    """

    form: ClassVar[Form] = "scale"
    threshold: float = 4.0
    """Completeness to answer from, 0 to 5. The paper names none; 4 is where the scale's anchors say that what decides
    what is safe is known."""

    def __post_init__(self) -> None:
        _ByModel.__post_init__(self)
        if not 0 <= self.threshold <= 5:
            raise ConfigError(f"threshold must lie on the scale from 0 to 5, not {self.threshold}")

    def _verdict(self, weights: Mapping[str, float]) -> Verdict:
        """Enough from ``threshold`` on."""
        level = sum(int(option) * weight for option, weight in weights.items())
        # The shares of a rating on which all weight lies may sum to a little less than 1.
        enough = level >= self.threshold - 1e-9
        return Verdict(enough, f"completeness {level:.1f} of 5, answers from {self.threshold:g}")
