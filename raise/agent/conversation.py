"""A conversation with a person: their query, our questions, their replies, and the answer.

    agent = Agent(policy, abstention, responder)
    talk = agent.start("Should I quit my job?")
    while isinstance(talk.turn, Question):
        talk.reply(input(talk.turn.text))
    for piece in talk.answer():
        print(piece, end="")

What a person says is kept in the conversation alone: nothing here writes, logs or shows it unless ``to_json`` is
called. A message that speaks of acting on self-harm, or of harming someone now, is never met with a question, nor is
what the person writes after it; no policy, abstention or setting changes that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Protocol, get_args

from raise_agent.attributes import Attribute, AttributeTable, penguin_table
from raise_agent.errors import ConfigError, PolicyError
from raise_agent.policies.contract import Abstention, Known, Policy
from raise_agent.text import well_formed

from .danger import Family
from .replies import corrected, read_reply
from .statements import volunteered
from .urgent import HELP, Urgent, urgent, urgent_reply

FORMAT = 1
_CONTEXT = 8
"""Most messages, the latest, that an answer after an urgent one is given with."""
_TRIES = 2
"""So often a question is put whose reply says nothing; then it counts as declined."""
STAY_SAFE = (
    "If you or anyone else may be in danger, please call your emergency number: 112 in the EU, 911 in the US, 999 in "
    "the UK. To talk with someone, free and at any hour: 988 in the US, 116 123 in the UK and Ireland, "
    "findahelpline.com anywhere else."
)
"""What every answer begins with, once a message was urgent."""


class Responder(Protocol):
    """Answers, knowing what was said."""

    def respond(self, query: str, known: Known) -> Iterator[str]:
        """The answer, piece by piece; ``known`` holds answers by attribute key, None where declined."""


Watch = Callable[[str, str | None], Urgent | None]
"""Says of a message, and of the question that it replies to or None, whether it is urgent."""


@dataclass(frozen=True, slots=True)
class Why:
    """What speaks for a turn; holds nothing that the user said."""

    policy: Mapping[str, Any]
    """What the policy went by, such as the paths retrieved."""
    scores: Mapping[str, float]
    """Of each question left, by attribute key; empty where none is."""
    now: float | None
    """What answering now is worth on the same scale; None where the policy does not know."""
    stop: str
    """What the abstention says, or why it was not asked."""
    confidence: float | None = None
    """Probability, 0 to 1, that to ask, or to answer, is right; None where the abstention does not know."""


@dataclass(frozen=True, slots=True)
class Question:
    """Put this to the user."""

    attribute: Attribute
    text: str
    why: Why


@dataclass(frozen=True, slots=True)
class Ready:
    """Nothing more is asked: call ``answer``."""

    why: Why
    urgent: Urgent | None = None
    """Set where the answer is help at once."""


Turn = Question | Ready


@dataclass(frozen=True, slots=True)
class Agent:
    """What to ask, when to stop, who answers. It keeps nothing: conversations may run side by side."""

    policy: Policy
    abstention: Abstention
    responder: Responder | None = None
    watch: Watch | None = None
    """A model that looks out for urgent messages, beside the rule of ``urgent``, which always does."""
    today: Callable[[], date] = date.today
    """Against which a year of birth is read."""
    table: AttributeTable | None = None
    """Whose values replies are read as, of the policy's attributes; None takes the policy's own, and where that names
    no values, as an exported policy does not, PENGUIN's for the attributes they share."""
    _reads: AttributeTable = field(init=False, repr=False)

    def __post_init__(self) -> None:
        own = self.policy.table
        if self.table is not None and self.table.keys != own.keys:
            raise ConfigError(
                f"the policy asks for {', '.join(own.keys)}, the table has {', '.join(self.table.keys)}; give the "
                "table that the policy was distilled with"
            )
        object.__setattr__(self, "_reads", self.table or _with_values(own))

    def start(self, query: str, after: Conversation | None = None) -> Conversation:
        """Begin with what the user wrote.

        Args:
            query: any text.
            after: what the same person talked of before. What it brought out is known here and not asked again; and
                if it was urgent, nothing is asked.

        Raises:
            PolicyError: the query is not text.
        """
        if not isinstance(query, str):
            raise PolicyError(f"the query must be text, not {type(query).__name__}")
        talk = Conversation(self, well_formed(query))
        if after is not None:
            talk._known, talk._since_urgent = dict(after._known), list(after._since_urgent)
        talk._hear(talk.query, None)
        return talk

    def resume(self, saved: Mapping[str, Any]) -> Conversation:
        """Go on from what ``Conversation.to_json`` gave.

        Raises:
            PolicyError: it is not a saved conversation of this format and attribute table.
        """
        return Conversation._load(self, saved)


