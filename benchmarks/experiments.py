"""Times the paper's experiments at their default size on the embedded model; every score in them is simulated.

    python benchmarks/experiments.py                      # all, one after the other, on one store
    python benchmarks/experiments.py subsets convergence
    python benchmarks/experiments.py --keep results       # leaves the reports in that folder

The query encoder is distilled once for all, timed apart, unless --encoder=hashing. Machines differ and are
shared: compare figures of one run, and processor seconds where others are at work.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from raise_agent.experiments.studies.registry import STUDIES

COMMAND = [sys.executable, "-m", "raise_agent.experiments.main", "reproduce"]
LEARNING = ("table2", "stepwise", "abstention")
"""Experiments that encode queries."""


def run(experiment: str, folder: Path, encoder: str, *more: str) -> tuple[float, float, int]:
    """Seconds that an experiment takes, processor seconds of them, and the evaluations it makes."""
    chosen = [f"encoder={encoder}"] if experiment in LEARNING else []
    command = [*COMMAND, f"experiment={experiment}", f"hydra.run.dir={experiment}", *chosen, *more]
    began, before = time.perf_counter(), processor_seconds()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    seconds, processor = time.perf_counter() - began, processor_seconds() - before
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    results = json.loads((folder / experiment / f"{experiment}.json").read_text(encoding="utf-8"))
    return seconds, processor, results["evaluations_made"]


def processor_seconds() -> float:
    """Of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run those asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="*", choices=[[], *STUDIES.names()], default=[])
    parser.add_argument("--encoder", default="auto", choices=["auto", "static", "hashing"])
    parser.add_argument("--keep", type=Path, help="folder for the reports")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    with tempfile.TemporaryDirectory(prefix="raise-experiments-") as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if given.encoder != "hashing":
            least = ("data.n=60", "scenarios=2", "training=5", "distill.epochs=1", "evaluate.methods=[distilled]")
            seconds, processor, _ = run("table2", folder, given.encoder, *least, "store=runs/encoder.sqlite")
            print(f"{'encoder':12} {seconds:6.1f} s, processor {processor:6.1f} s, once", flush=True)
        whole = busy = 0.0
        for experiment in given.experiments or STUDIES.names():
            seconds, processor, made = run(experiment, folder, given.encoder)
            whole, busy = whole + seconds, busy + processor
            print(f"{experiment:12} {seconds:6.1f} s, processor {processor:6.1f} s, {made:,} evaluations", flush=True)
    print(f"{'all':12} {whole:6.1f} s, processor {busy:6.1f} s")


if __name__ == "__main__":
    main()
