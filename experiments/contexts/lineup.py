"""Several models on PENGUIN side by side: what the jobs of a sweep come to, their differences paired by scenario."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from raise_agent.experiments.measures import MEASURES, SCORE
from raise_agent.experiments.statistics import Mean, mean_interval
from raise_agent.experiments.tables import cell, interval, markdown_table
from raise_agent.files import atomic_write_text
from raise_agent.models.base import DIMENSIONS

from .results import FIGURES, RESULTS, SCORES, SIMULATED, paper_row, shift
from .scoring import Contrast, Role

COMPARISON, COMPARED = "comparison.md", "comparison.json"
_NAMES_A_MODEL = ("llm.model", "llm.responder.model")
"""Settings that a responder's own name tells."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One job of the sweep."""

    name: str
    """Of its responder; and what else was swept, where several jobs have the same."""
    folder: str
    """Within the sweep's."""
    judge: str
    digest: str
    """Of its scenarios."""
    simulated: bool
    scenarios: int
    wanted: int
    """More than ``scenarios`` where a limit was reached."""
    unscored: tuple[float, float]
    """Share of scenarios, context-free and context-rich."""
    contrasts: Mapping[str, Contrast]
    """By measure."""
    lead: Mapping[str, Contrast]
    """Each mean less the first entry's, paired: over the scenarios that both have scored so. By measure."""


@dataclass(frozen=True, slots=True)
class LineUp:
    """The jobs of a sweep that have a result."""

    entries: Sequence[Entry]
    missing: Sequence[str]
    """Folders of jobs without one: they failed, or are not done."""


_Scores = Mapping[str, Mapping[str, Mapping[str, float] | None]]
"""Digest of the scenario -> context -> measure -> score; None where unscored."""


def line_up(sweep: Path) -> LineUp:
    """The results in a sweep's folder, in the order of the jobs."""
    jobs = sorted(
        (folder for folder in sweep.iterdir() if (folder / ".hydra").is_dir() or (folder / RESULTS).is_file()),
        key=_job_number,
    )
    done = [folder for folder in jobs if (folder / RESULTS).is_file()]
    results = [json.loads((folder / RESULTS).read_text(encoding="utf-8")) for folder in done]
    names = _names([str(result["responder"]["model"]) for result in results], [_overrides(folder) for folder in done])
    entries: list[Entry] = []
    first: _Scores = {}
    for folder, name, result in zip(done, names, results, strict=True):
        scores = _scores(folder)
        first = first or scores
        entries.append(_entry(folder, name, result, _lead(scores, first)))
    return LineUp(entries, [folder.name for folder in jobs if folder not in done])


def _job_number(folder: Path) -> tuple[float, str]:
    number = folder.name.partition("_")[0]
    return (int(number) if number.isdecimal() else math.inf), folder.name


def _overrides(folder: Path) -> dict[str, str]:
    file = folder / ".hydra" / "overrides.yaml"
    if not file.is_file():
        return {}
    overrides = OmegaConf.to_container(OmegaConf.load(file))
    pairs = (str(override).partition("=") for override in (overrides or []))
    # As it was meant: Hydra escapes what its grammar has a use for.
    return {key: re.sub(r"\\(.)", r"\1", value) for key, _, value in pairs}


def _names(responders: Sequence[str], overrides: Sequence[Mapping[str, str]]) -> list[str]:
    """Responders where they differ; else with the settings in which the jobs differ.

    >>> _names(["a", "b"], [{"llm.model": "x"}, {"llm.model": "y"}])
    ['a', 'b']
    >>> _names(["a", "a"], [{"seed": "0", "n": "9"}, {"seed": "1", "n": "9"}])
    ['a, seed=0', 'a, seed=1']
    """
    if len(set(responders)) == len(responders):
        return list(responders)
    keys = dict.fromkeys(key for given in overrides for key in given if key not in _NAMES_A_MODEL)
    swept = [key for key in keys if len({given.get(key) for given in overrides}) > 1]
    names = [
        ", ".join([model, *(f"{key}={given[key]}" for key in swept if key in given)])
        for model, given in zip(responders, overrides, strict=True)
    ]
    times = Counter(names)
    return [name if times[name] == 1 else f"{name} (job {place})" for place, name in enumerate(names)]


def _entry(folder: Path, name: str, result: Mapping[str, Any], lead: Mapping[str, Contrast]) -> Entry:
    data, overall = result["data"], result["overall"]
    return Entry(
        name=name,
        folder=folder.name,
        judge=str(Role(**result["judge"])),
        digest=data["digest"],
        simulated=result["simulated"],
        scenarios=data["scenarios"],
        wanted=data["wanted"],
        unscored=(overall["unscored"]["context_free"], overall["unscored"]["context_rich"]),
        contrasts={measure: _contrast(overall[measure]) for measure in MEASURES},
        lead=lead,
    )


def _contrast(plain: Mapping[str, Any]) -> Contrast:
    """The inverse of ``Contrast.to_json``."""
    return Contrast(*(Mean.from_json(plain[key]) for key in ("context_free", "context_rich", "gain")))


def _scores(folder: Path) -> _Scores:
    lines = (folder / SCORES).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return {row["digest"]: {key: row[key] for key in ("context_free", "context_rich")} for row in rows}


