"""Prints how often the 95 % intervals of ``raise-agent judge`` hold the true value, by simulation.

    python benchmarks/judge.py                     # about four minutes on one core
    python benchmarks/judge.py --items 50 --trials 300

Two raters see the same latent quality, each with an error of its own, and round to 1 to 5; one of them is milder. The
truth is what a million such items give. ``used`` is BCa at a level raised for few items; plain BCa and percentile stand
beside it. In ``in pairs`` two items share most of their quality, as two answers to one person do, and are drawn
together; ``as if single`` draws the same items one by one.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping

import numpy as np

from raise_agent.experiments.bootstrap import LEVEL, Array, Resampling, Statistic, bca, raised_level
from raise_agent.experiments.judging.agreement import intraclass, kappa, mean_of, pearson, spearman

MILD = 0.4
"""Points that the second rater gives more."""
REPEATS = 2
"""Judgements of an item by one rater, for the agreement of repeats."""
MILLION = 1_000_000

Ratings = tuple[Array, Array, Array]
"""Two raters' (items,), and (items, REPEATS) of the first."""


def rate(rng: np.random.Generator, n: int, error: float, pairs: bool) -> Ratings:
    """Ratings of n items, by pairs of the same quality but for a little where so told."""
    quality = rng.normal(3.2, 1.0, n)
    if pairs:
        quality = np.repeat(rng.normal(3.2, 0.95, (n + 1) // 2), 2)[:n] + rng.normal(0.0, 0.3, n)
    repeats = whole(quality[:, None] + rng.normal(0.0, error, (n, REPEATS)))
    return repeats[:, 0], whole(quality + MILD + rng.normal(0.0, error, n)), repeats


def whole(ratings: Array) -> Array:
    """The nearest ratings from 1 to 5."""
    nearest: Array = np.clip(np.round(ratings), 1, 5)
    return nearest


def statistics(ratings: Ratings) -> dict[str, Statistic]:
    """What intervals are taken of."""
    x, y, repeats = ratings
    means = repeats.mean(axis=1)
    counts, squares = np.full(len(x), float(REPEATS)), np.sum((repeats - means[:, None]) ** 2, axis=1)
    return {
        "kappa": kappa(x, y),
        "Pearson": pearson(x, y),
        "Spearman": spearman(x, y),
        "mean difference": mean_of(y - x),
        "ICC of repeats": intraclass(counts, means, squares),
    }


def truth(error: float, pairs: bool) -> dict[str, float]:
    """Each statistic of a million items."""
    made = statistics(rate(np.random.default_rng(1), MILLION, error, pairs))
    return {name: float(statistic(np.ones((1, MILLION)))[0]) for name, statistic in made.items()}


def used(value: float, drawn: Array, left_out: Array, units: int) -> tuple[float, float]:
    """The interval of ``Resampling.estimates``."""
    return bca(value, drawn, left_out, raised_level(units))


def plain(value: float, drawn: Array, left_out: Array, units: int) -> tuple[float, float]:
    """BCa at 95 %."""
    return bca(value, drawn, left_out)


def percentile(value: float, drawn: Array, left_out: Array, units: int) -> tuple[float, float]:
    """The quantiles as they are."""
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


METHODS: Mapping[str, Callable[[float, Array, Array, int], tuple[float, float]]] = {
    "used": used,
    "BCa": plain,
    "percentile": percentile,
}


def coverage(items: int, error: float, trials: int, resamples: int, pairs: bool, units: int) -> dict[str, list[float]]:
    """statistic -> share of trials whose interval held the truth, by method.

    Args:
        items: of one trial.
        error: standard deviation of one rating's own error, in points.
        trials: how many.
        resamples: of each bootstrap.
        pairs: whether items come in pairs.
        units: items that are drawn together.
    """
    true = truth(error, pairs)
    held = {name: [0] * len(METHODS) for name in true}
    for trial in range(trials):
        made = statistics(rate(np.random.default_rng([2, trial]), items, error, pairs))
        resampling = Resampling([item // units for item in range(items)], resamples, trial)
        drawn, left_out = resampling.distributions(made)
        for name, statistic in made.items():
            value = float(statistic(np.ones((1, items)))[0])
            for place, interval in enumerate(METHODS.values()):
                low, high = interval(value, drawn[name], left_out[name], math.ceil(items / units))
                held[name][place] += low <= true[name] <= high
    return {name: [count / trials for count in counts] for name, counts in held.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[20, 50, 100])
    parser.add_argument("--errors", type=float, nargs="+", default=[0.4, 1.0], help="of one rating, in points")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=2000)
    given = parser.parse_args()
    kinds = {"single": (False, 1), "in pairs": (True, 2), "as if single": (True, 1)}
    print(f"{given.trials:,} trials, {given.resamples:,} resamples; ± {math.sqrt(0.0475 / given.trials):.1%}\n")
    rule = f"| ---: | ---: | --- | --- {'| ---: ' * len(METHODS)}|"
    print(f"| items | error | drawn | statistic | {' | '.join(METHODS)} |\n{rule}")
    for items in given.items:
        for error in given.errors:
            for kind, (pairs, units) in kinds.items():
                found = coverage(items, error, given.trials, given.resamples, pairs, units)
                for name, shares in found.items():
                    cells = " | ".join(f"{share:.1%}" for share in shares)
                    print(f"| {items} | {error:g} | {kind} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
