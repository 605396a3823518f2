"""What a method's results are held against: the oracle with as many questions, and what a policy said of itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from raise_agent.distill.judge_noise import judge_noise
from raise_agent.planners.runner import Runner, Task, score_subsets
from raise_agent.policies import AcquisitionPolicy
from raise_agent.policies.distilled import DistilledPolicy
from raise_agent.scenario import Scenario
from raise_agent.store import EvaluationStore
from raise_agent.subsets import mask_of

from .methods import Conversation, seen_by_agent
from .tables import markdown_table, number

HELD_OUT_SAMPLE = -1
"""Searches are sent samples 0, 1, ...; methods are compared on this one."""
THRESHOLDS = (0.05, 0.1, 0.2, 0.4)
"""Of statements "this brings more than", in score points."""
BINS = 10
"""Of probabilities, 0 to 1."""


def score_held_out(
    runner: Runner, scenarios: Sequence[Scenario], subsets: Sequence[Sequence[int]]
) -> list[list[float | None]]:
    """Scores of some subsets of each scenario: a draw that no search has seen.

    A search returns the subset that looked best in its own draws; with a noisy judge, or one that fails at times,
    those draws flatter it.
    """
    tasks = [
        Task(scenario, partial(score_subsets, list(wanted)), first_sample=HELD_OUT_SAMPLE)
        for scenario, wanted in zip(scenarios, subsets, strict=True)
    ]
    return runner.run(tasks, origin="evaluate")


def known_after(talk: Conversation, questions: int) -> int:
    """The subset that was known after so many questions."""
    return mask_of(talk.asked[:questions]) & talk.known


def prefix_scores(
    runner: Runner, scenarios: Sequence[Scenario], talks: Sequence[Conversation]
) -> list[list[float | None]]:
    """Scores of each conversation after 0, 1, ... questions."""
    prefixes = [[known_after(talk, questions) for questions in range(len(talk.asked) + 1)] for talk in talks]
    return score_held_out(runner, scenarios, prefixes)


Dimensions = tuple[float, float, float]
"""Scores on the dimensions of ``models.base.DIMENSIONS``, each 1 to 5."""


def final_dimensions(
    store: EvaluationStore, identity: int, scenarios: Sequence[Scenario], talks: Mapping[str, Sequence[Conversation]]
) -> dict[str, list[Dimensions | None]]:
    """Method -> dimensions of each conversation's held-out score, None where it is unscored.

    Args:
        store: holds the evaluations.
        identity: number of the safety model's identity in it.
        scenarios: one for each conversation.
        talks: the conversations of each method.
    """
    found: dict[str, list[Dimensions | None]] = {name: [] for name in talks}
    for row, scenario in enumerate(scenarios):
        held = store.evaluations(identity, scenario.digest)
        for name, mine in found.items():
            evaluation = held.get((talks[name][row].known, HELD_OUT_SAMPLE))
            mine.append(None if evaluation is None else evaluation.dimensions)
    return found


@dataclass(frozen=True, slots=True)
class Turn:
    """What a policy forecast of the best question of a turn, whether it was asked or not."""

    row: int
    """Of the scenario."""
    asked: int
    """Questions asked before."""
    before: int
    after: int
    """Subsets known without and with its answer."""
    forecast: float
    """What it was expected to bring, in score points."""
    spread: float
    """Standard deviation that the policy gives that forecast, in score points."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """Statements "this brings more than so many points" of similar probability."""

    statements: int
    said: float
    """Their mean probability."""
    judged: float
    """How often statements of such a probability come true by this judge, whose noise is in what came; ``said`` where
    none shows."""
    held: float
    """Share of them that came true."""


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Best questions after as many questions."""

    asked: int
    turns: int
    forecast: float
    """Mean of what they were expected to bring, in score points."""
    brought: float
    """Mean of what they brought."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How what a policy said compares with what came."""

    reliability: Sequence[Reliability]
    """In ten equal bins of the probability, those without a statement left out."""
    forecasts: Sequence[Forecasts]
    error: float
    """Expected calibration error: mean distance of judged and held over the bins, weighted by statements."""
    judge_noise: float
    """Standard deviation of the noise in one score, in points, as far as it is beyond doubt."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"thresholds": list(THRESHOLDS), **asdict(self)}

    def markdown(self) -> str:
        """As two tables."""
        noisy = self.judge_noise > 0
        columns = ["statements", "said", *(["by this judge"] if noisy else []), "held"]
        said = [
            [f"{r.statements:,}", f"{r.said:.0%}", *([f"{r.judged:.0%}"] if noisy else []), f"{r.held:.0%}"]
            for r in self.reliability
        ]
        brought = [[str(f.asked), f"{f.turns:,}", number(f.forecast, 3), number(f.brought, 3)] for f in self.forecasts]
        return (
            f"{markdown_table(columns, said, left=0)}\n\n"
            f"{noise_text(self.judge_noise)}Expected calibration error {self.error:.3f}. What the best question was "
            "expected to bring, and what it brought:\n\n"
            f"{markdown_table(['questions before', 'turns', 'forecast', 'brought'], brought, left=0)}"
        )


def noise_text(judge_noise: float) -> str:
    """What a table of what held has to say of a noisy judge; nothing of one whose noise does not show."""
    if not judge_noise:
        return ""
    return (
        f"One score of this judge has noise of at least {judge_noise:.2f} points (standard deviation), which is in "
        'what came and not in what was said: of right statements as many hold as the column "by this judge" says. '
    )


def calibrate(
    policy: AcquisitionPolicy, runner: Runner, scenarios: Sequence[Scenario], talks: Sequence[Conversation]
) -> Calibration | None:
    """Hold what the policy said in each turn of its conversations against what its best question brings.

    The turn in which it answers counts as well: its best question is scored although it was not asked. A question
    that the user declines, or has no value for, tells nothing and is left out. None where nothing was scored.
    """
    turns = [turn for row in range(len(talks)) for turn in _turns(policy, scenarios[row], talks[row], row)]
    wanted: list[list[int]] = [[] for _ in talks]
    for turn in turns:
        wanted[turn.row] += [turn.before, turn.after]
    scores = [
        dict(zip(subsets, scored, strict=True))
        for subsets, scored in zip(wanted, score_held_out(runner, scenarios, wanted), strict=True)
    ]
    judged: list[tuple[Turn, float]] = []
    for turn in turns:
        before, after = scores[turn.row][turn.before], scores[turn.row][turn.after]
        if before is not None and after is not None:
            judged.append((turn, after - before))
    if not judged:
        return None
    noise = _judge_noise(judged)
    reliability = _reliability(judged, noise)
    statements = sum(r.statements for r in reliability)
    error = sum(r.statements * abs(r.judged - r.held) for r in reliability) / statements
    return Calibration(reliability, _forecasts(judged), error, noise)


def _turns(policy: AcquisitionPolicy, scenario: Scenario, talk: Conversation, row: int) -> list[Turn]:
    turns = []
    refused = mask_of(talk.asked) & ~talk.known
    distilled = DistilledPolicy(policy)
    for asked in range(min(len(talk.asked) + 1, policy.budget)):
        before = known_after(talk, asked)
        seen = seen_by_agent(scenario, talk.asked[:asked], before)
        ranking = distilled.rank(scenario.query, dict(seen.items()))
        best, now, spread = ranking.best, ranking.now, ranking.spread
        assert best is not None
        assert now is not None
        assert spread is not None
        index = policy.table.index(best)
        if refused >> index & 1 or not scenario.profile.known >> index & 1:
            continue
        forecast = ranking.scores[best] + policy.table[index].cost - now
        turns.append(Turn(row, asked, before, before | 1 << index, forecast, spread))
    return turns


def _judge_noise(judged: Sequence[tuple[Turn, float]]) -> float:
    rows, before, after = np.array([(turn.row, turn.before, turn.after) for turn, _ in judged], np.int64).T
    beyond = np.array([brought - turn.forecast for turn, brought in judged])
    return judge_noise(rows, before, after, beyond, np.ones(len(judged)))


def _reliability(judged: Sequence[tuple[Turn, float]], noise: float) -> list[Reliability]:
    statements = [(turn, threshold, brought > threshold) for turn, brought in judged for threshold in THRESHOLDS]

    def probabilities(noise: float) -> npt.NDArray[np.float64]:
        # What came is one score less another, each with its noise.
        spreads = [math.hypot(turn.spread, math.sqrt(2) * noise) for turn, _, _ in statements]
        return np.array(
            [
                1 - NormalDist(turn.forecast, spread).cdf(threshold)
                for (turn, threshold, _), spread in zip(statements, spreads, strict=True)
            ]
        )

    said, seen, held = probabilities(0.0), probabilities(noise), np.array([held for _, _, held in statements])
    places = np.minimum((said * BINS).astype(int), BINS - 1)
    return [
        Reliability(int(here.sum()), float(said[here].mean()), float(seen[here].mean()), float(held[here].mean()))
        for here in (places == place for place in np.unique(places))
    ]


def _forecasts(judged: Sequence[tuple[Turn, float]]) -> list[Forecasts]:
    found = []
    for asked in sorted({turn.asked for turn, _ in judged}):
        here = [(turn.forecast, brought) for turn, brought in judged if turn.asked == asked]
        forecast, brought = np.mean(here, axis=0).tolist()
        found.append(Forecasts(asked, len(here), forecast, brought))
    return found
