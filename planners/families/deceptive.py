"""Attributes that count only together, beside others that look good alone: a trap for forward selection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raise_agent.errors import ConfigError
from raise_agent.subsets import known_in

from .contract import Instance, Subsets, Values
from .registry import register_family
from .scaling import scaled_instances


@dataclass(frozen=True, slots=True)
class _Trap:
    effects: npt.NDArray[np.float64]
    """(n,): what each attribute adds by itself."""
    groups: npt.NDArray[np.int64]
    """(g,): subsets that count together."""
    rewards: npt.NDArray[np.float64]
    """(g,): what each adds once it is whole."""

    def __call__(self, subsets: Subsets) -> npt.NDArray[np.float64]:
        whole = (subsets[:, None] & self.groups) == self.groups
        together = np.asarray(whole @ self.rewards, dtype=np.float64)
        return known_in(subsets, len(self.effects)) @ self.effects + together


@register_family("deceptive")
@dataclass(frozen=True, slots=True)
class DeceptiveFamily:
    """Complements beside decoys.

        v(S) = nothing + sum_{i in S} e_i + sum_k r_k [group k in S]

    The attributes fall into floor(budget / group) groups of ``group`` members and decoys. A member alone brings
    nothing or harms (e_i uniform in -0.2..0), a decoy alone helps (uniform in 0.6..1.4 times ``decoy``), a whole group
    brings far more (r_k uniform in 1.6..2.4). Which attribute is what is drawn at random. Forward selection takes
    decoys; the best subset is of whole groups, and only subsets that hold one by chance, or a deliberate search
    for pairs, tell of it.
    """

    group: int = 2
    """Members of a group, 2 or more; of 3 and more they are about as hard to find as a needle."""
    decoy: float = 0.25
    """What a decoy brings alone, above 0 and at most 0.5; a whole pair brings 2 on average."""

    def __post_init__(self) -> None:
        if self.group < 2:
            raise ConfigError(f"group must be 2 or more, not {self.group}")
        if not 0 < self.decoy <= 0.5:
            raise ConfigError(f"decoy must be above 0 and at most 0.5, not {self.decoy}")

    def instances(self, n_attributes: int, budget: int, count: int, seed: int) -> list[Instance]:
        """Draw instances; a group must fit into the budget, with two decoys or more beside the groups.

        Raises:
            ConfigError: the budget or the number of attributes is too small.
        """
        if budget < self.group:
            raise ConfigError(f"family 'deceptive': budget must be {self.group} or more (group), not {budget}")
        least = budget // self.group * self.group + 2
        if n_attributes < least:
            raise ConfigError(
                f"family 'deceptive': n_attributes must be {least} or more for budget {budget}, not {n_attributes}"
            )
        return scaled_instances(self, "deceptive", n_attributes, budget, count, seed)

    def draw(self, n_attributes: int, budget: int, rng: np.random.Generator) -> Values:
        """One function, on its own scale."""
        groups = rng.permutation(n_attributes)[: budget // self.group * self.group].reshape(-1, self.group)
        effects = self.decoy * rng.uniform(0.6, 1.4, n_attributes)
        effects[groups] = rng.uniform(-0.2, 0.0, groups.shape)
        masks = np.bitwise_or.reduce(np.int64(1) << groups.astype(np.int64), axis=1)
        return _Trap(effects, masks, rng.uniform(1.6, 2.4, len(groups)))
