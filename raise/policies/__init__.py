"""What decides at run time. Nothing here needs more than numpy and safetensors."""

from .acquisition import AcquisitionPolicy, Answer, Ask, Decision, SimulatedPolicyWarning

__all__ = ["AcquisitionPolicy", "Answer", "Ask", "Decision", "SimulatedPolicyWarning"]
