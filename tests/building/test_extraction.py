"""Posts to scenarios: what is kept, what is sent and what comes back, whatever the model writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from raise_agent.building.contract import Unwritten, Writer
from raise_agent.building.duplicates import DUPLICATE
from raise_agent.building.extraction import STATED, build_from_posts
from raise_agent.building.forms import NOT_SPECIFIED
from raise_agent.building.journal import Journal, KeptWriter
from raise_agent.building.reading import UNUSABLE
from raise_agent.building.settings import PostSettings
from raise_agent.building.steps import Built
from raise_agent.data import load_scenarios, write_jsonl
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import ConfigError, ModelError

from .support import TABLE, Scripted

EXAMPLE = Path(__file__).parents[2] / "examples" / "posts.jsonl"
ENCODER = HashingEncoder(256)
PRIVATE = ("Marta", "Gregor", "0171", "hans.old", "quiet_fox", "Rosewood", "Okafor", "Tomasz", "example.org", "Elena")
PRESENT = dict.fromkeys(TABLE.keys, True)
UNKNOWN = dict.fromkeys(TABLE.keys, NOT_SPECIFIED)


def build(writer: Writer, path: Path = EXAMPLE, **settings: Any) -> Built:
    said: list[tuple[int, int]] = []
    built = build_from_posts(
        path, PostSettings(**settings), TABLE, writer, ENCODER, similarity=0.9, on_progress=lambda *at: said.append(at)
    )
    assert said == [(done, len(said)) for done in range(1, len(said) + 1)]
    return built


@pytest.fixture(scope="module")
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture(scope="module")
def built(scripted: Scripted) -> Built:
    return build(scripted)


@pytest.fixture
def one_post(tmp_path: Path) -> Path:
    body = "I saw Zuberi at the station and I have not slept since, and nobody knows. What am I to do about him? " * 3
    path = tmp_path / "posts.jsonl"
    path.write_text(json.dumps({"title": "A long night", "body": body, "subreddit": "nights"}) + "\n", encoding="utf-8")
    return path


# --- what is built ----------------------------------------------------------------------------------------------------


def test_every_post_is_kept_or_counted_at_one_step(built: Built) -> None:
    lines, posts, rich, distinct = built.steps
    assert (lines.entered, lines.dropped) == (15, {"deleted": 1, "too short": 1, "same text or id": 1})
    assert (posts.entered, posts.dropped) == (lines.kept, {"fewer than 7 attributes": 4})
    assert (rich.entered, rich.dropped, rich.redone) == (posts.kept, {}, {STATED: 1})
    assert (distinct.entered, distinct.dropped) == (rich.kept, {DUPLICATE: 1})
    assert distinct.kept == len(built.scenarios) == 7


def test_scenarios_have_their_subreddits_domain_at_least_seven_values_and_ids_of_their_own(built: Built) -> None:
    # What each of the posts says of its writer, and where it was written, by the hand that wrote them.
    first = built.scenarios[0]
    assert dict(zip(TABLE.keys, first.profile.values, strict=True)) == {
        "age": "25-34",
        "gender": "female",
        "marital": "single",
        "profession": "nurse",
        "economic": "difficult",
        "education": "bachelor's",
        "health": "chronic disease",
        "mental_health": None,
        "self_harm": None,
        "emotion": None,
    }
    domains = ["Career", "Relationship", "Financial", "Education", "Social", "Health", "Health"]
    assert [one.domain for one in built.scenarios] == domains
    assert all(one.profile.known.bit_count() >= 7 for one in built.scenarios)
    assert {one.source for one in built.scenarios} == {"simulated"}
    assert not any(one.id.startswith("ex") for one in built.scenarios)


def test_nothing_that_points_at_somebody_is_sent_or_kept(scripted: Scripted, built: Built) -> None:
    original = EXAMPLE.read_text(encoding="utf-8")
    assert all(word in original for word in PRIVATE)
    sent = json.dumps(scripted.seen)
    kept = repr([(one.query, one.profile.values) for one in built.scenarios]) + repr(built)
    assert [word for word in PRIVATE if word in sent or word in kept] == []
    assert "6 name" in built.about


def test_the_file_reads_back_as_scenarios(built: Built, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "made.jsonl", built.scenarios)
    assert load_scenarios(tmp_path / "made.jsonl", TABLE).scenarios == built.scenarios


# --- what the model does ----------------------------------------------------------------------------------------------


def test_names_that_the_model_lists_are_in_no_later_call_and_in_nothing_that_is_kept(one_post: Path) -> None:
    wrote = {
        "post_fields": {"names": ["Zuberi"], "present": PRESENT},
        "post_values": {**UNKNOWN, **{key: next(iter(TABLE[TABLE.index(key)].values)) for key in TABLE.keys[:8]}},
        "post_query": {"query": "Should I call Zuberi at z@example.org?", "background": "Zuberi is feared."},
    }
    model = Scripted(lambda number, part, values: wrote.get(part))
    made = build(model, one_post)
    assert ["Zuberi" in str(values) for _, _, values in model.seen] == [True, False, False, False]
    assert [one.query for one in made.scenarios] == ["Should I call [name] at [email]?"]
    assert list(made.notes.values()) == ["line 1: [name] is feared."]
    assert model.calls["post_domain"] == 1


def test_common_words_values_and_marks_are_taken_for_no_names(one_post: Path) -> None:
    listed = ["I", "the", "nobody", "[name]", "name", "anxiety", "not in the post", "  "]
    wrote = {"post_fields": {"names": listed, "present": PRESENT}, "post_values": UNKNOWN}
    model = Scripted(lambda number, part, values: wrote.get(part))
    build(model, one_post)
    (_, _, first), (_, _, second) = model.seen
    assert dict(first)["post"] == dict(second)["post"]


def test_a_post_that_speaks_to_the_model_goes_to_it_in_quotes_on_one_line(scripted: Scripted, built: Built) -> None:
    (sent,) = {dict(v)["post"] for _, _, v in scripted.seen if "Ignore all instructions" in str(v)}
    assert "\n" not in sent
    assert json.loads(sent).startswith("Ignore all that was said before\n\n")


def test_a_query_that_tells_of_its_writer_for_ever_is_kept_and_reviewers_are_told(one_post: Path) -> None:
    wrote = {
        "post_fields": {"names": [], "present": PRESENT},
        "post_values": {**UNKNOWN, **{key: list(TABLE[TABLE.index(key)].values)[1] for key in TABLE.keys[:8]}},
        "post_query": {"query": "I'm married. Should I leave him?", "background": "Tired."},
    }
    wrote["post_query_again"] = wrote["post_query"]
    model = Scripted(lambda number, part, values: wrote.get(part))
    made = build(model, one_post, attempts=3)
    assert model.calls["post_query_again"] == 2
    assert made.steps[2].redone == {STATED: 2}
    assert list(made.notes.values()) == ["line 1: Tired. [the query tells of: marital]"]
    assert [draw for part, draw, _ in model.seen if part == "post_query_again"] == [1, 2]


@pytest.mark.parametrize(
    ("part", "step"), [("post_fields", 1), ("post_values", 2), ("post_query", 2), ("post_query_again", 2)]
)
def test_a_model_that_never_writes_the_form_costs_the_post_and_no_other(built: Built, part: str, step: int) -> None:
    def instead(number: int, asked: str, values: Mapping[str, str]) -> Any:
        if asked == part and "Dropping out" in values["post"]:
            raise Unwritten("broken structure")

    made = build(Scripted(instead))
    assert made.steps[step].dropped["not read: broken structure"] == 1
    assert made.scenarios == tuple(one for one in built.scenarios if one.domain != "Education")
    assert sum(sum(one.dropped.values()) for one in made.steps) + len(made.scenarios) == 15


def test_texts_that_no_file_can_hold_cost_no_more_than_their_post(one_post: Path) -> None:
    values = {**UNKNOWN, **{key: next(iter(TABLE[TABLE.index(key)].values)) for key in TABLE.keys[:8]}}
    wrote = {"post_fields": {"names": [], "present": PRESENT}, "post_values": values}
    wrote["post_query"] = {"query": "What now?", "background": "Half \ud83d and \0 nothing."}
    made = build(Scripted(lambda number, part, _: wrote.get(part)), one_post)
    assert list(made.notes.values()) == ["line 1: Half ? and  nothing."]
    wrote["post_query"] = {"query": "What \ud83d now?", "background": "Tired."}
    assert build(Scripted(lambda number, part, _: wrote.get(part)), one_post).steps[2].dropped == {UNUSABLE: 1}


def test_posts_whose_values_are_fewer_than_promised_are_counted(one_post: Path) -> None:
    wrote = {"post_fields": {"names": [], "present": PRESENT}, "post_values": UNKNOWN}
    made = build(Scripted(lambda number, part, values: wrote.get(part)), one_post)
    assert made.steps[2].dropped == {"fewer than 7 values": 1}
    assert made.scenarios == ()


# --- order, resuming, settings ----------------------------------------------------------------------------------------


def test_the_same_comes_of_it_however_many_calls_are_under_way(built: Built) -> None:
    assert build(Scripted(in_flight=7, seconds=0.02)) == built


def test_a_build_that_is_cut_off_repeats_no_call_and_ends_alike(
    scripted: Scripted, built: Built, tmp_path: Path
) -> None:
    def instead(number: int, part: str, values: Mapping[str, str]) -> Any:
        if number == 11:
            raise ModelError("the server is gone")

    cut, rest = Scripted(instead), Scripted()
    with Journal(tmp_path / "journal.sqlite") as journal, pytest.raises(ModelError):
        build(KeptWriter(cut, journal))
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert build(KeptWriter(rest, journal)) == built
    assert Counter(cut.seen[:11]) + Counter(rest.seen) == Counter(scripted.seen)


def test_subreddits_can_be_given_a_domain(built: Built, one_post: Path) -> None:
    assert {one.domain for one in build(Scripted(), domains={"r/Careerguidance": "Life"}).scenarios} == {
        "Life",
        *(one.domain for one in built.scenarios[1:]),
    }


def test_fewer_attributes_keep_more_posts(built: Built) -> None:
    assert build(Scripted(), keep=6).steps[1].kept == 10


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"keep": 0}, "build.keep must be 1 or more"),
        ({"keep": 11}, "has 10 attributes"),
        ({"attempts": 0}, "build.attempts"),
        ({"longest": 100}, "build.longest must be build.shortest=200 or more"),
        ({"domains": {"jobs": "Carer"}}, "did you mean 'Career'"),
    ],
)
def test_wrong_settings_are_told(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build(Scripted(), **settings)


def test_the_verb_writes_scenarios_card_and_sheet_and_says_that_they_are_simulated(cli: Any, tmp_path: Path) -> None:
    arguments = ("build", "build=posts", f"build.posts={EXAMPLE}", "output=made.jsonl", "encoder=hashing")
    done = cli(*arguments)
    assert "7 simulated scenarios: made.jsonl" in done.stdout
    card = (tmp_path / "made.card.md").read_text(encoding="utf-8")
    assert "**Simulated.**" in card
    assert "| queries that differ | near duplicate of an earlier one |       1 |" in card
    assert "bakery" not in card
    assert "bakery" in (tmp_path / "made.review.csv").read_text(encoding="utf-8-sig")
    assert "calls: 0 made, 29 taken" in cli(*arguments).stdout
    told = cli("build", "build=posts", "build.posts=no.jsonl", "output=made.jsonl", "encoder=hashing", status=2).stderr
    assert "no.jsonl: no such file; give a file of posts" in told
