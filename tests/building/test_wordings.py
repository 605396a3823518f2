"""Queries in other words, with a writer that repeats, refuses and mixes up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from raise_agent.building.contract import Reason, Unwritten
from raise_agent.building.forms import wordings_schema
from raise_agent.building.schema import fits
from raise_agent.building.wordings import write_wordings
from raise_agent.data.synthetic import query_stock
from raise_agent.errors import ModelError
from raise_agent.models import simulated_writer
from raise_agent.models.simulated_writer import SimulatedWriter

from .support import TABLE, Scripted

QUERIES = [stocked.query for stocked in query_stock()[:40]]
PARAPHRASES = {stocked.query: stocked.paraphrases for stocked in query_stock()}


def written(texts: Mapping[str, Any]) -> Scripted:
    """A writer of these wordings, by query."""

    def instead(number: int, part: str, values: Mapping[str, str]) -> Any:
        found = texts[json.loads(values["query"])]
        if isinstance(found, Exception):
            raise found
        return {"wordings": list(found)}

    return Scripted(instead)


@pytest.mark.parametrize("in_flight", [1, 8])
def test_every_query_is_put_in_other_words_in_one_call(in_flight: int) -> None:
    writer = Scripted(in_flight=in_flight, seconds=0.002)
    done: list[int] = []
    found = write_wordings(QUERIES, writer, 4, done.append)
    assert found.of == {query: PARAPHRASES[query] for query in QUERIES}
    assert list(found.of) == QUERIES
    assert found.missing == {}
    assert writer.calls == {"wordings": len(QUERIES)}
    assert {draw for _, draw, _ in writer.seen} == {0}
    assert done == list(range(1, len(QUERIES) + 1))


def test_what_tells_requests_apart_no_longer_is_left_out() -> None:
    found = write_wordings(
        ["May I go?", "Shall I stay?", "Is it far?", "Why?"],
        written(
            {
                "May I go?": ["may i  GO?", "Off with me?", " Off  with me? ", "I can't help with that."],
                "Shall I stay?": ["May I go", "Do I remain?", "I can't help with that!", '"Better to remain?"'],
                "Is it far?": ["I can't help with that.", "Sorry, no: Is it far?", "IS IT FAR!!"],
                "Why?": [" ", "?!"],
            }
        ),
        4,
    )
    assert found.of == {
        "May I go?": ("Off with me?",),
        "Shall I stay?": ("Do I remain?", '"Better to remain?"'),
    }
    assert found.missing == {"nothing new": 2}


def test_a_wording_may_hold_a_query_of_a_word_or_two() -> None:
    found = write_wordings(
        ["Why?", "Too late?"], written({"Why?": ["Why so?"], "Too late?": ["Is it too late now?"]}), 1
    )
    assert found.of == {"Why?": ("Why so?",), "Too late?": ("Is it too late now?",)}


@pytest.mark.parametrize("reason", ["refused", "cut short", "broken structure", "no answer"])
def test_what_is_not_written_is_counted(reason: Reason) -> None:
    found = write_wordings(["One?", "Two?"], written({"One?": Unwritten(reason), "Two?": ["Both?"]}), 1)
    assert found.of == {"Two?": ("Both?",)}
    assert found.missing == {reason: 1}


def test_a_model_that_is_gone_ends_it() -> None:
    with pytest.raises(ModelError, match="gone"):
        write_wordings(["One?"], written({"One?": ModelError("gone")}), 1)


def test_nobody_sees_a_wording_by_accident() -> None:
    assert "Off" not in repr(write_wordings(["May I go?"], written({"May I go?": ["Off with me?"]}), 1))


def test_the_simulated_writer_fills_the_form_and_leaves_what_it_does_not_know() -> None:
    writer = SimulatedWriter(TABLE)
    for query in (QUERIES[0], 'Nobody\'s words, with "quotes"?'):
        reply = writer.write("wordings", wordings_schema(3), 0, query=json.dumps(query), count="3")
        assert fits(reply, wordings_schema(3))
        known = PARAPHRASES.get(query, (query,))
        assert reply["wordings"] == [*known, *known, *known][:3]
    assert write_wordings(["Nobody's words?"], writer, 3).missing == {"nothing new": 1}


def test_paraphrases_are_in_the_simulated_writers_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    before = SimulatedWriter(TABLE).identity
    first, *rest = query_stock()
    monkeypatch.setattr(simulated_writer, "query_stock", lambda: (replace(first, paraphrases=("Which way?",)), *rest))
    assert SimulatedWriter(TABLE).identity != before
