"""For algorithms that go on counting where an episode is truncated."""

from __future__ import annotations

from typing import Any, SupportsIndex

from raise_agent.errors import MissingExtraError

try:
    import gymnasium
except ModuleNotFoundError as error:
    raise MissingExtraError("the Gymnasium environment", "research") from error


class EndAtBudget(gymnasium.Wrapper[Any, SupportsIndex, Any, SupportsIndex]):
    """Reports a spent budget as termination, which it is to whoever learns: no reward can follow.

    Algorithms such as those of Stable-Baselines3 add the value that they expect beyond a truncation to the last
    reward. Here nothing lies beyond, so no state there is ever trained on, and what they add is made up.
    """

    def step(self, action: SupportsIndex) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Ask or answer; never truncated."""
        seen, reward, terminated, truncated, info = self.env.step(action)
        return seen, float(reward), terminated or truncated, False, info
