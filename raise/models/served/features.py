"""What one server can do, tried out with small made-up requests; one function a feature, each a finding."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from raise_agent.errors import ModelError

from .client import Client
from .endpoints import Endpoint, Route
from .failures import CallFailed, Failure
from .wire import TOP, ChatReply, message, read_object, render


class State(Enum):
    """What a finding comes to."""

    FINE = "fine"
    LIMITED = "limited"
    """Missing or weak, but nothing that is set needs it."""
    MISSING = "missing"
    """A role as it is set does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report; no text holds a key, or anything a person said."""

    feature: str
    state: State
    found: str
    """In a few words."""
    note: str = ""
    advice: str = ""
    """What to set or start otherwise; empty where there is nothing to do."""
    value: bool | int | float | str | None = None
    """What was measured, for programs."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Puts small questions to one model at one server; a model that thinks is told not to, as far as it listens."""

    client: Client
    route: Route
    """Of this one server."""
    model: str
    is_vllm: bool

    @property
    def endpoint(self) -> Endpoint:
        """The server."""
        return self.route.endpoints[0]

    @property
    def root(self) -> str:
        """The server's address without the ``/v1`` of its OpenAI form."""
        return self.endpoint.url.removesuffix("/v1")

    async def ask(
        self, messages: Sequence[dict[str, str]], max_tokens: int, *, quiet: bool = True, **fields: object
    ) -> ChatReply | CallFailed:
        """An answer, or why there is none.

        Args:
            messages: what is asked.
            max_tokens: of the answer.
            quiet: switch thinking off, where the server is vLLM.
            fields: more of the request.

        Raises:
            ModelError: the server is gone.
        """
        body: dict[str, object] = {"model": self.model, "messages": messages, "temperature": 0, **fields}
        if quiet and self.is_vllm:
            body["chat_template_kwargs"] = {"enable_thinking": False, "thinking": False}
        try:
            return await self.client.chat(self.route, render({**body, "max_tokens": max_tokens}))
        except CallFailed as failed:
            return failed

    async def say(self, text: str, max_tokens: int, *, quiet: bool = True, **fields: object) -> ChatReply | CallFailed:
        """As :meth:`ask`, with one message."""
        return await self.ask([message("user", text)], max_tokens, quiet=quiet, **fields)


_BUSY = "run raise-agent doctor again when the server has less to do"


def _failed(feature: str, failed: CallFailed, needed: Sequence[str], advice: str) -> Finding:
    """A feature that the server refuses, or that could not be tried; its own words may be shown, ours were made up."""
    refused = failed.kind is Failure.REJECTED
    said = " ".join(failed.server_said.split())
    note = f"{_by(needed)}{said[:90]}" if refused and said else f"{_by(needed)}{failed}"
    return Finding(
        feature,
        State.MISSING if needed else State.LIMITED,
        "refused" if refused else "could not be tried",
        note,
        (advice if refused else _BUSY) if needed else "",
        False,
    )


def _by(needed: Sequence[str]) -> str:
    return f"needed by the {' and the '.join(needed)}; " if needed else ""


async def token_probabilities(probe: Probe, needed: Sequence[str]) -> Finding:
    """How many alternatives to a token are reported; ``needed`` are the roles that read them."""
    feature = "token probabilities"
    instead = "set llm/judge=sampled and llm.prior.mode=ranking, which need no token probabilities"
    more = f"start vLLM with --max-logprobs {TOP}" if probe.is_vllm else instead
    reply = await probe.say("Say yes.", 1, logprobs=True, top_logprobs=TOP)
    if isinstance(reply, CallFailed):
        fewer = await probe.say("Say yes.", 1, logprobs=True, top_logprobs=1)
        if isinstance(reply, CallFailed) and isinstance(fewer, ChatReply) and fewer.first_token:
            return _failed(feature, reply, needed, f"{more}; or {instead}" if probe.is_vllm else instead)
        return _failed(feature, reply, needed, instead)
    count = len(reply.first_token or ())
    if not count:
        state = State.MISSING if needed else State.LIMITED
        return Finding(feature, state, "none", _by(needed).rstrip("; "), instead if needed else "", 0)
    if count < TOP:
        state = State.MISSING if needed else State.LIMITED
        note = f"{TOP} are asked for; what is not listed counts as off the scale"
        return Finding(feature, state, f"{count} alternatives", note, more if needed else "", count)
    return Finding(feature, State.FINE, f"{count} alternatives", value=count)