def _stay_safe_and(pieces: Iterator[str]) -> Iterator[str]:
    yield f"{STAY_SAFE}\n\n"
    yield from pieces


def _with_values(table: AttributeTable) -> AttributeTable:
    if any(attribute.values for attribute in table):
        return table
    known = {(attribute.key, attribute.name): attribute.values for attribute in penguin_table()}
    return replace(table, attributes=tuple(replace(a, values=known.get((a.key, a.name), {})) for a in table))


class Conversation:
    """One person's query and replies. Its ``repr`` shows none of them."""

    def __init__(self, agent: Agent, query: str) -> None:
        self._agent, self.query = agent, query
        self._known: dict[str, str | None] = {}
        self._asked: list[str] = []
        self._unclear = 0
        """How often the present question was put in vain."""
        self._urgent: Urgent | None = None
        self._since_urgent: list[str] = []
        """All that was written from an urgent message on, for the answer; nothing is asked where there is any."""
        self._turn: Turn | None = None

    def __repr__(self) -> str:
        return f"Conversation({len(self._asked)} asked, {len(self._known)} known; words hidden)"

    @property
    def known(self) -> Known:
        """Answers so far by attribute key, asked for or not; None for a question declined."""
        return dict(self._known)

    @property
    def asked(self) -> tuple[str, ...]:
        """Keys of the attributes that were asked and replied to, in order."""
        return tuple(self._asked)

    @property
    def turn(self) -> Turn:
        """What comes next: a question for the user, or the answer."""
        if self._turn is None:
            self._turn = self._decide()
        return self._turn

    def reply(self, text: str) -> Turn:
        """Take in the user's reply to the present question.

        A reply that says nothing, or tells of something else alone, has the question put once more, then counts as
        declined. What it says of other attributes is taken in as well. What it puts right ("sorry, I'm actually 52")
        replaces what was known; where it does nothing else the question stays open. Where a model fails, the
        conversation is as it was before.

        Raises:
            PolicyError: nothing was asked, or the reply is not text.
        """
        shown = self._shown()
        if not isinstance(text, str):
            raise PolicyError(f"the reply must be text, not {type(text).__name__}")
        return self._step(lambda: self._hear(well_formed(text), shown))

    def decline(self) -> Turn:
        """The user will not reply to the present question.

        Raises:
            PolicyError: nothing was asked.
        """
        shown = self._shown()
        return self._step(lambda: self._take(shown, None))

    def answer(self) -> Iterator[str]:
        """The answer, piece by piece; where a message was urgent, where to find help.

        Raises:
            PolicyError: a question is open.
            ConfigError: there is no responder.
        """
        turn = self.turn
        if isinstance(turn, Question):
            raise PolicyError("a question is open: reply to it first")
        if turn.urgent is not None:
            return iter((HELP[turn.urgent.kind],))
        if self._agent.responder is None:
            raise ConfigError("this agent has no responder: it decides what to ask, and does not answer")
        if self._since_urgent:
            return _stay_safe_and(
                self._agent.responder.respond("\n\n".join(self._since_urgent[-_CONTEXT:]), self.known)
            )
        return self._agent.responder.respond(self.query, self.known)

    # --- hearing and deciding -----------------------------------------------------------------------------------------

    def _shown(self) -> Attribute:
        turn = self.turn
        if not isinstance(turn, Question):
            raise PolicyError("nothing was asked: the conversation is ready to be answered")
        return turn.attribute

    def _as_read(self, shown: Attribute) -> Attribute:
        return self._agent._reads[self._agent._reads.index(shown.key)]

    def _step(self, change: Callable[[], None]) -> Turn:
        turn = self._turn
        before = dict(self._known), list(self._asked), self._unclear, self._urgent, list(self._since_urgent)
        try:
            change()
            return self.turn
        except BaseException:
            self._known, self._asked, self._unclear, self._urgent, self._since_urgent = before
            self._turn = turn
            raise

    def _take(self, about: Attribute, value: str | None) -> None:
        self._known[about.key], self._unclear, self._turn = value, 0, None
        self._asked.append(about.key)

    def _hear(self, text: str, shown: Attribute | None) -> None:
        """Take in a message; ``shown`` is what was asked, in the policy's words."""
        agent, table = self._agent, self._agent._reads
        about = None if shown is None else self._as_read(shown)
        self._turn = None
        self._urgent = urgent(text) if shown is None else urgent_reply(text, shown)
        if self._urgent is None and agent.watch is not None:
            self._urgent = agent.watch(text, None if shown is None else shown.question)
        if self._urgent is not None and about is not None:
            self._since_urgent.append(self.query)
        if self._urgent is not None or self._since_urgent:
            self._since_urgent.append(text)
        # What is urgent is no reply to what was asked.
        correction = corrected(text, self._known, about, table, agent.today)
        if about is not None and self._urgent is None and not correction.is_all:
            reply = read_reply(text, about, table, agent.today)
            self._unclear += 1
            if reply.status != "unclear" or self._unclear >= _TRIES:
                self._take(about, reply.value)
        stated = volunteered(text, table, agent.today).items()
        fresh = {key: value for key, value in stated if self._known.get(key) is None} | dict(correction.values)
        taken = {key: value for key, value in fresh.items() if about is None or key != about.key}
        self._known.update(taken)
        if taken and self._unclear and self._asks() != about:
            # Knowing more, the policy asks something else, which was not put before.
            self._unclear = 0

    def _asks(self) -> Attribute | None:
        """What is asked now, as the table reads it."""
        return self._as_read(self.turn.attribute) if isinstance(self.turn, Question) else None

    def _decide(self) -> Turn:
        agent = self._agent
        if self._urgent is not None:
            return Ready(Why({}, {}, None, f"urgent: {self._urgent.because}"), self._urgent)
        if self._since_urgent:
            return Ready(Why({}, {}, None, "an earlier message was urgent"))
        ranking = agent.policy.rank(self.query, self.known)
        best = ranking.best
        if best is None:
            return Ready(Why(ranking.because, {}, ranking.now, "nothing is left to ask", 1.0))
        verdict = agent.abstention.judge(self.query, self.known, len(self._asked), ranking)
        why = Why(ranking.because, ranking.scores, ranking.now, verdict.because, verdict.confidence)
        if verdict.enough:
            return Ready(why)
        attribute = agent.policy.table[agent.policy.table.index(best)]
        return Question(attribute, attribute.question, why)

    # --- saving -------------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """The conversation as plain data. It holds what the user said: keep it as safe as that."""
        return {
            "format": FORMAT,
            "query": self.query,
            "known": dict(self._known),
            "asked": list(self._asked),
            "unclear": self._unclear,
            "urgent": None if self._urgent is None else [self._urgent.kind, self._urgent.because],
            "since_urgent": list(self._since_urgent),
        }

    @classmethod
    def _load(cls, agent: Agent, saved: Mapping[str, Any]) -> Conversation:
        try:
            if saved["format"] != FORMAT:
                raise PolicyError(f"a conversation of another format; this version reads {FORMAT}")
            talk = Conversation(agent, saved["query"])
            keys = set(agent._reads.keys)
            known, asked, unclear = dict(saved["known"]), list(saved["asked"]), saved["unclear"]
            since = list(saved["since_urgent"])
            sound = (
                isinstance(talk.query, str)
                and isinstance(saved["known"], Mapping)
                and set(known) | set(asked) <= keys
                and len(set(asked)) == len(asked)
                and set(asked) <= set(known)
                and all(value is None or isinstance(value, str) for value in known.values())
                and type(unclear) is int
                and 0 <= unclear < _TRIES
                and all(isinstance(text, str) for text in since)
                and isinstance(saved["since_urgent"], list)
                and all(well_formed(t) == t for t in (talk.query, *since, *known.values()) if t is not None)
            )
            found = saved["urgent"]
            danger = None if found is None else Urgent(*found)
            sound = sound and (danger is None or (danger.kind in HELP and danger.because in get_args(Family)))
        except (TypeError, KeyError, ValueError, AttributeError):
            sound, danger = False, None
        if not sound:
            raise PolicyError("not a saved conversation of this agent's attribute table")
        talk._known, talk._asked, talk._unclear = known, asked, unclear
        # What the rule sees in the query stands, whatever was saved.
        talk._urgent = urgent(talk.query) or danger
        talk._since_urgent = since or ([talk.query] if talk._urgent is not None else [])
        return talk
