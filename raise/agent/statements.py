"""What people say of themselves without being asked.

Precision before recall: a statement counts where a clause begins with it, in the first person and the present, or
where it holds however the sentence goes on ("my husband"). Quotes, fiction, hypotheses, what others say, and what
follows any of these in the sentence, count for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from raise_agent.attributes import AttributeTable

from .amounts import said
from .cues import Cues, Pattern, cues_of, phrases, without_filler
from .wording import Clause, Sentence, plain, sentences

_DOUBLE = re.compile(r"[\"“”„«»]|\n\s*\n")
_OPENING, _CLOSING = re.compile(r"(?<!\w)['‘](?=\w)"), re.compile(r"(?<=[\w.,!?…])['’](?!\w)|\n")
_CAPITALISED = re.compile(r"\b[^\W\d_a-z]\w*")
_CITED = re.compile(r"^[ \t]{0,8}>.*$", re.MULTILINE)
_SPLIT = re.compile(
    r"\b(?<!someone )(?<!somebody )"
    # "18 or older" is one thing; "18 and over the moon" is two.
    r"(?!(?:(?<=\d )|(?<= old )|(?<= years )|(?<= of age ))"
    r"(?:plus$|(?:and|or) (?:older|over|upwards?|up|more|above|younger|under|less|below)\b"
    r"(?! (?:the|it|my|him|her|this|that|an?|with)\b)))"
    r"(?=(?:and|but|because|since|although|though|while|plus|yet|or|who|which)\b"
    r"|(?:so|as|now) (?:i|my|we|he|she|they)\b)"
)
_ARTICLE = re.compile(r"(?:an?|the) ")

Found = tuple[str, str]
"""Key of an attribute and the value found."""


@dataclass(frozen=True, slots=True)
class _Segment:
    """A clause, or what stands between two conjunctions in it."""

    words: str
    quoting: bool
    """Whether what follows it may be someone else's words."""
    followed: str
    """The words after it in the sentence, as far as they matter."""


def volunteered(text: str, table: AttributeTable, today: Callable[[], date] = date.today) -> Mapping[str, str]:
    """Values of the table that the writer of ``text`` states of themselves, by attribute key in table order.

    Args:
        text: a query or a reply, any text.
        table: whose attributes and values are looked for.
        today: against which a year of birth is read.
    """
    text = _without_quotes(text)
    whole = plain(text)
    if phrases("fiction").search(whole):
        return {}
    reader = _reader(text, whole, table, today)
    found: dict[str, set[str]] = {}
    for key, value in set(reader.read()):
        cue = reader.cues[key].values.get(value)
        if cue is None or cue.unless is None or not cue.unless.search(whole):
            found.setdefault(key, set()).add(value)
    chosen = {key: reader.cues[key].chosen(found[key]) for key in table.keys if key in found}
    return {key: value for key, value in chosen.items() if value is not None}


def says_no_more(text: str, table: AttributeTable, today: Callable[[], date] = date.today) -> bool:
    """Whether a text consists of statements that ``volunteered`` understands, courtesies and questions."""
    return _reader(text, plain(text), table, today).says_no_more()


def asks_back(sentence: Sentence) -> bool:
    """Whether a sentence begins as a question does, with or without its mark."""
    first = sentence.clauses[0].words
    # "Sorry, I'm 42" is no "Sorry?".
    only = len(sentence.clauses) == 1 or phrases("filler").fullmatch(first) is None
    return only and phrases("asks").match(first) is not None


def _reader(text: str, whole: str, table: AttributeTable, today: Callable[[], date]) -> _Reader:
    return _Reader(
        text,
        {attribute.key: cues_of(attribute) for attribute in table},
        {attribute.key: _names(attribute.name, attribute.key) for attribute in table},
        today,
        phrases("you_are").search(whole) is not None,
        frozenset(map(str.casefold, _CAPITALISED.findall(text))),
    )


