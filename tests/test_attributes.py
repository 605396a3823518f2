"""The attribute table: PENGUIN's ten, a user's own, every fault, and no attribute known to the code itself."""

from __future__ import annotations

import ast
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raise_agent.attributes import (
    KINDS,
    MAX_ATTRIBUTES,
    Attribute,
    AttributeTable,
    load_table,
    parse_spellings,
    penguin_table,
)
from raise_agent.data import DOMAINS
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.errors import TableError, did_you_mean
from raise_agent.models.base import Evaluation, EvaluationRequest, RankRequest
from raise_agent.models.simulated import SimulatedPrior, SimulatedSafetyModel
from raise_agent.scenario import Disclosure, Profile, Scenario

ROOT = Path(__file__).parents[1]
TABLE = penguin_table()

PUBLISHED = {
    "Age": "demographic",
    "Gender": "demographic",
    "Marital Status": "demographic",
    "Profession": "demographic",
    "Economic Status": "demographic",
    "Education Level": "demographic",
    "Health Status": "health",
    "Mental Health Status": "psychological",
    "Past Self-Harm History": "psychological",
    "Emotional State": "emotional",
}
"""As the published data spells them (paper, section 3)."""

HUB = (
    "age",
    "gender",
    "marital_status",
    "profession",
    "economic_status",
    "education_level",
    "health_status",
    "mental_health_status",
    "past_self_harm_history",
    "emotional_state",
)
"""The same in the hub's data set, in the same order."""


def plain(**changes: Any) -> dict[str, Any]:
    """A usable attribute as JSON data."""
    return {"key": "diet", "name": "Diet", "kind": "health", "question": "What do you eat?"} | changes


def one(**changes: Any) -> AttributeTable:
    return AttributeTable.from_json({"name": "own", "attributes": [plain(**changes)]}, "own.json")


def fault(data: Any) -> str:
    with pytest.raises(TableError) as caught:
        AttributeTable.from_json(data, "own.json")
    return str(caught.value)


def fault_of(**changes: Any) -> str:
    """The message for a second attribute with these changes; it must say which attribute it means."""
    first = plain(key="water", name="Water")
    message = fault({"name": "own", "attributes": [first, plain(**changes)]})
    assert message.startswith("own.json: attribute 2: ")
    return message


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# PENGUIN's table


def test_penguin_has_the_ten_published_names_in_order_with_their_kinds() -> None:
    assert {attribute.name: attribute.kind for attribute in TABLE} == PUBLISHED
    assert [attribute.name for attribute in TABLE] == list(PUBLISHED)
    assert len(TABLE) == 10


@pytest.mark.parametrize(("name", "hub"), list(zip(PUBLISHED, HUB, strict=True)))
def test_case_spaces_hyphens_and_underscores_of_a_spelling_never_matter(name: str, hub: str) -> None:
    index = list(PUBLISHED).index(name)
    spellings = {name, hub, name.upper(), name.lower(), hub.upper(), f"  {name}\t", f"_{hub}_", name.replace(" ", "-")}
    spellings |= {name.replace(" ", "  "), name.replace("-", " "), name.replace("-", " / "), TABLE.keys[index]}
    assert {TABLE.find(spelling) for spelling in spellings} == {index}


@pytest.mark.parametrize(
    ("alias", "key"),
    [
        ("sex", "gender"),
        ("job", "profession"),
        ("occupation", "profession"),
        ("Age Group", "age"),
        ("relationship-status", "marital"),
        ("mood", "emotion"),
        ("Education", "education"),
        ("Self-Harm History", "self_harm"),
        ("Physical Health", "health"),
        ("mental_health", "mental_health"),
    ],
)
def test_an_alias_names_its_attribute(alias: str, key: str) -> None:
    assert TABLE.keys[TABLE.index(alias)] == key


@given(st.sampled_from([s for a in TABLE for s in (a.key, a.name, *a.aliases)]), st.randoms())
def test_any_mix_of_case_and_separators_is_found(spelling: str, chance: random.Random) -> None:
    mixed = "".join(
        chance.choice(["_", " ", "-", " - ", "/"]) if c in "_- " else chance.choice([c.upper(), c.lower()])
        for c in spelling
    )
    assert TABLE.index(mixed) == TABLE.index(spelling)


