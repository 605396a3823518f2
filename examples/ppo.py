"""Trains sb3-contrib's MaskablePPO on the environment, with the simulated model; compares it with the other methods.

python examples/ppo.py 40000 evaluate.policy=runs/run/.../policy 'evaluate.methods=[none,static,distilled,full]'

The number is that of steps, questions and answers, to learn from; then come settings of ``raise-agent evaluate``.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sb3_contrib import MaskablePPO

from raise_agent.envs.acquisition import AttributeAcquisitionEnv, simulated_score
from raise_agent.envs.ending import EndAtBudget
from raise_agent.experiments.workbench import Bench, compare_policies, heading, results_table, workbench
from raise_agent.models.simulated import SimulatedSafetyModel
from raise_agent.policies.abstention import ValueAbstention
from raise_agent.policies.contract import Known, Ranking


class LearnedPolicy:
    """Ranks by the network's log-probabilities, of which answering now has one."""

    def __init__(self, model: MaskablePPO, env: AttributeAcquisitionEnv) -> None:
        self.network, self.env, self.table = model.policy, env, env.table

    def rank(self, query: str, known: Known) -> Ranking:
        """Log-probability of each question left, and of answering now."""
        seen = self.env.observe(query, known)
        legal = np.append(seen["asked"] == 0, 1)
        with torch.no_grad():
            choice = self.network.get_distribution(self.network.obs_to_tensor(seen)[0], legal)
            *scores, now = choice.log_prob(torch.arange(len(legal))).tolist()
        ranked = zip(self.table.keys, scores, strict=True)
        return Ranking({key: score for key, score in ranked if key not in known}, now)


def train(bench: Bench, steps: int, seed: int = 0) -> LearnedPolicy:
    """Learn from the scenarios that are not held out."""
    assert isinstance(bench.safety, SimulatedSafetyModel), "every step is scored on its own: too slow if served"
    score, planned = simulated_score(bench.safety), bench.scenarios.planned
    env = AttributeAcquisitionEnv(scenarios=planned, table=bench.table, budget=bench.cfg.budget, score=score)
    ahead = min(2048, steps)  # collected before each update, all of them
    model = MaskablePPO("MultiInputPolicy", EndAtBudget(env), n_steps=ahead, gamma=1.0, seed=seed, device="cpu")
    return LearnedPolicy(model.learn(steps), env)


def main(steps: str = "40000", *settings: str) -> None:
    """Train, compare, print."""
    with workbench(settings) as bench:
        results = compare_policies(bench, {"ppo": (train(bench, int(steps)), ValueAbstention())}, Path("runs/ppo"))
        tested = len(bench.scenarios.test[: bench.cfg.evaluate.scenarios])
        print(heading(bench, tested), results_table(results), sep="\n\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
