"""Types of the configuration: what a key is called and what it may hold. The values are in ``conf/``.

A verb's configuration is one of the classes in ``verbs``. Groups (data, llm, planner, encoder, tracker) have one class
per option, in ``groups``; a planner's options are its own hyperparameters, so a new planner needs no class here.
"""

from __future__ import annotations

from dataclasses import field

from hydra.core.config_store import ConfigStore

from raise_agent.planners import available_planners, planner_class

from .groups import OPTIONS, thawed
from .verbs import VERBS

CONF = "pkg://raise_agent.conf"


def register_schemas() -> None:
    """Make the types known to Hydra, and every planner an option of the group ``planner``."""
    store = ConfigStore.instance()
    for verb, schema in VERBS.items():
        store.store(name=f"{verb}_schema", node=schema)
    for group, options in OPTIONS.items():
        for option, schema in options.items():
            store.store(group=group, name=f"{option}_schema", node=schema)
    for name in available_planners():
        schema = thawed(planner_class(name), f"{name}_planner", [("name", str, field(default=name))])
        store.store(group="planner", name=name, node=schema)
