"""What decides at run time. Nothing here needs more than numpy and safetensors."""

from .acquisition import AcquisitionPolicy, SimulatedPolicyWarning
from .decisions import Answer, Ask, Decision, Decisions

__all__ = ["AcquisitionPolicy", "Answer", "Ask", "Decision", "Decisions", "SimulatedPolicyWarning"]
