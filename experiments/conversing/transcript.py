"""Conversations kept in a file, where the user asks for it: written whole after every turn, readable again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raise_agent.agent import Question, Turn, Why
from raise_agent.agent.conversation import FORMAT as STATE_FORMAT
from raise_agent.errors import ConfigError
from raise_agent.files import atomic_write_text

FORMAT = 1
_NOTE = "Holds what a person said. Keep it as safe as that."


@dataclass(slots=True, repr=False)
class Transcript:
    """What was said, conversation by conversation."""

    made_by: Mapping[str, Any]
    """Which agent asked and who answered, as plain data; the last one's."""
    file: Path | None
    """Where it is written; None keeps it in memory only."""
    conversations: list[dict[str, Any]] = field(default_factory=list)
    """Each ``{"state", "said", "answered", "forgotten"}``, the last one perhaps unfinished."""
    resumed: Path | None = None
    """The earlier transcript that they come from."""

    @property
    def last(self) -> dict[str, Any] | None:
        """The conversation that is under way or was the last; None where that is forgotten."""
        last = self.conversations[-1] if self.conversations else None
        return None if last is None or last["forgotten"] else last

    def create(self) -> None:
        """Make the file, readable by its owner alone, and write what there is; goes on with the one resumed from.

        Raises:
            ConfigError: another file is there already.
            OSError: it cannot be made; nothing is left of it.
        """
        if self.file is None:
            return
        if self.resumed is not None and self.file.exists() and self.file.samefile(self.resumed):
            self.save()
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise ConfigError(
                f"transcript: {self.file} is there already; resume={self.file} beside it goes on from it, or give "
                "another file"
            ) from None
        try:
            self.save()
        except BaseException:
            self.file.unlink(missing_ok=True)
            raise

    def begin(self, query: str) -> None:
        """A new conversation."""
        self.conversations.append({"state": None, "said": [{"who": "user", "text": query}]})
        self.conversations[-1] |= {"answered": False, "forgotten": False}

    def reply(self, text: str | None) -> None:
        """What the user said to a question; None where they declined it."""
        self.conversations[-1]["said"].append({"who": "user", "text": text})

    def turn(self, turn: Turn, state: Mapping[str, Any]) -> None:
        """What the agent decided, and the conversation as it is now; written."""
        said = {"who": "agent", "why": _plain(turn.why)}
        if isinstance(turn, Question):
            said |= {"asks": turn.attribute.key, "text": turn.text}
        self.conversations[-1]["said"].append(said)
        self.conversations[-1]["state"] = dict(state)
        self.save()

    def answer(self, text: str) -> None:
        """The whole answer; written."""
        self.conversations[-1]["said"].append({"who": "agent", "text": text})
        self.conversations[-1]["answered"] = True
        self.save()

    def forget(self) -> None:
        """The agent goes on from none of these conversations; what was said in them stays; written."""
        if self.last is not None:
            self.last["forgotten"] = True
            self.save()

    def save(self) -> None:
        """Write it, all of it or nothing."""
        if self.file is not None:
            data = {"format": FORMAT, "note": _NOTE, **self.made_by, "conversations": self.conversations}
            atomic_write_text(self.file, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def open_transcript(made_by: Mapping[str, Any], file: Path | None, resume: Path | None) -> Transcript:
    """A transcript with what an earlier one holds; nothing is written before ``create``.

    Args:
        made_by: as of ``Transcript``.
        file: where to write; None writes nothing.
        resume: an earlier transcript, which may be the same file; None starts with nothing.

    Raises:
        ConfigError: ``resume`` is no transcript.
    """
    return Transcript(made_by, file, [] if resume is None else _read(resume), resume)


def _read(file: Path) -> list[dict[str, Any]]:
    # No error is chained, and no value told: they may hold what was said.
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        # What JSON can escape and no file can hold: lone surrogates.
        json.dumps(data, ensure_ascii=False).encode("utf-8")
    except OSError as error:
        raise ConfigError(f"resume: {file}: {error.strerror}") from None
    except UnicodeEncodeError:
        raise ConfigError(f"resume: {file} is not a transcript: it holds half a character (a lone surrogate)") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"resume: {file} is not a transcript: not valid JSON") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("conversations"), list):
        raise ConfigError(f"resume: {file} is not a transcript of format {FORMAT}; give one that transcript=... wrote")
    for one in data["conversations"]:
        sound = (
            isinstance(one, dict)
            and isinstance(one.get("state"), dict)
            and isinstance(one.get("said"), list)
            and type(one.get("answered")) is bool
            and type(one.setdefault("forgotten", False)) is bool
        )
        if not sound:
            raise ConfigError(f"resume: {file}: a conversation lacks its state, what was said, or whether it ended")
        if one["state"].get("format") != STATE_FORMAT:
            raise ConfigError(f"resume: {file}: the state of a conversation is not of format {STATE_FORMAT}")
    return list(data["conversations"])


def _plain(why: Why) -> dict[str, Any]:
    return {
        "policy": dict(why.policy),
        "scores": dict(why.scores),
        "now": why.now,
        "stop": why.stop,
        "confidence": why.confidence,
    }
