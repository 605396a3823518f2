"""Which scenarios are looked at where not all are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from raise_agent.errors import ConfigError
from raise_agent.scenario import Scenario


def spread_evenly(scenarios: Iterable[Scenario], most: int | None) -> list[Scenario]:
    """Scenarios taken in turn from each pair of domain and source, whatever the order they are given in.

    Those chosen are also among those chosen for any larger number. Within a domain and source the order is that of
    the content's digest, as good as random.

    Args:
        scenarios: to choose from.
        most: how many; None takes all.

    Raises:
        ConfigError: ``most`` is below 1.
    """
    if most is not None and most < 1:
        raise ConfigError(f"scenarios must be 1 or more, or null for all, not {most}")
    turns: Counter[tuple[str, str]] = Counter()
    placed: list[tuple[int, tuple[str, str], Scenario]] = []
    for scenario in sorted(scenarios, key=lambda scenario: (scenario.digest, scenario.id)):
        kind = (scenario.domain, scenario.source)
        placed.append((turns[kind], kind, scenario))
        turns[kind] += 1
    placed.sort(key=lambda place: place[:2])
    return [scenario for _, _, scenario in placed[:most]]
