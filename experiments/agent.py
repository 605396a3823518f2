"""``raise-agent agent``: a conversation on the terminal, of which only the transcript that is asked for is left."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from raise_agent.agent import Agent
from raise_agent.attributes import AttributeTable
from raise_agent.data import load_scenarios
from raise_agent.data.records import Record, from_jsonl, query_text
from raise_agent.errors import ConfigError
from raise_agent.policies import AcquisitionPolicy, SimulatedPolicyWarning
from raise_agent.policies.abstention import LimitedAbstention, ValueAbstention
from raise_agent.policies.contract import Abstention, Known, Policy
from raise_agent.policies.distilled import DistilledPolicy
from raise_agent.policies.retrieval import PlannedPaths
from raise_agent.scenario import Scenario

from .agents import POLICIES, AgentMethod, Given, method_of, pair_of
from .assembly import make_scenarios, make_table, read_scenarios
from .comparing import planned_paths
from .config import CONF
from .conversing.session import Session
from .conversing.terminal import Terminal, ToldToEnd, told_to_end
from .conversing.transcript import open_transcript
from .encoding import KEPT, make_query_encoder
from .methods import Pair
from .models import TalkingModels, talking_models

_BUDGET = 3
"""Most questions, where neither the configuration nor a policy says."""
_EXPORTED = "distilled"
"""The method that stops where the policy itself says."""


@hydra.main(version_base="1.3", config_path=CONF, config_name="agent")
def main(cfg: DictConfig) -> None:
    """Talk with the person at the terminal, or play one."""
    terminal = Terminal(sys.stdin, sys.stdout)
    method = chosen(cfg.method)
    distilled = _distilled(cfg, method)
    table = _table(cfg, distilled)
    scenario = None if cfg.profile is None else scenario_of(cfg.profile, cfg.data, table)
    # A server's own log may repeat what it is sent, so it goes where it is deleted.
    with (
        told_to_end(),
        tempfile.TemporaryDirectory() as folder,
        talking_models(cfg.llm, table, Path(folder)) as models,
    ):
        policy, abstention = _pair(cfg, method, distilled, table, models)
        agent = Agent(
            policy,
            abstention,
            models.responder or NoAnswer(table),
            models.watch,
            table=table if any(attribute.values for attribute in table) else None,
        )
        made_by = {"agent": described(method), "llm": cfg.llm.name, "simulated": models.simulated}
        files = [None if name is None else Path(name) for name in (cfg.transcript, cfg.resume)]
        session = Session(agent, terminal, open_transcript(made_by, *files))
        for line in announced(cfg, method, distilled, models, scenario):
            terminal.note(line)
        if scenario is not None:
            session.play(scenario)
            return
        try:
            session.converse()
        except ToldToEnd:
            raise
        except KeyboardInterrupt:
            # Ctrl-C is one way to end it.
            return


class NoAnswer:
    """In the place of a responder, where there is no language model: says so.

    Args:
        table: names the attributes.
    """

    def __init__(self, table: AttributeTable) -> None:
        self._names = {attribute.key: attribute.name for attribute in table}

    def respond(self, query: str, known: Known) -> Iterator[str]:
        """What a model would be told, by the names of attributes and without their values."""
        given = [self._names[key] for key, value in known.items() if value is not None]
        declined = [self._names[key] for key, value in known.items() if value is None]
        yield "[simulated] No answer is generated: llm=simulated is not a language model.\n"
        yield f"A served model (llm=vllm) would answer now, knowing: {', '.join(given) or 'nothing'}."
        if declined:
            yield f" Declined: {', '.join(declined)}."


# --- what is configured -----------------------------------------------------------------------------------------------


def chosen(entry: Any) -> str | AgentMethod:
    """The method: a name, or what it is made of, with or without a label.

    Raises:
        ConfigError: it is not an agent.
    """
    plain: Any = OmegaConf.to_container(entry, resolve=True) if OmegaConf.is_config(entry) else entry
    method = method_of({"agent": plain} if isinstance(plain, dict) and "policy" in plain else plain, where="method")
    if isinstance(method, str) and method != _EXPORTED:
        raise ConfigError(
            f"method: {method!r} is no agent: it is not made of a policy and an abstention; give one of "
            f"{', '.join(POLICIES)}, or {{policy: ..., abstention: ...}}"
        )
    return method


def described(method: str | AgentMethod) -> dict[str, Any]:
    """The method as plain data: policy, abstention, settings."""
    if isinstance(method, str):
        return {"policy": method, "abstention": "exported"}
    settings = {**method.policy_settings, **method.abstention_settings}
    return {"policy": method.policy, "abstention": method.abstention, **settings}


def _distilled(cfg: DictConfig, method: str | AgentMethod) -> AcquisitionPolicy | None:
    if isinstance(method, AgentMethod) and "distilled" not in method.policies:
        if cfg.policy is not None:
            raise ConfigError(f"policy: {cfg.policy} is not used by method {method.policy!r}; leave one of them out")
        return None
    if cfg.policy is None:
        if isinstance(method, AgentMethod) and method.policy != "distilled":
            raise ConfigError(
                f"policy: abstention {method.abstention!r} stops by what a distilled policy expects: give its folder, "
                "such as policy=runs/run/.../policy, or another abstention"
            )
        raise ConfigError(
            "policy: give the folder of a policy, such as policy=runs/run/.../policy (`raise-agent run` makes one), "
            "or another method, such as method=random"
        )
    with warnings.catch_warnings():
        # It is announced instead.
        warnings.simplefilter("ignore", SimulatedPolicyWarning)
        return AcquisitionPolicy.load(cfg.policy)


def _table(cfg: DictConfig, distilled: AcquisitionPolicy | None) -> AttributeTable:
    """The configured table; a distilled policy of other attributes brings its own."""
    table = make_table(cfg.attributes)
    return table if distilled is None or distilled.table.keys == table.keys else distilled.table


def _budget(cfg: DictConfig, distilled: AcquisitionPolicy | None) -> int:
    if cfg.budget is not None:
        return int(cfg.budget)
    return distilled.budget if distilled is not None else _BUDGET


def scenario_of(profile: str, data: DictConfig, table: AttributeTable) -> Scenario:
    """The scenario whose user is played.

    Args:
        profile: a file with one scenario; or the id of one in ``data``, or its index, from 0.
        data: the ``data`` group.
        table: its attributes.

    Raises:
        ConfigError: there is none, or the file holds several.
        DataError: the file is no scenario.
    """
    if Path(profile).is_file():
        found = _read(Path(profile), table)
        if len(found) > 1:
            raise ConfigError(
                f"profile: {profile} holds {len(found)} scenarios; choose one with data=files data.path={profile} "
                "profile=ID"
            )
        return found[0]
    scenarios, _, _ = read_scenarios(data, table)
    for scenario in scenarios:
        if scenario.id == profile:
            return scenario
    if profile.isdecimal() and int(profile) < len(scenarios):
        return scenarios[int(profile)]
    raise ConfigError(
        f"profile: {profile!r} is neither a file nor a scenario of data: give an id, such as {scenarios[0].id}, or an "
        f"index below {len(scenarios)}"
    )


def _read(file: Path, table: AttributeTable) -> Sequence[Scenario]:
    try:
        record = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        record = None
    if not (isinstance(record, dict) and isinstance(record.get("profile"), dict)):
        return load_scenarios(file, table).scenarios
    # One record may stand over several lines, as JSON Lines may not.
    (draft,) = from_jsonl(Record(str(file), record), table)
    query = query_text(draft.query, draft.where)
    return [Scenario(draft.id or file.stem, draft.domain, query, draft.profile, draft.source)]


def _pair(
    cfg: DictConfig,
    method: str | AgentMethod,
    distilled: AcquisitionPolicy | None,
    table: AttributeTable,
    models: TalkingModels,
) -> Pair:
    """What asks and what stops, within the budget."""
    policy: Policy
    abstention: Abstention
    if isinstance(method, str):
        assert distilled is not None
        policy, abstention = DistilledPolicy(distilled), ValueAbstention(distilled.parts.min_gain)
    else:
        planned = _planned(cfg, method, table) if "planned" in method.needs else None
        if method.policy == "static" and not method.policy_settings.get("order"):
            raise ConfigError("method: 'static' needs an order here: {policy: static, order: [age, emotion, ...]}")
        given = Given(table, cfg.seed, policy=distilled, planned=planned, model=models.agent)
        policy, abstention = pair_of(method, given)
    return policy, LimitedAbstention(abstention, _budget(cfg, distilled))


def _planned(cfg: DictConfig, method: AgentMethod, table: AttributeTable) -> PlannedPaths:
    if cfg.plans is None:
        raise ConfigError(
            f"plans: {method.policy!r} needs the plans that it retrieves, such as runs/plan/.../plans.jsonl"
        )
    scenarios = make_scenarios(cfg.data, table).planned
    encoder, _ = make_query_encoder(cfg.encoder, Path("runs") / KEPT)
    return planned_paths(Path(cfg.plans), scenarios, table, encoder, "plans")


# --- what is said at the start ----------------------------------------------------------------------------------------


def announced(
    cfg: DictConfig,
    method: str | AgentMethod,
    distilled: AcquisitionPolicy | None,
    models: TalkingModels,
    scenario: Scenario | None,
) -> Iterator[str]:
    """Who asks, who answers, what is kept."""
    made_of = described(method)
    yield (
        f"Questions by {', '.join(f'{key} {value}' for key, value in made_of.items())}"
        f"{f', {cfg.policy}' if cfg.policy else ''}; at most {_budget(cfg, distilled)} a query."
    )
    if distilled is not None and distilled.simulated:
        yield "This policy was distilled from simulated scores: use it to try things out, not with people."
    if models.simulated:
        decides = isinstance(method, AgentMethod) and method.asks_a_model
        what = ", and what decides about questions is simulated" if decides else ""
        yield f"llm=simulated: there is no language model here, so no answer is generated{what}."
    for warning in models.warnings:
        yield f"warning: {warning}"
    sent = "" if models.simulated else ", and is sent to the model's server"
    kept = "is kept in memory only" if cfg.transcript is None else f"is saved in {cfg.transcript}"
    if scenario is not None:
        yield f"The user of scenario {scenario.id} is played; what they say {kept}{sent}."
        return
    yield f"What you write {kept}{sent}."
    yield "/why explains, /skip passes over a question, /help lists more, quit ends."
