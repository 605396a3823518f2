"""Methods side by side on held-out scenarios: same responder, same judge, paired."""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from raise_agent.attributes import AttributeTable
from raise_agent.encoders import Encoder
from raise_agent.errors import ConfigError, TableError
from raise_agent.planners.runner import LimitReached, Runner
from raise_agent.policies import AcquisitionPolicy, SimulatedPolicyWarning
from raise_agent.policies.retrieval import PlannedPaths
from raise_agent.scenario import Scenario

from .agents import AgentMethod, asks_a_model, labels_of, method_of
from .assembly import Bench, planner_settings
from .methods import Conversation, Material, Pair, conversations, reserved_names
from .results import RESULTS, Details, MethodResult, MethodScores, OverQueries, flat, write_results
from .statistics import Mean, mean_interval, ratio_interval
from .tracking import Tracker
from .yardsticks import Calibration, calibrate, final_dimensions, prefix_scores, score_held_out

_log = logging.getLogger(__name__)

Ladders = list[list[float | None]]
"""Of each scenario, scores after 0, 1, ... questions."""


def compare(
    bench: Bench,
    tracker: Tracker,
    folder: Path,
    policy_folder: Path | None,
    plans: Path | None,
    agents: Mapping[str, Pair] = MappingProxyType({}),
) -> list[MethodResult]:
    """Run every method on the test scenarios; write results as JSON and Markdown.

    Args:
        bench: what the configuration describes.
        tracker: is told the results.
        folder: of the job's output.
        policy_folder: needed where a method has policy ``distilled`` or abstention ``value``.
        plans: ``plans.jsonl`` over scenarios of the same data, for policies ``retrieval`` and ``llm``.
        agents: further methods by name, each a policy and an abstention.

    Raises:
        ConfigError: a method lacks what it needs, two have one name, or an agent asks for other attributes.
        PolicyError: the policy does not fit.
    """
    cfg = bench.cfg.evaluate
    configured = dict(zip(labels_of(cfg.methods), map(method_of, cfg.methods), strict=True))
    needed = {name for m in configured.values() for name in ({m} if isinstance(m, str) else m.policies)}
    _check_agents(agents, configured, bench)
    methods: dict[str, str | AgentMethod | Pair] = {**configured, **agents}
    names = list(methods)
    scenarios = bench.scenarios.test[: cfg.scenarios]
    material = _material(bench, needed, policy_folder, plans)
    talks: dict[str, list[Conversation]] = {}
    scores: dict[str, list[float | None]] = {}
    if "static" in needed and not (material.planner[0] == "static" and material.planner[1].get("order")):
        bench.static_order()  # measured under a heading of its own
    with bench.runner("evaluating") as runner:
        for name in dict.fromkeys(["none", "full", *names]):
            talks[name] = conversations(methods.get(name, name), bench, runner, scenarios, material)
            scores[name] = [row[0] for row in score_held_out(runner, scenarios, [[t.known] for t in talks[name]])]
        oracle, calibration, steps = _held_against(bench, runner, scenarios, talks, material.policy)
        details = Details(steps, final_dimensions(bench.store, runner.identity, scenarios, talks))
    results = [_result(name, scenarios, talks[name], scores, bench, oracle) for name in names]
    write_results(bench, folder, scenarios, results, talks, scores, calibration, details)
    tracker.table("evaluate/results", [flat(result) for result in results])
    tracker.log({f"evaluate/{r.method}/score": r.score.mean for r in results if math.isfinite(r.score.mean)})
    if calibration is not None:
        tracker.log({"evaluate/calibration_error": calibration.error})
    tracker.artifact("results", "results", folder / RESULTS)
    return results


