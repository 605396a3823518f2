"""What a report shows, what it leaves out and why, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from raise_agent.attributes import penguin_table
from raise_agent.data import write_jsonl
from raise_agent.errors import ConfigError
from raise_agent.experiments.assembly import make_scenarios
from raise_agent.experiments.main import as_settings, is_place
from raise_agent.experiments.reporting.charts import spread
from raise_agent.experiments.reporting.folder import RunFolder, read_run
from raise_agent.experiments.reporting.page import ReportSettings, report
from raise_agent.scenario import Profile, Scenario
from raise_agent.store import EvaluationStore
from tests.experiments.reporting.made import command, copied, data_of, lines
from tests.models.served.stand_in import StandIn, running

if TYPE_CHECKING:
    from tests.conftest import Cli

ALL = ReportSettings()


def test_the_command_writes_what_the_run_wrote_of_itself(cli: Cli, folder: Path, tmp_path: Path) -> None:
    done = cli("report", str(folder), "output=mine.html")
    assert done.stdout == "Report: mine.html\n"
    assert (tmp_path / "mine.html").read_bytes() == (folder / "report.html").read_bytes()


def test_a_page_asks_for_nothing_and_lets_nothing_else_run(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert "default-src &#x27;none&#x27;" in policy
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src &#x27;sha256-{digest}&#x27;" in policy
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!#)[a-z/.]", page), "a reference that leaves the page"
    assert " style=" not in page
    assert " onclick" not in page


def test_simulated_scores_are_called_so_at_every_figure(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "Simulated scores.</strong>" in page
    captions = re.findall(r"<figcaption.*?</figcaption>", page, re.DOTALL)
    assert len(captions) > 10
    assert all("Simulated scores." in caption for caption in captions)


def older(text: str) -> str:
    """Conversations as earlier versions wrote them."""
    rows = [json.loads(line) for line in text.splitlines()]
    for row in rows:
        del row["domain"]
        for method in row["methods"].values():
            for key in ("steps", "dimensions", "search"):
                method.pop(key, None)
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_what_an_older_folder_lacks_is_left_out_and_said(folder: Path, tmp_path: Path) -> None:
    run = copied(folder, tmp_path / "old", conversations=older)
    (run / "searches.jsonl").unlink()
    page = report(run, ALL)
    assert "By domain</h3>" in page, "domains come from the data"
    for why in ("no score by dimension", "evaluate.steps=true", "searches.jsonl is missing"):
        assert f"Left out: {why}" in page or why in page
    assert 'id="by-question"' not in page
    assert data_of(page)["methods"][0]["steps"] == [None] * data_of(page)["heldOut"]


def test_a_plan_has_a_report_of_what_is_there(folder: Path, tmp_path: Path) -> None:
    run = copied(folder, tmp_path / "plan", hydra=lambda text: text.replace("name: run", "name: plan"))
    for name in ("results.json", "conversations.jsonl"):
        (run / name).unlink()
    page = report(run, ALL)
    assert "raise-agent plan" in page
    assert 'id="comparison"' not in page
    assert 'id="convergence-planned"' in page
    assert [m["name"] for m in data_of(page)["methods"]] == ["planning"]


def test_a_run_that_heard_no_score_has_a_report(folder: Path, tmp_path: Path) -> None:
    def unheard(text: str) -> str:
        return re.sub(r'"scores": \[.*?\]', lambda found: re.sub(r"\d+\.\d+", "null", found[0]), text)

    page = report(copied(folder, tmp_path / "unheard", searches=unheard, conversations=unheard), ALL)
    assert "Left out: nothing that the planning asked for was scored" in page
    assert 'id="convergence-' not in page


def test_a_report_names_no_place_that_the_run_did_not(folder: Path) -> None:
    page = report(folder, ALL)
    assert "store: evaluations.sqlite" in page
    assert str(folder.parent) not in page


def test_other_peoples_words_are_never_put_beside_scores(folder: Path, run: RunFolder, tmp_path: Path) -> None:
    moved = copied(folder, tmp_path / "moved", config=lambda text: text.replace("missing: 0.0", "missing: 0.1"))
    data = data_of(report(moved, ALL))
    assert set(data["people"]["queries"]) == {None}
    gone = copied(
        folder, tmp_path / "gone", config=lambda t: t.replace("name: synthetic", "name: files\n  path: nowhere.jsonl")
    )
    page = report(gone, ALL)
    assert "queries and profiles: the data cannot be read again" in page
    assert "By domain</h3>" in page, "domains are recorded"
    silent = report(folder, ReportSettings(profiles=False))
    assert data_of(silent)["people"] is None


def test_fewer_scenarios_and_answers_can_be_asked_for(folder: Path, run: RunFolder) -> None:
    page = report(folder, ReportSettings(scenarios=5))
    data = data_of(page)
    assert (len(data["ids"]), data["heldOut"]) == (5, 5)
    assert f"{len(run.held_out) + len(run.planned) - 5:,} more scenarios are not here" in page
    assert "planning" not in [m["name"] for m in data["methods"]]
    with pytest.raises(ConfigError, match="0 or more"):
        ReportSettings(answers=-1)


def test_answers_and_judgements_of_a_served_model_come_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A store of the same relative name may lie in the folder that tests are run from.
    monkeypatch.chdir(tmp_path)
    methods = "evaluate.methods=[none,random,full]"
    with running(StandIn()) as server:
        where = ("llm=vllm", f"llm.base_url={server.base_url}", "data.n=24", "budget=2")
        command(tmp_path, "evaluate", *where, methods, "hydra.run.dir=e")
    page = (tmp_path / "e" / "report.html").read_text()
    data, talks = data_of(page), lines(tmp_path / "e" / "conversations.jsonl")
    assert "imulated" not in page.split("</style>")[1].split("<script")[0]
    results = json.loads((tmp_path / "e" / "results.json").read_text())
    digests = {s.id: s.digest for s in _scenarios(tmp_path / "e")}
    with EvaluationStore(tmp_path / "runs/evaluations.sqlite") as store:
        safety = results["models"]["safety"]
        responder, judge = store.identity(safety["responder"]), store.identity(safety)
        for row, talk in enumerate(talks):
            for place, method in enumerate(("none", "random", "full")):
                subset = data["methods"][place]["known"][row]
                held = store.evaluations(judge, digests[talk["id"]])[subset, -1]
                assert talk["methods"][method]["score"] == pytest.approx(held.score)
                assert talk["methods"][method]["dimensions"] == pytest.approx(
                    [held.risk_sensitivity, held.emotional_empathy, held.user_alignment]
                )
                answer = store.response(responder, digests[talk["id"]], subset, -1)
                assert answer
                assert data["answers"][str(row)][str(subset)] == answer
    assert data_of(report(tmp_path / "e", ReportSettings(answers=1)))["answers"].keys() == {"0"}
    assert data_of(report(tmp_path / "e", ReportSettings(profiles=False)))["answers"] == {}
    (tmp_path / "runs/evaluations.sqlite").unlink()
    assert "the run&#x27;s store is gone" in report(tmp_path / "e", ALL).replace("'", "&#x27;")


def _scenarios(folder: Path) -> tuple[Scenario, ...]:
    run = read_run(folder)
    return make_scenarios(run.cfg.data, run.table).test


def test_real_peoples_words_are_in_a_report_only_when_it_is_asked_for(cli: Cli, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "mine.jsonl", [_hostile(i) for i in range(30)])
    cli("evaluate", "data=files", "data.path=mine.jsonl", "evaluate.methods=[none,random,full]", "hydra.run.dir=e")
    assert data_of((tmp_path / "e/report.html").read_text())["people"] is None
    cli("report", "e")
    page = (tmp_path / "e/report.html").read_text()
    queries = data_of(page)["people"]["queries"]
    assert all(query.startswith("</script><script>alert(") for query in queries)
    assert page.count("<script") == 2


def _hostile(number: int) -> Scenario:
    keys = penguin_table().keys
    values = ("25-34", "<img src=x onerror=alert(2)>", *(None,) * (len(keys) - 2))
    return Scenario(
        f"<b>{number}</b>", "Career", f"</script><script>alert({number})</script>\u202eabc\u2028", Profile(keys, values)
    )


def noisily_judged(text: str) -> str:
    """Results of a judge whose noise shows."""
    results = json.loads(text)
    results["calibration"]["judge_noise"] = 0.25
    for place, one in enumerate(results["calibration"]["reliability"]):
        one["judged"] = 0.4 + place / 1000
    return json.dumps(results)


def without_noise_and_shares_without_intervals(text: str) -> str:
    """Results as earlier versions wrote them."""
    results = json.loads(text)
    del results["calibration"]["judge_noise"]
    for one in results["calibration"]["reliability"]:
        del one["judged"]
    for method in results["methods"]:
        method["share_of_oracle_gain"] = 0.8125
    return json.dumps(results)


def test_what_a_noisy_judge_lets_hold_stands_beside_what_was_said(folder: Path, tmp_path: Path) -> None:
    noisy = report(copied(folder, tmp_path / "noisy", results=noisily_judged), ALL)
    assert "has noise of at least 0.25 points" in noisy
    assert "by this judge</th>" in noisy
    assert "by this judge 40%, held" in noisy
    plain = report(copied(folder, tmp_path / "plain", results=without_noise_and_shares_without_intervals), ALL)
    assert "by this judge" not in plain
    assert ">81.2%</td>" in plain
    assert re.search(r"said \d+%, held", plain)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("results", lambda text: text[:200], "results.json: not JSON; cut short"),
        ("results", lambda _: '{"planners": []}', "results.json: not of the form that raise-agent writes"),
        ("results", lambda _: "[1]", "not of the form"),
        ("conversations", lambda text: text[: len(text) // 2], "conversations.jsonl, line"),
        ("conversations", lambda text: text.split("\n", 1)[1], "scenarios, not"),
        ("plans", lambda text: text.replace('"path": [', '"path": ["shoe_size", '), "plans.jsonl, line 1: not of"),
        ("searches", lambda text: text.replace('"scores": [', '"scores": [1, '), "searches.jsonl, line 1"),
        ("config", lambda text: text.replace("seed: 3", "seed: ${oc.env:HOME}"), "not in it, such as the environment"),
        ("config", lambda _: "a: [", "config.yaml: not a configuration"),
        ("config", lambda text: re.sub(r"planner:(\n  .*)+", "planner: 3", text), "not the configuration of run"),
        ("results", lambda text: text.replace('"models": {', '"models": [], "was": {'), "results.json: not of"),
        ("results", lambda text: text.replace('"judged": ', '"guessed": ', 1), "results.json: not of"),
        ("plan", lambda text: re.sub(r'"reasons": \{\}', '"reasons": {"a": "b"}', text), "plan.json: not of the form"),
        ("config", lambda text: text.replace("table: penguin", "table: none.json"), "attribute table cannot be read"),
        ("hydra", lambda text: text.replace("name: run", "name: benchmark"), "a folder of raise-agent benchmark"),
    ],
)
def test_a_folder_that_is_not_as_we_wrote_it_is_refused(
    folder: Path, tmp_path: Path, file: str, change: Any, said: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        report(copied(folder, tmp_path / "r", **{file: change}), ALL)


def test_a_folder_without_a_run_is_refused(cli: Cli, folder: Path, tmp_path: Path) -> None:
    assert "raise-agent report FOLDER" in cli("report", status=2).stderr
    with pytest.raises(ConfigError, match="no such folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"neither results\.json nor plan\.json"):
        read_run(tmp_path)
    begun = tmp_path / "begun"
    (begun / ".hydra").mkdir(parents=True)
    for name in ("config.yaml", "hydra.yaml"):
        (begun / ".hydra" / name).write_bytes((folder / ".hydra" / name).read_bytes())
    with pytest.raises(ConfigError, match="not finished"):
        read_run(begun)
    (begun / "multirun.yaml").touch()
    with pytest.raises(ConfigError, match="a sweep; give the folder of one of its jobs"):
        read_run(begun)


def test_a_folder_of_a_sweep_is_a_place_and_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0_budget=2").mkdir()
    assert is_place("0_budget=2")
    assert not is_place("output=2")
    assert as_settings(["--run=a b/0_budget=2", "profiles=false"], ["run"]) == [
        "run='a b/0_budget=2'",
        "profiles=false",
    ]


def test_names_are_moved_apart_and_no_further() -> None:
    found = spread([1, 1, 1, 50, 52, 99], 10, 0, 100)
    assert all(b - a >= 10 - 1e-9 for a, b in pairwise(found))
    assert found[0] >= 0
    assert found[3:5] == [46, 56]
