"""Prints the figures of planning against served models.

    python benchmarks/served.py client faults killed         # against a stand-in server of this repository
    python benchmarks/served.py throughput --vllm .venv-vllm/bin/python      # starts vLLM with a tiny random model
    python benchmarks/served.py throughput --base-url http://localhost:8000/v1   # any server, any model
    python benchmarks/served.py forms --base-url http://localhost:8000/v1        # any vLLM; starts one likewise

``throughput`` compares planning with a plain load of the very requests that planning made, against the same server
in the same run; ``forms`` a writer held to a form, whose replies are the shorter ones, with one held to none. Scores of
the stand-in and of a random model mean nothing; only speed and bookkeeping are measured. Machines differ and are
shared: compare figures of one run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import runpy
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp

from raise_agent.attributes import penguin_table
from raise_agent.building.forms import quoted, wordings_schema
from raise_agent.building.schema import pattern_of
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.models.served.client import Client, ClientSettings
from raise_agent.models.served.connect import ServedRoles, ServedSettings, connect
from raise_agent.models.served.launch import LaunchSettings, launched
from raise_agent.models.served.pool import prior_pool, safety_pool
from raise_agent.models.served.prompts import load_prompt
from raise_agent.models.served.settings import JudgeSettings, PriorSettings, ResponderSettings
from raise_agent.planners import PlanningProblem, make_planner
from raise_agent.planners.runner import Runner, Tally, Task, search_rng
from raise_agent.scenario import Scenario
from raise_agent.store import EvaluationStore

ROOT = Path(__file__).resolve().parent.parent
STAND_IN = ROOT / "tests" / "models" / "served" / "stand_in.py"
TINY_MODEL = ROOT / "tests" / "vllm" / "tiny_model.py"
PLAN = [sys.executable, "-m", "raise_agent.experiments.main", "plan"]
EVERYTHING = ["data.split.train=1", "data.split.validation=0", "data.split.test=0"]
TABLE = penguin_table()

# The CPU build of vLLM 0.32 ends itself when a seeded request meets a chunked prefill.
CPU_ARGUMENTS = {
    "enforce_eager": True,
    "dtype": "bfloat16",
    "max_model_len": 4096,
    "no_enable_chunked_prefill": True,
    "max_num_batched_tokens": 8192,
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A planning run, and what it took."""

    paths: list[tuple[int, ...]]
    tally: Tally
    requests: int
    tokens: int
    seconds: float
    processor: float
    """Seconds of processor time of this process."""


@dataclass(slots=True)
class Recorder:
    """Keeps the bodies that the client sends, in their order."""

    bodies: list[bytes] = field(default_factory=list)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Record while the context lasts."""
        original = Client.chat

        async def chat(client: Client, route, body: bytes, priority: int = 0):  # type: ignore[no-untyped-def]
            self.bodies.append(body)
            return await original(client, route, body, priority)

        Client.chat = chat  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            Client.chat = original  # type: ignore[method-assign]


def settings(base_url: str, concurrency: int | None, max_tokens: int = 32) -> ServedSettings:
    """Short answers, and a judge that takes a random model's word."""
    return ServedSettings(
        client=ClientSettings(concurrency=concurrency),
        responder=ResponderSettings(base_url=(base_url,), max_tokens=max_tokens),
        judge=JudgeSettings(base_url=(base_url,), max_outside=0.95),
        prior=PriorSettings(base_url=(base_url,)),
    )


def plan(roles: ServedRoles, scenarios: Sequence[Scenario], evaluations: int = 20) -> Planned:
    """Plan with mcts, budget 3, the prior and a fresh store included."""
    planner = make_planner("mcts", evaluations=evaluations)
    before = roles.client.usage.requests, roles.client.usage.tokens
    with tempfile.TemporaryDirectory() as folder, EvaluationStore(Path(folder) / "store.sqlite") as store:
        safety = safety_pool(roles.client, roles.responder, roles.judge, store)
        runner = Runner(safety, prior_pool(roles.client, roles.prior), store)

        def search(scenario: Scenario):  # type: ignore[no-untyped-def]
            return planner.search(PlanningProblem(len(TABLE), 3), search_rng(0, scenario))

        began, processor = time.perf_counter(), time.process_time()
        plans = runner.run([Task(scenario, partial(search, scenario)) for scenario in scenarios], origin="benchmark")
        return Planned(
            paths=[plan.path for plan in plans],
            tally=runner.tally,
            requests=roles.client.usage.requests - before[0],
            tokens=roles.client.usage.tokens - before[1],
            seconds=time.perf_counter() - began,
            processor=time.process_time() - processor,
        )