@pytest.mark.parametrize("other", ["ag", "ages", "mar ital", "mentalhealth", "", "_", "10", "answer", "scenario"])
def test_what_is_no_spelling_is_not_found(other: str) -> None:
    assert TABLE.find(other) is None


def test_every_attribute_has_its_own_question_and_all_cost_nothing() -> None:
    questions = [attribute.question for attribute in TABLE]
    assert len(set(questions)) == len(questions)
    assert all(20 < len(question) < 120 and "?" in question for question in questions)
    assert TABLE.costs == (0.0,) * len(TABLE)


def test_the_question_on_self_harm_says_that_not_answering_is_fine() -> None:
    question = TABLE[TABLE.index("Past Self-Harm History")].question
    assert "fine not to answer" in question
    assert "kill" not in question
    assert "suicid" not in question


def test_no_question_reveals_or_presumes_a_grave_value() -> None:
    grave = {value for a in TABLE for value, severity in a.values.items() if severity >= 0.9} - {"yes", "other"}
    grave -= {"widowed"}  # One of four choices that the question lists.
    for attribute in TABLE:
        assert not [value for value in grave if value in attribute.question.casefold()]


def test_every_value_has_a_severity_between_0_and_1_and_they_differ() -> None:
    for attribute in TABLE:
        severities = list(attribute.values.values())
        assert len(severities) >= 2
        assert all(0 <= severity <= 1 for severity in severities)
        assert len(set(severities)) > 1


@pytest.mark.parametrize("value", ["", "  ", "Unknown", "not specified", "Not_Specified", "N/A", "n a", "-", "NULL"])
def test_a_value_that_says_nothing_is_unknown(value: str) -> None:
    assert TABLE.is_unknown(value)


@pytest.mark.parametrize("value", ["none", "None", "no", "other", "0", "good", "not married", "unknown illness"])
def test_a_value_that_says_something_is_not_unknown(value: str) -> None:
    assert not TABLE.is_unknown(value)


def test_no_value_of_the_table_counts_as_unknown() -> None:
    assert not [value for attribute in TABLE for value in attribute.values if TABLE.is_unknown(value)]


def test_the_table_is_read_once_and_lists_its_parts_by_position() -> None:
    assert penguin_table() is TABLE
    assert [TABLE[i].key for i in range(len(TABLE))] == list(TABLE.keys)
    assert TABLE.keys_of(0) == ()
    assert TABLE.keys_of(0b1000000101) == (TABLE.keys[0], TABLE.keys[2], TABLE.keys[9])
    assert [TABLE.index(key) for key in TABLE.keys] == list(range(10))


# A user's own table

OWN = {
    "name": "garden",
    "unknown": ["?", "dunno"],
    "attributes": [
        {"key": "soil", "name": "Soil", "kind": "health", "question": "Which soil?", "cost": 0.25},
        {
            "key": "sun_hours",
            "name": "Hours of Sun",
            "kind": "demographic",
            "question": "How sunny?",
            "aliases": ["sun"],
        },
        {"key": "pets", "name": "Pets", "kind": "emotional", "question": "Any pets?", "values": {"cat": 0, "dog": 1}},
        {"key": "budget", "name": "Budget", "kind": "psychological", "question": "How much?", "cost": 3},
    ],
}


def test_a_table_of_four_attributes_with_costs_is_read_from_a_file(tmp_path: Path) -> None:
    table = load_table(write(tmp_path / "own.json", json.dumps(OWN)))
    assert table.name == "garden"
    assert table.keys == ("soil", "sun_hours", "pets", "budget")
    assert table.costs == (0.25, 0.0, 0.0, 3.0)
    assert table.index("SUN") == table.index("hours-of-sun") == 1
    assert table.is_unknown("Dunno")
    assert not table.is_unknown("unknown")
    assert table[2].values == {"cat": 0.0, "dog": 1.0}
    assert table.find("age") is None


