"""Posts from a file of JSON Lines, one at a time: a file of a million is never held in memory.

A post is a JSON object with a ``title`` and a text under ``selftext``, ``body`` or ``text``; ``subreddit``, ``id`` and
``created_utc`` may stand beside them, anything else is passed over. The file may be packed with gzip. It is read as
UTF-8, with or without a mark; as UTF-16 or UTF-32 where it begins with theirs; and a line that is no UTF-8 as
Windows-1252, which the count ``other encoding`` tells. Null bytes and invisible characters are dropped, halves of
characters replaced.

A line that cannot be read is counted, and so is every post that is left out:

=========================== ==========================================================================================
unreadable                  no JSON object, or a title, text, subreddit, id or time of another kind, or over 16 MiB
deleted                     taken down by its writer or by others
too short, too long         outside the limits, in characters
same text or id             as of an earlier post
=========================== ==========================================================================================
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import html
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, cast

from raise_agent.errors import DataError
from raise_agent.text import well_formed

BODIES = ("selftext", "body", "text")
"""Where the text of a post may stand; the first that is there counts."""
LONGEST_LINE = 1 << 24
"""Bytes, or characters where the file has an encoding of its own, of a line that is read at all."""
_GONE = frozenset({"[deleted]", "[removed]", "[deleted by user]", "[removed by reddit]", "[ removed by reddit ]"})
_MARKS = (
    # That of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_INVISIBLE = re.compile("[\0\u00ad\u200b\u2060\ufeff]")
"""Would tear a name or a number apart unseen."""
_UNMARKED = ((b"{\0", "utf-16-le"), (b"\0{", "utf-16-be"))
_PACKED = {b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2"}


@dataclass(frozen=True, slots=True, repr=False)
class Post:
    """What somebody wrote; its ``repr`` shows the line alone."""

    line: int
    """In the file, from 1."""
    text: str
    """Title and text, a blank line between them."""
    subreddit: str
    """In lower case, without ``r/``; empty where it is not told."""
    year: int | None
    """When it was written, UTC."""

    def __repr__(self) -> str:
        return f"Post(line {self.line}; text hidden)"


class PostFile:
    """Posts of a file that can be used, in its order.

    Args:
        path: of the file.
        shortest, longest: characters of a post, title included.

    Raises:
        DataError: there is no such file, or it is packed otherwise than with gzip.
    """

    def __init__(self, path: Path, *, shortest: int, longest: int) -> None:
        self.path = path
        self._shortest, self._longest = shortest, longest
        if not path.is_file():
            what = "this is a folder" if path.is_dir() else "no such file"
            raise DataError(f"{path}: {what}; give a file of posts, JSON Lines, which may be packed with gzip")
        start = self._begins_with()
        for magic, name in _PACKED.items():
            if start.startswith(magic):
                raise DataError(f"{path}: packed with {name}; unpack it first, or pack it with gzip")

    def posts(self, counts: Counter[str]) -> Iterator[Post]:
        """Each post that can be used.

        Args:
            counts: is told of every line: ``read``, and why it is left out where it is.

        Raises:
            DataError: the file cannot be read to its end.
        """
        seen: set[bytes] = set()
        for number, line in self._lines():
            text = _decoded(line, counts) if isinstance(line, bytes) else line
            if text is not None and not text.strip("\0 \t\r\n\ufeff"):
                continue
            counts["read"] += 1
            post = None if text is None else _parsed(text, number)
            if post is None:
                counts["unreadable"] += 1
            elif (fault := self._fault(post, seen)) is not None:
                counts[fault] += 1
            else:
                yield post.post

    def survey(self) -> Counter[str]:
        """The counts of the whole file, without keeping anything of it.

        Raises:
            DataError: it cannot be read to its end, or holds no post that can be used.
        """
        counts: Counter[str] = Counter()
        usable = sum(1 for _ in self.posts(counts))
        if usable == 0:
            told = ", ".join(f"{n:,} {why}" for why, n in counts.items() if why != "read") or "it is empty"
            raise DataError(
                f"{self.path}: no usable post in {counts['read']:,} lines ({told}); each line is to be one JSON object "
                f"with 'title' and 'selftext', 'body' or 'text', of {self._shortest:,} to {self._longest:,} characters"
            )
        return counts

    def _fault(self, post: _Parsed, seen: set[bytes]) -> str | None:
        if post.gone:
            return "deleted"
        length = len(post.post.text)
        if length < self._shortest:
            return "too short"
        if length > self._longest:
            return "too long"
        marks = [_digest("text", " ".join(post.post.text.casefold().split()))]
        if post.id:
            marks.append(_digest("id", post.id))
        known = any(mark in seen for mark in marks)
        seen.update(marks)
        return "same text or id" if known else None

    # --- lines --------------------------------------------------------------------------------------------------------

    def _begins_with(self) -> bytes:
        with self._opened() as stream:
            return stream.read(8)

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        try:
            with open(self.path, "rb") as raw:
                packed = raw.read(2) == b"\x1f\x8b"
                raw.seek(0)
                if not packed:
                    yield raw
                    return
                with gzip.open(raw) as unpacked:
                    yield cast(IO[bytes], unpacked)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{self.path}: the gzip file is damaged or cut short; get it anew") from error
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({type(error).__name__})") from error

    def _lines(self) -> Iterator[tuple[int, bytes | str | None]]:
        """Number and content of each line; None for one that is too long."""
        start = self._begins_with()
        encoding = next((name for mark, name in (*_MARKS, *_UNMARKED) if start.startswith(mark)), None)
        with self._opened() as stream:
            if encoding is None:
                yield from _bounded(stream, b"\n")
            else:
                yield from _bounded(io.TextIOWrapper(stream, encoding, errors="replace", newline="\n"), "\n")


def _bounded(stream: IO[Any], end: bytes | str) -> Iterator[tuple[int, Any]]:
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        whole = len(line) < LONGEST_LINE or line.endswith(end)
        while not whole:
            rest = stream.readline(LONGEST_LINE)
            whole, line = len(rest) < LONGEST_LINE or rest.endswith(end), None
        yield number, line


def _decoded(line: bytes, counts: Counter[str]) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        counts["other encoding"] += 1
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")


# --- records ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class _Parsed:
    post: Post
    id: str
    gone: bool
    """Whether its text was taken down."""


def _parsed(line: str, number: int) -> _Parsed | None:
    """The post in a line; None where there is none."""
    try:
        # Not strict: control characters inside a string are no reason to lose a post.
        data = json.loads(line.replace("\0", "").lstrip("\ufeff"), strict=False)
        if not isinstance(data, dict):
            return None
        title, body = _text(data, "title"), _text(data, *BODIES)
        subreddit, own = _text(data, "subreddit"), _text(data, "id", "name")
        year = _year(data.get("created_utc"))
    except (ValueError, RecursionError, _OtherKind):
        return None
    post = Post(
        line=number,
        text=f"{title}\n\n{body}".strip(),
        subreddit=subreddit.casefold().removeprefix("/").removeprefix("r/"),
        year=year,
    )
    gone = body.casefold() in _GONE or title.casefold() in _GONE or bool(data.get("removed_by_category"))
    return _Parsed(post, own, gone)


class _OtherKind(Exception):  # noqa: N818 - says only that a field is not of the kind it must be
    pass


def _text(data: Mapping[str, Any], *names: str) -> str:
    """The text under the first of these names that has one, fit to be sent and stored; empty where none has."""
    for name in names:
        value = data.get(name)
        if value is None:
            continue
        if name in ("id", "name") and type(value) is int:
            value = str(value)
        if not isinstance(value, str):
            raise _OtherKind
        if value.strip("\0 \t\r\n"):
            # Reddit's records hold "&amp;" for "&".
            return _INVISIBLE.sub("", well_formed(html.unescape(value)).replace("\r\n", "\n")).strip()
    return ""


def _year(value: Any) -> int | None:
    """The year of a time in seconds since 1970, as a number or as text."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _OtherKind
    try:
        return datetime.fromtimestamp(float(value), timezone.utc).year
    except (OverflowError, OSError, ValueError):
        raise _OtherKind from None


def _digest(kind: str, text: str) -> bytes:
    # 8 bytes: a million posts then share one by chance with probability 1 to 30 millions.
    return hashlib.blake2b(text.encode(), digest_size=8, person=kind.encode()).digest()
