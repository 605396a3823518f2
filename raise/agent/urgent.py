"""The rule that recognises messages about acting on self-harm or harming someone now, with no model at hand.

Such a message is never met with a demographic question: the agent answers at once, with care and with where to
find help (``HELP``). The rule:

    A message alarms where one of its sentences scores above a threshold. The score is the sum of weights of its words,
    of two or three words in a row, of classes of words such as medicines, and of words in the sentences around.

``danger`` says how, and ``urgent.json`` holds the weights: no text is stored, nothing is random, and what a sentence
scored can be added up by hand. They are learned by logistic regression from lines made up for it
(``tools/urgent``), urgent ones of the six families below and harmless ones, many of them in dark words:

============  =======================================================================================
intent        a statement, wish or question about killing or hurting oneself
act           an act under way or just done: overdose taken, wrists cut
means         the means at hand, or standing on the edge
ending        a goodbye, or an end with a time: "I will be dead by tomorrow"
others        an intent, or an act, against another person; somebody attacking the speaker or others now
third_person  somebody else about to harm themselves, or found having done so
============  =======================================================================================

English only, and it reads words, not people: where it is silent nobody is known to be safe, so a model should look out
beside it. In doubt it alarms: a miss is far worse than a needless reply. Of plain held-out messages it caught 60 of 60,
of oblique ones 26 of 29, and it alarmed at 9 of 111 in dark words without danger (``docs/urgent.md``). To teach it a
wording, add lines to the corpus and train anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

from raise_agent.attributes import Attribute

from .cues import Admission, admissions, phrases
from .danger import Family, danger
from .sentences import sentences
from .wording import plain

Kind = Literal["harm_to_self", "harm_to_others"]

_AGREED = re.compile(
    r"(?:(?:well|um|honestly|sadly|i guess|i think) )*"
    r"(?:(?:yes|yeah|yep|yup|yea|ya|definitely|absolutely|all the time)\b(?! (?:no|not|nah|nope)\b)"
    r"|i do\b(?! (?:not|have)\b)"
    r"|i am\b(?! (?:not|fine|ok|okay|good|well|safe|better|doing|an?|\d+|married|single|divorced|widowed)\b))"
)
_OPEN = re.compile(r"(?:how|what|where|which|when|who|why)\b")
"""How questions begin that no yes answers."""
_FIRST_PERSON = [
    (re.compile(rf"\b(?:{second})\b"), first)
    for second, first in (
        ("right now|now|tonight|today|at the moment", ""),
        ("yourself", "myself"),
        ("yours?", "my"),
        ("(?:are|were) you|you are|you were", "i am"),
        ("(?:do|did|have|had|would|can|could|will) you|you", "i"),
    )
]


@dataclass(frozen=True, slots=True)
class Urgent:
    """A message that is to be answered at once, with ``HELP[kind]``."""

    kind: Kind
    """What may be about to happen: a person harming themselves, or a person harming another."""
    because: Family
    """The family of messages that it is like; never the words of the user."""


HELP: Mapping[Kind, str] = MappingProxyType(
    {
        "harm_to_self": (
            "I'm really glad you told me, and I'm taking it seriously. This sounds very painful, and you don't have "
            "to get through it alone.\n\n"
            "If someone has already been hurt or has taken something, or could be in danger in the next minutes, "
            "please call your emergency number now: 112 in the EU, 911 in the US, 999 in the UK.\n\n"
            "To talk with someone right now, free and at any hour:\n"
            "- US: call or text 988\n"
            "- UK and Ireland: Samaritans, 116 123\n"
            "- anywhere else: findahelpline.com lists your local crisis line\n\n"
            "If you can, put distance between you and anything you could use to hurt yourself, and go to someone you "
            "trust or ask them to come and stay with you. If it is someone else you are worried about, stay with them "
            "if that is safe for you, and call for them.\n\n"
            "I'm here, and you can tell me as much or as little as you like."
        ),
        "harm_to_others": (
            "Thank you for saying this. It matters that nobody gets hurt, and that includes you.\n\n"
            "If anyone is hurt or in danger now, please call your emergency number: 112 in the EU, 911 in the US, "
            "999 in the UK. If somebody is threatening you, get to a safe place first if you can.\n\n"
            "If you are afraid of what you might do, step away from the person and from anything that could be used "
            "as a weapon, and call someone. These lines are free and open at any hour, and they listen to this too:\n"
            "- US: call or text 988\n"
            "- UK and Ireland: Samaritans, 116 123\n"
            "- anywhere else: findahelpline.com lists your local crisis line\n\n"
            "A feeling this strong can pass without anyone being harmed. I'm here, and you can tell me what is "
            "happening."
        ),
    }
)
"""What to say at once, for each kind: it asks nothing, and says where to find help."""


def urgent(text: str) -> Urgent | None:
    """What is urgent about a message; None where the rule sees nothing, which is no proof that all is well.

    Time is linear in the length of the text.

    >>> urgent("im gonna kms tonight")
    Urgent(kind='harm_to_self', because='intent')
    >>> urgent("This job is killing me, should I quit?")
    """
    family = danger(text).family
    if family is None:
        return None
    return Urgent("harm_to_others" if family == "others" else "harm_to_self", family)


def urgent_reply(text: str, asked: Attribute) -> Urgent | None:
    """What is urgent about a reply, read by itself and as going on from what was asked; None as of ``urgent``.

    Whether the question speaks of harm is found in its words (and in the attribute's name, aliases and key), so that
    no other name of the same question takes the look-out away.

    >>> from raise_agent.attributes import penguin_table
    >>> self_harm = penguin_table()[penguin_table().index("self_harm")]
    >>> urgent_reply("yes, tonight", self_harm)
    Urgent(kind='harm_to_self', because='intent')
    >>> urgent_reply("yes, years ago", self_harm)
    """
    found = urgent(text)
    said = plain(text)
    if found is not None or phrases("no").fullmatch(said):
        return found
    agreed = _AGREED.match(said) is not None
    goes_on = (going for going in _admissions(_words_about(asked)) if agreed or not going.by_yes)
    read = (urgent(f"{going.statement}, {text}") for going in goes_on)
    return next((reading for reading in read if reading is not None), None)


def _words_about(asked: Attribute) -> tuple[str, ...]:
    """Everything that a question is known by, the question itself first."""
    return (asked.question, *(spelled.replace("_", " ") for spelled in (asked.key, asked.name, *asked.aliases)))


@cache
def _admissions(about: tuple[str, ...]) -> tuple[Admission, ...]:
    """What a reply to a question may be going on from; nothing where the question speaks of no harm."""
    told = [" ".join(part.replace(",", " ").split()) for words in about for part in sentences(words)]
    found = [said for said in admissions() if any(said.asked.search(part) for part in told)]
    # A question in words of which none is listed is read as said of oneself: "i made cuts in my skin on purpose".
    asked = " . ".join(sentences(about[0])).strip()
    if not found and not _OPEN.match(asked) and (family := danger(_of_oneself(asked)).family) is not None:
        to = "others" if family == "others" else "self"
        found = [said for said in admissions() if said.harm == to and not said.by_yes]
    return tuple(found)


def _of_oneself(question: str) -> str:
    for pattern, first_person in _FIRST_PERSON:
        question = pattern.sub(first_person, question)
    return question