_CHOICES = ["alpha-7", "beta-9"]
_WORD = r"[A-C]{3}-[1-5]"
_FORM = {
    "type": "object",
    "properties": {"first": {"type": "integer", "enum": [1, 2, 3]}, "second": {"type": "integer", "enum": [1, 2, 3]}},
    "required": ["first", "second"],
    "additionalProperties": False,
}
_FORM_TOKENS = 64
"""Several times what the form takes without blanks."""


async def structured_choice(probe: Probe, needed: Sequence[str]) -> Finding:
    """Whether an answer can be held to a list."""
    reply = await probe.say("Say yes.", 8, structured_outputs={"choice": _CHOICES})
    return _held("structured choice", reply, isinstance(reply, ChatReply) and reply.text in _CHOICES, needed)


async def structured_pattern(probe: Probe, needed: Sequence[str]) -> Finding:
    """Whether an answer can be held to a regular expression; ``needed`` are the roles that write in a form."""
    reply = await probe.say("Say yes.", 16, structured_outputs={"regex": _WORD})
    held = isinstance(reply, ChatReply) and re.fullmatch(_WORD, reply.text) is not None
    return _held("structured pattern", reply, held, needed)


async def json_schema(probe: Probe, needed: Sequence[str]) -> Finding:
    """Whether an answer can be held to a JSON schema, in bounded tokens."""
    schema = {"name": "two_numbers", "strict": True, "schema": _FORM}
    reply = await probe.say(
        "Give two numbers from 1 to 3 as JSON with the keys first and second.",
        _FORM_TOKENS,
        response_format={"type": "json_schema", "json_schema": schema},
    )
    if isinstance(reply, ChatReply) and not reply.finished:
        bare = re.sub(r"\s", "", reply.text)
        if len(bare) < len(reply.text) / 2 or len(bare) < reply.generated_tokens / 2:
            state = State.MISSING if needed else State.LIMITED
            note = "the model fills up with blanks where the form lets it"
            if not needed:
                note += "; no role uses a schema here"
            return Finding("JSON schema", state, "padded with blanks", note, _SCHEMA_ADVICE if needed else "", False)
    valid = False
    if isinstance(reply, ChatReply):
        try:
            data = json.loads(reply.text)
            valid = isinstance(data, dict) and set(data) == {"first", "second"} and set(data.values()) <= {1, 2, 3}
        except (ValueError, TypeError, RecursionError):
            valid = False
    return _held("JSON schema", reply, valid, needed)


_SCHEMA_ADVICE = (
    "set llm/judge=expectation and llm.prior.mode=probabilities, which need no written form; or use a server that "
    "holds answers to one"
)


def _held(feature: str, reply: ChatReply | CallFailed, held: bool, needed: Sequence[str]) -> Finding:
    if isinstance(reply, CallFailed):
        return _failed(feature, reply, needed, _SCHEMA_ADVICE)
    if held:
        return Finding(feature, State.FINE, "yes", value=True)
    state = State.MISSING if needed else State.LIMITED
    note = f"{_by(needed)}the answer was of another form"
    return Finding(feature, state, "no", note, _SCHEMA_ADVICE if needed else "", False)


_LINE = re.compile(r"^vllm:prefix_cache_(queries|hits)_total(?:\{[^}]*\})? (\S+)", re.MULTILINE)
_SWITCHED_OFF = re.compile(r'^vllm:cache_config_info\{[^}]*enable_prefix_caching="False"', re.MULTILINE)
_STATISTICS_SECONDS = 2.0
"""How long the server's own counters may lag behind."""
_PASSAGE = " ".join(["the river runs past the mill and under the old stone bridge before it turns to the sea"] * 18)


def prefix_counters(metrics: str) -> tuple[float, float] | None:
    """Tokens looked up in the prefix cache, and found there, over all engines; None where neither is reported.

    >>> prefix_counters("vllm:prefix_cache_queries_total 8.0\\nvllm:prefix_cache_hits_total 2.0")
    (8.0, 2.0)
    """
    sums = {"queries": 0.0, "hits": 0.0}
    lines = _LINE.findall(metrics)
    for name, value in lines:
        sums[name] += float(value)
    return (sums["queries"], sums["hits"]) if {name for name, _ in lines} == set(sums) else None


