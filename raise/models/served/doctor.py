"""Looks servers and roles over before a run: what is up, what it can do, how fast it is, what to set.

Only made-up people are put to the models.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from raise_agent.attributes import AttributeTable
from raise_agent.errors import ModelError, did_you_mean
from raise_agent.models.base import RankRequest
from raise_agent.scenario import Disclosure
from raise_agent.subsets import full_mask

from . import features, rehearsal
from .client import Client
from .connect import ServedSettings, find_callers, made_up, unconnected
from .discovery import list_models
from .endpoints import Endpoint
from .failures import CallFailed, Failure
from .features import Finding, Probe, State
from .refusals import KeyRefusedError
from .settings import RoleSettings
from .throughput import Throughput, measure

PATIENCE = 10.0
"""Seconds without an answer after which a server is taken for gone, where less is not set."""
PROBE_SECONDS = 60.0
"""Most that one small request may take."""
LONGER_QUESTION = 256
"""Tokens by which a real question may be longer than the made-up one."""
_UNREACHABLE = (Failure.REFUSED, Failure.CONNECTION, Failure.TIMEOUT)


@dataclass(frozen=True, slots=True)
class ServerReport:
    """One server and one of its models."""

    url: str
    model: str | None
    """None where it is not known which would be used."""
    roles: tuple[str, ...]
    """The roles that go there."""
    usable: bool
    """Whether it answers and serves the model."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found."""

    servers: tuple[ServerReport, ...]
    roles: tuple[Finding, ...] = ()
    """Each role on made-up cases; empty where a server is not usable."""
    throughput: Throughput | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Of servers and roles."""
        return (*(finding for server in self.servers for finding in server.findings), *self.roles)

    @property
    def missing(self) -> tuple[str, ...]:
        """The features that the roles lack as they are set, each once; empty where all is ready."""
        return tuple(dict.fromkeys(f.feature for f in self.findings if f.state is State.MISSING))

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do, the needful first, each once."""
        ordered = sorted(self.findings, key=lambda finding: finding.state is not State.MISSING)
        lines = [finding.advice for finding in ordered if finding.advice]
        if self.throughput is not None and self.throughput.best is not None:
            more = f" or more: it still rose when {self.throughput.ended}" if self.throughput.rising else ""
            lines.append(f"set llm.client.concurrency={self.throughput.best.concurrency}{more}")
        return tuple(dict.fromkeys(lines))


async def examine(
    settings: ServedSettings, table: AttributeTable, seconds: float, tell: Callable[[str], None] = lambda line: None
) -> Report:
    """Look everything over.

    Args:
        settings: client and roles.
        table: the attributes.
        seconds: for measuring the throughput, in all; 0 leaves it out.
        tell: is told what is being done.

    Raises:
        ConfigError: a setting is wrong.
        ModelError: a server that answered is gone.
    """
    settings.check()
    calls = replace(
        settings.client, attempts=min(3, settings.client.attempts), patience=min(PATIENCE, settings.client.patience)
    )
    settings = replace(settings, client=calls)
    probing = Client(replace(calls, timeout=min(PROBE_SECONDS, calls.timeout)))
    try:
        servers = await _servers(probing, settings, table, tell)
    finally:
        await probing.aclose()
    if not all(server.usable for server in servers):
        return Report(servers)
    tell("trying out the roles")
    client = Client(calls)
    try:
        try:
            callers = await find_callers(client, settings)
        except ModelError as refused:
            return Report(servers, (Finding("roles", State.MISSING, "cannot be tried", str(refused)[:200]),))
        responding, answer = await rehearsal.responder(callers["responder"], table)
        judging = await rehearsal.judge(callers["judge"], settings.judge, table)
        ranking = await rehearsal.prior(callers["prior"], settings.prior, table)
        writing = await rehearsal.writer(client, settings, table)
        deciding = await rehearsal.agent(client, settings, table)
        roles = (responding, judging, ranking, writing, deciding, rehearsal.family(callers))
    finally:
        await client.aclose()
    throughput = None
    if seconds and answer is not None and judging.state is not State.MISSING:
        tell(f"measuring throughput for up to {seconds:g} s")
        throughput = await measure(settings, table, seconds, answer, tell)
    return Report(servers, roles, throughput)


