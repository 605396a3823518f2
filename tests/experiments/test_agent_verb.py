"""``raise-agent agent``: what the person sees, what is kept, how a conversation ends."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from raise_agent.agent import Agent
from raise_agent.agent.conversation import STAY_SAFE
from raise_agent.agent.urgent import HELP
from raise_agent.attributes import penguin_table
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import ModelError
from raise_agent.experiments import agent
from raise_agent.experiments.conversing.session import Session
from raise_agent.experiments.conversing.terminal import Terminal, told_to_end
from raise_agent.experiments.conversing.transcript import open_transcript
from raise_agent.experiments.main import as_settings
from raise_agent.models.served.live import ATTEMPTS, LiveAgent
from raise_agent.policies import AcquisitionPolicy
from raise_agent.policies.abstention import BudgetAbstention
from raise_agent.policies.contract import Known
from raise_agent.policies.network import NetworkShape
from raise_agent.policies.orders import StaticPolicy
from raise_agent.policies.parts import PolicyParts
from raise_agent.scenario import Profile, Scenario
from tests.models.served.stand_in import Fault, StandIn, running

if TYPE_CHECKING:
    from tests.conftest import Cli, Done

TABLE = penguin_table()
URGENT = "I am going to kill myself tonight"
ORDER = "method={policy: static, order: [age, marital, emotion], abstention: budget, questions: 3}"
SECRET = "unmistakable-secret"
"""Part of every value and query that must not be found."""

Talk = Callable[..., "Done"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy of random weights that always finds another question worth asking, up to its budget of 3."""
    shape = NetworkShape(len(TABLE), 32, 16, 8)
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(0, 0.3, sizes).astype(np.float32) for name, sizes in shape.weights().items()}
    parts = PolicyParts(TABLE, 3, -100.0, 0.2, shape, weights, HashingEncoder(32), {"simulated": True})
    folder = tmp_path_factory.mktemp("exported") / "policy"
    AcquisitionPolicy(parts).save(folder, [("Should I?", {})])
    return folder


