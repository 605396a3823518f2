"""The responder: answers a person with their query and what they have said, and nothing else."""

from __future__ import annotations

from raise_agent.attributes import AttributeTable
from raise_agent.scenario import Disclosure, Inquiry

from .caller import Caller, request_seed
from .failures import CallFailed, Failure
from .wire import ChatReply, RoleRequest, message


class Responder:
    """Answers with the query and what is known (paper, section 3).

    Args:
        caller: the model, its sampling and its prompt.
        table: names the attributes.
    """

    def __init__(self, caller: Caller, table: AttributeTable) -> None:
        self._caller = caller
        self._names = {attribute.key: attribute.name for attribute in table}

    @property
    def identity(self) -> dict[str, object]:
        """Everything that can change an answer."""
        most = self._caller.settings.max_tokens
        # The store names attributes by their places, and the prompt by these names.
        return {"role": "responder", "attributes": list(self._names.items()), **self._caller.identity(most)}

    def messages(self, inquiry: Inquiry, known: Disclosure) -> list[dict[str, str]]:
        """What the model is shown: what all share, then the query, then what has been said."""
        prompt = self._caller.prompt
        text = prompt.fill("question", query=inquiry.query)
        if known.keys:
            declined = prompt.fill("declined")
            said = "\n".join(f"- {self._names[key]}: {declined if a is None else a}" for key, a in known.items())
            text += "\n" + prompt.fill("background", known=said)
        return [message("system", prompt.fill("system")), message("user", text)]

    def request(self, inquiry: Inquiry, known: Disclosure, seed_of: str) -> RoleRequest:
        """What the model is asked for one answer; see :meth:`respond`."""
        return RoleRequest(
            self.messages(inquiry, known), request_seed(self._caller.settings.seed, "responder", seed_of), {}
        )

    async def respond(self, inquiry: Inquiry, known: Disclosure, seed_of: str) -> ChatReply:
        """An answer.

        Args:
            inquiry: the query.
            known: what the person has said.
            seed_of: what the request's seed is drawn from, beside the role's.

        Raises:
            CallFailed: there is none, or it is empty.
        """
        reply = await self._caller.ask(*self.request(inquiry, known, seed_of))
        if not reply.text:
            raise CallFailed(Failure.EMPTY)
        return reply
