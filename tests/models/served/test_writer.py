"""The model that data is built with: held to its form, read strictly, asked again, and never quoted in an error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from raise_agent.building.contract import Unwritten
from raise_agent.building.forms import ALONE, BESIDE, profile_schema, queries_schema
from raise_agent.building.schema import fits, object_of, pattern_of
from raise_agent.errors import ConfigError, ModelError
from raise_agent.models.served.client import ClientSettings, Usage
from raise_agent.models.served.connect import unconnected_caller
from raise_agent.models.served.settings import WriterSettings
from raise_agent.models.served.writer import LiveWriter, ServedWriter, connect_writer

from .stand_in import Fault, Server, StandIn, always, running
from .support import TABLE, hurry, secret, settings

CLIENT = ClientSettings(concurrency=8, attempts=2, patience=5.0)
SECRET = secret(0, 0)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@contextmanager
def writer_at(server: Server, **own: Any) -> Iterator[LiveWriter]:
    role = WriterSettings(**{"base_url": (server.base_url,), **own})
    with connect_writer(settings(server, writer=role, client=CLIENT), TABLE, Usage()) as made:
        yield made


def write(writer: LiveWriter, number: int = 0, draw: int | None = 0) -> Any:
    return writer.write(
        "queries",
        queries_schema(2),
        draw=draw,
        domain="Life",
        situation="crisis: x",
        profile=f"- Age: {SECRET}",
        count="2",
        remarks=f"- {number}",
    )


def after_connecting(fault: Fault) -> Any:
    """Goes wrong on all but the greeting and the made-up case."""
    return lambda n, body: fault if n >= 2 else None


@pytest.mark.parametrize("owner", ["vllm", "someone"])
def test_every_form_comes_back_from_a_server_of_either_kind(owner: str) -> None:
    with running(StandIn(owner=owner)) as server, writer_at(server, max_tokens=20_000) as writer:
        about = {"profile": "- Age: 55+", "query": '"a $ {b}"'}
        assert fits(writer.write("beside", BESIDE, None, **about), BESIDE)
        assert fits(write(writer), queries_schema(2))
        form = profile_schema(TABLE)
        names = ("domain", "situation", "attributes", "given", "rules", "remarks")
        assert fits(writer.write("profile", form, 3, **dict.fromkeys(names, "x")), form)
    body = server.chats[-1].body
    if owner == "vllm":
        assert body["structured_outputs"] == {"regex": pattern_of(form)}
    else:
        assert body["response_format"]["json_schema"]["schema"] == form
        assert "structured_outputs" not in body
    assert body["max_tokens"] == 20_000


def test_what_is_found_out_is_asked_at_temperature_0_and_what_is_invented_is_drawn() -> None:
    with running(StandIn()) as server, writer_at(server, temperature=0.7) as writer:
        writer.write("alone", ALONE, query="a")
        drawn = [write(writer, draw=draw) for draw in (0, 0, 1)]
    bodies = [seen.body for seen in server.chats][-4:]
    assert [body["temperature"] for body in bodies] == [0, 0.7, 0.7, 0.7]
    assert bodies[1]["seed"] == bodies[2]["seed"] != bodies[3]["seed"]
    assert drawn[0] == drawn[1] != drawn[2]


def test_many_threads_get_what_one_gets() -> None:
    with running(StandIn(latency=0.01)) as server, writer_at(server) as writer:
        assert writer.in_flight == 8
        with ThreadPoolExecutor(8) as threads:
            together = list(threads.map(lambda number: write(writer, number), range(16)))
        assert [write(writer, number) for number in range(16)] == together
    assert server.peak > 1


@pytest.mark.parametrize(
    ("fault", "reason", "requests"),
    [
        (Fault("outside_scale", text=f'{{"queries": ["{SECRET}"]}}'), "broken structure", 3),
        (Fault("outside_scale", text=f"I cannot help with {SECRET}."), "broken structure", 3),
        (Fault("outside_scale", text='{"queries": [' * 3000), "broken structure", 3),
        (Fault("empty"), "broken structure", 3),
        (Fault("truncated"), "cut short", 3),
        (Fault("503"), "no answer", 2),
    ],
)
def test_a_form_that_never_comes_is_one_of_a_few_failures(fault: Fault, reason: str, requests: int) -> None:
    misbehaving = StandIn(faults=after_connecting(fault))
    with running(misbehaving) as server, writer_at(server) as writer, pytest.raises(Unwritten) as failed:
        write(writer)
    assert failed.value.reason == str(failed.value) == reason
    assert failed.value.final == (reason != "no answer")
    assert SECRET not in repr(failed.getrepr())
    asked = [seen.body for seen in server.chats][2:]
    assert len(asked) == requests
    # The client repeats a request as it is; the writer asks under another seed.
    assert len({body["seed"] for body in asked}) == (1 if reason == "no answer" else 3)


def test_a_form_that_comes_late_is_taken() -> None:
    faults = {2: Fault("outside_scale", text="{"), 3: Fault("truncated")}
    with running(StandIn(faults=lambda n, body: faults.get(n))) as server, writer_at(server) as writer:
        assert fits(write(writer), queries_schema(2))
    assert len(server.chats) == 5


def test_a_server_that_is_gone_ends_it() -> None:
    role: dict[str, Any] = {"writer": WriterSettings(base_url=("http://127.0.0.1:9/v1",)), "client": CLIENT}
    with pytest.raises(ModelError), connect_writer(settings("http://127.0.0.1:9/v1", **role), TABLE, Usage()):
        pass


def test_a_model_that_cannot_write_the_made_up_case_is_warned_of() -> None:
    nonsense = always(Fault("outside_scale", text="no"))
    with running(StandIn(faults=nonsense)) as server, writer_at(server) as writer:
        (warning,) = writer.warnings
    assert warning.startswith("the writer did not fill in a made-up case: answer not in the form asked for")


def test_settings_enter_the_identity_and_are_checked() -> None:
    url = "http://localhost:1/v1"

    def identity(**own: Any) -> str:
        made = settings(url, writer=WriterSettings(base_url=(url,), **own))
        return json.dumps(ServedWriter(unconnected_caller(made, "writer"), made.writer.attempts).identity)

    assert (
        len({identity(), identity(temperature=0.1), identity(attempts=1), identity(seed=2), identity(max_tokens=9)})
        == 5
    )
    with pytest.raises(ConfigError, match=r"llm\.writer\.attempts must be 1 or more"):
        identity(attempts=0)


def test_half_a_character_is_sent_as_a_question_mark() -> None:
    with running(StandIn()) as server, writer_at(server) as writer:
        writer.write("alone", object_of(neutral={"type": "boolean"}), query="half \ud83d")
    assert re.search(r"\nhalf \?\n", server.chats[-1].body["messages"][-1]["content"])
