"""The stand-in server does what its docstrings say, so that a client's test can rely on it."""

from __future__ import annotations

import http.client
import json
import math
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from . import stand_in as program
from .stand_in import KINDS, Body, Fault, Server, StandIn, always, key_of, randomly, running, sequence

SCHEMA = {
    "type": "object",
    "properties": {
        "risk_sensitivity": {"type": "integer", "minimum": 1, "maximum": 5},
        "level": {"type": "integer", "enum": [2, 4]},
        "name": {"type": "string", "enum": ["mood", "job"]},
        "order": {
            "type": "array",
            "items": {"type": "string", "enum": ["a", "b", "c"]},
            "uniqueItems": True,
        },
    },
}


def chat(text: str = "Hello", **more: object) -> Body:
    return {"model": "stand-in", "messages": [{"role": "user", "content": text}], "temperature": 0, **more}


def token(text: str = "Answer with one digit.", **more: object) -> Body:
    return {**chat(text), "logprobs": True, "max_tokens": 1, "top_logprobs": 20, **more}


def structured(**more: object) -> Body:
    return {
        **chat(),
        "response_format": {"type": "json_schema", "json_schema": {"name": "it", "schema": SCHEMA}},
        **more,
    }


def connect(server: Server, timeout: float = 10.0) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)


def ask(connection: http.client.HTTPConnection, body: Body, key: str = "") -> tuple[int, dict[str, str], bytes]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def status_of(server: Server, body: Body) -> int:
    with closing(connect(server)) as connection:
        return ask(connection, body)[0]


def answer(server: Server, body: Body) -> Any:
    with closing(connect(server)) as connection:
        status, _, data = ask(connection, body)
    assert status == 200, data
    return json.loads(data)


def choice(server: Server, body: Body) -> Any:
    return answer(server, body)["choices"][0]


def chances(server: Server, body: Body) -> dict[str, float]:
    (first,) = choice(server, body)["logprobs"]["content"]
    return {entry["token"]: math.exp(entry["logprob"]) for entry in first["top_logprobs"]}


def wait_for(server: Server, n: int) -> None:
    """Wait until ``n`` requests are over."""
    until = time.monotonic() + 5.0
    while len(server.log) < n:
        assert time.monotonic() < until
        time.sleep(0.005)


def test_the_same_request_has_the_same_answer_on_every_connection_and_server() -> None:
    bodies = [chat(), token(), structured(), chat("Hello!")]
    with running(StandIn()) as one, running(StandIn(latency=0.01)) as other:
        answers = [answer(one, body) for body in bodies]
        backwards = [answer(other, dict(reversed(body.items()))) for body in bodies]
    assert answers == backwards
    assert len({json.dumps(parts) for parts in answers}) == len(bodies)


def test_a_connection_is_kept_and_pipelined_requests_are_answered_in_order() -> None:
    with running(StandIn(latency=0.01)) as server:
        connection = connect(server)
        ask(connection, chat("0"))
        kept = connection.sock
        ask(connection, chat("1"))
        assert connection.sock is kept
        data = [json.dumps(chat(str(n))).encode() for n in range(2)]
        head = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
        kept.sendall(b"".join(head % len(part) + part for part in data))
        wait_for(server, 4)
        connection.close()
    assert [seen.body["messages"][0]["content"] for seen in server.log] == ["0", "1", "0", "1"]
    assert [seen.outcome for seen in server.log] == ["ok"] * 4
    assert all(seen.ended - seen.began >= 0.009 for seen in server.log)
    assert server.peak == 1


def test_the_peak_is_the_most_chat_requests_in_progress() -> None:
    with running(StandIn(latency=0.3, capacity=3)) as server, ThreadPoolExecutor(5) as pool:
        statuses = list(pool.map(lambda n: status_of(server, chat(str(n))), range(5)))
    assert sorted(statuses) == [200, 200, 200, 429, 429]
    assert server.peak == 3
    assert sorted(seen.outcome for seen in server.chats) == ["ok"] * 3 + ["refused_429"] * 2


def test_the_other_pages() -> None:
    with running(StandIn(model="m", api_key="k")) as server:
        connection = connect(server)
        pages = {}
        for path in ("/v1/models", "/health", "/version", "/metrics", "/nothing"):
            connection.request("GET", path, headers={"Authorization": "Bearer k"})
            response = connection.getresponse()
            pages[path] = response.status, response.read().decode()
        connection.request("GET", "/v1/models")
        assert connection.getresponse().status == 401
        connection.close()
    assert [status for status, _ in pages.values()] == [200, 200, 200, 200, 404]
    assert json.loads(pages["/v1/models"][1])["data"][0]["max_model_len"] == 4096
    assert json.loads(pages["/version"][1]) == {"version": "0.0-stand-in"}


def test_the_prefix_cache_is_counted() -> None:
    with running(StandIn()) as server:
        for tail in ("one", "two"):
            answer(server, chat("x" * 1024 + tail))
        connection = connect(server)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
    found = dict(re.findall(r"^vllm:prefix_cache_(\w+)_total\{.*\} ([\d.]+)$", text, re.MULTILINE))
    assert found == {"queries": "512.0", "hits": "256.0"}


