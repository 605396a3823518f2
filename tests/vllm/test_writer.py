"""The model that data is built with, at a real server: even a random model fills every form, at once, and pads none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raise_agent.building.contract import Unwritten
from raise_agent.building.forms import ALONE, BESIDE, LONGEST_QUERY, profile_schema, queries_schema, wordings_schema
from raise_agent.building.schema import fits, object_of, text_of
from raise_agent.models.served.client import ClientSettings, Usage
from raise_agent.models.served.connect import ServedSettings
from raise_agent.models.served.settings import WriterSettings
from raise_agent.models.served.writer import connect_writer

from .conftest import Server
from .support import TABLE

pytestmark = pytest.mark.vllm

MIXED = object_of(
    texts={"type": "array", "items": text_of(LONGEST_QUERY), "minItems": 3, "maxItems": 3},
    perhaps=text_of(LONGEST_QUERY, optional=True),
    sure={"type": "boolean"},
)
PROFILE = dict.fromkeys(("domain", "situation", "attributes", "given", "rules", "remarks"), "x")
QUERIES = dict.fromkeys(("domain", "situation", "profile", "count", "remarks"), "x")


def settings_of(server: Server, role: WriterSettings) -> ServedSettings:
    return ServedSettings(client=ClientSettings(concurrency=8), writer=replace(role, base_url=(server.base_url,)))


def test_a_random_model_fills_every_form(server: Server) -> None:
    with connect_writer(settings_of(server, WriterSettings(max_tokens=512)), TABLE, Usage()) as writer:
        assert writer.warnings == ()
        for draw in (None, 0, 1, 2):
            assert fits(writer.write("alone", ALONE, draw, query='"May I?"'), ALONE)
            assert fits(writer.write("beside", BESIDE, draw, profile="- x", query='"May I?"'), BESIDE)
            assert fits(writer.write("profile", profile_schema(TABLE), draw, **PROFILE), profile_schema(TABLE))
            assert fits(writer.write("queries", MIXED, draw, **QUERIES), MIXED)
            assert fits(
                writer.write("wordings", wordings_schema(2), draw, query='"May I?"', count="2"), wordings_schema(2)
            )


def test_a_text_that_does_not_come_to_an_end_is_cut_short_and_said_to_be(server: Server) -> None:
    role = settings_of(server, WriterSettings(max_tokens=32))
    with connect_writer(role, TABLE, Usage()) as writer, pytest.raises(Unwritten, match="cut short"):
        writer.write("queries", queries_schema(10), 0, **QUERIES)
