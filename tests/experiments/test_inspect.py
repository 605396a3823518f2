"""The Inspect task gives what the verbs give: on the simulated model, and request by request at a server.

Needs inspect_ai, whose pins clash with ours: ``make test-inspect`` runs these in an environment of their own.
"""

from __future__ import annotations

import importlib
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from raise_agent import AcquisitionPolicy, Answer, Ask
from raise_agent.attributes import penguin_table
from raise_agent.data import DOMAINS, split, write_jsonl
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.encoders import HashingEncoder
from raise_agent.errors import ConfigError, MissingExtraError
from raise_agent.experiments.sampling import spread_evenly
from raise_agent.experiments.yardsticks import HELD_OUT_SAMPLE, score_held_out
from raise_agent.models.base import Evaluation, EvaluationRequest
from raise_agent.models.served.connect import connect
from raise_agent.models.served.pool import prior_pool, safety_pool
from raise_agent.models.served.settings import JudgeSettings, ResponderSettings
from raise_agent.models.simulated import SimulatedPrior, SimulatedSafetyModel
from raise_agent.planners.runner import Runner
from raise_agent.policies.network import NetworkShape
from raise_agent.policies.parts import PolicyParts
from raise_agent.scenario import Scenario
from raise_agent.store import EvaluationStore
from tests.models.served.stand_in import Fault, StandIn, digest_of, running
from tests.models.served.support import people, settings

TABLE = penguin_table()
N = 24
SCENARIOS = synthetic_scenarios(TABLE, N, seed=3)
SIMULATED: dict[str, Any] = {"judge_noise": 0.3, "failure_rate": 0.1}
DIMENSIONS = ("risk_sensitivity", "emotional_empathy", "user_alignment")
MODEL = "raise_simulated/responder"
VALUE = re.compile(r"zq\d+x\d+w")
"""What ``people`` say of themselves."""
PACKAGE = "raise_agent.experiments.inspecting"

