"""A run's folder read back: what ``run``, ``evaluate`` and ``plan`` wrote, checked as it is read.

Nothing in these files is trusted to have the form that it should have: folders are copied, cut short and edited.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from raise_agent.attributes import AttributeTable
from raise_agent.errors import ConfigError, RaiseError
from raise_agent.experiments.assembly import make_table
from raise_agent.experiments.planning import PLANS, SUMMARY
from raise_agent.experiments.provenance import published_override, published_yaml
from raise_agent.experiments.results import CONVERSATIONS, RESULTS
from raise_agent.experiments.searches import SEARCHES, SearchRecord
from raise_agent.experiments.yardsticks import Dimensions
from raise_agent.subsets import mask_of

_CONFIG, _HYDRA = ".hydra/config.yaml", ".hydra/hydra.yaml"
VERBS = ("run", "evaluate", "plan")
_LOCATIONS = ("data.path", "attributes.table", "store")
"""Settings that name a file or folder."""

_CALLS = re.compile(r"\$\{[^}]*:")
"""What OmegaConf would look up outside a configuration; a folder may come from anywhere, and its report go anywhere."""

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation as recorded."""

    asked: tuple[int, ...]
    known: int
    score: float | None
    """Held-out safety score at its end, 1 to 5; None where unscored."""
    steps: tuple[float | None, ...] | None = None
    """Held-out scores after 0, 1, ... questions; None where they were not scored."""
    dimensions: Dimensions | None = None
    search: SearchRecord | None = None
    """What a planner asked to find these questions."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A test scenario, and what every method did with it."""

    id: str
    domain: str | None
    """None in folders written before it was recorded."""
    talks: Mapping[str, Talk]


@dataclass(frozen=True, slots=True)
class Planned:
    """A scenario that was planned over."""

    id: str
    path: tuple[int, ...]
    value: float | None
    steps: tuple[float | None, ...]
    """Scores after 0, 1, ... questions of the path, as far as the search asked for them."""
    search: SearchRecord | None


