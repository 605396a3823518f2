"""Examples in docstrings run; the README's commands and code name things that exist."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

import raise_agent
from raise_agent.experiments.main import VERBS

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = "raise_agent.experiments.inspecting"
"""Needs inspect_ai, whose pins clash with ours; its own tests run in an environment that has it."""
MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages(raise_agent.__path__, "raise_agent.", onerror=lambda name: None)
    if not m.name.startswith(ELSEWHERE)
)


def test_examples_in_docstrings() -> None:
    found = {name: doctest.testmod(importlib.import_module(name)) for name in ["raise_agent", *MODULES]}
    assert [name for name, examples in found.items() if examples.failed] == []
    assert sum(examples.attempted for examples in found.values()) >= 10


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RELATIVE = {"docs/benchmark.md": "raise_agent.planners.families"}
"""Pages whose code is a file of this package."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_verbs_files_and_imports_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "@@" not in text
    verbs = set(re.findall(r"raise-agent (\w+)", text))
    assert verbs or page.name != "README.md"
    assert verbs <= set(VERBS)
    for link in re.findall(r"\]\((?!http)([^)#]+)[^)]*\)", text):
        assert (page.parent / link).exists(), link
    package = RELATIVE.get(page.relative_to(ROOT).as_posix())
    for module, names in re.findall(r"^from ((?:raise_agent)?[\w.]*) import ([\w, ]+)$", text, re.MULTILINE):
        if module.startswith("raise_agent") or (package and module.startswith(".")):
            found = importlib.import_module(module, package)
            assert [name for name in names.split(",") if not hasattr(found, name.strip())] == [], module


def test_the_page_of_policies_reads_a_reply_as_it_says() -> None:
    text = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    (code,) = [
        code for code in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if "read_rep" in code
    ]
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own page
    assert (names["reply"].status, names["reply"].value) == ("given", "35-44")
    assert '# "given", "35-44"' in code


def test_every_module_says_what_belongs_in_it() -> None:
    for name in MODULES:
        assert importlib.import_module(name).__doc__, name
