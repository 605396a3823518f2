"""A distilled policy in the place of the prior: a second round of planning starts from what the first one taught."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np

from raise_agent.attributes import AttributeTable
from raise_agent.errors import ConfigError
from raise_agent.policies import AcquisitionPolicy
from raise_agent.policies.acquisition import SimulatedPolicyWarning
from raise_agent.subsets import members

from .base import RankRequest, Weights
from .instant import InstantPrior

TEMPERATURE = 0.1
"""Score points by which an attribute must be expected to bring more, to weigh e times as much."""
UNIFORM_SHARE = 0.05
"""Part of the weight spread evenly, so that every attribute keeps a chance (paper, section 5.2)."""


class PolicyPrior(InstantPrior):
    """Ranks attributes by what a policy expects of asking them next.

    weight of a  ~  exp(forecast of asking a / TEMPERATURE)

    It sees what the policy sees in a conversation: the query and what was said. The paper's prior is a light
    language model; this one takes microseconds.

    Args:
        folder: of the policy.
        table: the attributes of the run.

    Raises:
        PolicyError: the folder is no sound policy.
        ConfigError: the policy is about other attributes.
    """

    in_flight = 4096

    def __init__(self, folder: str | Path, table: AttributeTable) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SimulatedPolicyWarning)
            self._policy = AcquisitionPolicy.load(folder)
        if self._policy.table.keys != table.keys:
            raise ConfigError(f"{folder}: the policy has other attributes than table {table.name!r}")
        content = b"".join((Path(folder) / name).read_bytes() for name in ("policy.json", "weights.safetensors"))
        self._digest = hashlib.blake2b(content, digest_size=16).hexdigest()

    @property
    def identity(self) -> dict[str, object]:
        """Everything that can change a weight."""
        return {"role": "prior", "policy": self._digest, "temperature": TEMPERATURE, "uniform_share": UNIFORM_SHARE}

    @property
    def simulated(self) -> bool:
        """Whether the policy was distilled from simulated scores."""
        return self._policy.simulated

    def rank(self, request: RankRequest) -> Weights:
        """Weights over the unasked attributes, all positive.

        Raises:
            ValueError: no attribute is unasked.
        """
        if not request.unasked:
            raise ValueError("no attribute is left to rank")
        scores = self._policy.decide(request.inquiry.query, dict(request.known.items())).scores
        unasked = members(request.unasked)
        forecasts = np.asarray([scores[self._policy.table.keys[index]] for index in unasked])
        shares = np.exp((forecasts - forecasts.max()) / TEMPERATURE)
        shares = UNIFORM_SHARE / len(unasked) + (1 - UNIFORM_SHARE) * shares / shares.sum()
        weights = np.zeros(len(self._policy.table))
        weights[list(unasked)] = shares
        return Weights(tuple(weights.tolist()))