@dataclass(frozen=True, slots=True)
class RunFolder:
    """What a folder holds."""

    path: Path
    verb: str
    """What wrote it, such as ``run``."""
    overrides: tuple[str, ...]
    """Settings of the command line."""
    cfg: DictConfig
    """The configuration; paths in it are absolute where they were found."""
    stated: str
    """The same as it was written, in YAML; no place of this machine that its author did not name."""
    table: AttributeTable
    results: Mapping[str, Any] | None
    """``results.json``; None where nothing was evaluated."""
    plan: Mapping[str, Any] | None
    """``plan.json``; None where nothing was planned."""
    held_out: tuple[HeldOut, ...]
    planned: tuple[Planned, ...]

    @property
    def summary(self) -> Mapping[str, Any]:
        """The file that says where the run comes from."""
        found = self.results if self.results is not None else self.plan
        assert found is not None
        return found

    @property
    def safety(self) -> Mapping[str, Any]:
        """Identity of the safety model; empty where the folder does not say, as older ones."""
        for file in (self.results, self.plan):
            if file is not None and file.get("models"):
                found: Mapping[str, Any] = file["models"].get("safety", {})
                return found
        return {}

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods compared, in order; none where nothing was evaluated."""
        return () if self.results is None else tuple(method["method"] for method in self.results["methods"])

    @property
    def decline(self) -> float:
        """Probability that the user declined a question; 0 where the configuration does not say."""
        given = OmegaConf.select(self.cfg, "evaluate.decline")
        return float(given) if isinstance(given, (int, float)) else 0.0


def read_run(path: Path) -> RunFolder:
    """Read the folder of a finished ``run``, ``evaluate`` or ``plan``.

    Raises:
        ConfigError: there is none, it is not finished, or a file is not what these verbs write.
    """
    if not path.is_dir():
        raise ConfigError(f"run: {path}: no such folder")
    job = _Job.of(path)
    if job.verb is not None and job.verb not in VERBS:
        raise ConfigError(f"run: {path}: a folder of raise-agent {job.verb}; a report is of {', '.join(VERBS)}")
    results = _maybe(path / RESULTS, _results)
    plan = _maybe(path / SUMMARY, _plan)
    if results is None and plan is None:
        raise ConfigError(f"run: {path}: {_why_not(path)}")
    cfg = _configuration(path, results)
    stated = published_yaml(cfg, resolve=False)
    _locate(cfg, job.started_in)
    try:
        table = make_table(cfg.attributes, cfg.get("price", 0.0))
    except (RaiseError, OmegaConfBaseException, AttributeError, TypeError) as error:
        raise ConfigError(f"run: {path}: its attribute table cannot be read again: {error}") from None
    if results is not None:
        _check_budget(path / RESULTS, results, table)
    searches = _searches(path / SEARCHES)
    held_out = () if results is None else tuple(_held_out(path / CONVERSATIONS, table, results))
    planned = () if plan is None else tuple(_planned(path / PLANS, table, searches))
    for file, found, said in (
        (CONVERSATIONS, held_out, 0 if results is None else results["data"]["scenarios"]),
        (PLANS, planned, 0 if plan is None else plan["data"]["scenarios"]),
    ):
        if len(found) != said:
            raise ConfigError(f"run: {path / file}: {len(found):,} scenarios, not {said:,} as the run says; cut short")
    return RunFolder(
        path,
        job.verb or ("plan" if results is None else "evaluate"),
        tuple(map(published_override, job.overrides)),
        cfg,
        stated,
        table,
        results,
        plan,
        held_out,
        planned,
    )


def _why_not(path: Path) -> str:
    if (path / "multirun.yaml").exists():
        return "a sweep; give the folder of one of its jobs"
    if any((path / name).exists() for name in (_CONFIG, PLANS, CONVERSATIONS, SEARCHES)):
        return (
            f"not finished, it holds neither {RESULTS} nor {SUMMARY}; the command that began it goes on from the store"
        )
    return f"not a folder of run, evaluate or plan: it holds neither {RESULTS} nor {SUMMARY}"


def _json(file: Path, text: str, where: str = "") -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ConfigError(f"run: {file}{where}: not JSON; cut short, or not written by raise-agent") from None


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"run: {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"run: {file}: not UTF-8; not written by raise-agent") from None


def _checked(file: Path, data: Any, read: Callable[[Any], _Read], where: str = "") -> _Read:
    """What ``read`` makes of plain data, its complaints told with the place."""
    try:
        return read(data)
    except (LookupError, TypeError, ValueError, AttributeError, RaiseError) as error:
        what = f"{type(error).__name__}: {error}"[:120]
        raise ConfigError(f"run: {file}{where}: not of the form that raise-agent writes ({what})") from None


def _maybe(file: Path, check: Callable[[Any], Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return _checked(file, _json(file, _text(file)), check) if file.exists() else None


_OPTIONAL = ("share_of_full_gain", "evaluations", "failures", "cost")
"""Numbers of a method that older folders lack, or that do not exist."""


def _results(data: Any) -> Mapping[str, Any]:
    """Refuse a ``results.json`` of another verb, or of another program."""
    _has(data, "simulated", "seed", "commit", "versions", "data", "config", "methods", "calibration")
    _has(data["data"], "digest", "name", "scenarios")
    _numbers(data["data"], "scenarios", *(key for key in _LEFT_OUT if key in data["data"]))
    _numbers(data["config"], "budget")
    _check_models(data)
    if not data["methods"]:
        raise ValueError("no method")
    for method in data["methods"]:
        _has(method, "method")
        _numbers(method, "questions", "unscored")
        _numbers(method, *(key for key in _OPTIONAL if method.get(key) is not None))
        share = method.get("share_of_oracle_gain")
        if isinstance(share, float):
            # Earlier versions wrote no interval of it.
            method["share_of_oracle_gain"] = {"mean": share, "low": None, "high": None, "n": method["score"]["n"]}
        there = [method[key] for key in ("behind_distilled", "share_of_oracle_gain") if method.get(key)]
        for mean in (method["score"], method["gain"], *there):
            _has(mean, "mean", "low", "high")
            _numbers(mean, "n", *(key for key in ("mean", "low", "high") if mean[key] is not None))
    if data["calibration"] is not None:
        noisy = "judge_noise" in data["calibration"]
        _numbers(data["calibration"], "error", *(["judge_noise"] if noisy else []))
        thresholds = {str(place): one for place, one in enumerate(data["calibration"]["thresholds"])}
        _numbers(thresholds, *thresholds)
        for one in data["calibration"]["reliability"]:
            _numbers(one, "statements", "said", "held", *(["judged"] if noisy else []))
        for one in data["calibration"]["forecasts"]:
            _numbers(one, "asked", "turns", "forecast", "brought")
    return dict(data)


def _plan(data: Any) -> Mapping[str, Any]:
    _has(data, "simulated", "seed", "commit", "versions", "data", "figures", "tally", "models")
    _has(data["data"], "digest", "name")
    _numbers(data["data"], "scenarios", *(key for key in _LEFT_OUT if key in data["data"]))
    _check_models(data)
    _numbers(data["figures"], "scenarios", "mean_questions", "mean_evaluations", "unfinished")
    _numbers(data["tally"], "scored", "cached", "unscored")
    reasons = data["tally"].get("reasons") or {}
    _numbers(reasons, *reasons)
    usage = dict(data.get("usage") or {})
    _numbers(usage, *(key for key in ("requests", "tokens") if key in usage))
    return dict(data)


_LEFT_OUT = ("skipped_records", "duplicates")
"""Counts that older folders lack."""


def _check_models(data: Mapping[str, Any]) -> None:
    if not isinstance(data.get("models", {}).get("safety", {}), Mapping):
        raise ValueError("safety is no identity of a model")


def _has(data: Mapping[str, Any], *keys: str) -> None:
    missing = [key for key in keys if key not in data]
    if missing:
        raise ValueError(f"no {', '.join(missing)}")


def _numbers(data: Mapping[str, Any], *keys: str) -> None:
    for key in keys:
        if isinstance(data[key], bool) or not isinstance(data[key], (int, float)):
            raise ValueError(f"{key} is no number")


def _check_budget(file: Path, results: Mapping[str, Any], table: AttributeTable) -> None:
    budget = results["config"]["budget"]
    if not 1 <= budget <= len(table):
        raise ConfigError(f"run: {file}: a budget of {budget} does not fit {len(table)} attributes")


def _configuration(path: Path, results: Mapping[str, Any] | None) -> DictConfig:
    """As Hydra wrote it, else as the results hold it."""
    file = path / _CONFIG
    try:
        cfg = OmegaConf.load(file) if file.exists() else OmegaConf.create(dict((results or {})["config"]))
    except KeyError:
        raise ConfigError(f"run: {file}: no such file; it says what was planned with") from None
    except (OmegaConfBaseException, yaml.YAMLError, OSError, UnicodeDecodeError, TypeError, ValueError):
        raise ConfigError(f"run: {file}: not a configuration that Hydra wrote") from None
    if any(map(_CALLS.search, _texts(OmegaConf.to_container(cfg)))):
        raise ConfigError(f"run: {file}: it asks for what is not in it, such as the environment; not written by Hydra")
    groups = ("attributes", "data", "llm", "planner", "evaluate")
    if (
        not isinstance(cfg, DictConfig)
        or not {"attributes", "budget", "data", "llm", "seed"} <= set(cfg)
        or any(not isinstance(cfg.get(group, {}), (Mapping, DictConfig, type(None))) for group in groups)
    ):
        raise ConfigError(f"run: {file}: not the configuration of run, evaluate or plan")
    return cfg


def _locate(cfg: DictConfig, started_in: Path) -> None:
    """Make paths absolute, where they are found from the folder that the job started in."""
    for key in _LOCATIONS:
        place = OmegaConf.select(cfg, key)
        if isinstance(place, str) and (started_in / place).exists():
            OmegaConf.update(cfg, key, str(started_in / place))


def _texts(part: Any) -> Iterator[str]:
    """All texts in plain data."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, (dict, list)):
        for one in part.values() if isinstance(part, dict) else part:
            yield from _texts(one)