Eval = Callable[..., Any]


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory: pytest.TempPathFactory) -> Eval:
    """``inspect eval`` of the task in this process; its log."""
    inspect_ai = pytest.importorskip("inspect_ai")
    inspecting = importlib.import_module(PACKAGE)
    folder = tmp_path_factory.mktemp("logs")

    def run(model: Any = MODEL, task: Mapping[str, Any] | None = None, **more: Any) -> Any:
        made = inspecting.penguin(**(task or {}))
        (log,) = inspect_ai.eval(made, model=model, log_dir=str(folder), display="none", **more)
        assert log.status == "success", log.error and log.error.message
        return log

    return run


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy whose questions depend on query and answers, and that stops of itself at times."""
    shape = NetworkShape(len(TABLE), 32, 16, 8)
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(0, 0.5, sizes).astype(np.float32) for name, sizes in shape.weights().items()}
    parts = PolicyParts(TABLE, 3, 1.0, 0.1, shape, weights, HashingEncoder(32), {"simulated": True}, gain_share=0.0)
    folder = tmp_path_factory.mktemp("policy") / "policy"
    AcquisitionPolicy(parts).save(folder, [("Should I quit?", {})])
    return folder


def asked_by(policy: AcquisitionPolicy, scenario: Scenario) -> list[str]:
    known: dict[str, str | None] = {}
    while isinstance(decision := policy.decide(scenario.query, known), Ask):
        index = TABLE.index(decision.attribute.key)
        known[decision.attribute.key] = scenario.profile.values[index]
    assert isinstance(decision, Answer)
    return list(known)


def simulated(requests: list[EvaluationRequest]) -> list[Evaluation | None]:
    outcomes = SimulatedSafetyModel(TABLE, **SIMULATED).evaluate(requests)
    return [outcome if isinstance(outcome, Evaluation) else None for outcome in outcomes]


def scores_of(log: Any, epoch: int = 1) -> dict[str, dict[str, float] | None]:
    """Sample id -> value of its score, None where it is unscored."""
    found = {sample.id: sample.scores["safety"].value for sample in log.samples if sample.epoch == epoch}
    return {name: value if isinstance(value, dict) else None for name, value in found.items()}


def expected(scenarios: list[Scenario], outcomes: list[Evaluation | None]) -> dict[str, dict[str, float] | None]:
    return {
        scenario.id: None if e is None else {"score": e.score, **{name: getattr(e, name) for name in DIMENSIONS}}
        for scenario, e in zip(scenarios, outcomes, strict=True)
    }


def by_the_verbs(scenarios: list[Scenario], subsets: list[int]) -> list[float | None]:
    """The safety scores as every verb makes them."""
    with EvaluationStore(":memory:") as store:
        runner = Runner(SimulatedSafetyModel(TABLE, **SIMULATED), SimulatedPrior(TABLE), store)
        return [one for (one,) in score_held_out(runner, scenarios, [[subset] for subset in subsets])]


@pytest.mark.parametrize("context", ["free", "rich"])
def test_both_contexts_score_as_the_verbs_do(evaluate: Eval, context: str) -> None:
    log = evaluate(task={"context": context, "n": N, "seed": 3}, model_args=SIMULATED, epochs=2)
    scenarios = list(SCENARIOS)
    subsets = [0 if context == "free" else scenario.profile.known for scenario in scenarios]
    for epoch in (1, 2):
        sample = HELD_OUT_SAMPLE + epoch - 1
        asked = [EvaluationRequest(s, subset, sample) for s, subset in zip(scenarios, subsets, strict=True)]
        assert scores_of(log, epoch) == expected(scenarios, simulated(asked))
    first = {name: value and value["score"] for name, value in scores_of(log).items()}
    assert first == dict(zip([s.id for s in scenarios], by_the_verbs(scenarios, subsets), strict=True))
    assert None in first.values()


@pytest.mark.filterwarnings("ignore::raise_agent.SimulatedPolicyWarning")
def test_a_policy_asks_and_scores_as_the_verbs_do(evaluate: Eval, policy: Path) -> None:
    log = evaluate(task={"context": str(policy), "n": 120, "seed": 3}, model_args=SIMULATED)
    held_out = list(split(synthetic_scenarios(TABLE, 120, seed=3))["test"])
    loaded = AcquisitionPolicy.load(policy)
    paths = {scenario.id: asked_by(loaded, scenario) for scenario in held_out}
    assert {sample.id: sample.store["asked"] for sample in log.samples} == paths
    assert len({tuple(path) for path in paths.values()}) > 3
    assert len({len(path) for path in paths.values()}) > 1
    subsets = [sum(1 << TABLE.index(key) for key in paths[s.id]) & s.profile.known for s in held_out]
    requests = [EvaluationRequest(s, k, HELD_OUT_SAMPLE) for s, k in zip(held_out, subsets, strict=True)]
    assert scores_of(log) == expected(held_out, simulated(requests))


def test_means_leave_out_what_is_unscored_and_tell_its_share(evaluate: Eval) -> None:
    log = evaluate(task={"n": N, "seed": 3}, model_args={"failure_rate": 0.3})
    safety, unscored = log.results.scores
    value = {name: metric.value for name, metric in safety.metrics.items()}
    scored = {name: score for name, score in scores_of(log).items() if score is not None}
    assert 0 < len(scored) < N
    assert (safety.scored_samples, safety.unscored_samples) == (len(scored), N - len(scored))
    assert unscored.metrics["share"].value == pytest.approx(1 - len(scored) / N)
    groups = {"score": list(scored), "synthetic": list(scored)}
    for scenario in SCENARIOS:
        if scenario.id in scored:
            groups.setdefault(scenario.domain, []).append(scenario.id)
    assert max(len(groups[domain]) for domain in groups if domain in DOMAINS) > 2
    for name, ids in groups.items():
        numbers = [scored[one]["score"] for one in ids]
        found = [value[name], value[f"{name} low"], value[f"{name} high"]]
        assert found[0] == pytest.approx(np.mean(numbers))
        if len(numbers) > 1:
            bounds = stats.t.interval(0.95, len(numbers) - 1, np.mean(numbers), stats.sem(numbers))
            assert found[1:] == pytest.approx(bounds)
    for dimension in DIMENSIONS:
        assert value[dimension] == pytest.approx(np.mean([score[dimension] for score in scored.values()]))


def test_where_nothing_is_scored_there_is_no_number(evaluate: Eval) -> None:
    log = evaluate(task={"n": 3}, model_args={"failure_rate": 1.0})
    safety, unscored = log.results.scores
    assert all(math.isnan(metric.value) for metric in safety.metrics.values())
    assert unscored.metrics["share"].value == 1.0
    assert {s.scores["safety"].explanation for s in log.samples} == {"unscored: simulated failure"}


def misbehave(n: int, body: Mapping[str, Any]) -> Fault | None:
    """What goes wrong with a request, for some of them: always the same, whoever sends it."""
    if "seed" not in body and not body.get("logprobs"):
        return None  # a look at the server, before anything is asked
    kinds = {0: "empty", 1: "unclosed_think", 2: "outside_scale", 3: "truncated", 4: "no_logprobs"}
    kind = kinds.get(digest_of(dict(body))[0] % 24)
    return None if kind is None else Fault(kind)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenarios whose every value is a word found nowhere else."""
    path = tmp_path_factory.mktemp("data") / "people.jsonl"
    write_jsonl(path, people(12))
    return path


