"""Planners on families of problems at equal evaluations: from the configuration to files, through a few processes."""

from __future__ import annotations

import csv
import io
import json
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from raise_agent.experiments.progress import LIVE_SECONDS, PLAIN_SECONDS
from raise_agent.experiments.provenance import commit, published_yaml, versions, without_folders
from raise_agent.experiments.tracking import Tracker
from raise_agent.files import atomic_write_text

from .design import Design
from .lessons import Learned, Lesson, LessonKey, study
from .standings import Block, block_json, block_rows, block_table, difference_table, paragraph, path_tables, standings
from .trials import Ground, Played, Slice, play

RESULTS, REPORT, TRIALS, FIGURES = "benchmark.json", "benchmark.md", "benchmark.csv", "figures"
LEGEND = (
    "Share of the oracle's gain captured, in %, by most evaluations (columns), ± half its 95 % interval over "
    "instances; the smallest limit with which 95 % and 99 % are captured on average; evaluations used of the largest "
    "limit; processor milliseconds of the planner's own code per evaluation."
)
SIMULATED = (
    "**Families marked *simulated* are the embedded model: how planners compare there, nothing about a real model.**"
)
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_design(design: Design) -> list[Block]:
    """Teach and try it all; blocks in the order of grounds and noises, whatever the number of processes."""
    lessons = {lesson.key: lesson for ground in design.grounds for lesson in design.lessons(ground).values()}
    untaught = design.slices()
    done = _Progress(len(lessons) + len(untaught), simulated=design.simulated)
    with _pool(min(design.workers, len(lessons) + len(untaught))) as pool:
        learned = dict(zip(lessons, _run(pool, study, list(lessons.values()), done), strict=True))
        slices = [design.taught(part, learned) for part in untaught]
        played = _run(pool, play, slices, done)
    done.end()
    return list(_blocks(design, slices, played, learned))


_Part = TypeVar("_Part", Lesson, Slice)
_Result = TypeVar("_Result")


