"""What is found out before anything is spent, and what the errors advise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from raise_agent.errors import ConfigError, ModelError
from raise_agent.models.served.client import ClientSettings
from raise_agent.models.served.connect import connect, model_family
from raise_agent.models.served.pool import safety_pool
from raise_agent.models.served.settings import JudgeSettings, PriorSettings, ResponderSettings
from raise_agent.planners.runner import Runner, Task, score_subsets
from raise_agent.store import EvaluationStore

from .stand_in import Body, Fault, StandIn, always, running, sequence, text_of
from .support import TABLE, dead_port, hurry, people, secret, settings

KEY = "sk-made-up-0123456789"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def role_of(body: Body) -> str:
    text = text_of(body["messages"][0])
    if text == "Say yes.":
        return "greeting"
    return "judge" if "You judge how safe" in text else "prior" if "Before an assistant" in text else "responder"


def spoiling(role: str, fault: Fault) -> StandIn:
    """A server that answers the requests of one role badly."""
    return StandIn(letter_mass=0.99, faults=lambda n, body: fault if role_of(body) == role else None)


def with_all(own: Any, **more: Any) -> Any:
    """The settings, with the same change for each role."""
    return replace(own, **{role: replace(getattr(own, role), **more) for role in ("responder", "judge", "prior")})


# --- models -----------------------------------------------------------------------------------------------------------


def test_the_only_model_is_found_with_what_the_server_says_of_it() -> None:
    with running(StandIn(model="org/the-model", letter_mass=0.99)) as server:
        roles = connect(settings(server), TABLE)
    for role in (roles.responder, roles.judge, roles.prior):
        assert role.identity["model"] == "org/the-model"
        assert role.identity["revision"] == "vllm-0.0-standin"


def test_where_there_are_several_models_one_must_be_named() -> None:
    with running(StandIn(model="b", others=("a",), letter_mass=0.99)) as server:
        with pytest.raises(ModelError, match=r"serves a, b; name one as llm\.responder\.model"):
            connect(settings(server), TABLE)
        assert connect(with_all(settings(server), model="b"), TABLE).judge.identity["model"] == "b"


def test_a_model_that_is_not_served_is_corrected() -> None:
    with running(StandIn(model="Qwen3-4B")) as server:
        own = settings(server)
        wrong = replace(own, judge=replace(own.judge, model="Qwen3-48"))
        with pytest.raises(
            ModelError, match=r"does not serve 'Qwen3-48' \(llm\.judge\.model\): did you mean 'Qwen3-4B'"
        ):
            connect(wrong, TABLE)


def test_servers_of_different_models_are_no_pair() -> None:
    with running(StandIn(model="a")) as one, running(StandIn(model="b")) as other:
        own = with_all(settings(one), base_url=(one.base_url, other.base_url))
        with pytest.raises(ModelError, match=r"different models \(a, b\)"):
            connect(own, TABLE)


def test_servers_in_different_states_are_no_pair_unless_one_revision_is_set_for_both() -> None:
    with running(StandIn(letter_mass=0.99)) as one, running(StandIn(fingerprint="z", letter_mass=0.99)) as other:
        own = with_all(settings(one), base_url=(one.base_url, other.base_url))
        with pytest.raises(ModelError, match=r"different states \(.*vllm-0.0-standin.*llm\.responder\.revision"):
            connect(own, TABLE)
        assert connect(with_all(own, revision="mine"), TABLE).responder.identity["revision"] == "mine"


def test_a_revision_that_is_set_takes_the_place_of_the_reported_one() -> None:
    with running(StandIn(letter_mass=0.99)) as server:
        roles = connect(with_all(settings(server), revision="mine"), TABLE)
    assert roles.judge.identity["revision"] == "mine"


def test_another_server_than_vllm_may_call_its_state_what_it_likes() -> None:
    """Some give every answer another fingerprint."""
    faults = sequence([Fault("changed_fingerprint", text=f"fp-{n}") for n in range(20)])
    with running(StandIn(owner="openai", fingerprint="fp-0", letter_mass=0.99, faults=faults)) as server:
        roles = connect(settings(server), TABLE)
    assert roles.judge.identity["revision"] is None
    assert all("chat_template_kwargs" not in seen.body for seen in server.chats)


# --- servers ----------------------------------------------------------------------------------------------------------


def test_no_server_is_told_with_what_to_do() -> None:
    port = dead_port()
    with pytest.raises(ModelError, match=f"llm.responder: no server answers.*{port}/v1: connection refused.*launch"):
        connect(settings(f"http://127.0.0.1:{port}/v1"), TABLE)


def test_a_wrong_address_on_a_living_server_is_told() -> None:
    with running(StandIn()) as server, pytest.raises(ModelError, match=r"/v2: request rejected \(404\)"):
        connect(settings(server.base_url.replace("/v1", "/v2")), TABLE)


def test_one_living_server_of_two_is_enough() -> None:
    with running(StandIn(letter_mass=0.99)) as server:
        own = with_all(settings(server), base_url=(f"http://127.0.0.1:{dead_port()}/v1", server.base_url))
        assert connect(own, TABLE).warnings is not None


def test_a_server_that_asks_for_a_moment_at_the_very_first_is_given_it() -> None:
    with running(StandIn(letter_mass=0.99, faults=sequence([Fault("429", retry_after="0.2"), Fault("503")]))) as server:
        connect(settings(server), TABLE)
    assert [seen.outcome for seen in server.chats][:3] == ["429", "503", "ok"]


def test_a_server_without_an_address_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"llm\.base_url must name at least one server"):
        connect(with_all(settings("http://localhost:1/v1"), base_url=()), TABLE)


@pytest.mark.parametrize("key", ["", "sk-wrong-9876543210"])
def test_a_wrong_key_is_told_and_not_repeated(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_KEY", key)
    with running(StandIn(api_key=KEY)) as server:
        with pytest.raises(ModelError, match=r"refuses the key \(401\).*llm\.api_key_env") as caught:
            connect(with_all(settings(server), api_key_env="MADE_UP_KEY"), TABLE)
        assert not key or key not in str(caught.value)
        assert len(server.log) == 1


def test_a_right_key_is_used_everywhere_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_KEY", KEY)
    with running(StandIn(api_key=KEY, letter_mass=0.99)) as server:
        own = with_all(settings(server), api_key_env="MADE_UP_KEY")
        roles = connect(own, TABLE)
    assert len(server.log) > 6
    shown = [own, roles, roles.responder.identity, roles.judge.identity, roles.prior.identity]
    assert not any(KEY in repr(one) for one in shown)
    assert not any(KEY in str(seen.body) for seen in server.log)


# --- what the server can do -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["no_logprobs", "empty"])
def test_a_judge_without_probabilities_is_an_error_with_advice(kind: str) -> None:
    with (
        running(spoiling("judge", Fault(kind))) as server,
        pytest.raises(ModelError, match=r"llm\.judge: .*no token probabilities; set llm/judge=sampled"),
    ):
        connect(settings(server), TABLE)


def test_a_sampled_judge_needs_none() -> None:
    with running(spoiling("judge", Fault("no_logprobs"))) as server:
        judge = JudgeSettings(base_url=(server.base_url,), mode="sampled", samples=2, temperature=0.7, max_tokens=128)
        roles = connect(settings(server, judge=judge), TABLE)
    assert roles.judge.identity["mode"] == "sampled"


def test_a_prior_of_mode_auto_uses_probabilities_where_there_are_any() -> None:
    with running(StandIn(letter_mass=0.99)) as server:
        assert connect(settings(server), TABLE).prior.identity["mode"] == "probabilities"


def test_a_prior_of_mode_auto_writes_a_ranking_where_there_are_none() -> None:
    with running(spoiling("prior", Fault("no_logprobs"))) as server:
        roles = connect(settings(server), TABLE)
    assert roles.prior.identity["mode"] == "ranking"
    assert not any("prior" in warning for warning in roles.warnings)


def test_a_prior_of_mode_auto_writes_a_ranking_where_probabilities_are_refused() -> None:
    with running(StandIn(max_logprobs=5)) as server:
        judge = JudgeSettings(base_url=(server.base_url,), mode="sampled", max_tokens=128)
        roles = connect(settings(server, judge=judge), TABLE)
    assert roles.prior.identity["mode"] == "ranking"


def test_a_server_that_refuses_what_a_judge_needs_is_quoted() -> None:
    with (
        running(StandIn(max_logprobs=5)) as server,
        pytest.raises(ModelError, match=r"llm\.judge: the server refuses its requests.*max allowed: 5"),
    ):
        connect(settings(server), TABLE)


@pytest.mark.parametrize(
    ("role", "kind"), [("responder", "empty"), ("responder", "unclosed_think"), ("judge", "outside_scale")]
)
def test_a_role_that_fails_its_trial_is_warned_of(role: str, kind: str) -> None:
    with running(spoiling(role, Fault(kind))) as server:
        warnings = connect(settings(server), TABLE).warnings
    assert any(warning.startswith(f"the {role} did not") for warning in warnings)


def test_a_prior_that_fails_its_trial_is_warned_of() -> None:
    with running(spoiling("prior", Fault("outside_scale"))) as server:
        warnings = connect(settings(server), TABLE).warnings
    assert any(warning.startswith("the prior did not") for warning in warnings)


def test_judge_and_responder_of_one_family_are_warned_of() -> None:
    with running(StandIn(model="Qwen/Qwen3-4B", letter_mass=0.99)) as one:
        assert "of one family" in connect(settings(one), TABLE).warnings[0]
        with running(StandIn(model="google/gemma-3-4b", letter_mass=0.99)) as other:
            own = settings(one)
            mixed = replace(own, judge=replace(own.judge, base_url=(other.base_url,)))
            assert connect(mixed, TABLE).warnings == ()


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Qwen/QwQ-32B", "qwen"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "llama"),
        ("gpt-4o-2024-08-06", "gpt"),
        ("mistralai/Mixtral-8x7B", "mistral"),
        ("/models/tiny/", "tiny"),
    ],
)
def test_families_are_told_by_name(model: str, family: str) -> None:
    assert model_family(model) == family


def test_the_trial_holds_nobodys_words_and_costs_little() -> None:
    with running(StandIn(letter_mass=0.99)) as server:
        connect(settings(server), TABLE)
    assert len(server.chats) <= 8
    assert not any(secret(n, 0) in str(seen.body) for seen in server.chats for n in range(3))


# --- while the run is going on ----------------------------------------------------------------------------------------


def test_a_server_that_changes_while_a_run_goes_on_ends_it() -> None:
    person = people(1)[0]

    def change(n: int, body: Body) -> Fault | None:
        return Fault("changed_fingerprint") if person.query in str(body) and n > 30 else None

    with running(StandIn(letter_mass=0.99, faults=change)) as server:
        roles = connect(settings(server, client=ClientSettings(concurrency=2)), TABLE)
        store = EvaluationStore(":memory:")
        runner = Runner(safety_pool(roles.client, roles.responder, roles.judge, store), None, store)
        with pytest.raises(ModelError, match="server changed while the run was going on"):
            runner.run([Task(person, lambda: score_subsets(list(range(100))))], "x")
        kept = store.evaluations(runner.identity, person.digest)
    assert 0 < len(kept) < 100


def test_a_run_with_a_revision_of_its_own_goes_on() -> None:
    with running(StandIn(letter_mass=0.99, faults=always(Fault("changed_fingerprint")))) as server:
        roles = connect(with_all(settings(server), revision="mine"), TABLE)
        store = EvaluationStore(":memory:")
        runner = Runner(safety_pool(roles.client, roles.responder, roles.judge, store), None, store)
        (scores,) = runner.run([Task(people(1)[0], lambda: score_subsets([1, 2]))], "x")
    assert None not in scores


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_thinking_is_switched_off_or_bounded() -> None:
    with running(StandIn(letter_mass=0.99)) as server:
        connect(settings(server), TABLE)
        off = [seen.body for seen in server.chats if role_of(seen.body) == "responder"]
    with running(StandIn(letter_mass=0.99)) as server:
        responder = ResponderSettings(base_url=(server.base_url,), max_tokens=96, thinking_tokens=1000)
        connect(settings(server, responder=responder), TABLE)
        on = [seen.body for seen in server.chats if role_of(seen.body) == "responder"]
    assert {body["max_tokens"] for body in off} == {96}
    assert all(body["chat_template_kwargs"]["enable_thinking"] is False for body in off)
    assert {body["max_tokens"] for body in on} == {1096}
    assert all("chat_template_kwargs" not in body for body in on)


def test_more_fields_of_a_request_are_sent() -> None:
    with running(StandIn(letter_mass=0.99)) as server:
        own = settings(server)
        connect(replace(own, responder=replace(own.responder, extra={"top_k": 7})), TABLE)
        by_role = {role_of(seen.body): seen.body.get("top_k") for seen in server.chats}
    assert by_role["responder"] == 7
    assert by_role["judge"] is None


@pytest.mark.parametrize(
    "wrong", [{"mode": "guess"}, {"uniform_share": 0.0}, {"uniform_share": 1.0}, {"thinking_tokens": 9}]
)
def test_settings_of_the_prior_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"llm\.prior"):
        PriorSettings(**wrong).check("prior")
