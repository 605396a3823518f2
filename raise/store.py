"""Every evaluation, kept as it arrives, keyed by everything that can change it. SQLite, successes only.

A model's *identity* (its name, version, sampling, prompt, seed, ... as plain data) is written once and
numbered. An evaluation is keyed by that number, the scenario's content digest, the subset and the sample index,
so that two runs, or two jobs of a sweep, share what both need, and a run started again repeats nothing. A responder's
answers are kept in the same way, so that another judge need not have them written again. No query and no attribute
value is stored as such, but answers may repeat what they were told: keep a store of real people's scenarios as safe
as the scenarios.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from .errors import StoreError
from .models.base import DIMENSIONS, Doubt, Evaluation, Weights

FORMAT = 2
_APPLICATION = 0x52414953
"""Marks the file as ours ("RAIS")."""
BUSY_SECONDS = 60.0
"""How long another process is waited for that has the file locked."""
_DOUBLE = np.dtype("<f8")

_VARIANCES = tuple(f"{dimension}_variance" for dimension in DIMENSIONS)
_OUTSIDE = tuple(f"{dimension}_outside" for dimension in DIMENSIONS)
_SCORES = (*DIMENSIONS, *_VARIANCES, *_OUTSIDE)
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS identities (id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS origins (id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS evaluations (
    identity INTEGER NOT NULL, scenario BLOB NOT NULL, subset INTEGER NOT NULL, sample INTEGER NOT NULL,
    {", ".join(f"{dimension} REAL NOT NULL" for dimension in DIMENSIONS)}, origin INTEGER NOT NULL,
    {", ".join(f"{column} REAL" for column in (*_VARIANCES, *_OUTSIDE))},
    PRIMARY KEY (identity, scenario, subset, sample)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS responses (
    identity INTEGER NOT NULL, scenario BLOB NOT NULL, subset INTEGER NOT NULL, sample INTEGER NOT NULL,
    text TEXT NOT NULL, finished INTEGER NOT NULL,
    PRIMARY KEY (identity, scenario, subset, sample)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rankings (
    identity INTEGER NOT NULL, scenario BLOB NOT NULL, subset INTEGER NOT NULL, weights BLOB NOT NULL,
    PRIMARY KEY (identity, scenario, subset)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """One finished evaluation."""

    digest: str
    """Content digest of the scenario."""
    subset: int
    sample: int
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """One answer of a responder."""

    digest: str
    subset: int
    """The attributes that it was told."""
    sample: int
    text: str = field(repr=False)
    finished: bool
    """False where it was cut off at the token limit."""


@dataclass(frozen=True, slots=True)
class RankingRow:
    """One finished ranking."""

    digest: str
    subset: int
    """The attributes known when the others were ranked."""
    weights: Weights


def write_ahead(db: sqlite3.Connection) -> None:
    """Switch a file to a write-ahead log.

    Two processes that open a new file at once cannot both switch, and SQLite does not wait: the second tries again.

    Raises:
        sqlite3.Error: the file cannot be switched.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    db.execute("PRAGMA synchronous = NORMAL")


