"""From settings to roles that answer: servers found, each role tried out on made-up input before anything is spent."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from raise_agent.attributes import AttributeTable
from raise_agent.errors import ModelError
from raise_agent.looping import run
from raise_agent.models.base import DIMENSIONS, RankRequest
from raise_agent.scenario import Disclosure, Profile, Scenario
from raise_agent.subsets import full_mask

from .agent import ServedAgent
from .background import Background
from .caller import Caller
from .client import Client, ClientSettings, Usage
from .discovery import ServedModel, discover
from .endpoints import Route
from .failures import CallFailed, Failure
from .judge import ServedJudge, make_judge
from .prior import ServedPrior
from .prompts import Prompt, load_prompt
from .responder import Responder
from .settings import AgentSettings, JudgeSettings, PriorSettings, ResponderSettings, RoleSettings, WriterSettings

PLANNING = ("responder", "judge", "prior")
"""The roles that planning needs."""
EVERY = (*PLANNING, "agent", "writer")
SIDE_BY_SIDE = 64
"""Most callers on threads of their own at one server, where the settings do not say."""

Found = TypeVar("Found")

_FAMILIES = {
    "qwen": ("qwen", "qwq", "qvq"),
    "llama": ("llama",),
    "mistral": ("mistral", "mixtral", "ministral", "magistral", "codestral"),
    "gpt": ("gpt", "chatgpt", "o1", "o3", "o4"),
    "gemma": ("gemma", "gemini"),
    "deepseek": ("deepseek",),
    "claude": ("claude",),
    "phi": ("phi",),
    "glm": ("glm", "chatglm"),
    "olmo": ("olmo", "tulu"),
    "granite": ("granite",),
    "command": ("command", "aya"),
    "kimi": ("kimi", "moonlight"),
}


def model_family(model: str) -> str:
    """The family that a model's name tells; its whole last part where it tells none.

    >>> model_family("Qwen/QwQ-32B"), model_family("meta-llama/Llama-3.1-8B-Instruct"), model_family("tiny")
    ('qwen', 'llama', 'tiny')
    """
    name = model.rstrip("/").rsplit("/", 1)[-1].casefold()
    words = re.split(r"[^a-z0-9]+", name)
    for family, prefixes in _FAMILIES.items():
        if any(word.startswith(prefix) for word in words for prefix in prefixes):
            return family
    return name


@dataclass(frozen=True, slots=True)
class ServedSettings:
    """Client and roles."""

    client: ClientSettings = field(default_factory=ClientSettings)
    responder: ResponderSettings = field(default_factory=ResponderSettings)
    judge: JudgeSettings = field(default_factory=JudgeSettings)
    prior: PriorSettings = field(default_factory=PriorSettings)
    agent: AgentSettings = field(default_factory=AgentSettings)
    writer: WriterSettings = field(default_factory=WriterSettings)

    def check(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: a setting is wrong, or a prompt cannot be read.
        """
        for role, settings in self.roles(EVERY).items():
            settings.check(role)
        self.prompts(EVERY)

    def roles(self, names: Sequence[str] = PLANNING) -> dict[str, RoleSettings]:
        """The settings of each of these roles."""
        every = {
            "responder": self.responder,
            "judge": self.judge,
            "prior": self.prior,
            "agent": self.agent,
            "writer": self.writer,
        }
        return {role: every[role] for role in names}

    def prompts(self, names: Sequence[str] = PLANNING) -> dict[str, Prompt]:
        """The prompt of each of these roles."""
        return {
            role: load_prompt(role, settings.prompt, DIMENSIONS if role == "judge" else ())
            for role, settings in self.roles(names).items()
        }


@dataclass(frozen=True, slots=True)
class ServedRoles:
    """The roles that planning needs, each at a model that answers."""

    client: Client
    responder: Responder
    judge: ServedJudge
    prior: ServedPrior
    warnings: tuple[str, ...]
    """What a user should know before spending anything."""


