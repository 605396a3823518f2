"""A sheet for human raters: answers of the store, blind to condition and model, and the key that tells them apart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from raise_agent.attributes import AttributeTable
from raise_agent.data.records import text_fault
from raise_agent.data.sheets import LONGEST_CELL, write_sheet
from raise_agent.errors import ConfigError, DataError, StoreError
from raise_agent.experiments.provenance import describe_run
from raise_agent.files import atomic_write_text
from raise_agent.models.base import DIMENSIONS
from raise_agent.models.served.prompts import load_prompt
from raise_agent.scenario import Scenario
from raise_agent.store import EvaluationStore, ResponseRow

from .ratings import Known
from .stored import answer_of, item_of, served_responders, stored_models

FREE, PARTIAL, RICH = "context-free", "partial", "context-rich"
"""Conditions: the responder was told nothing, a part of the profile, or all that it holds."""
KEY_FORMAT = 1
COLUMNS = ("code", "domain", "query", "profile", "answer", *DIMENSIONS, "comment")
_KIND = "raise-agent key of a sheet for raters"
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Of codes: no vowels, so that none is a word, and no digits, so that no spreadsheet makes a number or date of it."""
_CODE = 6


@dataclass(frozen=True, slots=True, repr=False)
class Candidate:
    """An answer that may stand in the sheet."""

    responder: str
    condition: str
    scenario: Scenario
    said: ResponseRow


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """What the codes of a sheet stand for; nothing that anybody said."""

    items: Mapping[str, Known]
    """By code; an answer that is shown twice has two, the second with ``repeat=1``."""
    responders: Mapping[str, Mapping[str, Any]]
    """Name -> identity in the store."""

    def locate(self, code: str) -> Known:
        """What a code stands for.

        Raises:
            DataError: it is none of the key's.
        """
        found = self.items.get(code.strip().upper())
        if found is None:
            raise DataError("a code that the key does not hold; is it the key of another sheet?")
        return found


@dataclass(frozen=True, slots=True)
class Written:
    """What was put into a sheet."""

    rows: int
    candidates: int
    """Answers that were there to be drawn."""
    conditions: Mapping[str, int]
    domains: Mapping[str, int]
    responders: Mapping[str, int]
    unshowable: int
    """Answers left out since no cell of a spreadsheet holds them."""


def candidates(store: EvaluationStore, scenarios: Sequence[Scenario]) -> tuple[list[Candidate], int]:
    """Answers to these scenarios that some judge has scored; and how many more no cell of a spreadsheet holds.

    Raises:
        StoreError: there is none; the message says why.
    """
    models = [model for model in stored_models(store) if model.responder_identity is not None]
    if not models:
        raise StoreError(
            f"{store.path}: holds no answer of a model. The simulated model (llm=simulated) writes none, it only draws "
            "scores, so there is nothing for people to rate; evaluate a served model first (llm=vllm)"
        )
    by_digest = {scenario.digest: scenario for scenario in scenarios}
    scored = {
        (model.responder, row.digest, row.subset, row.sample)
        for model in models
        for row in store.all_evaluations(model.number)
    }
    found, unshowable, answers = [], 0, 0
    for name, identity in served_responders(models).items():
        for said in store.all_responses(store.identity(identity)):
            scenario = by_digest.get(said.digest)
            answers += 1
            if scenario is None or (name, said.digest, said.subset, said.sample) not in scored:
                continue
            if any(len(text) >= LONGEST_CELL or text_fault(text) for text in (said.text, scenario.query)):
                unshowable += 1
                continue
            found.append(Candidate(name, _condition(scenario, said.subset), scenario, said))
    if not found:
        raise StoreError(
            f"{store.path}: of its {answers:,} answers none that was scored is to one of the {len(scenarios):,} "
            "scenarios of data; give data=... and attributes=... as the run had them that made the answers"
        )
    return found, unshowable


def _condition(scenario: Scenario, subset: int) -> str:
    return FREE if not subset else RICH if subset == scenario.profile.known else PARTIAL


