"""A stand-in for an OpenAI-compatible chat server, for tests and benchmarks of the client.

Answers are a function of the request's canonical body alone; misbehaviour is a function of the request's index.
In a test::

    with running(StandIn(faults=sequence([Fault("429", retry_after="1")]))) as server:
        ...  # talk to server.base_url, then look at server.log and server.peak

As a program: ``python stand_in.py --port 0 --latency 0.02 --failure-rate 0.2 --seed 0 --log FILE``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import signal
import socket
import string
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

Body = dict[str, Any]

KINDS = {
    "429": "error status, with a Retry-After header where the fault has one",
    "500": "error status",
    "503": "error status, with a Retry-After header where the fault has one",
    "expired_key": "error status 401",
    "wrong_model": "error status 404",
    "reset": "the connection is reset before the first byte",
    "half_body": "the connection is closed in the middle of the body",
    "garbage": "status 200 and no JSON",
    "text_429": "status 200 and the JSON number 429",
    "error_in_200": "status 200 and an error object",
    "hang": "no answer until the client goes",
    "slow_first_byte": "a good answer, late",
    "close_idle": "a good answer, then the connection is closed unannounced",
    "changed_fingerprint": "a good answer with another system_fingerprint",
    "outside_scale": "nothing but tokens, numbers and names that were not asked for",
    "truncated": "half the content, finish_reason length",
    "empty": "no content, and no token where log probabilities were asked for",
    "no_logprobs": "logprobs null",
    "unclosed_think": "an opened <think> and finish_reason length",
    "broken_off": "half the content, finish_reason abort",
}
"""What can go wrong with a chat request, and how it looks to the client."""
TRANSIENT = ("429", "500", "503", "reset", "half_body", "garbage", "text_429", "error_in_200", "broken_off")
"""What goes away when the same request is sent again."""
HARMLESS = frozenset({"slow_first_byte", "close_idle", "changed_fingerprint"})
"""The kinds whose answer is a good one all the same."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One misbehaviour; ``KINDS`` lists them."""

    kind: str
    seconds: float = 0.0
    """Delay of ``slow_first_byte``, on top of the latency."""
    retry_after: str | None = None
    """The Retry-After header of an error status, verbatim: seconds or an HTTP date."""
    text: str = ""
    """Instead of the usual error message, bytes of ``garbage``, content of ``outside_scale``, or fingerprint."""

    def __post_init__(self) -> None:
        """Refuse an unknown kind."""
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; known: {', '.join(sorted(KINDS))}")


Faults = Callable[[int, Body], "Fault | None"]
"""From the index of a chat request among the admitted ones, and its body, to what goes wrong."""


def never(n: int, body: Body) -> Fault | None:
    """Nothing goes wrong."""
    return None


def always(fault: Fault) -> Faults:
    """Every chat request fails in the same way."""
    return lambda n, body: fault


def sequence(faults: Sequence[Fault | None]) -> Faults:
    """The first requests meet these, in order (None is good); all later ones are good."""
    return lambda n, body: faults[n] if n < len(faults) else None


def randomly(rate: float, faults: Sequence[Fault], seed: int) -> Faults:
    """Each request fails with probability ``rate``, decided by the seed and its index."""

    def choose(n: int, body: Body) -> Fault | None:
        drawn = int.from_bytes(blake2b(f"{seed}:{n}".encode(), digest_size=8).digest(), "big")
        return faults[drawn % len(faults)] if drawn < rate * 2.0**64 else None

    return choose


