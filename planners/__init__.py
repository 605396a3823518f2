"""Search over subsets of attributes, one planner a file, all behind one contract.

>>> import numpy as np
>>> from raise_agent.planners import PlanningProblem, make_planner, run_planner
>>> worth = [0.1, 0.5, 0.3]
>>> plan = run_planner(
...     make_planner("exhaustive"),
...     PlanningProblem(n_attributes=3, budget=2),
...     evaluate=lambda subset: sum(w for i, w in enumerate(worth) if subset >> i & 1),
...     rng=np.random.default_rng(0),
... )
>>> plan.path, plan.value
((1, 2), 0.8)
"""

from .contract import Evaluate, Plan, Planner, PlanningProblem, Rank, Search
from .drive import run_planner
from .registry import available_planners, make_planner, planner_class, register

__all__ = [
    "Evaluate",
    "Plan",
    "Planner",
    "PlanningProblem",
    "Rank",
    "Search",
    "available_planners",
    "make_planner",
    "planner_class",
    "register",
    "run_planner",
]
