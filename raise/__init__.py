"""Decides what a language model should ask a person before it answers them.

The runtime: load an exported policy and decide. It needs numpy and safetensors, nothing else.
"""

from typing import TYPE_CHECKING, Any

from .attributes import Attribute, AttributeTable, load_table, penguin_table
from .errors import RaiseError
from .policies import AcquisitionPolicy, Answer, Ask, Decision, Decisions, SimulatedPolicyWarning
from .scenario import Disclosure, Inquiry, Profile, Scenario

if TYPE_CHECKING:
    from .agent import Agent

    __version__: str

__all__ = [
    "AcquisitionPolicy",
    "Agent",
    "Answer",
    "Ask",
    "Attribute",
    "AttributeTable",
    "Decision",
    "Decisions",
    "Disclosure",
    "Inquiry",
    "Profile",
    "RaiseError",
    "Scenario",
    "SimulatedPolicyWarning",
    "__version__",
    "load_table",
    "penguin_table",
]


def __getattr__(name: str) -> Any:
    # Deciding needs neither: reading people's words takes a quarter of a second to import, the version a twentieth.
    if name == "Agent":
        from .agent import Agent

        return Agent
    if name == "__version__":
        from importlib.metadata import version

        return version("raise-agent")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