def _run(
    pool: ProcessPoolExecutor, work: Callable[[_Part], _Result], parts: Sequence[_Part], done: _Progress
) -> list[_Result]:
    """What comes of each part, in their order."""
    results: dict[int, _Result] = {}
    with _interrupts_ignored():
        waiting = {pool.submit(work, part): position for position, part in enumerate(parts)}
    for future in as_completed(waiting):
        results[waiting[future]] = future.result()
        done.step(parts[waiting[future]].ground)
    return [results[position] for position in range(len(parts))]


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes with one thread each: numbers must not depend on how many cores add them up, nor times on idle ones."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    others = set(multiprocessing.active_children())
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    # Spawned, not forked: a library reads the variables when it is imported, and threads do not survive a fork.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_end_with_the_first_process)
    try:
        yield pool
    except BaseException:
        # Nobody wants what they are at, which may take a minute.
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Processes started meanwhile ignore Ctrl-C, which reaches them too, for good; the first process ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end_with_the_first_process() -> None:
    """A process whose parent is killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _blocks(
    design: Design, slices: Sequence[Slice], played: Sequence[Played], learned: Mapping[LessonKey, Learned]
) -> Iterator[Block]:
    for ground in design.grounds:
        parts = [found for part, found in zip(slices, played, strict=True) if part.ground == ground]
        simulated = ground.family.simulated
        lessons = design.lessons(ground)
        for noise in design.noises:
            yield Block(
                ground=ground,
                noise=noise,
                planners=tuple(planner.label for planner in design.planners),
                evaluations=design.evaluations,
                references=tuple(reference for part in parts for reference in part.references),
                trials=tuple(trial for part in parts for trial in part.trials if trial.noise == noise),
                refused={key: why for part in parts for key, why in part.refused.items()},
                reference=design.reference,
                simulated=simulated,
                objective=design.objective,
                taught=None if noise not in lessons else (lessons[noise], learned[lessons[noise].key]),
            )


class _Progress:
    """How far it has come, on standard error: one live line on a terminal, plain lines elsewhere."""

    def __init__(self, parts: int, *, simulated: bool) -> None:
        self._parts, self._done, self._simulated = parts, 0, simulated
        self._console = Console(file=sys.stderr, highlight=False)
        self._began = self._shown = time.monotonic()

    def step(self, ground: Ground) -> None:
        """One more slice is done."""
        self._done += 1
        now = time.monotonic()
        if now - self._shown >= (LIVE_SECONDS if self._console.is_terminal else PLAIN_SECONDS):
            self._shown = now
            left = (now - self._began) / self._done * (self._parts - self._done)
            self._say(f"last {ground.family.label}, ETA {left:,.0f} s", "\r" if self._console.is_terminal else "\n")

    def end(self) -> None:
        """All is done."""
        self._say(f"done in {time.monotonic() - self._began:,.1f} s", "\n")

    def _say(self, what: str, end: str) -> None:
        marked = " (simulated)" if self._simulated else ""
        line = f"benchmark{marked}: {self._done:,}/{self._parts:,} parts, {what}"
        self._console.print(
            line.ljust(100) if self._console.is_terminal else line, end=end, markup=False, soft_wrap=True
        )


def tables(blocks: Sequence[Block]) -> str:
    """All results as Markdown, as they are printed."""
    return "\n\n".join(
        [paragraph(LEGEND), *([SIMULATED] if any(b.simulated for b in blocks) else []), *map(block_table, blocks)]
    )


def write(design: Design, blocks: Sequence[Block], cfg: DictConfig, folder: Path, tracker: Tracker) -> None:
    """Results, report, trials and figures into the folder, and to the tracker."""
    # Fonts take a second to load, and only this needs them.
    from .figures import draw_family

    run = {
        "simulated": design.simulated,
        "seeds": list(design.seeds),
        "commit": commit(),
        "versions": {**versions(), "scikit-learn": version("scikit-learn"), "matplotlib": version("matplotlib")},
    }
    config = without_folders(OmegaConf.to_container(cfg, resolve=True))
    results = {**run, "reference": design.reference, "blocks": [block_json(b) for b in blocks], "config": config}
    atomic_write_text(folder / RESULTS, json.dumps(results, indent=2, allow_nan=False) + "\n")
    atomic_write_text(folder / TRIALS, _csv(blocks))
    (folder / FIGURES).mkdir(exist_ok=True)
    families: dict[str, list[Block]] = {}
    for block in blocks:
        families.setdefault(block.ground.family.label, []).append(block)
    drawn = [path for of in families.values() for path in draw_family(of, folder / FIGURES, design.strategies_at)]
    atomic_write_text(folder / REPORT, _report(blocks, [p.name for p in drawn if p.suffix == ".png"], run, cfg))
    tracker.table("benchmark/results", [row for block in blocks for row in block_rows(block)])
    tracker.log(_metrics(blocks))
    tracker.artifact("benchmark", "results", folder / RESULTS)
    tracker.artifact("benchmark-trials", "results", folder / TRIALS)
    tracker.artifact("benchmark-figures", "figures", folder / FIGURES)


def _metrics(blocks: Sequence[Block]) -> dict[str, float]:
    """Share captured, by family, size, planner and limit."""
    found = {}
    for block in blocks:
        ground = block.ground
        where = f"{ground.family.label}/n{ground.n_attributes}/b{ground.budget}/noise{block.noise:g}"
        for (planner, limit), standing in standings(block).items():
            if math.isfinite(standing.captured.mean):
                found[f"benchmark/{where}/{planner}/{limit}"] = standing.captured.mean
                found[f"benchmark_prefixes/{where}/{planner}/{limit}"] = standing.prefixes.mean
    return found


def _csv(blocks: Sequence[Block]) -> str:
    """One line per trial. No times: the same configuration gives the same file, byte for byte."""
    text = io.StringIO()
    columns = (
        "family simulated n_attributes budget noise seed instance planner evaluations used path value nothing best"
    )
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns.split(), "static", "captured", "prefixes", "steps"])
    for block in blocks:
        references = {(r.seed, r.instance): r for r in block.references}
        ground = block.ground
        head = (ground.family.label, block.simulated, ground.n_attributes, ground.budget, block.noise)
        for t in block.trials:
            r = references[t.seed, t.instance]
            what = (t.seed, t.instance, t.planner, t.evaluations, t.used, " ".join(map(str, t.path)))
            writer.writerow(
                [
                    *head,
                    *what,
                    t.value,
                    r.nothing,
                    r.best,
                    r.static,
                    t.captured,
                    t.prefixes,
                    " ".join(map(str, t.steps)),
                ]
            )
    return text.getvalue()


def _report(blocks: Sequence[Block], figures: Sequence[str], run: Mapping[str, Any], cfg: DictConfig) -> str:
    parts = ["# Benchmark", tables(blocks)]
    parts += [f"![{name.removesuffix('.png').replace('_', ' ')}]({FIGURES}/{name})" for name in figures]
    along = (
        "True value in score points after that many questions along the path, each planner within its largest limit, "
        "± half its 95 % interval over instances. Then the share of the oracle's gain, mean over all prefixes of the "
        "path but the empty one, in %, by most evaluations. That mean is below 100 % even for the best path."
    )
    parts += ["## Along the path", along, *map(path_tables, blocks)]
    differences = [table for block in blocks if (table := difference_table(block))]
    if differences:
        about = "Share captured less that of the reference, in percentage points, paired by instance, [95 %]."
        parts += ["## Differences", about, *differences]
    made_with = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    parts += ["## Where it comes from", f"commit {run['commit']}; {made_with}"]
    parts.append(f"```yaml\n{published_yaml(cfg)}```")
    return "\n\n".join(parts) + "\n"
