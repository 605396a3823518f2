"""The client against a server that misbehaves in every way it knows."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from itertools import pairwise

import pytest

from raise_agent.errors import ConfigError, ModelError
from raise_agent.models.served.client import Client, ClientSettings, _proxy, is_loopback
from raise_agent.models.served.endpoints import Route
from raise_agent.models.served.failures import CallFailed, Failure
from raise_agent.models.served.wire import ChatReply

from .stand_in import TRANSIENT, Fault, Server, StandIn, always, running, sequence
from .support import Hasty, chat, completion, dead_port, hurry, reacting, token, used

KEY = "sk-made-up-0123456789"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def made(
    server: Server, *, concurrency: int | None = 8, attempts: int = 3, timeout: float = 5.0
) -> tuple[Client, Route]:
    client = Client(ClientSettings(concurrency=concurrency, attempts=attempts, timeout=timeout, patience=60.0))
    return client, client.route([server.base_url], None)


async def many(client: Client, route: Route, count: int) -> list[ChatReply]:
    return await asyncio.gather(*(client.chat(route, chat(n)) for n in range(count)))


def outcomes(server: Server) -> list[str]:
    return [seen.outcome for seen in server.chats]


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*TRANSIENT, "changed_fingerprint"])
def test_what_passes_is_asked_again_and_the_answer_is_the_good_one(kind: str) -> None:
    with running(StandIn()) as good:
        client, route = made(good)
        expected = used(client, client.chat(route, chat()))
    with running(StandIn(faults=sequence([Fault(kind), Fault(kind)]))) as server:
        client, route = made(server)
        reply = used(client, client.chat(route, chat()))
    if kind == "changed_fingerprint":
        assert (reply.text, reply.revision) == (expected.text, "vllm-0.0-changed")
        assert outcomes(server) == [kind]
    else:
        assert reply == expected
        assert outcomes(server) == [kind, kind, "ok"]
        assert sum(client.usage.failed.values()) == 2
        assert client.usage.requests == 1


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        ("429", Failure.RATE_LIMITED),
        ("500", Failure.SERVER),
        ("503", Failure.OVERLOADED),
        ("reset", Failure.CONNECTION),
        ("half_body", Failure.CONNECTION),
        ("garbage", Failure.UNREADABLE),
        ("text_429", Failure.UNREADABLE),
        ("error_in_200", Failure.SERVER),
        ("broken_off", Failure.SERVER),
    ],
)
def test_what_does_not_pass_is_a_typed_failure_after_all_attempts(kind: str, failure: Failure) -> None:
    with running(StandIn(faults=always(Fault(kind)))) as server:
        client, route = made(server)
        with pytest.raises(CallFailed) as caught:
            used(client, client.chat(route, chat()))
    assert caught.value.kind is failure
    assert caught.value.passing
    assert outcomes(server) == [kind] * 3
    assert client.usage.requests == 0
    assert client.usage.failed == {failure.value: 3}


def test_a_hang_is_cut_off_and_the_request_made_again(hasty: Hasty) -> None:
    with hasty.running(StandIn(faults=sequence([Fault("hang")]))) as server:
        client, route = made(server, timeout=0.3)
        began = hasty.now()
        hasty.used(client, client.chat(route, chat()))
    assert outcomes(server) == ["hang", "ok"]
    assert hasty.now() - began == pytest.approx(0.3, abs=0.05)
    assert client.usage.failed == {Failure.TIMEOUT.value: 1}


def test_a_late_answer_within_the_time_out_is_an_answer(hasty: Hasty) -> None:
    with hasty.running(StandIn(faults=sequence([Fault("slow_first_byte", seconds=0.5)]))) as server:
        client, route = made(server, timeout=2.0)
        hasty.used(client, client.chat(route, chat()))
    assert outcomes(server) == ["slow_first_byte"]
    assert not client.usage.failed


@pytest.mark.parametrize(("kind", "words"), [("expired_key", "refuses the key"), ("wrong_model", "not served there")])
def test_what_no_retry_helps_ends_the_run_at_once(kind: str, words: str) -> None:
    with running(StandIn(faults=always(Fault(kind)))) as server:
        client, route = made(server)
        with pytest.raises(ModelError, match=words):
            used(client, client.chat(route, chat()))
    assert len(server.chats) == 1


def test_a_request_that_the_server_rejects_is_not_made_again() -> None:
    with running(StandIn()) as server:
        client, route = made(server)
        with pytest.raises(CallFailed) as caught:
            used(client, client.chat(route, chat(logprobs=True, top_logprobs=99, max_tokens=1)))
    assert caught.value.kind is Failure.REJECTED
    assert not caught.value.passing
    assert "99" in caught.value.server_said
    assert "99" not in str(caught.value)
    assert len(server.chats) == 1


def test_a_cut_answer_an_empty_one_and_one_without_probabilities_say_so() -> None:
    faults = sequence([Fault("truncated"), Fault("empty"), Fault("no_logprobs")])
    with running(StandIn(faults=faults)) as server:
        client, route = made(server)

        async def three() -> list[ChatReply]:
            return [await client.chat(route, body) for body in (chat(), chat(), token())]

        cut, empty, without = used(client, three())
    assert not cut.finished
    assert (empty.text, empty.finished) == ("", True)
    assert without.first_token is None
    assert outcomes(server) == ["truncated", "empty", "no_logprobs"]


def test_thinking_that_never_ends_is_not_an_answer() -> None:
    with running(StandIn(faults=always(Fault("unclosed_think")))) as server:
        client, route = made(server)
        reply = used(client, client.chat(route, chat()))
    assert reply.still_thinking
    assert reply.text == ""


def test_connections_that_close_after_each_answer_lose_nothing() -> None:
    with running(StandIn(faults=always(Fault("close_idle")))) as server:
        client, route = made(server, concurrency=4, attempts=6)
        replies = used(client, many(client, route, 60))
    assert len(replies) == 60
    assert {seen.body["messages"][0]["content"] for seen in server.chats} == {f"Hello {n}" for n in range(60)}


@pytest.mark.parametrize(
    "thought", ["<think>Well, 5?</think>", "\n<think>\nWell\n</think>\n\n", "Well, 5?\n</think>\n"]
)
def test_thinking_is_stripped(thought: str) -> None:
    """The last form is what comes of chat templates that open the thinking themselves."""
    assert _answered(completion(f"{thought}Yes.")).text == "Yes."


def _answered(data: object, path: list[str] | None = None) -> ChatReply:
    async def ask() -> ChatReply:
        async with reacting(lambda *_: (200, {}, data)) as url:
            client = Client(ClientSettings(concurrency=1, attempts=1))
            try:
                return await client.chat(client.route([url], None), chat())
            finally:
                await client.aclose()

    return asyncio.run(ask())


def test_a_probability_far_above_one_is_no_probability() -> None:
    top = [{"token": "5", "logprob": 1000.0}]
    logprobs = {"content": [{"token": "5", "logprob": 1000.0, "top_logprobs": top}]}
    with pytest.raises(CallFailed) as caught:
        _answered(completion("5", logprobs=logprobs))
    assert caught.value.kind is Failure.UNREADABLE


def test_more_probability_than_one_is_no_probability() -> None:
    top = [{"token": digit, "logprob": -0.2} for digit in "12"]
    with pytest.raises(CallFailed) as caught:
        _answered(completion("1", logprobs={"content": [{"top_logprobs": top}]}))
    assert caught.value.kind is Failure.UNREADABLE


def test_answers_whose_tokens_the_server_does_not_count_are_counted_as_such() -> None:
    with running(StandIn(counts=False)) as server:
        client, route = made(server)
        replies = used(client, many(client, route, 3))
    assert not any(reply.counted for reply in replies)
    assert (client.usage.requests, client.usage.uncounted, client.usage.tokens) == (3, 3, 0)


def test_a_redirect_is_refused_and_nothing_is_sent_elsewhere() -> None:
    elsewhere: list[str] = []

    async def ask() -> None:
        def other(path: str, headers: object, body: bytes) -> tuple[int, dict[str, str], object]:
            elsewhere.append(path)
            return 200, {}, completion("Hello")

        async with (
            reacting(other) as there,
            reacting(lambda *_: (307, {"location": f"{there}/chat/completions"}, {})) as here,
        ):
            client = Client(ClientSettings(concurrency=1))
            try:
                await client.chat(client.route([here], None), chat())
            finally:
                await client.aclose()

    with pytest.raises(ModelError, match="redirects elsewhere"):
        asyncio.run(ask())
    assert elsewhere == []


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_retries_wait_longer_each_time_and_not_all_alike(monkeypatch: pytest.MonkeyPatch, hasty: Hasty) -> None:
    monkeypatch.setattr("raise_agent.models.served.client.FIRST_DELAY", 0.1)
    with hasty.running(StandIn(faults=always(Fault("429")))) as server:
        client, route = made(server, attempts=3)

        async def failing() -> None:
            await asyncio.gather(*(client.chat(route, chat(n)) for n in range(8)), return_exceptions=True)

        hasty.used(client, failing())
    first, second = [], []
    for n in range(8):
        own = [seen for seen in server.chats if seen.body["messages"][0]["content"] == f"Hello {n}"]
        one, two = (later.began - earlier.ended for earlier, later in pairwise(own))
        first.append(one)
        second.append(two)
    assert all(gap >= 0.049 for gap in first)
    assert all(gap >= 0.099 for gap in second)
    assert max(first) - min(first) > 0.005


@pytest.mark.parametrize(("kind", "form"), [("429", "seconds"), ("503", "date")])
def test_the_servers_retry_after_is_honoured(kind: str, form: str, hasty: Hasty) -> None:
    date = datetime.now(timezone.utc) + timedelta(seconds=31)
    header = "30" if form == "seconds" else format_datetime(date, usegmt=True)
    with hasty.running(StandIn(faults=sequence([Fault(kind, retry_after=header)]))) as server:
        client, route = made(server)
        hasty.used(client, client.chat(route, chat()))
    refused, answered = server.chats
    waited = answered.began - refused.ended
    # A date has whole seconds, and is told by the clock on the wall.
    assert waited == pytest.approx(30.0, rel=1e-3) if form == "seconds" else 20.0 < waited <= 31.0


def test_retry_after_holds_back_all_requests_to_the_server(hasty: Hasty) -> None:
    with hasty.running(StandIn(faults=sequence([Fault("429", retry_after="0.6")]))) as server:
        client, route = made(server, concurrency=1)
        hasty.used(client, many(client, route, 4))
    refused, *answered = server.chats
    assert len(answered) == 4
    assert all(seen.began - refused.ended >= 0.59 for seen in answered)


@pytest.mark.parametrize("header", ["soon", "-3", "nan", "inf", ""])
def test_a_retry_after_that_makes_no_sense_is_passed_over(header: str, hasty: Hasty) -> None:
    with hasty.running(StandIn(faults=sequence([Fault("429", retry_after=header)]))) as server:
        client, route = made(server)
        began = hasty.now()
        hasty.used(client, client.chat(route, chat()))
    assert outcomes(server) == ["429", "ok"]
    assert hasty.now() - began < 1.0


def test_a_retry_after_longer_than_the_patience_ends_the_run(hasty: Hasty) -> None:
    with hasty.running(StandIn(faults=always(Fault("429", retry_after="86400")))) as server:
        client, route = made(server)
        with pytest.raises(ModelError, match=r"86,400 s, longer than llm\.client\.patience"):
            hasty.used(client, client.chat(route, chat()))


def test_waiting_for_a_place_is_not_part_of_the_time_out(hasty: Hasty) -> None:
    with hasty.running(StandIn(latency=0.15)) as server:
        client, route = made(server, concurrency=1, timeout=0.5)
        began = hasty.now()
        hasty.used(client, many(client, route, 6))
    assert hasty.now() - began == pytest.approx(0.9, abs=0.01)
    assert not client.usage.failed


def test_as_many_requests_are_in_progress_as_are_allowed_and_no_more(hasty: Hasty) -> None:
    with hasty.running(StandIn(latency=0.02)) as server:
        client, route = made(server, concurrency=5)
        hasty.used(client, many(client, route, 40))
    assert server.peak == 5


def test_no_library_holds_back_a_wide_pool(hasty: Hasty) -> None:
    with hasty.running(StandIn(latency=1.0)) as server:
        client, route = made(server, concurrency=300, timeout=30.0)
        hasty.used(client, many(client, route, 300))
    assert server.peak == 300
    assert len(server.chats) == 300


def test_finding_out_leads_to_many_requests_at_once(hasty: Hasty) -> None:
    with hasty.running(StandIn(latency=0.05)) as server:
        client, route = made(server, concurrency=None)
        hasty.used(client, many(client, route, 350))
    assert server.peak > 16
    assert len(server.chats) == 350


def test_a_full_server_loses_no_request_of_a_client_that_finds_out(
    monkeypatch: pytest.MonkeyPatch, hasty: Hasty
) -> None:
    monkeypatch.setattr("raise_agent.models.served.client.FIRST_DELAY", 0.25)
    with hasty.running(StandIn(latency=0.02, capacity=6)) as server:
        client, route = made(server, concurrency=None, attempts=6)
        replies = hasty.used(client, many(client, route, 150))
    assert len(replies) == 150
    assert outcomes(server).count("ok") == 150


# --- several servers --------------------------------------------------------------------------------------------------


def test_a_dead_server_beside_a_living_one_costs_no_request(hasty: Hasty) -> None:
    with hasty.running(StandIn(latency=0.01)) as server:
        client = Client(ClientSettings(concurrency=4, attempts=1, patience=5.0))
        route = client.route([f"http://127.0.0.1:{dead_port()}/v1", server.base_url], None)
        replies = hasty.used(client, many(client, route, 40))
    assert len(replies) == 40
    assert len(server.chats) == 40


def test_the_least_busy_server_is_asked(hasty: Hasty) -> None:
    with hasty.running(StandIn(latency=0.3)) as slow, hasty.running(StandIn(latency=0.01)) as fast:
        client = Client(ClientSettings(concurrency=4))
        route = client.route([slow.base_url, fast.base_url], None)
        hasty.used(client, many(client, route, 80))
    assert len(slow.chats) + len(fast.chats) == 80
    assert len(slow.chats) >= 4
    assert len(fast.chats) > 3 * len(slow.chats)


@pytest.mark.parametrize("kind", ["500", "garbage", "reset"])
def test_a_broken_server_beside_a_good_one_does_not_swallow_requests(kind: str, hasty: Hasty) -> None:
    """It fails at once, so it is always the least busy one."""
    with hasty.running(StandIn(faults=always(Fault(kind)))) as broken, hasty.running(StandIn(latency=0.05)) as good:
        client = Client(ClientSettings(concurrency=4))
        route = client.route([broken.base_url, good.base_url], None)
        assert len(hasty.used(client, many(client, route, 60))) == 60
        before = len(broken.chats)
        assert len(hasty.used(client, many(client, route, 30))) == 30
    assert before < 40
    assert len(broken.chats) - before <= 10, "it was not left alone"


def test_a_server_that_comes_back_is_used_again(hasty: Hasty) -> None:
    port = dead_port()
    client = Client(ClientSettings(concurrency=4, attempts=1, patience=20.0))
    route = client.route([f"http://127.0.0.1:{port}/v1"], None)

    async def begin() -> asyncio.Task[ChatReply]:
        asked = asyncio.ensure_future(client.chat(route, chat()))
        await asyncio.sleep(0.4)
        return asked

    asked = hasty.run(begin())
    assert not asked.done()
    began = hasty.now()
    with hasty.running(StandIn(), port):
        assert hasty.used(client, asked).text
    assert hasty.now() - began < 5.0


def test_no_living_server_ends_the_run_after_the_patience(hasty: Hasty) -> None:
    port = dead_port()
    client = Client(ClientSettings(concurrency=4, patience=0.5))
    route = client.route([f"http://127.0.0.1:{port}/v1"], None)
    began = hasty.now()
    with pytest.raises(ModelError, match=f"no answer from http://127.0.0.1:{port}/v1"):
        hasty.used(client, many(client, route, 3))
    assert hasty.now() - began == pytest.approx(0.5, abs=0.25)


def test_a_route_that_the_client_did_not_make_waits_like_any_other(hasty: Hasty) -> None:
    """Discovery asks a single endpoint in this way."""
    with hasty.running(StandIn(faults=sequence([Fault("429", retry_after="0.3")]))) as server:
        client, route = made(server)
        alone = Route((route.endpoints[0],))
        reply = hasty.used(client, asyncio.wait_for(client.chat(alone, chat()), 5.0))
    assert reply.text


# --- keys, proxies, addresses -----------------------------------------------------------------------------------------


def test_the_key_is_sent_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_KEY", KEY)
    with running(StandIn(api_key=KEY)) as server:
        client = Client(ClientSettings(concurrency=2))
        route = client.route([server.base_url], "MADE_UP_KEY")
        used(client, client.chat(route, chat()))
        assert server.chats[0].headers["authorization"] == f"Bearer {KEY}"
    shown = [client, route, route.endpoints[0], client.settings, client.usage, vars(client)]
    assert not any(KEY in text for it in shown for text in (repr(it), str(it)))


def test_a_key_that_is_refused_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_KEY", KEY)
    with running(StandIn(faults=always(Fault("expired_key", text=f"Incorrect API key provided: {KEY}")))) as server:
        client = Client(ClientSettings(concurrency=2))
        route = client.route([server.base_url], "MADE_UP_KEY")
        with pytest.raises(ModelError) as caught:
            used(client, client.chat(route, chat()))
    assert KEY not in repr(caught.value)
    assert "llm.api_key_env" in str(caught.value)


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MADE_UP_KEY", raising=False)
    with running(StandIn()) as server:
        client = Client(ClientSettings())
        used(client, client.chat(client.route([server.base_url], "MADE_UP_KEY"), chat()))
    assert "authorization" not in server.chats[0].headers


def test_a_line_break_behind_a_key_is_not_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_KEY", f"{KEY}\n")
    with running(StandIn(api_key=KEY)) as server:
        client = Client(ClientSettings())
        assert used(client, client.chat(client.route([server.base_url], "MADE_UP_KEY"), chat())).text


def test_a_key_that_no_header_can_hold_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_KEY", f"{KEY}\nX-More: 1")
    with pytest.raises(ConfigError, match="MADE_UP_KEY") as caught:
        Client(ClientSettings()).route(["http://localhost:1/v1"], "MADE_UP_KEY")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000/v1",
        "ftp://localhost/v1",
        f"http://user:{KEY}@localhost/v1",
        f"http://localhost/v1?api_key={KEY}",
        "http://localhost:many/v1",
        "http://[::1/v1",
        "",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_a_key(url: str) -> None:
    with pytest.raises(ConfigError, match=r"llm\.base_url") as caught:
        Client(ClientSettings()).route([url], None)
    assert KEY not in str(caught.value)


def test_no_address_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="must name at least one server"):
        Client(ClientSettings()).route([], None)


def _proxied(monkeypatch: pytest.MonkeyPatch, proxy: str, none: str = "") -> None:
    for name in ("http_proxy", "https_proxy"):
        for spelling in (name, name.upper()):
            monkeypatch.setenv(spelling, proxy)
    for spelling in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(spelling, none)


def test_a_proxy_of_the_environment_does_not_matter_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    _proxied(monkeypatch, f"http://127.0.0.1:{dead_port()}")
    with running(StandIn()) as server:
        client, route = made(server)
        assert used(client, client.chat(route, chat())).text
    for url in ("http://localhost:8000/v1", "http://[::1]:8000/v1", "http://127.1.2.3/v1", "http://0.0.0.0:8000/v1"):
        assert _proxy(url) is None


def test_a_proxy_of_the_environment_is_used_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(StandIn()) as proxy:
        _proxied(monkeypatch, f"http://127.0.0.1:{proxy.port}")
        client = Client(ClientSettings(attempts=1))
        with pytest.raises(CallFailed):
            used(client, client.chat(client.route(["http://far.invalid/v1"], None), chat()))
    assert [seen.path for seen in proxy.log] == ["http://far.invalid/v1/chat/completions"]


@pytest.mark.parametrize("none", ["far.invalid", ".invalid", "*", "other, far.invalid:8000"])
def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch, none: str) -> None:
    _proxied(monkeypatch, "http://proxy.invalid:3128", none)
    assert _proxy("http://far.invalid:8000/v1") is None


def test_no_proxy_for_one_host_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    _proxied(monkeypatch, "http://proxy.invalid:3128", "near.invalid")
    assert _proxy("https://far.invalid/v1") == "http://proxy.invalid:3128"


def test_a_proxys_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    _proxied(monkeypatch, f"http://user:{KEY}@proxy.invalid:3128")
    route = Client(ClientSettings()).route(["http://far.invalid/v1"], None)
    assert route.endpoints[0].proxy is not None
    assert KEY not in repr(route)


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("a.localhost", True), ("127.0.0.2", True), ("::1", True), ("10.0.0.1", False), ("x", False)],
)
def test_this_machine_is_known(host: str, here: bool) -> None:
    assert is_loopback(host) is here


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_the_client_works_in_a_second_event_loop() -> None:
    with running(StandIn(latency=0.01)) as server:
        client, route = made(server, concurrency=2)
        first = used(client, many(client, route, 5))
        assert used(client, many(client, route, 5)) == first


def test_requests_that_are_cancelled_give_their_places_back(hasty: Hasty) -> None:
    with hasty.running(StandIn(latency=0.2)) as server:
        client, route = made(server, concurrency=2)

        async def some() -> None:
            asked = [asyncio.ensure_future(client.chat(route, chat(n))) for n in range(6)]
            await asyncio.sleep(0.05)
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            assert route.endpoints[0].in_progress == 0
            await asyncio.wait_for(many(client, route, 4), 5.0)

        hasty.used(client, some())
        assert server.peak == 2


def test_closing_while_others_still_ask_does_not_upset_the_count(hasty: Hasty) -> None:
    with hasty.running(StandIn(latency=0.3)) as server:
        client, route = made(server, concurrency=2)

        async def some() -> None:
            asked = [asyncio.ensure_future(client.chat(route, chat(n))) for n in range(2)]
            await asyncio.sleep(0.05)
            await client.aclose()
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

        hasty.used(client, some())
    assert route.endpoints[0].in_progress == 0


def test_a_page_is_asked_for_again_while_the_server_has_too_much_to_do() -> None:
    asked = []

    def busy(path: str, headers: object, body: bytes) -> tuple[int, dict[str, str], object]:
        asked.append(path)
        return (200, {}, {"data": []}) if len(asked) == 3 else (503, {"retry-after": "0"}, {})

    async def get(attempts: int) -> bytes:
        async with reacting(busy) as url:
            client = Client(ClientSettings(concurrency=1, attempts=attempts))
            try:
                return await client.get(client.route([url], None).endpoints[0], f"{url}/models")
            finally:
                await client.aclose()

    assert b"data" in asyncio.run(get(3))
    asked.clear()
    with pytest.raises(CallFailed) as caught:
        asyncio.run(get(2))
    assert caught.value.kind is Failure.OVERLOADED
    assert asked == ["/v1/models"] * 2


def test_the_key_is_taken_out_of_what_a_server_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_KEY", KEY)

    async def ask() -> None:
        async with reacting(lambda *_: (400, {}, {"error": {"message": f"bad request by {KEY}"}})) as url:
            client = Client(ClientSettings(concurrency=1))
            try:
                await client.chat(client.route([url], "MADE_UP_KEY"), chat())
            finally:
                await client.aclose()

    with pytest.raises(CallFailed) as caught:
        asyncio.run(ask())
    assert caught.value.server_said == "bad request by (the key)"


def test_tokens_and_requests_are_counted() -> None:
    with running(StandIn()) as server:
        client, route = made(server)
        replies = used(client, many(client, route, 5))
    assert client.usage.requests == 5
    assert client.usage.tokens == sum(reply.prompt_tokens + reply.generated_tokens for reply in replies) > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency": 0},
        {"max_concurrency": 0},
        {"attempts": 0},
        {"timeout": 0.0},
        {"timeout": float("nan")},
        {"connect_timeout": float("inf")},
        {"patience": -1.0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"llm.client.{next(iter(wrong))}"):
        ClientSettings(**wrong)  # type: ignore[arg-type]
