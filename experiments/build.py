"""``raise-agent build``: new scenarios with a model, checked; a data card and a sheet for reviewers beside them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from raise_agent.attributes import AttributeTable
from raise_agent.building.contract import Writer
from raise_agent.building.extraction import build_from_posts
from raise_agent.building.journal import Journal, KeptWriter
from raise_agent.building.review import filled_in, write_review
from raise_agent.building.settings import PostSettings, SyntheticSettings
from raise_agent.building.steps import Built
from raise_agent.building.synthetic import build_synthetic
from raise_agent.data import write_jsonl
from raise_agent.encoders import Encoder
from raise_agent.errors import ConfigError, DataError, refuse_negative
from raise_agent.files import atomic_write_text
from raise_agent.models.served.client import Usage

from .assembly import make_table
from .config import CONF
from .data_card import data_card, steps_table
from .encoding import KEPT, make_query_encoder
from .models import writing_model
from .progress import Progress
from .provenance import describe_run, without_folders


@dataclass(frozen=True, slots=True)
class Given:
    """What every builder is given."""

    table: AttributeTable
    writer: Writer
    encoder: Encoder
    """Tells near duplicates."""
    seed: int
    similarity: float
    """Cosine from which on two queries of a domain are near duplicates."""
    on_progress: Callable[[int, int], None]
    """Called with what is done so far and what is wanted by now."""


def _synthetic(settings: dict[str, Any], given: Given) -> Built:
    settings["circumstances"] = _shares(settings["circumstances"])
    return build_synthetic(
        SyntheticSettings(**settings),
        given.table,
        given.writer,
        given.encoder,
        seed=given.seed,
        similarity=given.similarity,
        on_progress=given.on_progress,
    )


def _posts(settings: dict[str, Any], given: Given) -> Built:
    domains = settings["domains"] or {}
    if not isinstance(domains, dict):
        raise ConfigError("build.domains must be a domain by subreddit, such as {homestead: Financial}, or null")
    settings["domains"] = {str(subreddit): str(domain) for subreddit, domain in domains.items()}
    return build_from_posts(
        Path(settings.pop("posts")),
        PostSettings(**settings),
        given.table,
        given.writer,
        given.encoder,
        similarity=given.similarity,
        on_progress=given.on_progress,
    )


BUILDERS: dict[str, tuple[str, Callable[[dict[str, Any], Given], Built]]] = {
    "synthetic": ("people made up", _synthetic),
    "posts": ("posts read", _posts),
}
"""Option of the group ``build`` -> what is counted as it goes on, and who builds, from the option's settings."""


@hydra.main(version_base="1.3", config_path=CONF, config_name="build")
def main(cfg: DictConfig) -> None:
    """Build the scenarios of the ``build`` group and write them to ``output``."""
    output = Path(cfg.output)
    sheet = output.with_suffix(".review.csv")
    _check(cfg, output, sheet)
    table = make_table(cfg.attributes)
    settings: dict[str, Any] = OmegaConf.to_container(cfg.build, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    what, builder = BUILDERS[settings.pop("name")]
    encoder, used = make_query_encoder(cfg.encoder, Path("runs") / KEPT)
    journal_file = output.with_suffix(".journal.sqlite")
    usage = Usage()
    try:
        # A server's own log may repeat what it is sent, so it goes where it is deleted.
        with (
            Journal(journal_file) as journal,
            tempfile.TemporaryDirectory() as folder,
            writing_model(cfg.llm, table, Path(folder), usage) as model,
        ):
            writer = KeptWriter(model, journal)
            progress = Progress(f"{what}{' (simulated)' if writer.simulated else ''}")
            given = Given(table, writer, encoder, cfg.seed, cfg.similarity, progress)
            built = builder(dict(settings), given)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"every finished call is kept in {journal_file}; the same command goes on from there"
        ) from None
    settings |= {
        "builder": cfg.build.name,
        "seed": cfg.seed,
        "similarity": cfg.similarity,
        "encoder": without_folders(used),
    }
    if "posts" in settings:
        # A card is passed on; where its maker keeps files is nobody's affair.
        settings["posts"] = Path(settings["posts"]).name
    made_by = {**describe_run(cfg.seed, simulated=writer.simulated), "model": without_folders(dict(writer.identity))}
    card = output.with_suffix(".card.md")
    atomic_write_text(card, data_card(output.name, built, table, settings, made_by))
    print(steps_table(built.steps))
    if not built.scenarios:
        raise DataError(
            f"{output}: not written, as nothing was left to write; {card} says what was dropped and why. Failures are "
            f"kept too: to have the model asked again, move {journal_file} away"
        )
    write_jsonl(output, built.scenarios)
    reviewed = write_review(sheet, built, table, cfg.review, cfg.seed)
    print(f"\n{len(built.scenarios):,} {'simulated ' if writer.simulated else ''}scenarios: {output}")
    print(f"data card: {card}\nfor reviewers, {reviewed:,} of them: {sheet}")
    print(f"calls: {writer.asked:,} made, {writer.taken:,} taken from {journal_file}")
    if usage.requests:
        print(f"tokens: {usage.prompt_tokens:,} read, {usage.generated_tokens:,} written")
    if built.shortfall:
        print(f"{sum(built.shortfall.values()):,} scenarios short of what was asked for; the data card says where")


def _check(cfg: DictConfig, output: Path, sheet: Path) -> None:
    if output.suffix != ".jsonl":
        raise ConfigError(f"output={output}: name a file *.jsonl, such as scenarios.jsonl")
    if cfg.build.name == "posts" and output.resolve() == Path(cfg.build.posts).resolve():
        raise ConfigError(f"output={output}: that is the file of posts; name another")
    if filled_in(sheet):
        raise ConfigError(f"{sheet}: somebody has filled it in; move it away, or name another output")
    refuse_negative(cfg.seed)
    if not cfg.similarity > 0:
        raise ConfigError(f"similarity must be a cosine above 0, not {cfg.similarity}")
    if cfg.review is not None and cfg.review < 0:
        raise ConfigError(f"review must be 0 or more, or null for all, not {cfg.review}")


def _shares(given: Any) -> dict[str, float]:
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(share, (int, float)) for share in given.values()):
        raise ConfigError("build.circumstances must be shares by name, such as {crisis: 0.85, good: 0.15}, or null")
    return {str(name): float(share) for name, share in given.items()}
