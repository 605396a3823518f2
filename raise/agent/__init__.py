"""What runs beside a person: the parts that meet their words before and after the policy decides."""

from .conversation import Agent, Conversation, Question, Ready, Responder, Turn, Why

__all__ = ["Agent", "Conversation", "Question", "Ready", "Responder", "Turn", "Why"]