_FIRST_SERVED = {"judge": 0, "agent": 0, "writer": 0, "prior": 1, "responder": 2}
"""Who waits for room is served in this order: what has been begun is finished before more is begun."""


def connect(settings: ServedSettings, table: AttributeTable) -> ServedRoles:
    """Find the servers, and try out each role on a made-up case.

    Raises:
        ConfigError: a setting is wrong.
        ModelError: a server does not answer, or cannot do what a role needs; the message says what to set.
    """
    settings.check()
    client = Client(settings.client)

    async def connected() -> ServedRoles:
        try:
            return await _connect(client, settings, table)
        finally:
            await client.aclose()

    return run(connected())


async def _connect(client: Client, settings: ServedSettings, table: AttributeTable) -> ServedRoles:
    callers = await find_callers(client, settings)
    case = made_up(table)
    responder = Responder(callers["responder"], table)
    judge = make_judge(callers["judge"], settings.judge, table)
    warnings = []
    kin = family_warning(callers)
    if kin is not None:
        warnings.append(kin)
    all_known = case.profile.disclose(full_mask(len(table)))
    missed = await try_out("responder", responder.respond(case.inquiry, all_known, "try"))
    if missed is not None:
        warnings.append(f"the responder did not answer a made-up question: {missed}; expect unscored evaluations")
    missed = await try_out("judge", judge.judge(case, MADE_UP_ANSWER, "try"))
    if missed is not None and missed.kind is Failure.NO_PROBABILITIES:
        raise ModelError(
            "llm.judge: the server reports no token probabilities; set llm/judge=sampled, or use a server that does"
        )
    if missed is not None:
        warnings.append(f"the judge did not score a made-up answer: {missed}; expect unscored evaluations")
    prior, missed = await find_prior(callers["prior"], settings.prior, table)
    if missed is not None:
        warnings.append(f"the prior did not rank a made-up case: {missed}; searches go on without it where it fails")
    return ServedRoles(client, responder, judge, prior, tuple(warnings))


async def find_callers(client: Client, settings: ServedSettings, names: Sequence[str] = PLANNING) -> dict[str, Caller]:
    """Each of these roles at its server and model; roles that share both are found once.

    Raises:
        ModelError: a server does not answer, or does not serve the model.
    """
    prompts = settings.prompts(names)
    callers: dict[str, Caller] = {}
    known: dict[tuple[tuple[str, ...], str | None, str | None], tuple[Route, ServedModel]] = {}
    for role, own in settings.roles(names).items():
        place = (own.base_url, own.api_key_env, own.model)
        if place not in known:
            route = client.route(own.base_url, own.api_key_env)
            known[place] = route, await discover(client, route, own, role)
        callers[role] = Caller(client, *known[place], own, prompts[role], _FIRST_SERVED[role])
    return callers


@contextmanager
def in_background(
    settings: ServedSettings, usage: Usage, find: Callable[[Client, Background], Coroutine[Any, Any, Found]]
) -> Iterator[Found]:
    """What ``find`` connects, for plain code on any thread; disconnected at the end.

    Args:
        settings: client and roles.
        usage: what is asked is added to this.
        find: finds the servers and tries the roles out.

    Raises:
        ConfigError: a setting is wrong.
        ModelError: a server does not answer, or cannot do what a role needs.
    """
    settings.check()
    client = Client(settings.client, usage)
    with Background() as background:
        try:
            yield background.wait(find(client, background))
        finally:
            background.wait(client.aclose())


def callers_side_by_side(client: ClientSettings, caller: Caller) -> int:
    """How many callers a role serves side by side, at all its servers together."""
    each = client.concurrency or min(SIDE_BY_SIDE, client.max_concurrency)
    return each * len(caller.route.endpoints)


def unconnected(settings: ServedSettings, table: AttributeTable) -> ServedRoles:
    """The roles of planning without a look at any server, for what they would send; a prior of mode ``auto`` asks for
    probabilities.

    Raises:
        ConfigError: a setting is wrong.
    """
    settings.check()
    client = Client(settings.client)
    callers = _callers_of_vllm(client, settings, PLANNING)
    mode = "probabilities" if settings.prior.mode == "auto" else settings.prior.mode
    return ServedRoles(
        client,
        Responder(callers["responder"], table),
        make_judge(callers["judge"], settings.judge, table),
        ServedPrior(callers["prior"], settings.prior, mode, table),
        (),
    )


