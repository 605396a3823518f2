"""Planning against a served model, through the runner and the store, whatever the server does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from raise_agent.errors import ModelError
from raise_agent.models.base import EvaluationRequest, Unscored
from raise_agent.models.served.client import Client, ClientSettings
from raise_agent.models.served.connect import ServedRoles, ServedSettings, connect
from raise_agent.models.served.pool import HOPELESS, ServedPool, prior_pool, safety_pool
from raise_agent.models.served.settings import JudgeSettings
from raise_agent.planners import Plan
from raise_agent.planners.allowance import Allowance, Limits
from raise_agent.planners.runner import LimitReached, Runner, Task, score_subsets
from raise_agent.store import EvaluationStore

from .stand_in import TRANSIENT, Body, Fault, Faults, Seen, Server, StandIn, always, key_of, randomly, running, text_of
from .support import TABLE, hurry, people, planning, secret, settings

PEOPLE = people(6)
OFFER = "th offer I got?"
"""Found in each query of theirs."""


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@dataclass(frozen=True, slots=True)
class Setup:
    """Roles, store and runner of one run."""

    roles: ServedRoles
    store: EvaluationStore
    runner: Runner

    def plans(self, planner: str = "greedy", count: int = 6) -> list[Plan]:
        return self.runner.run(planning(PEOPLE[:count], planner), planner)

    def responder(self) -> int:
        return self.store.identity(self.roles.responder.identity)

    def evaluations(self) -> set[tuple[str, int, int]]:
        """(scenario, subset, sample) of all that is stored."""
        return {
            (scenario.digest, *key)
            for scenario in PEOPLE
            for key in self.store.evaluations(self.runner.identity, scenario.digest)
        }


def ready(own: ServedSettings, path: Path | str = ":memory:", limits: Limits | None = None, attempts: int = 2) -> Setup:
    roles = connect(own, TABLE)
    store = EvaluationStore(path)
    allowance = Allowance(limits or Limits(), roles.client.usage)
    runner = Runner(
        safety_pool(roles.client, roles.responder, roles.judge, store),
        prior_pool(roles.client, roles.prior),
        store,
        attempts=attempts,
        allowance=allowance,
    )
    return Setup(roles, store, runner)


@contextmanager
def healthy(**more: object) -> Iterator[Server]:
    with running(StandIn(letter_mass=0.99, digit_mass=0.99, **more)) as server:  # type: ignore[arg-type]
        yield server


def is_judge(body: Body) -> bool:
    return "You judge how safe" in text_of(body["messages"][0])


def is_prior(body: Body) -> bool:
    return "Before an assistant answers" in text_of(body["messages"][0])


def is_responder(body: Body) -> bool:
    return not is_judge(body) and not is_prior(body)


def about(seen: Seen) -> str:
    return "\n".join(text_of(part) for part in seen.body["messages"])


def of_run(server: Server) -> list[Seen]:
    """Chat requests about people; those that try the server out are about nobody."""
    return [seen for seen in server.chats if seen.body and OFFER in about(seen)]


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, list[Plan]]:
    """Plans by planner, from a server without faults."""
    with healthy() as server:
        return {name: ready(settings(server)).plans(name) for name in ("greedy", "mcts")}


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_each_answer_is_asked_for_once_and_kept(undisturbed: dict[str, list[Plan]]) -> None:
    with healthy() as server:
        setup = ready(settings(server))
        assert setup.plans() == undisturbed["greedy"]
        answered = [seen for seen in of_run(server) if is_responder(seen.body)]
        judged = [seen for seen in of_run(server) if is_judge(seen.body)]
        stored = setup.evaluations()
        assert len(answered) == len(stored) == setup.store.responses(setup.responder())[0]
        assert len(judged) == 3 * len(stored)
        assert len({key_of(seen.body) for seen in judged}) == len(judged)


def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    with healthy() as server:
        first = ready(settings(server), tmp_path / "s.sqlite").plans("mcts")
        before = len(of_run(server))
        again = ready(settings(server), tmp_path / "s.sqlite")
        assert again.plans("mcts") == first
        assert len(of_run(server)) == before
        assert again.runner.tally.scored == again.runner.tally.ranked == 0


def test_another_judge_reuses_the_answers(tmp_path: Path) -> None:
    with healthy() as server:
        first = ready(settings(server), tmp_path / "s.sqlite")
        first.plans()
        before = {key_of(seen.body) for seen in of_run(server) if is_responder(seen.body)}
        judge = JudgeSettings(base_url=(server.base_url,), mode="sampled", samples=2, temperature=0.7, max_tokens=128)
        other = ready(settings(server, judge=judge), tmp_path / "s.sqlite")
        subsets = sorted(subset for digest, subset, _ in first.evaluations() if digest == PEOPLE[0].digest)
        other.runner.run([Task(PEOPLE[0], lambda: score_subsets(subsets))], "again")
        after = [key_of(seen.body) for seen in of_run(server) if is_responder(seen.body)]
    assert len(subsets) > 1
    assert other.runner.tally.scored == len(subsets)
    assert sorted(after) == sorted(before), "an answer was asked for again"


def test_samples_of_one_subset_have_answers_and_seeds_of_their_own() -> None:
    with healthy() as server:
        setup = ready(settings(server))
        task = Task(PEOPLE[0], lambda: score_subsets([3, 3, 3]), noisy=True)
        (scores,) = setup.runner.run([task], "x")
        answered = [seen.body for seen in of_run(server) if is_responder(seen.body)]
    assert len(set(scores)) == 3
    assert len({body["seed"] for body in answered}) == 3
    assert len({json.dumps(body["messages"]) for body in answered}) == 1


def test_what_the_store_holds_of_a_judgement_says_how_sure_it_was() -> None:
    with healthy() as server:
        setup = ready(settings(server))
        setup.plans(count=1)
        kept = setup.store.evaluations(setup.runner.identity, PEOPLE[0].digest).values()
    assert kept
    for evaluation in kept:
        assert evaluation.doubt is not None
        assert evaluation.doubt.variances is not None
        assert all(variance > 0 for variance in evaluation.doubt.variances)
        assert all(0.0 <= outside < 0.05 for outside in evaluation.doubt.outside)


def test_no_key_reaches_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_KEY", "sk-made-up-0123456789")
    path = tmp_path / "s.sqlite"
    with healthy(api_key="sk-made-up-0123456789") as server:
        own = settings(server)
        keyed = replace(
            own,
            responder=replace(own.responder, api_key_env="MADE_UP_KEY"),
            judge=replace(own.judge, api_key_env="MADE_UP_KEY"),
            prior=replace(own.prior, api_key_env="MADE_UP_KEY"),
        )
        setup = ready(keyed, path)
        setup.plans(count=2)
        setup.store.close()
    with sqlite3.connect(path) as database:
        everything = "\n".join(database.iterdump())
    assert "risk_sensitivity" in everything
    assert "sk-made-up" not in everything


# --- what the models are shown ----------------------------------------------------------------------------------------


def test_hidden_values_reach_the_judge_and_nobody_else() -> None:
    with healthy() as server:
        setup = ready(settings(server))
        setup.plans("mcts")
        seen = of_run(server)
    for n, scenario in enumerate(PEOPLE):
        own = [about(one) for one in seen if scenario.query in about(one)]
        assert own
        values = [secret(n, index) for index in range(len(TABLE))]
        for text in own:
            shown = {value for value in values if value in text}
            if "You judge how safe" in text:
                assert shown == set(values)
            else:
                assert len(shown) <= 2, "more than what a budget of 2 can have acquired"
        # Nobody else's values either.
        assert not any(secret(other, 0) in text for other in range(len(PEOPLE)) if other != n for text in own)


def test_the_responder_is_shown_exactly_what_was_asked() -> None:
    with healthy() as server:
        setup = ready(settings(server))
        setup.runner.run([Task(PEOPLE[0], lambda: score_subsets([0b0, 0b101, 0b1000]))], "x")
        texts = [about(seen) for seen in of_run(server) if is_responder(seen.body)]
    shown = {frozenset(i for i in range(len(TABLE)) if secret(0, i) in text) for text in texts}
    assert shown == {frozenset(), frozenset({0, 2}), frozenset({3})}


# --- failures ---------------------------------------------------------------------------------------------------------


def only(role: Callable[[Body], bool], faults: Faults) -> Faults:
    """Faults for the requests of one role, once a run is going on."""

    def choose(n: int, body: Body) -> Fault | None:
        text = "\n".join(text_of(part) for part in body["messages"])
        return faults(n, body) if role(body) and OFFER in text else None

    return choose


@pytest.mark.parametrize("kind", ["outside_scale", "no_logprobs", "empty", "unclosed_think"])
def test_an_evaluation_that_cannot_be_judged_is_unscored_and_never_written(kind: str) -> None:
    with healthy(faults=only(is_judge, always(Fault(kind)))) as server:
        setup = ready(settings(server))
        (scores,) = setup.runner.run([Task(PEOPLE[0], lambda: score_subsets([1, 2, 4]))], "x")
        assert scores == [None, None, None]
        assert setup.evaluations() == set()
        assert setup.runner.tally.unscored == 3
        assert sum(setup.runner.tally.reasons.values()) == 3
        judged = [seen for seen in of_run(server) if is_judge(seen.body)]
    assert len(judged) == 3, "asking again would have ended the same way"


@pytest.mark.parametrize("kind", ["empty", "unclosed_think"])
def test_a_responder_without_an_answer_is_never_judged(kind: str) -> None:
    with healthy(faults=only(is_responder, always(Fault(kind)))) as server:
        setup = ready(settings(server))
        (scores,) = setup.runner.run([Task(PEOPLE[0], lambda: score_subsets([1, 2]))], "x")
        assert scores == [None, None]
        assert setup.store.responses(setup.responder()) == (0, 0)
        assert not [seen for seen in of_run(server) if is_judge(seen.body)]


def test_an_answer_that_was_cut_off_is_judged_and_counted() -> None:
    with healthy(faults=only(is_responder, always(Fault("truncated")))) as server:
        setup = ready(settings(server))
        (scores,) = setup.runner.run([Task(PEOPLE[0], lambda: score_subsets([1, 2]))], "x")
        assert None not in scores
        assert setup.store.responses(setup.responder()) == (2, 2)


@pytest.mark.parametrize("kind", [*TRANSIENT])
def test_a_failure_that_stays_is_unscored_in_the_end(kind: str) -> None:
    with healthy(faults=only(is_judge, always(Fault(kind)))) as server:
        client = ClientSettings(concurrency=4, attempts=2, timeout=5.0, patience=5.0)
        setup = ready(settings(server, client=client))
        (scores,) = setup.runner.run([Task(PEOPLE[0], lambda: score_subsets([1]))], "x")
        assert scores == [None]
        assert setup.evaluations() == set()
        judged = [seen for seen in of_run(server) if is_judge(seen.body)]
        answered = [seen for seen in of_run(server) if is_responder(seen.body)]
    assert len(judged) == 4, "two attempts of the client, for each of two of the runner"
    assert len(answered) == 1


@pytest.mark.parametrize("planner", ["greedy", "mcts"])
def test_one_in_five_requests_failing_changes_no_plan_and_loses_and_doubles_nothing(
    planner: str, undisturbed: dict[str, list[Plan]]
) -> None:
    kinds = [Fault(kind) for kind in TRANSIENT]
    with healthy() as good:
        own = settings(good, client=ClientSettings(concurrency=8, attempts=8, timeout=5.0))
        roles = connect(own, TABLE)
    with healthy(faults=randomly(0.2, kinds, seed=4)) as server:
        own = settings(server, client=ClientSettings(concurrency=8, attempts=8, timeout=5.0))
        setup = ready(own)
        assert setup.roles.judge.identity == roles.judge.identity
        assert setup.plans(planner) == undisturbed[planner]
        stored = setup.evaluations()
        good_ones = [seen for seen in of_run(server) if seen.outcome == "ok"]
        bad_ones = [seen for seen in of_run(server) if seen.outcome != "ok"]
    assert len(bad_ones) > len(good_ones) / 10
    assert setup.runner.tally.unscored == 0
    assert setup.runner.tally.scored == len(stored)
    keys = [key_of(seen.body) for seen in good_ones]
    assert len(set(keys)) == len(keys), "an answer was paid for twice"
    assert sum(is_judge(seen.body) for seen in good_ones) == 3 * len(stored)
    assert sum(is_responder(seen.body) for seen in good_ones) == len(stored)


def test_a_key_that_expires_ends_the_run_and_what_was_finished_is_kept(
    tmp_path: Path, undisturbed: dict[str, list[Plan]], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s.sqlite"
    expired = only(lambda body: True, lambda n, body: Fault("expired_key") if n > 150 else None)
    with healthy(faults=expired, latency=0.002) as server, caplog.at_level(logging.ERROR, logger="asyncio"):
        setup = ready(settings(server, client=ClientSettings(concurrency=4)), path)
        with pytest.raises(ModelError, match="refuses the key"):
            setup.plans()
        kept = setup.evaluations()
        setup.store.close()
        judged = [seen for seen in of_run(server) if is_judge(seen.body) and seen.outcome == "ok"]
        complete = {about(seen).partition("DIMENSION\n")[0] for seen in judged}
        counted = [sum(about(seen).startswith(prefix) for seen in judged) for prefix in complete]
        # What the server had answered as the error came in may still have been on its way.
        assert 5 < sum(count == 3 for count in counted) - 4 <= len(kept) <= sum(count == 3 for count in counted)
    assert not caplog.records, "an error that nobody looked at"
    with healthy() as server:
        again = ready(settings(server), path)
        assert again.plans() == undisturbed["greedy"]
        assert again.runner.tally.scored == len(again.evaluations()) - len(kept)


def test_a_server_that_never_helps_is_given_up_early() -> None:
    with healthy(faults=only(is_judge, always(Fault("outside_scale")))) as server:
        setup = ready(settings(server))
        tasks = [Task(person, lambda: score_subsets([1, 2, 3])) for person in people(200)]
        with pytest.raises(ModelError, match=f"not one evaluation of the first {HOPELESS} scenarios was scored"):
            setup.runner.run(tasks, "x")
        assert len(of_run(server)) < 12 * HOPELESS


def test_a_run_that_scored_before_ends_normally_though_nothing_that_is_left_can_be_scored(tmp_path: Path) -> None:
    many = people(2 * HOPELESS)
    tasks = [Task(person, lambda: score_subsets([1, 2])) for person in many]
    with healthy() as server:
        ready(settings(server), tmp_path / "s.sqlite").runner.run([Task(many[0], lambda: score_subsets([1]))], "x")
    with healthy(faults=only(is_judge, always(Fault("outside_scale")))) as server:
        again = ready(settings(server), tmp_path / "s.sqlite")
        scores = again.runner.run(tasks, "x")
    assert scores[0][0] is not None
    assert again.runner.tally.unscored == 2 * len(many) - 1


def test_a_prior_that_never_ranks_leaves_the_search_to_go_on_without() -> None:
    with healthy(faults=only(is_prior, always(Fault("outside_scale")))) as server:
        setup = ready(settings(server))
        plans = setup.plans("mcts")
    assert all(plan.value is not None for plan in plans)
    assert setup.runner.tally.ranked == 0
    assert setup.runner.tally.unranked > 0


def test_two_jobs_on_one_store_judge_the_answer_that_is_kept(tmp_path: Path) -> None:
    """A server that answers the same request in other words each time, as those do that pass over the seed."""
    path = tmp_path / "s.sqlite"
    task = Task(PEOPLE[0], lambda: score_subsets([1, 2, 4, 8]))
    with healthy(salt="one", latency=0.05) as one, healthy(salt="other", latency=0.05) as other:
        with ThreadPoolExecutor(2) as threads:
            (first,), (second,) = threads.map(lambda s: ready(settings(s), path).runner.run([task], "x"), (one, other))
        (third,) = ready(settings(one), path).runner.run([task], "x")
        judged = [about(seen) for server in (one, other) for seen in of_run(server) if is_judge(seen.body)]
    assert first == second == third
    with contextlib.closing(sqlite3.connect(path)) as database:
        kept = [text for (text,) in database.execute("SELECT text FROM responses")]
    assert len(kept) == 4
    assert all(any(text in shown for text in kept) for shown in judged), "an answer was judged that is not kept"


def test_an_error_in_the_program_itself_ends_the_run_instead_of_hanging_it() -> None:
    async def broken(request: EvaluationRequest) -> None:
        raise ZeroDivisionError

    async def work() -> None:
        pool = ServedPool(Client(ClientSettings()), {}, broken)
        pool.submit(0, EvaluationRequest(PEOPLE[0], 1))
        try:
            await pool.completed()
        finally:
            await pool.aclose()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(asyncio.wait_for(work(), 60.0))


def test_what_is_done_is_handed_over_before_an_error() -> None:
    async def one_fails(request: EvaluationRequest) -> int:
        if request.subset == 2:
            raise ModelError("gone")
        return request.subset

    async def work() -> None:
        pool = ServedPool(Client(ClientSettings()), {}, one_fails)
        for ticket in range(5):
            pool.submit(ticket, EvaluationRequest(PEOPLE[0], ticket))
        done: list[tuple[int, int | Unscored]] = []

        async def collect() -> None:
            while True:
                done.extend(await pool.completed())

        with pytest.raises(ModelError, match="gone"):
            await collect()
        assert sorted(done) == [(n, n) for n in (0, 1, 3, 4)]
        await pool.aclose()

    asyncio.run(asyncio.wait_for(work(), 60.0))


# --- limits and concurrency -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "planner"),
    [(Limits(evaluations=37), "mcts"), (Limits(tokens=40_000), "greedy"), (Limits(hours=0.3 / 3600), "mcts")],
)
def test_a_run_that_is_stopped_and_gone_on_with_finds_the_same_and_repeats_nothing(
    limits: Limits, planner: str, tmp_path: Path, undisturbed: dict[str, list[Plan]]
) -> None:
    path = tmp_path / "s.sqlite"
    paid: list[str] = []
    stops: list[tuple[int, dict[int, Plan]]] = []
    with healthy(latency=0.01 if limits.hours else 0.002) as server:
        for stopped in range(60):
            # However slow the machine, at last there is time enough.
            longer = replace(limits, hours=limits.hours and limits.hours * 1.2**stopped)
            setup = ready(settings(server, client=ClientSettings(concurrency=4)), path, longer)
            try:
                plans = setup.plans(planner)
                break
            except LimitReached as reached:
                stops.append((setup.runner.tally.scored, reached.finished))
            finally:
                setup.store.close()
        else:
            pytest.fail("never finished")
        paid = [key_of(seen.body) for seen in of_run(server) if is_judge(seen.body)]
    assert plans == undisturbed[planner]
    assert stops, "the limit was never reached"
    for scored, finished in stops:
        assert scored == limits.evaluations or limits.evaluations is None
        assert all(undisturbed[planner][place] == plan for place, plan in finished.items())
    assert len(set(paid)) == len(paid), "a judgement was paid for twice"


@pytest.mark.parametrize("concurrency", [1, 64])
def test_plans_do_not_depend_on_concurrency(concurrency: int, undisturbed: dict[str, list[Plan]]) -> None:
    with healthy() as server:
        setup = ready(settings(server, client=ClientSettings(concurrency=concurrency)))
        assert setup.plans("mcts") == undisturbed["mcts"]
        assert server.peak <= concurrency


def test_the_places_are_all_used() -> None:
    with healthy(latency=0.02) as server:
        setup = ready(settings(server, client=ClientSettings(concurrency=24)))
        setup.plans()
        assert server.peak == 24


# --- what the identity holds ------------------------------------------------------------------------------------------


def identities(own: ServedSettings) -> tuple[str, str, str]:
    roles = connect(own, TABLE)
    return tuple(json.dumps(role.identity, sort_keys=True) for role in (roles.responder, roles.judge, roles.prior))  # type: ignore[return-value]


def test_everything_that_can_change_a_result_is_in_the_identity() -> None:
    with healthy() as server, healthy(fingerprint="other") as other:
        own = settings(server)
        before = identities(own)
        changed = {
            "revision": identities(settings(other)),
            "temperature": identities(replace(own, responder=replace(own.responder, temperature=0.1))),
            "seed": identities(replace(own, responder=replace(own.responder, seed=1))),
            "extra": identities(replace(own, responder=replace(own.responder, extra={"top_k": 5}))),
            "max_tokens": identities(replace(own, responder=replace(own.responder, max_tokens=95))),
        }
        assert all(after[0] != before[0] for after in changed.values())
        assert changed["temperature"][1:] == before[1:]
        assert identities(replace(own, judge=replace(own.judge, max_outside=0.1)))[1] != before[1]
        assert identities(replace(own, prior=replace(own.prior, uniform_share=0.1)))[2] != before[2]


def test_the_address_the_key_and_the_client_are_not_in_the_identity() -> None:
    with healthy() as server, healthy() as twin:
        client = ClientSettings(concurrency=3, timeout=7.0)
        assert identities(settings(server)) == identities(settings(twin, client=client))


def test_another_attribute_table_has_another_identity() -> None:
    """The store names attributes by their places, and prompts hold their names."""
    with healthy() as server:
        own = settings(server)
        turned = replace(TABLE, attributes=tuple(reversed(TABLE.attributes)))
        renamed = replace(TABLE, attributes=(replace(TABLE[0], name="Years of Age"), *TABLE.attributes[1:]))
        roles = [connect(own, table) for table in (TABLE, turned, renamed)]
    for role in ("responder", "judge", "prior"):
        found = {json.dumps(getattr(one, role).identity, sort_keys=True) for one in roles}
        assert len(found) == 3, role
