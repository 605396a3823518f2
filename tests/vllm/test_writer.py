"""The model that data is built with, at a real server: even a random model fills every form, and pads none."""

from __future__ import annotations

import pytest

from raise_agent.building.contract import Unwritten
from raise_agent.building.forms import ALONE, BESIDE, profile_schema, queries_schema
from raise_agent.building.schema import fits, object_of, text_of
from raise_agent.models.served.client import ClientSettings, Usage
from raise_agent.models.served.connect import ServedSettings
from raise_agent.models.served.settings import WriterSettings
from raise_agent.models.served.writer import connect_writer

from .conftest import Server
from .support import TABLE

pytestmark = pytest.mark.vllm

SHORT = object_of(
    texts={"type": "array", "items": text_of(12), "minItems": 3, "maxItems": 3},
    perhaps=text_of(8, optional=True),
    sure={"type": "boolean"},
)
PROFILE = dict.fromkeys(("domain", "situation", "attributes", "given", "rules", "remarks"), "x")
QUERIES = dict.fromkeys(("domain", "situation", "profile", "count", "remarks"), "x")


def test_a_random_model_fills_every_form(server: Server) -> None:
    role = WriterSettings(base_url=(server.base_url,), max_tokens=256, attempts=1)
    settings = ServedSettings(client=ClientSettings(concurrency=8), writer=role)
    with connect_writer(settings, TABLE, Usage()) as writer:
        assert writer.warnings == ()
        for draw in (None, 0, 1, 2):
            assert fits(writer.write("alone", ALONE, draw, query='"May I?"'), ALONE)
            assert fits(writer.write("beside", BESIDE, draw, profile="- x", query='"May I?"'), BESIDE)
            assert fits(writer.write("profile", profile_schema(TABLE), draw, **PROFILE), profile_schema(TABLE))
            assert fits(writer.write("queries", SHORT, draw, **QUERIES), SHORT)
            assert fits(writer.write("wordings", SHORT, draw, query='"May I?"', count="3"), SHORT)
        # Ten long texts of a model that never comes to an end are cut short, and said to be.
        with pytest.raises(Unwritten, match="cut short"):
            writer.write("queries", queries_schema(10), 0, **QUERIES)