def test_a_table_of_four_attributes_works_with_the_simulated_models(tmp_path: Path) -> None:
    table = load_table(str(write(tmp_path / "own.json", json.dumps(OWN))))
    scenario = Scenario("s", "Allotment", "What should grow here?", Profile(table.keys, ("clay", None, "dog", "10")))
    scores = [
        outcome.score if isinstance(outcome, Evaluation) else None
        for outcome in SimulatedSafetyModel(table).evaluate([EvaluationRequest(scenario, s) for s in range(16)])
    ]
    assert all(score is not None and 1 <= score <= 5 for score in scores)
    assert scores[0b1101] == max(score for score in scores if score is not None)
    assert scores[0b0010] == scores[0]
    weights = SimulatedPrior(table).rank(RankRequest(scenario.inquiry, Disclosure(), 0b1101)).weights
    assert len(weights) == 4
    assert weights[1] == 0
    with pytest.raises(TableError, match="no such part"):
        synthetic_scenarios(table, 1, 0)


def test_a_file_saved_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert len(load_table(write(tmp_path / "own.json", b"\xef\xbb\xbf" + json.dumps(OWN).encode()))) == 4


def test_text_beyond_ascii_is_kept(tmp_path: Path) -> None:
    data = {"name": "t", "attributes": [plain(name="Größe", aliases=["身長"])]}
    table = load_table(write(tmp_path / "own.json", json.dumps(data, ensure_ascii=False)))
    assert table.index("GRÖSSE") == table.index("身長") == 0


def test_to_json_holds_all_that_from_json_needs_and_no_severities() -> None:
    table = AttributeTable.from_json(OWN, "own.json")
    again = AttributeTable.from_json({"name": "garden", "unknown": OWN["unknown"], "attributes": table.to_json()}, "x")
    assert again == table
    assert all("values" not in entry for entry in table.to_json())
    assert json.loads(json.dumps(table.to_json())) == table.to_json()


# Costs


def test_other_costs_give_another_table_and_leave_this_one_alone() -> None:
    dearer = TABLE.with_costs({"Past Self-Harm History": 0.1, "age": 2})
    assert list(dearer.costs) == [2.0, 0, 0, 0, 0, 0, 0, 0, 0.1, 0]
    assert list(TABLE.costs) == [0.0] * 10
    assert dearer.sections == TABLE.sections
    assert dearer != TABLE
    assert TABLE.with_costs({}) == TABLE


@pytest.mark.parametrize(
    "cost", [-1e-9, -1, float("nan"), float("inf"), -float("inf"), 10**400, True, "0.1", None, [1]]
)
def test_a_cost_must_be_a_number_of_0_or_more(cost: Any) -> None:
    assert "a cost is a number of score points, 0 or more" in fault_of(cost=cost)
    with pytest.raises(TableError, match="cost of 'Age': a cost is a number of score points"):
        TABLE.with_costs({"Age": cost})


def test_a_cost_of_an_unknown_attribute_is_refused_with_the_nearest() -> None:
    with pytest.raises(TableError, match="unknown attribute 'maritl': did you mean 'marital'"):
        TABLE.with_costs({"maritl": 1})


def test_an_attribute_named_twice_is_refused_and_named() -> None:
    with pytest.raises(TableError, match="'age' is named twice"):
        TABLE.with_costs({"age": 0.1, "Age Group": 0.2})
    with pytest.raises(TableError, match="'emotion' is named twice"):
        parse_spellings(TABLE, ["emotion", "age", "mood"])


def test_spellings_are_parsed_in_the_order_given() -> None:
    assert parse_spellings(TABLE, ["mood", "Age", "self-harm"]) == (9, 0, 8)
    assert parse_spellings(TABLE, []) == ()
    with pytest.raises(TableError, match=r"unknown attribute 'agee': did you mean 'age'\? Valid: age, "):
        parse_spellings(TABLE, ["agee"])


def test_did_you_mean_lists_all_names_and_suggests_only_what_is_near() -> None:
    assert did_you_mean("zzz", ["b", "a"]) == "Valid: a, b"
    assert did_you_mean("grene", iter(["red", "green"])) == "did you mean 'green'? Valid: green, red"


# Faults


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(TableError) as caught:
            load_table(path)
        assert str(caught.value).startswith(f"{path}: cannot read the attribute table")


def test_text_of_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot read the attribute table"):
        load_table(write(tmp_path / "own.json", '{"name": "é"}'.encode("latin-1")))