def _material(bench: Bench, needed: set[str], policy_folder: Path | None, plans: Path | None) -> Material:
    """What the methods are made of, as far as the policies ``needed`` ask for it."""
    policy = planned = None
    if "distilled" in needed:
        if policy_folder is None:
            raise ConfigError(
                "evaluate.methods has 'distilled', or 'value', which goes by it: give its folder as evaluate.policy"
            )
        with warnings.catch_warnings():
            # The results say it themselves.
            warnings.simplefilter("ignore", SimulatedPolicyWarning)
            policy = _fitting(AcquisitionPolicy.load(policy_folder), bench)
    for name in ("retrieval", "llm"):
        if name in needed and plans is None:
            raise ConfigError(f"evaluate.methods has {name!r}: give the plans it retrieves as evaluate.plans")
    if plans is not None and needed & {"retrieval", "llm"}:
        assert bench.encoder is not None
        planned = planned_paths(plans, bench.scenarios.planned, bench.table, bench.encoder, "evaluate.plans")
    model = bench.agent() if any(map(asks_a_model, bench.cfg.evaluate.methods)) else None
    return Material(policy, planned, model, planner_settings(bench.cfg.planner))


def _held_against(
    bench: Bench,
    runner: Runner,
    scenarios: Sequence[Scenario],
    talks: Mapping[str, Sequence[Conversation]],
    policy: AcquisitionPolicy | None,
) -> tuple[Ladders | None, Calibration | None, dict[str, Ladders]]:
    """The oracle's scores after each question, the policy's calibration, and those scores of each of the methods.

    As much of them as the configuration asks for, and as its limits let be scored.
    """
    cfg = bench.cfg.evaluate
    oracle = calibration = None
    steps: dict[str, Ladders] = {}
    try:
        # Where asking costs, the oracle stops early by a sum of its own.
        if "oracle" in talks and not any(bench.table.costs):
            oracle = prefix_scores(runner, scenarios, talks["oracle"])
        if "distilled" in talks and cfg.calibration:
            assert policy is not None
            calibration = calibrate(policy, runner, scenarios, talks["distilled"])
        if cfg.steps:
            # Nobody asks everything in the order of the table.
            for name in (name for name in talks if name != "full"):
                steps[name] = (oracle if name == "oracle" else None) or prefix_scores(runner, scenarios, talks[name])
    except LimitReached as stop:
        _log.warning("%s: the methods are compared, but not all that they are held against is scored", stop)
    return oracle, calibration, steps


def _check_agents(agents: Mapping[str, Pair], configured: Mapping[str, object], bench: Bench) -> None:
    for name, (policy, _) in agents.items():
        if name in reserved_names() | set(configured):
            raise ConfigError(f"agent {name!r}: another method has this name")
        if policy.table.keys != bench.table.keys:
            raise ConfigError(
                f"agent {name!r} asks for {', '.join(policy.table.keys)}, "
                f"the scenarios hold {', '.join(bench.table.keys)}"
            )


