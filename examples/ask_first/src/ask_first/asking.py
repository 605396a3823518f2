"""Asks, then has a model answer that is told what was said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from raise_agent import AcquisitionPolicy, Answer
from raise_agent.agent import Agent, Conversation, Question
from raise_agent.agent.urgent import urgent
from raise_agent.policies.contract import Known, Ranking, Verdict
from raise_agent.policies.distilled import DistilledPolicy

from .http_chat import Chat, Message

_PUT = "put"
"""Beside a saved conversation: the key of the question that the user was shown; None where they were answered."""


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
    messages: Sequence[Message] = field(repr=False)
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
        saved: one entry a user, plain data that holds what they said; delete it, and they begin anew, though an urgent
            message in the chat still keeps questions from it. None keeps all in memory.
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
        talk = self._hear(agent, self._saved.get(user), messages)
        turn = talk.turn
        self._saved[user] = {**talk.to_json(), _PUT: turn.attribute.key if isinstance(turn, Question) else None}
        if isinstance(turn, Question):
            return Reply("question", iter((turn.text,)))
        return Reply("help" if turn.urgent else "answer", talk.answer())

    @staticmethod
    def _hear(agent: Agent, saved: Mapping[str, Any] | None, messages: Sequence[Message]) -> Conversation:
        """The conversation with the last message taken in."""
        before, put = (None, None) if saved is None else (agent.resume(saved), saved.get(_PUT))
        if before is None or not before.to_json()["since_urgent"]:
            for text in _since_urgent(messages[:-1]):
                before, put = agent.start(text, after=before), None
        new = messages[-1]["content"]
        # With another policy or budget, a conversation read back may ask what nobody was shown.
        if before is not None and isinstance(before.turn, Question) and before.turn.attribute.key == put:
            before.reply(new)
            return before
        return agent.start(new, after=before)


def _since_urgent(messages: Sequence[Message]) -> list[str]:
    """What the user wrote from the first urgent message on; empty where none is."""
    said = [_text(message.get("content")) for message in messages if message.get("role") == "user"]
    first = next((place for place, text in enumerate(said) if urgent(text) is not None), len(said))
    return said[first:]


def _text(content: Any) -> str:
    """The text of a message, which may come in parts, images among them."""
    parts = content if isinstance(content, list) else [{"text": content}]
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return "\n".join(text for text in texts if isinstance(text, str))