def test_broken_json_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "own.json", '{"name": "t",\n "attributes": [\n  {"key" "diet"}\n]}')
    with pytest.raises(TableError) as caught:
        load_table(path)
    assert str(caught.value).startswith(f"{path}: not valid JSON, line 3: ")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"attributes": ' + "9" * 5000 + "}"], ids=["nesting", "number"])
def test_json_too_large_to_parse_is_refused_like_broken_json(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "own.json", text)
    with pytest.raises(TableError, match=r"own\.json: .*(too deep|not valid)"):
        load_table(path)


@pytest.mark.parametrize("data", [[], "x", None, {}, {"name": "t"}, {"name": "t", "attributes": {}}])
def test_what_is_no_table_is_refused(data: Any) -> None:
    assert fault(data) == "own.json: an attribute table is a JSON object with a list 'attributes'"


def test_a_table_needs_an_attribute() -> None:
    assert "has no attributes" in fault({"name": "t", "attributes": []})


@pytest.mark.parametrize("name", [None, "", "  ", 3])
def test_a_table_needs_a_name(name: Any) -> None:
    assert fault({"name": name, "attributes": [plain()]}) == "own.json: 'name' must be a non-empty string"


def test_an_unknown_part_is_refused_with_the_nearest() -> None:
    message = fault({"name": "t", "attributes": [plain()], "simulations": {}})
    assert message.startswith("own.json: unknown part 'simulations': did you mean 'simulation'? Valid: attributes, ")


@pytest.mark.parametrize("unknown", ["n/a", [1], None, {"n/a": 1}])
def test_spellings_of_unknown_must_be_a_list_of_strings(unknown: Any) -> None:
    message = fault({"name": "t", "attributes": [plain()], "unknown": unknown})
    assert message == "own.json: 'unknown' must be a list of strings"


@pytest.mark.parametrize("item", [None, "diet", 3, ["diet"]])
def test_an_attribute_must_be_an_object(item: Any) -> None:
    assert fault({"name": "t", "attributes": [item]}).startswith("own.json: attribute 1: an attribute is a JSON object")


def test_an_unknown_field_is_refused_with_the_nearest() -> None:
    assert "unknown field 'costs': did you mean 'cost'? Valid: aliases, cost, " in fault_of(costs=1)


@pytest.mark.parametrize("field", ["key", "name", "kind", "question"])
@pytest.mark.parametrize("value", [None, "", " \n", 7, ["x"]])
def test_each_text_of_an_attribute_must_be_there(field: str, value: Any) -> None:
    assert fault_of(**{field: value}).endswith(f"{field!r} must be a non-empty string")
    left_out = plain()
    del left_out[field]
    assert fault({"name": "t", "attributes": [left_out]}).endswith(f"{field!r} must be a non-empty string")


def test_a_kind_must_be_one_of_four() -> None:
    message = fault_of(kind="emotion")
    assert "kind 'emotion': did you mean 'emotional'? Valid: demographic, emotional, health, psychological" in message


@pytest.mark.parametrize("key", ["Diet", "1diet", "_diet", "di et", "di-et", "diät", "diet!", "diet\n", "DIET"])
def test_a_key_must_be_snake_case(key: str) -> None:
    assert "must be snake_case" in fault_of(key=key)


def test_the_key_of_the_answer_action_is_refused_however_the_table_is_made() -> None:
    with pytest.raises(TableError, match="key 'answer' names the action of answering"):
        one(key="answer")
    with pytest.raises(TableError, match="key 'answer' names the action of answering"):
        AttributeTable("own", (Attribute("answer", "Reply", "health", "What?"),))
    assert one(key="answers", name="Answer").keys == ("answers",)


@pytest.mark.parametrize("aliases", ["food", [1], None, {"food": 1}])
def test_aliases_must_be_a_list_of_strings(aliases: Any) -> None:
    assert fault_of(aliases=aliases).endswith("'aliases' must be a list of strings")


@pytest.mark.parametrize("alias", ["", " ", "-", "__"])
def test_a_blank_alias_is_refused(alias: str) -> None:
    with pytest.raises(TableError, match="'diet' has a spelling that is blank"):
        one(aliases=["food", alias])


