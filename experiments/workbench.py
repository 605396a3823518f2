"""For programs that bring a policy of their own: the scenarios and models of a verb, and its comparison.

with workbench(["data.n=3000", "evaluate.methods=[none,static,full]"]) as bench:
    policy = train_somehow(bench.scenarios.train)
    results = compare_policies(bench, {"mine": (policy, NeverAbstention())}, Path("runs/mine"))
print(results_table(results))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from raise_agent.errors import ConfigError

from .assembly import Bench, bench
from .comparing import compare
from .config import register_schemas
from .launch import explain, refuse_keys
from .methods import Pair, check_evaluation
from .results import MethodResult, heading, results_table
from .tracking import NullTracker

__all__ = ["Bench", "compare_policies", "heading", "results_table", "workbench"]

_VERB = "evaluate"


@contextmanager
def workbench(overrides: Sequence[str] = (), folder: Path = Path("runs/workbench")) -> Iterator[Bench]:
    """What ``raise-agent evaluate`` works with: table, divided scenarios, models, store.

    Args:
        overrides: settings as on its command line.
        folder: for the output of a server that is started.

    Raises:
        ConfigError: a setting does not exist or is out of range.
    """
    with bench(_configuration(overrides), folder) as made:
        yield made


def compare_policies(bench: Bench, agents: Mapping[str, Pair], folder: Path) -> list[MethodResult]:
    """``raise-agent evaluate`` with further agents beside the methods of ``evaluate.methods``.

    Args:
        bench: of ``workbench``.
        agents: by name, each a policy and an abstention; they are asked from the query and the answers so far.
        folder: takes the results, as of any evaluation.

    Raises:
        ConfigError: a method lacks what it needs, two have one name, or an agent asks for other attributes.
    """
    cfg = bench.cfg.evaluate
    policy = None if cfg.policy is None else Path(cfg.policy)
    plans = None if cfg.plans is None else Path(cfg.plans)
    return compare(bench, NullTracker(), folder, policy, plans, agents)


def _configuration(overrides: Sequence[str]) -> DictConfig:
    refuse_keys(overrides)
    register_schemas()
    GlobalHydra.instance().clear()
    try:
        with initialize_config_module("raise_agent.conf", version_base="1.3"):
            cfg = compose(_VERB, list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error, _VERB)) from None
    check_evaluation(cfg.evaluate)
    return cfg
