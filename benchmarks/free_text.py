"""Prints how a policy decides when people answer in their own words, not in the values that it was trained on.

    python benchmarks/free_text.py runs/run/.../policy
    python benchmarks/free_text.py runs/run/.../policy --reworded        # queries in other words too

The held-out scenarios of the synthetic default are asked again and again. What a user answers is, for each value of the
profile, one of the replies of ``tests/agent/messages/replies.jsonl`` that mean it ("I'm 42"), drawn by ``--seed``;
values that no reply means stay as they are. The policy hears it as typed, or as ``read_reply`` reads it. Shares are of
what each scenario's own best path gains in as many questions. All scores are simulated.
"""

from __future__ import annotations

import argparse
import json
import math
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from raise_agent import AcquisitionPolicy, Scenario, penguin_table
from raise_agent.agent.replies import read_reply
from raise_agent.data import SplitFractions, split
from raise_agent.data.synthetic import in_other_words, synthetic_scenarios
from raise_agent.experiments.tables import markdown_table
from raise_agent.models.base import Evaluation, EvaluationRequest
from raise_agent.models.simulated import SimulatedSafetyModel
from raise_agent.policies import SimulatedPolicyWarning
from raise_agent.subsets import full_mask, mask_of, members, subsets_of_size

TABLE = penguin_table()
REPLIES = Path(__file__).resolve().parent.parent / "tests" / "agent" / "messages" / "replies.jsonl"
TODAY = date(2026, 1, 1)
"""Against which the replies' years of birth are meant."""
Answers = dict[str, str | None]


@dataclass(frozen=True)
class Asked:
    """What was asked of each scenario, and what each question was expected to bring; (s, budget) both."""

    order: np.ndarray
    expected: np.ndarray


def replies_by_value() -> dict[tuple[str, str], list[str]]:
    """(attribute, value) -> what people may say for it."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for line in REPLIES.read_text(encoding="utf-8").splitlines():
        reply = json.loads(line)
        if reply["status"] == "given" and reply["value"] in TABLE[TABLE.index(reply["attribute"])].values:
            found[reply["attribute"], reply["value"]].append(reply["text"])
    return found


def typed(scenarios: Sequence[Scenario], seed: int) -> tuple[list[Answers], float]:
    """Each user's answers in own words, and the share of values for which there are any."""
    rng, replies = np.random.default_rng(seed), replies_by_value()
    answers: list[Answers] = []
    told = worded = 0
    for scenario in scenarios:
        mine: Answers = {}
        for key, value in zip(scenario.profile.keys, scenario.profile.values, strict=True):
            said = replies.get((key, value)) if value is not None else None
            mine[key] = said[int(rng.integers(len(said)))] if said else value
            told, worded = told + (value is not None), worded + bool(said)
        answers.append(mine)
    return answers, worded / told


def read(answers: Answers) -> Answers:
    """The same as a conversation takes them in: a value, own words, or nothing."""
    return {
        key: None if said is None else read_reply(said, TABLE[TABLE.index(key)], TABLE, lambda: TODAY).value
        for key, said in answers.items()
    }


def ask(policy: AcquisitionPolicy, queries: Sequence[str], answers: Sequence[Answers]) -> Asked:
    """Up to the budget, without stopping."""
    known: list[dict[str, str | None]] = [{} for _ in queries]
    vectors, order, expected = policy.encode(list(queries)), [], []
    for _ in range(policy.budget):
        made = policy.decide_batch(list(zip(queries, known, strict=True)), vectors)
        gains = np.where(np.isnan(made.scores), -np.inf, made.scores - made.now[:, None])
        order.append(gains.argmax(axis=1))
        expected.append(gains.max(axis=1))
        for mine, theirs, index in zip(known, answers, order[-1], strict=True):
            mine[TABLE.keys[index]] = theirs[TABLE.keys[index]]
    return Asked(np.stack(order, axis=1), np.stack(expected, axis=1))


