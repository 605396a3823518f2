"""Decides what a language model should ask a person before it answers them.

The runtime: load an exported policy and decide. It needs numpy and safetensors, nothing else.
"""

from importlib.metadata import version

from .attributes import Attribute, AttributeTable, load_table, penguin_table
from .errors import RaiseError
from .policies import AcquisitionPolicy, Answer, Ask, Decision, SimulatedPolicyWarning
from .scenario import Disclosure, Inquiry, Profile, Scenario

__version__ = version("raise-agent")

__all__ = [
    "AcquisitionPolicy",
    "Answer",
    "Ask",
    "Attribute",
    "AttributeTable",
    "Decision",
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
