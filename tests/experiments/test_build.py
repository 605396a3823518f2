"""``raise-agent build``: files that can be used, marked as simulated where they are, and errors that say what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raise_agent.attributes import penguin_table
from raise_agent.data import DOMAINS, load_scenarios
from raise_agent.data.sheets import read_sheet, write_sheet
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


def test_neither_the_posts_nor_what_reviewers_wrote_is_written_over(cli: Cli, tmp_path: Path) -> None:
    cli("build", *SMALL)
    sheet = tmp_path / "made" / "data.review.csv"
    rows = [{**row.cells, "Remarks": "odd"} for row in read_sheet(sheet)]
    write_sheet(sheet, list(rows[0]), [list(row.values()) for row in rows])
    before = sheet.read_bytes()
    assert "data.review.csv: somebody has filled it in" in cli("build", *SMALL, status=2).stderr
    assert sheet.read_bytes() == before
    assert "build.posts" in cli("build", "build=posts", "encoder=hashing", "output=made/new.jsonl", status=2).stderr
    posts = tmp_path / "made" / "data.jsonl"
    before = posts.read_bytes()
    said = cli("build", "build=posts", f"build.posts={posts}", "output=made/../made/data.jsonl", status=2).stderr
    assert "that is the file of posts" in said
    assert posts.read_bytes() == before


def test_a_table_may_have_no_network_and_call_attributes_as_the_sheet_calls_columns(cli: Cli, tmp_path: Path) -> None:
    attributes = [
        {
            "key": name.lower(),
            "name": name,
            "kind": "health",
            "question": "?",
            "cost": 0.0,
            "values": {"tall": 0.5, "short": 0.1},
        }
        for name in ("question", "Remarks")
    ]
    (tmp_path / "table.json").write_text(json.dumps({"name": "own", "attributes": attributes}))
    post = {"title": "Who is right?", "text": "My question is tall. " + "What should we do now? " * 9}
    (tmp_path / "posts.jsonl").write_text(json.dumps(post))
    table = ("attributes.table=table.json", "build.posts=posts.jsonl", "build.keep=1")
    cli("build", "build=posts", "encoder=hashing", "output=made/data.jsonl", *table)
    (row,) = read_sheet(tmp_path / "made" / "data.review.csv")
    assert row.cells["question (of the user)"] == "tall"
    assert row.cells["question"].endswith("?")
    assert row.cells["Remarks (of the user)"] == row.cells["Remarks"] == ""


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
