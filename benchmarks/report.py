"""Prints the figures of the report: how large it is, how long it takes to build, and to open in a browser.

    python benchmarks/report.py
    python benchmarks/report.py --scenarios 200 --answers 20

The run is made on the spot: test scenarios of the embedded default, every method but the long ones, no planning. As a
simulated model writes no answers, some are made up, as long as a served model's. Machines differ and are shared:
compare figures of one run.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from raise_agent.experiments.reporting.answers import Stored
from raise_agent.experiments.reporting.folder import read_run
from raise_agent.experiments.reporting.page import ReportSettings, page
from raise_agent.experiments.reporting.people import people_of

METHODS = "[none,random,static,greedy,mcts,full]"
COMMAND = [sys.executable, "-m", "raise_agent.experiments.main"]
TRAINING = 100
"""Scenarios that the static order is measured on."""
WORDS = 260
"""Of an answer: about 350 tokens."""
OPENED = 5

TIMES = """() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => {
  const [page] = performance.getEntriesByType("navigation");
  done([page.loadEventEnd, performance.now()]);
})))"""
"""Milliseconds from the navigation's start until the page was loaded, and until its first scenario was drawn."""


def evaluated(folder: Path, scenarios: int) -> float:
    """Make the run; seconds."""
    total = scenarios + TRAINING
    # A little more than is needed: the split goes by content.
    n, test = int(total * 1.06) + 40, scenarios / total
    split = [f"data.split.train={1 - test}", "data.split.validation=0", f"data.split.test={test}"]
    sizes = [f"data.n={n}", f"evaluate.scenarios={scenarios}", f"sensitivity_scenarios={TRAINING}", "encoder=hashing"]
    began = time.perf_counter()
    command = [*COMMAND, "evaluate", f"evaluate.methods={METHODS}", *sizes, *split, "hydra.run.dir=run"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def built(folder: Path, answers: int) -> tuple[Path, float]:
    """Build the report with so many scenarios' made-up answers; the file and seconds."""
    began = time.perf_counter()
    run = read_run(folder / "run")
    made_up = {
        row: {talk.known: made_up_answer(row, talk.known) for talk in record.talks.values()}
        for row, record in enumerate(run.held_out[:answers])
    }
    file = folder / "report.html"
    file.write_text(page(run, people_of(run), Stored(made_up, None), ReportSettings()), encoding="utf-8")
    return file, time.perf_counter() - began


def made_up_answer(row: int, subset: int) -> str:
    """Words that say nothing."""
    words = random.Random(f"{row} {subset}")
    return " ".join("".join(words.choices("etaoinshrdlu", k=words.randint(2, 9))) for _ in range(WORDS))


def opened(file: Path) -> tuple[list[float], list[float]]:
    """Seconds until the page is loaded, and until its first scenario is drawn, each time it is opened anew."""
    chromium = os.environ.get("RAISE_CHROMIUM") or shutil.which("chromium")
    loaded, drawn = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(OPENED):
            shown = browser.new_context().new_page()
            shown.goto(file.as_uri())
            shown.wait_for_selector("html[data-ready] #scenario h3")
            times = shown.evaluate(TIMES)
            loaded.append(times[0] / 1000)
            drawn.append(times[1] / 1000)
            shown.context.close()
        browser.close()
    return loaded, drawn


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", type=int, default=2000)
    parser.add_argument("--answers", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        seconds = evaluated(folder, given.scenarios)
        print(f"evaluation of {given.scenarios:,} scenarios, its own report included  {seconds:.1f} s (simulated)")
        file, seconds = built(folder, given.answers)
        print(f"built, with answers to {given.answers:,} scenarios  {seconds:.2f} s")
        print(f"size  {file.stat().st_size / 1e6:.2f} MB")
        loaded, drawn = opened(file)
        print(f"opened, median and worst of {OPENED}  {statistics.median(loaded):.2f} s, {max(loaded):.2f} s")
        print(f"first scenario drawn, likewise  {statistics.median(drawn):.2f} s, {max(drawn):.2f} s")


if __name__ == "__main__":
    main()
