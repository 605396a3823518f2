"""Prints the figures of the whole pipeline on the embedded default; every score in it is simulated.

    python benchmarks/pipeline.py                 # plan, decide, compare
    python benchmarks/pipeline.py fresh           # clone, `make run` twice (installs everything once)
    python benchmarks/pipeline.py plan --scenarios 1000

Machines differ and are shared: compare figures of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "raise_agent.experiments.main"]

DECIDE = """
import json, resource, statistics, sys, time, warnings
warnings.simplefilter("ignore")
began = time.perf_counter()
from raise_agent import AcquisitionPolicy
policy = AcquisitionPolicy.load(sys.argv[1])
loaded = time.perf_counter() - began
queries = [f"Should I take the offer in city {i} or wait another {i % 7} months before I decide?" for i in range(5000)]
first, last = policy.table.keys[0], policy.table.keys[-1]
knowns = [{first: str(18 + i % 70), last: None} for i in range(len(queries))]
for query, known in zip(queries[:50], knowns):
    policy.decide(query, known)
times = []
for query, known in zip(queries, knowns):
    start = time.perf_counter()
    policy.decide(query, known)
    times.append(time.perf_counter() - start)
times.sort()
heavy = sorted({"torch", "transformers", "hydra", "wandb", "gymnasium", "scipy"} & set(sys.modules))
print(json.dumps({
    "import and load, s": loaded,
    "text to decision, median, us": statistics.median(times) * 1e6,
    "text to decision, 99 %, us": times[int(len(times) * 0.99)] * 1e6,
    "resident memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
    "heavy modules loaded": len(heavy),
}))
"""
"""In a process of its own, on one core. Memory is the most that was resident, Python and numpy included."""
PROCESSES = 9
"""That do so one after another: on a shared machine one alone says little."""

DECIDE_BATCH = """
import random, sys, threading, time, warnings
warnings.simplefilter("ignore")
from raise_agent import AcquisitionPolicy
policy, threads, count = AcquisitionPolicy.load(sys.argv[1]), int(sys.argv[2]), 100_000
rng = random.Random(0)
keys = policy.table.keys
answers = [*(f"answer {i}" for i in range(20)), None]
queries = [f"Should I take the offer in city {i} or wait another {i % 7} months before I decide?" for i in range(count)]
conversations = [(query, {key: rng.choice(answers) for key in rng.sample(keys, i % 4)})
                 for i, query in enumerate(queries)]
encoded = policy.encode(queries)

def work(part, take):
    made = policy.decide_batch(conversations[part], encoded[part])
    if take:
        list(made)

for take, what in ((False, "batch, as arrays"), (True, "batch, as objects")):
    best = None
    for _ in range(5):
        parts = [slice(count * t // threads, count * (t + 1) // threads) for t in range(threads)]
        workers = [threading.Thread(target=work, args=(part, take)) for part in parts]
        began = time.perf_counter()
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        seconds = time.perf_counter() - began
        best = min(best or seconds, seconds)
    print(f"{what:30} {count / best:,.0f} decisions/s, {threads} thread{'s' * (threads > 1)}")
"""
"""100,000 conversations, each with a query of its own, 0 to 3 questions asked; queries encoded before. Best of 5."""


def run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> tuple[float, float]:
    """Wall seconds and peak memory in GB of a command; its output is shown when it fails."""
    began = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        output, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{output}")
    return time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def plan(folder: Path, scenarios: int) -> None:
    """Search with mcts, 20 evaluations a scenario, store included."""
    everything = ["data.split.train=1", "data.split.validation=0", "data.split.test=0"]
    settings = [
        f"data.n={scenarios}",
        "planner=mcts",
        "planner.evaluations=20",
        "explore=0",
        "store=plan.sqlite",
        *everything,
    ]
    seconds, memory = run([*COMMAND, "plan", *settings], folder)
    print(f"\n{scenarios:,} scenarios, 20 evaluations each with mcts (simulated)")
    print(f"wall                     {seconds:.1f} s, {scenarios * 20 / seconds:,.0f} evaluations/s")
    print(f"peak memory              {memory:.2f} GB")
    print(f"store                    {sum(f.stat().st_size for f in folder.glob('plan.sqlite*')) / 2**20:.0f} MB")


def whole_run(folder: Path, scenarios: int, encoder: str = "hashing") -> Path:
    """``raise-agent run``; returns its folder. The second encoder finds the first one's evaluations in the store."""
    target = folder / encoder
    if not target.exists():
        settings = [f"data.n={scenarios}", f"hydra.run.dir={target}", "store=whole.sqlite", f"encoder={encoder}"]
        run([*COMMAND, "run", *settings], folder)
    return target


def decide(folder: Path, scenarios: int) -> None:
    """Load and decide in a process of its own, with either encoder that needs numpy alone."""
    for encoder in ("hashing", "static"):
        policy = whole_run(folder, min(scenarios, 3000), encoder) / "policy"
        print(f"\nThe exported policy, one core, encoder {encoder}", flush=True)
        _decide(policy, folder)


def _decide(policy: Path, folder: Path) -> None:
    single = {**os.environ, **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")}
    everywhere = os.sched_getaffinity(0)
    for cores in (1, 2):
        # The child inherits the cores that this process is bound to.
        os.sched_setaffinity(0, sorted(everywhere)[-cores:])
        if cores == 1:
            command = [sys.executable, "-c", DECIDE, str(policy)]
            runs = [
                json.loads(subprocess.run(command, check=True, cwd=folder, env=single, stdout=subprocess.PIPE).stdout)
                for _ in range(PROCESSES)
            ]
            for what in runs[0]:
                ordered = sorted(run[what] for run in runs)
                digits = 3 if what.endswith(", s") else 0
                low, middle, high = (f"{ordered[place]:,.{digits}f}" for place in (0, PROCESSES // 2, -1))
                print(f"{what:30} {middle} ({low} to {high} in {PROCESSES} processes)", flush=True)
        subprocess.run(
            [sys.executable, "-c", DECIDE_BATCH, str(policy), str(cores)], check=True, cwd=folder, env=single
        )
    os.sched_setaffinity(0, everywhere)
    size = sum(file.stat().st_size for file in policy.rglob("*") if file.is_file())
    print(f"policy folder                  {size / 2**20:.2f} MB")


def compare(folder: Path, scenarios: int) -> None:
    """Distilled against static and random, at the same number of questions, on held-out scenarios."""
    results = json.loads((whole_run(folder, min(scenarios, 3000)) / "results.json").read_text())
    print(f"\nHeld-out scenarios: {results['data']['scenarios']:,} (simulated)")
    for method in results["methods"]:
        score, gain = method["score"], method["gain"]
        print(
            f"{method['method']:10}  score {score['mean']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"
            f"  gain {gain['mean']:.3f} [{gain['low']:.3f}, {gain['high']:.3f}]  questions {method['questions']:.2f}"
        )


def fresh(folder: Path, scenarios: int) -> None:
    """Clone, then ``make run`` twice."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS")}
    for attempt in ("first", "second"):
        seconds, _ = run(["make", "run"], clone, environment)
        print(f"make run, {attempt:6}         {seconds:.1f} s")


PARTS: dict[str, Callable[[Path, int], None]] = {"plan": plan, "decide": decide, "compare": compare, "fresh": fresh}


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--scenarios", type=int, default=14_000)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="raise-benchmark-"))
    try:
        for part in given.parts or ["plan", "decide", "compare"]:
            PARTS[part](folder, given.scenarios)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
