"""Every number of a report against the files it comes from, worked out anew here."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from scipy import stats

from raise_agent.experiments.assembly import make_scenarios
from raise_agent.experiments.reporting.folder import RunFolder
from raise_agent.experiments.reporting.page import ReportSettings, report
from raise_agent.experiments.reporting.summaries import (
    PLANNING,
    asked_at,
    by_dimension,
    by_domain,
    convergence,
    curves,
    first_questions,
    flows,
    paths_of,
)
from raise_agent.store import EvaluationStore
from tests.experiments.reporting.made import Told, data_of, lines


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return {method["method"]: method for method in found["methods"]}


@pytest.fixture(scope="module")
def talks(folder: Path) -> list[Any]:
    return lines(folder / "conversations.jsonl")


def test_domains_and_dimensions_are_means_over_their_scenarios(
    run: RunFolder, talks: list[Any], results: dict[str, Any]
) -> None:
    domains = [scenario.domain for scenario in make_scenarios(run.cfg.data, run.table).test]
    groups = by_domain(run, domains)
    assert sum(group["mcts"].n for group in groups.values()) == len(talks)
    for name, group in groups.items():
        scores = [t["methods"]["mcts"]["score"] for t, domain in zip(talks, domains, strict=True) if domain == name]
        if len(scores) > 1:
            low, high = stats.t.interval(0.95, len(scores) - 1, fmean(scores), stats.sem(scores))
            assert (group["mcts"].low, group["mcts"].high) == pytest.approx((low, high), abs=1e-9)
        assert group["mcts"].mean == pytest.approx(fmean(scores), abs=1e-12)
    dimensions = by_dimension(run)
    for method, whole in results.items():
        assert fmean(d[method].mean for d in dimensions.values()) == pytest.approx(whole["score"]["mean"], abs=1e-9)


def test_curves_begin_at_none_and_end_at_the_scores_of_the_table(run: RunFolder, results: dict[str, Any]) -> None:
    found = {curve.method: curve for curve in curves(run, 3)}
    assert set(found) == set(results) - {"full"}
    for method, curve in found.items():
        assert len(curve.after) == 4
        assert curve.after[0] == found["none"].stops
        assert curve.stops.to_json() == results[method]["score"]
        assert curve.after[-1] == curve.stops
        assert curve.questions == results[method]["questions"]


def test_convergence_ends_at_the_value_of_the_plans(run: RunFolder, folder: Path) -> None:
    found = convergence("mcts", (record.search for record in run.planned), run.table)
    assert found is not None
    assert found.evaluations == tuple(range(1, 7))
    assert found.best[-1].mean == pytest.approx(fmean(p["value"] for p in lines(folder / "plans.jsonl")), abs=1e-4)
    means = [mean.mean for mean in found.best]
    assert means == sorted(means)


def test_searches_are_what_the_store_holds(run: RunFolder, folder: Path) -> None:
    planned = {s.id: s for s in make_scenarios(run.cfg.data, run.table).planned}
    with EvaluationStore(run.cfg.store) as store:
        assert run.plan is not None
        identity = store.identity(run.plan["models"]["safety"])
        for record in run.planned[:5]:
            held = store.evaluations(identity, planned[record.id].digest)
            assert record.search is not None
            scores = [round(held[subset, 0].score, 4) for subset in record.search.subsets]
            assert list(record.search.scores) == scores
            assert record.value == pytest.approx(max(scores), abs=1e-4)


def test_a_tree_over_paths_tells_its_rollouts(run: RunFolder) -> None:
    for record in run.held_out:
        search = record.talks["paper_mcts"].search
        assert search is not None
        root, *others = search.tree
        assert root.path == ()
        assert root.visits == len(search.scores)
        scored = [score for score in search.scores if score is not None]
        assert root.value == pytest.approx(fmean(scored), abs=1e-3)
        seen = {node.path: node.visits for node in search.tree}
        assert all(seen[node.path[:-1]] >= node.visits for node in others)
        assert sum(node.visits for node in others if len(node.path) == 1) <= root.visits
    assert all(record.talks["oracle"].search is None for record in run.held_out), "it scores everything"


def test_paths_are_counted_once_at_every_question(run: RunFolder) -> None:
    found = paths_of(run)
    assert set(found) == {*run.methods, PLANNING} - {"none", "full"}
    paths = [*found["distilled"], (4,), (), (4, 1)]
    share = first_questions(paths, 10)
    assert sum(share) == pytest.approx(1 - 1 / len(paths))
    assert share[4] == sum(path[:1] == (4,) for path in paths) / len(paths)
    for place, step in enumerate(flows(paths, 3)):
        before, after = Counter[int | None](), Counter[int | None]()
        for (one, then), count in step.items():
            before[one] += count
            after[then] += count
        assert (before, after) == (asked_at(paths, place), asked_at(paths, place + 1))
    assert flows(paths, 3)[1][None, None] == 2


def test_what_is_browsed_is_what_the_files_hold(run: RunFolder, folder: Path, talks: list[Any]) -> None:
    data = data_of(report(folder, ReportSettings()))
    scenarios = make_scenarios(run.cfg.data, run.table)
    everyone = [*scenarios.test, *scenarios.planned]
    assert data["ids"] == [s.id for s in everyone]
    assert data["people"]["queries"] == [s.query for s in everyone]
    values = data["people"]["values"]
    for scenario, places in zip(everyone, data["people"]["profiles"], strict=True):
        shown = [None if p < 0 else values[i][p] for i, p in enumerate(places)]
        assert shown == list(scenario.profile.values)
    for method in data["methods"][:-1]:
        for row, talk in enumerate(talks):
            told = talk["methods"][method["name"]]
            assert method["score"][row] == round(told["score"], 3)
            if method["name"] != "full":
                assert [run.table.keys[i] for i in method["asked"][row]] == told["asked"]
                assert method["steps"][row] == [round(score, 3) for score in told["steps"]]
    assert [p["path"] for p in lines(folder / "plans.jsonl")] == [
        [run.table.keys[i] for i in path] for path in data["methods"][-1]["asked"]
    ]


def test_a_tracker_is_told_the_same_and_nothing_that_was_said(made: tuple[Path, Told], run: RunFolder) -> None:
    folder, told = made
    domains = [scenario.domain for scenario in make_scenarios(run.cfg.data, run.table).test]
    rows = {(r["domain"], r["method"]): r["score"] for r in told.tables["report/by_domain"]}
    groups = by_domain(run, domains)
    assert rows == {(name, m): mean.mean for name, group in groups.items() for m, mean in group.items()}
    assert len(told.tables["report/by_question"]) == 4 * len(curves(run, 3))
    (page,) = told.pages
    assert "queries, profiles and answers (profiles=false)" in page
    assert data_of(page)["people"] is None
    queries = {s.query for s in make_scenarios(run.cfg.data, run.table).test}
    assert not any(query in page for query in queries)
    assert any(query in (folder / "report.html").read_text() for query in queries)