def test_refusals() -> None:
    with running(StandIn(api_key="k")) as server:
        connection = connect(server)
        assert ask(connection, chat(), key="other")[0] == 401
        assert ask(connection, {**chat(), "model": "x"}, key="k")[0] == 404
        status, _, data = ask(connection, token(top_logprobs=21), key="k")
        assert status == 400
        assert b"max allowed: 20" in data
        assert ask(connection, {"model": "stand-in"}, key="k")[0] == 400
        assert ask(connection, {"model": "stand-in", "messages": ["Hello"]}, key="k")[0] == 400
        assert ask(connection, chat(), key="k")[0] == 200
        connection.close()
    assert [seen.outcome[-3:] for seen in server.log] == ["401", "404", "400", "400", "400", "ok"]


@pytest.mark.parametrize(("text", "tokens"), [("Give a Digit.", "12345"), ("Give a letter.", "ABCDEFGHIJ")])
def test_the_asked_tokens_hold_most_of_the_mass_sometimes_with_a_leading_space(text: str, tokens: str) -> None:
    spaced = 0
    with running(StandIn()) as server:
        for n in range(12):
            found = chances(server, token(f"{n}. {text}"))
            assert len(found) == 20
            assert list(found.values()) == sorted(found.values(), reverse=True)
            assert sum(found.values()) <= 1.0001
            assert sum(found.get(name, 0.0) + found.get(" " + name, 0.0) for name in tokens) == pytest.approx(
                0.9, abs=0.03
            )
            spaced += any(name[0] == " " for name in found)
    assert 0 < spaced < 12


def test_a_choice_leaves_no_mass_for_anything_else() -> None:
    body = token(structured_outputs={"choice": ["A", "B", "C"]}, top_logprobs=5)
    with running(StandIn()) as server:
        found = chances(server, body)
        (first,) = choice(server, body)["logprobs"]["content"]
    assert len(found) == 5
    assert sum(found[name] for name in "ABC") == pytest.approx(1.0, abs=1e-5)
    assert [entry["logprob"] for entry in first["top_logprobs"][3:]] == [-9999.0, -9999.0]
    assert first["token"] == max(found, key=lambda name: found[name])


def test_a_schema_is_followed() -> None:
    with running(StandIn()) as server:
        found = [json.loads(choice(server, structured(seed=n))["message"]["content"]) for n in range(30)]
        assert choice(server, structured(max_tokens=3))["finish_reason"] == "length"
    assert {value["risk_sensitivity"] for value in found} == {1, 2, 3, 4, 5}
    assert {value["level"] for value in found} == {2, 4}
    assert {value["name"] for value in found} == {"mood", "job"}
    assert all(sorted(value["order"]) == ["a", "b", "c"] for value in found)
    assert len({tuple(value["order"]) for value in found}) > 3


@pytest.mark.parametrize(
    "pattern", [r'\{"risk": [1-5], "order": \["(mood|job)", "(?:a|b\.c)"\]\}', r"^[A-J](, [a-c]){2,3} x?$"]
)
def test_a_regular_expression_is_followed(pattern: str) -> None:
    with running(StandIn()) as server:
        found = {
            choice(server, chat(structured_outputs={"regex": pattern}, seed=n))["message"]["content"] for n in range(20)
        }
    assert len(found) > 5
    assert all(re.fullmatch(pattern, text) for text in found)


def test_prose_is_bounded_by_the_tokens_allowed() -> None:
    with running(StandIn()) as server:
        whole, cut = answer(server, chat()), answer(server, chat(max_tokens=7))
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert 20 <= len(whole["choices"][0]["message"]["content"].split()) <= 60
    assert cut["choices"][0]["finish_reason"] == "length"
    assert len(cut["choices"][0]["message"]["content"].split()) == cut["usage"]["completion_tokens"] == 7


@pytest.mark.parametrize(
    ("kind", "status"), [("429", 429), ("500", 500), ("503", 503), ("expired_key", 401), ("wrong_model", 404)]
)
def test_error_statuses(kind: str, status: int) -> None:
    with running(StandIn(faults=sequence([Fault(kind, retry_after="7" if kind == "429" else None)]))) as server:
        connection = connect(server)
        found, headers, data = ask(connection, chat())
        assert found == status
        assert headers.get("retry-after") == ("7" if kind == "429" else None)
        assert json.loads(data)["error"]["code"] == status
        assert ask(connection, chat())[0] == 200
        connection.close()
    assert [seen.outcome for seen in server.log] == [kind, "ok"]


@pytest.mark.parametrize(
    ("kind", "error"), [("reset", ConnectionResetError), ("half_body", http.client.IncompleteRead)]
)
def test_broken_connections(kind: str, error: type[Exception]) -> None:
    with running(StandIn(faults=always(Fault(kind)))) as server:
        with closing(connect(server)) as connection, pytest.raises(error):
            ask(connection, chat())
        assert [seen.outcome for seen in server.log] == [kind]


