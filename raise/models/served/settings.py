"""What can be set about the roles; one class a role, checked when made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from raise_agent.errors import ConfigError, did_you_mean, refuse_below_one

JUDGE_MODES = ("expectation", "sampled")
PRIOR_MODES = ("auto", "probabilities", "ranking")


@dataclass(frozen=True, slots=True)
class RoleSettings:
    """What every role has."""

    base_url: tuple[str, ...] = ()
    """One or more servers of the same model; requests go to the least busy."""
    model: str | None = None
    """Id as the server lists it; None takes the only one that it serves."""
    revision: str | None = None
    """What to call this state of the model in the store; None takes what vLLM reports."""
    api_key_env: str | None = None
    """Environment variable that holds the key."""
    prompt: str = "default"
    """``default``, or the path of a YAML file of the same form."""
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    """Most tokens of an answer, without those of thinking."""
    thinking_tokens: int = 0
    """Most tokens that a reasoning model may think for; 0 switches its thinking off."""
    seed: int = 0
    """Every request's own seed is drawn from this one and from what is asked."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """More fields of the request, as the server knows them."""

    def check(self, role: str) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: a number is out of range.
        """
        if not 0 <= self.temperature < math.inf:
            raise ConfigError(f"llm.{role}.temperature must be 0 or more, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"llm.{role}.top_p must be above 0 and at most 1, not {self.top_p}")
        refuse_below_one(self, f"llm.{role}.", "max_tokens")
        if self.thinking_tokens < 0:
            raise ConfigError(f"llm.{role}.thinking_tokens must be 0 or more, not {self.thinking_tokens}")


@dataclass(frozen=True, slots=True)
class ResponderSettings(RoleSettings):
    """Answers with the query and what is known (paper, appendix D: temperature 0.7, top-p 0.95, 2,048 tokens)."""

    temperature: float = 0.7
    top_p: float = 0.95
    max_tokens: int = 2048


@dataclass(frozen=True, slots=True)
class JudgeSettings(RoleSettings):
    """Scores an answer with the whole profile in view."""

    mode: str = "expectation"
    """``expectation`` over the probabilities of 1 to 5 at one token, or ``sampled`` ratings."""
    samples: int = 1
    """Ratings drawn per evaluation; ``sampled`` only."""
    max_outside: float = 0.5
    """Largest share of probability, or of samples, off the scale before an evaluation is unscored; 0 to 1."""

    def check(self, role: str) -> None:
        """As the base; also the mode."""
        RoleSettings.check(self, role)
        if self.mode not in JUDGE_MODES:
            raise ConfigError(f"llm.{role}.mode {self.mode!r}: {did_you_mean(self.mode, JUDGE_MODES)}")
        refuse_below_one(self, f"llm.{role}.", "samples")
        if not 0 <= self.max_outside < 1:
            raise ConfigError(f"llm.{role}.max_outside must be a share, 0 or more and below 1, not {self.max_outside}")
        if self.mode == "expectation" and self.thinking_tokens:
            raise ConfigError(
                f"llm.{role}: the expectation is read off the first token, so the judge cannot think before it; "
                "set thinking_tokens=0, or llm/judge=sampled"
            )


@dataclass(frozen=True, slots=True)
class PriorSettings(RoleSettings):
    """Ranks the attributes that are not asked yet."""

    mode: str = "auto"
    """``probabilities`` of one token, a ``ranking`` in structured form, or ``auto``: what the server offers."""
    uniform_share: float = 0.05
    """Part of the weight spread evenly, above 0 and below 1, so that every attribute keeps a chance."""

    def check(self, role: str) -> None:
        """As the base; also the mode."""
        RoleSettings.check(self, role)
        if self.mode not in PRIOR_MODES:
            raise ConfigError(f"llm.{role}.mode {self.mode!r}: {did_you_mean(self.mode, PRIOR_MODES)}")
        if not 0 < self.uniform_share < 1:
            raise ConfigError(f"llm.{role}.uniform_share must lie between 0 and 1, not {self.uniform_share}")
        if self.thinking_tokens and self.mode != "ranking":
            raise ConfigError(f"llm.{role}: thinking needs mode=ranking; probabilities are read off the first token")


@dataclass(frozen=True, slots=True)
class AgentSettings(RoleSettings):
    """Names the next attribute and says whether enough is known (paper, section 5.3), and looks out for danger.

    Each is one letter or digit. At temperature 0 its probabilities are what the model thinks; at the paper's 0.7 one
    draw of them decides, so that the same person may be asked another question on another day.
    """

    max_tokens: int = 16


@dataclass(frozen=True, slots=True)
class WriterSettings(RoleSettings):
    """Writes profiles and queries, and reads posts, to build data with (paper, section 2); words queries anew.

    Temperature and top-p are for what it invents; where it finds something out, it is asked at temperature 0 first.
    """

    temperature: float = 0.9
    top_p: float = 0.95
    max_tokens: int = 2048
    attempts: int = 3
    """How often it is asked in all, where what it writes is of another form than asked for."""

    def check(self, role: str) -> None:
        """As the base; also the attempts."""
        RoleSettings.check(self, role)
        refuse_below_one(self, f"llm.{role}.", "attempts")