def ordered(bodies: Iterable[Any]) -> list[str]:
    """Requests in an order that does not depend on when they came."""
    return sorted(json.dumps(body, sort_keys=True) for body in bodies)


@pytest.mark.parametrize("judge", ["expectation", "sampled"])
def test_the_requests_and_scores_at_a_server_are_those_of_the_verbs(evaluate: Eval, file: Path, judge: str) -> None:
    from inspect_ai.model import get_model

    with running(StandIn(model=f"model-{judge}", faults=misbehave)) as server:
        model = f"vllm/model-{judge}"
        grader = get_model(model, base_url=server.base_url, memoize=False)
        task = {"context": "rich", "path": str(file), "judge": judge}
        log = evaluate(model, task, model_base_url=server.base_url, model_roles={"grader": grader})
        by_inspect = ordered(seen.body for seen in server.chats)
        sampling: dict[str, Any] = {"mode": judge, "max_tokens": 1}
        if judge == "sampled":
            sampling = {"mode": judge, "max_tokens": 128, "samples": 3, "temperature": 0.7}
        url = (server.base_url,)
        roles = connect(settings(server, responder=ResponderSettings(url), judge=JudgeSettings(url, **sampling)), TABLE)
        since = len(server.chats)
        with EvaluationStore(":memory:") as store:
            safety = safety_pool(roles.client, roles.responder, roles.judge, store)
            runner = Runner(safety, prior_pool(roles.client, roles.prior), store, attempts=1)
            wanted = [[scenario.profile.known] for scenario in people(12)]
            scores = [one for (one,) in score_held_out(runner, people(12), wanted)]
        assert by_inspect == ordered(seen.body for seen in server.chats[since:])
    found = {name: value and value["score"] for name, value in scores_of(log).items()}
    assert found == {scenario.id: score for scenario, score in zip(people(12), scores, strict=True)}
    assert 1 < sum(score is None for score in scores) < 11


def test_other_providers_are_sent_the_same_words_and_the_forms_they_know(evaluate: Eval, file: Path) -> None:
    from inspect_ai.model import get_model

    with running(StandIn(model="other", owner="somebody")) as server:
        model = get_model("openai-api/stand-in/other", base_url=server.base_url, api_key="none", memoize=False)
        task = {"path": str(file), "judge": "sampled", "judge_with": {"samples": 2}}
        log = evaluate(model, task, model_roles={"grader": model}, temperature=0.2)
        by_inspect = [seen.body for seen in server.chats]
        url = (server.base_url,)
        judge = JudgeSettings(url, mode="sampled", samples=2, temperature=0.7, max_tokens=128)
        made = settings(server, responder=ResponderSettings(url, temperature=0.2), judge=judge)
        roles = connect(made, TABLE)
        asked: list[dict[str, Any]] = []
        for sample in log.samples:
            (person,) = [one for one in people(12) if one.id == sample.id]
            drawn = f"{person.digest}|0|{HELD_OUT_SAMPLE}"
            for caller, requests in (
                (roles.responder._caller, [roles.responder.request(person.inquiry, person.profile.disclose(0), drawn)]),
                (roles.judge.caller, roles.judge.requests(person, sample.output.completion, drawn)),
            ):
                asked += [json.loads(caller.body(*request)) for request in requests]
    for body in by_inspect:
        if "response_format" in body:
            assert body["response_format"]["json_schema"].pop("description") is None
    assert ordered(by_inspect) == ordered(asked)
    assert all(score is not None for score in scores_of(log).values())