@dataclass(frozen=True, slots=True)
class StandIn:
    """How the server answers and misbehaves."""

    model: str = "stand-in"
    api_key: str | None = None
    """The bearer token that /v1 asks for; None admits everyone."""
    others: tuple[str, ...] = ()
    """More models that are listed, before ``model``; none of them is served."""
    owner: str = "vllm"
    """Who is said to own the models; vLLM calls itself so."""
    fingerprint: str = "vllm-0.0-standin"
    latency: float = 0.0
    """Seconds from a chat request to its answer, good or bad; refusals are immediate."""
    capacity: int | None = None
    """More chat requests in progress than this get an immediate 429."""
    digit_mass: float = 0.9
    """Probability on the tokens 1..5 where the last message contains "digit"."""
    letter_mass: float = 0.9
    """Probability on the tokens A..J elsewhere."""
    max_logprobs: int = 20
    """A larger ``top_logprobs`` is refused, as vLLM does."""
    counts: bool = True
    """Whether answers hold the number of tokens."""
    salt: str = ""
    """Servers that differ in it answer the same request differently."""
    faults: Faults = never
    remember: bool = True
    """Whether the server keeps a log; off for long benchmarks."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that is over; logged before the first byte of its answer goes out."""

    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any
    """The parsed JSON; None where there was none."""
    outcome: str
    """"ok", the fault's kind, "refused_STATUS", or "gone" where the client left before the answer."""
    began: float
    """``time.monotonic`` when the request was complete."""
    ended: float


# --- what is answered -------------------------------------------------------------------------------------------------

