"""What is published of paths: names of files and models, never the folders that they lie in."""

from __future__ import annotations

from pathlib import Path

import pytest

from raise_agent.experiments.provenance import last_component, published_override, without_folders


def test_paths_lose_their_folders_and_all_else_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alice" / "model").mkdir(parents=True)
    said = {
        "model": str(tmp_path / "alice" / "model"),
        "encoder": {"model": "alice/model"},
        "roles": [{"model": "/srv/alice/gone"}, {"model": "~/gone"}],
        "hub": "sentence-transformers/all-MiniLM-L6-v2",
        "url": "http://localhost:8000/v1",
        "path": "alice/gone.jsonl",
        "store": "runs/evaluations.sqlite",
        "table": "penguin",
        "text": "/not a path\nbut a text",
        "n": 3,
        "none": None,
        "methods": ["random", {"policy": "distilled"}],
    }
    assert without_folders(said) == said | {
        "model": "model",
        "encoder": {"model": "model"},
        "roles": [{"model": "gone"}, {"model": "gone"}],
        "path": "gone.jsonl",
        "store": "evaluations.sqlite",
    }


@pytest.mark.parametrize(
    ("override", "shown"),
    [
        ("data.path=alice/gone.jsonl", "data.path=gone.jsonl"),
        ("encoder.model=/srv/alice/mine", "encoder.model=mine"),
        ("encoder.model=them/theirs", "encoder.model=them/theirs"),
        ("evaluate.methods=[random]", "evaluate.methods=[random]"),
        ("~data", "~data"),
    ],
)
def test_overrides_are_shown_without_folders(override: str, shown: str) -> None:
    assert published_override(override) == shown


@pytest.mark.parametrize(
    ("path", "name"), [("a/b/", "b"), ("b", "b"), ("/", "/"), ("a/..", None), (".", None), ("a/./b.jsonl", "b.jsonl")]
)
def test_the_last_component_is_never_empty(path: str, name: str | None) -> None:
    assert last_component(path) == (Path.cwd().name if name is None else name)