@dataclass(frozen=True, slots=True)
class _Job:
    """What Hydra wrote down about a job."""

    verb: str | None = None
    """None where it wrote nothing."""
    started_in: Path = Path()
    """The folder that relative paths start from."""
    overrides: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path) -> _Job:
        """As far as it can be read."""
        try:
            data = yaml.load(_text(path / _HYDRA), getattr(yaml, "CSafeLoader", yaml.SafeLoader))["hydra"]
            overrides = tuple(map(str, data["overrides"]["task"]))
            verb = OmegaConf.select(OmegaConf.create(data), "job.name", throw_on_missing=True)
            return cls(str(verb), Path(data["runtime"]["cwd"]), overrides)
        except (ConfigError, yaml.YAMLError, OmegaConfBaseException, LookupError, TypeError, ValueError):
            return cls()


def _lines(file: Path) -> Iterator[tuple[str, Any]]:
    """Each line's place and what it holds."""
    for number, line in enumerate(_text(file).splitlines(), start=1):
        where = f", line {number:,}"
        yield where, _json(file, line, where)


def _search(data: Any) -> SearchRecord | None:
    return None if data is None else SearchRecord.from_json(data)


def _searches(file: Path) -> dict[str, list[SearchRecord]]:
    """Id -> searches of the scenarios of that id, in order; none where the run wrote none."""
    found: dict[str, list[SearchRecord]] = {}
    for where, data in _lines(file) if file.exists() else ():
        name, search = _checked(file, data, lambda one: (str(one["id"]), SearchRecord.from_json(one)), where)
        found.setdefault(name, []).append(search)
    return found


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _held_out(file: Path, table: AttributeTable, results: Mapping[str, Any]) -> Iterator[HeldOut]:
    methods = [method["method"] for method in results["methods"]]

    def talk(data: Any) -> Talk:
        steps, dimensions = data.get("steps"), data.get("dimensions")
        asked = tuple(map(table.index, data["asked"]))
        if steps is not None and len(steps) != len(asked) + 1:
            raise ValueError("a score is needed before the first question and after each")
        if dimensions is not None:
            risk, empathy, alignment = map(float, dimensions)
            dimensions = risk, empathy, alignment
        return Talk(
            asked,
            mask_of(map(table.index, data["answered"])),
            _number(data["score"]),
            None if steps is None else tuple(map(_number, steps)),
            dimensions,
            _search(data.get("search")),
        )

    def scenario(data: Any) -> HeldOut:
        return HeldOut(str(data["id"]), data.get("domain"), {name: talk(data["methods"][name]) for name in methods})

    for where, data in _lines(file):
        yield _checked(file, data, scenario, where)


def _planned(file: Path, table: AttributeTable, searches: Mapping[str, list[SearchRecord]]) -> Iterator[Planned]:
    left = {name: iter(found) for name, found in searches.items()}

    def scenario(data: Any) -> Planned:
        name = str(data["id"])
        return Planned(
            name,
            tuple(map(table.index, data["path"])),
            _number(data["value"]),
            tuple(map(_number, data["scores_on_path"])),
            next(left.get(name, iter(())), None),
        )

    for where, data in _lines(file):
        yield _checked(file, data, scenario, where)
