"""Posts from a file: whatever its encoding, whatever is wrong with its lines, nothing lost and nothing held."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from raise_agent.building import posts
from raise_agent.building.posts import Post, PostFile
from raise_agent.errors import DataError

SECRET = "quagga-7731"
BODY = f"Été à Łódź – naïve “quotes”, {SECRET}. " + "I do not know what to do about all of this. " * 6


def record(number: int = 1, **changes: Any) -> dict[str, Any]:
    usual = {"id": f"p{number}", "title": f"Question {number}", "selftext": f"{BODY}{number}", "subreddit": "r/Jobs"}
    return {**usual, "created_utc": 1_600_000_000 + number} | changes


def lines(*records: Any) -> str:
    return "".join((r if isinstance(r, str) else json.dumps(r, ensure_ascii=False)) + "\n" for r in records)


def read(path: Path, content: bytes | str, **limits: int) -> tuple[list[Post], Counter[str]]:
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    counts: Counter[str] = Counter()
    found = list(PostFile(path, **{"shortest": 20, "longest": 20_000, **limits}).posts(counts))
    left_out = sum(counts[why] for why in ("unreadable", "deleted", "too short", "too long", "same text or id"))
    assert counts["read"] == len(found) + left_out
    return found, counts


def encoded() -> Iterable[Any]:
    text = lines(record(1), record(2))
    for name in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        yield pytest.param(text.encode(name), id=name)
    yield pytest.param(b"\xfe\xff" + text.encode("utf-16-be"), id="utf-16-be with a mark")
    yield pytest.param(gzip.compress(text.encode()), id="gzip")
    yield pytest.param(gzip.compress(text.encode("utf-16")), id="gzip of utf-16")
    yield pytest.param(text.replace("\n", "\r\n").encode(), id="lines of Windows")


@pytest.mark.parametrize("content", list(encoded()))
def test_every_encoding_gives_the_same_posts(tmp_path: Path, content: bytes) -> None:
    found, counts = read(tmp_path / "posts", content)
    assert [(post.line, post.text) for post in found] == [(n, f"Question {n}\n\n{BODY}{n}") for n in (1, 2)]
    assert {(post.subreddit, post.year) for post in found} == {("jobs", 2020)}
    assert counts == {"read": 2}


def test_a_line_that_is_no_utf8_is_read_as_windows_1252_and_counted(tmp_path: Path) -> None:
    body = "Où est-ce que je peux aller – après tout ça ?"
    latin = lines(record(1, selftext=body)).encode("cp1252")
    found, counts = read(tmp_path / "posts", lines(record(2)).encode() + latin)
    assert [post.text.split("\n\n")[1] for post in found] == [f"{BODY}2", body]
    assert counts == {"read": 2, "other encoding": 1}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{not json", "unreadable"),
        ("[1, 2]", "unreadable"),
        ("[" * 100_000, "unreadable"),
        ('{"title": ' + "9" * 5000 + "}", "unreadable"),
        (record(2, title=["a", "list"]), "unreadable"),
        (record(2, created_utc="yesterday"), "unreadable"),
        (record(2, created_utc=1e30), "unreadable"),
        (record(2, selftext="[removed]"), "deleted"),
        (record(2, title="[deleted by user]"), "deleted"),
        (record(2, removed_by_category="moderator"), "deleted"),
        (record(2, title="Short", selftext="one."), "too short"),
        ({"id": "x"}, "too short"),
        (record(2, selftext="x " * 500_000), "too long"),
        (record(1, title="Another title"), "same text or id"),
        (record(2, title="QUESTION   1", selftext=f"{BODY}1"), "same text or id"),
    ],
)
def test_what_is_left_out_is_counted_and_the_rest_is_read(tmp_path: Path, line: Any, why: str) -> None:
    found, counts = read(tmp_path / "posts", lines(record(1), line, record(3)))
    assert [post.line for post in found] == [1, 3]
    assert counts == {"read": 3, why: 1}


def test_null_bytes_halves_of_characters_and_invisible_ones_do_not_lose_a_post(tmp_path: Path) -> None:
    odd = '{"title": "A\\u0000b\\ud83d c", "body": "tab\there, nul\0there, zero&#x200B;width &amp; more \ufeff"}\n'
    found, _ = read(tmp_path / "posts", "\0\0\n" + "\0" * 9 + odd + "\n \n")
    assert [post.text for post in found] == ["Ab? c\n\ntab\there, nulthere, zerowidth & more"]
    assert (found[0].subreddit, found[0].year) == ("", None)


def test_a_line_without_end_is_passed_over_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posts, "LONGEST_LINE", 2000)
    found, counts = read(tmp_path / "posts", lines(record(1), record(2, selftext="x" * 9000), record(3), "y" * 1999))
    assert [post.line for post in found] == [1, 3]
    assert counts == {"read": 4, "unreadable": 2}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no such file"),
        (b"", "it is empty"),
        (b"\x28\xb5\x2f\xfd rest", "packed with zstd"),
        (gzip.compress(lines(record(1)).encode())[:-20], "damaged or cut short"),
        (json.dumps([record(1), record(2)]).encode(), "no usable post in 1 lines (1 unreadable)"),
        (json.dumps(record(1), indent=1).encode(), "each line is to be one JSON object"),
        (lines(record(1, selftext="[removed]")).encode(), "1 deleted"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_that_holds_nothing_of_it(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "posts.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        PostFile(path, shortest=20, longest=20_000).survey()
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_folder_is_no_file_of_posts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="this is a folder"):
        PostFile(tmp_path, shortest=1, longest=2)


def test_posts_are_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_text(lines(*(record(n, selftext=BODY + "x" * 5000 + str(n)) for n in range(500))), encoding="utf-8")
    assert path.stat().st_size > 2_500_000
    tracemalloc.start()
    try:
        assert PostFile(path, shortest=20, longest=20_000).survey() == {"read": 500}
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500_000