def planned_paths(
    file: Path, scenarios: Sequence[Scenario], table: AttributeTable, encoder: Encoder, where: str
) -> PlannedPaths:
    """The paths of a ``plans.jsonl``, with the queries of the scenarios they were planned for.

    Args:
        file: the plans.
        scenarios: those that may have been planned over.
        table: their attributes.
        encoder: of queries.
        where: the setting that names the file.

    Raises:
        ConfigError: the file cannot be read, or holds no plan of these scenarios.
    """
    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        paths = {line["id"]: [table.index(key) for key in line["path"]] for line in lines}
    except OSError as error:
        raise ConfigError(f"{where}: {file}: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, TableError):
        raise ConfigError(f"{where}: {file} is not a plans.jsonl of this attribute table") from None
    found = [scenario for scenario in scenarios if scenario.id in paths]
    if not found:
        raise ConfigError(f"{where}: {file} holds no plan of these scenarios; use those of the same data")
    return PlannedPaths(table, encoder, [s.query for s in found], [paths[s.id] for s in found])


def _fitting(policy: AcquisitionPolicy, bench: Bench) -> AcquisitionPolicy:
    if policy.table.keys != bench.table.keys:
        raise ConfigError(
            f"the policy asks for {', '.join(policy.table.keys)}, the scenarios hold {', '.join(bench.table.keys)}; "
            "use the attribute table it was distilled with"
        )
    if policy.budget != bench.cfg.budget:
        raise ConfigError(
            f"the policy's budget is {policy.budget}, this evaluation's is {bench.cfg.budget}; "
            f"set budget={policy.budget}"
        )
    return policy


@dataclass(frozen=True, slots=True)
class _Compared:
    """Numbers of the scenarios that all the methods in question have scored, with their queries."""

    queries: Sequence[str]
    rows: Sequence[tuple[float, ...]]

    def mean(self, of: Callable[..., float]) -> tuple[Mean, Mean]:
        """Over scenarios, and over queries."""
        values = [of(*row) for row in self.rows]
        return mean_interval(values), mean_interval(values, self.queries)


def _result(
    name: str,
    scenarios: Sequence[Scenario],
    talks: Sequence[Conversation],
    scores: MethodScores,
    bench: Bench,
    oracle: Sequence[Sequence[float | None]] | None,
) -> MethodResult:
    def compared(*names: str) -> _Compared:
        rows = zip(*(scores[one] for one in names), strict=True)
        whole = [(scenario.query, row) for scenario, row in zip(scenarios, rows, strict=True) if None not in row]
        return _Compared([query for query, _ in whole], [tuple(s for s in row if s is not None) for _, row in whole])

    own = compared(name)
    score, score_over_queries = own.mean(lambda mine: mine)
    gain, _ = compared(name, "none").mean(lambda mine, none: mine - none)
    behind, behind_over_queries = (
        compared(name, "distilled").mean(lambda mine, theirs: theirs - mine)
        if "distilled" in scores and name != "distilled"
        else (None, None)
    )
    both = compared(name, "none", "full").rows
    full = sum(full - none for _, none, full in both)
    share = share_over_queries = None
    gains = None if oracle is None else _oracle_gains(name, talks, scores, oracle)
    if gains:
        queries = [scenarios[place].query for place, _, _ in gains]
        reached, best = [mine for _, mine, _ in gains], [theirs for _, _, theirs in gains]
        if math.fsum(best):
            share, share_over_queries = ratio_interval(reached, best), ratio_interval(reached, best, queries)
    n, costs = len(talks), bench.table.costs
    return MethodResult(
        method=name,
        score=score,
        gain=gain,
        share=sum(mine - none for mine, none, _ in both) / full if both and full else math.nan,
        oracle_share=share,
        behind=behind,
        over_queries=OverQueries(len(set(own.queries)), score_over_queries, share_over_queries, behind_over_queries),
        questions=sum(len(talk.asked) for talk in talks) / n,
        cost=sum(sum(costs[index] for index in talk.asked) for talk in talks) / n,
        evaluations=sum(talk.evaluations for talk in talks) / n,
        unscored=1 - len(own.rows) / n,
        failures=sum(talk.failures for talk in talks),
    )


def _oracle_gains(
    name: str, talks: Sequence[Conversation], scores: MethodScores, oracle: Sequence[Sequence[float | None]]
) -> list[tuple[int, float, float]]:
    """Which scenario, its gain, and what the oracle's path gains in as many questions, the whole path where it is
    shorter; none where more was asked than the oracle may ask.

    Of the scenarios that all methods have scored, so that shares can be compared.

    Args:
        name: of the method.
        talks: of the method.
        scores: of all methods, ``none`` among them.
        oracle: of each scenario, scores after 0, 1, ... questions of its oracle path.
    """
    longest = max(len(ladder) for ladder in oracle)
    if any(len(talk.asked) >= longest for talk in talks):
        return []
    found = []
    whole = [None not in row for row in zip(*scores.values(), strict=True)]
    rows = zip(talks, scores[name], scores["none"], oracle, whole, strict=True)
    for place, (talk, mine, none, ladder, compared) in enumerate(rows):
        theirs = ladder[min(len(talk.asked), len(ladder) - 1)]
        if compared and mine is not None and none is not None and theirs is not None:
            found.append((place, mine - none, theirs - none))
    return found
