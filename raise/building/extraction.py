"""Posts to scenarios: which posts hold enough, what is taken from them, near duplicates (paper, section 2 and A.2).

The file is read twice. The first pass counts, so that nothing is spent on a file that cannot be read to its end; the
second reads some posts at a time with the model. What comes of a post depends on the post and on what the model
writes, never on how many calls are under way at once.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from raise_agent.attributes import AttributeTable
from raise_agent.data.records import SUBREDDIT_DOMAINS
from raise_agent.encoders import Encoder
from raise_agent.errors import ConfigError
from raise_agent.scenario import Scenario

from .contract import Writer
from .duplicates import DUPLICATE, near_duplicates
from .posts import Post, PostFile
from .reading import Dropped, Made, PostReader
from .settings import PostSettings
from .side_by_side import side_by_side
from .steps import Built, Step

STATED = "tells of the writer"
AT_A_TIME = 64
"""Posts held in memory for each caller that the model serves."""
LEFT_OUT = ("unreadable", "deleted", "too short", "too long", "same text or id")
"""Why a line is no post to be read; see ``posts.py``."""
LIMITS = (
    "What points at somebody was taken out by rule and by a model: no anonymisation. People have to read the scenarios "
    "before they are passed on; who knows a writer, or searches for their words, may find them.",
    "Values are what a model read from a post, and a post is what its writer chose to tell; neither was verified.",
    "Only posts that tell much are kept: their writers are no sample of those who ask.",
    "The licence and the terms of the place where the posts were written bind whoever uses them.",
)


def build_from_posts(
    path: Path,
    settings: PostSettings,
    table: AttributeTable,
    writer: Writer,
    encoder: Encoder,
    *,
    similarity: float,
    on_progress: Callable[[int, int], None],
) -> Built:
    """Make scenarios of posts.

    Args:
        path: JSON Lines, plain or packed with gzip.
        settings: which posts, and what is kept.
        table: the attributes.
        writer: the model.
        encoder: tells near duplicates.
        similarity: cosine from which on two queries of a domain are near duplicates.
        on_progress: called with the posts read by the model so far, and those to be read in all.

    Raises:
        ConfigError: a setting is wrong.
        DataError: the file cannot be used.
        ModelError: the model is gone.
    """
    if settings.keep > len(table):
        raise ConfigError(f"build.keep={settings.keep}: the table {table.name!r} has {len(table)} attributes")
    file = PostFile(path, shortest=settings.shortest, longest=settings.longest)
    total = _usable(file.survey())
    reader = PostReader(
        writer,
        table,
        {**SUBREDDIT_DOMAINS, **{name.casefold().removeprefix("r/"): d for name, d in settings.domains.items()}},
        settings.keep,
        settings.attempts,
        source="simulated" if writer.simulated else "posts",
    )
    tally, lines = _Tally(), Counter[str]()
    for read in _readings(reader, file.posts(lines), writer.in_flight, lambda done: on_progress(done, total)):
        tally.add(read)
    made = tally.made
    queries, domains = [reading.scenario.query for reading in made], [reading.scenario.domain for reading in made]
    copies = near_duplicates(queries, domains, encoder, similarity)
    chosen = [reading for place, reading in enumerate(made) if place not in copies]
    scenarios = [_with_id(reading.scenario) for reading in chosen]
    return Built(
        about=_about(path.name, tally, lines["other encoding"], chosen, simulated=writer.simulated),
        limits=LIMITS,
        scenarios=tuple(scenarios),
        steps=(
            Step("lines", lines["read"], {why: lines[why] for why in LEFT_OUT if lines[why]}),
            Step("posts", _usable(lines), tally.poor),
            Step(f"posts with at least {settings.keep} attributes", tally.rich, tally.dropped, tally.redone),
            Step("queries that differ", len(made), {DUPLICATE: len(copies)} if copies else {}),
        ),
        notes={scenario.id: _note(reading) for scenario, reading in zip(scenarios, chosen, strict=True)},
    )


@dataclass(slots=True)
class _Tally:
    """What came of the posts so far; of those that are dropped, nothing but counts is kept."""

    made: list[Made] = field(default_factory=list)
    rich: int = 0
    poor: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    redone: Counter[str] = field(default_factory=Counter)
    taken_out: Counter[str] = field(default_factory=Counter)

    def add(self, read: Made | Dropped) -> None:
        self.taken_out.update(read.taken_out)
        if isinstance(read, Dropped):
            self.rich += read.rich
            (self.dropped if read.rich else self.poor)[read.why] += 1
            return
        self.rich += 1
        self.made.append(dataclasses.replace(read, post=dataclasses.replace(read.post, text="")))
        if read.redone:
            self.redone[STATED] += read.redone


def _usable(lines: Counter[str]) -> int:
    """How many lines are posts to be read."""
    return lines["read"] - sum(lines[why] for why in LEFT_OUT)


def _readings(
    reader: PostReader, posts: Iterator[Post], in_flight: int, on_done: Callable[[int], None]
) -> Iterator[Made | Dropped]:
    """What comes of each post, in their order."""
    before = 0
    while some := list(islice(posts, AT_A_TIME * in_flight)):
        yield from side_by_side(reader.read, some, in_flight, before, on_done)
        before += len(some)


def _with_id(scenario: Scenario) -> Scenario:
    """With the first digits of its digest as id: the id of a post would lead back to its writer."""
    return dataclasses.replace(scenario, id=scenario.digest[:16])


def _about(name: str, tally: _Tally, other_encoding: int, chosen: list[Made], *, simulated: bool) -> str:
    """What the data card says first; nothing of any post."""
    years = [made.post.year for made in chosen if made.post.year is not None]
    when = f" Posts that were kept are from {min(years)} to {max(years)}." if years else ""
    taken = ", ".join(f"{count:,} {mark}" for mark, count in sorted(tally.taken_out.items())) or "nothing"
    encoding = f" {other_encoding:,} lines were no UTF-8 and read as Windows-1252." if other_encoding else ""
    by = (
        "by rule, in place of a model: each query is a sentence of its post as it stands" if simulated else "by a model"
    )
    return (
        f"Queries and profiles taken from the posts of `{name}` {by}.{when}{encoding} Replaced by marks in the posts "
        f"before their values and queries were taken: {taken}."
    )


def _note(made: Made) -> str:
    told = f"line {made.post.line}: {made.background}"
    return f"{told} [the query tells of: {', '.join(made.stated)}]" if made.stated else told
