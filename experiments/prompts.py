"""``raise-agent prompts``: what the models are sent, on a made-up case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import hydra
from omegaconf import DictConfig

from raise_agent.attributes import AttributeTable
from raise_agent.building.schema import object_of
from raise_agent.models.base import RankRequest
from raise_agent.models.served.agent import ServedAgent
from raise_agent.models.served.connect import (
    EVERY,
    MADE_UP_ANSWER,
    ServedSettings,
    made_up,
    unconnected,
    unconnected_agent,
    unconnected_caller,
)
from raise_agent.models.served.prompts import PARTS
from raise_agent.models.served.wire import RoleRequest
from raise_agent.models.served.writer import ServedWriter
from raise_agent.policies.contract import Known
from raise_agent.policies.model import OPTIONS
from raise_agent.scenario import Profile, Scenario
from raise_agent.subsets import full_mask

from .assembly import make_table
from .config import CONF
from .models import served_settings

_NONE = "llm=simulated: the embedded model is sent no prompts, so there are none to show."


@hydra.main(version_base="1.3", config_path=CONF, config_name="prompts")
def main(cfg: DictConfig) -> None:
    """Print the prompts of the ``llm`` group's roles; no server is asked."""
    if cfg.llm.name == "simulated":
        print(_NONE)
        return
    print(shown(served_settings(cfg.llm), make_table(cfg.attributes)))


def shown(settings: ServedSettings, table: AttributeTable) -> str:
    """The prompts of the roles, filled in for a made-up person who gave one answer and declined another."""
    roles, agent = unconnected(settings, table), unconnected_agent(settings, table)
    case = _with_a_gap(made_up(table), min(1, len(table) - 1))
    asked = full_mask(min(2, len(table)))
    known, unasked = case.profile.disclose(asked), full_mask(len(table)) & ~asked or asked
    requests = {
        "responder": [roles.responder.request(case.inquiry, known, "")],
        "judge": roles.judge.requests(case, MADE_UP_ANSWER, ""),
        "prior": [roles.prior.request(RankRequest(case.inquiry, known, unasked), "")],
        "agent": _decisions(agent, case.query, dict(known.items()), table.keys_of(unasked)),
        "writer": _parts(settings),
    }
    modes = {
        "responder": "one request",
        "judge": f"{settings.judge.mode}, {len(requests['judge'])} requests for one score",
        "prior": roles.prior.mode,
        "agent": "policy llm; abstentions basic, binary, scale: a request each turn",
        "writer": "raise-agent build, and distillation: a request for each part, with the names of what is filled in",
    }
    if settings.prior.mode == "auto":
        modes["prior"] = "auto, shown as for probabilities; a server that reports none is asked to write a ranking"
    parts = []
    for role, prompt in settings.prompts(EVERY).items():
        identity = prompt.identity
        heading = f"=== {role}: {prompt.name}, version {identity['version']}, digest {identity['digest']}"
        parts.append(f"{heading}\n    {modes[role]}\n\n{_messages(requests[role])}")
    watching = _messages([agent.look_out(_SAID, table[0].question)])
    return "\n\n".join(
        [*parts, f"=== agent, looking out for danger: a request for each message, here a reply\n\n{watching}"]
    )


_SAID = "I am tired of all this."


def _decisions(agent: ServedAgent, query: str, known: Known, unasked: Sequence[str]) -> list[RoleRequest]:
    example = list(reversed(unasked))[:3]
    forms = [agent.assessment(form, query, known, unasked) for form in OPTIONS]
    return [agent.choice(query, known, unasked, [example]), *forms]


def _parts(settings: ServedSettings) -> list[RoleRequest]:
    """Each part of the writer's prompt; who it speaks of is different in each."""
    writer = ServedWriter(unconnected_caller(settings, "writer"), settings.writer.attempts)
    return [
        writer.request(part, object_of(), None, 0, {name: f"<{name}>" for name in names})
        for part, names in PARTS["writer"].items()
        if part != "system"
    ]


def _with_a_gap(case: Scenario, at: int) -> Scenario:
    values = [None if place == at else value for place, value in enumerate(case.profile.values)]
    return replace(case, profile=Profile(case.profile.keys, tuple(values)))


def _messages(requests: Sequence[RoleRequest]) -> str:
    """The first request in full, and where the others differ from it, their ends."""
    first = requests[0].messages
    text = "\n\n".join(f"--- {message['role']}\n{message['content']}" for message in first)
    whole = first[-1]["content"]
    for place, request in enumerate(requests[1:], start=2):
        other = request.messages[-1]["content"]
        if other == whole:
            text += f"\n\n--- request {place} of {len(requests)}: the same, with another seed"
            continue
        lines, others = whole.splitlines(), other.splitlines()
        same = next(at for at, (line, its) in enumerate(zip(lines, others, strict=False)) if line != its)
        end = "\n".join(others[same:])
        text += f"\n\n--- user, request {place} of {len(requests)}, from where it differs\n{end}"
    return text