def gains(model: SimulatedSafetyModel, scenarios: Sequence[Scenario]) -> np.ndarray:
    """(s, 2^n): what knowing each subset adds for each user."""
    found = []
    for scenario in scenarios:
        subsets = [s & scenario.profile.known for s in range(full_mask(len(TABLE)) + 1)]
        outcomes = model.evaluate([EvaluationRequest(scenario, subset) for subset in subsets])
        scores = np.asarray([outcome.score for outcome in outcomes if isinstance(outcome, Evaluation)])
        found.append(scores - scores[0])
    return np.stack(found)


def oracle(worth: np.ndarray, budget: int) -> np.ndarray:
    """(s, budget + 1): what each scenario's best path gains question by question, the most telling first."""
    found = np.zeros((len(worth), budget + 1))
    whole = list(subsets_of_size(full_mask(len(TABLE)), budget))
    for row, best in enumerate(worth[:, whole].argmax(axis=1)):
        known = 0
        for length in range(budget):
            known = max((known | 1 << i for i in members(whole[best] & ~known)), key=lambda subset: worth[row, subset])
            found[row, length + 1] = worth[row, known]
    return found


def shares(asked: Asked, worth: np.ndarray, best: np.ndarray, min_gain: float) -> tuple[float, float]:
    """Share of the best paths' gain, NaN where nothing is asked, and questions: asking stops as soon as no more than
    ``min_gain`` is expected."""
    lengths = np.cumprod(asked.expected > min_gain, axis=1).sum(axis=1)
    rows = np.arange(len(worth))
    reached = [worth[row, mask_of(asked.order[row, : lengths[row]].tolist())] for row in rows]
    most = float(best[rows, lengths].sum())
    return float(np.sum(reached)) / most if most else math.nan, float(lengths.mean())


def main() -> None:
    """Ask, and print what it gained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("policy", help="folder of a policy for PENGUIN's attributes")
    parser.add_argument("--n", type=int, default=3_000, help="scenarios, of which a fifth are held out")
    parser.add_argument("--min-gain", type=float, default=0.1, help="points below which `value` asks no more")
    parser.add_argument("--reworded", action="store_true", help="put every query in other words")
    parser.add_argument("--seed", type=int, default=0, help="of what users say")
    options = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SimulatedPolicyWarning)
        policy = AcquisitionPolicy.load(options.policy)
    held_out = split(synthetic_scenarios(TABLE, options.n, 0, 0.0), SplitFractions())["test"]
    if options.reworded:
        held_out = tuple(in_other_words(scenario) for scenario in held_out)
    queries = [scenario.query for scenario in held_out]
    exact: list[Answers] = [dict(zip(s.profile.keys, s.profile.values, strict=True)) for s in held_out]
    own, worded = typed(held_out, options.seed)
    heard: Mapping[str, list[Answers]] = {
        "values of training": exact,
        "as typed": own,
        "read by `read_reply`": [read(answers) for answers in own],
    }
    worth = gains(SimulatedSafetyModel(TABLE), held_out)
    best = oracle(worth, policy.budget)
    rows = []
    for name, answers in heard.items():
        asked = ask(policy, queries, answers)
        all_of_them, _ = shares(asked, worth, best, -np.inf)
        stopped, questions = shares(asked, worth, best, options.min_gain)
        rows.append([name, f"{all_of_them:.1%}", f"{stopped:.1%}", f"{questions:.2f}"])
    right = np.mean([a[key] == b[key] for a, b in zip(heard["read by `read_reply`"], exact, strict=True) for key in a])
    print(
        f"{len(held_out)} held-out scenarios; {worded:.0%} of values in own words, {right:.1%} read right (simulated)\n"
    )
    heading = ["answers heard", f"{policy.budget} questions", f"`value`, {options.min_gain:g}", "its questions"]
    print(markdown_table(heading, rows))


if __name__ == "__main__":
    main()
