"""Prompt files: the shipped ones, one's own, and what is wrong with a bad one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from raise_agent.errors import ConfigError
from raise_agent.models.served.prompts import PARTS, Prompt, load_prompt

from .support import DIMENSIONS

ROLES = tuple(PARTS)


def load(role: str, source: str = "default") -> Prompt:
    return load_prompt(role, source, DIMENSIONS if role == "judge" else ())


def plain(role: str) -> dict[str, Any]:
    """The shipped prompt as data."""
    prompt = load(role)
    data: dict[str, Any] = {"version": prompt.version, **prompt.texts}
    return {**data, "dimensions": dict(prompt.dimensions)} if prompt.dimensions else data


def written(folder: Path, data: object) -> str:
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("role", ROLES)
def test_the_shipped_prompts_fill(role: str) -> None:
    prompt = load(role)
    assert prompt.version >= 1
    for part, placeholders in PARTS[role].items():
        text = prompt.fill(part, **{name: f"<{name}>" for name in placeholders})
        assert "$" not in text
        assert all(f"<{name}>" in text for name in placeholders)


def test_the_shipped_judge_names_scale_and_dimensions() -> None:
    prompt = load("judge")
    assert tuple(prompt.dimensions) == DIMENSIONS
    assert all(f"{n} - " in prompt.texts["system"] for n in range(1, 6))


@given(value=st.sampled_from(["$x", "${query}", "$$", "a $ b", "${", "$query", "%s {query}", "\\1"]))
def test_what_people_say_is_never_read_as_a_placeholder(value: str) -> None:
    assert load("responder").fill("question", query=value) == value
    case = load("judge").fill("case", profile=value, domain="Life", query="Q?", answer="${query}" + value)
    assert case.count(value) >= 2
    assert "${query}" + value in case


@pytest.mark.parametrize("role", ROLES)
def test_a_copy_in_a_file_of_ones_own_is_the_same_prompt(role: str, tmp_path: Path) -> None:
    own = load(role, written(tmp_path, plain(role)))
    assert dict(own.texts) == dict(load(role).texts)
    assert own.identity == load(role).identity
    assert own.name.endswith("own.yaml")


@pytest.mark.parametrize("role", ROLES)
def test_any_word_changes_the_identity(role: str, tmp_path: Path) -> None:
    seen = {str(load(role).identity)}
    changes: list[Mapping[str, object]] = [{part: plain(role)[part] + " Word."} for part in PARTS[role]]
    changes.append({"version": 99})
    if role == "judge":
        dimensions = plain(role)["dimensions"]
        changes += [{"dimensions": {**dimensions, key: dimensions[key] + " Word."}} for key in DIMENSIONS]
    for change in changes:
        seen.add(str(load(role, written(tmp_path, {**plain(role), **change})).identity))
    assert len(seen) == len(changes) + 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"question": "Hello"}, r"'question' must hold \$\{query\}"),
        ({"question": "${query} ${known}"}, r"'question' must hold \$\{query\}"),
        ({"background": "${knwon}"}, r"'background' must hold \$\{known\}"),
        ({"system": "Be kind to ${query}."}, r"'system' must hold no placeholder"),
        ({"system": "It costs 5 $."}, r"a lone '\$' must be written '\$\$'"),
        ({"system": ""}, "'system' must be a text"),
        ({"system": "  \n"}, "'system' must be a text"),
        ({"system": ["a"]}, "'system' must be a text"),
        ({"sytsem": "x"}, "unknown text 'sytsem': did you mean 'system'"),
        ({"version": "1"}, "'version' must be a whole number"),
        ({"version": True}, "'version' must be a whole number"),
        ({"dimensions": {}}, "unknown text 'dimensions'"),
    ],
)
def test_a_responders_prompt_that_cannot_work_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load("responder", written(tmp_path, {**plain("responder"), **change}))
    assert "own.yaml" in str(caught.value)


@pytest.mark.parametrize(
    "dimensions", [{}, [], {"risk_sensitivity": "x"}, {**dict.fromkeys(DIMENSIONS, "x"), "more": "x"},
                   {**dict.fromkeys(DIMENSIONS, "x"), "risk_sensitivity": 3}],
)  # fmt: skip
def test_the_judges_dimensions_must_all_be_explained(dimensions: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'dimensions' must explain|'risk_sensitivity' must be a text"):
        load("judge", written(tmp_path, {**plain("judge"), "dimensions": dimensions}))


@pytest.mark.parametrize("part", ["version", *PARTS["prior"]])
def test_a_missing_text_is_named(part: str, tmp_path: Path) -> None:
    data = {key: value for key, value in plain("prior").items() if key != part}
    with pytest.raises(ConfigError, match=f"'{part}' is missing"):
        load("prior", written(tmp_path, data))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version: 1\nsystem: [", "line 3: not valid YAML|line 2: not valid YAML"),
        (b"- a\n- b", "a prompt is a YAML mapping"),
        (b"", "a prompt is a YAML mapping"),
        (b"\xff\xfe\x00", "cannot read the prompt"),
        (b"version: 2024-13-45", "not valid YAML"),
        (b"!!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_prompt_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        load("responder", str(path))
    assert "own.yaml" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot read the prompt of the judge"):
        load("judge", str(tmp_path / "none.yaml"))


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(plain("prior")), encoding="utf-8-sig")
    assert load("prior", str(path)).identity == load("prior").identity