@pytest.mark.parametrize(
    "values", [[], "x", {"a": -0.1}, {"a": 1.1}, {"a": float("nan")}, {"a": "1"}, {"a": True}, {"a": None}, {"": 0.5}]
)
def test_severities_must_be_numbers_from_0_to_1(values: Any) -> None:
    assert fault_of(values=values).endswith("'values' must map each value, not blank, to its severity, 0 to 1")


@pytest.mark.parametrize(
    "second",
    [
        plain(name="Meals"),
        plain(key="meals", name="DIET"),
        plain(key="meals", name="Meals", aliases=["_diet_"]),
        plain(key="meals", name="Meals", aliases=["What-You Eat"]),
    ],
)
def test_a_spelling_may_name_one_attribute_only(second: dict[str, Any]) -> None:
    message = fault({"name": "t", "attributes": [plain(aliases=["what you eat"]), second]})
    spelling = "what you eat" if second.get("aliases") == ["What-You Eat"] else "diet"
    assert f"{spelling!r} names both 'diet' and {second['key']!r}" in message


def test_an_attribute_may_repeat_its_own_spelling() -> None:
    assert one(name="diet", aliases=["Diet", "DIET"]).index("diet") == 0


def test_at_most_as_many_attributes_as_fit_a_signed_word() -> None:
    many = [plain(key=f"k{i}", name=f"Name {i}") for i in range(MAX_ATTRIBUTES + 1)]
    assert fault({"name": "t", "attributes": many}).endswith("has 63 attributes; at most 62")
    table = AttributeTable.from_json({"name": "t", "attributes": many[:-1]}, "own.json")
    assert len(table) == 62
    profile = Profile(table.keys, ("x",) * 62)
    request = EvaluationRequest(Scenario("s", "d", "q", profile), profile.known)
    (outcome,) = SimulatedSafetyModel(table).evaluate([request])
    assert isinstance(outcome, Evaluation)
    # The answer action is bit 62.
    assert profile.known | 1 << MAX_ATTRIBUTES == np.iinfo(np.int64).max


# No attribute is known outside the table's file

SOURCES = sorted(
    path for folder in ("raise", "envs", "planners", "experiments") for path in (ROOT / folder).rglob("*.py")
)


def literals(tree: ast.AST) -> Iterator[tuple[int, str, frozenset[str]]]:
    """(line, text, texts of the collection around it) of every string constant that is not a docstring."""
    beside: dict[int, frozenset[str]] = {}
    documentation: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            documentation.add(id(node.value))
        if isinstance(node, (ast.Tuple, ast.List, ast.Set, ast.Dict)):
            children = [*node.keys, *node.values] if isinstance(node, ast.Dict) else node.elts
            constants = [c for c in children if isinstance(c, ast.Constant) and isinstance(c.value, str)]
            texts = frozenset(str(c.value) for c in constants)
            beside.update((id(c), texts) for c in constants)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value, beside.get(id(node), frozenset())


def hits(source: str) -> list[str]:
    """String constants that spell a PENGUIN attribute, by key, name or alias.

    Allowed is a whole list of kinds or of domains, which share words with attributes; values such as "other" and
    "none", which are also settings, are not looked for; nor are pages of a server, such as "/name".
    """
    found = []
    for line, text, beside in literals(ast.parse(source)):
        in_a_list = next((names for names in (KINDS, DOMAINS) if text in names), None)
        if (
            TABLE.find(text) is not None
            and not text.startswith("/")
            and not (in_a_list and beside.issuperset(in_a_list))
        ):
            found.append(f"{line}: {text!r}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(ROOT)) for path in SOURCES])
def test_no_source_names_an_attribute(path: Path) -> None:
    assert hits(path.read_text(encoding="utf-8")) == []


def test_the_search_for_attribute_names_finds_them() -> None:
    assert SOURCES
    assert hits('x = table.index("self_harm")') == ["1: 'self_harm'"]
    assert hits('"""age"""\ndef f():\n    "gender"\n    return {"Marital Status": 1}') == ["4: 'Marital Status'"]
    assert hits('x = ("health", "mood")') == ["1: 'health'", "1: 'mood'"]
    assert hits(f"x = {KINDS!r}; y = {DOMAINS!r}; z = dict.fromkeys({DOMAINS!r})") == []
    assert hits('x = "other"; y = "none"; z = f"{a}age group{b}"') == ["1: 'age group'"]
