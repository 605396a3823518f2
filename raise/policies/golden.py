"""Golden decisions: made where a policy is saved, repeated wherever it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from raise_agent.errors import PolicyError, RaiseError

from .batch import Known
from .decisions import DIGITS, Ask, Decision
from .parts import MAX_GOLDEN

_SAME = 1e-4
"""How far a golden score may lie from the one made here."""

Decide = Callable[[str, "Known | None"], Decision]


def golden_cases(decide: Decide, inputs: Iterable[tuple[str, Known]], folder: Path) -> list[dict[str, Any]]:
    """What ``golden.json`` holds.

    Args:
        decide: the policy's.
        inputs: what to decide.
        folder: for errors.

    Raises:
        PolicyError: there are none, or too many.
    """
    golden = [
        {"query": query, "known": dict(known or {}), "decision": _plain(decide(query, known))}
        for query, known in inputs
    ]
    if not golden:
        raise PolicyError(f"{folder}: a policy needs at least one golden decision")
    if len(golden) > MAX_GOLDEN:
        raise PolicyError(f"{folder}: {len(golden)} golden decisions; each is repeated on load, {MAX_GOLDEN} at most")
    return golden


def check_golden(decide: Decide, golden: Sequence[Any], file: Path, spread: float) -> None:
    """Repeat golden decisions.

    Args:
        decide: the policy's.
        golden: what ``golden.json`` holds.
        file: for errors.
        spread: the policy's ``gain_spread``.

    Raises:
        PolicyError: one is decided otherwise here, or is none.
    """
    for number, case in enumerate(golden, start=1):
        try:
            made = _plain(decide(case["query"], case["known"]))
            same = _agree(made, case["decision"], spread)
        except (AttributeError, LookupError, TypeError, ArithmeticError, RaiseError) as error:
            raise PolicyError(
                f"{file}: case {number} is not usable ({type(error).__name__}); export the policy again"
            ) from error
        if not same:
            raise PolicyError(f"{file}: case {number} is decided otherwise here; the policy or numpy is not sound")


def _plain(decision: Decision) -> dict[str, Any]:
    if isinstance(decision, Ask):
        return {"ask": decision.attribute.key, "scores": dict(decision.scores)}
    return {"answer": round(decision.confidence, DIGITS), "scores": dict(decision.scores)}


def _agree(made: Mapping[str, Any], expected: Mapping[str, Any], spread: float) -> bool:
    """The same action, with scores equal but for the last rounded digits."""
    return (
        made.keys() == expected.keys()
        and made.get("ask") == expected.get("ask")
        and made["scores"].keys() == expected["scores"].keys()
        and all(abs(score - expected["scores"][key]) < _SAME for key, score in made["scores"].items())
        # A score that rounds to the other side moves the confidence by up to 10**-DIGITS / spread.
        and ("answer" not in made or abs(made["answer"] - expected["answer"]) < _SAME + 10**-DIGITS / spread)
    )