@pytest.fixture
def talk(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Talk:
    """The verb with these lines on its standard input."""

    def call(lines: Sequence[str], *arguments: str, status: int = 0) -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return cli("agent", *arguments, status=status)

    return call


def record(**profile: str | None) -> dict[str, Any]:
    return {"id": "r1", "domain": "Life", "query": "Should I move abroad?", "profile": profile}


def said(transcript: Path) -> list[list[dict[str, Any]]]:
    return [one["said"] for one in json.loads(transcript.read_text())["conversations"]]


# --- a conversation ---------------------------------------------------------------------------------------------------


def test_it_asks_reads_replies_and_says_that_no_answer_is_generated(talk: Talk, exported: Path) -> None:
    done = talk(["Should I move abroad?", "my knee is bad", "/skip", "no comment"], f"policy={exported}")
    lines = done.stdout.splitlines()
    questions = [line for line in lines if line in {attribute.question for attribute in TABLE}]
    assert len(questions) == len(set(questions)) == 3
    assert "distilled from simulated scores" in done.stdout
    start, end = (done.stdout.index(part) for part in ("so no answer is generated", "No answer is generated"))
    assert start < done.stdout.index(questions[0]) < end
    assert "kept in memory only" in done.stdout
    assert done.stderr == ""


def test_in_place_of_the_answer_stand_names_and_no_values(talk: Talk) -> None:
    done = talk(["Should I move?", f"{SECRET} of 42", "/skip", "I feel lonely"], ORDER)
    (line,) = [line for line in done.stdout.splitlines() if "would answer now" in line]
    assert line.endswith("knowing: Age, Emotional State. Declined: Marital Status.")
    assert SECRET not in done.stdout
    assert "lonel" not in done.stdout


def test_a_second_query_goes_on_from_what_is_known_and_new_forgets_it(talk: Talk) -> None:
    rest = ["pass", "pass"]
    done = talk(["Should I move?", "I'm 42", *rest, "Should I stay?", *["pass"] * 3], ORDER)
    assert done.stdout.count(TABLE[0].question) == 1
    assert done.stdout.count("Age") == 2
    again = talk(["Should I move?", "I'm 42", *rest, "/new", "Should I stay?", "pass", *rest], ORDER)
    assert again.stdout.count(TABLE[0].question) == 2


def test_an_exported_policy_reads_values_and_does_not_ask_for_what_was_volunteered(
    talk: Talk, exported: Path, tmp_path: Path
) -> None:
    words = "I am 42 years old. I am divorced. I feel anxious. Should I move?"
    talk([words, "pass", "pass", "pass"], f"policy={exported}", "--transcript=t.json")
    (conversation,) = json.loads((tmp_path / "t.json").read_text())["conversations"]
    volunteered = {"age": "35-44", "marital": "divorced", "emotion": "anxiety"}
    assert {key: value for key, value in conversation["state"]["known"].items() if value} == volunteered
    assert len(conversation["state"]["asked"]) == 3
    assert not set(conversation["state"]["asked"]) & set(volunteered)


@pytest.mark.parametrize("end", [[], ["quit"], ["QUIT", "what follows is not read"], ["/quit"], ["exit"]])
@pytest.mark.parametrize("begun", [[], ["Should I move?"], ["Should I move?", "I'm 42"]])
def test_it_ends_when_told_to(begun: list[str], end: list[str]) -> None:
    responder = Recorded()
    session, sink = session_of([*begun, *end], responder, questions=2)
    session.converse()
    assert sink.getvalue().count(TABLE[0].question) == (len(begun) > 0)
    assert responder.asked == []


def test_a_line_may_go_on_in_the_next(talk: Talk, tmp_path: Path) -> None:
    talk(["Should I move?\\", "Or should I stay?"], ORDER, "--transcript", "t.json")
    assert said(tmp_path / "t.json")[0][0]["text"] == "Should I move?\nOr should I stay?"


def test_no_colours_through_a_pipe_and_no_control_characters_of_a_model() -> None:
    sink = io.StringIO()
    terminal = Terminal(io.StringIO(), sink)
    terminal.say("a question")
    assert terminal.stream(iter(["an \x1b[31manswer", "\x9b2J\r\n", "ends"])) == "an \x1b[31manswer\x9b2J\r\nends"
    assert sink.getvalue() == "a question\nan [31manswer2J\nends\n"


def test_an_answer_is_shown_piece_by_piece_as_it_comes() -> None:
    sink = io.StringIO()

    def pieces() -> Iterator[str]:
        for piece in ("one ", "two ", "three"):
            yield piece
            assert sink.getvalue().endswith(piece)

    Terminal(io.StringIO(), sink).stream(pieces())
    assert sink.getvalue() == "one two three\n"


# --- danger -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [[], ["Should I move?"], ["Should I move?", "I'm 42"]])
def test_an_urgent_message_gets_help_and_nothing_is_asked_after_it(talk: Talk, before: list[str]) -> None:
    done = talk([*before, URGENT, "I do not know what to do", "it all hurts"], ORDER)
    _, after = done.stdout.split(HELP["harm_to_self"])
    assert not any(attribute.question in after for attribute in TABLE)
    assert after.count("would answer now") == after.count(STAY_SAFE) == 2
    begun_anew = talk([*before, URGENT, "/new", "Should I move?"], ORDER)
    assert TABLE[0].question in begun_anew.stdout.split(HELP["harm_to_self"])[1]


def test_danger_is_remembered_when_a_transcript_is_resumed(talk: Talk) -> None:
    talk([URGENT], ORDER, "--transcript", "t.json")
    done = talk(["Should I move abroad?"], ORDER, "--resume", "t.json")
    assert STAY_SAFE in done.stdout
    assert TABLE[0].question not in done.stdout


# --- explaining -------------------------------------------------------------------------------------------------------


def test_why_shows_scores_best_first_and_why_it_stopped(talk: Talk) -> None:
    done = talk(["/why", "Should I move?", "/why", "pass", "pass", "pass", "/why"], ORDER)
    asking, *_, stopped = done.stdout.split("why: ")
    assert "Nothing is decided yet." in asking
    names = [TABLE[TABLE.index(key)].name for key in ("age", "marital", "emotion")]
    rows = [line.split("|")[1:3] for line in asking.splitlines() if line.startswith("| ")]
    assert [name.strip() for name, _ in rows[2:5]] == names
    assert [float(score) for _, score in rows[2:5]] == [1.0, 0.5, 0.333]
    assert stopped.startswith("3 of at most 3 questions asked")


def test_why_shows_the_paths_that_were_retrieved(talk: Talk, cli: Cli) -> None:
    cli("plan", "data.n=60", "planner=greedy", "hydra.run.dir=plan", "sensitivity_scenarios=20")
    method = "method={policy: retrieval, k: 2, abstention: budget, questions: 1}"
    done = talk(["Should I move abroad?", "/why"], method, "data.n=60", "plans=plan/plans.jsonl")
    head, _, *rows = [line for line in done.stdout.splitlines() if line.startswith("| ") and line.count("|") == 4]
    assert "similarity" in head
    assert len(rows) == 2
    paths = {
        ", ".join(TABLE[TABLE.index(key)].name for key in json.loads(line)["path"])
        for line in Path("plan/plans.jsonl").read_text().splitlines()
    }
    assert {row.split("|")[3].strip() for row in rows} <= paths


def test_the_papers_agent_is_simulated_and_says_so(talk: Talk, cli: Cli) -> None:
    cli("plan", "data.n=60", "planner=greedy", "hydra.run.dir=plan", "sensitivity_scenarios=20")
    method = "method={policy: llm, abstention: scale, threshold: 5}"
    done = talk(["Should I move abroad?", "/why"], method, "data.n=60", "plans=plan/plans.jsonl")
    assert "what decides about questions is simulated" in done.stdout
    assert "completeness" in done.stdout.split("why: ")[1]
    assert sum(attribute.question in done.stdout for attribute in TABLE) == 1


# --- playing a user ---------------------------------------------------------------------------------------------------


def test_a_user_is_played_from_their_profile_and_shown_only_as_far_as_asked(talk: Talk, tmp_path: Path) -> None:
    values: dict[str, str | None] = {key: f"{SECRET} {key}" for key in TABLE.keys}
    values |= {"age": "35-44", "marital": None}
    (tmp_path / "one.json").write_text(json.dumps(record(**values), indent=2))
    done = talk([], ORDER, "--profile", "one.json", "--transcript", "t.json")
    (conversation,) = json.loads((tmp_path / "t.json").read_text())["conversations"]
    assert conversation["state"]["known"] == {"age": "35-44", "marital": None, "emotion": f"{SECRET} emotion"}
    assert [one["text"] for one in conversation["said"] if one["who"] == "user"] == [
        "Should I move abroad?",
        "35-44",
        None,
        f"{SECRET} emotion",
    ]
    for text in (done.stdout, (tmp_path / "t.json").read_text()):
        assert text.count(SECRET) == text.count(f"{SECRET} emotion") > 0
    again = talk([], ORDER, "--profile", "one.json").stdout
    assert again.replace("is kept in memory only", "is saved in t.json") == done.stdout


def test_the_agent_is_shown_nothing_of_a_profile_that_it_did_not_ask_for() -> None:
    seen = list[str]()

    class Spy(StaticPolicy):
        def rank(self, query: str, known: Known) -> Any:
            seen.append(json.dumps([query, dict(known)]))
            return super().rank(query, known)

    profile = Profile(TABLE.keys, tuple(f"{SECRET} {key}" for key in TABLE.keys))
    agent = Agent(Spy(TABLE, ["age"]), BudgetAbstention(1), Recorded())
    session = Session(agent, Terminal(io.StringIO(), io.StringIO()), open_transcript({}, None, None))
    session.play(Scenario("a", "Life", "Should I?", profile))
    assert json.loads(seen[0]) == ["Should I?", {}]
    assert all(f"{SECRET} {key}" not in text for text in seen for key in TABLE.keys if key != "age")
    assert f"{SECRET} age" in seen[-1]


def test_a_scenario_is_named_by_id_index_or_file(talk: Talk, cli: Cli) -> None:
    cli("scenarios", "data.n=6", "output=six.jsonl")
    line = Path("six.jsonl").read_text().splitlines()[4]
    Path("one.jsonl").write_text(line)
    played = [
        talk([], ORDER, "data.n=6", "--profile", name).stdout for name in ("4", json.loads(line)["id"], "one.jsonl")
    ]
    played.append(talk([], ORDER, "data=files", "data.path=six.jsonl", "profile=4").stdout)
    assert json.loads(line)["query"] in played[0]
    assert len(set(played)) == 1


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_nothing_that_was_said_is_written_without_a_transcript(
    talk: Talk, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "TMPDIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr(tempfile, "tempdir", None)
    done = talk([f"Should I {SECRET}?", f"{SECRET} 1", "/why", f"{SECRET} 2", f"{SECRET} 3"], f"policy={exported}")
    assert "would answer now" in done.stdout
    assert [file for file in tmp_path.rglob("*") if not file.is_dir()] == []
    assert SECRET not in done.stdout + done.stderr


def test_a_transcript_holds_what_was_said_and_says_so(talk: Talk, exported: Path, tmp_path: Path) -> None:
    done = talk(["Should I move?", "my knee is bad", "/skip", "pass"], f"policy={exported}", "--transcript=kept/t.json")
    file = tmp_path / "kept" / "t.json"
    data = json.loads(file.read_text())
    assert "Holds what a person said" in data["note"]
    assert data["simulated"] is True
    assert data["agent"] == {"policy": "distilled", "abstention": "exported"}
    assert "saved in kept/t.json" in done.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (conversation,) = data["conversations"]
    assert conversation["answered"] is True
    whos = [one["who"] for one in conversation["said"]]
    assert whos == ["user", "agent"] * 4 + ["agent"]
    assert set(conversation["state"]["known"]) >= {one["asks"] for one in conversation["said"] if "asks" in one}
    assert [file] == [path for path in tmp_path.rglob("*") if path.is_file()]


LINES = ["As a single mother, should I move?", "what?", "I'm 42", "/skip", "sad", "Should I stay?", "nurse", "pass"]


@pytest.mark.parametrize("cut", range(len(LINES) + 1))
def test_resumed_at_any_point_it_ends_as_if_never_interrupted(tmp_path: Path, cut: int) -> None:
    whole, parts = tmp_path / "whole.json", tmp_path / "parts.json"
    for lines, file, resume in ((LINES, whole, None), (LINES[:cut], parts, None), (LINES[cut:], parts, parts)):
        session_of(lines, Recorded(), file, resume, questions=3)[0].converse()
    assert parts.read_text() == whole.read_text()
    assert [one["answered"] for one in json.loads(whole.read_text())["conversations"]] == [True, False]


def test_a_query_after_an_answer_that_was_resumed_replies_to_no_question(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    session_of(["Should I?", "I'm 42"], Recorded(), file)[0].converse()
    # With the larger budget the answered conversation would be asked on.
    session, sink = session_of(["/again", "", "/skip", "Should I stay?"], Recorded(), file, file, questions=3)
    session.converse()
    before, after = sink.getvalue().split("No question is open.")
    assert not any(attribute.question in before for attribute in TABLE)
    assert "would ask first" in before
    assert TABLE[2].question in after
    first, second = json.loads(file.read_text())["conversations"]
    assert (first["answered"], first["state"]["known"]) == (True, {"age": "35-44"})
    assert (second["state"]["query"], second["state"]["known"]) == ("Should I stay?", {"age": "35-44"})


@pytest.mark.parametrize("lines", [["Should I?"], ["Should I?", "I'm 42"]])
def test_what_was_forgotten_is_not_resumed(tmp_path: Path, lines: list[str]) -> None:
    file = tmp_path / "t.json"
    session_of([*lines, "/new"], Recorded(), file)[0].converse()
    session, sink = session_of(["Should I stay?"], Recorded(), file, file)
    session.converse()
    assert sink.getvalue().splitlines()[1:] == ["What would you like to ask?", TABLE[0].question]
    conversations = json.loads(file.read_text())["conversations"]
    assert [one["forgotten"] for one in conversations] == [True, False]
    assert conversations[1]["state"]["known"] == {}


def test_every_turn_is_on_disk_before_the_next(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    asked = list[int]()

    class Watching(io.StringIO):
        def readline(self, *size: Any) -> str:  # type: ignore[override]
            asked.append(len(json.loads(file.read_text())["conversations"][0]["said"]) if asked else 0)
            return super().readline(*size)

    agent = Agent(StaticPolicy(TABLE), BudgetAbstention(2), Recorded())
    source = Watching("Should I?\nI'm 42\npass\n")
    Session(agent, Terminal(source, io.StringIO()), open_transcript({}, file, None)).converse()
    assert asked == [0, 2, 4, 7]


# --- models that fail -------------------------------------------------------------------------------------------------


class Recorded:
    """A responder that breaks off as often as it is told, and answers then."""

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.asked = failures, list[tuple[str, dict[str, str | None]]]()

    def respond(self, query: str, known: Known) -> Iterator[str]:
        self.asked.append((query, dict(known)))
        yield "Part one"
        if len(self.asked) <= self.failures:
            raise ModelError("the responder broke off its answer")
        yield ", part two."


def session_of(
    lines: Sequence[str], responder: Recorded, file: Path | None = None, resume: Path | None = None, questions: int = 1
) -> tuple[Session, io.StringIO]:
    sink = io.StringIO()
    agent = Agent(StaticPolicy(TABLE, ["age", "marital", "emotion"]), BudgetAbstention(questions), responder)
    source = io.StringIO("".join(f"{line}\n" for line in lines))
    return Session(agent, Terminal(source, sink), open_transcript({}, file, resume)), sink


def test_an_answer_that_breaks_off_may_be_had_again(tmp_path: Path) -> None:
    responder = Recorded(failures=1)
    session, sink = session_of(["Should I?", "I'm 42", "/again"], responder, tmp_path / "t.json")
    session.converse()
    shown = sink.getvalue()
    assert "Part one\nThat failed: the responder broke off its answer. The conversation is kept" in shown
    assert shown.rstrip().endswith("Part one, part two.\n\nWhat else would you like to ask?")
    assert responder.asked[0] == responder.asked[1] == ("Should I?", {"age": "35-44"})
    answers = [one["text"] for one in said(tmp_path / "t.json")[0] if one["who"] == "agent" and "why" not in one]
    assert answers == ["Part one, part two."]


def test_ctrl_c_breaks_off_the_answer_and_then_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Recorded):
        def respond(self, query: str, known: Known) -> Iterator[str]:
            yield from super().respond(query, known)
            if len(self.asked) == 1:
                raise KeyboardInterrupt

    typed = iter(["Should I?", "I'm 42", "/again"])

    def line(prompt: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr("builtins.input", line)
    responder = Interrupted()
    session, sink = session_of([], responder)
    session._terminal.interactive = True
    with pytest.raises(KeyboardInterrupt):
        session.converse()
    assert "part two.\nBroken off. /again" in sink.getvalue()
    assert len(responder.asked) == 2


def test_where_there_is_no_hangup_it_is_told_to_end_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.delattr(signal, "SIGHUP", raising=False)
    before = signal.getsignal(signal.SIGTERM)
    with told_to_end():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])])
