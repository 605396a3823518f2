"""Acquisition as a decision process: the dynamics, and the Gymnasium environment over them.

Importing this package registers ``raise_agent/AttributeAcquisition-v0`` where Gymnasium is installed. The
dynamics need no Gymnasium.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .acquisition import AttributeAcquisitionEnv, simulated_score

__all__ = ["ENV_ID", "AttributeAcquisitionEnv", "simulated_score"]

ENV_ID = "raise_agent/AttributeAcquisition-v0"


if not TYPE_CHECKING:  # a type checker takes a module's __getattr__ for leave to use any name

    def __getattr__(name: str) -> Any:
        if name in ("AttributeAcquisitionEnv", "simulated_score"):
            from . import acquisition

            return getattr(acquisition, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _register() -> None:
    from gymnasium.envs.registration import register, registry

    if ENV_ID not in registry:
        register(ENV_ID, entry_point=f"{__name__}.acquisition:AttributeAcquisitionEnv")


if find_spec("gymnasium") is not None:
    _register()
