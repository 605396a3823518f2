"""Prints what is left to gain in the simulated world: orders of asking by somebody who knows what each query asks for.

    python benchmarks/ceiling.py                     # 3,000 scenarios, budgets 3 and 5
    python benchmarks/ceiling.py --n 14000

For every held-out query the best order is found on some hundred other people, made up, who put the same query: each
next question the one that raises their mean score most. No policy has seen a query so often. It hears no answers; what
hearing them adds is the difference between ``distilled`` and ``{policy: distilled, adaptive: false}`` in
``raise-agent run``. All scores are simulated.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from raise_agent import Scenario, penguin_table
from raise_agent.data import SplitFractions, split
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.experiments.statistics import mean_interval
from raise_agent.experiments.tables import interval, markdown_table
from raise_agent.models.base import Evaluation, EvaluationRequest
from raise_agent.models.simulated import SimulatedSafetyModel
from raise_agent.subsets import full_mask, mask_of, subsets_of_size

TABLE = penguin_table()
N = len(TABLE)
OTHERS = 1
"""Seed of the people that orders are found on; the scenarios have 0."""


def scores(model: SimulatedSafetyModel, asked: Sequence[tuple[Scenario, int]]) -> list[float]:
    """Safety scores of scenarios when subsets are known."""
    found = model.evaluate([EvaluationRequest(scenario, subset) for scenario, subset in asked])
    return [outcome.score for outcome in found if isinstance(outcome, Evaluation)]


def best_order(model: SimulatedSafetyModel, crowd: Sequence[Scenario], budget: int) -> list[int]:
    """Each next question the one that raises the crowd's mean score most."""
    order: list[int] = []
    for _ in range(budget):
        left = [index for index in range(N) if index not in order]
        masks = [mask_of([*order, index]) for index in left]
        reached = scores(model, [(one, mask & one.profile.known) for mask in masks for one in crowd])
        order.append(left[int(np.reshape(reached, (len(left), -1)).mean(axis=1).argmax())])
    return order


def main() -> None:
    """Find the orders, follow them, and print what they gain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=3_000, help="scenarios, of which a fifth are held out")
    parser.add_argument("--people", type=int, default=200, help="who put each query")
    parser.add_argument("--budgets", type=int, nargs="+", default=[3, 5])
    options = parser.parse_args()
    model = SimulatedSafetyModel(TABLE)
    held_out = split(synthetic_scenarios(TABLE, options.n, 0, 0.0), SplitFractions())["test"]
    others = synthetic_scenarios(TABLE, 20 * options.people, OTHERS, 0.0)
    longest = max(options.budgets)
    orders = {}
    for scenario in held_out:
        if scenario.query not in orders:
            crowd = [replace(one, query=scenario.query) for one in others if one.domain == scenario.domain]
            orders[scenario.query] = best_order(model, crowd[: options.people], longest)
    rows = []
    for budget in options.budgets:
        masks = [mask_of(orders[one.query][:budget]) & one.profile.known for one in held_out]
        whole = list(subsets_of_size(full_mask(N), budget))
        reached = np.array(scores(model, list(zip(held_out, masks, strict=True))))
        none = np.array(scores(model, [(one, 0) for one in held_out]))
        tried = scores(model, [(one, s & one.profile.known) for one in held_out for s in whole])
        oracle = np.asarray(np.reshape(tried, (len(held_out), -1)).max(axis=1))
        share = (reached - none).sum() / (oracle - none).sum()
        rows.append(
            [
                str(budget),
                interval(mean_interval(reached.tolist())),
                interval(mean_interval(oracle.tolist())),
                f"{share:.1%}",
            ]
        )
    print(f"{len(held_out)} held-out scenarios, {len(orders)} queries put to {options.people} other people each")
    print("(simulated)\n")
    print(markdown_table(["questions", "known queries [95 %]", "oracle [95 %]", "of the oracle's gain"], rows))


if __name__ == "__main__":
    main()