def _names(*spellings: str) -> re.Pattern[str]:
    return re.compile(
        rf"my (?:{'|'.join(re.escape(plain(name.replace('_', ' '))) for name in spellings)}) is (?:an? )?"
    )


def _without_quotes(text: str) -> str:
    """The text with what is quoted blanked out, every other character in its place."""
    text = _CITED.sub(lambda match: " " * len(match[0]), text)
    pieces, kept, opened = [], 0, -1
    for mark in _DOUBLE.finditer(text):
        if "\n" in mark[0]:
            # No quote goes beyond its paragraph: a lone mark is one for inches, or a slip.
            opened = -1
        elif opened < 0:
            opened = mark.start()
        else:
            pieces += [text[kept : opened + 1], " " * (mark.start() - opened - 1)]
            kept, opened = mark.start(), -1
    text = "".join([*pieces, text[kept:]])
    pieces, kept = [], 0
    closings = [(match.start(), match[0]) for match in _CLOSING.finditer(text)]
    at = 0
    for opening in _OPENING.finditer(text):
        while at < len(closings) and closings[at][0] <= opening.start():
            at += 1
        if opening.start() >= kept and at < len(closings) and closings[at][1] != "\n":
            pieces += [text[kept : opening.start()], ",".ljust(closings[at][0] + 1 - opening.start())]
            kept = closings[at][0] + 1
    return "".join([*pieces, text[kept:]])