async def _servers(
    client: Client, settings: ServedSettings, table: AttributeTable, tell: Callable[[str], None]
) -> tuple[ServerReport, ...]:
    """Each server and model among the roles, once."""
    known: dict[tuple[Endpoint, str | None], list[str]] = {}
    lists: dict[Endpoint, list[dict[str, object]] | CallFailed | ModelError] = {}
    first: dict[Endpoint, float] = {}
    for role, own in settings.roles().items():
        for endpoint in client.route(own.base_url, own.api_key_env).endpoints:
            if endpoint not in lists:
                tell(f"asking {endpoint.url}")
                began = time.monotonic()
                try:
                    lists[endpoint] = await list_models(client, endpoint)
                except (CallFailed, ModelError) as failed:
                    lists[endpoint] = failed
                first[endpoint] = time.monotonic() - began
            listed = lists[endpoint]
            model = own.model
            if model is None and isinstance(listed, list) and len(listed) == 1:
                model = str(listed[0].get("id"))
            known.setdefault((endpoint, model), []).append(role)
    reports = []
    for (endpoint, model), roles in known.items():
        listed = lists[endpoint]
        findings, usable = [_reachable(endpoint, listed, first[endpoint], settings, roles)], False
        if isinstance(listed, list):
            served, entry = _served(endpoint, listed, model, roles)
            findings.append(served)
            usable = entry is not None
            if entry is not None and model is not None:
                route = client.route([endpoint.url], settings.roles()[roles[0]].api_key_env)
                probe = Probe(client, route, model, entry.get("owned_by") == "vllm")
                more = await _features(probe, entry, roles, settings, table)
                findings += more
                usable = more[0].state is not State.MISSING
        reports.append(ServerReport(endpoint.url, model, tuple(roles), usable, tuple(findings)))
    return tuple(reports)


def _reachable(
    endpoint: Endpoint,
    listed: Sequence[object] | CallFailed | ModelError,
    seconds: float,
    settings: ServedSettings,
    roles: Sequence[str],
) -> Finding:
    tried = f"GET {endpoint.url}/models"
    if isinstance(listed, ModelError) and not isinstance(listed, KeyRefusedError):
        return Finding("reachable", State.MISSING, "no", f"tried {tried}", str(listed), False)
    if isinstance(listed, ModelError):
        variable = settings.roles()[roles[0]].api_key_env
        advice = f"put the server's key into the environment variable {variable or 'that llm.api_key_env names'}"
        return Finding("reachable", State.MISSING, "refuses the key", tried, advice, False)
    if isinstance(listed, CallFailed):
        if listed.kind in _UNREACHABLE:
            advice = (
                f"no server answers at {endpoint.url}: start one (llm.launch=true llm.server.model=FOLDER_OR_HUB_ID "
                "starts vLLM for as long as the command runs), or set llm.base_url"
            )
            return Finding("reachable", State.MISSING, "no", f"{listed}; tried {tried}", advice, False)
        advice = f"set llm.base_url to an OpenAI-compatible server, usually ending in /v1; {endpoint.url} is none"
        return Finding("reachable", State.MISSING, "lists no models", f"{listed}; tried {tried}", advice, False)
    return Finding("reachable", State.FINE, "yes", f"models listed in {seconds:.3f} s", value=seconds)


def _served(
    endpoint: Endpoint, listed: Sequence[Mapping[str, object]], model: str | None, roles: Sequence[str]
) -> tuple[Finding, Mapping[str, object] | None]:
    """What the server serves, and its entry of the model that is used."""
    ids = [str(entry.get("id")) for entry in listed]
    shown = ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
    setting = " ".join(f"llm.{role}.model" for role in roles) if len(roles) < 3 else "llm.model"
    if model is None:
        advice = f"set {setting} to one of those that {endpoint.url} serves: {shown or 'none yet'}"
        return Finding("model", State.MISSING, "not named", f"served: {shown or 'none'}", advice), None
    if model not in ids:
        advice = f"set {setting}: {endpoint.url} does not serve {model!r}. {did_you_mean(model, ids)}"
        return Finding("model", State.MISSING, "not served", f"{model}; served: {shown or 'none'}", advice), None
    entry = listed[ids.index(model)]
    return Finding("model", State.FINE, model, f"served: {shown}", value=model), entry


