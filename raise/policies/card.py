"""The model card that is published beside a policy: README.md with YAML front matter, as hubs read it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raise_agent.errors import PolicyError
from raise_agent.text import well_formed

from .parts import PolicyParts

CARD = "README.md"
LIBRARY = "raise-agent"
SIMULATED = (
    "**The scores that this policy was distilled from are simulated. It is for trying things out, not for people.**"
)
_MARK = "<!-- raise-agent card "
_TAGS = ("raise-agent", "safety", "personalization", "information-acquisition")


def policy_card(
    parts: PolicyParts,
    *,
    repo_id: str | None = None,
    license: str | None = None,
    tags: Sequence[str] = (),
    title: str | None = None,
    description: str = "",
    results: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    limits: Sequence[str] = (),
) -> str:
    """The card's text.

    Args:
        parts: the policy's.
        repo_id: the hub's id, for the lines that load it.
        license: the licence's id on the hub, such as ``mit``; None says that none is stated.
        tags: beside those that every policy has.
        title: heading; None takes the hub's id or "RAISE policy".
        description: a paragraph of your own, Markdown.
        results: rows of a table, each column -> text, number, or an interval ``{mean, low, high}``; or the whole of a
            ``results.json`` that ``raise-agent run`` or ``evaluate`` wrote.
        limits: sentences beside those that hold for every policy.

    Raises:
        PolicyError: the results are not such rows.
    """
    simulated = bool(parts.provenance["simulated"])
    heading = title or repo_id or "RAISE policy"
    blocks = [
        _front_matter(license, [*_TAGS, *(["simulated"] if simulated else []), *tags]),
        f"# {_line(heading)}",
        *([SIMULATED] if simulated else []),
        *([description.strip()] if description.strip() else []),
        *_what(parts),
        *_how(parts, repo_id),
        *_results(results, simulated),
        *_provenance(parts),
        *_limits(parts, simulated, limits),
    ]
    text = "\n\n".join(blocks) + "\n"
    # What came from data may hold halves of a character, which no file in UTF-8 can.
    return well_formed(text)


def card_for(file: Path, parts: PolicyParts, **settings: Any) -> str:
    """What ``file`` is to hold: a new card, or what it holds where a person has edited it.

    Raises:
        PolicyError: the edited card does not say that the scores are simulated, and they are.
        TypeError: a setting is none of ``policy_card``.
    """
    made = policy_card(parts, **settings)
    if not file.is_file() or is_unedited(file):
        return made + _mark(made)
    kept = file.read_bytes().decode("utf-8", "replace")
    if parts.provenance["simulated"] and SIMULATED not in kept:
        raise PolicyError(
            f"{file}: was edited, and does not say that the scores are simulated; add this line, or remove the file: "
            f"{SIMULATED}"
        )
    return kept


def is_unedited(file: Path) -> bool:
    """Whether ``file`` is a card just as it was written here."""
    try:
        text = file.read_bytes().decode("utf-8")
    except (OSError, ValueError):
        return False
    said, mark, _ = text.rpartition(_MARK)
    return bool(mark) and text == said + _mark(said)


def _mark(text: str) -> str:
    return f"{_MARK}{hashlib.sha256(text.encode('utf-8')).hexdigest()} -->\n"


def _front_matter(license: str | None, tags: Sequence[str]) -> str:
    # JSON texts are YAML texts.
    lines = [f"license: {_quoted(license)}"] if license else ["license: other", "license_name: not-stated"]
    lines += [f"library_name: {LIBRARY}", "tags:", *(f"- {_quoted(tag)}" for tag in dict.fromkeys(tags))]
    return "\n".join(["---", *lines, "---"])


def _what(parts: PolicyParts) -> list[str]:
    questions = _table(
        ["attribute", "question", "cost"],
        [[f"`{a.key}`", _cell(a.question), f"{a.cost:g}"] for a in parts.table],
    )
    shape = parts.shape
    size = sum(array.size for array in parts.weights.values())
    memory = ""
    if parts.memory is not None:
        memory = (
            f" What planning found for the queries most like the one asked is recalled from a memory, the vectors of "
            f"{len(parts.memory.vectors):,} queries that it was trained on."
        )
    return [
        "## What it is",
        "A small network that decides, turn by turn, what to ask a person before a language model answers them, or to "
        f"answer now. It reads the query and the answers so far, and asks at most {parts.budget} "
        f"question{'s' * (parts.budget > 1)}, declined ones counted. It gives no advice itself and holds no language "
        "model.",
        f"It answers once no question is expected to add more than {parts.min_gain:g} points of the safety score (1 to "
        "5) beyond its cost.",
        questions,
        f"{size:,} parameters: query encoder `{parts.encoder.name}` ({parts.encoder.dimension} numbers), two hidden "
        f"layers of {shape.hidden}.{memory}",
    ]


def _how(parts: PolicyParts, repo_id: str | None) -> list[str]:
    extras = "encoders,hub" if parts.encoder.name == "sentence_transformer" else "hub"
    name = json.dumps(repo_id or "path/to/this/folder")
    known = f"{{{json.dumps(parts.table.keys[0])}: None}}"
    return [
        "## How to load it",
        f"`pip install 'raise-agent[{extras}]'`; from a local folder the extra `hub` is not needed.",
        "```python\n"
        "from raise_agent import AcquisitionPolicy, Ask\n\n"
        f"policy = AcquisitionPolicy.from_pretrained({name})\n"
        f'decision = policy.decide("Should I quit without another offer?", known={known})  # None: asked, declined\n'
        'print(decision.question if isinstance(decision, Ask) else f"answer now ({decision.confidence:.0%})")\n'
        "```",
        "Plain files, no pickle. Loading checks every file and repeats the decisions in `golden.json`.",
    ]


def _results(results: object, simulated: bool) -> list[str]:
    if results is None:
        return []
    about = ""
    if isinstance(results, Mapping) and "methods" in results:
        simulated = simulated or bool(results.get("simulated"))
        data = results.get("data")
        if isinstance(data, Mapping) and "scenarios" in data:
            about = f"{data['scenarios']} held-out scenarios ({_line(str(data.get('name', 'unnamed')))})."
        results = results["methods"]
    if not isinstance(results, Sequence) or isinstance(results, str) or not results:
        raise PolicyError("card: 'results' must be rows, or the whole of a results.json")
    columns: dict[str, None] = {}
    for row in results:
        if not isinstance(row, Mapping) or not all(isinstance(key, str) for key in row):
            raise PolicyError("card: each row of 'results' must map columns to values")
        columns.update(dict.fromkeys(row))
    rows = [[_value(row.get(column)) for column in columns] for row in results]
    lead = " ".join(part for part in (about, "**Simulated scores.**" if simulated else "") if part)
    names = [_cell(column.replace("_", " ")) for column in columns]
    return ["## Results", *([lead] if lead else []), _table(names, rows)]


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        if not {"mean", "low", "high"} <= set(value):
            raise PolicyError("card: a value in 'results' must be text, a number, or {mean, low, high}")
        return f"{_value(value['mean'])} [{_value(value['low'])}, {_value(value['high'])}]"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if value is None or isinstance(value, (str, int)):
        return "" if value is None else _cell(str(value))
    raise PolicyError("card: a value in 'results' must be text, a number, or {mean, low, high}")


def _provenance(parts: PolicyParts) -> list[str]:
    said = parts.provenance
    lines = [
        f"- {name}: {_brief(said[name])}"
        for name in ("models", "planner", "data", "encoder", "commit", "seed")
        if said.get(name) is not None
    ]
    # In JSON a backtick can be written so that it ends no block of code.
    whole = json.dumps(said, indent=1).replace("`", "\\u0060")
    return ["## Where it comes from", *(["\n".join(lines)] if lines else []), f"```json\n{whole}\n```"]


def _brief(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return f"`{_line(text).replace('`', chr(39))}`"


def _encoder_learned(parts: PolicyParts) -> bool:
    """Whether a static encoder learned from training queries and their other wordings."""
    data, settings = (parts.provenance.get(name) for name in ("data", "distill"))
    if parts.encoder.name != "static" or not (isinstance(data, dict) and isinstance(settings, dict)):
        return False
    return bool(data.get("queries_with_other_wordings") and settings.get("contrast"))


def _limits(parts: PolicyParts, simulated: bool, more: Sequence[str]) -> list[str]:
    lines = [
        "It decides what to ask, not what to answer, and detects no emergency: handle these before it is asked.",
        "Its scores are forecasts of a judge model's ratings, and no measure of a person's safety.",
        "Of what it was not trained on (other languages, topics, wordings) it knows nothing, and does not say so.",
        *(
            ["Its training scores were made by a simulated model; it says nothing about real ones."]
            if simulated
            else []
        ),
        *(
            [
                "The vectors of queries that it was trained on are in it, not their texts; whoever guesses a text can "
                "tell whether it was among them."
            ]
            if parts.memory is not None
            else []
        ),
        *(
            ["The word pieces of its encoder learned from these queries, and tell which words they hold."]
            if _encoder_learned(parts)
            else []
        ),
        *(
            ["Its query encoder knows words, not meanings: unfamiliar wordings weaken it."]
            if parts.encoder.name == "hashing"
            else []
        ),
        *(_line(sentence) for sentence in more),
    ]
    return ["## Limits", "\n".join(f"- {line}" for line in lines)]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _quoted(text: str) -> str:
    return json.dumps(_line(text), ensure_ascii=False)
