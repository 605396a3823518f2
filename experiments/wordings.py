"""Training queries in other words, which the writer is asked for before a policy is distilled."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from raise_agent.building.contract import Writer
from raise_agent.building.journal import Journal, KeptWriter
from raise_agent.building.wordings import Wordings, write_wordings
from raise_agent.errors import ConfigError, LimitReachedError, ModelError
from raise_agent.planners.allowance import Allowance

from .progress import Progress

_log = logging.getLogger(__name__)


def connected(writer: Callable[[], Writer]) -> Writer:
    """The writer, connected now, so that one that cannot be asked is told before anything is spent.

    Raises:
        ConfigError: a setting of the role is wrong.
        ModelError: its server does not answer, or cannot do what the role needs.
    """
    try:
        return writer()
    except (ConfigError, ModelError) as error:
        kind = ConfigError if isinstance(error, ConfigError) else ModelError
        raise kind(
            f"{error}; the writer puts training queries in other words for the policy: set llm.writer.*, or "
            "distill.wordings=0 to do without"
        ) from error


def journal_of(store: str) -> Path:
    """Where what the writer wrote is kept: beside the evaluations, and like them nowhere with ``:memory:``."""
    if store == ":memory:":
        return Path(store)
    path = Path(store)
    return path.with_name(f"{path.name.removesuffix('.sqlite')}.wordings.sqlite")


def wordings_of(queries: Sequence[str], writer: Writer, count: int, store: str, allowance: Allowance) -> Wordings:
    """Other wordings of training queries.

    Every finished call of a served writer is kept beside the store, as private as the queries are; successes only, so
    that what failed is asked for again another time.

    Args:
        queries: each once.
        writer: the model.
        count: wordings of each, 1 or more.
        store: of the evaluations, as configured.
        allowance: what the job may spend.

    Raises:
        LimitReachedError: a limit is reached.
        ModelError: the model is gone.
    """
    marked = " (simulated)" if writer.simulated else ""
    progress = Progress(f"queries put in other words{marked}")
    with ExitStack() as opened:
        if not writer.simulated:
            _log.warning(
                "%s training queries are put in other words, one request each but for those kept", len(queries)
            )
            journal = opened.enter_context(Journal(journal_of(store)))
            writer = KeptWriter(_Limited(writer, allowance), journal, failures=False)
        found = write_wordings(queries, writer, count, lambda done: progress(done, len(queries)))
    if found.missing:
        why = ", ".join(f"{reason}: {number:,}" for reason, number in sorted(found.missing.items()))
        _log.warning(
            "%s of %s training queries were not put in other words%s and are known as they are (%s)",
            f"{sum(found.missing.values()):,}",
            f"{len(queries):,}",
            marked,
            why,
        )
    return found


def asks_the_writer(cfg: DictConfig, wanted: bool) -> bool:
    """Whether the verb distils a policy that knows its queries in other words too.

    Args:
        cfg: the whole configuration.
        wanted: whether ``distill`` asks for other wordings.
    """
    # An experiment that is given a policy distils none.
    return wanted and not ("evaluate" in cfg and cfg.evaluate.get("policy"))


class _Limited:
    """A writer that is asked no more once a limit is reached."""

    simulated = False

    def __init__(self, writer: Writer, allowance: Allowance) -> None:
        self._writer, self._allowance = writer, allowance
        self.identity, self.in_flight = writer.identity, writer.in_flight

    def write(self, part: str, schema: Mapping[str, Any], /, draw: int | None = None, **values: str) -> Any:
        """See ``Writer``.

        Raises:
            LimitReachedError: a limit is reached.
        """
        if not self._allowance.open():
            raise LimitReachedError(f"stopped at {self._allowance.reached}, putting queries in other words")
        return self._writer.write(part, schema, draw, **values)