async def prefix_cache(probe: Probe) -> Finding:
    """Whether a long prompt that comes again is found in the cache."""
    feature = "prefix cache"
    metrics = await _metrics(probe)
    before = prefix_counters(metrics)
    if before is None:
        note = "no vllm:prefix_cache_... at /metrics; requests share much of their prompts, so a cache saves work"
        advice = "start vLLM without --disable-log-stats to see whether its prefix cache works" if probe.is_vllm else ""
        return Finding(feature, State.LIMITED, "not reported", note, advice)
    prompt = f"{time.time_ns()} {_PASSAGE}"
    for _ in range(2):
        reply = await probe.say(prompt, 1)
        if isinstance(reply, CallFailed):
            return _failed(feature, reply, (), "")
    # The second request looks its whole prompt up; where it finds none of it, there is no cache.
    share, deadline = 0.0, time.monotonic() + _STATISTICS_SECONDS
    while share == 0.0:
        queries, hits = prefix_counters(await _metrics(probe)) or before
        share = (hits - before[1]) / max(1.0, (queries - before[0]) / 2)
        if time.monotonic() >= deadline:
            break
        await asyncio.sleep(0.1)
    if share > 0.0:
        total = f"{before[1] / before[0]:.0%} of all so far" if before[0] else ""
        return Finding(feature, State.FINE, f"{min(share, 1.0):.0%} of a repeat", total, value=min(share, 1.0))
    switched_off = bool(_SWITCHED_OFF.search(metrics))
    note = "switched off" if switched_off else "a prompt that came twice was not found"
    return Finding(feature, State.LIMITED, "no hits", note, "start vLLM with --enable-prefix-caching", 0.0)


_PRESENT = re.compile(r"^vllm:num_requests_(?:running|waiting)(?:\{[^}]*\})? (\S+)", re.MULTILINE)


async def others(probe: Probe) -> Finding | None:
    """Requests that others have in progress, where that is reported; asked while this program has none."""
    counts = _PRESENT.findall(await _metrics(probe))
    if not counts:
        return None
    present = int(sum(map(float, counts)))
    if not present:
        return Finding("requests of others", State.FINE, "none", value=0)
    note = "what is measured here is what they leave"
    return Finding("requests of others", State.LIMITED, f"{present:,} in progress", note, value=present)


async def _metrics(probe: Probe) -> str:
    try:
        return (await probe.client.get(probe.endpoint, f"{probe.root}/metrics")).decode("utf-8", errors="replace")
    except (CallFailed, ModelError):
        return ""


async def thinking(probe: Probe, unbudgeted: Sequence[str]) -> Finding:
    """Whether the model thinks before it answers, and stops when told; ``unbudgeted`` are the roles that want it to."""
    feature = "thinking"
    asked = "What is 17 + 25? Reply with the number."
    first = await probe.say(asked, 256, quiet=False)
    if not _thinks(first):
        if isinstance(first, CallFailed):
            return _failed(feature, first, (), "")
        return Finding(feature, State.FINE, "no", "at the model's own settings", value="no")
    if probe.is_vllm and not _thinks(await probe.say(asked, 256)):
        return Finding(feature, State.FINE, "can be switched off", "by chat_template_kwargs, as is done", value="off")
    if not unbudgeted:
        return Finding(feature, State.FINE, "always", "every role here has tokens to think", value="always")
    advice = (
        "the model always thinks first: set llm.responder.thinking_tokens=2048, llm/judge=sampled "
        "llm.judge.thinking_tokens=2048, llm.prior.mode=ranking llm.prior.thinking_tokens=2048; or use another model"
    )
    note = "switching it off by chat_template_kwargs does not work" if probe.is_vllm else "it cannot be switched off"
    return Finding(feature, State.LIMITED, "always", note, advice, "always")


def _thinks(reply: ChatReply | CallFailed) -> bool:
    return isinstance(reply, ChatReply) and reply.thought


async def seed(probe: Probe) -> Finding:
    """Whether a seed and a prompt give the same words again."""
    feature = "same seed, same text"
    replies = [await probe.say("Tell me about the sea.", 32, temperature=1.0, seed=7) for _ in range(2)]
    failed = next((reply for reply in replies if isinstance(reply, CallFailed)), None)
    if failed is not None:
        return _failed(feature, failed, (), "")
    one, other = (reply.text for reply in replies if isinstance(reply, ChatReply))
    if one == other:
        return Finding(feature, State.FINE, "yes", "one at a time; much load may change it", value=True)
    note = "a run made again from an empty store differs in its answers"
    return Finding(feature, State.LIMITED, "no", note, value=False)


async def version(probe: Probe) -> str:
    """What vLLM calls its version; empty where it does not say."""
    try:
        return str(read_object(await probe.client.get(probe.endpoint, f"{probe.root}/version")).get("version", ""))
    except (CallFailed, ModelError):
        return ""