def test_told_to_end_it_ends_in_an_answer_too_and_cleans_up(
    talk: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    class Typed(Terminal):
        def __init__(self, source: Any, sink: Any) -> None:
            super().__init__(source, sink)
            self.interactive = True

    def respond(self: agent.NoAnswer, query: str, known: Known) -> Iterator[str]:
        assert [path for path in tmp_path.iterdir() if path.is_dir()]
        yield "Part one"
        os.kill(os.getpid(), number)
        yield ", part two"

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(agent, "Terminal", Typed)
    monkeypatch.setattr(agent.NoAnswer, "respond", respond)
    # A test run that is to outlive its terminal is started deaf to SIGHUP.
    started = signal.signal(number, signal.SIG_DFL)
    done = talk(["Should I?", "what follows is not read"], ORDER, "budget=0", status=130)
    assert "part two" not in done.stdout + done.stderr
    assert "Broken off" not in done.stdout
    assert number.name in done.stderr
    assert signal.signal(number, started) is signal.SIG_DFL
    assert list(tmp_path.iterdir()) == []


def test_a_script_is_told_that_the_answer_failed() -> None:
    session, _ = session_of(["Should I?", "I'm 42"], Recorded(failures=1))
    with pytest.raises(ModelError, match="broke off"):
        session.converse()


def test_a_served_answer_is_streamed_and_an_answer_that_failed_may_be_had_again(
    talk: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The stand-in answers at random, and would see danger everywhere.
    monkeypatch.setattr(LiveAgent, "watch", lambda self, text, question: None)
    streams = list[Any]()

    def faults(number: int, body: Any) -> Fault | None:
        if not body.get("stream"):
            return None
        streams.append(body)
        return Fault("500") if len(streams) <= ATTEMPTS else None

    with running(StandIn(faults=faults)) as server:
        lines = [f"Should I {SECRET}?", "I'm 42", "/skip", "pass", "/again"]
        at = ("llm=vllm", f"llm.base_url={server.base_url}")
        shown = talk(lines, ORDER, *at).stdout
        assert list(tmp_path.rglob("*")) == []
        kept = talk(lines, ORDER, *at, "--transcript", "t.json").stdout
    assert len(streams) == ATTEMPTS + 3
    assert "imulated" not in shown
    assert "sent to the model's server" in shown
    before, after = shown.split("That failed: the responder gave no answer")
    answer = said(tmp_path / "t.json")[0][-1]["text"]
    assert len(answer) > 20
    assert answer in after
    assert answer not in before
    assert answer in kept


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["policy=runs/run", "raise-agent run"]),
        (["policy=none"], ["none: no such folder"]),
        (["policy=."], ["policy.json"]),
        (["method=greedy"], ["method", "'greedy' is no agent"]),
        (["method=distiled"], ["method", "distiled"]),
        (["method=random", "policy=x"], ["policy", "not used"]),
        (["method=retrieval"], ["plans"]),
        (["method=static"], ["order"]),
        (
            ["method={policy: random, abstention: value}"],
            ["policy: abstention 'value'", "policy=runs/run", "another abstention"],
        ),
        (["method=random", "budget=-1"], ["budget"]),
        (["method=random", "--profile", "nobody"], ["'nobody' is neither a file nor a scenario"]),
        (["method=random", "--profile", "two.jsonl"], ["two.jsonl holds 2 scenarios"]),
        (["method=random", "--profile", "bad.json"], ["bad.json"]),
        (["method=random", "--profile"], ["--profile needs a value"]),
        (["method=random", "--transcript", "there.json"], ["there.json is there already", "resume=there.json"]),
        (["method=random", "--resume", "none.json"], ["none.json", "No such file"]),
        (["method=random", "--resume", "there.json"], ["there.json is not a transcript"]),
        (["method=random", "profil=3"], ["did you mean 'profile'"]),
        (["method=random", "-m"], ["-m", "no sweep"]),
        (["--multirun", "method=random,static"], ["-m", "no sweep"]),
        (["method=random", "hydra.mode=MULTIRUN"], ["-m", "no sweep"]),
    ],
)
def test_a_mistake_gets_one_clear_message(
    talk: Talk, tmp_path: Path, arguments: list[str], expected: list[str]
) -> None:
    lines = [json.dumps({**record(age=f"{SECRET} {i}"), "id": f"r{i}"}) for i in range(2)]
    (tmp_path / "two.jsonl").write_text("\n".join(lines))
    (tmp_path / "bad.json").write_text(json.dumps({"query": SECRET, "profile": {"shoe": SECRET}}))
    (tmp_path / "there.json").write_text(json.dumps({"query": SECRET}))
    done = talk(["Should I?"], *arguments, status=2)
    for part in expected:
        assert part in done.stderr
    for never in ("Traceback", SECRET):
        assert never not in done.stderr
    assert done.stdout == ""


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(lambda text: text != "???"))
@example("a${b}.json")
@example("'\\\\${oc.env:HOME}\\${'\\")
def test_a_flag_takes_any_value_as_it_stands(value: str) -> None:
    (setting,) = as_settings([f"--profile={value}"], ["profile"])
    assert OmegaConf.create({"profile": OverridesParser.create().parse_override(setting).value()}).profile == value


