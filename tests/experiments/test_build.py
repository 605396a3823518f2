"""``raise-agent build``: files that can be used, marked as simulated where they are, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from raise_agent.attributes import penguin_table
from raise_agent.data import DOMAINS, load_scenarios
from raise_agent.data.sheets import read_sheet
from tests.conftest import Cli
from tests.models.served.stand_in import Fault, StandIn, running

TABLE = penguin_table()
SMALL = ("build.n=28", "build.queries=2", "encoder=hashing", "output=made/data.jsonl")
FILES = ("data.jsonl", "data.card.md", "data.review.csv")


def test_what_is_built_loads_and_is_built_again_without_a_call(cli: Cli, tmp_path: Path) -> None:
    said = cli("build", *SMALL, "review=10").stdout
    folder = tmp_path / "made"
    loaded = load_scenarios(folder / "data.jsonl", TABLE)
    assert len(loaded.scenarios) == 28
    assert loaded.duplicates == 0
    assert {one.domain for one in loaded.scenarios} == set(DOMAINS)
    assert {one.source for one in loaded.scenarios} == {"simulated"}
    card = (folder / "data.card.md").read_text()
    assert "**Simulated.**" in card
    assert "28 simulated scenarios" in said
    assert not any(one.query in card + said for one in loaded.scenarios)
    rows = read_sheet(folder / "data.review.csv")
    queries = {one.id: one.query for one in loaded.scenarios}
    assert len({row.cells["id"] for row in rows}) == 10
    assert all(row.cells["question"] == queries[row.cells["id"]] for row in rows)
    assert all(row.cells["source"] == "simulated" for row in rows)
    before = [(folder / name).read_bytes() for name in FILES]
    assert "calls: 0 made" in cli("build", *SMALL, "review=10").stdout
    assert [(folder / name).read_bytes() for name in FILES] == before


def test_a_server_that_never_writes_the_form_leaves_a_card_that_says_so(cli: Cli, tmp_path: Path) -> None:
    with running(StandIn(faults=lambda n, body: Fault("outside_scale", text="Sorry, no."))) as server:
        done = cli("build", *SMALL, "llm=vllm", f"llm.base_url={server.base_url}", status=2)
    assert "warning: the writer did not fill in a made-up case" in done.stderr
    assert "nothing was left to write" in done.stderr
    assert "Sorry" not in done.stdout + done.stderr
    card = (tmp_path / "made" / "data.card.md").read_text()
    assert "broken structure" in card
    assert "Simulated" not in card
    assert not (tmp_path / "made" / "data.jsonl").exists()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("output=made/data.csv", "name a file *.jsonl"),
        ("seed=-1", "seed must be 0 or more"),
        ("similarity=0", "similarity must be a cosine above 0"),
        ("review=-1", "review must be 0 or more"),
        ("build.n=0", "build.n must be 1 or more"),
        ("build.circumstances={bad: 1}", "unknown circumstance 'bad'"),
        ("build.circumstances=[1]", "shares by name"),
        ("build=syntetic", "did you mean 'synthetic'"),
        ("build.querys=3", "did you mean 'queries'"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_written(setting: str, said: str, cli: Cli, tmp_path: Path) -> None:
    assert said in cli("build", *SMALL, setting, status=2).stderr
    assert not list(tmp_path.glob("made/*.jsonl"))
