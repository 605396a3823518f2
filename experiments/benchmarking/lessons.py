"""What planners that start warm are taught before a benchmark's trials: searches of other instances, learned from.

A lesson belongs to one size, budget and noise; it is learned once, whoever needs it, and what comes of it does not
depend on the number of processes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from raise_agent.planners import PlanningProblem
from raise_agent.planners.beliefs import Experience, History, learn
from raise_agent.planners.drive import drive

from .trials import Ground, Judge, Named, context_of, value_of


@dataclass(frozen=True, slots=True)
class Learning:
    """How planners that start warm are taught."""

    family: Named | None
    """What is searched; None means the family that is tested."""
    planner: Named
    """Searches, cold."""
    evaluations: int
    """Its limit."""
    instances: int
    """How many are searched."""
    seed: int
    """Of these instances; not among the seeds tested."""

    def ground(self, tested: Ground) -> Ground:
        """What is searched for those who are tested on a ground."""
        return tested if self.family is None else Ground(self.family, tested.n_attributes, tested.budget)

    def knows_context(self, tested: Ground) -> bool:
        """Whether contexts count: those of another family tell nothing about this one."""
        return self.ground(tested).key() == tested.key()


LessonKey: TypeAlias = tuple[int, float, bool]
"""Ground searched, noise, whether contexts are learned from: the same for the same lesson, within one benchmark."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One piece of learning."""

    learning: Learning
    ground: Ground
    """What is searched."""
    noise: float
    objective: str
    prior: bool
    """Whether ``Rank`` is answered, and the prior's weights are part of the context."""
    context: bool
    """Whether what is known before a search is learned from."""

    @property
    def key(self) -> LessonKey:
        """What tells it from the benchmark's other lessons."""
        return self.ground.key(), self.noise, self.context


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of a lesson."""

    experience: Experience
    evaluations: int
    """Made in all its searches."""
    seconds: float
    """Processor seconds: drawing and scoring the instances, searching, learning."""


def study(lesson: Lesson) -> Learned:
    """Search the lesson's instances, cold, and learn from what was heard."""
    began = time.process_time()
    learning, ground = lesson.learning, lesson.ground
    planner = learning.planner.planner(learning.evaluations)
    problem = PlanningProblem(ground.n_attributes, ground.budget, noise=lesson.noise, objective=lesson.objective)
    histories, made = list[History](), 0
    for index, instance in enumerate(ground.instances(learning.instances, learning.seed)):
        judge = Judge(value_of(instance), lesson.noise, ground.key("noise", learning.seed, index))
        rng = np.random.default_rng(ground.key("search", learning.seed, index))
        plan = drive(planner.search(problem, rng), judge, instance.weights if lesson.prior else None)
        histories.append(History(plan.trace, context_of(instance, lesson.prior) if lesson.context else None))
        made += judge.evaluations
    experience = learn(histories, ground.n_attributes, ground.budget, lesson.noise)
    return Learned(experience, made, time.process_time() - began)