@dataclass(frozen=True, slots=True)
class _Reader:
    text: str
    cues: Mapping[str, Cues]
    names: Mapping[str, re.Pattern[str]]
    today: Callable[[], date]
    casts: bool
    """Whether the text says what its reader is: "You are a doctor", "you, as a doctor"."""
    capitalised: frozenset[str]
    """The words of the text that are written as a name is, in lower case."""

    def read(self) -> Iterator[Found]:
        quoting = False
        told = list(sentences(self.text))
        if told:
            yield from self._here(told[0], told[1:4])
        for sentence in told:
            if not phrases("imagined").search(sentence.clauses[0].words):
                yield from self._standing(sentence)
                if not quoting:
                    yield from self._stated(sentence)
            quoting = _quotes(sentence.clauses[-1])

    def _standing(self, sentence: Sentence) -> Iterator[Found]:
        """Cues that mean their value wherever they stand."""
        for clause in sentence.clauses:
            for key, cues in self.cues.items():
                for value, cue in cues.values.items():
                    if cue.own is not None and cue.own.search(clause.words):
                        yield key, value
                if "own" in cues.number:
                    for match in cues.number["own"].finditer(clause.words):
                        yield from self._number(key, match[0])

    def _stated(self, sentence: Sentence) -> Iterator[Found]:
        """Statements that begin a clause, up to the first doubt about who speaks, or of what."""
        segments = list(_segments(sentence))
        going_on, own = False, not self.casts
        listed: list[Found] = []
        for segment in segments:
            doubt = phrases("doubt").search(segment.words)
            words = segment.words[: doubt.start()].rstrip() if doubt else segment.words
            rest = without_filler(words)
            asked = sentence.question and len(segments) == 1
            if rest and not asked:
                found = self._of_segment(rest, going_on)
                at_age = phrases("at_age").match(rest)
                leading = at_age or phrases("as_a").match(rest)
                if leading or listed:
                    # "As a nurse and mother, how do I ...": both, once it is clear who does.
                    chain, left = self._chain_left(rest[leading.end() if leading else 0 :].lstrip(), "i")
                    listed = [*listed, *chain] if chain else []
                    # "As a doctor told me, I need rest": what is cut off may make it somebody else.
                    next_words = f"{left} {segment.words[len(words) :]} {segment.followed}"
                    # "At 65, do I get a pension?" may ask ahead.
                    if own and phrases("i_do" if at_age else "i_go_on").match(" ".join(next_words.split())):
                        found, listed = [*found, *listed], []
                else:
                    # "Tell me, as a doctor, ...": then somebody else is one.
                    own = own and phrases("own_clause").match(rest) is not None
                yield from found
                going_on = bool(found) or self._introduces(rest)
            if doubt or segment.quoting:
                return

    def _here(self, opening: Sentence, then: Sequence[Sentence]) -> Iterator[Found]:
        """How a message begins: "Single mom here, how do I ...", "34 year old nurse here. I ...".

        It may as well be somebody who is present. So it must say two things at least, in words of their own, as hardly
        anybody does of others in this form, and what comes next must be said of oneself, and of nobody else.
        """
        clauses = [clause for clause in opening.clauses if not phrases("greeting").fullmatch(clause.words)]
        if not clauses or _ARTICLE.match(clauses[0].words):
            return
        first, *others = clauses
        begun = phrases("greeting").match(first.words)
        chain, left = self._chain_left(first.words[begun.end() :].lstrip() if begun else first.words, "here")
        telling = [word for word in first.words.split() if not phrases("modifier").fullmatch(word)]
        # With "here" itself.
        two = len(telling) > 2 and len({key for key, _ in chain}) > 1
        if left != "here" or not two or (opening.question and not others):
            return
        following = [clause.words[:200] for sentence in then for clause in sentence.clauses]
        next_words = " ".join([clause.words[:200] for clause in others] + following)[:600]
        of_oneself = phrases("i_go_on" if others else "i_say").match(next_words)
        if of_oneself and not phrases("of_somebody").search(next_words):
            yield from chain

    def _of_segment(self, rest: str, going_on: bool) -> list[Found]:
        found = list(self._says(rest))
        am = phrases("i_am").match(rest)
        if am:
            return found + self._chain(rest[am.end() :].lstrip(), "")
        return found + (self._chain(rest, "") if going_on and not found else [])

    def _says(self, rest: str) -> Iterator[Found]:
        for key, cues in self.cues.items():
            for value, cue in cues.values.items():
                if cue.says is not None and cue.says.match(rest):
                    yield key, value
            if "says" in cues.number and (match := cues.number["says"].match(rest)):
                yield from self._number(key, match[0])
            named = self.names[key].match(rest)
            if named or (not cues.written and (named := phrases("i_am_a").match(rest))):
                said_value = rest[named.end() :].strip()
                yield from ((key, value) for value in cues.values if plain(value) == said_value)
                if cues.ranges is not None and re.fullmatch(r"\d{1,9}", said_value):
                    yield from self._number(key, said_value)

    def _chain(self, rest: str, after: str) -> list[Found]:
        return self._chain_left(rest, after)[0]

    def _chain_left(self, rest: str, after: str) -> tuple[list[Found], str]:
        """What somebody is, one thing after the other: "a 34 year old single nurse"; and the words left.

        Nothing where it goes on in a way that may change it: "a nurse's daughter", "a student of life".
        """
        found: list[Found] = []
        endings: list[Pattern] = []
        at = 0
        while True:
            while (modifier := phrases("modifier").match(rest, at)) and modifier.end() > at:
                at = modifier.end() + (rest[modifier.end() : modifier.end() + 1] == " ")
            hits = list(self._is(rest, at))
            if not hits:
                break
            # "Single mother" says two things at once, in the same words.
            end = max(hit[0] for hit in hits)
            longest = [hit for hit in hits if hit[0] == end]
            found += [pair for _, pairs, _ in longest for pair in pairs]
            endings = [cues.after or phrases("after") for _, _, cues in longest]
            at = end + (rest[end : end + 1] == " ")
        left = rest[at:]
        may_follow = endings or [phrases("after")]
        goes_on_well = not left or any(pattern.match(left) for pattern in may_follow)
        goes_on_well = goes_on_well or (bool(after) and re.match(rf"{after}\b", left) is not None)
        return (found, left) if goes_on_well else ([], left)

    def _is(self, rest: str, at: int) -> Iterator[tuple[int, list[Found], Cues]]:
        """Each thing that somebody may be, as said at one place: where it ends, and what it means."""
        for key, cues in self.cues.items():
            for value, cue in cues.values.items():
                if cue.am is not None and (match := cue.am.match(rest, at)):
                    yield match.end(), [(key, value)], cues
            if "am" in cues.number and (match := cues.number["am"].match(rest, at)):
                yield match.end(), list(self._number(key, match[0])), cues

    def _number(self, key: str, words: str) -> Iterator[Found]:
        ranges = self.cues[key].ranges
        if ranges is not None:
            held = set(ranges.held(said(words, ranges, self.today())))
            yield from ((key, value) for value in held if value is not None and len(held) == 1)

    def says_no_more(self) -> bool:
        """Whether all that is said is stated of oneself and understood, end to end."""
        stated = False
        for sentence in sentences(self.text):
            if sentence.question or asks_back(sentence):
                continue
            going_on = False
            for segment in _segments(sentence):
                rest = without_filler(segment.words)
                aside = phrases("corrects").fullmatch(rest) or (going_on and self._not_that(rest))
                if rest and not aside:
                    if not self._wholly(rest, going_on):
                        return False
                    stated = going_on = True
        return stated

    def _not_that(self, rest: str) -> bool:
        """Whether a clause takes something back beside what was said: "not 42", "not single"."""
        negated = phrases("not_that").fullmatch(rest) is not None
        return negated or (rest.startswith("not ") and self._wholly(rest.removeprefix("not "), True))

    def _wholly(self, rest: str, going_on: bool) -> bool:
        am = phrases("i_am").match(rest)
        if am or going_on:
            found, left = self._chain_left(rest[am.end() if am else 0 :].lstrip(), "")
            if found and (not left or phrases("filler").fullmatch(left)):
                return True
        stated = (
            pattern.match(rest)
            for cues in self.cues.values()
            for pattern in (*(cue.says for cue in cues.values.values()), cues.number.get("says"))
            if pattern is not None
        )
        named = (match for pattern in self.names.values() if (match := pattern.match(rest)))
        ends = {match.end() for match in stated if match}
        return (
            any(not rest[end:].strip() or phrases("filler").fullmatch(rest[end:].strip()) for end in ends)
            or any(rest[match.end() :].strip() in self._spellings() for match in named)
            or any("own" in cues.number and cues.number["own"].fullmatch(rest) for cues in self.cues.values())
        )

    def _spellings(self) -> frozenset[str]:
        return frozenset(plain(value) for cues in self.cues.values() for value in cues.values)

    def _introduces(self, rest: str) -> bool:
        """Whether a clause only begins to say who somebody is: "I'm Jo", "I, a nurse", "I'm over 18", "I'm a nun"."""
        stated = (cues.number["says"] for cues in self.cues.values() if "says" in cues.number)
        if phrases("opening").fullmatch(rest) or any(pattern.fullmatch(rest) for pattern in stated):
            return True
        name = phrases("introduction").fullmatch(rest)
        return name is not None and rest.split()[-1] in self.capitalised


def _quotes(clause: Clause) -> bool:
    return clause.pause == ":" and not phrases("heading").search(clause.words)


def _segments(sentence: Sentence) -> Iterator[_Segment]:
    clauses = sentence.clauses
    for number, clause in enumerate(clauses):
        # Far more than any rule looks at, and it keeps the work linear in the length of the text.
        following = " ".join(other.words[:200] for other in clauses[number + 1 : number + 3])
        cuts = [0, *(match.start() for match in _SPLIT.finditer(clause.words) if match.start() > 0), len(clause.words)]
        for start, end in pairwise(cuts):
            words = clause.words[start:end].strip()
            if words:
                yield _Segment(words, _quotes(clause), (clause.words[end : end + 200] + " " + following).strip())