def test_unreadable_bodies() -> None:
    faults = [Fault("garbage"), Fault("garbage", text="oops"), Fault("text_429"), Fault("error_in_200")]
    with running(StandIn(faults=sequence(faults))) as server:
        connection = connect(server)
        found = [ask(connection, chat()) for _ in faults]
        connection.close()
    assert {status for status, _, _ in found} == {200}
    bodies = [data for _, _, data in found]
    assert bodies[1:3] == [b"oops", b"429"]
    assert "error" in json.loads(bodies[3])
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(bodies[0])


def test_a_hanging_request_is_in_progress_until_the_client_goes() -> None:
    with running(StandIn(faults=sequence([Fault("hang")]))) as server:
        connection = connect(server, timeout=0.1)
        with pytest.raises(TimeoutError):
            ask(connection, chat())
        assert server.in_progress == 1
        connection.close()
        wait_for(server, 1)
        assert server.in_progress == 0
        assert server.log[0].outcome == "hang"
        assert server.log[0].ended - server.log[0].began >= 0.09


def test_a_client_that_leaves_early_is_noted() -> None:
    with running(StandIn(latency=5.0)) as server:
        connection = connect(server, timeout=0.05)
        with pytest.raises(TimeoutError):
            ask(connection, chat())
        connection.close()
        wait_for(server, 1)
    assert server.log[0].outcome == "gone"


def test_late_answers_unannounced_closing_and_another_fingerprint_spoil_no_content() -> None:
    faults = [Fault("slow_first_byte", seconds=0.1), Fault("changed_fingerprint"), Fault("close_idle")]
    with running(StandIn(faults=sequence(faults))) as server:
        connection = connect(server)
        found = []
        for _ in faults:
            status, headers, data = ask(connection, chat())
            assert status == 200
            assert "connection" not in headers
            found.append(json.loads(data))
        assert isinstance(connection.sock, socket.socket)
        assert connection.sock.recv(1) == b""
        connection.close()
        good = answer(server, chat())
    assert [part["choices"] for part in found] == [good["choices"]] * 3
    assert [part["system_fingerprint"] == good["system_fingerprint"] for part in found] == [True, False, True]
    assert server.log[0].ended - server.log[0].began >= 0.1


@pytest.mark.parametrize("kind", ["outside_scale", "truncated", "empty", "no_logprobs", "unclosed_think"])
def test_spoiled_contents(kind: str) -> None:
    with running(StandIn()) as server:
        good_object = choice(server, structured())["message"]["content"]
    with running(StandIn(faults=always(Fault(kind)))) as server:
        one, whole, prose = (choice(server, body) for body in (token(), structured(), chat()))
    content = whole["message"]["content"]
    tokens = [
        entry["token"] for part in (one["logprobs"] or {"content": []})["content"] for entry in part["top_logprobs"]
    ]
    if kind == "outside_scale":
        assert one["message"]["content"] == prose["message"]["content"] == "9"
        assert tokens
        assert not set("12345ABCDEFGHIJ") & {name.strip() for name in tokens}
        assert json.loads(content) == {"risk_sensitivity": 11, "level": 11, "name": "nobody", "order": ["nobody"] * 3}
    elif kind == "truncated":
        assert whole["finish_reason"] == prose["finish_reason"] == "length"
        assert content == good_object[: len(good_object) // 2]
    elif kind == "empty":
        assert one["message"]["content"] == content == prose["message"]["content"] == ""
        assert one["logprobs"] == {"content": []}
    elif kind == "no_logprobs":
        assert one["logprobs"] is None
        assert content == good_object
    else:
        assert {part["message"]["content"] for part in (one, whole, prose)} == {"<think>hm"}
        assert {part["finish_reason"] for part in (one, whole, prose)} == {"length"}
        assert tokens[0] == "<think>"


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown fault 'flood'"):
        Fault("flood")


def test_random_faults_follow_from_seed_and_index() -> None:
    faults = [Fault(kind) for kind in KINDS]
    drawn = [randomly(0.25, faults, 1)(n, {}) for n in range(2000)]
    assert drawn == [randomly(0.25, faults, 1)(n, {}) for n in range(2000)]
    assert drawn != [randomly(0.25, faults, 2)(n, {}) for n in range(2000)]
    assert sum(fault is not None for fault in drawn) == pytest.approx(500, abs=80)
    assert {fault.kind for fault in drawn if fault} == set(KINDS)


def test_as_a_program_it_logs_good_answers_until_told_to_stop(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, str(program.__file__), "--failure-rate", "0.5", "--faults", "500", "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.fullmatch(r"ready http://127\.0\.0\.1:(\d+)/v1\n", process.stdout.readline())
        assert found
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10.0)
        good = []
        for n in range(20):
            if ask(connection, chat(str(n)))[0] == 200:
                good.append(key_of(chat(str(n))))
            assert [json.loads(line)["key"] for line in log.read_text().splitlines()] == good
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10.0) == 0
    assert 3 < len(good) < 17
