"""What a model wrote, kept as it arrives: what is killed and started again repeats no finished call.

SQLite in one file beside what is made. A call is keyed by everything that can change what comes of it: the model's
identity, the part of the prompt, the form, the draw and every value. No value is kept as such, but what the model
wrote is: keep the journal as safe as the data that it is about.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, get_args

from raise_agent.errors import StoreError
from raise_agent.store import BUSY_SECONDS, write_ahead

from .contract import Reason, Unwritten, Writer

_APPLICATION = 0x52414A4E
"""Marks the file as ours ("RAJN")."""


class Journal(AbstractContextManager["Journal"]):
    """Finished calls in a file.

    Args:
        path: made with its folder if missing.

    Raises:
        StoreError: the file is not ours, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._door = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{path}: cannot open the journal of what a model wrote ({error})") from error
        try:
            (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (application,) = self._db.execute("PRAGMA application_id").fetchone()
            if tables and application != _APPLICATION:
                raise StoreError(f"{path}: an SQLite file of another program; move it away, or name another place")
            self._db.execute(f"PRAGMA application_id = {_APPLICATION}")
            write_ahead(self._db)
            self._db.execute("CREATE TABLE IF NOT EXISTS calls (key BLOB PRIMARY KEY, outcome TEXT NOT NULL)")
        except sqlite3.Error as error:
            self._db.close()
            raise StoreError(
                f"{path}: cannot read the journal of what a model wrote ({error}); move it away to start anew"
            ) from error
        except StoreError:
            self._db.close()
            raise

    def get(self, key: bytes) -> Any:
        """What came of a call, ``{"wrote": value}`` or ``{"failed": reason}``; None where it is not finished.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            with self._door:
                found = self._db.execute("SELECT outcome FROM calls WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot read the journal of what a model wrote ({error})") from error
        return None if found is None else json.loads(found[0])

    def put(self, key: bytes, outcome: Mapping[str, Any]) -> None:
        """Keep what came of a call; on the disk when this returns.

        Raises:
            StoreError: the file cannot be written.
        """
        try:
            with self._door:
                text = json.dumps(outcome, ensure_ascii=True)
                self._db.execute("INSERT OR IGNORE INTO calls VALUES (?, ?)", (key, text))
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot write the journal of what a model wrote ({error})") from error

    def close(self) -> None:
        """Fold the write-ahead log in and close."""
        with self._door:
            self._db.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class KeptWriter:
    """A writer whose finished calls are kept, and taken from there the next time.

    What failed for good may be kept too, so that a build that goes on comes to the same end as one that was not
    stopped; what failed in passing is asked for again.

    Args:
        writer: writes what is not kept yet.
        journal: keeps it.
        failures: whether what failed for good is kept.
    """

    def __init__(self, writer: Writer, journal: Journal, *, failures: bool = True) -> None:
        self._writer, self._journal, self._failures = writer, journal, failures
        self._own = json.dumps(writer.identity, sort_keys=True, ensure_ascii=True)
        self._door = threading.Lock()
        self.asked = 0
        """Calls that the writer was asked in this run."""
        self.taken = 0
        """Calls that were taken from the journal."""

    @property
    def identity(self) -> Mapping[str, object]:
        """As the writer's."""
        return self._writer.identity

    @property
    def simulated(self) -> bool:
        """As the writer's."""
        return self._writer.simulated

    @property
    def in_flight(self) -> int:
        """As the writer's."""
        return self._writer.in_flight

    def write(self, part: str, schema: Mapping[str, Any], /, draw: int | None = None, **values: str) -> Any:
        """A value of this schema; see :class:`Writer`.

        Raises:
            Unwritten: nothing of this form came.
            ModelError: the model is gone.
            StoreError: the journal cannot be used.
        """
        key = self._key(part, schema, draw, values)
        outcome = self._journal.get(key)
        if outcome is None:
            written = self._write(part, schema, draw, values)
            self._journal.put(key, written)
            # Of two processes that asked for the same, both go on with what was written first.
            outcome = self._journal.get(key)
            self._count(taken=False)
        else:
            self._count(taken=True)
        if "failed" in outcome:
            assert outcome["failed"] in get_args(Reason)
            raise Unwritten(outcome["failed"])
        return outcome["wrote"]

    def _write(
        self, part: str, schema: Mapping[str, Any], draw: int | None, values: Mapping[str, str]
    ) -> dict[str, Any]:
        try:
            return {"wrote": self._writer.write(part, schema, draw, **values)}
        except Unwritten as failed:
            if not (failed.final and self._failures):
                self._count(taken=False)
                raise
            return {"failed": failed.reason}

    def _count(self, *, taken: bool) -> None:
        with self._door:
            self.taken += taken
            self.asked += not taken

    def _key(self, part: str, schema: Mapping[str, Any], draw: int | None, values: Mapping[str, str]) -> bytes:
        # The order of a schema's properties is that of the writing.
        text = json.dumps([self._own, part, json.dumps(schema), draw, sorted(values.items())], ensure_ascii=True)
        return hashlib.blake2b(text.encode(), digest_size=16).digest()
