"""Asks, then has a model answer that is told what was said."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from raise_agent import AcquisitionPolicy, Answer
from raise_agent.agent import Agent, Question
from raise_agent.policies.contract import Known, Ranking, Verdict
from raise_agent.policies.distilled import DistilledPolicy

from .http_chat import Chat, Message


@dataclass(frozen=True, slots=True)
class Reply:
    """To be shown to the user."""

    kind: Literal["question", "answer", "help"]
    """Ours, the model's, or where to find help at once."""
    text: Iterator[str]
    """Piece by piece."""


@dataclass(frozen=True, slots=True)
class AsExported:
    """Stops where the policy was made to stop, at its budget or before."""

    policy: AcquisitionPolicy

    def judge(self, query: str, known: Known, asked: int, ranking: Ranking) -> Verdict:
        """Enough where the policy answers."""
        decision = self.policy.decide(query, known)
        enough = isinstance(decision, Answer)
        return Verdict(enough, "the policy answers" if enough else "the policy asks")


@dataclass(frozen=True, slots=True)
class Informed:
    """Has the model answer the last of some messages, knowing what was told."""

    chat: Chat
    messages: Sequence[Message]
    names: dict[str, str]
    """Attribute key -> name."""

    def respond(self, query: str, known: Known) -> Iterator[str]:
        """The model's answer. What is known is put into the user's message: no system message may hold their words."""
        told = [f"- {self.names[key]}: {json.dumps(value)}" for key, value in known.items() if value is not None]
        withheld = ", ".join(self.names[key] for key, value in known.items() if value is None)
        notes = ["", "About me, to be considered in your answer:", *told] if told else []
        notes += ["", f"I would rather not say: {withheld}."] if withheld else []
        *before, last = self.messages
        return self.chat([*before, {**last, "content": "\n".join([last["content"], *notes])}])


class AskFirst:
    """A chat with a policy before it, for any number of users.

    Args:
        policy: says what to ask, and when to answer.
        chat: answers.
        saved: one entry a user, plain data that holds what they said; delete it, and they begin anew. None keeps all
            in memory.
    """

    def __init__(self, policy: AcquisitionPolicy, chat: Chat, saved: MutableMapping[str, Any] | None = None) -> None:
        self._policy, self._chat = policy, chat
        self._saved = {} if saved is None else saved

    def complete(self, user: str, messages: Sequence[Message]) -> Reply:
        """A question for the user, or the answer to them; to be called once for each message of theirs.

        Args:
            user: who talks; what they told before is known, and counts towards the policy's budget.
            messages: the chat so far, our questions included; the last one is new, and the user's.

        Raises:
            ValueError: the last message is not the user's, or not text.
        """
        if not messages or messages[-1]["role"] != "user" or not isinstance(messages[-1]["content"], str):
            raise ValueError("the last message must be the user's, as text")
        names = {attribute.key: attribute.name for attribute in self._policy.table}
        model = Informed(self._chat, messages, names)
        agent = Agent(DistilledPolicy(self._policy), AsExported(self._policy), model)
        before = agent.resume(self._saved[user]) if user in self._saved else None
        if before is not None and isinstance(before.turn, Question):
            talk = before
            talk.reply(messages[-1]["content"])
        else:
            talk = agent.start(messages[-1]["content"], after=before)
        self._saved[user] = talk.to_json()
        if isinstance(talk.turn, Question):
            return Reply("question", iter((talk.turn.text,)))
        return Reply("help" if talk.turn.urgent else "answer", talk.answer())