DIGITS = tuple("12345")
LETTERS = tuple("ABCDEFGHIJ")
WORDS = ("The", "My", "Based", "Score", "Sure", "**", "To", "Rating", "Answer", "\n")
OUTSIDE = ("9", "0", "7", "6", "8", "10", "-1", *WORDS)
_PROSE = """
the a you your it this that may can will feel help time day rest plan step talk care need want know think work home
friend family doctor sleep eat walk breathe slow calm safe kind hard small good first next then and but or if when
because with from about before after over into please try ask share write listen
"""
PROSE = tuple(_PROSE.split())
FORBIDDEN = -9999.0
"""What vLLM writes for a log probability of minus infinity."""

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class RefusedError(Exception):
    """The request gets an error status and no answer."""

    def __init__(self, code: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.code, self.kind, self.message = code, kind, message


@dataclass(frozen=True, slots=True)
class Answer:
    """The parts of a chat completion that depend on the request."""

    content: str
    finish_reason: str
    completion_tokens: int
    logprobs: str = "null"
    """As JSON text."""


def digest_of(body: Body, salt: str = "") -> bytes:
    """The 64 bytes that decide the answer to this request, streamed or not."""
    if "stream" in body:
        body = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
    return blake2b(_canonical(body).encode() + salt.encode()).digest()


def key_of(body: Body) -> str:
    """The name of a request in the program's log: 32 hex digits of its canonical body."""
    return digest_of(body)[:16].hex()


class Draws:
    """An endless stream of small integers made from a digest."""

    def __init__(self, digest: bytes) -> None:
        self._digest = digest
        self._left = int.from_bytes(digest, "big")

    def below(self, n: int) -> int:
        """Return an integer from 0 to n - 1."""
        if self._left < n << 64:
            self._digest = blake2b(self._digest).digest()
            self._left = int.from_bytes(self._digest, "big") | 1 << 511
        self._left, drawn = divmod(self._left, n)
        return drawn


def answer_to(stand_in: StandIn, body: Body, digest: bytes) -> Answer:
    """Return the good answer to a chat request."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    constraint = body.get("structured_outputs") or {}
    choices = constraint.get("choice")
    if body.get("logprobs") and (limit == 1 or choices):
        return _one_token(_chances(stand_in, body, digest, choices), body, stand_in.max_logprobs, digest)
    if choices:
        return Answer(choices[digest[0] % len(choices)], "stop", 1)
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema", constraint.get("json"))
    if schema is not None:
        schema = json.loads(schema) if isinstance(schema, str) else schema
        return _bounded(json.dumps(_instance(schema, Draws(digest)), ensure_ascii=False), limit)
    if "regex" in constraint:
        return _bounded(_maker_of(constraint["regex"])(Draws(digest)), limit)
    count = wanted = 20 + digest[0] % 41
    if limit is not None and limit < wanted:
        count = limit
    text = " ".join([PROSE[byte % len(PROSE)] for byte in digest[1 : 1 + count]]).capitalize()
    return Answer(text, "length", count) if count < wanted else Answer(text + ".", "stop", count)


def _bounded(content: str, limit: int | None) -> Answer:
    """Cut the content to so many tokens of four characters."""
    tokens = len(content) // 4 + 1
    if limit is not None and tokens > limit:
        return Answer(content[: 4 * limit], "length", limit)
    return Answer(content, "stop", tokens)


def text_of(message: Mapping[str, Any]) -> str:
    """Return a message's text, be it a string or a list of parts."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _chances(stand_in: StandIn, body: Body, digest: bytes, choices: Sequence[str] | None) -> list[tuple[str, float]]:
    """Return (token, probability) of the next token."""
    if choices:
        return [*_shares(choices, 1.0, digest), *((word, 0.0) for word in WORDS + LETTERS if word not in choices)]
    if "digit" in text_of(body["messages"][-1]).lower():
        mass, focus, rest = stand_in.digit_mass, DIGITS, LETTERS + WORDS
    else:
        mass, focus, rest = stand_in.letter_mass, LETTERS, DIGITS + WORDS
    chances = _shares(focus, mass, digest)
    if digest[63] & 1:
        # Real tokenizers have a token with and one without the leading space; both mean the same answer.
        spaced = digest[62] / 512.0
        chances = [
            *((token, chance * (1.0 - spaced)) for token, chance in chances),
            *((" " + token, chance * spaced) for token, chance in chances),
        ]
    return chances + _shares(rest, 1.0 - mass, digest[16:])


def _shares(tokens: Sequence[str], mass: float, noise: bytes) -> list[tuple[str, float]]:
    """Divide the mass among the tokens."""
    size = len(noise)
    weights = [(noise[i % size] + 1) ** 2 for i in range(len(tokens))]
    unit = mass / sum(weights)
    return [(token, weight * unit) for token, weight in zip(tokens, weights, strict=True)]


def _one_token(chances: list[tuple[str, float]], body: Body, most: int, digest: bytes) -> Answer:
    """Draw the token (the likeliest at temperature 0) and report the likeliest ones."""
    top = body.get("top_logprobs") or 0
    if top > most:
        raise RefusedError(
            400, "BadRequestError", f"Requested sample logprobs of {top}, which is greater than max allowed: {most}"
        )
    chances.sort(key=lambda pair: -pair[1])
    token, chance = chances[0] if body.get("temperature") == 0 else _drawn(chances, digest)
    entries = ",".join([_entry(name, p) + "}" for name, p in chances[:top]])
    return Answer(token, "length", 1, f'{{"content":[{_entry(token, chance)},"top_logprobs":[{entries}]}}]}}')


def _drawn(chances: Sequence[tuple[str, float]], digest: bytes) -> tuple[str, float]:
    left = int.from_bytes(digest[40:46], "big") / 2.0**48
    for pair in chances:
        left -= pair[1]
        if left < 0.0:
            return pair
    return chances[0]


def _entry(token: str, chance: float) -> str:
    return f"{_token_json(token)}{math.log(chance) if chance > 0.0 else FORBIDDEN:.6f}"


@lru_cache(maxsize=4096)
def _token_json(token: str) -> str:
    return f'{{"token":{json.dumps(token)},"bytes":{json.dumps(list(token.encode()))},"logprob":'


def _instance(schema: Mapping[str, Any], draws: Draws) -> Any:
    """Return a value that the JSON schema admits; of the schema language, what rankings and scores need."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][draws.below(len(schema["enum"]))]
    match schema.get("type"):
        case "object":
            return {name: _instance(part, draws) for name, part in schema.get("properties", {}).items()}
        case "integer":
            low = schema.get("minimum", 0)
            return low + draws.below(schema.get("maximum", low + 9) - low + 1)
        case "number":
            low = schema.get("minimum", 0.0)
            return low + (schema.get("maximum", low + 1.0) - low) * draws.below(1001) / 1000.0
        case "string":
            return PROSE[draws.below(len(PROSE))]
        case "boolean":
            return bool(draws.below(2))
        case "array":
            return _array(schema, draws)
    raise RefusedError(400, "BadRequestError", f"the stand-in cannot follow the schema {json.dumps(schema)}")


def _array(schema: Mapping[str, Any], draws: Draws) -> list[Any]:
    items = schema.get("items", {})
    pool = list(items.get("enum", ())) if schema.get("uniqueItems") else []
    most = schema.get("maxItems", len(pool) or schema.get("minItems", 1) + 2)
    most = min(most, len(pool)) if pool else most
    least = min(schema.get("minItems", most if pool else 0), most)
    size = least + draws.below(most - least + 1)
    if pool:
        return [pool.pop(draws.below(len(pool))) for _ in range(size)]
    return [_instance(items, draws) for _ in range(size)]


# --- strings that match a regular expression --------------------------------------------------------------------------

Maker = Callable[[Draws], str]
_CLASSES = {"d": string.digits, "w": string.ascii_letters, "s": " ", "n": "\n", "t": "\t"}
_PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "
_REPEATS = {"?": (0, 1), "*": (0, 4), "+": (1, 5)}


@lru_cache(maxsize=256)
def _maker_of(pattern: str) -> Maker:
    """Return a generator of matching strings: literals, classes, groups, alternatives and repetition are understood."""
    try:
        maker, end = _alternatives(pattern, 0)
        if end < len(pattern):
            raise ValueError(f"unbalanced at {end}")
    except (IndexError, ValueError) as error:
        raise RefusedError(400, "BadRequestError", f"the stand-in cannot follow {pattern!r}: {error}") from error
    return maker


def _alternatives(pattern: str, at: int) -> tuple[Maker, int]:
    first, at = _concatenation(pattern, at)
    options = [first]
    while at < len(pattern) and pattern[at] == "|":
        option, at = _concatenation(pattern, at + 1)
        options.append(option)
    return first if len(options) == 1 else lambda draws: options[draws.below(len(options))](draws), at


def _concatenation(pattern: str, at: int) -> tuple[Maker, int]:
    parts: list[Maker] = []
    while at < len(pattern) and pattern[at] not in "|)":
        part, at = _atom(pattern, at)
        part, at = _repeated(part, pattern, at)
        parts.append(part)
    return lambda draws: "".join([part(draws) for part in parts]), at


def _atom(pattern: str, at: int) -> tuple[Maker, int]:
    character = pattern[at]
    if character == "(":
        at += 3 if pattern.startswith("(?:", at) else 1
        maker, at = _alternatives(pattern, at)
        if pattern[at] != ")":
            raise ValueError(f"no ) at {at}")
        return maker, at + 1
    if character == "[":
        characters, at = _class(pattern, at + 1)
        return _one_of(characters), at
    if character == "\\":
        return _one_of(_escaped(pattern[at + 1])), at + 2
    if character in "^$":
        return _one_of(("",)), at + 1
    if character in "?*+":
        raise ValueError(f"nothing to repeat at {at}")
    return _one_of(_PRINTABLE if character == "." else character), at + 1


def _repeated(part: Maker, pattern: str, at: int) -> tuple[Maker, int]:
    if pattern[at : at + 1] in _REPEATS:
        least, most = _REPEATS[pattern[at]]
        at += 1
    elif pattern[at : at + 1] == "{" and pattern[at + 1 : at + 2].isdigit():
        end = pattern.index("}", at)
        low, comma, high = pattern[at + 1 : end].partition(",")
        least = int(low)
        most = int(high) if high else least + 4 if comma else least
        at = end + 1
    else:
        return part, at
    return lambda draws: "".join([part(draws) for _ in range(least + draws.below(most - least + 1))]), at


def _class(pattern: str, at: int) -> tuple[str, int]:
    """Return the characters of a class, whose opening bracket is behind us, and where it ends."""
    negated = pattern[at] == "^"
    at += negated
    found = ""
    while pattern[at] != "]":
        if pattern[at] == "\\":
            found += _escaped(pattern[at + 1])
            at += 2
        elif pattern[at + 1] == "-" and pattern[at + 2] != "]":
            found += "".join(map(chr, range(ord(pattern[at]), ord(pattern[at + 2]) + 1)))
            at += 3
        else:
            found += pattern[at]
            at += 1
    return "".join(c for c in _PRINTABLE if c not in found) if negated else found, at + 1


def _escaped(character: str) -> str:
    if character in _CLASSES:
        return _CLASSES[character]
    if character.isalnum():
        raise ValueError(f"unknown escape \\{character}")
    return character


def _one_of(options: Sequence[str]) -> Maker:
    only = options[0]
    return (lambda draws: only) if len(options) == 1 else lambda draws: options[draws.below(len(options))]


# --- what is answered wrongly -----------------------------------------------------------------------------------------


def spoiled(answer: Answer, fault: Fault, body: Body, digest: bytes) -> Answer:
    """Return the answer that this fault makes of a good one."""
    match fault.kind:
        case "truncated":
            return replace(answer, content=answer.content[: len(answer.content) // 2], finish_reason="length")
        case "broken_off":
            return replace(answer, content=answer.content[: len(answer.content) // 2], finish_reason="abort")
        case "empty":
            none = "null" if answer.logprobs == "null" else '{"content":[]}'
            return Answer("", "stop", 0, none)
        case "no_logprobs":
            return replace(answer, logprobs="null")
        case "unclosed_think":
            logprobs = _off_topic(("<think>", *WORDS), body, digest)[1] if answer.logprobs != "null" else "null"
            return Answer("<think>hm", "length", answer.completion_tokens, logprobs)
        case "outside_scale" if answer.logprobs != "null":
            token, logprobs = _off_topic(OUTSIDE, body, digest)
            return replace(answer, content=fault.text or token, logprobs=logprobs)
        case "outside_scale":
            return replace(answer, content=fault.text or _off_scale(answer.content))
    return answer


def _off_topic(tokens: Sequence[str], body: Body, digest: bytes) -> tuple[str, str]:
    """Return the first token and log probabilities over nothing but these tokens, the first one the likeliest."""
    chances = [(tokens[0], 0.9), *_shares(tokens[1:], 0.1, digest)]
    answer = _one_token(chances, {**body, "temperature": 0}, len(tokens) + 1000, digest)
    return answer.content, answer.logprobs


def _off_scale(content: str) -> str:
    """Put every number and name of a JSON text outside what was asked for."""

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: moved(part) for name, part in value.items()}
        if isinstance(value, list):
            return [moved(part) for part in value]
        return "nobody" if isinstance(value, str) else 11

    try:
        value = json.loads(content)
    except ValueError:
        return "9"
    return json.dumps(moved(value)) if isinstance(value, dict | list) else "9"


# --- HTTP -------------------------------------------------------------------------------------------------------------

_REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
    411: "Length Required", 429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip
_JSON = "application/json"
_ERRORS = {
    "429": (429, "RateLimitError", "too many requests"),
    "500": (500, "InternalServerError", "internal error"),
    "503": (503, "ServiceUnavailableError", "overloaded"),
    "expired_key": (401, "Unauthorized", "invalid key"),
    "error_in_200": (200, "InternalServerError", "EngineCore encountered an issue"),
}


def rendered(code: int, payload: str, kind: str = _JSON, retry_after: str | None = None) -> bytes:
    """Return a whole response."""
    data = payload.encode()
    extra = f"retry-after: {retry_after}\r\n" if retry_after is not None else ""
    head = f"HTTP/1.1 {code} {_REASONS[code]}\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n{extra}\r\n"
    return head.encode() + data


def error_json(code: int, kind: str, message: str) -> str:
    """Return the payload of an error, in vLLM's shape."""
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})


