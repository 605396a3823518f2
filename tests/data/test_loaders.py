"""Loaders: every published form, and every fault with a message that names the place and never a value."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raise_agent.attributes import AttributeTable, penguin_table
from raise_agent.data import Dataset, load_profiles, load_scenarios
from raise_agent.errors import ConfigError, DataError, MissingExtraError

TABLE = penguin_table()
SECRET = "zebra-value-7731"
QUERY = "Quokka question, what now?"
OFFICIAL = Path(__file__).parents[2] / "../shared/data/penguin_official"


def released_profile(**changes: Any) -> dict[str, Any]:
    return {"Age": "25-34", "Marital Status": SECRET, "Emotional State": "calm"} | changes


def released(**changes: Any) -> dict[str, Any]:
    profile = {"Scenario": "Moving Town", **released_profile()}
    return {"Scenario": "Moving Town", "User_Profile": profile, "Queries": [QUERY]} | changes


def flat(**changes: Any) -> dict[str, Any]:
    return {"query": QUERY, "scenario": "Moving Town", "age": "30", "marital_status": SECRET} | changes


def own(**changes: Any) -> dict[str, Any]:
    profile = {"age": "30", "marital": SECRET}
    return {"id": "s1", "domain": "Life", "query": QUERY, "source": "survey", "profile": profile} | changes


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def lines(path: Path, *records: Any) -> Path:
    return write(path, "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))


def value(data: Dataset, key: str, position: int = 0) -> str | None:
    return data.scenarios[position].profile.values[TABLE.index(key)]


def fault(path: Path | str, **options: Any) -> str:
    """The message of the error, checked to hold nothing private."""
    with pytest.raises(DataError) as caught:
        load_scenarios(path, TABLE, **options)
    message = str(caught.value)
    assert SECRET not in message
    assert "Quokka" not in message
    assert str(path) in message
    return message


# Released queries file


def test_each_query_of_a_released_record_is_a_scenario(tmp_path: Path) -> None:
    data = load_scenarios(write(tmp_path / "q.json", [released(Queries=["First?", "Second?"]), released()]), TABLE)
    assert [s.query for s in data.scenarios] == ["First?", "Second?", QUERY]
    assert {s.domain for s in data.scenarios} == {"Moving Town"}
    assert {s.source for s in data.scenarios} == {"released"}
    assert value(data, "age") == "25-34"
    assert value(data, "marital") == SECRET
    assert value(data, "self_harm") is None
    assert data.scenarios[0].profile.keys == TABLE.keys


def test_a_top_level_domain_comes_before_the_situation(tmp_path: Path) -> None:
    data = load_scenarios(write(tmp_path / "q.json", [released(Domain="health")]), TABLE)
    assert data.scenarios[0].domain == "Health"


def test_the_situation_is_taken_from_the_profile_when_the_record_has_none(tmp_path: Path) -> None:
    data = load_scenarios(write(tmp_path / "q.json", [released(Scenario=None)]), TABLE)
    assert data.scenarios[0].domain == "Moving Town"


def test_an_own_id_is_numbered_by_query(tmp_path: Path) -> None:
    data = load_scenarios(write(tmp_path / "q.json", [released(id=7, Queries=["A?", "B?"])]), TABLE)
    assert [s.id for s in data.scenarios] == ["7-1", "7-2"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"Queries": None}, "no 'Queries'"),
        ({"Queries": []}, "'Queries' is empty"),
        ({"Queries": QUERY}, "'Queries' is a string; it must be a list"),
        ({"User_Profile": None}, "no 'User_Profile'"),
        ({"User_Profile": [SECRET]}, "'User_Profile' is a list"),
        ({"Scenario": [SECRET]}, "'scenario' is a list; it must be a string"),
        ({"Queries": [None]}, "query 1: no query"),
        ({"Queries": ["Fine?", " \n"]}, "query 2: the query is blank"),
        ({"Queries": [{"text": QUERY}]}, "query 1: the query is an object; it must be a string"),
        ({"Queries": [QUERY + "\0"]}, "query 1: the query holds a null byte"),
        ({"Queries": [QUERY + "\ud800"]}, "query 1: the query holds a lone surrogate"),
    ],
)
def test_faults_of_a_released_record(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    message = fault(write(tmp_path / "q.json", [released(Queries=["Good?"]), released(**change)]))
    assert "q.json: record 2" in message
    assert expected in message


def test_one_bad_query_does_not_cost_the_others(tmp_path: Path) -> None:
    file = write(tmp_path / "q.json", [released(Queries=["A?", "", "C?"])])
    data = load_scenarios(file, TABLE, on_bad="skip")
    assert [s.query for s in data.scenarios] == ["A?", "C?"]
    assert len(data.skipped) == 1
    assert "record 1, query 2" in data.skipped[0]


def test_real_released_files_load() -> None:
    if not OFFICIAL.is_dir():
        pytest.skip("the released sample files are not on this machine")
    data = load_scenarios(OFFICIAL / "queries.json", TABLE)
    assert len(data.scenarios) == sum(
        len(record["Queries"]) for record in json.loads((OFFICIAL / "queries.json").read_text("utf-8"))
    )
    assert (data.skipped, data.duplicates) == ((), 0)
    assert all(s.profile.known == 2 ** len(TABLE) - 1 for s in data.scenarios)
    profiles = load_profiles(OFFICIAL / "profiles.json", TABLE)
    assert {profile for _, profile in profiles} >= {s.profile for s in data.scenarios}
    with pytest.raises(DataError, match="profiles without queries"):
        load_scenarios(OFFICIAL / "profiles.json", TABLE)


# Released profiles file


def test_profiles_come_with_their_situation(tmp_path: Path) -> None:
    record = {"Scenario": "Moving Town", **released_profile()}
    profiles = load_profiles(write(tmp_path / "p.json", [record, record]), TABLE)
    assert len(profiles) == 2
    situation, profile = profiles[0]
    assert situation == "Moving Town"
    assert profile.values[TABLE.index("marital")] == SECRET


@pytest.mark.parametrize("format", ["auto", "profiles"])
def test_profiles_are_not_scenarios(tmp_path: Path, format: str) -> None:
    file = write(tmp_path / "p.json", [{"Scenario": "Moving Town", **released_profile()}])
    message = fault(file, format=format, on_bad="skip")
    for part in ("profiles without queries", "queries file", "data=synthetic", "load_profiles"):
        assert part in message


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (released_profile(), "no 'Scenario'"),
        ({"Scenario": " ", **released_profile()}, "no 'Scenario'"),
        ({"Scenario": "Moving Town"}, "no attribute; valid: age, gender"),
        ({"Scenario": "Moving Town", **released_profile(Agee="1")}, "did you mean 'Age'?"),
        ({"Scenario": "Moving Town", **released_profile(Gender=[SECRET])}, "'Gender' is a list"),
        (SECRET, "the record is a string; it must be a JSON object"),
    ],
)
def test_faults_of_a_profile(tmp_path: Path, record: Any, expected: str, caplog: pytest.LogCaptureFixture) -> None:
    good = {"Scenario": "Moving Town", **released_profile()}
    file = write(tmp_path / "p.json", [good, record])
    with pytest.raises(DataError) as caught:
        load_profiles(file, TABLE)
    assert "p.json: record 2: " in str(caught.value)
    assert expected in str(caught.value)
    assert SECRET not in str(caught.value)
    assert len(load_profiles(file, TABLE, on_bad="skip")) == 1
    assert "record 2" in caplog.text
    assert SECRET not in caplog.text
    with pytest.raises(DataError, match=r"no usable profile, 1 skipped; the first: .*record 1"):
        load_profiles(write(tmp_path / "bad.json", [record]), TABLE, on_bad="skip")


def test_profile_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.json: no such file"):
        load_profiles(tmp_path / "no.json", TABLE)
    with pytest.raises(DataError, match="this is a folder"):
        load_profiles(tmp_path, TABLE)
    with pytest.raises(DataError, match=r"q\.json: this file holds queries"):
        load_profiles(write(tmp_path / "q.json", [released()]), TABLE)
    with pytest.raises(DataError, match="empty"):
        load_profiles(write(tmp_path / "e.json", []), TABLE)


# Hub layout


def test_a_hub_folder_is_walked_in_sorted_order_with_domains_from_its_folders(tmp_path: Path) -> None:
    write(tmp_path / "data/real_data/relationship/posts.json", [flat(query="R?", subreddit="relationships")])
    write(tmp_path / "data/real_data/CAREER/posts.json", [flat(query="C?", source="r/jobs")])
    lines(tmp_path / "data/real_data/health/more.jsonl", flat(query="H?"))
    write(tmp_path / "data/other/posts.json", [flat(query="O?")])
    write(tmp_path / "data/real_data/unnamed/posts.json", [flat(query="U?", scenario=None)])
    write(tmp_path / "data/own/posts.json", [flat(query="D?", domain="social")])
    write(tmp_path / ".cache/huggingface/state.json", {"not": "data"})
    write(tmp_path / "dataset_infos.json", {"not": "data"})
    write(tmp_path / "README.md", "# no data")
    data = load_scenarios(tmp_path, TABLE)
    assert [(s.query, s.domain, s.source) for s in data.scenarios] == [
        ("O?", "Moving Town", "hub"),
        ("D?", "Social", "hub"),
        ("C?", "Career", "r/jobs"),
        ("H?", "Health", "hub"),
        ("R?", "Relationship", "relationships"),
        ("U?", "unnamed", "hub"),
    ]


def test_a_single_hub_file_reads_as_within_its_folder(tmp_path: Path) -> None:
    file = write(tmp_path / "real_data/financial/posts.json", [flat()])
    whole, single = load_scenarios(tmp_path, TABLE), load_scenarios(str(file), TABLE)
    assert whole.scenarios == single.scenarios
    assert single.scenarios[0].domain == "Financial"
    assert load_scenarios(file.parent, TABLE).scenarios == single.scenarios


def test_a_file_named_as_a_domain_tells_it(tmp_path: Path) -> None:
    write(tmp_path / "career/Education.json", [flat()])
    assert load_scenarios(tmp_path, TABLE).scenarios[0].domain == "Education"


def test_extra_columns_of_a_hub_record_are_ignored(tmp_path: Path) -> None:
    file = write(tmp_path / "posts.json", [flat(upvotes=3, extra={"deep": [1]}, created=None)])
    assert load_scenarios(file, TABLE).scenarios[0].profile.known.bit_count() == 2


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (flat(query=None), "no query"),
        (flat(query=float("nan")), "no query"),
        (flat(query=" "), "the query is blank"),
        (flat(query=[QUERY]), "the query is a list; it must be a string"),
        (flat(query=QUERY + "\0"), "null byte"),
        ({"query": QUERY, "upvotes": SECRET}, "the record has no attribute; valid: age, gender"),
        (flat(**{"Age Group": SECRET}), "attribute 'age' is given twice, as 'age' and 'Age Group'"),
        (flat(Query=QUERY), "'query' is given twice, as 'query' and 'Query'"),
        (flat(gender=[SECRET]), "the value of 'gender' is a list; it must be text, a number or null"),
        (flat(gender={"is": SECRET}), "the value of 'gender' is an object"),
        (flat(gender=True), "the value of 'gender' is true or false"),
        (flat(gender=float("inf")), "the value of 'gender' is not a finite number"),
        (flat(gender=SECRET + "\0"), "the value of 'gender' holds a null byte"),
        (flat(gender=SECRET + "\udfff"), "the value of 'gender' holds a lone surrogate"),
        (flat(subreddit=[SECRET]), "'subreddit' is a list; it must be a string"),
        (flat(domain="a\0b"), "'domain' holds a null byte"),
        (flat(id="a\0b"), "'id' holds a null byte"),
        ([SECRET], "the record is a list; it must be a JSON object"),
        (None, "the record is null; it must be a JSON object"),
    ],
)
def test_faults_of_a_hub_record(tmp_path: Path, record: Any, expected: str) -> None:
    file = write(tmp_path / "posts.json", [flat(query="Good?"), record])
    message = fault(file)
    assert "posts.json: record 2: " in message
    assert expected in message
    data = load_scenarios(file, TABLE, on_bad="skip")
    assert [s.query for s in data.scenarios] == ["Good?"]
    assert data.skipped == (message,)


# The hub by id


def fake_hub(monkeypatch: pytest.MonkeyPatch, load: Any) -> None:
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load))


def test_a_hub_id_is_loaded_through_datasets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def load_dataset(name: str, *, split: str) -> list[dict[str, Any]]:
        asked.append((name, split))
        return [flat(source="careerguidance"), flat(scenario="health", source="elsewhere"), flat(query="X?")]

    monkeypatch.chdir(tmp_path)
    fake_hub(monkeypatch, load_dataset)
    data = load_scenarios("someone/Some_Data", TABLE)
    assert asked == [("someone/Some_Data", "train")]
    assert [s.domain for s in data.scenarios] == ["Career", "Health", "Moving Town"]
    assert [s.source for s in data.scenarios] == ["careerguidance", "elsewhere", "hub"]


def test_a_fault_in_a_hub_row_names_data_set_and_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    fake_hub(monkeypatch, lambda name, split: [flat(), flat(query="")])
    assert fault("someone/Some_Data").startswith("someone/Some_Data: record 2: ")


def test_rows_of_the_real_library_are_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    file = lines(tmp_path / "rows.jsonl", flat(age=30), flat(query="B?", age=None, note="x"))

    load = datasets.load_dataset

    def load_dataset(name: str, *, split: str) -> Any:
        return load("json", data_files=str(file), split=split, cache_dir=str(tmp_path / "cache"))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    data = load_scenarios("someone/Some_Data", TABLE)
    assert (value(data, "age"), value(data, "age", 1)) == ("30", None)


def test_an_unreachable_hub_is_told_without_its_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def load_dataset(name: str, *, split: str) -> Any:
        raise ConnectionError(f"could not convert {SECRET}")

    monkeypatch.chdir(tmp_path)
    fake_hub(monkeypatch, load_dataset)
    message = fault("someone/Some_Data", on_bad="skip")
    assert "no such file or folder here" in message
    assert "ConnectionError" in message


def test_a_hub_id_without_the_library_tells_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"someone/Some_Data: no such .*raise-agent\[hub\]"):
        load_scenarios("someone/Some_Data", TABLE)


@pytest.mark.parametrize("name", ["someone/data.json", "someone/data.jsonl", "a/b/c", "data", "../data", "/x/y"])
def test_what_looks_like_a_path_is_never_asked_of_the_hub(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "no such file or folder" in fault(name)


def test_a_local_folder_comes_before_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(tmp_path / "someone/Some_Data/posts.json", [flat()])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert len(load_scenarios("someone/Some_Data", TABLE).scenarios) == 1


# JSON Lines


def test_own_records_keep_what_they_say(tmp_path: Path) -> None:
    data = load_scenarios(lines(tmp_path / "s.jsonl", own(), "", own(id="s2", query="B?", domain="x y")), TABLE)
    first, second = data.scenarios
    assert (first.id, first.domain, first.query, first.source) == ("s1", "Life", QUERY, "survey")
    assert second.domain == "x y"
    assert value(data, "marital") == SECRET


def test_domain_source_and_id_may_be_absent(tmp_path: Path) -> None:
    scenario = load_scenarios(lines(tmp_path / "s.jsonl", {"query": QUERY, "profile": {}}), TABLE).scenarios[0]
    assert (scenario.domain, scenario.source, scenario.id) == ("", "", scenario.digest[:12])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f'{{"query": "{QUERY}", ', "not valid JSON, column "),
        (SECRET, "not valid JSON, column 1"),
        ("[" * 100_000, "not valid JSON, column 1: nested too deeply"),
        ('{"id": ' + "7" * 5000 + "}", "not valid JSON, column 1: a number has too many digits"),
        ([QUERY], "the record is a list"),
        (own(query=None), "no query"),
        (own(profile=None), "no 'profile'"),
        (own(profile=SECRET), "'profile' is a string; it must be an object"),
        (own(profile={"emotoin": SECRET}), "unknown attribute 'emotoin': did you mean 'emotion'? Valid: age"),
        (own(profile={"Scenario": SECRET}), "unknown attribute 'Scenario'"),
        (own(profile={"mood": SECRET, "Emotional State": "x"}), "'emotion' is given twice, as 'mood' and"),
        (own(domain=3), "'domain' is a number; it must be a string"),
        (own(source={"a": SECRET}), "'source' is an object; it must be a string"),
        (own(id="s0"), "its id is that of an earlier scenario with other content"),
    ],
)
def test_faults_of_a_line(tmp_path: Path, line: Any, expected: str) -> None:
    file = lines(tmp_path / "s.jsonl", own(id="s0", query="Good?"), "", line)
    message = fault(file)
    assert "s.jsonl: line 3: " in message
    assert expected in message
    data = load_scenarios(file, TABLE, on_bad="skip")
    assert [s.id for s in data.scenarios] == ["s0"]
    assert data.skipped == (message,)


def test_a_first_line_that_is_broken_is_a_fault_of_that_line(tmp_path: Path) -> None:
    file = lines(tmp_path / "s.jsonl", "[broken", own())
    assert "s.jsonl: line 1: not valid JSON, column " in fault(file)
    assert len(load_scenarios(file, TABLE, on_bad="skip").scenarios) == 1


def test_a_file_of_broken_lines_fails_with_the_count_and_the_first_reason(tmp_path: Path) -> None:
    file = lines(tmp_path / "s.jsonl", SECRET, SECRET, own(query=""))
    message = fault(file, on_bad="skip")
    assert "no usable scenario, 3 skipped; the first: " in message
    assert "s.jsonl: line 1: " in message


# Values


@pytest.mark.parametrize(
    ("recorded", "read"),
    [
        (30, "30"),
        (30.0, "30"),
        (30.5, "30.5"),
        (1e300, "1e+300"),
        (-1, "-1"),
        ("  kept as it is ", "  kept as it is "),
        ("None", "None"),
        (None, None),
        (float("nan"), None),
        ("", None),
        (" \t", None),
        ("Not Specified", None),
        ("not-specified", None),
        ("prefer not to say", None),
    ],
)
def test_what_a_value_becomes(tmp_path: Path, recorded: Any, read: str | None) -> None:
    file = lines(tmp_path / "s.jsonl", own(profile={"age": recorded, "gender": "x"}))
    assert value(load_scenarios(file, TABLE), "age") == read


def test_a_blank_value_is_unknown_in_a_table_without_spellings_of_unknown(tmp_path: Path) -> None:
    table = AttributeTable(name="small", attributes=TABLE.attributes[:2])
    file = lines(tmp_path / "s.jsonl", own(profile={"age": " ", "gender": "unknown"}))
    assert load_scenarios(file, table).scenarios[0].profile.values == (None, "unknown")


@pytest.mark.parametrize("spelling", ["AGE", "age group", "Age_Group", " age-range "])
def test_an_attribute_is_found_under_any_spelling(tmp_path: Path, spelling: str) -> None:
    file = lines(tmp_path / "s.jsonl", own(profile={spelling: SECRET}))
    assert value(load_scenarios(file, TABLE), "age") == SECRET


def test_an_attribute_of_another_table_is_unknown_here(tmp_path: Path) -> None:
    table = AttributeTable(name="small", attributes=TABLE.attributes[:2])
    with pytest.raises(DataError, match=r"unknown attribute 'marital'.*Valid: age, gender"):
        load_scenarios(lines(tmp_path / "s.jsonl", own()), table)


# Ids and duplicates


def test_derived_ids_are_stable_and_independent_of_the_other_records(tmp_path: Path) -> None:
    one = load_scenarios(write(tmp_path / "a.json", [flat()]), TABLE).scenarios[0]
    two = load_scenarios(write(tmp_path / "b.json", [flat(query="New?"), flat()]), TABLE).scenarios[1]
    assert one.id == two.id == one.digest[:12]


@pytest.mark.parametrize(("given", "kept"), [(12, "12"), ("x", "x"), ("", None), (True, None), (1.5, None)])
def test_own_ids_are_texts_or_integers(tmp_path: Path, given: Any, kept: str | None) -> None:
    scenario = load_scenarios(write(tmp_path / "a.json", [flat(id=given)]), TABLE).scenarios[0]
    assert scenario.id == (kept if kept is not None else scenario.digest[:12])


def test_a_derived_id_that_is_taken_gets_longer(tmp_path: Path) -> None:
    digest = load_scenarios(lines(tmp_path / "a.jsonl", own(id=None)), TABLE).scenarios[0].digest
    file = lines(tmp_path / "b.jsonl", own(id=digest[:12], query="Other?"), own(id=None))
    assert [s.id for s in load_scenarios(file, TABLE).scenarios] == [digest[:12], digest]


def test_the_first_of_equal_contents_is_kept_and_the_others_counted(tmp_path: Path) -> None:
    file = lines(tmp_path / "s.jsonl", own(), own(), own(id="s2", source="elsewhere"), own(query="B?", id="s3"))
    data = load_scenarios(file, TABLE)
    assert [s.id for s in data.scenarios] == ["s1", "s3"]
    assert (data.duplicates, data.skipped) == (2, ())


def test_ids_are_unique_over_the_files_of_a_folder(tmp_path: Path) -> None:
    lines(tmp_path / "a.jsonl", own())
    lines(tmp_path / "b.jsonl", own(query="B?"))
    assert "b.jsonl: line 1: its id is that of an earlier scenario" in fault(tmp_path)
    assert len(load_scenarios(tmp_path, TABLE, on_bad="skip").skipped) == 1


# Whole files


@pytest.mark.parametrize("on_bad", ["fail", "skip"])
@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", '[\n {"query": "' + QUERY + '",,}]', "not valid JSON, line 2, column "),
        ("a.json", "", "the file is empty; it must hold a JSON array"),
        (
            "a.json",
            json.dumps(flat()),
            "the top level is not an array; it must be a JSON array of records; if",
        ),
        ("a.json", f'"{SECRET}"', "the top level is not an array"),
        ("a.json", json.dumps(flat()) + "\n" + json.dumps(flat()), "name it *.jsonl or set format='jsonl'"),
        ("a.json", "[]", "the data set is empty; at least one scenario is needed"),
        ("a.jsonl", "\n \n", "the data set is empty"),
        (
            "a.json",
            json.dumps([{"colour": SECRET}]),
            "format not recognised from its records; valid: released",
        ),
        (
            "a.json",
            json.dumps([SECRET]),
            "record 1: the record is not a JSON object; valid: released queries",
        ),
        ("a.csv", "age,query\n30," + QUERY, "not valid JSON, line 1, column 1"),
    ],
)
def test_faults_of_a_file(tmp_path: Path, name: str, content: str, expected: str, on_bad: str) -> None:
    message = fault(write(tmp_path / name, content), on_bad=on_bad)
    assert expected in message


def test_a_file_in_another_encoding_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(json.dumps([flat(query="é " + QUERY)], ensure_ascii=False).encode("latin-1"))
    assert "not UTF-8, byte " in fault(file, on_bad="skip")


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_a_byte_order_mark_is_accepted(tmp_path: Path, name: str) -> None:
    text = json.dumps([flat()] if name == "a.json" else own())
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(load_scenarios(tmp_path / name, TABLE).scenarios) == 1


def test_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes((json.dumps(own()) + "\r\n\r\n" + json.dumps(own(id="2", query="B?"))).encode())
    assert len(load_scenarios(tmp_path / "a.jsonl", TABLE).scenarios) == 2


def test_missing_paths_and_empty_folders(tmp_path: Path) -> None:
    assert "no such file or folder; give a .json" in fault(tmp_path / "no.json")
    (tmp_path / "folder").mkdir()
    assert "this folder holds no data; it needs *.json" in fault(tmp_path / "folder", on_bad="skip")


def test_an_unreadable_file_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", [flat()])

    def refuse(self: Path) -> bytes:
        raise PermissionError("no")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "cannot be read (PermissionError)" in fault(file)


def test_the_form_follows_the_records_not_the_first_one(tmp_path: Path) -> None:
    without_query = flat()
    del without_query["query"]
    file = write(tmp_path / "a.json", [SECRET, without_query, flat()])
    assert len(load_scenarios(file, TABLE, on_bad="skip").skipped) == 2


def test_a_form_can_be_asked_for(tmp_path: Path) -> None:
    file = lines(tmp_path / "s.txt", own(), own(id="s2", query="B?"))
    assert len(load_scenarios(file, TABLE, format="jsonl").scenarios) == 2
    array = write(tmp_path / "s.json", [own()])
    assert len(load_scenarios(array, TABLE, format="jsonl").scenarios) == 1
    assert load_scenarios(array, TABLE).scenarios == load_scenarios(array, TABLE, format="jsonl").scenarios
    assert "record 1: the record has no attribute" in fault(array, format="hub")


def test_wrong_settings_are_told_with_the_valid_ones(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", [flat()])
    with pytest.raises(ConfigError, match="format='jsonn': did you mean 'jsonl'"):
        load_scenarios(file, TABLE, format="jsonn")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"on_bad='ignore': .*Valid: fail, skip"):
        load_scenarios(file, TABLE, on_bad="ignore")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="on_bad"):
        load_profiles(file, TABLE, on_bad="ignore")  # type: ignore[arg-type]


def test_a_data_set_prints_counts_only(tmp_path: Path) -> None:
    data = load_scenarios(write(tmp_path / "a.json", [flat(), flat(), flat(query="")]), TABLE, on_bad="skip")
    assert repr(data) == "Dataset(1 scenarios, 1 skipped, 1 duplicates)"
