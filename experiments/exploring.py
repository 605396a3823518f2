"""What is scored beside the searches, chosen without looking, so that a policy learns what any question adds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from raise_agent.planners.runner import Runner, Task, score_subsets
from raise_agent.scenario import Scenario
from raise_agent.subsets import mask_of, members

from .assembly import Bench


def explore(bench: Bench, runner: Runner, scenarios: Sequence[Scenario]) -> list[list[tuple[int, float | None]]]:
    """Score random orders of asking, prefix by prefix, per scenario.

    A search scores what seems good for this very user. Distilled from that alone, a policy would take what is
    rarely asked to be good whenever it is asked, and would never have seen what one question adds; a few orders
    chosen without looking correct it.
    """
    if not bench.cfg.explore:
        return [[] for _ in scenarios]
    chosen = [random_prefixes(bench, scenario) for scenario in scenarios]
    tasks = [Task(s, partial(score_subsets, subsets)) for s, subsets in zip(scenarios, chosen, strict=True)]
    scored = runner.run(tasks, origin="explore")
    return [list(zip(subsets, scores, strict=True)) for subsets, scores in zip(chosen, scored, strict=True)]


def random_prefixes(bench: Bench, scenario: Scenario) -> list[int]:
    """The distinct prefixes, of no question up to the budget, of random orders of what this user has a value for."""
    rng = np.random.default_rng([bench.cfg.seed, 2, int(scenario.digest, 16)])
    held = members(scenario.profile.known)
    drawn = [rng.permutation(held).tolist() for _ in range(bench.cfg.explore)]
    sizes = range(min(bench.cfg.budget, len(held)) + 1)
    return list(dict.fromkeys(mask_of(order[:size]) for order in drawn for size in sizes))