def streamed(name: str, model: str, answer: Answer, usage: Mapping[str, int] | None) -> bytes:
    """Return a whole response of server-sent events, a word each."""

    def event(choices: list[dict[str, Any]], **more: object) -> str:
        data = {"id": f"chatcmpl-{name}", "object": "chat.completion.chunk", "model": model, "choices": choices}
        return f"data: {json.dumps({**data, **more})}\n\n"

    def choice(delta: Mapping[str, str], finish: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "finish_reason": finish}]

    words = [word + " " for word in answer.content.split(" ")]
    words[-1] = words[-1][:-1]
    events = [event(choice({"role": "assistant", "content": ""})), *(event(choice({"content": w})) for w in words)]
    events.append(event(choice({}, answer.finish_reason)))
    if usage is not None:
        events.append(event([], usage=usage))
    return rendered(200, "".join([*events, "data: [DONE]\n\n"]), "text/event-stream; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Request:
    """One complete HTTP request."""

    method: str
    path: str
    headers: Mapping[str, str]
    payload: bytes
    began: float
    last: bool
    """Whether the client wants the connection closed afterwards."""


class Server:
    """What a running stand-in shows; every attribute may be read from any thread."""

    def __init__(self, stand_in: StandIn, record: Callable[[str], object] | None = None) -> None:
        self.stand_in = stand_in
        self.log: list[Seen] = []
        self.admitted = 0
        """Chat requests that got past key, model and capacity."""
        self.in_progress = 0
        self.peak = 0
        """Most chat requests in progress at once."""
        self.port = 0
        self.connections: set[Connection] = set()
        self._record = record
        self._listener: asyncio.Server | None = None
        self._model = json.dumps(stand_in.model)
        self._blocks: set[int] = set()
        self._counters = {"prompt_tokens": 0, "generation_tokens": 0, "prefix_cache_queries": 0, "prefix_cache_hits": 0}

    @property
    def base_url(self) -> str:
        """Where the client is to connect, ending in /v1."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[Seen]:
        """The part of the log that is about chat requests."""
        return [seen for seen in self.log if seen.path == "/v1/chat/completions"]

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Connection(self, loop), "127.0.0.1", port, backlog=1024)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._listener is not None:
            self._listener.close()
        for connection in tuple(self.connections):
            connection.drop()
        await asyncio.sleep(0)

    def note(self, request: Request, body: Any, outcome: str) -> None:
        """Log a request that is over."""
        if self.stand_in.remember:
            ended = time.monotonic()
            self.log.append(Seen(request.path, request.headers, body, outcome, request.began, ended))

    def get(self, path: str) -> bytes:
        """Return the response to a GET."""
        name = self.stand_in.model
        if path == "/v1/models":
            more = {"object": "model", "owned_by": self.stand_in.owner, "max_model_len": 4096}
            models = [{"id": one, "root": one, **more} for one in (*self.stand_in.others, name)]
            return rendered(200, json.dumps({"object": "list", "data": models}))
        if path == "/health":
            return rendered(200, "")
        if path == "/version":
            return rendered(200, json.dumps({"version": "0.0-stand-in"}))
        if path == "/metrics":
            return rendered(200, self._metrics(), "text/plain; version=0.0.4; charset=utf-8")
        raise RefusedError(404, "NotFoundError", "Not Found")

    def _metrics(self) -> str:
        labels = f'{{engine="0",model_name={self._model}}}'
        lines = ["# TYPE vllm:num_requests_running gauge", f"vllm:num_requests_running{labels} {self.in_progress}.0"]
        for name, value in self._counters.items():
            lines += [f"# TYPE vllm:{name}_total counter", f"vllm:{name}_total{labels} {value}.0"]
        return "\n".join(lines) + "\n"

    def check_key(self, request: Request) -> None:
        """Refuse a request for /v1 without the key."""
        key = self.stand_in.api_key
        if key is not None and request.headers.get("authorization") != f"Bearer {key}":
            raise RefusedError(401, "Unauthorized", "invalid key")

    def check_chat(self, body: Any) -> None:
        """Refuse a chat request that cannot be answered now."""
        if not isinstance(body, dict) or not body.get("messages"):
            raise RefusedError(400, "BadRequestError", "a JSON object with messages is needed")
        if body.get("model") != self.stand_in.model:
            raise RefusedError(404, "NotFoundError", f"The model `{body.get('model')}` does not exist.")
        if self.stand_in.capacity is not None and self.in_progress >= self.stand_in.capacity:
            raise RefusedError(429, "RateLimitError", "too many requests in progress")

    def respond(self, body: Body, fault: Fault | None) -> bytes:
        """Return the response to an admitted chat request, whole, whatever becomes of it on the way."""
        kind = fault.kind if fault else ""
        if fault and kind in _ERRORS:
            code, error, message = _ERRORS[kind]
            shown = 500 if kind == "error_in_200" else code
            return rendered(code, error_json(shown, error, fault.text or message), retry_after=fault.retry_after)
        if fault and kind == "wrong_model":
            raise RefusedError(404, "NotFoundError", f"The model `{self.stand_in.model}` does not exist.")
        if fault and kind == "garbage":
            return rendered(200, fault.text or "\x00<html>no JSON")
        if kind == "text_429":
            return rendered(200, "429")
        digest = digest_of(body, self.stand_in.salt)
        try:
            answer = answer_to(self.stand_in, body, digest)
            prompt = self._prompt_tokens(body)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise RefusedError(400, "BadRequestError", f"malformed: {error!r}") from error
        fingerprint = self.stand_in.fingerprint
        if fault:
            answer = spoiled(answer, fault, body, digest)
            fingerprint = (fault.text or "vllm-0.0-changed") if kind == "changed_fingerprint" else fingerprint
        name = key_of(body)
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": answer.completion_tokens,
            "total_tokens": prompt + answer.completion_tokens,
        }
        if self._record is not None and (fault is None or kind in HARMLESS):
            self._record(name)
        self._counters["generation_tokens"] += answer.completion_tokens
        if body.get("stream"):
            return streamed(name, self.stand_in.model, answer, usage if "stream_options" in body else None)
        return rendered(
            200,
            f'{{"id":"chatcmpl-{name}","object":"chat.completion","created":0,"model":{self._model},'
            f'"system_fingerprint":{json.dumps(fingerprint)},"choices":[{{"index":0,"message":{{"role":"assistant",'
            f'"content":{json.dumps(answer.content)},"reasoning":null}},"finish_reason":"{answer.finish_reason}",'
            f'"logprobs":{answer.logprobs}}}],"usage":{json.dumps(usage if self.stand_in.counts else None)}}}',
        )

    def _prompt_tokens(self, body: Body) -> int:
        """Count the prompt, and how much of it a prefix cache with blocks of 64 tokens would have held."""
        text = "\n".join([text_of(message) for message in body["messages"]])
        chain = hits = 0
        for start in range(0, len(text) - 255, 256):
            chain = hash((chain, text[start : start + 256]))
            if chain in self._blocks:
                hits += 64
            else:
                self._blocks.add(chain)
        if len(self._blocks) > 1 << 18:
            self._blocks.clear()
        tokens = len(text) // 4
        counters = self._counters
        counters["prompt_tokens"] += tokens
        counters["prefix_cache_queries"] += tokens
        counters["prefix_cache_hits"] += hits
        return tokens


class Connection(asyncio.Protocol):
    """One client: its requests are answered one after the other, in order."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._head: tuple[str, str, dict[str, str], int, bool] | None = None
        self._pending: tuple[Request, Body, Fault | None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take up the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the request that was in progress."""
        self._transport = None
        self._server.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._pending is not None:
            request, body, fault = self._pending
            self._pending = None
            self._server.in_progress -= 1
            self._server.note(request, body, "hang" if fault and fault.kind == "hang" else "gone")

    def drop(self) -> None:
        """Close without another word."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        self._buffer += data
        self._advance()

    def _advance(self) -> None:
        while self._pending is None and self._transport is not None and not self._transport.is_closing():
            request = self._next()
            if request is None:
                return
            self._handle(request)

    def _next(self) -> Request | None:
        """Take one complete request off the buffer."""
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return None
            lines = self._buffer[:end].decode("latin-1").split("\r\n")
            del self._buffer[: end + 4]
            method, path, version = lines[0].split(" ", 2)
            headers = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            last = version == "HTTP/1.0" or headers.get("connection", "").lower() == "close"
            self._head = method, path.partition("?")[0], headers, int(headers.get("content-length", 0)), last
            if headers.get("expect", "").lower() == "100-continue":
                self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        method, path, headers, length, last = self._head
        if len(self._buffer) < length:
            return None
        payload = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._head = None
        return Request(method, path, headers, payload, time.monotonic(), last)

    def _handle(self, request: Request) -> None:
        server = self._server
        body: Any = None
        try:
            if "transfer-encoding" in request.headers:
                raise RefusedError(411, "BadRequestError", "a content-length is needed")
            if request.path.startswith("/v1/"):
                server.check_key(request)
            if request.path != "/v1/chat/completions":
                if request.method != "GET":
                    raise RefusedError(405, "MethodNotAllowed", "Method Not Allowed")
                self._send(request, None, "ok", server.get(request.path))
                return
            if request.method != "POST":
                raise RefusedError(405, "MethodNotAllowed", "Method Not Allowed")
            try:
                body = json.loads(request.payload)
            except ValueError as error:
                raise RefusedError(400, "BadRequestError", f"no JSON: {error}") from error
            server.check_chat(body)
        except RefusedError as refused:
            self._refuse(request, body, refused)
            return
        fault = server.stand_in.faults(server.admitted, body)
        server.admitted += 1
        server.in_progress += 1
        server.peak = max(server.peak, server.in_progress)
        self._pending = request, body, fault
        if fault is not None and fault.kind == "hang":
            return
        delay = server.stand_in.latency
        if fault is not None and fault.kind == "slow_first_byte":
            delay += fault.seconds
        if delay > 0.0:
            self._timer = self._loop.call_later(delay, self._late)
        else:
            self._finish()

    def _late(self) -> None:
        self._finish()
        self._advance()

    def _finish(self) -> None:
        """Answer the chat request in progress."""
        assert self._pending is not None
        request, body, fault = self._pending
        self._pending = None
        server = self._server
        server.in_progress -= 1
        if fault is not None and fault.kind == "reset":
            server.note(request, body, fault.kind)
            self._reset()
            return
        try:
            response = server.respond(body, fault)
        except RefusedError as refused:
            self._refuse(request, body, refused, fault)
            return
        if fault is None:
            self._send(request, body, "ok", response)
            return
        if fault.kind == "half_body":
            start = response.index(b"\r\n\r\n") + 4
            response = response[: (start + len(response)) // 2]
        self._send(request, body, fault.kind, response)
        if fault.kind in ("half_body", "close_idle"):
            self._close()

    def _refuse(self, request: Request, body: Any, refused: RefusedError, fault: Fault | None = None) -> None:
        response = rendered(refused.code, error_json(refused.code, refused.kind, refused.message))
        self._send(request, body, fault.kind if fault else f"refused_{refused.code}", response)
        if refused.code == 411:
            self._close()

    def _send(self, request: Request, body: Any, outcome: str, response: bytes) -> None:
        self._server.note(request, body, outcome)
        self._write(response)
        if request.last:
            self._close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _reset(self) -> None:
        """Close so that the peer's kernel reports a reset connection."""
        if self._transport is not None:
            linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()


@contextmanager
def running(stand_in: StandIn, port: int = 0) -> Iterator[Server]:
    """Serve from a thread of its own until the block is left."""
    loop = asyncio.new_event_loop()
    server = Server(stand_in)
    thread = threading.Thread(target=loop.run_forever, name="stand-in", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(port), loop).result()
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def serve(server: Server, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    await server.start(port)
    print(f"ready {server.base_url}", flush=True)
    await over.wait()
    await server.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description="A stand-in for an OpenAI-compatible chat server.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", default="stand-in")
    parser.add_argument("--api-key")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per chat request")
    parser.add_argument("--capacity", type=int, help="more chat requests in progress than this get a 429")
    parser.add_argument("--failure-rate", type=float, default=0.0)
    parser.add_argument("--faults", default=",".join(TRANSIENT), help="kinds to draw from, with commas between")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="gets a JSON line for each good chat answer")
    options = parser.parse_args(arguments)
    faults = randomly(options.failure_rate, [Fault(kind) for kind in options.faults.split(",")], options.seed)
    stand_in = StandIn(
        model=options.model,
        api_key=options.api_key,
        latency=options.latency,
        capacity=options.capacity,
        faults=faults if options.failure_rate > 0.0 else never,
        remember=False,
    )
    if options.log is None:
        asyncio.run(serve(Server(stand_in), options.port))
        return
    with options.log.open("ab", buffering=0) as log:
        asyncio.run(serve(Server(stand_in, lambda key: log.write(b'{"key": "%s"}\n' % key.encode())), options.port))


if __name__ == "__main__":
    main()
