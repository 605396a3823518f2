"""Writing: exact round trips, equal bytes, and never half a file."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from raise_agent.attributes import penguin_table
from raise_agent.data import load_scenarios, write_jsonl
from raise_agent.errors import DataError
from raise_agent.files import atomic_write_bytes, atomic_write_text
from raise_agent.scenario import Profile, Scenario

TABLE = penguin_table()
SECRET = "zebra-value-7731"
AWKWARD = [
    "Plain?",
    'He said "no" \\ and left?',
    "Two\nlines\r\nand\ta tab?",
    "Separated\u2028by\u2029lines\x85here\x0b\x0c\x1c?",
    "雨の日はどうする？ 🌧️ naïve e\u0301",
    "  spaces kept  ",
    "\ufeffstarts with a mark?",
    "nothing \x00".replace("\x00", "\x01"),
]


def scenario(number: int, query: str, value: str | None = SECRET, **changes: str) -> Scenario:
    values: list[str | None] = [None] * len(TABLE)
    values[2], values[9] = value, query
    fields = {"id": f"s-{number}", "domain": "Life", "source": "synthetic"} | changes
    return Scenario(query=query, profile=Profile(TABLE.keys, tuple(values)), **fields)


def some() -> list[Scenario]:
    return [scenario(number, query) for number, query in enumerate(AWKWARD)]


def test_scenarios_read_back_equal(tmp_path: Path) -> None:
    written = [
        *some(),
        scenario(98, "No value?", None, domain="", source=""),
        scenario(99, "x", domain="a\u2028b"),
    ]
    write_jsonl(tmp_path / "s.jsonl", written)
    data = load_scenarios(tmp_path / "s.jsonl", TABLE)
    assert data.scenarios == tuple(written)
    assert [s.digest for s in data.scenarios] == [s.digest for s in written]
    assert (data.skipped, data.duplicates) == ((), 0)


def test_what_was_loaded_from_any_form_reads_back_equal(tmp_path: Path) -> None:
    hub = [{"query": q, "age": 30, "gender": "n/a", "scenario": "Moving", "source": "jobs"} for q in AWKWARD]
    (tmp_path / "posts.json").write_text(json.dumps(hub), encoding="utf-8")
    loaded = load_scenarios(tmp_path / "posts.json", TABLE).scenarios
    write_jsonl(tmp_path / "s.jsonl", loaded)
    assert load_scenarios(tmp_path / "s.jsonl", TABLE).scenarios == loaded


def test_the_bytes_are_those_of_the_form_and_always_the_same(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        write_jsonl(tmp_path / name, iter(some()))
    data = (tmp_path / "a.jsonl").read_bytes()
    assert data == (tmp_path / "b.jsonl").read_bytes()
    text = data.decode("utf-8")
    assert len(text.splitlines()) == text.count("\n") == len(AWKWARD)
    for line in text.splitlines():
        record = json.loads(line)
        assert list(record) == ["id", "domain", "query", "source", "profile"]
        assert list(record["profile"]) == list(TABLE.keys)
    assert "雨" in text


def test_no_scenarios_make_an_empty_file(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "s.jsonl", [])
    assert (tmp_path / "s.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (scenario(7, "B?", id=" "), "its id is empty"),
        (scenario(0, "B?"), "its id is that of an earlier scenario"),
        (scenario(7, " "), "the query is blank"),
        (scenario(7, SECRET + "\0"), "the query holds a null byte"),
        (scenario(7, SECRET + "\ud800"), "the query holds a lone surrogate"),
        (scenario(7, "B?", SECRET + "\ud800"), "'marital' holds a lone surrogate"),
        (scenario(7, "B?", domain="\ud800"), "'domain' holds a lone surrogate"),
        (scenario(7, "B?", source="\0"), "'source' holds a null byte"),
        (scenario(7, "B?", id="\0"), "'id' holds a null byte"),
    ],
)
def test_what_could_not_be_read_back_is_refused_and_the_old_file_stays(
    tmp_path: Path, bad: Scenario, expected: str
) -> None:
    file = tmp_path / "s.jsonl"
    file.write_text("old", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        write_jsonl(file, [scenario(0, "A?"), bad])
    assert "s.jsonl: scenario 2: " in str(caught.value)
    assert expected in str(caught.value)
    assert SECRET not in str(caught.value)
    assert file.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["s.jsonl"]


def test_a_source_of_scenarios_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[Scenario]:
        yield scenario(0, "A?")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_jsonl(tmp_path / "s.jsonl", failing())
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for path in (tmp_path, tmp_path / "file" / "s.jsonl"):
        with pytest.raises(DataError, match="cannot be written"):
            write_jsonl(path, some())
    assert os.listdir(tmp_path) == ["file"]


# The helper


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    file = tmp_path / "a.txt"
    atomic_write_text(file, "old")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(KeyboardInterrupt):
            atomic_write_text(file, "new")
    assert file.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_text_that_cannot_be_encoded_is_refused_before_any_file(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        atomic_write_text(tmp_path / "a.txt", "\ud800")
    assert os.listdir(tmp_path) == []


def test_bytes_and_newlines_arrive_unchanged_in_folders_that_are_made(tmp_path: Path) -> None:
    atomic_write_text(tmp_path / "deep/er/a.txt", "one\ntwo\r\n")
    assert (tmp_path / "deep/er/a.txt").read_bytes() == b"one\ntwo\r\n"
    atomic_write_bytes(str(tmp_path / "b"), b"\0\xff")
    assert (tmp_path / "b").read_bytes() == b"\0\xff"


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_permissions_and_links_survive(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    atomic_write_bytes(tmp_path / "new", b"x")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    plain.chmod(0o600)
    (tmp_path / "link").symlink_to(plain)
    atomic_write_bytes(tmp_path / "link", b"y")
    assert (tmp_path / "link").is_symlink()
    assert plain.read_bytes() == b"y"
    assert stat.S_IMODE(plain.stat().st_mode) == 0o600
