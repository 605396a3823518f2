"""What a server says of itself, and whether it answers at all, before anything is spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from raise_agent.errors import ModelError, did_you_mean

from .client import Client
from .endpoints import Endpoint, Route
from .failures import CallFailed
from .settings import RoleSettings
from .wire import message, read_object, render

_GREETING = [message("user", "Say yes.")]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model as its servers report it."""

    id: str
    is_vllm: bool
    revision: str | None
    """What vLLM calls the state it is in; None where another server reports none that lasts."""


async def discover(client: Client, route: Route, settings: RoleSettings, role: str) -> ServedModel:
    """Ask each endpoint which models it serves, and one of them to say something.

    Raises:
        ModelError: nothing answers, the model is not among those served, or endpoints serve different ones.
    """
    found: list[ServedModel] = []
    failures: list[str] = []
    for endpoint in route.endpoints:
        try:
            found.append(await _discover_one(client, endpoint, settings, role))
        except CallFailed as failed:
            failures.append(f"{endpoint.url}: {failed}")
    if not found:
        raise ModelError(
            f"llm.{role}: no server answers. {'; '.join(failures)}. Start one (llm.launch=true starts vLLM), "
            "or set llm.base_url"
        )
    if len({model.id for model in found}) > 1:
        raise ModelError(
            f"llm.{role}: the servers serve different models ({', '.join(sorted({m.id for m in found}))}); "
            f"name one as llm.{role}.model"
        )
    revisions = {model.revision for model in found}
    if len(revisions) > 1 and settings.revision is None:
        raise ModelError(
            f"llm.{role}: the servers of {found[0].id} are in different states ({', '.join(map(str, revisions))}), so "
            f"that their results would mix; start them alike, or name both one state as llm.{role}.revision"
        )
    return ServedModel(found[0].id, all(model.is_vllm for model in found), found[0].revision)


async def _discover_one(client: Client, endpoint: Endpoint, settings: RoleSettings, role: str) -> ServedModel:
    listed = await list_models(client, endpoint)
    ids = [str(entry.get("id")) for entry in listed]
    wanted = settings.model
    if wanted is None:
        if len(ids) != 1:
            raise ModelError(f"{endpoint.url} serves {', '.join(ids) or 'no model'}; name one as llm.{role}.model")
        wanted = ids[0]
    elif wanted not in ids:
        raise ModelError(f"{endpoint.url} does not serve {wanted!r} (llm.{role}.model): {did_you_mean(wanted, ids)}")
    entry = listed[ids.index(wanted)]
    is_vllm = entry.get("owned_by") == "vllm"
    revision = None
    if is_vllm:
        revision = await _revision(client, endpoint, wanted)
    return ServedModel(wanted, is_vllm, revision)


async def list_models(client: Client, endpoint: Endpoint) -> list[dict[str, Any]]:
    """The models a server lists.

    Raises:
        CallFailed: it gives no list.
        ModelError: it refuses the key.
    """
    data = read_object(await client.get(endpoint, f"{endpoint.url}/models")).get("data")
    return [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []


async def _revision(client: Client, endpoint: Endpoint, model: str) -> str | None:
    body = render({"model": model, "messages": _GREETING, "max_tokens": 1, "temperature": 0})
    return (await client.chat(Route((endpoint,)), body)).revision
