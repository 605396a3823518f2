"""The command line from outside: verbs, sweeps, errors, resuming."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from raise_agent import AcquisitionPolicy, Answer, Ask
from raise_agent.experiments.main import main
from raise_agent.looping import run
from tests.conftest import commands

if TYPE_CHECKING:
    from tests.conftest import Cli

SMALL = ("data.n=120", "distill.epochs=2", "sensitivity_scenarios=20")


WHOLE = ("run", "encoder=hashing", *SMALL, "planner.evaluations=8")


@dataclass(frozen=True)
class Whole:
    """A run from planning to a policy."""

    inside: Path
    """Where it was made."""
    stdout: str

    @property
    def folder(self) -> Path:
        """What it left."""
        return self.inside / "whole"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    inside = tmp_path_factory.mktemp("whole")
    with commands(inside), redirect_stdout(StringIO()) as out:
        assert main([*WHOLE, "hydra.run.dir=whole"]) == 0
    return Whole(inside, out.getvalue())


def test_run_plans_distils_evaluates_and_leaves_a_policy_that_decides(whole: Whole) -> None:
    folder = whole.folder
    results = json.loads((folder / "results.json").read_text())
    assert results["simulated"] is True
    labels = [
        entry if isinstance(entry, str) else next(iter(entry)) for entry in results["config"]["evaluate"]["methods"]
    ]
    assert [m["method"] for m in results["methods"]] == labels
    assert {"ahead", "value"} < set(labels), "what hearing answers is worth, and what stopping costs, are shown unasked"
    by_name = {m["method"]: m for m in results["methods"]}
    assert by_name["none"]["questions"] == 0
    assert by_name["full"]["questions"] == 10
    assert by_name["full"]["share_of_full_gain"] == pytest.approx(1)
    assert (
        by_name["oracle"]["score"]["mean"] >= by_name["bayesian"]["score"]["mean"] >= by_name["random"]["score"]["mean"]
    )
    assert by_name["bayesian"]["evaluations"] == 8
    assert all(by_name[m]["evaluations"] == 0 for m in ("random", "static", "distilled"))
    plans = [json.loads(line) for line in (folder / "plans.jsonl").read_text().splitlines()]
    talks = [json.loads(line) for line in (folder / "conversations.jsonl").read_text().splitlines()]
    assert not {plan["id"] for plan in plans} & {talk["id"] for talk in talks}
    assert len(plans) + len(talks) == 120
    assert "Simulated" in whole.stdout
    assert "Simulated" in (folder / "results.md").read_text()
    assert str(folder.relative_to(whole.inside) / "results.md") in whole.stdout
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        policy = AcquisitionPolicy.load(folder / "policy")
    assert isinstance(policy.decide("Should I sell the car and move?", {"Age": "25-34"}), Ask)
    assert isinstance(policy.decide("Should I?", {"Age": None, "Gender": None, "emotion": "anger"}), Answer)
    provenance = policy.provenance
    assert provenance["planner"]["name"] == "bayesian"
    assert provenance["planner"]["evaluations"] == 8
    # Those of the search, nothing known, and one random order of three questions, less what coincides.
    assert 11 <= provenance["data"]["training_evaluations"] / provenance["data"]["training_scenarios"] <= 12


def test_a_card_carries_what_run_found(whole: Whole, tmp_path: Path) -> None:
    results = json.loads((whole.folder / "results.json").read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        AcquisitionPolicy.load(whole.folder / "policy").save_pretrained(
            tmp_path / "card", model_card_kwargs={"results": results}
        )
    card = (tmp_path / "card/README.md").read_text()
    distilled = next(m for m in results["methods"] if m["method"] == "distilled")
    (row,) = re.findall(r"\| distilled \|.*", card)
    for key in ("score", "gain", "share_of_oracle_gain"):
        assert f"{distilled[key]['mean']:.3f}".rstrip("0").rstrip(".") in row


def test_the_verbs_one_by_one_give_what_run_gives(cli: Cli, tmp_path: Path, whole: Whole) -> None:
    cli(
        "plan",
        "data.n=120",
        "planner.evaluations=8",
        "store=b.sqlite",
        "hydra.run.dir=plan",
        "sensitivity_scenarios=20",
    )
    cli("distill", *SMALL, "store=b.sqlite", "hydra.run.dir=distill")
    cli(
        "evaluate",
        "data.n=120",
        "sensitivity_scenarios=20",
        "planner.evaluations=8",
        "store=b.sqlite",
        "evaluate.policy=distill/policy",
        "hydra.run.dir=evaluate",
    )
    assert (tmp_path / "plan/plans.jsonl").read_bytes() == (whole.folder / "plans.jsonl").read_bytes()
    for file in ("weights.safetensors", "golden.json"):
        assert (tmp_path / "distill/policy" / file).read_bytes() == (whole.folder / "policy" / file).read_bytes()
    folders = (tmp_path / "evaluate", whole.folder)
    one, other = (json.loads((folder / "results.json").read_text())["methods"] for folder in folders)
    # Retrieval is given its plans by hand.
    assert one == [method for method in other if method["method"] != "retrieval"]


def test_a_sweep_gives_one_folder_a_configuration(cli: Cli, tmp_path: Path) -> None:
    cli("plan", "-m", "planner=random,greedy", "budget=2,3", "data.n=40")
    (sweep,) = (tmp_path / "runs/sweeps/plan").iterdir()
    jobs = sorted(folder.name for folder in sweep.iterdir() if folder.is_dir())
    assert len(jobs) == 4
    found = {
        (summary["planner"]["name"], summary["figures"]["mean_questions"])
        for summary in (json.loads((sweep / job / "plan.json").read_text()) for job in jobs)
    }
    assert found == {("random", 2.0), ("random", 3.0), ("greedy", 2.0), ("greedy", 3.0)}


def test_costs_shorten_plans_and_another_table_works(cli: Cli, tmp_path: Path) -> None:
    attributes = [
        {"key": key, "name": name, "kind": kind, "question": f"{name}?"}
        for key, name, kind in (
            ("diet", "Diet", "health"),
            ("kids", "Children", "demographic"),
            ("mood", "Mood", "emotional"),
        )
    ]
    (tmp_path / "own.json").write_text(json.dumps({"name": "own", "attributes": attributes}))
    records = [
        {
            "id": f"r{i}",
            "domain": "Food",
            "query": f"What can I cook for {i} guests?",
            "profile": {
                "Diet": "vegan" if i % 2 else "anything",
                "kids": str(i % 3),
                "MOOD": None if i % 5 == 0 else "calm",
            },
        }
        for i in range(60)
    ]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    own = ("attributes.table=own.json", "data=files", "data.path=own.jsonl", "budget=2")
    cli("run", *own, "distill.epochs=2", "distill.recurrence=0.25", "hydra.run.dir=free")
    cli("plan", *own, "attributes.costs={diet:9,kids:9,mood:9}", "hydra.run.dir=dear", "planner=exhaustive")
    assert json.loads((tmp_path / "free/policy/policy.json").read_text())["memory"]["recurrence"] == 0.25
    free = json.loads((tmp_path / "free/plan.json").read_text())["figures"]
    dear = json.loads((tmp_path / "dear/plan.json").read_text())["figures"]
    assert free["mean_questions"] == 2
    assert dear["mean_questions"] == 0


def test_intervals_over_queries_are_there_where_scenarios_share_them(cli: Cli, tmp_path: Path) -> None:
    given = (
        "data.n=3000",
        "data.split.train=0",
        "data.split.validation=0",
        "data.split.test=1",
        "evaluate.calibration=false",
    )
    cli("evaluate", *given, "encoder=hashing", "evaluate.methods=[none,random,oracle]", "budget=1", "hydra.run.dir=out")
    results = json.loads((tmp_path / "out/results.json").read_text())
    ours, over = (
        next(m for m in methods if m["method"] == "random")
        for methods in (results["methods"], results["over_queries"]["methods"])
    )
    assert 900 < results["over_queries"]["queries"] < ours["score"]["n"] == 3000
    for key in ("score", "share_of_oracle_gain"):
        assert ours[key]["mean"] == pytest.approx(over[key]["mean"])
        assert ours[key]["low"] > over[key]["low"]
    assert over["score"]["high"] - over["score"]["low"] > 1.05 * (ours["score"]["high"] - ours["score"]["low"])
    assert "## Over queries" in (tmp_path / "out/results.md").read_text()
    cli("evaluate", "data.n=12", *given[1:], "encoder=hashing", "evaluate.methods=[none]", "hydra.run.dir=few")
    assert "## Over queries" not in (tmp_path / "few/results.md").read_text()


def test_unscored_evaluations_are_counted_and_enter_no_mean(cli: Cli, tmp_path: Path) -> None:
    methods = "evaluate.methods=[none,random,static,distilled,full]"
    cli("run", *SMALL, methods, "planner=greedy", "llm.failure_rate=0.25", "hydra.run.dir=out")
    text = (tmp_path / "out/results.json").read_text()
    results = json.loads(text)
    shares = [m["unscored"] for m in results["methods"]]
    assert any(share > 0.05 for share in shares)
    n = results["data"]["scenarios"]
    for method in results["methods"]:
        assert method["score"]["n"] == round(n * (1 - method["unscored"]))
        assert 1 <= method["score"]["mean"] <= 5
    lines = [json.loads(line) for line in (tmp_path / "out/conversations.jsonl").read_text().splitlines()]
    scored = [line["methods"]["static"]["score"] for line in lines]
    assert scored.count(None) == n - next(m for m in results["methods"] if m["method"] == "static")["score"]["n"]


def test_what_a_stopped_run_has_scored_can_be_distilled(cli: Cli, tmp_path: Path) -> None:
    """Training scenarios are searched first, so that no validation scenario may have a score yet."""
    cli("plan", "data.n=120", "planner=greedy", "runner.searches=1", "limits.evaluations=300", status=3)
    done = cli("distill", "data.n=120", "distill.epochs=2", "encoder=hashing", "hydra.run.dir=out")
    assert "validation scenarios" in done.stderr
    assert "training scenarios" in done.stderr
    assert json.loads((tmp_path / "out/distill.json").read_text())["curve"][0]["validation"] is None


def test_where_no_question_is_worth_its_price_a_run_ends_all_the_same(cli: Cli, tmp_path: Path) -> None:
    cli("run", *SMALL, "encoder=hashing", "planner=greedy", "price=4", "hydra.run.dir=out")
    methods = {m["method"]: m for m in json.loads((tmp_path / "out/results.json").read_text())["methods"]}
    assert methods["greedy"]["questions"] == 0
    assert methods["distilled"]["questions"] == 0
    assert math.isfinite(methods["retrieval"]["score"]["mean"])


def test_with_everything_unscored_no_number_is_made_up(cli: Cli, tmp_path: Path) -> None:
    failed = cli("run", *SMALL, "planner=random", "llm.failure_rate=1.0", "hydra.run.dir=out", status=2)
    assert "no evaluation of these" in failed.stderr
    assert {json.loads(line)["value"] for line in (tmp_path / "out/plans.jsonl").read_text().splitlines()} == {None}
    cli("evaluate", "data.n=60", "evaluate.methods=[none,random,full]", "llm.failure_rate=1.0", "hydra.run.dir=none")
    for method in json.loads((tmp_path / "none/results.json").read_text())["methods"]:
        assert method["score"]["mean"] is None
        assert method["unscored"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plna"], ["unknown verb 'plna'", "did you mean 'plan'"]),
        (["plan", "planner=mtcs"], ["planner=mtcs", "did you mean 'mcts'", "exhaustive"]),
        (["plan", "planner.evaluation=3"], ["did you mean 'evaluations'"]),
        (["plan", "planer=mcts"], ["did you mean 'planner'"]),
        (["plan", "planner.evaluations=many"], ["planner.evaluations=many", "could not be converted to Integer"]),
        (["plan", "planner.evaluations=0"], ["evaluations must be 1 or more"]),
        (["plan", "budget=0"], ["budget must be between 1 and the number of attributes, 10, not 0"]),
        (["plan", "budget=11"], ["budget must be between 1 and the number of attributes, 10, not 11"]),
        (["plan", "+planner.evaluations=3"], ["leave it out"]),
        (["plan", "attributes.costs={self_hrm:1}"], ["self_hrm", "did you mean 'self_harm'"]),
        (["plan", "attributes.table=none.json"], ["none.json"]),
        (["plan", "data=files", "data.path=none.json"], ["none.json: no such file"]),
        (["plan", "data=files", "data.path=bad.json"], ["bad.json", "line 1"]),
        (["plan", "data=files", "data.path=empty.jsonl"], ["empty.jsonl"]),
        (["plan", "data=files", "data.path=partly.jsonl"], ["partly.jsonl", "2", "query"]),
        (["plan", "data.split.train=0.9"], ["sum to 1"]),
        (["plan", "data.split.by=moon"], ["moon"]),
        (["plan", "data.n=0"], ["must be 1 or more"]),
        (["plan", "store=."], ["store"]),
        (["run", "distill.epochs=0"], ["distill.epochs must be 1 or more"]),
        (["run", "evaluate.methods=[mcst]"], ["unknown method 'mcst'", "did you mean 'mcts'"]),
        (["run", "evaluate.decline=2"], ["evaluate.decline"]),
        (["run", "evaluate.policy=none"], ["no setting 'policy' in evaluate"]),
        (["distill", "data.n=20"], ["no evaluation of the", "training scenarios", "raise-agent plan"]),
        (["run", "seed=-1"], ["seed must be 0 or more, not -1"]),
        (["evaluate", "data.n=20"], ["evaluate.policy"]),
        (["evaluate", "data.n=20", "evaluate.policy=none"], ["none: no such folder"]),
        (["plan", "data.n"], ["data.n"]),
        (["plan", "llm.judge_noise=-1"], ["judge_noise"]),
        (["plan", "planner=static", "planner.order=[age,moon]"], ["moon"]),
        (["scenarios"], ["output"]),
        (["plan", "planner=null"], ["name one of its options"]),
    ],
)
def test_a_mistake_gets_one_clear_message(cli: Cli, tmp_path: Path, arguments: list[str], said: list[str]) -> None:
    (tmp_path / "bad.json").write_text('[{"query": ')
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "partly.jsonl").write_text(
        '{"query": "Is it?", "profile": {"age": "25-34"}}\n{"profile": {"age": "30"}}\n'
    )
    done = cli(*arguments, status=2)
    for part in said:
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_bad_records_can_be_skipped_and_are_counted(cli: Cli, tmp_path: Path) -> None:
    good = [
        json.dumps({"query": f"Is plan {i} sound?", "profile": {"age": "25-34", "emotion": "anger"}}) for i in range(30)
    ]
    (tmp_path / "partly.jsonl").write_text("\n".join([*good, '{"profile": {}}', "{broken"]) + "\n")
    done = cli("plan", "data=files", "data.path=partly.jsonl", "data.on_bad=skip", "hydra.run.dir=out")
    assert json.loads((tmp_path / "out/plan.json").read_text())["data"]["skipped_records"] == 2
    assert done.stderr.count("skipped: ") == 2


def test_penguin_writes_what_files_reads(cli: Cli, tmp_path: Path) -> None:
    cli("scenarios", "data.n=60", "output=a.jsonl")
    cli("scenarios", "data=files", "data.path=a.jsonl", "output=b.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 60


def _finished(store: Path) -> int:
    try:
        with sqlite3.connect(store) as database:
            return int(database.execute("SELECT count(*) FROM evaluations").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


STOPPED = """
import os, sys
from raise_agent.experiments.main import main
from raise_agent.store import EvaluationStore
left, how, keep = int(sys.argv[1]), int(sys.argv[2]), EvaluationStore.write_evaluations
def write(store, *rows):
    global left
    before, kept = left, keep(store, *rows)
    left -= kept
    if left <= 0 < before:
        os.kill(os.getpid(), how)
    return kept