def plain_load(base_url: str, bodies: Sequence[bytes], concurrency: int) -> tuple[list[bytes], float]:
    """What comes back, as it comes, and the seconds of a plain load generator: it only sends and reads them whole."""
    answers = list[bytes]()

    async def load() -> float:
        waiting = iter(bodies)
        # Shorter than the 5 s after which vLLM closes idle connections.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=600)) as session:

            async def work() -> None:
                for body in waiting:
                    headers = {"Content-Type": "application/json"}
                    async with session.post(f"{base_url}/chat/completions", data=body, headers=headers) as response:
                        answers.append(await response.read())
                        response.raise_for_status()

            began = time.perf_counter()
            await asyncio.gather(*(work() for _ in range(concurrency)))
            return time.perf_counter() - began

    return answers, asyncio.run(load())


def forget_prefixes(base_url: str) -> bool:
    """Empty the server's prefix cache, so that no side profits from the other; False where it cannot be done."""
    request = urllib.request.Request(f"{base_url.removesuffix('/v1')}/reset_prefix_cache", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60):
            return True
    except OSError:
        return False


@contextmanager
def vllm(given: argparse.Namespace) -> Iterator[str]:
    """The server of ``--base-url``, or a vLLM started with a tiny model."""
    if given.base_url:
        yield given.base_url
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(TINY_MODEL), folder], check=True, stdout=subprocess.DEVNULL)
        launch = LaunchSettings(
            model=folder,
            base_url=f"http://127.0.0.1:{given.port}/v1",
            served_name="tiny",
            vllm=given.vllm,
            arguments=CPU_ARGUMENTS,
            environment={
                "VLLM_CPU_KVCACHE_SPACE": "2",
                "HF_HUB_OFFLINE": "1",
                "VLLM_NO_USAGE_STATS": "1",
                "VLLM_SERVER_DEV_MODE": "1",
            },
            log=Path(folder) / "vllm.log",
        )
        with launched(launch, None):
            yield launch.base_url


