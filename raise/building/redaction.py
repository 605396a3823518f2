"""Takes out of a text what points at somebody, and puts a neutral mark in its place.

=========== ===================================================== ==============================================
mark        stands for                                            left alone
=========== ===================================================== ==============================================
[link]      addresses of pages, with or without ``https://``      abbreviations, a full stop without a blank
[email]     mail addresses, also written out (``x at y dot org``)
[handle]    @name, u/name, and names said to be on a platform     r/subreddit
[number]    IBANs, cards, social security numbers, numbers of     amounts, round numbers, dates, doses
            papers and accounts, any other run of 7 digits
[phone]     by the layouts of +, 0 and North American numbers,    ages, amounts, dates, years, ranges, scores
            any other after a word such as "call"
[address]   a number with a street, a street with its number,     towns and countries
            a British postcode
[name]      people and pets, by the rules of ``names.py``         the famous, where no rule for names meets them
=========== ===================================================== ==============================================

In doubt a text loses a word that was harmless. What is left can still give a person away to those who know them: this
is no anonymisation, and what is published is read by people first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from .names import each_mention, named

Kind = Literal["email", "link", "handle", "number", "address", "phone", "name"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_TAKEN = "\ue000"
"""Stands for each character that an earlier rule has taken; no rule matches it."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text that points at somebody."""

    start: int
    end: int
    """Behind its last character."""
    kind: Kind


@dataclass(frozen=True, slots=True, repr=False)
class Redaction:
    """A text without what points at somebody; its ``repr`` gives counts only."""

    text: str
    counts: Mapping[Kind, int]
    """How many of each kind were taken out; kinds of which there were none are left out."""

    def __repr__(self) -> str:
        return f"Redaction({dict(self.counts)}; text hidden)"


def redact(text: str, names: Iterable[str] = ()) -> Redaction:
    """The text with a mark for each thing that points at somebody.

    Takes time linear in the length of the text. Marks are left as they are, so that it can be applied again.

    Args:
        names: further names, in any case, that are taken out wherever they stand as words.

    >>> redact("My friend Anna (anna@example.org, 212 555 0147) is 27 and owes me 1,500 dollars.").text
    'My friend [name] ([email], [phone]) is 27 and owes me 1,500 dollars.'
    """
    spans = find(text, names)
    pieces, kept = [], 0
    for span in spans:
        pieces += [text[kept : span.start], f"[{span.kind}]"]
        kept = span.end
    return Redaction("".join([*pieces, text[kept:]]), Counter(span.kind for span in spans))


def find(text: str, names: Iterable[str] = ()) -> list[Span]:
    """What points at somebody, in order, without overlap; arguments as of :func:`redact`."""
    left = list(text)
    found: list[Span] = []
    for kind, rule in _RULES:
        places = list(rule("".join(left)))
        if kind == "name":
            places += each_mention("".join(left), names)
        for start, end in sorted(places, key=lambda place: (place[0], -place[1])):
            if start < end and _TAKEN not in left[start:end]:
                left[start:end] = _TAKEN * (end - start)
                found.append(Span(start, end, kind))
    return sorted(found, key=lambda span: span.start)


# --- links, mail, handles ---------------------------------------------------------------------------------------------

_DOMAIN = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,5}"
_LINK = re.compile(
    r"(?<!\w)(?:(?:https?|ftp)://[^\s<>\"\ue000]+|www\.[^\s<>\"\ue000]+"
    # Endings that are words ("me", "it") need a path: people forget the blank behind a full stop.
    rf"|(?<![@.\-]){_DOMAIN}(?:(?:com|org|net|edu|gov|info|biz|app|dev|blog|shop|xyz|online|site|io|uk|de|fr|pl|nl|ca|au)"
    r"(?![\w@]|\.\w)(?:/[^\s<>\"\ue000]*)?|[a-z]{2,4}/[^\s<>\"\ue000]+))",
    re.IGNORECASE,
)
_BEHIND_LINK = frozenset(".,;:!?'\"”’*")
_MAILERS = "gmail|googlemail|yahoo|hotmail|outlook|live|icloud|proton|protonmail|aol|gmx|web|mail|posteo"
_EMAIL = re.compile(
    r"(?<![\w.+%/-])(?:[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,5}\w{2,24}"
    r"|[\w.+%-]{1,64}\s?[(\[{]\s?(?:at|@)\s?[)\]}]\s?[\w-]{1,63}(?:\s?[(\[{]\s?(?:dot|\.)\s?[)\]}]\s?\w{2,24}|\.\w{2,24})+"
    rf"|[\w.+%-]{{1,64}} at (?:[\w-]{{1,63}} dot \w{{2,24}}|(?:{_MAILERS})\.\w{{2,4}}))(?!\w)",
    re.IGNORECASE,
)
_PLATFORM = (
    r"(?:insta(?:gram)?|ig|snap(?:chat)?|discord|telegram|tik ?tok|twitter|kik|steam|psn|xbox|gamertag|venmo|cash ?app"
    r"|skype|we ?chat|line id|tumblr|threads|mastodon|twitch|onlyfans|user ?name|screen ?name|handle)"
)
_HANDLE = re.compile(
    r"(?<![\w./@])(?:/?u/[\w-]{2,32}|@(?!(?:home|work|school|all|least|the|my|night|uni)\b)[A-Za-z_][\w.-]{1,31})(?<![.-])"
    r"|(?<!\w)[\w.]{2,32}#\d{4}(?!\w)"
    rf"|(?<!\w){_PLATFORM}(?: (?:name|handle|account|user|tag|id))?\s?(?:is|was|:|=|-|@"
    r"|,? I(?:['’]?m| am)(?= [\w-]{1,30}[\d_.]\w))\s?"
    r"(?P<said>@?(?=[\w.-]{0,30}[\d_.-])[\w.-]{2,31}\w)(?!\w)",
    re.IGNORECASE,
)