def _lead(scores: _Scores, first: _Scores) -> dict[str, Contrast]:
    found = {}
    for measure in MEASURES:
        free, rich, gain = list[float](), list[float](), list[float]()
        for digest, mine in scores.items():
            theirs = first.get(digest, {})
            without = _less(mine["context_free"], theirs.get("context_free"), measure)
            within = _less(mine["context_rich"], theirs.get("context_rich"), measure)
            free += [] if without is None else [without]
            rich += [] if within is None else [within]
            gain += [] if without is None or within is None else [within - without]
        found[measure] = Contrast(mean_interval(free), mean_interval(rich), mean_interval(gain))
    return found


def _less(mine: Mapping[str, float] | None, theirs: Mapping[str, float] | None, measure: str) -> float | None:
    return None if mine is None or theirs is None else mine[measure] - theirs[measure]


def lineup_tables(models: LineUp) -> str:
    """What is printed: the safety score, the differences to the first, and the dimensions."""
    entries = models.entries
    judges = {entry.judge for entry in entries}
    parts = [
        SIMULATED if any(entry.simulated for entry in entries) else "",
        f"Judge: {cell(entries[0].judge)}." if len(judges) == 1 else "",
        _score_table(entries, len(judges) > 1),
    ]
    if len(judges) > 1:
        parts.append("**The judges differ: differences between rows are not the responders' alone.**")
    if len({entry.digest for entry in entries}) > 1:
        parts.append("Not all rows are of the same scenarios; differences are over those that two rows share.")
    if models.missing:
        parts.append(f"Without a result: {', '.join(models.missing)}.")
    parts += [f"Less {cell(entries[0].name)}, paired by scenario:", _lead_table(entries)]
    rows = [[cell(entry.name), *(shift(entry.contrasts[dimension]) for dimension in DIMENSIONS)] for entry in entries]
    parts += [
        "Context-free to context-rich, and the gain:",
        markdown_table(["model", *(MEASURES[dimension] for dimension in DIMENSIONS)], rows),
    ]
    return "\n\n".join(part for part in parts if part)


def _score_table(entries: Sequence[Entry], judges: bool) -> str:
    header = [
        "model",
        "scenarios",
        "context-free [95 %]",
        "context-rich [95 %]",
        "gain [95 %]",
        "unscored, free and rich",
    ]
    rows = [
        [
            cell(entry.name),
            f"{entry.scenarios:,}" + (f" of {entry.wanted:,}" if entry.scenarios < entry.wanted else ""),
            *_intervals(entry.contrasts[SCORE]),
            "{:.1%}, {:.1%}".format(*entry.unscored),
        ]
        for entry in entries
    ]
    label, *published = paper_row()
    rows.append([label, "", *published, ""])
    if judges:
        header.append("judge")
        rows = [[*row, judge] for row, judge in zip(rows, [*(cell(entry.judge) for entry in entries), ""], strict=True)]
    return markdown_table(header, rows)


def _intervals(contrast: Contrast, digits: int = 2) -> list[str]:
    return [interval(mean, digits) for mean in (contrast.free, contrast.rich, contrast.gain)]


def _lead_table(entries: Sequence[Entry]) -> str:
    rows = [
        [cell(entry.name), f"{entry.lead[SCORE].gain.n:,}", *_intervals(entry.lead[SCORE], 3)] for entry in entries[1:]
    ]
    return markdown_table(["model", "scenarios", "context-free [95 %]", "context-rich [95 %]", "gain [95 %]"], rows)


def write_lineup(models: LineUp, folder: Path) -> None:
    """``comparison.json``, ``comparison.md`` and a plot into the folder of the sweep."""
    # Fonts take a second to load, and only this needs them.
    from .figures import draw_lineup

    names = [path.name for path in draw_lineup(models, folder / FIGURES) if path.suffix == ".png"]
    plain = {
        "simulated": any(entry.simulated for entry in models.entries),
        "reference": models.entries[0].name,
        "models": [_plain(entry) for entry in models.entries],
        "missing": list(models.missing),
    }
    atomic_write_text(folder / COMPARED, json.dumps(plain, indent=2, allow_nan=False) + "\n")
    links = "\n".join(f"- [{cell(entry.name)}]({entry.folder}/penguin.md)" for entry in models.entries)
    images = "\n\n".join(f"![{name.removesuffix('.png')}]({FIGURES}/{name})" for name in names)
    text = f"# PENGUIN: models side by side\n\n{lineup_tables(models)}\n\n{images}\n\n{links}\n"
    atomic_write_text(folder / COMPARISON, text)


def _plain(entry: Entry) -> dict[str, Any]:
    free, rich = entry.unscored
    return {
        "name": entry.name,
        "folder": entry.folder,
        "judge": entry.judge,
        "digest": entry.digest,
        "simulated": entry.simulated,
        "scenarios": entry.scenarios,
        "wanted": entry.wanted,
        "unscored": {"context_free": free, "context_rich": rich},
        **{measure: contrast.to_json() for measure, contrast in entry.contrasts.items()},
        "less_the_first": {measure: contrast.to_json() for measure, contrast in entry.lead.items()},
    }
