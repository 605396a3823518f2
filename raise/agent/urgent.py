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

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from raise_agent.attributes import Attribute

from .cues import cues_of
from .danger import Family, danger

Kind = Literal["harm_to_self", "harm_to_others"]


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

    >>> from raise_agent.attributes import penguin_table
    >>> self_harm = penguin_table()[penguin_table().index("self_harm")]
    >>> urgent_reply("yes, tonight", self_harm)
    Urgent(kind='harm_to_self', because='intent')
    >>> urgent_reply("yes, years ago", self_harm)
    """
    admits = cues_of(asked).admits
    return urgent(text) or (None if admits is None else urgent(f"{admits}, {text}"))