def test_a_transcript_may_have_any_name(talk: Talk, tmp_path: Path) -> None:
    talk(["Should I?"], ORDER, "--transcript", "a${b}.json")
    assert said(tmp_path / "a${b}.json")[0][0]["text"] == "Should I?"


def test_a_file_that_cannot_be_resumed_is_not_repeated_and_leaves_no_other(talk: Talk, tmp_path: Path) -> None:
    talk(["Should I?"], ORDER, "--transcript", "t.json")
    for change, transcript in (
        ({"format": SECRET}, "new/t.json"),
        ({"known": {SECRET: SECRET}}, "bad.json"),
        ({"query": f"{SECRET} \ud800"}, "new/t.json"),
        ({"query": f"{SECRET} \ud800"}, "bad.json"),
        ({"asked": SECRET}, "new/t.json"),
    ):
        data = json.loads((tmp_path / "t.json").read_text())
        data["conversations"][0]["state"] |= change
        (tmp_path / "bad.json").write_text(json.dumps(data))
        done = talk(["quit"], ORDER, "--resume", "bad.json", "--transcript", transcript, status=2)
        assert done.stderr.splitlines()[-1].startswith("raise-agent: "), change
        for never in ("Traceback", SECRET):
            assert never not in done.stderr, change
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.json", "t.json"], change
        assert json.loads((tmp_path / "bad.json").read_text()) == data, change


# --- on a terminal ----------------------------------------------------------------------------------------------------


def test_on_a_real_terminal(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "HOME": str(tmp_path)}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "raise_agent.experiments.main", "agent", ORDER],
        cwd=tmp_path,
        stdin=follower,
        stdout=follower,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    os.close(follower)
    shown = ""

    def until(text: str) -> None:
        nonlocal shown
        deadline = time.monotonic() + 60
        # Keys struck before the prompt stands would be taken in another mode.
        while not (text in shown and shown.endswith("> ")):
            assert time.monotonic() < deadline, shown
            if select.select([leader], [], [], 1)[0]:
                shown += os.read(leader, 65536).decode()

    try:
        until("would you like to ask?")
        for line, answer in ((f"Should I {SECRET}?", TABLE[0].question), ("I'm 42", TABLE[2].question)):
            os.write(leader, f"{line}\n".encode())
            until(answer)
        assert f"\x1b[1m{TABLE[0].question}\x1b[0m" in shown
        os.write(leader, b"\x04")
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    assert list(tmp_path.rglob("*")) == []
