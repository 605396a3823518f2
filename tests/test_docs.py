"""Examples in docstrings run; the README's commands and code name things that exist."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

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


def test_the_readme_names_verbs_files_and_imports_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "@@" not in text
    verbs = set(re.findall(r"raise-agent (\w+)", text))
    assert verbs
    assert verbs <= set(VERBS)
    for link in re.findall(r"\]\((?!http)([^)]+)\)", text):
        assert (ROOT / link).exists(), link
    for module, names in re.findall(r"^from (raise_agent[\w.]*) import ([\w, ]+)$", text, re.MULTILINE):
        for name in names.split(","):
            assert hasattr(importlib.import_module(module), name.strip()), f"{module}.{name}"


def test_every_module_says_what_belongs_in_it() -> None:
    for name in MODULES:
        assert importlib.import_module(name).__doc__, name
