"""What was run, and where it all comes from."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from .folder import RunFolder
from .markup import Part, el, scrolling, table
from .shown import SIMULATED, Section, Shown


def overview(shown: Shown) -> list[Part]:
    """The head of the page: whether the scores are simulated, and what was run."""
    run = shown.run
    n = len(run.held_out) if run.results is not None else len(run.planned)
    kind = "held-out scenarios" if run.results is not None else "planned scenarios"
    return [
        el("p", f"raise-agent {run.verb}", class_="eyebrow"),
        el("h1", run.path.resolve().name),
        el("p", f"{n:,} {kind} ({run.summary['data']['name']}), budget {shown.budget} questions", class_="lead"),
        _banner(shown),
        el("dl", [el("div", el("dt", name), el("dd", value)) for name, value in _facts(run)], class_="facts"),
    ]


def _banner(shown: Shown) -> Element:
    if shown.simulated:
        return el(
            "p",
            el("strong", f"{SIMULATED}."),
            " They say how the methods compare in the simulation, nothing about a real model or real people.",
            class_="banner simulated",
        )
    return el("p", el("strong", "Scores of served models."), f" {_models(shown.run)}.", class_="banner")


def _facts(run: RunFolder) -> Iterator[tuple[str, Part]]:
    yield "Command", el("code", f"raise-agent {run.verb} {shlex.join(run.overrides)}".strip())
    yield "Models", _models(run)
    data = run.summary["data"]
    left = [f"{data.get(key, 0):,} {what}" for key, what in _LEFT if data.get(key)]
    yield "Data", f"{data['name']}{''.join(f', {what}' for what in left)}"
    planner = run.cfg.get("planner")
    if planner is not None:
        # An order that is not configured is measured.
        given = ((key, value) for key, value in planner.items() if key != "name" and value not in (None, []))
        settings = ", ".join(f"{key} {value}" for key, value in given)
        yield "Planner", f"{planner.name}{f' ({settings})' if settings else ''}"
    if run.decline:
        yield "Declined", f"{run.decline:.0%} of the questions"
    yield "Seed", str(run.summary["seed"])
    commit, changed, _ = str(run.summary["commit"] or "not run from a checkout").partition("+")
    yield "Commit", f"{commit[:_SHORT]}{', with changes' if changed else ''}" if len(commit) == _HASH else commit


_HASH, _SHORT = 40, 12
"""Characters of a commit, and of its short form."""
_LEFT = (("skipped_records", "records skipped"), ("duplicates", "duplicates left out"))


def _models(run: RunFolder) -> str:
    """Responder and judge, as far as the folder says."""
    if run.summary["simulated"]:
        return f"simulated responder, judge and prior (seed {run.cfg.llm.get('seed')})"

    def named(role: str) -> str:
        identity = run.safety.get(role) or run.cfg.llm.get(role) or {}
        mode, revision = identity.get("mode"), identity.get("revision")
        about = ", ".join(str(part) for part in (mode, revision) if part)
        return f"{role} {identity.get('model') or run.cfg.llm.get('model')}{f' ({about})' if about else ''}"

    return f"{named('responder')}, {named('judge')}"


def provenance(shown: Shown) -> Section:
    """Versions and the whole configuration."""
    run = shown.run
    rows = [[name, str(version)] for name, version in run.summary["versions"].items()]
    rows.append(["commit", str(run.summary["commit"])])
    rows.append(["data digest", str(run.summary["data"]["digest"])])
    return Section(
        "provenance",
        "Provenance",
        "Where it comes from",
        [
            table(["", "version"], rows, caption="Versions", left=2, class_="narrow"),
            el("details", el("summary", "Configuration"), scrolling(el("pre", run.stated), "Configuration")),
        ],
    )