async def _features(
    probe: Probe, entry: Mapping[str, object], roles: Sequence[str], settings: ServedSettings, table: AttributeTable
) -> list[Finding]:
    """First whether it answers at all; where it does not, that alone."""
    began = time.monotonic()
    try:
        reply = await probe.say("Say yes.", 1)
    except ModelError as gone:
        reply = CallFailed(Failure.SERVER, str(gone))
    took = time.monotonic() - began
    if isinstance(reply, CallFailed):
        advice = f"look at the server's own log: {probe.endpoint.url} lists the model, but does not answer a request"
        return [Finding("tiny request", State.MISSING, "fails", str(reply), advice)]
    owner = str(entry.get("owned_by") or "unknown")
    kind = f"vLLM {await features.version(probe)}".strip() if probe.is_vllm else owner
    revision = f"revision {reply.revision}" if reply.revision else "reports no revision"
    reading = {"judge": settings.judge.mode == "expectation", "prior": settings.prior.mode == "probabilities"}
    probabilities = await features.token_probabilities(probe, [role for role in roles if reading.get(role)])
    fallen_back = settings.prior.mode == "auto" and not probabilities.value
    writing = {"judge": not reading["judge"], "prior": settings.prior.mode == "ranking" or fallen_back}
    forms = [role for role in roles if writing.get(role)]
    unbudgeted = [role for role in roles if not settings.roles()[role].thinking_tokens]
    others = await features.others(probe)
    return [
        Finding("tiny request", State.FINE, f"{took:.3f} s", value=took),
        Finding("server", State.FINE, kind, revision, value=kind),
        *([others] if others is not None else []),
        await _context(probe, entry.get("max_model_len"), roles, settings, table),
        probabilities,
        await features.structured_choice(probe, ()),
        await features.structured_pattern(probe, forms if probe.is_vllm else ()),
        await features.json_schema(probe, () if probe.is_vllm else forms),
        await features.prefix_cache(probe),
        await features.thinking(probe, unbudgeted),
        await features.seed(probe),
    ]


async def _context(
    probe: Probe, context: object, roles: Sequence[str], settings: ServedSettings, table: AttributeTable
) -> Finding:
    """Whether the longest request of each role fits, a longer question than the made-up one allowed for."""
    feature, sizes = "context length", {}
    answer = settings.responder.max_tokens
    for role, (messages, generated) in _longest(settings, table).items():
        if role in roles:
            counted = await probe.ask(messages, 1)
            if isinstance(counted, CallFailed):
                note = f"a request of the {role} with a short answer is refused: {counted}"
                return Finding(feature, State.MISSING, "too short", note, "raise the server's --max-model-len", None)
            sizes[role] = counted.prompt_tokens + LONGER_QUESTION + generated + (answer if role == "judge" else 0)
    role, needed = max(sizes.items(), key=lambda item: item[1])
    note = f"the longest request, of the {role}, may take {needed:,}"
    if not isinstance(context, int):
        return await _unknown_context(probe, note, roles, settings, table)
    if needed <= context:
        return Finding(feature, State.FINE, f"{context:,} tokens", note, value=context)
    advice = f"start the server with --max-model-len {math.ceil(needed / 1024) * 1024}"
    room = (answer - needed + context) // 64 * 64
    if role != "prior" and room > 0:
        advice = f"set llm.responder.max_tokens={room}, or {advice}"
    return Finding(feature, State.MISSING, f"{context:,} tokens", note, advice, context)


async def _unknown_context(
    probe: Probe, note: str, roles: Sequence[str], settings: ServedSettings, table: AttributeTable
) -> Finding:
    """The server does not say: try the judge with an answer of full length."""
    feature = "context length"
    if "judge" not in roles:
        return Finding(feature, State.FINE, "not reported", note)
    # Common short words are one token each for all but the smallest vocabularies.
    answer = " ".join(["help"] * settings.responder.max_tokens)
    judge = unconnected(settings, table).judge
    reply = await probe.ask(judge.requests(made_up(table), answer, "doctor")[0].messages, 1)
    if isinstance(reply, CallFailed):
        advice = "lower llm.responder.max_tokens, or give the server a longer context"
        return Finding(feature, State.MISSING, "too short", f"the judge's longest is refused: {reply}", advice)
    return Finding(feature, State.FINE, f"{reply.prompt_tokens:,} tokens at least", note, value=reply.prompt_tokens)


def _longest(settings: ServedSettings, table: AttributeTable) -> dict[str, tuple[list[dict[str, str]], int]]:
    """Each role's prompt with all that can be known, the judge's without an answer; and the tokens it may write."""
    roles = unconnected(settings, table)
    case, everything = made_up(table), full_mask(len(table))

    def written(own: RoleSettings, one_token: bool) -> int:
        return 1 if one_token else own.max_tokens + own.thinking_tokens

    return {
        "responder": (
            roles.responder.messages(case.inquiry, case.profile.disclose(everything)),
            written(settings.responder, False),
        ),
        "judge": (
            roles.judge.requests(case, "-", "doctor")[0].messages,
            written(settings.judge, settings.judge.mode == "expectation"),
        ),
        "prior": (
            roles.prior.messages(RankRequest(case.inquiry, Disclosure(), everything)),
            written(settings.prior, settings.prior.mode == "probabilities"),
        ),
    }
