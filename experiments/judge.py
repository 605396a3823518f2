"""``raise-agent judge``: how far a judge agrees with people, with others and with itself; sheets for people to rate."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig

from raise_agent.data import OnBad
from raise_agent.errors import ConfigError, DataError, did_you_mean

from .assembly import make_table, plain, read_scenarios
from .config import CONF
from .judging.comparison import Comparison, panel
from .judging.ratings import Rating, read_ratings
from .judging.report import FIGURES, REPORT, Findings, tables, write
from .judging.sheet import Written, guide_of, key_of, read_key, write_rating_sheet
from .judging.stored import judged, judged_answers, opened, stored_models
from .provenance import without_folders
from .tracking import tracking

_FEWEST_RESAMPLES = 100
_log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=CONF, config_name="judge")
def main(cfg: DictConfig) -> None:
    """Write a sheet, or compare ratings and write what comes of it."""
    check(cfg)
    if cfg.sheet is not None:
        sheet = Path(cfg.sheet)
        key = key_of(sheet) if cfg.key is None else Path(cfg.key)
        print(_told(_write_sheet(cfg, sheet, key), sheet, key))
        return
    folder = Path(HydraConfig.get().runtime.output_dir)
    if folder.is_relative_to(Path.cwd()):
        folder = folder.relative_to(Path.cwd())
    found = find(cfg)
    for message in found.skipped:
        _log.warning("skipped: %s", message)
    with tracking(cfg, "judge", folder, simulated=found.simulated) as tracker:
        write(found, folder, tracker)
    print(f"{tables(found)}\n\nReport: {folder / REPORT}\nFigures: {folder / FIGURES}")


def check(cfg: DictConfig) -> None:
    """Refuse what does not go together.

    Raises:
        ConfigError: it does not; the message says what would.
    """
    if cfg.sheet is not None and cfg.ratings is not None:
        raise ConfigError(
            "sheet writes a sheet, ratings reads one that came back: give sheet=FILE now, and ratings=FILE key=KEY then"
        )
    if cfg.key is not None and cfg.sheet is None and cfg.ratings is None:
        raise ConfigError("key: it tells what the codes of a sheet stand for; give the filled sheets with ratings=...")
    if cfg.people is not None and cfg.ratings is None:
        raise ConfigError("people: they are raters of the files of ratings, and there are none; give ratings=...")
    if cfg.on_bad not in get_args(OnBad):
        raise ConfigError(f"on_bad={cfg.on_bad}: {did_you_mean(str(cfg.on_bad), get_args(OnBad))}")
    if cfg.resamples < _FEWEST_RESAMPLES or cfg.seed < 0:
        raise ConfigError(f"resamples must be {_FEWEST_RESAMPLES} or more and seed 0 or more")


def find(cfg: DictConfig) -> Findings:
    """Read the ratings and compare them.

    Raises:
        ConfigError, DataError, StoreError: the settings, a file or the store cannot be used.
    """
    given = _from_files(cfg) if cfg.ratings is not None else _from_store(cfg)
    made = panel(given.ratings, given.people if cfg.people is None else _many(cfg.people, "people"))
    comparison = Comparison(made, cfg.resamples, cfg.seed)
    return Findings(
        sources=given.sources,
        simulated=given.simulated,
        items=len(made.about),
        raters=comparison.raters(),
        pairs=comparison.pairs(),
        people=made.people,
        skipped=given.skipped,
        config=without_folders(plain(cfg)),
    )


@dataclass(frozen=True, slots=True, repr=False)
class _Given:
    """Ratings to compare, and what is known of all of them."""

    ratings: Sequence[Rating]
    sources: str
    simulated: bool = False
    people: Sequence[str] = ()
    """Raters that are persons, unless told otherwise."""
    skipped: Sequence[str] = ()


def _many(value: object, name: str) -> list[str]:
    many = list(value) if isinstance(value, ListConfig) else [value]
    # People may be called by numbers.
    if not all(isinstance(one, (str, int)) for one in many) or (name == "ratings" and not many):
        raise ConfigError(f"{name} must be one text or a list of them, such as {name}=[a,b]")
    return [str(one) for one in many]


def _from_files(cfg: DictConfig) -> _Given:
    paths = [Path(path) for path in _many(cfg.ratings, "ratings")]
    named = ", ".join(path.name for path in paths)
    if cfg.key is None:
        read = read_ratings(paths, cfg.on_bad)
        return _Given(read.ratings, named, skipped=read.skipped)
    key = read_key(Path(cfg.key))
    read = read_ratings(paths, cfg.on_bad, key.locate, key.items)
    people = list(dict.fromkeys(rating.rater for rating in read.ratings))
    with opened(cfg.store) as store:
        judges = judged(store, key.responders, [known for known in key.items.values() if not known.repeat])
    if not judges:
        _log.warning("%s holds no judgement of the answers of this sheet: people are compared with people", cfg.store)
    for name in {rating.rater for rating in judges}.intersection(people):
        raise DataError(f"a rater of {named} is called {name!r}, as a judge of {cfg.store} is; name one otherwise")
    return _Given([*judges, *read.ratings], f"{named}; judges of {cfg.store}", people=people, skipped=read.skipped)


def _from_store(cfg: DictConfig) -> _Given:
    with opened(cfg.store) as store:
        ratings, answers = judged_answers(store, cfg.seed)
        simulated = any(model.simulated for model in stored_models(store))
    if not ratings:
        raise ConfigError(f"{cfg.store} holds no evaluation yet; give ratings=..., or evaluate something first")
    kept = len({rating.about.item for rating in ratings})
    drawn = f", {kept:,} of {answers:,} answers drawn" if kept < answers else ""
    return _Given(ratings, f"judges of {cfg.store}{drawn}", simulated)


def _write_sheet(cfg: DictConfig, sheet: Path, key: Path) -> Written:
    table = make_table(cfg.attributes)
    scenarios, skipped, _ = read_scenarios(cfg.data, table)
    for message in skipped:
        _log.warning("skipped: %s", message)
    with opened(cfg.store) as store:
        return write_rating_sheet(
            store,
            scenarios,
            table,
            sheet=sheet,
            key=key,
            n=cfg.n,
            twice=cfg.twice,
            seed=cfg.seed,
            rubric=cfg.rubric,
        )


def _told(written: Written, sheet: Path, key: Path) -> str:
    counts = [
        f"{what}: " + ", ".join(f"{name or '(none)'} {count}" for name, count in sorted(found.items()))
        for what, found in (
            ("conditions", written.conditions),
            ("domains", written.domains),
            ("responders", written.responders),
        )
    ]
    unshowable = f"; {written.unshowable:,} more fit in no cell" if written.unshowable else ""
    return "\n".join(
        [
            f"{written.rows:,} rows, drawn from {written.candidates:,} judged answers{unshowable}",
            *counts,
            f"Sheet: {sheet} (holds queries, profiles and answers: give it to raters only)",
            f"Guide: {guide_of(sheet)} (what raters are told)",
            f"Key: {key} (keep it from raters: it tells the conditions)",
            f"Then: raise-agent judge ratings=[...] key={key}",
        ]
    )
