"""Streamed answers: every event as it comes, thoughts left out, and a clear end when the stream breaks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from raise_agent.errors import ConfigError, ModelError
from raise_agent.models.served.client import ClientSettings
from raise_agent.models.served.failures import CallFailed, Failure
from raise_agent.models.served.live import Live, live
from raise_agent.models.served.settings import ResponderSettings
from raise_agent.models.served.streaming import Event, Spoken, read_event

from .stand_in import Fault, Server, StandIn, running
from .support import TABLE, dead_port, hurry, people, secret, settings

PERSON = people(1)[0]
KNOWN = {"health": secret(0, 6), "age": None}


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@contextmanager
def talking(server: Server | str, **responder: Any) -> Iterator[Live]:
    url = server if isinstance(server, str) else server.base_url
    own = ResponderSettings(**{"base_url": (url,), "max_tokens": 96, **responder})
    client = ClientSettings(concurrency=4, timeout=0.7, patience=1.0)
    with live(settings(url, responder=own, client=client), TABLE) as models:
        yield models


def on_streams(fault: Fault, first: int = 10**9) -> Any:
    """The first so many streamed answers go wrong in this way."""
    seen = []

    def faults(n: int, body: dict[str, Any]) -> Fault | None:
        if not body.get("stream"):
            return None
        seen.append(n)
        return fault if len(seen) <= first else None

    return faults


# --- events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"", None),
        (b": ping\n", None),
        (b"event: message\n", None),
        (b"data: [DONE]\n", Event(last=True)),
        (b'data:{"choices":[{"delta":{"content":"Hi"}}]}', Event("Hi")),
        (b'data: {"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}', Event()),
        (b'data: {"choices":[{"delta":{"content":null,"reasoning":"hm"}}]}', Event(thinking=True)),
        (b'data: {"choices":[{"delta":{},"finish_reason":"length"}]}', Event(finish="length")),
        (b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}', Event(tokens=(3, 4))),
    ],
)
def test_an_event_is_read(line: bytes, event: Event | None) -> None:
    assert read_event(line) == event


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"data: not JSON", Failure.UNREADABLE),
        (b"data: 429", Failure.UNREADABLE),
        (b"data: {}", Failure.UNREADABLE),
        (b'data: {"choices":[{"delta":{"content":5}}]}', Failure.UNREADABLE),
        (b'data: {"choices":["x"]}', Failure.UNREADABLE),
        (b'data: {"error":{"message":"my secret"}}', Failure.SERVER),
        (b'data: {"choices":[{"delta":{},"finish_reason":"abort"}]}', Failure.SERVER),
    ],
)
def test_what_is_no_event_is_a_typed_failure(line: bytes, kind: Failure) -> None:
    with pytest.raises(CallFailed) as failed:
        read_event(line)
    assert failed.value.kind is kind
    assert "secret" not in str(failed.value)


def heard(pieces: Sequence[str], thinks: bool, apart: bool = False, finished: bool = True) -> list[str]:
    spoken = Spoken(thinks)
    if apart:
        spoken.thought()
    passed = [spoken.hear(piece) for piece in pieces]
    return [*filter(None, passed), *filter(None, [spoken.end(finished)])]


@pytest.mark.parametrize(
    ("pieces", "thinks", "apart", "said"),
    [
        (["\n", " Take", " a day"], False, False, ["Take", " a day"]),
        (["<", "3 to", " you"], False, False, ["<3 to", " you"]),
        (["<th", "ink>\nhm</thi", "nk>\n\n", "Rest", " now"], False, False, ["Rest", " now"]),
        (["<think>a</think>Rest <think>"], False, False, ["Rest <think>"]),
        (["he is sad", "</think>", "\n", "Rest"], True, False, ["Rest"]),
        (["Rest", " now"], True, False, ["Rest now"]),
        (["Rest", " now"], True, True, ["Rest", " now"]),
        (["<"], False, False, ["<"]),
    ],
)
def test_thoughts_are_left_out(pieces: list[str], thinks: bool, apart: bool, said: list[str]) -> None:
    assert heard(pieces, thinks, apart) == said
    assert "".join(heard(list("".join(pieces)), thinks, apart)) == "".join(said)


@pytest.mark.parametrize(("text", "thinks", "finished"), [("<think>hm", False, False), ("he is sad, so", True, False)])
def test_nothing_but_thoughts_is_no_answer(text: str, thinks: bool, finished: bool) -> None:
    with pytest.raises(CallFailed, match="still thinking"):
        heard([text], thinks, finished=finished)


# --- answers ----------------------------------------------------------------------------------------------------------


def test_the_pieces_are_the_answer_that_would_have_come_whole() -> None:
    with running(StandIn()) as server, talking(server) as models:
        pieces = list(models.responder.respond(PERSON.query, KNOWN))
    (sent,) = [seen.body for seen in server.chats if seen.body.get("stream")]
    with running(StandIn()) as server, talking(server) as models:
        assert list(models.responder.respond(PERSON.query, dict(reversed(KNOWN.items())))) == pieces
    assert len(pieces) > 5
    assert "".join(pieces).endswith(".")
    said = sent["messages"][-1]["content"]
    assert PERSON.query in said
    assert f"- Age: I would rather not say\n- Health Status: {secret(0, 6)}" in said
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"]) == (0.7, 0.95, 96)


@pytest.mark.parametrize("kind", ["429", "500", "garbage", "reset", "error_in_200"])
def test_what_fails_before_the_first_piece_is_asked_again(kind: str) -> None:
    with running(StandIn()) as server, talking(server) as models:
        expected = list(models.responder.respond(PERSON.query, KNOWN))
    with running(StandIn(faults=on_streams(Fault(kind), first=2))) as server, talking(server) as models:
        assert list(models.responder.respond(PERSON.query, KNOWN)) == expected


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("500"), "gave no answer: server error"),
        (Fault("broken_off"), "broke off its answer: server error"),
        (Fault("half_body"), "its answer|no answer"),
        (Fault("garbage", text=f"data: {secret(0, 6)}"), "gave no answer: unreadable answer|ended"),
        (Fault("empty"), "gave no answer: empty answer"),
        (Fault("unclosed_think"), "gave no answer: answer cut short"),
        (Fault("hang"), "gave no answer: no answer in time"),
    ],
)
def test_a_stream_that_breaks_ends_in_a_plain_error_without_a_word_of_the_user(fault: Fault, said: str) -> None:
    with running(StandIn(faults=on_streams(fault))) as server, talking(server) as models:
        pieces: list[str] = []
        with pytest.raises(ModelError, match=said) as failed:
            pieces.extend(models.responder.respond(PERSON.query, KNOWN))
    assert PERSON.query not in str(failed.value)
    assert "zq" not in str(failed.value)
    assert failed.value.__cause__ is None
    if fault.kind == "broken_off":
        assert pieces


def test_a_server_that_does_not_stream_gives_its_answer_in_one_piece() -> None:
    with slowly([], whole="Take a day.") as (url, _), talking(url) as models:
        assert list(models.responder.respond(PERSON.query, {})) == ["Take a day."]


def test_pieces_come_while_the_model_still_writes_and_a_listener_who_leaves_ends_the_request() -> None:
    endless = (f"word{n} " for n in count())
    with slowly(endless, seconds=0.05) as (url, gone), talking(url) as models:
        answer = models.responder.respond(PERSON.query, {})
        assert [next(answer), next(answer)] == ["word0 ", "word1 "]
        answer.close()  # type: ignore[attr-defined]
        assert gone.wait(60.0), "the server was left writing"


def test_a_server_that_is_gone_is_an_error_soon_and_so_is_a_closed_connection() -> None:
    with running(StandIn()) as server, talking(server) as models:
        list(models.responder.respond(PERSON.query, {}))
    with pytest.raises(ModelError, match="disconnected"):
        list(models.responder.respond(PERSON.query, {}))
    with pytest.raises(ModelError, match="no server answers"), talking(f"http://127.0.0.1:{dead_port()}/v1"):
        pass
    with pytest.raises(ConfigError, match="temperature"), talking("http://127.0.0.1:1/v1", temperature=-1.0):
        pass


@contextmanager
def slowly(words: Iterable[str], seconds: float = 0.0, whole: str = "") -> Iterator[tuple[str, threading.Event]]:
    """A server that streams these words, or answers in one piece; and an event that the client has left."""
    gone, ready, loop = threading.Event(), threading.Event(), asyncio.new_event_loop()
    port = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = [line for line in head.split("\r\n") if line.startswith("content-length")]
            body = await reader.readexactly(int(length[0].split(":")[1])) if length else b""
            if b'"stream"' not in body or whole:
                models = {"data": [{"id": "one", "owned_by": "someone"}]}
                choices = [{"message": {"content": whole or "A"}, "finish_reason": "stop"}]
                data = json.dumps({"choices": choices} if body else models).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")
                writer.write(b"content-length: %d\r\n\r\n" % len(data) + data)
                return
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
            for word in words:
                writer.write(b"data: %s\n\n" % json.dumps({"choices": [{"delta": {"content": word}}]}).encode())
                await writer.drain()
                await asyncio.sleep(seconds)
        except OSError:
            gone.set()
        finally:
            writer.close()

    async def begin() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port.append(server.sockets[0].getsockname()[1])
        ready.set()

    loop.create_task(begin())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    ready.wait(60.0)
    try:
        yield f"http://127.0.0.1:{port[0]}/v1", gone
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