EvaluationStore.write_evaluations = write
sys.exit(main(sys.argv[3:]))
"""
"""The command line, sent a signal once so many evaluations are in the store."""


@pytest.mark.parametrize(("how", "parts"), [(signal.SIGKILL, (0.1, 0.3)), (signal.SIGINT, (0.3,))])
def test_a_run_stopped_from_outside_goes_on_to_the_same_plans(
    cli: Cli, tmp_path: Path, how: signal.Signals, parts: Sequence[float]
) -> None:
    settings = ["data.n=150", "planner=greedy", "runner.searches=40"]
    cli("plan", *settings, "store=undisturbed.sqlite", "hydra.run.dir=undisturbed")
    total = _finished(tmp_path / "undisturbed.sqlite")
    command = ["plan", *settings, "store=s.sqlite"]
    for part in parts:
        stopping = [sys.executable, "-c", STOPPED, str(int(part * total)), str(int(how))]
        ended = subprocess.run([*stopping, *command], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert ended.returncode == (130 if how is signal.SIGINT else -signal.SIGKILL), ended.stderr
        if how is signal.SIGINT:
            assert "kept in s.sqlite; the same command goes on from there" in ended.stderr
            assert "Traceback" not in ended.stderr
    kept = _finished(tmp_path / "s.sqlite")
    assert 0 < kept < total
    done = cli("plan", *settings, "store=s.sqlite", "hydra.run.dir=resumed")
    assert (tmp_path / "resumed/plans.jsonl").read_bytes() == (tmp_path / "undisturbed/plans.jsonl").read_bytes()
    assert _finished(tmp_path / "s.sqlite") == total
    assert json.loads((tmp_path / "resumed/plan.json").read_text())["tally"]["scored"] == total - kept
    assert re.search(rf"{total - kept:,} evaluations", done.stderr)


@pytest.mark.parametrize("last", [False, True], ids=["amid", "last step"])
@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN], ids=["in front", "in a script"])
def test_a_verb_told_to_end_in_the_middle_of_a_task_ends_all_tasks_in_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], before: Any, last: bool
) -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("the other task")

    async def work() -> None:
        other = asyncio.create_task(wait())
        try:
            await asyncio.sleep(0)
            os.kill(os.getpid(), signal.SIGTERM)
            ended.append("the step in which it came")
            if not last:
                await other
        finally:
            if not last:
                await asyncio.sleep(0)
            ended.append("the task")

    monkeypatch.setattr("raise_agent.experiments.doctor.main", lambda: run(work()))
    kept = signal.signal(signal.SIGINT, before)
    try:
        assert main(["doctor"]) == 130
    finally:
        signal.signal(signal.SIGINT, kept)
    assert ended[0] == "the step in which it came"
    assert sorted(ended[1:]) == ["the other task", "the task"]
    gc.collect()
    assert capsys.readouterr().err == "\nraise-agent: stopped; nothing was under way\n"


def test_values_and_queries_reach_no_output_but_the_data_files(cli: Cli, tmp_path: Path) -> None:
    secret, words = "unmistakable-secret-value", "peculiar wording of one person"
    records = [
        {
            "id": f"r{i}",
            "domain": "Life",
            "query": f"{words} {i}",
            "profile": {"age": f"{secret} {i}", "emotion": secret},
        }
        for i in range(40)
    ]
    (tmp_path / "people.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    done = cli("run", "data=files", "data.path=people.jsonl", "distill.epochs=2", "tracker=wandb")
    assert secret not in done.stdout + done.stderr
    assert words not in done.stdout + done.stderr
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.name != "people.jsonl":
            content = file.read_bytes()
            assert secret.encode() not in content, file
            assert words.encode() not in content, file


def test_methods_are_compared_on_a_draw_that_no_search_has_seen(cli: Cli, tmp_path: Path) -> None:
    methods = "evaluate.methods=[static,oracle,full]"
    cli("evaluate", "data.n=300", "llm.judge_noise=0.6", methods, "hydra.run.dir=noisy", "sensitivity_scenarios=150")
    results = json.loads((tmp_path / "noisy/results.json").read_text())
    shares = {m["method"]: m["share_of_full_gain"] for m in results["methods"]}
    # The oracle's own draws would put it far above the full profile.
    assert 0.5 < shares["oracle"] < 0.95
    assert results["data"]["scenarios"] > 40


def test_a_search_does_not_avoid_the_draws_that_fail(cli: Cli, tmp_path: Path) -> None:
    cli("evaluate", "data.n=600", "llm.failure_rate=0.3", "evaluate.methods=[random,oracle]", "hydra.run.dir=out")
    shares = [m["unscored"] for m in json.loads((tmp_path / "out/results.json").read_text())["methods"]]
    assert all(abs(share - 0.3) < 0.15 for share in shares)


def test_a_configured_static_order_is_the_one_compared(cli: Cli, tmp_path: Path) -> None:
    cli(
        "evaluate",
        "data.n=40",
        "planner=static",
        "planner.order=[age,gender,marital]",
        "evaluate.methods=[static]",
        "hydra.run.dir=out",
    )
    lines = [json.loads(line) for line in (tmp_path / "out/conversations.jsonl").read_text().splitlines()]
    assert {tuple(line["methods"]["static"]["asked"]) for line in lines} == {("age", "gender", "marital")}


def test_the_same_run_twice_on_one_store_gives_the_same_policy(whole: Whole) -> None:
    with commands(whole.inside):
        assert main([*WHOLE, "hydra.run.dir=again"]) == 0
    for file in ("policy/policy.json", "policy/weights.safetensors", "plans.jsonl", "conversations.jsonl"):
        assert (whole.folder / file).read_bytes() == (whole.inside / "again" / file).read_bytes(), file


def test_a_run_weighs_and_averages_its_own_draws_whatever_else_the_store_holds(cli: Cli, tmp_path: Path) -> None:
    noisy = ("llm.judge_noise=0.6", "llm.judge_noise_spread=1", "store=s.sqlite")
    small = ("data.n=30", "planner.evaluations=10", "sensitivity_scenarios=5", "encoder=hashing", "distill.epochs=1")
    whole = ("run", *small, *noisy, "evaluate.methods=[none]")
    cli(*whole, "hydra.run.dir=first")
    told = json.loads((tmp_path / "first/distill.json").read_text())["uncertainty"]
    assert told["noise"] > told["misfit"] > 0
    cli("plan", "data.n=30", "planner=random", "planner.evaluations=12", *noisy, "hydra.run.dir=more")
    cli(*whole, "hydra.run.dir=again")
    cli(*whole, "distill.uncertainty=false", "hydra.run.dir=alike")
    cli("distill", "data.n=30", "encoder=hashing", "distill.epochs=1", *noisy, "hydra.run.dir=all")
    weights = {
        run: (tmp_path / run / "policy/weights.safetensors").read_bytes() for run in ("first", "again", "alike", "all")
    }
    assert weights["first"] == weights["again"]
    assert weights["alike"] != weights["first"] != weights["all"]
    assert json.loads((tmp_path / "alike/distill.json").read_text())["uncertainty"] is None


def test_what_asking_costs_is_in_the_table(cli: Cli, tmp_path: Path) -> None:
    done = cli(
        "evaluate", "data.n=60", "attributes.costs={emotion:0.2}", "evaluate.methods=[none,full]", "hydra.run.dir=out"
    )
    costs = [m["cost"] for m in json.loads((tmp_path / "out/results.json").read_text())["methods"]]
    assert costs == pytest.approx([0.0, 0.2])
    assert "score less cost" in done.stdout


def test_a_folder_that_cannot_be_written_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    done = cli("plan", "data.n=20", "hydra.run.dir=taken/out", status=2)
    assert "taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_verb_sums_on_one_thread_whatever_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.extend(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")

    monkeypatch.setattr("raise_agent.experiments.doctor.main", look)
    with threadpool_limits(2, user_api="blas"):
        assert main(["doctor"]) == 0
    assert set(seen) == {1}
