"""A rule that recognises messages about acting on self-harm or harming someone now, with no model at hand.

Such a message is never met with a demographic question: the agent answers at once, with care and with where to
find help (``HELP``). The rule is English only and reads words, not people: where it is silent nobody is known to
be safe. Of plain messages that it was not written on it caught seven in ten (``benchmarks/urgent.py``), of oblique
ones hardly any, so a model should look out beside it. In doubt it alarms: a miss is far worse than a needless reply.

How a text is read:

1. ``sentences`` undoes disguise and haste and leaves sentences of plain lower-case words, one space between them.
2. Each sentence is held against ``RULES``, in six families:

   ============  =======================================================================================
   intent        a statement, wish or question about killing or hurting oneself
   act           an act under way or just done: overdose taken, wrists cut, standing on the edge
   means         the means at hand together with an intent
   ending        a goodbye, or an end with a time: "I will be dead by tomorrow"
   others        an intent, or an act, against another person; somebody attacking the speaker or others now
   third_person  somebody else about to harm themselves, or found having done so
   ============  =======================================================================================

3. A match counts unless a guard of its rule excuses it (``guards``): denial, idiom, the past, fiction, sport and so
   on. A guard excuses one match by the words around it, and every other match is judged for itself.

To teach it a wording, add a phrase to a rule and a message to its tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .sentences import sentences
from .urgent_rules import RULES, Family, Kind, compiled


@dataclass(frozen=True, slots=True)
class Urgent:
    """A message that is to be answered at once, with ``HELP[kind]``."""

    kind: Kind
    """What may be about to happen: a person harming themselves, or a person harming another."""
    because: Family
    """The family of rules that saw it; never the words of the user."""


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

    Time is linear in the length of the text. Where several rules match, the first sentence and then the first of
    ``RULES`` gives the reason.

    >>> urgent("im gonna kms tonight")
    Urgent(kind='harm_to_self', because='intent')
    >>> urgent("This job is killing me, should I quit?")
    """
    before = ""
    said = sentences(text)
    grave = any(not _GRAVE.isdisjoint(sentence.split()) for sentence in said)
    for sentence in said:
        words = _TOPICS.intersection(sentence.split())
        if words:
            for rule in RULES:
                if not rule.needs.isdisjoint(words) and rule.found(sentence, before):
                    return Urgent(rule.kind, rule.because)
        # "I am going to do it tonight" says nothing alone, and everything beside "I have thought of suicide".
        if grave and _DO_IT.search(sentence):
            return Urgent("harm_to_self", "intent")
        before = sentence
    return None


_TOPICS = frozenset[str]().union(*(rule.needs for rule in RULES))
_GRAVE = frozenset(
    {"suicide", "suicidal", "overdose", "noose", "rope", "gun", "razor", "pills", "myself", "jumped", "die", "dead"}
    | {"stash", "voices", "burned"}
)
_DO_IT = compiled(
    "(?:i|he|she|they) (?:am |is |are |have )?(?:really |actually |finally |just )*(?:going to|will|about to|ready to"
    "|want to|decided to) <gap6>(?:do it|go through with it|try again) (?:<time>|again|this time|right|properly"
    "|for real|for good)"
)