def _links(text: str) -> Iterator[tuple[int, int]]:
    for match in _LINK.finditer(text):
        link = match[0]
        # What ends the sentence is no part of it, nor a bracket that was opened before it.
        spare = {closing: link.count(closing) - link.count(opening) for opening, closing in ("()", "[]", "{}")}
        end = len(link)
        while end and (link[end - 1] in _BEHIND_LINK or spare.get(link[end - 1], 0) > 0):
            end -= 1
            spare[link[end]] = spare.get(link[end], 0) - 1
        yield match.start(), match.start() + end


def _emails(text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in _EMAIL.finditer(text))


def _handles(text: str) -> Iterator[tuple[int, int]]:
    return (match.span("said") if match["said"] else match.span() for match in _HANDLE.finditer(text))


# --- numbers ----------------------------------------------------------------------------------------------------------

_MONEY = r"(?<![$€£¥₹])(?<![$€£¥₹] )"
_UNIT = re.compile(
    r"\s?(?:[$€£¥₹%]|(?:k|m|usd|eur|gbp|cad|aud|inr|rs|rupees?|dollars?|bucks|euros?|pounds?|quid|yen|won|yuan|pesos?|krona?"
    r"|z[lł]oty(?:ch)?|pln|francs?|km|kms|miles|steps|people|followers|views|words|calories|hours|min|minutes|mg|ml)\b)",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:(?:19|20)\d\d[-/. ](?:0?[1-9]|1[0-2])[-/. ](?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[-/. ](?:0?[1-9]|[12]\d|3[01])(?:[-/. ](?:19|20)\d\d|[-/.]\d\d)"
    r"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\d|[./-]\d)"
)
_PAPER = (
    r"(?:passport|licen[cs]e|account|policy|case|claim|order|invoice|ticket|reference|student|employee|member|patient"
    r"|social security|ssn|tax|routing|visa|permit|badge|iban|insurance|file|registration|plate|vin)"
)
_NUMBER = re.compile(
    r"(?<!\w)(?:[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?"  # IBAN
    r"|\d{4}(?:[ -]\d{4}){3}|3\d{3}[ -]\d{6}[ -]\d{5}"  # cards
    r"|\d{3}-\d{2}-\d{4})(?![\w-])"  # US social security number
    rf"|(?i:(?<!\w){_PAPER} ?(?:(?:number|no\.?|nr\.?|id|#) ?(?:is|was|:|=)?|is|was|:|=) ?#?)"
    r"(?P<paper>(?=(?:[A-Z-]{0,6}\d){4})[A-Z0-9-]{5,24})(?![\w$€£%])"
)
_RUN = re.compile(rf"(?<![\w.,/+-]){_MONEY}\d{{7,40}}(?![\w/-]|[.,]\d)")
_ROUND = re.compile(r"0{3,}\Z")


def _numbers(text: str) -> Iterator[tuple[int, int]]:
    for match in _NUMBER.finditer(text):
        paper = match["paper"]
        # "My case is 2023-05-12": a date, or nothing but an amount.
        if paper is None or not (_DATE.fullmatch(paper) or _amount(text, match.start("paper"), match.end("paper"))):
            yield match.span("paper") if paper else match.span()


def _runs(text: str) -> Iterator[tuple[int, int]]:
    for match in _RUN.finditer(text):
        if not (_amount(text, *match.span()) or _DATE.fullmatch(match[0])):
            yield match.span()


def _amount(text: str, start: int, end: int) -> bool:
    return _ROUND.search(text, start, end) is not None or _UNIT.match(text, end) is not None


_PHONE = re.compile(rf"(?<![\w.,/:+-]){_MONEY}(?:\+ ?)?\(?\+?\d(?:[ ().\-/]{{0,3}}\d){{5,18}}(?!\w|[,:]\d|%)")
_CALL = re.compile(
    r"\b(?:call|phone|phones?|tel|telephone|cell|mobile|text|texts|whats ?app|number|numbers|ring|reach|dial|sms|viber"
    r"|signal|hotline|extension|fax|contact|hit me up)\b[^.!?\n\d]{0,25}\Z",
    re.IGNORECASE,
)
_NATIONAL = re.compile(
    r"(?:1[ .-]?)?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-]?)[2-9]\d\d[ .-]?\d{4}"  # North America
    r"|\(?0\d(?:[ ()\-/.]{0,2}\d){7,10}"  # a trunk 0
    r"|\([1-9]\d{1,3}\) ?\d(?:[ -]?\d){5,8}"  # an area code in brackets
    r"|[1-9]\d\d(?: \d{3}){2}|[1-9]\d\d(?:-\d{3}){2}"  # nine digits by three
)
_WITHIN_TOWN = re.compile(r"[2-9]\d\d-\d{4}")


def _phones(text: str) -> Iterator[tuple[int, int]]:
    for match in _PHONE.finditer(text):
        shown, start = match[0], match.start()
        date = _DATE.match(shown)
        if date or _UNIT.match(text, match.end()):
            continue
        called = _CALL.search(text, max(0, start - 40), start) is not None
        digits = sum(map(str.isdigit, shown))
        if _is_phone(shown) or (called and 7 <= digits <= 15 and not _years(shown)):
            yield start, match.end()


def _is_phone(shown: str) -> bool:
    """Whether digits and what stands between them are laid out as a telephone number is."""
    if shown.startswith(("+", "(+")):
        return True
    if _WITHIN_TOWN.fullmatch(shown):
        # "500-1000" is a range.
        return not (shown.endswith("0") and int(shown[:3]) < int(shown[4:]))
    return _NATIONAL.fullmatch(shown) is not None and not _ROUND.search(shown)


def _years(shown: str) -> bool:
    return all(re.fullmatch(r"(?:19|20)\d\d", group) for group in re.findall(r"\d+", shown))


# --- addresses --------------------------------------------------------------------------------------------------------

_STREET = (
    r"(?:(?:Street|Lane|Avenue|Road|Drive|Court|Boulevard|Way|Place|Terrace|Close|Crescent|Square|Parkway|Highway|Circle"
    r"|Trail|Grove|Row|Mews|Alley|Walk)\b|(?:St|Str|Ln|Ave|Av|Rd|Dr|Ct|Blvd|Pl|Sq|Pkwy|Hwy|Cir)\b\.?)"
)
_PART = r"(?:,? (?:Apt|Apartment|Unit|Suite|Flat|Floor|#)\.? ?#?[A-Z]?\d{0,5}[A-Za-z]?\b)?"
_NAMED = r"[A-ZÄÖÜ][\w'’.-]{0,30}"
_ADDRESS = re.compile(
    rf"(?<![\w.,$€£-])\d{{1,6}}[A-Za-z]?,? (?:[NSEW]{{1,2}}\.? |(?:North|South|East|West) )?"
    rf"(?:{_NAMED} |\d{{1,3}}(?:st|nd|rd|th) ){{1,4}}{_STREET}{_PART}"
    rf"|(?<!\w){_NAMED}(?:(?:straße|strasse|gasse|weg|allee|platz|gatan|straat)| (?:Straße|Strasse|Allee|Platz|Weg))"
    r" \d{1,4} ?[a-z]?\b"
    rf"|(?<!\w)\d{{1,4}},? (?:rue|avenue|boulevard|place) (?:de |du |des |de la |d['’])?{_NAMED}"
    rf"|(?<!\w)(?:[Cc]alle|[Vv]ia|[Uu]l\.|[Rr]ua|[Aa]l\.) {_NAMED}(?: {_NAMED})?,? \d{{1,4}}\b"
    r"|(?<!\w)(?i:p\.? ?o\.? box) \d{1,8}\b"
    r"|(?<![\w-])[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}(?![\w-])"  # a British postcode: some fifteen houses
)


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in _ADDRESS.finditer(text))


_RULES: tuple[tuple[Kind, Callable[[str], Iterable[tuple[int, int]]]], ...] = (
    ("email", _emails),
    ("link", _links),
    ("handle", _handles),
    ("number", _numbers),
    ("address", _addresses),
    ("phone", _phones),
    ("number", _runs),
    ("name", named),
)
"""In this order: what an earlier one has taken, a later one does not see."""
