"""The online agent's model: what to ask next, whether enough is known, what is urgent (paper, section 5.3).

Each decision is one letter or digit. On vLLM the server can give no other, and at temperature 0 the weights are the
model's own probabilities; elsewhere, and where one draw is to decide, the reply is read strictly and has all the
weight.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from raise_agent.agent.urgent import Urgent
from raise_agent.attributes import AttributeTable
from raise_agent.policies.contract import Known
from raise_agent.policies.model import OPTIONS, Form

from .caller import Caller, request_seed
from .failures import CallFailed, Failure
from .prior import LABELS, LEAST_MASS, mass_on
from .wire import TOP, ChatReply, RoleRequest, message

SIGNS: Mapping[Form, tuple[str, ...]] = MappingProxyType(
    {"basic": ("A", "Q"), "binary": ("Y", "N"), "scale": OPTIONS["scale"]}
)
"""What the model writes for each of ``OPTIONS``."""
SELF, OTHERS, NOBODY = "S", "O", "N"
_BARE = re.compile(r"\W*(\w)\W*")
"""One letter or digit, in whatever quotes or marks."""


class ServedAgent:
    """Decides by a model's letters.

    Args:
        caller: the model, its sampling and its prompt.
        table: the attributes.
    """

    def __init__(self, caller: Caller, table: AttributeTable) -> None:
        self._caller = caller
        self._table = table
        listed = "\n".join(f"{label} - {a.name}: {a.question}" for label, a in zip(LABELS, table, strict=False))
        self._system = caller.prompt.fill("system", attributes=listed)
        own = caller.settings
        self._weighs = caller.model.is_vllm and own.temperature == 0 and not own.thinking_tokens

    @property
    def identity(self) -> dict[str, object]:
        """Everything that can change a decision."""
        return {
            "role": "agent",
            "attributes": [[a.key, a.name, a.question] for a in self._table],
            **self._caller.identity(self._caller.settings.max_tokens),
        }

    # --- what the model is sent ---------------------------------------------------------------------------------------

    def choice(
        self, query: str, known: Known, unasked: Sequence[str], examples: Sequence[Sequence[str]]
    ) -> RoleRequest:
        """What it is sent to name the next attribute; see :meth:`choose`."""
        prompt, paths = self._caller.prompt, [" > ".join(map(self._name, path)) for path in examples]
        text = self._case(query, known, unasked)
        if paths:
            text += "\n" + prompt.fill("examples", paths="\n".join(f"{n}. {path}" for n, path in enumerate(paths, 1)))
        text += "\n" + prompt.fill("choose")
        return self._request([message("system", self._system), message("user", text)], self._labels(unasked))

    def assessment(self, form: Form, query: str, known: Known, unasked: Sequence[str]) -> RoleRequest:
        """What it is sent to say whether enough is known; see :meth:`assess`."""
        text = f"{self._case(query, known, unasked)}\n{self._caller.prompt.fill(form)}"
        return self._request([message("system", self._system), message("user", text)], SIGNS[form])

    def look_out(self, said: str, asked: str | None = None) -> RoleRequest:
        """What it is sent to say whether a message is urgent; see :meth:`watch`."""
        prompt = self._caller.prompt
        text = prompt.fill("watch", message=_quoted(said))
        if asked is not None:
            text = prompt.fill("asked", question=_quoted(asked)) + "\n\n" + text
        messages = [message("system", prompt.fill("watch_system")), message("user", text)]
        return self._request(messages, (SELF, OTHERS, NOBODY))

    def _case(self, query: str, known: Known, unasked: Sequence[str]) -> str:
        prompt = self._caller.prompt
        declined = prompt.fill("declined")
        # In table order, so that the same answers are the same case in whatever order they came.
        told = [key for key in self._table.keys if key in known]
        said = [f"- {self._name(key)}: {_said(known[key], declined)}" for key in told]
        left = [f"{label} - {self._name(key)}" for label, key in zip(self._labels(unasked), unasked, strict=True)]
        return prompt.fill(
            "case", query=_quoted(query), known="\n".join(said) or prompt.fill("nothing"), unasked="\n".join(left)
        )

    def _request(self, messages: list[dict[str, str]], signs: Sequence[str]) -> RoleRequest:
        fields: dict[str, object] = {}
        if self._caller.model.is_vllm:
            fields["structured_outputs"] = {"choice": list(signs)}
        if self._weighs:
            fields |= {"logprobs": True, "top_logprobs": TOP}
        seed = request_seed(self._caller.settings.seed, "agent", messages[-1]["content"])
        return RoleRequest(messages, seed, fields)

    # --- what it decides ----------------------------------------------------------------------------------------------

    async def choose(
        self, query: str, known: Known, unasked: Sequence[str], examples: Sequence[Sequence[str]]
    ) -> dict[str, float]:
        """Weights over the unasked attributes; arguments as of ``raise_agent.policies.model.Chooser``.

        Raises:
            CallFailed: it names none of them.
        """
        signs = self._labels(unasked)
        reply = await self._caller.ask(*self.choice(query, known, unasked, examples))
        return dict(zip(unasked, self._read(reply, signs), strict=True))

    async def assess(self, form: Form, query: str, known: Known, unasked: Sequence[str]) -> dict[str, float]:
        """Weights over ``OPTIONS[form]``; arguments as of ``raise_agent.policies.model.Assessor``.

        Raises:
            CallFailed: it gives none of them.
        """
        reply = await self._caller.ask(*self.assessment(form, query, known, unasked))
        return dict(zip(OPTIONS[form], self._read(reply, SIGNS[form]), strict=True))

    async def watch(self, said: str, asked: str | None = None) -> Urgent | None:
        """Whether a message speaks of acting on self-harm, or of harming someone now.

        It does where the two weigh as much together as neither: in doubt it alarms.

        Args:
            said: the message.
            asked: the question that it replies to.

        Raises:
            CallFailed: it says nothing of the kind.
        """
        reply = await self._caller.ask(*self.look_out(said, asked))
        to_self, to_others, _ = self._read(reply, (SELF, OTHERS, NOBODY))
        if to_self + to_others < 0.5:
            return None
        return Urgent("harm_to_self", "intent") if to_self >= to_others else Urgent("harm_to_others", "others")

    def _read(self, reply: ChatReply, signs: Sequence[str]) -> list[float]:
        """A weight for each sign, summing to 1."""
        mass = mass_on(reply.first_token or (), signs) if self._weighs else []
        if sum(mass) >= LEAST_MASS:
            return [one / sum(mass) for one in mass]
        found = _BARE.fullmatch(reply.text)
        if found is None or found[1] not in signs:
            raise CallFailed(Failure.UNPARSABLE if reply.text else Failure.EMPTY)
        return [float(sign == found[1]) for sign in signs]

    def _labels(self, keys: Sequence[str]) -> list[str]:
        return [LABELS[self._table.index(key)] for key in keys]

    def _name(self, key: str) -> str:
        return self._table[self._table.index(key)].name


def _quoted(text: str) -> str:
    """On one line and in quotes, so that what a person wrote cannot pass for a part of the prompt."""
    return json.dumps(text, ensure_ascii=False)


def _said(answer: str | None, declined: str) -> str:
    return declined if answer is None else _quoted(answer)