def draw(found: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[Candidate]:
    """Draw n answers, or all, so that domains, conditions and responders come as equally often as they can.

    Scenarios are drawn again only once each of the kind that is wanted has been drawn: a rater who meets one person
    twice could tell the conditions apart.
    """
    strata: dict[tuple[str, str, str], list[Candidate]] = {}
    for place in rng.permutation(len(found)):
        one = found[place]
        strata.setdefault((one.scenario.domain, one.condition, one.responder), []).append(one)
    turn = {stratum: position for position, stratum in enumerate(strata)}
    taken: Counter[tuple[str, str, str]] = Counter()
    levels: Counter[tuple[int, str]] = Counter()
    met: set[str] = set()
    drawn: list[Candidate] = []
    while strata and len(drawn) < n:
        stratum = min(strata, key=lambda s: (sum(levels[level] for level in enumerate(s)), taken[s], turn[s]))
        left = strata[stratum]
        one = next((candidate for candidate in left if candidate.scenario.digest not in met), left[0])
        left.remove(one)
        if not left:
            del strata[stratum]
        taken[stratum] += 1
        levels.update(enumerate(stratum))
        met.add(one.scenario.digest)
        drawn.append(one)
    return drawn


def write_rating_sheet(
    store: EvaluationStore,
    scenarios: Sequence[Scenario],
    table: AttributeTable,
    *,
    sheet: Path,
    key: Path,
    n: int,
    twice: int,
    seed: int,
    rubric: str,
) -> Written:
    """Write the sheet, its guide (``guide_of``) and its key; none of the three may be there yet.

    Args:
        store: of answers.
        scenarios: those that the answers are to.
        table: names the attributes.
        sheet: file for the raters.
        key: file to keep from them.
        n: answers, 1 or more.
        twice: how many of them are shown a second time under another code, up to half.
        seed: of the draw, the order and the codes.
        rubric: what raters are told: the judge's prompt, ``default`` or a file of the same form.

    Raises:
        ConfigError: a number or a name is wrong, or a file is there already.
        StoreError: the store has no fitting answer.
    """
    if n < 1 or not 0 <= twice <= n // 2:
        raise ConfigError(f"n must be 1 or more, and twice from 0 to half of it, not n={n} and twice={twice}")
    _check_names(sheet, key)
    guide = _guide(sheet, rubric)
    found, unshowable = candidates(store, scenarios)
    rng = np.random.default_rng(seed)
    drawn = draw(found, n, rng)
    shown = _order(drawn, min(twice, len(drawn) // 2), rng)
    codes = _codes(len(shown), rng)
    identities = served_responders(stored_models(store))
    items = {code: _item(one, repeat) for code, (one, repeat) in zip(codes, shown, strict=True)}
    names = {one.responder for one in drawn}
    plain = {
        "kind": _KIND,
        "format": KEY_FORMAT,
        "sheet": sheet.name,
        **describe_run(seed, simulated=False),
        "responders": {name: identities[name] for name in sorted(names)},
        "items": items,
    }
    # The sheet last: where it is, its key is too.
    atomic_write_text(key, json.dumps(plain, indent=2) + "\n")
    atomic_write_text(guide_of(sheet), guide)
    write_sheet(sheet, COLUMNS, [_row(code, one, table) for code, (one, _) in zip(codes, shown, strict=True)])
    return Written(
        len(shown),
        len(found),
        Counter(one.condition for one in drawn),
        Counter(one.scenario.domain for one in drawn),
        Counter(one.responder for one in drawn),
        unshowable,
    )


def _check_names(sheet: Path, key: Path) -> None:
    if sheet.suffix.lower() != ".csv":
        raise ConfigError(f"sheet={sheet}: name a file *.csv, such as out.csv")
    if key in (sheet, guide_of(sheet)):
        raise ConfigError(f"key={key}: the sheet, or its guide, has this name; give the key one of its own")
    for file in (sheet, guide_of(sheet), key):
        if file.exists():
            raise ConfigError(f"{file}: is there already, and may hold somebody's ratings; give another name")


def guide_of(sheet: Path) -> Path:
    """Where the raters' guide to a sheet stands."""
    return sheet.with_suffix(".guide.txt")


def key_of(sheet: Path) -> Path:
    """Where the key of a sheet stands, unless told otherwise."""
    return sheet.with_suffix(".key.json")


def _order(drawn: Sequence[Candidate], twice: int, rng: np.random.Generator) -> list[tuple[Candidate, int]]:
    """All at random; what is shown twice first in the first half, then at random places of the second."""
    order = [(drawn[place], 0) for place in rng.permutation(len(drawn))]
    half = (len(order) + 1) // 2
    again = [(order[place][0], 1) for place in rng.permutation(half)[:twice]]
    later = [*order[half:], *again]
    return [*order[:half], *(later[place] for place in rng.permutation(len(later)))]


def _codes(n: int, rng: np.random.Generator) -> list[str]:
    codes: dict[str, None] = {}
    while len(codes) < n:
        codes["".join(_LETTERS[i] for i in rng.integers(len(_LETTERS), size=_CODE))] = None
    return list(codes)


def _row(code: str, one: Candidate, table: AttributeTable) -> list[str | None]:
    names = {attribute.key: attribute.name for attribute in table}
    profile = one.scenario.profile
    lines = [
        f"{names[key]}: {'not known' if value is None else value}"
        for key, value in zip(profile.keys, profile.values, strict=True)
    ]
    ratings = [None] * (len(DIMENSIONS) + 1)
    return [code, one.scenario.domain, one.scenario.query, "\n".join(lines), one.said.text, *ratings]


def _item(one: Candidate, repeat: int) -> dict[str, Any]:
    said = one.said
    return {
        "scenario": said.digest,
        "subset": said.subset,
        "sample": said.sample,
        "condition": one.condition,
        "domain": one.scenario.domain,
        "responder": one.responder,
        "repeat": repeat,
        "length": len(said.text),
    }


def _guide(sheet: Path, rubric: str) -> str:
    prompt = load_prompt("judge", rubric, DIMENSIONS)
    explained = "\n\n".join(f"{key}\n  {prompt.dimensions[key].strip()}" for key in DIMENSIONS)
    return (
        f"How to rate {sheet.name}\n\n"
        "Each row is one person with a question, and an answer that they were given. Rate every answer in the three "
        f"columns {', '.join(DIMENSIONS)}: whole numbers from 1 to 5. Leave no row out, change no code, and add no "
        "column; what you would like to say goes under comment. Rate on your own, in the order of the rows, and save "
        "the sheet as CSV (UTF-8) under your own name.\n\n"
        "The judge, a language model, was told the following, and so are you.\n\n"
        f"{prompt.fill('system').strip()}\n\nThe three dimensions:\n\n{explained}\n"
    )


def read_key(path: Path) -> Key:
    """Read the key of a sheet.

    Raises:
        DataError: it cannot be read, or is no such key.
    """
    wrong = f"{path}: not the key of a sheet; give the file that raise-agent judge sheet=... wrote beside the sheet"
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
        if data["kind"] != _KIND:
            raise DataError(wrong)
        if data["format"] != KEY_FORMAT:
            raise DataError(f"{path}: key format {data['format']}, this version reads {KEY_FORMAT}")
        responders: dict[str, Mapping[str, Any]] = dict(data["responders"])
        items = {str(code): _known(item) for code, item in data["items"].items()}
        if not {known.responder for known in items.values()} <= set(responders):
            raise DataError(wrong)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({type(error).__name__}); give the key of the sheet") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(wrong) from None
    return Key(items, responders)


def _known(item: Mapping[str, Any]) -> Known:
    known = Known(
        item_of(item["responder"], item["scenario"], item["subset"], item["sample"]),
        int(item["repeat"]),
        responder=str(item["responder"]),
        condition=str(item["condition"]),
        scenario=str(item["scenario"]),
        length=int(item["length"]),
    )
    bytes.fromhex(answer_of(known.item)[0])
    return known
