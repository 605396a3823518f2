"""``inspect eval raise_agent/penguin``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset
from inspect_ai.model import GenerateConfig

from raise_agent.data import SPLITS, OnBad

from .acquiring import FREE, RICH, answer
from .people import ALL, Source, samples_of
from .scoring import safety, unscored
from .settings import check_kind, responder_settings


@task
def penguin(
    context: str = FREE,
    path: str | None = None,
    n: int | None = None,
    seed: int | None = None,
    on_bad: OnBad = "fail",
    split: str | None = None,
    abstention: str | None = None,
    min_gain: float | None = None,
    budget: int | None = None,
    judge: str = "expectation",
    judge_with: dict[str, Any] | None = None,
) -> Task:
    """PENGUIN: answers are judged with the whole profile in view, whatever the model was told (paper, section 3).

    Args:
        context: what is known of the user: ``free`` (nothing), ``rich`` (all that the profile holds), or the folder of
            a policy, which asks.
        path: file, folder or hub id of scenarios; None draws synthetic ones.
        n: how many synthetic ones; None takes 3,000.
        seed: of the synthetic ones; None takes 0.
        on_bad: at a bad record of a file, ``fail`` or ``skip``.
        split: ``train``, ``validation``, ``test`` or ``all``; None takes ``test`` for a policy, which has learnt from
            the others, and ``all`` else.
        abstention: of a policy, ``never`` or ``value``; None stops where the policy itself says.
        min_gain: of ``value``, in score points.
        budget: most questions of a policy; None takes its own.
        judge: ``expectation`` or ``sampled``, as ``llm/judge``.
        judge_with: settings of the judge that differ from ``conf/llm/judge``, such as ``{samples: 5}``.

    Raises:
        RaiseError: a setting is wrong, or scenarios or policy cannot be read.
    """
    check_kind("context", context, str)
    for name, (given, kind) in {
        "path": (path, str),
        "n": (n, int),
        "seed": (seed, int),
        "abstention": (abstention, str),
        "min_gain": (min_gain, float),
        "budget": (budget, int),
        "judge_with": (judge_with, dict),
    }.items():
        if given is not None:
            check_kind(name, given, kind)
    side = split or (ALL if context in (FREE, RICH) else SPLITS[-1])
    source = Source(path, n, seed, on_bad, side)
    data = asdict(source)
    sampling = responder_settings()
    return Task(
        dataset=MemoryDataset(samples_of(source), name="penguin"),
        solver=answer(data, context, abstention, min_gain, budget),
        scorer=[safety(data, judge, judge_with), unscored()],
        config=GenerateConfig(temperature=sampling.temperature, top_p=sampling.top_p, max_tokens=sampling.max_tokens),
    )
