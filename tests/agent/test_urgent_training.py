"""The shipped weights are those that the corpus gives, and the corpus holds nothing of the lists it is measured on."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("sklearn")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    from tools.urgent import train

    return train


def test_training_anew_gives_the_shipped_weights(training: ModuleType) -> None:
    shipped = json.loads(training.SHIPPED.read_text(encoding="utf-8"))
    assert training.difference(training.train(), shipped) == ""


def test_another_weight_is_noticed(training: ModuleType) -> None:
    shipped = json.loads(training.SHIPPED.read_text(encoding="utf-8"))
    name = next(iter(shipped["weights"]))
    altered = {**shipped, "weights": {**shipped["weights"], name: shipped["weights"][name] + 9}}
    assert training.difference(altered, shipped) == f"1 weights, such as that of {name!r}"


def test_nothing_near_a_listed_message_is_trained_on(training: ModuleType) -> None:
    listed = [
        json.loads(line)["text"]
        for name in ("urgent", "dark")
        for line in (training.LISTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    planted = [training.Example(f"{text.upper()} ok", "intent", "here:1", 1.0) for text in listed if len(text) > 40]
    own = training.Example("My tomatoes have blight, says the man at the nursery", "none", "here:2", 1.0)
    assert training.apart([*planted, own]) == [own]


def test_the_corpus_is_large_and_has_every_family(training: ModuleType) -> None:
    examples = training.apart(training.written())
    lines = {family: {e.line for e in examples if e.family == family} for family in (*training.FAMILIES, "none")}
    assert sum(map(len, lines.values())) >= 1_500
    assert min(map(len, lines.values())) >= 80