class EvaluationStore:
    """The evaluations of many runs in one file.

    Args:
        path: an SQLite file, made with its folder if missing; ``:memory:`` keeps nothing.

    Raises:
        StoreError: the file is not ours, of a later format, or cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._numbers: dict[tuple[str, str], int] = {}
        if self.path != ":memory:":
            try:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"{self.path}: cannot make the folder of the store ({error.strerror})") from error
        with self._explained("open"):
            self._db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                self._check()
                write_ahead(self._db)
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def _check(self) -> None:
        """Refuse a file that is not ours before anything in it changes."""
        # Tables first: another process that makes the file writes them and the mark in one transaction.
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application,) = self._db.execute("PRAGMA application_id").fetchone()
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if tables and application != _APPLICATION:
            raise StoreError(f"{self.path}: an SQLite file of another program; name a new file for the store")
        if version > FORMAT:
            raise StoreError(f"{self.path}: store format {version}, this version reads up to {FORMAT}; upgrade")

    def _prepare(self) -> None:
        with self._transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 1:
                # Format 1 knew no doubt and kept no responses.
                for column in (*_VARIANCES, *_OUTSIDE):
                    self._db.execute(f"ALTER TABLE evaluations ADD COLUMN {column} REAL")
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id = {_APPLICATION}")
            self._db.execute(f"PRAGMA user_version = {FORMAT}")

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            damaged = (
                "; move it away to start a new one"
                if "malformed" in str(error) or "not a database" in str(error)
                else ""
            )
            raise StoreError(f"{self.path}: cannot {what} the evaluation store: {error}{damaged}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _number(self, table: str, column: str, text: str) -> int:
        known = self._numbers.get((table, text))
        if known is None:
            with self._explained("write"), self._transaction():
                self._db.execute(f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", (text,))
                (known,) = self._db.execute(f"SELECT id FROM {table} WHERE {column} = ?", (text,)).fetchone()
            self._numbers[table, text] = known
        return int(known)

    def identity(self, identity: Mapping[str, object]) -> int:
        """The number of a model's identity, given at first sight."""
        return self._number("identities", "identity", json.dumps(identity, sort_keys=True, ensure_ascii=False))

    def evaluations(self, identity: int, digest: str) -> dict[tuple[int, int], Evaluation]:
        """(subset, sample) -> evaluation, for one scenario."""
        query = f"SELECT subset, sample, {', '.join(_SCORES)} FROM evaluations WHERE identity = ? AND scenario = ?"
        with self._explained("read"):
            rows = self._db.execute(query, (identity, bytes.fromhex(digest)))
            return {(subset, sample): _evaluation(scores) for subset, sample, *scores in rows}

    def response(self, identity: int, digest: str, subset: int, sample: int) -> str | None:
        """A responder's answer; None where there is none yet."""
        query = "SELECT text FROM responses WHERE identity = ? AND scenario = ? AND subset = ? AND sample = ?"
        with self._explained("read"):
            found = self._db.execute(query, (identity, bytes.fromhex(digest), subset, sample)).fetchone()
        return None if found is None else str(found[0])

    def rankings(self, identity: int, digest: str) -> dict[int, Weights]:
        """Subset known -> weights, for one scenario."""
        query = "SELECT subset, weights FROM rankings WHERE identity = ? AND scenario = ?"
        with self._explained("read"):
            rows = self._db.execute(query, (identity, bytes.fromhex(digest)))
            return {subset: Weights(tuple(np.frombuffer(weights, _DOUBLE).tolist())) for subset, weights in rows}

    def has_evaluations(self, identity: int) -> bool:
        """Whether this model ever scored anything."""
        with self._explained("read"):
            query = "SELECT EXISTS (SELECT 1 FROM evaluations WHERE identity = ?)"
            return bool(self._db.execute(query, (identity,)).fetchone()[0])

    def safety_models(self) -> dict[int, dict[str, Any]]:
        """Number -> identity, as plain data, of each model that scored anything."""
        query = (
            "SELECT id, identity FROM identities "
            "WHERE EXISTS (SELECT 1 FROM evaluations WHERE evaluations.identity = identities.id) ORDER BY id"
        )
        with self._explained("read"):
            return {number: json.loads(identity) for number, identity in self._db.execute(query)}

    def all_evaluations(self, identity: int) -> list[EvaluationRow]:
        """Everything that this model scored, by scenario, subset and sample."""
        query = (
            f"SELECT scenario, subset, sample, {', '.join(_SCORES)} FROM evaluations "
            "WHERE identity = ? ORDER BY scenario, subset, sample"
        )
        with self._explained("read"):
            return [
                EvaluationRow(scenario.hex(), subset, sample, _evaluation(scores))
                for scenario, subset, sample, *scores in self._db.execute(query, (identity,))
            ]

    def all_responses(self, identity: int) -> list[ResponseRow]:
        """Every answer of a responder, by scenario, subset and sample."""
        query = (
            "SELECT scenario, subset, sample, text, finished FROM responses "
            "WHERE identity = ? ORDER BY scenario, subset, sample"
        )
        with self._explained("read"):
            return [
                ResponseRow(scenario.hex(), subset, sample, text, bool(finished))
                for scenario, subset, sample, text, finished in self._db.execute(query, (identity,))
            ]

    def write_evaluations(self, identity: int, origin: str, rows: Iterable[EvaluationRow]) -> int:
        """Keep these evaluations, all or none; one that is there already stays as it is.

        Args:
            identity: number of the safety model's identity.
            origin: who asked, such as a planner's name; kept with the rows for provenance.
            rows: finished evaluations.

        Returns:
            How many were not there yet.
        """
        asked = self._number("origins", "origin", origin)
        columns = ("identity", "scenario", "subset", "sample", "origin", *_SCORES)
        marks = ", ".join("?" * len(columns))
        before = self._db.total_changes
        with self._explained("write"), self._transaction():
            self._db.executemany(
                f"INSERT OR IGNORE INTO evaluations ({', '.join(columns)}) VALUES ({marks})",
                (
                    (identity, bytes.fromhex(row.digest), row.subset, row.sample, asked, *_scores(row.evaluation))
                    for row in rows
                ),
            )

        return self._db.total_changes - before

    def write_responses(self, identity: int, rows: Iterable[ResponseRow]) -> None:
        """Keep these answers, all or none; one that is there already stays as it is."""
        with self._explained("write"), self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO responses VALUES (?, ?, ?, ?, ?, ?)",
                ((identity, bytes.fromhex(row.digest), row.subset, row.sample, row.text, row.finished) for row in rows),
            )

    def responses(self, identity: int) -> tuple[int, int]:
        """How many answers of a responder there are, and how many of them were cut off."""
        query = "SELECT count(*), coalesce(sum(finished = 0), 0) FROM responses WHERE identity = ?"
        with self._explained("read"):
            total, cut = self._db.execute(query, (identity,)).fetchone()
        return int(total), int(cut)

    def write_rankings(self, identity: int, rows: Iterable[RankingRow]) -> None:
        """Keep these rankings, all or none; one that is there already stays as it is."""
        with self._explained("write"), self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO rankings VALUES (?, ?, ?, ?)",
                (
                    (
                        identity,
                        bytes.fromhex(row.digest),
                        row.subset,
                        np.asarray(row.weights.weights, _DOUBLE).tobytes(),
                    )
                    for row in rows
                ),
            )

    def origins(self, identity: int, digests: Sequence[str]) -> dict[str, int]:
        """How many evaluations of these scenarios each origin asked for first."""
        wanted = {bytes.fromhex(digest) for digest in digests}
        counts: dict[str, int] = {}
        query = (
            "SELECT scenario, origins.origin, count(*) FROM evaluations "
            "JOIN origins ON origins.id = evaluations.origin "
            "WHERE identity = ? GROUP BY scenario, origins.origin"
        )
        with self._explained("read"):
            for scenario, origin, count in self._db.execute(query, (identity,)):
                if scenario in wanted:
                    counts[origin] = counts.get(origin, 0) + count
        return dict(sorted(counts.items()))

    def close(self) -> None:
        """Fold the write-ahead log in and close."""
        self._db.close()

    def __enter__(self) -> EvaluationStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_NO_DOUBT = (None,) * len(DIMENSIONS)


def _scores(evaluation: Evaluation) -> tuple[float | None, ...]:
    """The columns of ``_SCORES``."""
    scores, doubt = evaluation.dimensions, evaluation.doubt
    if doubt is None:
        return scores + _NO_DOUBT + _NO_DOUBT
    return scores + (doubt.variances or _NO_DOUBT) + doubt.outside


def _evaluation(columns: Sequence[Any]) -> Evaluation:
    """The inverse of ``_scores``."""
    n = len(DIMENSIONS)
    scores, variances, outside = columns[:n], columns[n : 2 * n], columns[2 * n :]
    if outside[0] is None:
        return Evaluation(*scores)
    return Evaluation(*scores, doubt=Doubt(None if variances[0] is None else tuple(variances), tuple(outside)))
