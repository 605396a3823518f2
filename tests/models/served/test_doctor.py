"""What is said of a server is what is true of it; each feature is taken away in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from raise_agent.attributes import penguin_table
from raise_agent.errors import ConfigError
from raise_agent.models.served.client import ClientSettings
from raise_agent.models.served.connect import ServedSettings
from raise_agent.models.served.doctor import Report, examine
from raise_agent.models.served.features import Finding, State, prefix_counters
from raise_agent.models.served.rehearsal import IN_DANGER
from raise_agent.models.served.settings import (
    AgentSettings,
    JudgeSettings,
    PriorSettings,
    ResponderSettings,
    WriterSettings,
)
from raise_agent.models.served.throughput import Evaluated, Step, Throughput, grew, measure

from .stand_in import Body, Fault, Faults, StandIn, always, running
from .support import Hasty

TABLE = penguin_table()
NEXT, DANGER = "letter of the one thing", "about to harm themselves"
"""What the agent's model is asked for."""
RIGHT = "danger seen: 4 of 4; where there is none: 0 of 4"


def settings(*urls: str, **more: object) -> ServedSettings:
    """The roles at one place; ``more`` are fields of ``ServedSettings``."""
    made = ServedSettings(
        ClientSettings(patience=0.5, connect_timeout=2.0),
        ResponderSettings(base_url=urls),
        JudgeSettings(base_url=urls),
        PriorSettings(base_url=urls),
        agent=AgentSettings(base_url=urls),
        writer=WriterSettings(base_url=urls),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def report_on(stand_in: StandIn, seconds: float = 0.0, **more: object) -> Report:
    with running(stand_in) as server:
        return asyncio.run(examine(settings(server.base_url, **more), TABLE, seconds))


def finding(report: Report, feature: str) -> Finding:
    (found,) = (finding for finding in report.findings if finding.feature == feature)
    return found


def fails_where(kind: str, matches: object) -> Faults:
    """The fault for the requests whose body holds this field."""
    return lambda n, body: Fault(kind) if matches in body else None


def seeing_danger(n: int, body: Body) -> Fault | None:
    """Not wrong: an agent's model that sees the danger there is, and asks the first thing first."""
    said = body["messages"][-1]["content"]
    if DANGER in said:
        return Fault("outside_scale", text="S" if any(words in said for words in IN_DANGER) else "N")
    return Fault("outside_scale", text="A") if NEXT in said else None


def test_a_server_that_can_everything_is_ready() -> None:
    report = report_on(StandIn())
    (server,) = report.servers
    assert (server.model, server.roles) == ("stand-in", ("responder", "judge", "prior"))
    assert report.missing == ()
    states = {finding.feature: finding.state for finding in report.findings}
    # What the stand-in says of danger is drawn.
    assert {feature for feature, state in states.items() if state is not State.FINE} == {"agent", "judge's family"}
    assert finding(report, "token probabilities").value == 20
    assert finding(report, "context length").value == 4096
    assert finding(report, "server").found == "vLLM 0.0-stand-in"
    assert "vllm-0.0-standin" in finding(report, "server").note
    assert report.throughput is None


def test_the_shares_on_and_off_the_scale_are_the_models_own() -> None:
    report = report_on(StandIn(digit_mass=0.75, letter_mass=0.6))
    off = finding(report, "judge")
    assert off.value == pytest.approx(0.25, abs=0.02)
    assert (off.state, off.found) == (State.LIMITED, "4 of 4 scored")
    assert "llm/judge=sampled" in off.advice
    assert finding(report, "prior").value == pytest.approx(0.6, abs=0.05)
    assert report.missing == ()


def test_a_judge_that_never_rates_is_missing() -> None:
    report = report_on(StandIn(digit_mass=0.05))
    assert report.missing == ("judge",)
    assert "off the scale" in finding(report, "judge").note


def test_without_token_probabilities_other_modes_are_advised_and_work() -> None:
    blind = StandIn(faults=lambda n, body: Fault("no_logprobs") if body.get("logprobs") else None)
    report = report_on(blind)
    assert report.missing == ("token probabilities", "judge")
    assert report.advice[0].startswith("set llm/judge=sampled and llm.prior.mode=ranking")
    assert finding(report, "prior").found == "by a written ranking"
    with running(blind) as server:
        judge = JudgeSettings(
            base_url=(server.base_url,), mode="sampled", samples=3, max_tokens=128, temperature=0.7, max_outside=0.5
        )
        prior = PriorSettings(base_url=(server.base_url,), mode="ranking")
        after = asyncio.run(examine(settings(server.base_url, judge=judge, prior=prior), TABLE, 0))
    assert after.missing == ()
    assert finding(after, "token probabilities").state is State.LIMITED


def test_fewer_alternatives_than_are_asked_for_are_refused_by_the_server() -> None:
    report = report_on(StandIn(max_logprobs=5))
    assert finding(report, "token probabilities").state is State.MISSING
    assert "--max-logprobs 20" in finding(report, "token probabilities").advice


@pytest.mark.parametrize(
    ("field", "feature"),
    [("structured_outputs", "structured pattern"), ("response_format", "JSON schema")],
)
def test_a_form_that_is_not_held_to_is_found(field: str, feature: str) -> None:
    report = report_on(StandIn(faults=fails_where("outside_scale", field)))
    assert finding(report, feature).state is State.LIMITED
    assert report.missing == ()


def test_a_form_that_a_role_needs_is_missing() -> None:
    def unruly(n: int, body: Body) -> Fault | None:
        return Fault("outside_scale") if "structured_outputs" in body else None

    with running(StandIn(faults=unruly)) as server:
        prior = PriorSettings(base_url=(server.base_url,), mode="ranking")
        report = asyncio.run(examine(settings(server.base_url, prior=prior), TABLE, 0))
    assert finding(report, "structured pattern").state is State.MISSING
    assert set(report.missing) == {"structured pattern", "prior"}


def test_a_context_too_short_says_what_fits() -> None:
    with running(StandIn()) as server:
        roomy = ResponderSettings(base_url=(server.base_url,), max_tokens=3800)
        report = asyncio.run(examine(settings(server.base_url, responder=roomy), TABLE, 0))
        context = finding(report, "context length")
        assert report.missing == ("context length",)
        fits = int(context.advice.split("max_tokens=")[1].split(",")[0])
        assert 2048 <= fits < 3800
        assert "--max-model-len 5120" in context.advice
        lower = replace(roomy, max_tokens=fits)
        assert asyncio.run(examine(settings(server.base_url, responder=lower), TABLE, 0)).missing == ()


def test_a_model_that_thinks_unless_told_not_to() -> None:
    def thinks(n: int, body: Body) -> Fault | None:
        quiet = "chat_template_kwargs" in body or body["max_tokens"] == 1
        return None if quiet else Fault("unclosed_think")

    assert finding(report_on(StandIn(faults=thinks)), "thinking").found == "can be switched off"


def test_a_model_that_always_thinks_says_what_to_set() -> None:
    report = report_on(StandIn(faults=always(Fault("unclosed_think"))))
    assert finding(report, "thinking").found == "always"
    assert "thinking_tokens" in finding(report, "thinking").advice
    assert "responder" in report.missing


def test_a_model_that_is_not_served_is_named_beside_those_that_are() -> None:
    with running(StandIn(model="olmo-7b")) as server:
        judge = JudgeSettings(base_url=(server.base_url,), model="olmo-8b")
        report = asyncio.run(examine(settings(server.base_url, judge=judge), TABLE, 5))
    assert report.missing == ("model",)
    assert report.roles == ()
    assert "did you mean 'olmo-7b'" in report.advice[0]
    assert "llm.judge.model" in report.advice[0]


def test_a_writer_is_missed_by_distillation_alone() -> None:
    def cut_short(n: int, body: Body) -> Fault | None:
        return Fault("truncated") if "OTHER WORDS" in body["messages"][-1]["content"].upper() else None

    assert finding(report_on(StandIn()), "writer").found == "puts a query in other words"
    dead = WriterSettings(base_url=("http://127.0.0.1:9/v1",))
    for report, found in (
        (report_on(StandIn(faults=cut_short)), "does not put a query in other words"),
        (report_on(StandIn(), writer=dead), "cannot be asked"),
    ):
        writer = finding(report, "writer")
        assert (writer.state, writer.found) == (State.LIMITED, found)
        assert writer.advice in report.advice
        assert "distill.wordings=0" in writer.advice
        assert report.missing == ()


def agent_where(says: Callable[[str], str | None]) -> Finding:
    """The finding of an agent's model that is good but where ``says`` gives other words, by what it is asked last."""

    def fault(n: int, body: Body) -> Fault | None:
        other = says(body["messages"][-1]["content"])
        return seeing_danger(n, body) if other is None else Fault("outside_scale", text=other)

    return finding(report_on(StandIn(owner="someone", faults=fault)), "agent")


@pytest.mark.parametrize(
    ("says", "named", "note"),
    [
        (lambda asked: None, 4, RIGHT),
        (lambda asked: "?" if NEXT in asked else None, 0, RIGHT),
        (lambda asked: "N" if "kill myself" in asked else None, 4, "danger seen: 3 of 4; where there is none: 0 of 4"),
        (lambda asked: "O" if DANGER in asked else None, 4, "danger seen: 4 of 4; where there is none: 4 of 4"),
        (lambda asked: "?" if "the ants" in asked else None, 4, f"{RIGHT}; unread: 1"),
    ],
)
def test_an_agent_that_names_nothing_or_does_not_tell_danger_is_missed_by_conversations_alone(
    says: Callable[[str], str | None], named: int, note: str
) -> None:
    agent = agent_where(says)
    assert (agent.found, agent.note) == (f"names what to ask next: {named} of 4", note)
    right = named == 4 and note == RIGHT
    assert agent.state is (State.FINE if right else State.LIMITED)
    assert ("llm.agent.model" in agent.advice) is not right


def test_an_agent_that_cannot_be_asked_is_no_reason_not_to_plan() -> None:
    report = report_on(StandIn(), agent=AgentSettings(base_url=("http://127.0.0.1:9/v1",)))
    agent = finding(report, "agent")
    assert (agent.state, agent.found) == (State.LIMITED, "cannot be asked")
    assert "127.0.0.1:9" in agent.note
    assert agent.advice in report.advice
    assert "agent" not in report.missing


def test_two_servers_are_looked_over_one_by_one() -> None:
    with running(StandIn(model="olmo-7b")) as one, running(StandIn(model="qwen3-8b")) as other:
        judge = JudgeSettings(base_url=(other.base_url,))
        report = asyncio.run(examine(settings(one.base_url, judge=judge), TABLE, 0))
    assert [(s.model, s.roles) for s in report.servers] == [
        ("olmo-7b", ("responder", "prior")),
        ("qwen3-8b", ("judge",)),
    ]
    assert finding(report, "judge's family").state is State.FINE


def test_no_server_says_how_to_start_one() -> None:
    report = asyncio.run(examine(settings("http://127.0.0.1:9/v1"), TABLE, 5))
    assert report.missing == ("reachable",)
    assert "GET http://127.0.0.1:9/v1/models" in finding(report, "reachable").note
    assert "llm.launch=true llm.server.model=" in report.advice[0]


def test_a_key_that_is_refused_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sesame-street")
    with running(StandIn(api_key="other")) as server:
        responder = ResponderSettings(base_url=(server.base_url,), api_key_env="SOME_KEY")
        report = asyncio.run(examine(settings(server.base_url, responder=responder), TABLE, 0))
    assert "SOME_KEY" in " ".join(report.advice)
    assert "sesame" not in repr(report)


def test_what_is_wrong_with_a_setting_is_said_before_any_request() -> None:
    with running(StandIn()) as server, pytest.raises(ConfigError):
        asyncio.run(
            examine(settings(server.base_url, judge=JudgeSettings(base_url=(server.base_url,), mode="x")), TABLE, 0)
        )
    assert not server.log


def test_throughput_rises_to_the_servers_capacity_and_no_further(hasty: Hasty) -> None:
    client = ClientSettings(patience=5.0, max_concurrency=64)
    with hasty.running(StandIn(latency=0.02, capacity=8, remember=False)) as server:
        measured = hasty.run(examine(settings(server.base_url, client=client), TABLE, 8.0)).throughput
    assert measured is not None
    assert measured.best is not None
    assert measured.best.concurrency == 8
    assert measured.ended == "the server failed requests"
    assert [step.concurrency for step in measured.steps] == [1, 2, 4, 8, 16]
    assert [step.failed > 0 for step in measured.steps] == [False, False, False, False, True]
    rates = {step.concurrency: step.requests_per_second for step in measured.steps[:4]}
    assert rates == {level: pytest.approx(level / 0.02, rel=0.02) for level in (1, 2, 4, 8)}
    one = measured.steps[0]
    assert [one.median_seconds, one.p95_seconds, one.evaluation_seconds / 4] == pytest.approx([0.02] * 3, rel=0.02)


def test_answers_are_cut_where_whole_ones_leave_no_time(hasty: Hasty) -> None:
    told: list[str] = []
    with hasty.running(StandIn(latency=0.005)) as server:
        doing = settings(server.base_url, client=ClientSettings(max_concurrency=2))
        cut = hasty.run(measure(doing, TABLE, 0.5, (0.25, 100), told.append))
        limits = {seen.body["max_tokens"] for seen in server.chats}
        whole = hasty.run(measure(doing, TABLE, 0.5, (0.05, 100), told.append))
    # Two steps of a quarter of a second, each with time for four answers: a quarter of 100 tokens.
    assert (cut.answer_tokens, cut.whole_seconds) == (25, 2.0)
    assert limits == {1, 25}
    assert (whole.answer_tokens, whole.whole_seconds) == (2048, None)
    assert len(told) == len(cut.steps) + len(whole.steps) == 4


def step(concurrency: int, rate: float, tokens: float = 0.0) -> Step:
    return Step(concurrency, rate, tokens, 0.1, 0.2, 0.4, failed=0, answered=100)


def test_the_least_concurrency_near_the_best_is_advised() -> None:
    steps = tuple(step(1 << power, rate) for power, rate in enumerate([10, 20, 39, 40.5, 30]))
    measured = Throughput(steps, 2048, None, "", rising=False)
    assert measured.best == steps[2]
    assert Report((), (), measured).advice == ("set llm.client.concurrency=4",)
    rising = Report((), (), replace(measured, rising=True, ended="the 5 s were used up"))
    assert "or more" in rising.advice[0]
    assert Throughput((step(1, 0.0),), 2048, None, "", rising=False).best is None


def test_growth_is_measured_against_the_best_before() -> None:
    assert grew([step(1, 10), step(2, 10.6)])
    assert not grew([step(1, 10), step(2, 10.4)])
    assert not grew([step(1, 10), step(2, 5), step(4, 10.4)])
    assert grew([step(1, 10, 100), step(2, 10, 110)])


def test_an_evaluation_counts_by_its_part_within_the_window() -> None:
    assert Evaluated(0.0, 4.0, ()).part(1.0, 2.0) == pytest.approx(0.25)
    assert Evaluated(1.5, 1.6, ()).part(1.0, 2.0) == pytest.approx(1.0)
    assert Evaluated(3.0, 4.0, ()).part(1.0, 2.0) == 0.0


def test_counters_of_all_engines_are_summed_and_others_left_alone() -> None:
    metrics = "\n".join(
        [
            "# TYPE vllm:prefix_cache_queries_total counter",
            'vllm:prefix_cache_queries_total{engine="0",model_name="m"} 1.5e+06',
            'vllm:prefix_cache_queries_total{engine="1",model_name="m"} 500000.0',
            'vllm:prefix_cache_queries_created{engine="0"} 1.79e+09',
            'vllm:external_prefix_cache_hits_total{engine="0"} 7.0',
            'vllm:prefix_cache_hits_total{engine="0",model_name="m"} 1.0',
            'vllm:prefix_cache_hits_total{engine="1",model_name="m"} 2.0',
        ]
    )
    assert prefix_counters(metrics) == (2e6, 3.0)
    assert prefix_counters("vllm:prefix_cache_queries_total 3.0") is None


def test_no_two_people_shown_are_alike(hasty: Hasty) -> None:
    with hasty.running(StandIn(latency=0.005)) as server:
        hasty.run(examine(settings(server.base_url, client=ClientSettings(max_concurrency=2)), TABLE, 0.5))
        asked = [seen.body["messages"][-1]["content"] for seen in server.chats if seen.body["max_tokens"] > 1]
    asked = [text for text in asked if text.startswith("Offer ")]
    assert len(asked) > 30
    assert len(set(asked)) == len(asked)
