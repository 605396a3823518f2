"""What the store holds of a run: the answers of a served responder, and dimensions that older folders lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from raise_agent.experiments.yardsticks import HELD_OUT_SAMPLE
from raise_agent.scenario import Scenario
from raise_agent.store import EvaluationStore
from raise_agent.text import well_formed

from .folder import RunFolder

Answers = Mapping[int, Mapping[int, str]]
"""Place of a test scenario -> subset that was known -> the responder's answer."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The answers that a report shows."""

    answers: Answers
    missing: str | None
    """Why there are none, or fewer than there could be."""


def answers_of(run: RunFolder, scenarios: Sequence[Scenario] | None, most: int | None) -> Stored:
    """The answers to the test scenarios at the end of each method's conversation.

    Args:
        run: whose conversations.
        scenarios: of its records; None where they are not to be had.
        most: scenarios whose answers are read, from the first on; None reads all.

    Raises:
        StoreError: the store is damaged, or another program's.
    """
    responder = run.safety.get("responder")
    # A simulated model has none.
    if not isinstance(responder, Mapping):
        return Stored({}, "the simulated model writes no answers" if run.summary["simulated"] else None)
    if scenarios is None:
        return Stored({}, "answers are kept by what a scenario holds, and the data is not to be had")
    if not Path(run.cfg.store).exists():
        return Stored({}, f"the run's store is gone ({Path(run.cfg.store).name})")
    found: dict[int, dict[int, str]] = {}
    with EvaluationStore(run.cfg.store) as store:
        identity = store.identity(responder)
        for row, (record, scenario) in enumerate(zip(run.held_out[:most], scenarios, strict=False)):
            for subset in sorted({talk.known for talk in record.talks.values()}):
                text = store.response(identity, scenario.digest, subset, HELD_OUT_SAMPLE)
                if text is not None:
                    found.setdefault(row, {})[subset] = well_formed(text)
    if not found:
        return Stored({}, "the store holds no answer of this run's responder")
    left = len(run.held_out) - len(run.held_out[:most])
    return Stored(
        found, f"answers of the first {most:,} scenarios; answers={len(run.held_out)} shows all" if left else None
    )
