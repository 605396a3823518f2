"""Free text as sentences of clauses of plain words, each with its place in the text.

Plain words are lower-case, without contractions ("I'm" is "i am"), hyphens or thousands separators, with numbers as
digits ("forty-two" is "42", "my thirties" is "my 30 s"). One pass, in time linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    # The "(27F)" and "(F27)" of forums: no aside, but the writer's age and gender.
    r"(?P<tag>[(\[]\s{0,2}(?:\d{1,3}\s{0,2}[A-Za-z]{1,2}|[A-Za-z]\d{2})\s{0,2}[)\]])"
    r"|(?P<number>(?:(?<!\w)['’](?=\d\d(?!\d)))?[$£€]?\d+(?:[.,:/'’]\d+)*(?:%|\s?[kK]?\s?\+(?!\s?\d))?)"
    r"|(?P<range>(?<=[\dkK])\s{0,3}[-–—]\s{0,3}(?=[$£€]?\d))"
    r"|(?P<short>[^\W\d_]{1,2}(?:\.[^\W\d_]{1,3})+(?![^\W\d_])\.?)"
    r"|(?P<word>[^\W\d_]+(?:['’][^\W\d_]+)*(?:(?<=s)['’](?!\w))?)"
    r"|(?P<end>[.!?;…\n]+)"
    r"|(?P<pause>[,:()\[\]—–\"“”«»]|--|(?<=\s)-(?=\s))"
)
_CONTRACTIONS = {
    "im": "i am",
    "ive": "i have",
    "dont": "do not",
    "doesnt": "does not",
    "didnt": "did not",
    "isnt": "is not",
    "cant": "can not",
    "cannot": "can not",
    "can't": "can not",
    "wont": "will not",
    "won't": "will not",
    "shan't": "shall not",
    "let's": "let us",
    "gonna": "going to",
    "wanna": "want to",
    "theyre": "they are",
}
_IS = frozenset(("he's", "she's", "it's", "that's", "what's", "who's", "there's", "here's", "how's", "everything's"))
_TAILS = {"n't": " not", "'m": " am", "'re": " are", "'ve": " have", "'ll": " will", "'d": " would"}
_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
]
_UNITS += ["seventeen", "eighteen", "nineteen"]
_TENS = {
    word: 10 * (2 + n)
    for n, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"])
} | {"fourty": 40}
_NUMBER_WORD = re.compile(
    rf"\b(?:(?P<tens>{'|'.join(_TENS)})(?: (?P<one>{'|'.join(_UNITS[1:10])}))?"
    # A lone "one" is hardly ever a number: "this one", "no one".
    rf"|(?P<unit>{'|'.join(word for word in _UNITS if word != 'one')}))\b"
)
_DECADES = {re.sub("y$", "ies", word): value for word, value in _TENS.items()}
_DECADE_WORD = re.compile(rf"\b(?:{'|'.join(_DECADES)})\b")
_AGE_UNIT = re.compile(r"(?<=\d )y o\b|(?<=\d )yrs?(?: old)?\b")


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of text between two pauses."""

    words: str
    """Plain words, one space between them, at least one."""
    start: int
    """Where its first word begins in the text."""
    end: int
    """Where its last word ends in the text."""
    pause: str
    """The mark that ends it: ``,``, ``:``, ``(`` and so on; empty at a conjunction."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """At least one clause."""

    clauses: tuple[Clause, ...]
    question: bool
    """Whether it ends in a question mark."""


def plain(text: str) -> str:
    """All words of a text as one string of plain words."""
    return " ".join(clause.words for sentence in sentences(text) for clause in sentence.clauses)


def sentences(text: str, breaks: frozenset[str] = frozenset()) -> Iterator[Sentence]:
    """The sentences of a text; a clause also begins at each of the words ``breaks``."""
    clauses: list[Clause] = []
    words: list[str] = []
    start = end = 0

    def close(pause: str) -> None:
        if words:
            clauses.append(Clause(_with_digits(" ".join(words)), start, end, pause))
            words.clear()

    # Accents that are typed for apostrophes: "I´m".
    for match in _TOKEN.finditer(text.translate({ord("´"): "'", ord("`"): "'"})):
        kind, token = str(match.lastgroup), match[0]
        if kind == "end":
            close("")
            if clauses:
                yield Sentence(tuple(clauses), "?" in token)
                clauses.clear()
        elif kind == "pause":
            close(token)
        else:
            word = _plain_word(kind, token)
            if word in breaks:
                close("")
            if not words:
                start = match.start()
            words.append(word)
            end = match.end()
    close("")
    if clauses:
        yield Sentence(tuple(clauses), False)


def _plain_word(kind: str, token: str) -> str:
    if kind == "range":
        return "-"
    token = token.casefold().replace("’", "'")
    if kind == "tag":
        return " ".join((*re.findall(r"\d+", token), *re.findall(r"[a-z]+", token)))
    if kind == "number":
        token = re.sub(r"\s?(k?)\s?\+$", lambda m: f" {m[1]}+" if m[1] else "+", token)
        return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", token)
    if kind == "short":
        return token.replace(".", "")
    if token in _CONTRACTIONS:
        return _CONTRACTIONS[token]
    if token in _IS:
        return token[:-2] + " is"
    for tail, meant in _TAILS.items():
        if token.endswith(tail):
            return token[: -len(tail)] + meant
    return token


def _with_digits(words: str) -> str:
    words = _NUMBER_WORD.sub(
        lambda m: str(_TENS[m["tens"]] + _UNITS.index(m["one"] or "zero") if m["tens"] else _UNITS.index(m["unit"])),
        words,
    )
    return _AGE_UNIT.sub("years old", _DECADE_WORD.sub(lambda m: f"{_DECADES[m[0]]} s", words))
