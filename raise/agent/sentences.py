"""From any text to sentences of plain lower-case words, with disguise and haste undone.

Unicode look-alikes and invisible characters, stretched letters, ``k*ll`` and ``su1cide``, letters set apart,
text-speak, missing apostrophes, contractions and slips of the finger in the words that matter. A rule over such
sentences can be written once, in plain English.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("‘’‛`´ʼ＇′", "'"),
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("—–―", ", "),
        **dict.fromkeys("\x85\u2028\u2029", "\n"),
        **dict.fromkeys("😂🤣😆😅", " lol "),
        **dict(zip("ıаеорсхуікѕ", "iaeopcxyiks", strict=True)),
        # Two ligatures that become 18 and 8 letters each would make a short text a long one.
        **dict.fromkeys("\ufdfa\ufdfb", " "),
    }
)
_INVISIBLE = frozenset({"Cf", "Mn", "Me"})

_CONTRACTIONS = (
    ("od'd", "overdosed"),
    ("od'ed", "overdosed"),
    ("can't", "can not"),
    ("won't", "will not"),
    ("n't", " not"),
    ("'m ", " am "),
    ("'re ", " are "),
    ("'ll ", " will "),
    ("'ve ", " have "),
    ("'d ", " would "),
    ("'s ", " is "),
)
_EXCLAIMED = (("k!ll", "kill"), ("d!e", "die"), ("u!c", "uic"))
"""``!`` for ``i`` in these alone: elsewhere it ends a sentence, even with no space behind it."""
_LEET = str.maketrans("013@$|", "oieasi")
_LEET_LETTERS = re.compile(r"[013@$|](?<=[a-z].)[013@$|]{0,4}(?=[a-z])")
_TRIPLES = tuple(letter * 3 for letter in "abcdefghijklmnopqrstuvwxyz")
_STRETCHED = re.compile(r"([a-z])\1{2,}")
_SET_APART = re.compile(r" [a-z](?: {1,3}[a-z]){3,}(?![a-z0-9'])")
_SINGLE_QUOTES = re.compile(r"(?<![a-z0-9])'([^'\n]{1,200})'(?![a-z0-9])")
_QUOTATION = re.compile(r'"([^"]{1,300})"')
_ENDS = re.compile(r"[.!?\n]+")
_PARAGRAPH = re.compile(r"\n\s*\n")
_TOKEN = re.compile(r"[a-z0-9]+(?:['*]+[a-z0-9]+)*|\.{2,}|[.!?,\";:()\[\]{}/]")
_PAUSES = {**dict.fromkeys(".!?", ""), **dict.fromkeys(";:()[]{}/", ",")}
"""An empty word ends the sentence."""

_CHAT = """
im=i am|iam=i am|ive=i have|id=i would|imma=i am going to|ima=i am going to|i'ma=i am going to|gonna=going to
gunna=going to|gona=going to|gon=going to|finna=going to|goin=going|goign=going|wanna=want to|wana=want to|wnt=want
wan=want|wnat=want|gotta=have to|hafta=have to|tryna=trying to|tryin=trying|bout=about|abt=about|bouta=about to
boutta=about to|lemme=let me|kms=kill myself|killmyself=kill myself|meself=myself|ctb=catch the bus|od=overdose
oding=overdosing|oded=overdosed|rn=right now|tn=tonight|tonite=tonight|2nite=tonight|2night=tonight|tnite=tonight
tonigh=tonight|2day=today|tmr=tomorrow|tmrw=tomorrow|tomorow=tomorrow|tommorow=tomorrow|tommorrow=tomorrow
2moro=tomorrow|2=to|w=with|til=till|thsi=this|anymor=anymore|mny=many|takn=taken|hav=have|hrs=hours|pls=please
plz=please|roomate=roommate|da=the|abut=about|ik=i know|ppl=people|r=are|sum1=someone|every1=everyone|luv=love|u=you
ur=your|yall=you all|n=and|nd=and|bc=because|cuz=because|coz=because|idk=i do not know|bf=boyfriend|gf=girlfriend
hes=he is|shes=she is|theyre=they are|everyones=everyone is|cant=can not|cannot=can not|wont=will not|ngl=,|tbh=,
lmao=lol|lmfao=lol|rofl=lol|haha=lol|hahaha=lol|jk=lol|alot=a lot|selfharm=self harm|selfharming=self harm
themself=themselves|hisself=himself|sewerslide=suicide|sewercide=suicide|suiside=suicide|suicied=suicide
sucicide=suicide|suacide=suicide|s**cide=suicide|suicidle=suicidal|suisidal=suicidal|suicidial=suicidal|unalive=kill
unaliv=kill|unaliving=killing|unalived=killed|k**l=kill|deth=death|dieing=dying|d*e=die|wen=when|wud=would|shud=should
cud=could|jus=just|cuting=cutting
"""
_SLIPPED = """
suicide suicidal myself killing kill overdose overdosed overdosing cutting hanging bleeding swallowed pills anymore
tonight goodbye himself herself themselves strangle stabbing stab shooting jumping jump wrists breathing unconscious
threatening tablets painkillers bottle boyfriend girlfriend roommate children harming murder living alive knife
razor noose bridge
"""
"""Words that matter enough to be known with one slip of the finger."""
_OTHER_WORDS = frozenset(["pill", "bride", "nose", "alie", "sab", "tab", "kin", "kif"])


def _slips(word: str) -> Iterator[str]:
    """Spellings one slip away: a letter lost, doubled or hidden behind a star, two letters swapped."""
    for at, letter in enumerate(word):
        head, tail = word[:at], word[at + 1 :]
        yield head + 2 * letter + tail
        yield head + "*" + tail
        if at:
            yield head + tail
        if tail:
            yield head + tail[0] + letter + tail[1:]


def _spelling() -> dict[str, str]:
    known = {slip: word for word in _SLIPPED.split() for slip in _slips(word)}
    for word in _OTHER_WORDS.union(_SLIPPED.split()):
        known.pop(word, None)
    for stem in ["do", "does", "did", "is", "are", "was", "were", "have", "has", "had", "would", "should", "could"]:
        known[stem + "nt"] = stem + " not"
    written = (pair.split("=") for pair in _CHAT.replace("\n", "|").split("|") if pair)
    return known | dict(written) | _PAUSES


_SPELLING = _spelling()


def sentences(text: str) -> list[str]:
    """Sentences as plain words with one space around each, a pause as a word ``,`` and a quotation mark as ``"``.

    A quotation of up to 300 characters does not end the sentence around it.

    >>> sentences("Im gonna… k*ll my\u200bself tonite!! U can't stop me")
    [' i am going to , kill myself tonight ', ' you can not stop me ']
    """
    text = _plain(text)
    if '"' in text:
        text = _QUOTATION.sub(lambda found: f'"{_ENDS.sub(" , ", found[1])}"', text)
    if "\n" in text:
        text = _PARAGRAPH.sub(" . ", text)
    found = []
    words: list[str] = []
    for token in _TOKEN.findall(text):
        word = _SPELLING.get(token, token)
        if word:
            words.append("," if word[0] == "." else word)
        elif words:
            found.append(f" {' '.join(words)} ")
            words = []
    if words:
        found.append(f" {' '.join(words)} ")
    return found


def _plain(text: str) -> str:
    """Lower-case text without accents, invisible characters, stretched letters, contractions and disguise."""
    if not text.isascii():
        text = text.translate(_TYPOGRAPHY)
        # Marks go before and after: a long run of combining marks makes normalisation quadratic.
        text = "".join([letter for letter in text if unicodedata.category(letter) not in _INVISIBLE])
        text = "".join([letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter)])
    text = f" {text.lower().replace('-', ' ')} "
    if "'" in text:
        for written, meant in _CONTRACTIONS:
            text = text.replace(written, meant)
        text = _SINGLE_QUOTES.sub(r'"\1"', text)
    if "!" in text:
        for written, meant in _EXCLAIMED:
            text = text.replace(written, meant)
    text = _LEET_LETTERS.sub(lambda found: found[0].translate(_LEET), text)
    if any(triple in text for triple in _TRIPLES):
        text = _STRETCHED.sub(r"\1", text)
    return _SET_APART.sub(lambda found: f" {found[0].replace(' ', '')}", text)