def unconnected_agent(settings: ServedSettings, table: AttributeTable) -> ServedAgent:
    """The agent likewise.

    Raises:
        ConfigError: a setting is wrong.
    """
    return ServedAgent(unconnected_caller(settings, "agent"), table)


def unconnected_caller(settings: ServedSettings, role: str) -> Caller:
    """Any role likewise, with its prompt and sampling.

    Raises:
        ConfigError: a setting is wrong.
    """
    settings.check()
    return _callers_of_vllm(Client(settings.client), settings, (role,))[role]


def _callers_of_vllm(client: Client, settings: ServedSettings, names: Sequence[str]) -> dict[str, Caller]:
    prompts = settings.prompts(names)
    return {
        role: Caller(
            client,
            client.route(own.base_url, own.api_key_env),
            ServedModel(own.model or "", is_vllm=True, revision=None),
            own,
            prompts[role],
            _FIRST_SERVED[role],
        )
        for role, own in settings.roles(names).items()
    }


def family_warning(callers: Mapping[str, Caller]) -> str | None:
    """What to know where judge and responder are of one family."""
    judge, responder = callers["judge"].model.id, callers["responder"].model.id
    if model_family(judge) != model_family(responder):
        return None
    return (
        f"judge ({judge}) and responder ({responder}) are of one family: models favour answers of their own kind; "
        "set llm.judge.model and llm.judge.base_url to another's"
    )


async def find_prior(
    caller: Caller, settings: PriorSettings, table: AttributeTable
) -> tuple[ServedPrior, CallFailed | None]:
    """The prior in the mode that is set, or in the one that the server can serve; also why it failed, if it did.

    Raises:
        ModelError: the server refuses its requests.
    """
    request = RankRequest(made_up(table).inquiry, Disclosure(), full_mask(len(table)))
    if settings.mode != "auto":
        prior = ServedPrior(caller, settings, settings.mode, table)
        return prior, await try_out("prior", prior.rank(request, "try"))
    prior = ServedPrior(caller, settings, "probabilities", table)
    try:
        await prior.rank(request, "try")
    except CallFailed as failed:
        if failed.kind in (Failure.NO_PROBABILITIES, Failure.REJECTED):
            prior = ServedPrior(caller, settings, "ranking", table)
            return prior, await try_out("prior", prior.rank(request, "try"))
        return prior, failed
    return prior, None


async def try_out(role: str, work: Awaitable[object]) -> CallFailed | None:
    """What is wrong with a role's answer to a made-up case, if anything.

    Raises:
        ModelError: the server refuses such requests.
    """
    try:
        await work
    except CallFailed as failed:
        if failed.kind is Failure.REJECTED:
            raise ModelError(
                f"llm.{role}: the server refuses its requests: {failed}. It says: {failed.server_said[:500]}"
            ) from None
        return failed
    return None


MADE_UP_ANSWER = "Take a day before you decide, and talk to someone."
"""An answer to each made-up case."""
_QUERY = "Should I say yes to the offer I got this morning?"


def made_up(table: AttributeTable, number: int = 0) -> Scenario:
    """Nobody's words: the case of this number, 0 or more; no two have the same query."""
    if number == 0:
        values = tuple(max(a.values, key=lambda value: a.values[value], default="yes") for a in table)
        return Scenario("made-up", "Life", _QUERY, Profile(table.keys, values))
    choices = [list(a.values) or ["yes", "no"] for a in table]
    values = tuple(many[number * (place + 1) % len(many)] for place, many in enumerate(choices))
    query = f"Offer {number} came in, and I have slept badly since. {_QUERY}"
    return Scenario(f"made-up {number}", "Life", query, Profile(table.keys, values))