@contextmanager
def stand_in(*arguments: str) -> Iterator[str]:
    """The stand-in server in a process of its own."""
    command = [sys.executable, str(STAND_IN), "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[1]
        finally:
            process.terminate()


def throughput(given: argparse.Namespace) -> None:
    """Planning against a plain load of the same requests, and against one request at a time."""
    scenarios = synthetic_scenarios(TABLE, given.scenarios, seed=0)
    with vllm(given) as base_url:
        roles = connect(settings(base_url, given.concurrency, given.max_tokens), TABLE)
        plan(roles, synthetic_scenarios(TABLE, 8, seed=1))  # the server warms up
        print(
            f"\n{given.scenarios} scenarios, 20 evaluations each with mcts, answers of {given.max_tokens} tokens, "
            f"{given.concurrency} requests in progress"
        )
        ratios = []
        bodies: list[bytes] = []
        for _ in range(given.repeats):
            cleared = forget_prefixes(base_url)
            recorder = Recorder()
            with recorder.listening():
                planned = plan(roles, scenarios)
            bodies = recorder.bodies
            planning = planned.requests / planned.seconds
            print(
                f"planning                 {planned.requests:,} requests, {planning:.1f}/s, "
                f"{planned.tokens / planned.seconds:,.0f} tokens/s, {planned.tally.unscored} unscored",
                flush=True,
            )
            cleared = forget_prefixes(base_url) and cleared
            _, seconds = plain_load(base_url, bodies, given.concurrency)
            plain = len(bodies) / seconds
            ratios.append(planning / plain)
            print(
                f"plain load               {len(bodies):,} requests, {plain:.1f}/s   "
                f"planning/plain {planning / plain:.3f}{'' if cleared else ' (prefix cache kept)'}"
            )
        forget_prefixes(base_url)
        some = random.Random(0).sample(bodies, min(len(bodies), given.sequential))
        sequential = len(some) / plain_load(base_url, some, 1)[1]
        print(f"one at a time            {sequential:.1f}/s over {len(some)} of these requests")
        print(f"planning / one at a time {planning / sequential:.1f}")
        print(f"planning / plain load    {statistics.median(ratios):.3f} (median of {len(ratios)})")


def forms(given: argparse.Namespace) -> None:
    """Tokens per second of a writer that is held to the form of other wordings, beside one that is held to nothing."""
    held = {"structured_outputs": {"regex": pattern_of(wordings_schema(2))}}
    prompt = load_prompt("writer", "default").fill
    queries = [quoted(scenario.query) for scenario in synthetic_scenarios(TABLE, given.scenarios, seed=0)]
    with vllm(given) as base_url:
        with urllib.request.urlopen(f"{base_url}/models", timeout=60) as response:
            model = json.load(response)["data"][0]["id"]
        print(f"\n{given.scenarios} queries in other words, {given.concurrency} requests in progress")
        ratios = []
        for repeat in range(given.repeats + 1):
            speeds = []
            for fields in (held, {}):
                bodies = [
                    json.dumps(
                        {
                            "model": model,
                            "messages": [{"role": "user", "content": prompt("wordings", query=query, count="2")}],
                            "max_tokens": 128,
                            "seed": 1_000 * repeat + number,
                            **fields,
                        }
                    ).encode()
                    for number, query in enumerate(queries)
                ]
                answers, seconds = plain_load(base_url, bodies, given.concurrency)
                written = sum(json.loads(answer)["usage"]["completion_tokens"] for answer in answers)
                speeds.append(written / seconds)
            if repeat:  # before, the server warms up
                ratios.append(speeds[0] / speeds[1])
                print(f"held to the form {speeds[0]:,.0f} tokens/s, to none {speeds[1]:,.0f}   ratio {ratios[-1]:.2f}")
        print(f"held / not held  {statistics.median(ratios):.2f} (median of {len(ratios)})")


def client(given: argparse.Namespace) -> None:
    """Processor time of the client for one request, 256 in flight."""
    print("\nProcessor time of this process per request, 256 in flight, stand-in answering after 20 ms")
    with stand_in("--latency", "0.02") as base_url:
        roles = connect(settings(base_url, 256), TABLE)
        recorder = Recorder()
        with recorder.listening():
            planned = plan(roles, synthetic_scenarios(TABLE, 600, seed=0), evaluations=10)
        print(f"planning, all included   {planned.processor / planned.requests * 1e6:.0f} microseconds")
        for _ in range(given.repeats):
            print(f"client alone             {_client_cost(base_url, recorder.bodies[:20_000]) * 1e6:.0f} microseconds")


def _client_cost(base_url: str, bodies: Sequence[bytes]) -> float:
    client = Client(ClientSettings(concurrency=256))
    route = client.route((base_url,), None)

    async def load() -> float:
        waiting = iter(bodies)

        async def work() -> None:
            for body in waiting:
                await client.chat(route, body)

        await asyncio.gather(*(work() for _ in range(256)))
        began = time.process_time()
        waiting = iter(bodies)
        await asyncio.gather(*(work() for _ in range(256)))
        spent = time.process_time() - began
        await client.aclose()
        return spent / len(bodies)

    return asyncio.run(load())


def faults(given: argparse.Namespace) -> None:
    """A fifth of all requests fails at random."""
    scenarios = synthetic_scenarios(TABLE, given.scenarios, seed=0)
    print(f"\n{given.scenarios} scenarios against a stand-in that answers after 0.2 s, 64 requests in progress")
    found: dict[str, Planned] = {}
    with tempfile.TemporaryDirectory() as folder:
        for rate in ("0", "0.2"):
            log = Path(folder) / f"answers-{rate}"
            with stand_in("--latency", "0.2", "--failure-rate", rate, "--log", str(log)) as base_url:
                roles = connect(settings(base_url, 64), TABLE)
                found[rate] = planned = plan(roles, scenarios)
            answers = Counter(json.loads(line)["key"] for line in log.read_text().splitlines())
            print(
                f"{float(rate):4.0%} fail               {planned.seconds:.1f} s, {planned.tally.scored:,} evaluations, "
                f"{planned.tally.unscored} unscored, {planned.tally.retried} asked again by the runner, "
                f"{sum(roles.client.usage.failed.values()):,} failed requests, "
                f"{sum(count - 1 for count in answers.values())} answers given twice"
            )
    slower = found["0.2"].seconds / found["0"].seconds
    print(f"slow-down                {slower:.2f} (1 / (1 - 0.2) = 1.25)")
    print(f"same plans               {found['0'].paths == found['0.2'].paths}")


def killed(given: argparse.Namespace) -> None:
    """Killed ten times at random moments, started again each time."""
    draw = random.Random(given.seed)
    chosen = ["llm=vllm", "llm.client.concurrency=64", f"data.n={given.scenarios}", "explore=0", *EVERYTHING]
    print(f"\nraise-agent plan, {given.scenarios} scenarios, killed with SIGKILL ten times and started again")
    with tempfile.TemporaryDirectory() as name:
        folder, log = Path(name), Path(name) / "answers"

        def start(base_url: str, run: str) -> subprocess.Popen[bytes]:
            where = [f"llm.base_url={base_url}", f"store={run}.sqlite", f"hydra.run.dir={run}"]
            quiet = subprocess.DEVNULL
            return subprocess.Popen([*PLAN, *chosen, *where], stdout=quiet, stderr=quiet, cwd=folder)

        with stand_in("--latency", "0.1") as base_url:
            began = time.perf_counter()
            assert start(base_url, "calm").wait() == 0
            whole = time.perf_counter() - began
        repeated, kept = 0, []
        with stand_in("--latency", "0.1", "--log", str(log)) as base_url:
            finished: set[str] = set()
            for kill in range(11):
                before = len(_answers(log))
                process = start(base_url, "killed")
                if kill < 10:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(draw.uniform(2.0, 2.0 + whole / 8))
                    process.send_signal(signal.SIGKILL)
                process.wait()
                repeated += len(finished & set(_answers(log)[before:]))
                evaluations, finished = _judged(folder / "killed.sqlite", base_url, given.scenarios)
                kept.append(evaluations)
        same = (folder / "calm" / "plans.jsonl").read_bytes() == (folder / "killed" / "plans.jsonl").read_bytes()
    print(f"undisturbed              {whole:.1f} s")
    print(f"evaluations kept         {', '.join(map(str, kept))}")
    print(f"asked again              {repeated} judgements of finished evaluations")
    print(f"same plans               {same}")


def _answers(log: Path) -> list[str]:
    """Keys of the requests that the stand-in has answered."""
    return [json.loads(line)["key"] for line in log.read_text().splitlines()] if log.exists() else []


def _defaults(base_url: str) -> ServedSettings:
    """What ``llm=vllm`` configures."""
    where = (base_url,)
    return ServedSettings(
        responder=ResponderSettings(base_url=where),
        judge=JudgeSettings(base_url=where, max_tokens=1),
        prior=PriorSettings(base_url=where, max_tokens=384),
    )


def _judged(path: Path, base_url: str, scenarios: int) -> tuple[int, set[str]]:
    """How many evaluations a store holds, and the stand-in's keys of the requests that they were judged by."""
    if not path.exists():
        return 0, set()
    key_of = runpy.run_path(str(STAND_IN))["key_of"]
    roles = connect(_defaults(base_url), TABLE)
    keys: set[str] = set()
    evaluations = 0
    with EvaluationStore(path) as store:
        number = store.identity(safety_pool(roles.client, roles.responder, roles.judge, store).identity)
        responder = store.identity(roles.responder.identity)
        for scenario in synthetic_scenarios(TABLE, scenarios, seed=0):
            for subset, sample in store.evaluations(number, scenario.digest):
                evaluations += 1
                answer = store.response(responder, scenario.digest, subset, sample)
                assert answer is not None
                requests = roles.judge.requests(scenario, answer, f"{scenario.digest}|{subset}|{sample}")
                keys.update(key_of(json.loads(roles.judge.caller.body(*request))) for request in requests)
    return evaluations, keys


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "client": client,
    "faults": faults,
    "forms": forms,
    "killed": killed,
    "throughput": throughput,
}


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=list(PARTS))
    parser.add_argument("--base-url", help="a server that runs already; else vLLM is started with a tiny model")
    parser.add_argument("--vllm", default=str(ROOT / ".venv-vllm" / "bin" / "python"), help="as llm.server.vllm")
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--scenarios", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=350, help="of an answer; 350 are the 250 words asked for")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sequential", type=int, default=300, help="requests made one at a time")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    for part in given.parts:
        PARTS[part](given)


if __name__ == "__main__":
    main()
