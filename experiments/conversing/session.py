"""A conversation as it goes on a terminal: what is shown, what is read, the commands beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from raise_agent.agent import Agent, Conversation, Question, Why
from raise_agent.attributes import AttributeTable
from raise_agent.errors import RaiseError, did_you_mean
from raise_agent.experiments.tables import markdown_table, number
from raise_agent.scenario import Scenario

from .terminal import Terminal, ToldToEnd
from .transcript import Transcript

_COMMANDS = {
    "/why": "explain the present turn: scores, what it goes by, why it asks or stops",
    "/skip": "do not reply to the question",
    "/again": "have the answer given once more",
    "/new": "begin anew: what was said so far is forgotten",
    "/help": "show this",
    "/quit": "end; so do quit, exit and Ctrl-D",
}
_QUIT = ("quit", "exit", "/quit")
_COMMAND = re.compile(r"/[A-Za-z]+")
FIRST, NEXT = "What would you like to ask?", "What else would you like to ask?"
FORGOTTEN_BUT_KEPT = "Forgotten; the transcript still holds it, and is not resumed from it."
WRITE_ON = "Write whatever you like; nothing more is asked of you. (/new begins anew.)"


class Session:
    """One person at one terminal, with as many queries as they like.

    Args:
        agent: asks and answers.
        terminal: of the person.
        transcript: takes what is said; goes on from its last conversation.

    Raises:
        ConfigError: the transcript's file is there already.
        PolicyError: that conversation is not one of this agent's attribute table.
        OSError: the transcript's file cannot be made.
    """

    def __init__(self, agent: Agent, terminal: Terminal, transcript: Transcript) -> None:
        self._agent, self._terminal, self._transcript = agent, terminal, transcript
        self._talk: Conversation | None = None
        self._failed: RaiseError | None = None
        if transcript.last is not None:
            self._talk = agent.resume(transcript.last["state"])
        transcript.create()

    @property
    def _unfinished(self) -> bool:
        last = self._transcript.last
        return last is not None and not last["answered"]

    @property
    def _open(self) -> bool:
        # Another policy or budget would go on where one resumed was answered; nobody has seen that question.
        return self._talk is not None and self._unfinished and isinstance(self._talk.turn, Question)

    # --- who speaks ---------------------------------------------------------------------------------------------------

    def converse(self) -> None:
        """Talk until the person ends it.

        Raises:
            ModelError: the last answer failed, and nobody is there who could try again.
        """
        if self._unfinished:
            self._show()
        while (line := self._invited()) is not None and line.lower() not in _QUIT:
            try:
                self._heed(line)
            except RaiseError as error:
                # From a model that looks out for danger, or that decides; what was written is not taken in.
                if not self._terminal.interactive:
                    raise
                self._fail(error, "Please write it again")
        if self._failed is not None and not self._terminal.interactive:
            raise self._failed

    def play(self, scenario: Scenario) -> None:
        """Let a scenario's user ask its query and reply from its profile; what the profile lacks is declined.

        Only the query and the replies reach the agent.

        Raises:
            ModelError: a model failed.
        """
        values = dict(zip(scenario.profile.keys, scenario.profile.values, strict=True))
        if self._talk is not None and self._talk.query == scenario.query and self._unfinished:
            self._show()
        else:
            self._talk = None
            self._terminal.note(f"> {scenario.query}")
            self._begin(scenario.query)
        while self._talk is not None and isinstance(self._talk.turn, Question):
            value = values[self._talk.turn.attribute.key]
            self._terminal.note("> /skip" if value is None else f"> {value}")
            self._reply(value)
        if self._failed is not None:
            raise self._failed

    def _invited(self) -> str | None:
        """What the person writes next, asked for a query where none is open."""
        if self._talk is None:
            self._terminal.note(f"\n{FIRST}")
        elif not self._open and self._failed is None:
            self._terminal.note(f"\n{NEXT if self._talk.to_json()['urgent'] is None else WRITE_ON}")
        return self._terminal.read()

    def _heed(self, line: str) -> None:
        if _COMMAND.fullmatch(line):
            self._command(line.lower())
        elif self._open and not line:
            self._terminal.note("/skip if you would rather not reply.")
        elif self._open:
            self._reply(line)
        elif line:
            self._begin(line)

    def _command(self, name: str) -> None:
        if name == "/why":
            self._terminal.note(NOTHING_YET if self._talk is None else explained(self._talk.turn.why, self._agent))
        elif name == "/skip" and self._open:
            self._reply(None)
        elif name == "/again" and self._talk is not None and not self._open:
            if isinstance(self._talk.turn, Question):
                self._terminal.note("As it is set now, this agent would ask first: please write the query again.")
            else:
                self._answer()
        elif name == "/new":
            self._talk = None
            self._transcript.forget()
            self._terminal.note("Forgotten." if self._transcript.file is None else FORGOTTEN_BUT_KEPT)
        elif name == "/help":
            width = max(map(len, _COMMANDS))
            self._terminal.note("\n".join(f"{name:{width}}  {what}" for name, what in _COMMANDS.items()))
            self._terminal.note("A line that ends in a backslash goes on in the next one.")
        elif name in _COMMANDS:
            self._terminal.note("No question is open." if name == "/skip" else "There is nothing to answer yet.")
        else:
            self._terminal.note(f"No such command: {did_you_mean(name, _COMMANDS)}")

    # --- one step of a conversation -----------------------------------------------------------------------------------

    def _begin(self, query: str) -> None:
        talk = self._agent.start(query, after=self._talk)
        turn = talk.turn
        self._transcript.begin(query)
        self._transcript.turn(turn, talk.to_json())
        self._talk = talk
        self._show()

    def _reply(self, text: str | None) -> None:
        assert self._talk is not None
        asked = self._talk.turn
        turn = self._talk.decline() if text is None else self._talk.reply(text)
        if isinstance(asked, Question) and isinstance(turn, Question) and turn.attribute == asked.attribute:
            self._terminal.note("No answer could be read in that; /skip if you would rather not reply.")
        self._transcript.reply(text)
        self._transcript.turn(turn, self._talk.to_json())
        self._show()

    def _show(self) -> None:
        assert self._talk is not None
        turn = self._talk.turn
        if isinstance(turn, Question):
            self._terminal.say(turn.text)
        else:
            self._answer()

    def _answer(self) -> None:
        assert self._talk is not None
        self._failed = None
        try:
            text = self._terminal.stream(self._talk.answer())
        except RaiseError as error:
            self._fail(error, "The conversation is kept: /again has it answered once more")
            return
        except KeyboardInterrupt as stop:
            if isinstance(stop, ToldToEnd) or not self._terminal.interactive:
                raise
            self._terminal.note("Broken off. /again has it answered once more.")
            return
        self._transcript.answer(text)

    def _fail(self, error: RaiseError, what_now: str) -> None:
        self._failed = error
        self._terminal.note(f"That failed: {error}. {what_now}.")


# --- explaining -------------------------------------------------------------------------------------------------------

NOTHING_YET = "Nothing is decided yet."


def explained(why: Why, agent: Agent) -> str:
    """A turn's reasons as people read them; nothing that the user said."""
    table = agent.policy.table
    parts = []
    if why.scores:
        ranked = sorted(why.scores.items(), key=lambda item: -item[1])
        rows = [[_name(table, key), number(score, 3)] for key, score in ranked]
        rows += [] if why.now is None else [["(answer now)", number(why.now, 3)]]
        parts.append(markdown_table(["question left", "score"], rows))
    went_by = dict(why.policy)
    retrieved = went_by.pop("retrieved", None)
    if retrieved:
        parts.append(_retrieved(retrieved, table))
    parts += [f"{key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in went_by.items()]
    sure = "" if why.confidence is None else f" ({why.confidence:.0%} sure)"
    return "\n".join([*parts, f"why: {why.stop}{sure}"])


def _retrieved(retrieved: list[Mapping[str, Any]], table: AttributeTable) -> str:
    rows = [
        [str(one["place"]), number(one["similarity"], 3), ", ".join(_name(table, key) for key in one["path"])]
        for one in retrieved
    ]
    return markdown_table(["retrieved query", "similarity", "its path"], rows, left=3)


def _name(table: AttributeTable, key: str) -> str:
    return table[table.index(key)].name