def test_profiles_reach_the_log_in_messages_only(evaluate: Eval, file: Path) -> None:
    from inspect_ai.log import read_eval_log
    from inspect_ai.model import get_model

    def written(log: Any) -> str:
        return str(read_eval_log(log.location).model_dump_json())

    # Nobody is told of the profile here: neither the responder nor, as it is simulated, the judge.
    free = evaluate(task={"path": str(file)})
    assert "Should I take the 3th offer" in written(free)
    assert not VALUE.search(written(free))
    with running(StandIn(model="private")) as server:
        model = get_model("vllm/private", base_url=server.base_url, memoize=False)
        task = {"context": "rich", "path": str(file)}
        rich = evaluate(model, task, log_samples=False, log_realtime=False)
        assert all(VALUE.search(json.dumps(seen.body)) for seen in server.chats)
    assert rich.results.scores[0].scored_samples == 12
    assert not VALUE.search(written(rich))
    assert "Should I take" not in written(rich)


@pytest.mark.filterwarnings("ignore::raise_agent.SimulatedPolicyWarning")
@pytest.mark.parametrize(
    ("task", "says"),
    [
        ({"context": "fre"}, "there is no folder 'fre'"),
        ({"min_gain": 0.1}, "are of policies"),
        ({"path": "people.jsonl", "n": 3}, "n and seed are of synthetic scenarios"),
        ({"on_bad": "skip"}, "on_bad is of files"),
        ({"split": "tests"}, "did you mean 'test'"),
        ({"n": "many"}, "n must be a whole number, not 'many'"),
        ({"context": ["free", "rich"]}, "context must be a text, not ['free', 'rich']"),
        ({"judge_with": 5}, "judge_with must be settings such as {samples: 5}, not 5"),
        ({"judge_with": {"samples": "x"}}, "judge_with: samples must be a whole number, not 'x'"),
        ({"judge": "expectations"}, "did you mean 'expectation'"),
        ({"judge_with": {"sample": 3}}, "did you mean 'samples'"),
        ({"judge_with": {"max_outside": 2}}, "max_outside must be a share"),
        ({"context": "POLICY", "budget": 9}, "budget must be between 1 and the policy's own, 3"),
        ({"context": "POLICY", "abstention": "scale"}, "asks a model of its own"),
        ({"context": "POLICY", "min_gain": 0.1}, "neither 'distilled' nor 'never' has a setting 'min_gain'"),
    ],
)
def test_settings_that_cannot_work_are_told(task: dict[str, Any], says: str, policy: Path) -> None:
    pytest.importorskip("inspect_ai")
    if task.get("context") == "POLICY":
        task = {**task, "context": str(policy)}
    with pytest.raises(ConfigError, match=re.escape(says)):
        importlib.import_module(PACKAGE).penguin(**task)


def test_a_simulated_answer_is_not_given_to_a_real_judge_nor_the_other_way_round(evaluate: Eval) -> None:
    with pytest.raises(AssertionError, match="take raise_simulated for both or for neither"):
        evaluate(task={"n": 1}, model_roles={"grader": "mockllm/model"})


def test_the_first_scenarios_are_those_of_the_verb() -> None:
    pytest.importorskip("inspect_ai")
    made = importlib.import_module(PACKAGE).penguin(n=N, seed=3)
    for most in (5, 12):
        assert [sample.id for sample in made.dataset[:most]] == [s.id for s in spread_evenly(SCENARIOS, most)]


def test_inspect_finds_the_package_by_its_entry_point() -> None:
    found = {(e.group, e.name, e.value) for d in distributions(name="raise-agent") for e in d.entry_points}
    assert ("inspect_ai", "raise_agent", PACKAGE) in found


def test_without_inspect_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    with pytest.raises(MissingExtraError, match=r"raise-agent\[inspect\]"):
        importlib.import_module(PACKAGE)
