"""Saved policies: an exact round trip, replacement as a whole, and what may never come of a bad folder."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import struct
import traceback
import tracemalloc
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

import raise_agent.policies.writing as writing_module
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import PolicyError
from raise_agent.policies import AcquisitionPolicy, Answer, SimulatedPolicyWarning
from raise_agent.policies.network import NetworkShape

from .support import (
    GOLDEN,
    KEYS,
    MEMORY,
    QUERY,
    SHAPE,
    TABLE,
    edit_manifest,
    make_parts,
    random_weights,
    sign,
)

FILES = ("policy.json", "weights.safetensors", "golden.json", "encoder/encoder.json")
SECRET = "zq-secret-value"
"""An answer in the golden decisions; no error may show it."""
Manifest = dict[str, Any]
HIDDEN: tuple[Any, ...] = (0, -8, 8.0, "8", True, None, 65537, 10**400)
"""What is no number of units."""
WHOLE_MEMORY = {"bandwidth": 1, "concentration": 1, "recurrence": 0.5}
NO_MEMORY: tuple[Any, ...] = (3.0, [], {}, {"bandwidth": 1}, {**WHOLE_MEMORY, "m": 2})

pytestmark = pytest.mark.filterwarnings("error")


def make_policy(weights: Mapping[str, Any] | None = None, **changes: Any) -> AcquisitionPolicy:
    """With a memory, which a folder holds beside everything else."""
    return AcquisitionPolicy(make_parts(weights, **{"memory": MEMORY, **changes}))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound policy, to be copied."""
    folder = tmp_path_factory.mktemp("sound") / "policy"
    make_policy().save(folder, [*GOLDEN, (QUERY, {"mood": SECRET, "sleep": 3.5})])
    return folder


@pytest.fixture
def policy(sound: Path, tmp_path: Path) -> Path:
    """A copy of a sound policy, to be spoiled."""
    return Path(shutil.copytree(sound, tmp_path / "policy"))


def refused(folder: Path, *said: str) -> str:
    """Loading fails with a PolicyError that says all this, and shows no answer."""
    with pytest.raises(PolicyError) as caught:
        AcquisitionPolicy.load(folder)
    message = str(caught.value)
    for part in (str(folder), *said):
        assert part in message, message
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return message


def rewrite_json(file: Path, change: Callable[[Any], Any]) -> None:
    data = json.loads(file.read_text(encoding="utf-8"))
    made = change(data)
    file.write_text(json.dumps(data if made is None else made), encoding="utf-8")


def rewrite_weights(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = folder / "weights.safetensors"
    arrays: dict[str, Any] = {name: array.copy() for name, array in load_safetensors(file.read_bytes()).items()}
    change(arrays)
    file.write_bytes(save_safetensors(arrays))
    sign(folder)


# Round trip


@pytest.mark.parametrize("simulated", [False, True])
def test_round_trip_is_exact(tmp_path: Path, simulated: bool) -> None:
    provenance = {
        "simulated": simulated,
        "seed": 7,
        "share": 0.1,
        "path": "/tmp/\udcff",
        "name": "Zoë",
        "nested": {"list": [1, None, "x"], "deep": {"true": True}},
    }
    parts = make_parts(
        memory=MEMORY if simulated else None,
        table=replace(TABLE.with_costs({"job": 0.1, "fear": 1 / 3}), unknown=("k. A.", "n/a")),
        budget=2,
        min_gain=0.1 + 0.2,
        gain_spread=1 / 3,
        provenance=provenance,
    )
    made = AcquisitionPolicy(parts)
    inputs: list[tuple[str, Mapping[str, str | float | None]]] = [
        *GOLDEN,
        ("lost \ud800 half", {"mood": "a\udfff", "job": 3}),
    ]
    made.save(tmp_path / "policy", inputs)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded = AcquisitionPolicy.load(tmp_path / "policy")
    assert [warning.category for warning in caught] == [SimulatedPolicyWarning] * simulated
    assert all(warning.filename == __file__ for warning in caught), "the warning points at whoever loads"
    assert loaded.table == parts.table
    assert loaded.table.costs == parts.table.costs
    assert (loaded.budget, loaded.simulated, loaded.provenance) == (2, simulated, provenance)
    kept = loaded._parts
    assert (kept.min_gain, kept.gain_spread, kept.shape) == (parts.min_gain, parts.gain_spread, parts.shape)
    assert kept.encoder == parts.encoder
    assert kept.weights.keys() == parts.weights.keys()
    for name, array in kept.weights.items():
        assert array.tobytes() == parts.weights[name].tobytes()
    assert (kept.memory is None) == (parts.memory is None)
    if kept.memory is not None:
        assert kept.memory.vectors.tobytes() == MEMORY.vectors.tobytes()
        assert kept.memory.effects.tobytes() == MEMORY.effects.tobytes()
        assert kept.memory.found.tobytes() == MEMORY.found.tobytes()
        for name in ("bandwidth", "concentration", "recurrence"):
            assert getattr(kept.memory, name) == getattr(MEMORY, name)
    for query, known in inputs:
        assert loaded.decide(query, known) == made.decide(query, known)


def test_saving_what_was_loaded_gives_the_same_bytes(sound: Path, tmp_path: Path) -> None:
    AcquisitionPolicy.load(sound).save(tmp_path / "again", [*GOLDEN, (QUERY, {"mood": SECRET, "sleep": 3.5})])
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (sound / name).read_bytes()


def test_the_folder_holds_plain_files_and_nothing_else(sound: Path) -> None:
    found = {path.relative_to(sound).as_posix() for path in sound.rglob("*") if path.is_file()}
    assert found == set(FILES)
    manifest = json.loads((sound / "policy.json").read_text(encoding="ascii"))
    assert manifest["files"].keys() == found - {"policy.json"}
    assert manifest["simulated"] is False


def test_weights_are_saved_as_they_are_whatever_their_memory_layout(tmp_path: Path) -> None:
    plain = random_weights(5)
    strided = {name: np.asfortranarray(array) for name, array in plain.items()}
    strided["output.bias"] = np.repeat(plain["output.bias"], 2)[::2]
    make_policy(strided).save(tmp_path / "policy", GOLDEN)
    loaded = AcquisitionPolicy.load(tmp_path / "policy")
    assert loaded.decide(QUERY) == make_policy(plain).decide(QUERY)


def test_provenance_with_keys_that_are_no_text_still_loads(tmp_path: Path) -> None:
    provenance = {"simulated": False, "by_size": {10: 1, 9: 2}, "pair": (1, 2)}
    make_policy(provenance=provenance).save(tmp_path / "policy", GOLDEN)
    loaded = AcquisitionPolicy.load(tmp_path / "policy")
    assert loaded.provenance == {"simulated": False, "by_size": {"10": 1, "9": 2}, "pair": [1, 2]}


@pytest.mark.parametrize("provenance", [{"what": {1, 2}}, {"what": float("nan")}, {"what": Path("x")}])
def test_provenance_that_is_not_plain_data_is_refused(tmp_path: Path, provenance: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match=r"policy\.json: not plain JSON data"):
        make_policy(provenance={"simulated": False, **provenance}).save(tmp_path / "policy", GOLDEN)
    assert list(tmp_path.iterdir()) == []


def test_a_policy_needs_a_golden_decision(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="at least one golden decision"):
        make_policy().save(tmp_path / "policy", [])
    assert list(tmp_path.iterdir()) == []


def test_a_policy_loads_by_relative_path_through_a_link_and_under_any_name(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(sound, tmp_path / "policy.pt")
    (tmp_path / "latest").symlink_to("policy.pt")
    monkeypatch.chdir(tmp_path)
    expected = make_policy().decide(QUERY)
    for path in ("policy.pt", "latest", Path("latest"), "./policy.pt/", str(tmp_path / "policy.pt")):
        assert AcquisitionPolicy.load(path).decide(QUERY) == expected


# Replacement


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_policy_replaces_a_policy(policy: Path) -> None:
    other = make_policy(random_weights(8))
    other.save(policy, GOLDEN)
    assert AcquisitionPolicy.load(policy).decide(QUERY) == other.decide(QUERY)
    assert [path.name for path in policy.parent.iterdir()] == ["policy"]


def test_an_empty_folder_and_a_missing_parent_are_fine(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "a" / "b" / "policy"):
        make_policy().save(path, GOLDEN)
        assert AcquisitionPolicy.load(path).decide(QUERY) == make_policy().decide(QUERY)


class BoomError(Exception):
    """A failure of no other kind."""


def _fail_in_write(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(writing_module, "save_encoder", fail)


def _fail_in_first_rename(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    _fail_in_rename(monkeypatch, error, at=1)


def _fail_in_second_rename(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    _fail_in_rename(monkeypatch, error, at=2)


def _fail_in_rename(monkeypatch: pytest.MonkeyPatch, error: type[BaseException], at: int) -> None:
    calls = iter(range(1, 10))
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if next(calls) == at:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)


@pytest.mark.parametrize("error", [BoomError, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("spoil", [_fail_in_write, _fail_in_first_rename, _fail_in_second_rename])
def test_a_save_that_fails_leaves_the_old_policy_and_nothing_else(
    policy: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[pytest.MonkeyPatch, type[BaseException]], None],
    error: type[BaseException],
) -> None:
    before = snapshot(policy.parent)
    with monkeypatch.context() as patch:
        spoil(patch, error)
        with pytest.raises(error):
            make_policy(random_weights(8)).save(policy, GOLDEN)
    assert snapshot(policy.parent) == before
    assert [path.name for path in policy.parent.iterdir()] == ["policy"]
    assert AcquisitionPolicy.load(policy).decide(QUERY) == make_policy().decide(QUERY)


def test_a_first_save_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for spoil in (_fail_in_write, _fail_in_first_rename):
        with monkeypatch.context() as patch:
            spoil(patch, BoomError)
            with pytest.raises(BoomError):
                make_policy().save(tmp_path / "policy", GOLDEN)
        assert list(tmp_path.iterdir()) == []


def test_an_old_policy_that_cannot_be_put_back_is_not_deleted(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(policy)
    rename = Path.rename
    calls = iter(range(1, 10))

    def fail(self: Path, target: Path) -> Path:
        if next(calls) > 1:
            raise OSError
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail)
        with pytest.raises(OSError):  # noqa: PT011
            make_policy(random_weights(8)).save(policy, GOLDEN)
    (left,) = policy.parent.iterdir()
    assert snapshot(left / "old") == before


def test_a_link_stays_and_what_it_points_to_is_replaced(policy: Path) -> None:
    link = policy.parent / "latest"
    link.symlink_to("policy")
    make_policy(random_weights(8)).save(link, GOLDEN)
    assert link.is_symlink()
    assert AcquisitionPolicy.load(policy).decide(QUERY) == make_policy(random_weights(8)).decide(QUERY)


def test_a_dangling_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("policy")
    make_policy().save(tmp_path / "latest", GOLDEN)
    assert (tmp_path / "latest").is_symlink()
    assert AcquisitionPolicy.load(tmp_path / "policy").budget == 3


@pytest.mark.parametrize("beside", [(), FILES])
def test_somebodys_work_is_never_replaced(tmp_path: Path, beside: tuple[str, ...]) -> None:
    folder = tmp_path / "project"
    if beside:
        make_policy().save(folder, GOLDEN)
    folder.mkdir(exist_ok=True)
    (folder / "thesis.tex").write_text("years", encoding="utf-8")
    before = snapshot(tmp_path)
    with pytest.raises(PolicyError, match=r"holds 'thesis\.tex', which is no part of a policy"):
        make_policy().save(folder, GOLDEN)
    assert snapshot(tmp_path) == before


def test_a_file_in_the_way_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "policy").write_text("notes", encoding="utf-8")
    with pytest.raises(PolicyError, match="there is a file of this name"):
        make_policy().save(tmp_path / "policy", GOLDEN)
    assert snapshot(tmp_path) == {"policy": b"notes"}


# What is no policy folder


@pytest.mark.parametrize("name", ["missing", "x" * 5000, "null\0byte", "policy\udcff"])
def test_a_missing_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(PolicyError, match=r"no such folder|cannot be read"):
        AcquisitionPolicy.load(tmp_path / name)


@pytest.mark.parametrize("name", ["policy", "policy.json", "policy.pkl"])
def test_a_file_instead_of_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"a": 1}))
    refused(tmp_path / name, "a policy is a folder with policy.json", "pickles among them, are never loaded")


def test_an_empty_folder_and_one_of_something_else(tmp_path: Path) -> None:
    refused(tmp_path, "no policy.json here")
    (tmp_path / "policy.json").mkdir()
    refused(tmp_path, "no policy.json here")


class _Trap:
    """A pickle of it leaves a trace when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("place", ["extra.pkl", "model.PT", "encoder/weights.bin", "encoder/deep/x.pickle", "a/b.pth"])
def test_a_pickle_anywhere_in_the_folder(policy: Path, place: str) -> None:
    file = policy / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pickle.dumps(_Trap(policy / "trace")))
    refused(policy, place, "pickles are never loaded")
    edit_manifest(policy, lambda manifest: manifest["files"].update({place: ""}), files=True)
    refused(policy, place, "pickles are never loaded")
    assert not (policy / "trace").exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "golden.json", "encoder/encoder.json"])
def test_a_renamed_pickle_is_not_unpickled_even_with_its_digest(policy: Path, name: str) -> None:
    (policy / name).write_bytes(pickle.dumps(_Trap(policy / "trace")))
    sign(policy)
    refused(policy, name)
    assert not (policy / "trace").exists()


def test_a_pickle_as_manifest(policy: Path) -> None:
    (policy / "policy.json").write_bytes(pickle.dumps(_Trap(policy / "trace")))
    refused(policy, "policy.json", "not valid JSON")
    assert not (policy / "trace").exists()


# Accidents


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_needed(policy: Path, name: str) -> None:
    (policy / name).unlink()
    refused(policy, name)


@pytest.mark.parametrize("kept", [0, 1, 7, 0.3, 0.7, -1])
@pytest.mark.parametrize("name", FILES)
def test_each_file_must_be_whole(policy: Path, name: str, kept: float) -> None:
    data = (policy / name).read_bytes()
    cut = int(len(data) * kept) if isinstance(kept, float) else kept
    (policy / name).write_bytes(data[:cut])
    if name == "policy.json" and cut == -1:
        assert data[cut:] == b"\n"
        assert AcquisitionPolicy.load(policy).budget == 3
        return
    message = refused(policy, name)
    assert "export the policy again" in message or "altered or cut short" in message
    if name != "policy.json" and data[cut:].strip():
        sign(policy)
        refused(policy, name)


@pytest.mark.parametrize("name", FILES)
def test_a_byte_changed_anywhere_is_noticed(policy: Path, name: str) -> None:
    """Only white space between the parts of policy.json, which says nothing, may change."""
    file = policy / name
    data = file.read_bytes()
    said = json.loads((policy / "policy.json").read_text(encoding="utf-8"))
    rng = random.Random(name)
    loaded = 0
    for position in {0, len(data) - 1, *rng.sample(range(len(data)), min(len(data), 150))}:
        spoiled = bytearray(data)
        spoiled[position] ^= 1 << rng.randrange(8)
        file.write_bytes(spoiled)
        if name == "policy.json" and _json_or_none(spoiled) == said:
            AcquisitionPolicy.load(policy)
            loaded += 1
        else:
            refused(policy, name)
    assert loaded < 20


def _json_or_none(data: bytes | bytearray) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _set(*keys: str, value: Any) -> Callable[[Manifest], None]:
    def change(manifest: Manifest) -> None:
        for key in keys[:-1]:
            manifest = manifest[key]
        assert (type(manifest[keys[-1]]), manifest[keys[-1]]) != (type(value), value)
        manifest[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("budget", value=4),
        _set("min_gain", value=0.5),
        _set("gain_spread", value=0.5),
        _set("simulated", value=True),
        _set("provenance", "simulated", value=True),
        _set("provenance", "commit", value="abd"),
        _set("table", "name", value="smell"),
        lambda manifest: manifest["table"]["attributes"][1].update(cost=0.5),
        lambda manifest: manifest["table"]["attributes"].reverse(),
        lambda manifest: manifest["table"]["unknown"].pop(),
        lambda manifest: manifest.update(more=1),
        lambda manifest: manifest.pop("min_gain"),
        lambda manifest: manifest.pop("digest"),
        _set("digest", value=None),
        _set("digest", value=3),
    ],
)
def test_whatever_policy_json_says_is_covered_by_its_digest(policy: Path, change: Callable[[Manifest], None]) -> None:
    edit_manifest(policy, change, signed=False)
    refused(policy, "policy.json", "altered")


def test_policy_json_may_be_laid_out_otherwise(policy: Path) -> None:
    rewrite_json(policy / "policy.json", lambda manifest: dict(sorted(manifest.items(), reverse=True)))
    assert AcquisitionPolicy.load(policy).decide(QUERY) == make_policy().decide(QUERY)


# Folders that somebody made wrong, digests and all


def test_the_helper_that_signs_does_so_rightly(policy: Path) -> None:
    edit_manifest(policy, lambda _: None, files=True)
    assert AcquisitionPolicy.load(policy).budget == 3
    edit_manifest(policy, _set("budget", value=4))
    assert AcquisitionPolicy.load(policy).budget == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("kind", value="bird"), "not a policy of this project"),
        (_set("kind", value=None), "not a policy of this project"),
        (_set("format", value=5), "format 5, this version reads format 4; upgrade raise-agent"),
        (_set("format", value=3), "format 3, this version reads format 4; export the policy again"),
        (_set("format", value="1"), "format str, this version reads format 4; export the policy again"),
        (_set("format", value=[SECRET]), "format list, this version"),
        (lambda m: m.update(format=True), "format True, this version"),
        (lambda m: m.update(format=2.0), "format float, this version"),
        (lambda m: m.pop("format"), "format NoneType, this version"),
        *((lambda m, key=key: m.pop(key), f"'{key}' is missing") for key in ("budget", "min_gain", "gain_share")),
        *((lambda m, key=key: m.pop(key), f"'{key}' is missing") for key in ("table", "network", "memory")),
        *((lambda m, key=key: m.pop(key), f"'{key}' is missing") for key in ("gain_spread", "provenance")),
        (lambda m: m.pop("simulated"), "'simulated' is missing"),
        (lambda m: m["network"].pop("hidden"), "'hidden' is missing"),
        (_set("network", value=[1]), "'network' must be an object of sizes"),
        (_set("network", value=None), "'network' must be an object of sizes"),
        *((_set("budget", value=v), "'budget' must be a whole number from 1 to 4") for v in (0, -1, 5, 2.0, "2", None)),
        (_set("budget", value=True), "'budget' must be a whole number"),
        (_set("budget", value=10**400), "'budget' must be a whole number"),
        *((_set("min_gain", value=v), "'min_gain' must be a finite number") for v in ("0", None, True, [0], 10**400)),
        *((_set("gain_spread", value=v), "'gain_spread' must be a finite number above 0") for v in (0, -1, True, "1")),
        *((_set("network", "hidden", value=v), "'hidden' must be a whole number from 1 to 65536") for v in HIDDEN),
        (_set("network", "value_dimension", value=24), "'value_dimension': "),
        (_set("memory", value=None), "holds ['hidden.bias'"),
        *(
            (_set("memory", value=v), "'memory' must be null or hold 'bandwidth', 'concentration', 'recurrence'")
            for v in NO_MEMORY
        ),
        *(
            (_set("memory", name, value=v), f"{name!r} must be a number above 0")
            for name in ("bandwidth", "concentration")
            for v in (0, -1.5, 1001, 10**400, None, True, "3", [3])
        ),
        *(
            (_set("memory", "recurrence", value=v), "'recurrence' must be a number from 0")
            for v in (-0.1, 2, None, True)
        ),
        (_set("simulated", value=None), "'simulated' and 'provenance' do not agree"),
        (_set("simulated", value=True), "'simulated' and 'provenance' do not agree"),
        (lambda m: m.update(simulated=None, provenance={}), "'simulated' is true or false"),
        (lambda m: m.update(simulated=1, provenance={"simulated": 1}), "'simulated' is true or false"),
        (_set("provenance", value=[]), "'simulated' and 'provenance' do not agree"),
        (_set("table", value=None), "an attribute table is a JSON object"),
        (_set("table", "attributes", value=[]), "has no attributes"),
        (lambda m: m["table"]["attributes"].append(m["table"]["attributes"][0]), "names both 'mood' and 'mood'"),
        (lambda m: m["table"]["attributes"].pop(), "value.weight is float32(64, 8), expected float32(48, 8)"),
        (lambda m: m["table"]["attributes"][0].update(cost=10**400), "a cost is a number"),
        (lambda m: m["table"]["attributes"][0].update(key="Not Snake"), "must be snake_case"),
        (_set("files", value=None), "does not list encoder/encoder.json, golden.json, weights.safetensors"),
        (_set("files", value=list(FILES)), "does not list"),
        (lambda m: m["files"].pop("golden.json"), "does not list"),
        (lambda m: m["files"].update({"more.txt": "0"}), "more.txt: missing"),
        (lambda m: m["files"].update({"golden.json": None}), "golden.json: altered or cut short"),
        (lambda m: m["files"].update({"": "0"}), "missing"),
        (lambda m: m["files"].update({"x" * 5000: "0"}), "xxx: cannot be read"),
        (lambda m: m["files"].update({"a\0b": "0"}), "a\0b: cannot be read"),
    ],
)
def test_wrong_manifests(policy: Path, change: Callable[[Manifest], None], said: str) -> None:
    edit_manifest(policy, change)
    message = refused(policy, said)
    assert any(file in message for file in FILES) or said.endswith(("missing", "cannot be read"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "3",
        '"policy"',
        "[" * 100_000,
        '{"kind":' * 100_000,
        '{"kind": ' + "9" * 5000 + "}",
        "\ufeff{}",
        '{"kind": "raise-acquisition-policy", "format": 4, "budget": NaN}',
        '{"kind": "raise-acquisition-policy", "format": 4, "digest": ' + "[" * 900 + "]" * 900 + "}",
        '{"kind": "raise-acquisition-policy", "format": 4, "more": ' + "[" * 900 + "]" * 900 + "}",
    ],
)
def test_policy_json_that_is_no_manifest(policy: Path, text: str) -> None:
    (policy / "policy.json").write_text(text, encoding="utf-8")
    refused(policy, "policy.json")


def test_policy_json_nested_to_the_limit(policy: Path) -> None:
    """About where reading still works and writing, which the digest needs, no longer does."""
    for depth in range(700, 1000):
        text = '{"kind": "raise-acquisition-policy", "format": 4, "more": ' + "[" * depth + "]" * depth + "}"
        (policy / "policy.json").write_text(text, encoding="utf-8")
        refused(policy, "policy.json")


JSON_FILES = ("policy.json", "golden.json", "encoder/encoder.json")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("policy.json", '"budget": 3', '"budget": 4, "budget": 3'),
        ("policy.json", '"hidden": 8', '"hidden": 9, "hidden": 8'),
        ("policy.json", '"simulated": false', '"simulated": false, "simulated": false'),
        ("golden.json", '"query": "Should', '"query": "Other?", "query": "Should'),
        ("golden.json", f'"mood": "{SECRET}"', f'"mood": "{SECRET}", "mood": "{SECRET}"'),
        ("encoder/encoder.json", '"dimension": 32', '"dimension": 64, "dimension": 32'),
        ("encoder/encoder.json", '"name": "hashing"', '"name": "static", "name": "hashing"'),
    ],
)
def test_a_key_given_twice(policy: Path, name: str, old: str, new: str) -> None:
    """Another reader might take the first; every digest is right."""
    file = policy / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    if name != "policy.json":
        sign(policy)
    refused(policy, name, "names a key twice")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have(policy: Path, number: str) -> None:
    for name, old in (("golden.json", '"sleep": 3.5'), ("encoder/encoder.json", '"dimension": 32')):
        kept = (policy / name).read_text(encoding="utf-8")
        assert old in kept
        (policy / name).write_text(kept.replace(old, f"{old.split(':')[0]}: {number}"), encoding="utf-8")
        sign(policy)
        refused(policy, name, "not valid JSON")
        (policy / name).write_text(kept, encoding="utf-8")


@pytest.mark.parametrize("name", JSON_FILES)
def test_json_that_would_fill_the_memory_is_not_parsed(policy: Path, name: str) -> None:
    with open(policy / name, "ab") as file:
        file.write(b" " * (17 * 2**20))
    if name != "policy.json":
        sign(policy)
    tracemalloc.start()
    refused(policy, name, "larger than any policy file", "(16 MiB)")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**21, f"{peak} bytes"


@pytest.mark.parametrize("name", ["encoder/model/tokenizer.json", "encoder/model/config.json", "notes.json"])
def test_no_listed_json_may_be_larger_than_the_policys_own(policy: Path, name: str) -> None:
    (policy / name).parent.mkdir(exist_ok=True)
    (policy / name).write_bytes(b"{}" + b" " * (17 * 2**20))
    edit_manifest(policy, lambda manifest: manifest["files"].update({name: ""}), files=True)
    refused(policy, name, "larger than any policy file", "(16 MiB)")


def test_what_could_not_be_loaded_again_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="1001 golden decisions; each is repeated on load, 1000 at most"):
        make_policy().save(tmp_path / "policy", [(QUERY, {})] * 1001)
    with pytest.raises(PolicyError, match=r"cannot be written to golden\.json: more than 16 MiB"):
        make_policy().save(tmp_path / "policy", [("x" * 17 * 2**20, {})])
    with pytest.raises(PolicyError, match=r"cannot be written to policy\.json: more than 16 MiB"):
        make_policy(provenance={"simulated": False, "x": "x" * 17 * 2**20}).save(tmp_path / "policy", GOLDEN)
    assert list(tmp_path.iterdir()) == []


def test_more_golden_decisions_than_are_worth_repeating(policy: Path) -> None:
    rewrite_json(policy / "golden.json", lambda golden: golden * 251)
    sign(policy)
    refused(policy, "golden.json", "holds 1004 golden decisions; at most 1000")


@pytest.mark.parametrize("name", [*FILES, "README.md", "encoder/pipe", "notes/pipe"])
def test_a_pipe_is_never_waited_for(policy: Path, name: str) -> None:
    (policy / name).unlink(missing_ok=True)
    (policy / name).parent.mkdir(exist_ok=True)
    os.mkfifo(policy / name)
    if name in ("README.md", "notes/pipe"):
        assert AcquisitionPolicy.load(policy).budget == 3
        edit_manifest(policy, lambda manifest: manifest["files"].update({name: ""}))
    refused(policy, name)


@pytest.mark.parametrize("name", ["golden.json", "encoder/encoder.json", "policy.json"])
def test_bytes_that_are_no_text(policy: Path, name: str) -> None:
    (policy / name).write_bytes(b"\xff\xfe" + b"x" * 20)
    if name != "policy.json":
        sign(policy)
    refused(policy, name)


@pytest.mark.parametrize(
    "name", ["../outside.txt", "encoder/../../outside.txt", "/etc/hostname", "encoder/../golden.json", "absolute"]
)
def test_listed_paths_stay_inside_the_folder(policy: Path, name: str) -> None:
    (policy.parent / "outside.txt").write_text("x", encoding="utf-8")
    name = str(policy / "golden.json") if name == "absolute" else name
    edit_manifest(policy, lambda manifest: manifest["files"].update({name: ""}), files=True)
    refused(policy, "policy.json", repr(name), "outside the policy folder")


@pytest.mark.parametrize("name", FILES)
def test_a_link_out_of_the_folder_is_not_followed(policy: Path, name: str) -> None:
    outside = policy.parent / "outside"
    (policy / name).rename(outside)
    (policy / name).symlink_to(outside)
    refused(policy, name, "outside the policy folder")


@pytest.mark.parametrize("outside", [True, False])
def test_a_linked_encoder_folder_is_not_followed(policy: Path, outside: bool) -> None:
    elsewhere = policy.parent / "elsewhere" if outside else policy / "elsewhere"
    (policy / "encoder").rename(elsewhere)
    (policy / "encoder").symlink_to(elsewhere)
    refused(policy, "encoder")


def test_a_linked_folder_below_the_encoder_is_not_followed(policy: Path) -> None:
    (policy.parent / "model").mkdir()
    (policy / "encoder" / "model").symlink_to(policy.parent / "model")
    refused(policy, "encoder/model", "not listed in policy.json")


def test_a_link_that_goes_in_circles(policy: Path) -> None:
    (policy / "golden.json").unlink()
    (policy / "golden.json").symlink_to("golden.json")
    refused(policy, "golden.json")


def test_a_file_beside_is_not_read_but_none_may_lie_with_the_encoder(policy: Path) -> None:
    (policy / "README.md").write_text("made by us", encoding="utf-8")
    (policy / "notes").mkdir()
    (policy / "notes" / "a.json").write_text("{", encoding="utf-8")
    assert AcquisitionPolicy.load(policy).decide(QUERY) == make_policy().decide(QUERY)
    (policy / "encoder" / "README.md").write_text("made by us", encoding="utf-8")
    refused(policy, "encoder/README.md", "not listed in policy.json")


# Weights


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.pop("hidden.bias"), "expected ['hidden.bias'"),
        (lambda w: w.update(more=np.zeros(1, np.float32)), "'more'"),
        (lambda w: w.update({"output.bias": w["output.bias"].astype(np.float64)}), "output.bias is float64(21,)"),
        (lambda w: w.update({"output.bias": w["output.bias"].astype(np.int32)}), "output.bias is int32"),
        (lambda w: w.update({"output.bias": w["output.bias"][:-1].copy()}), "float32(20,), expected float32(21,)"),
        (lambda w: w.update({"input.bias": w["input.bias"].reshape(1, -1)}), "input.bias is float32(1, 8)"),
        (lambda w: w.update({"query.weight": w["query.weight"].T.copy()}), "query.weight is float32(8, 32)"),
        (lambda w: w["hidden.bias"].fill(np.nan), "hidden.bias holds numbers that are not finite"),
        (lambda w: w["hidden.weight"].__setitem__((0, 0), np.inf), "hidden.weight holds numbers that are not finite"),
        (lambda w: w["hidden.weight"].__setitem__((0, 0), -np.inf), "hidden.weight holds numbers"),
        (lambda w: w.clear(), "does not hold memory.vectors, memory.effects, memory.found"),
        (lambda w: w.pop("memory.effects"), "does not hold memory.effects"),
        (lambda w: w.pop("memory.found"), "does not hold memory.found"),
        (lambda w: w.update({"memory.vectors": w["memory.vectors"][:, 1:].copy()}), "float32(3, 31), expected"),
        (lambda w: w.update({"memory.vectors": w["memory.vectors"][0]}), "memory.vectors is float32(32,), expected"),
        (lambda w: w.update({"memory.vectors": np.ones((), np.float32)}), "memory.vectors is float32()"),
        (lambda w: w.update({"memory.vectors": w["memory.vectors"].astype(np.float64)}), "memory.vectors is float64"),
        (lambda w: w.update({"memory.effects": w["memory.effects"][1:].copy()}), "float32(2, 32), expected float32(3,"),
        (
            lambda w: w.update({f"memory.{a}": w[f"memory.{a}"][:0] for a in ("vectors", "effects", "found")}),
            "float32(0, 32)",
        ),
        *(
            (lambda w, shape=shape: w.update({"memory.found": np.empty(shape, np.float32)}), "memory.found is float32(")
            for shape in ((0, 2**60), (2**60, 0), (0,), (1, 1, 1))
        ),
        (lambda w: w.update({"memory.found": w["memory.found"].astype(np.complex64)}), "memory.found is complex64"),
        (lambda w: w["memory.vectors"].__setitem__((0, 0), np.nan), "vectors that are longer than 1 or not finite"),
        (lambda w: w["memory.vectors"].__imul__(1.001), "vectors that are longer than 1 or not finite"),
        (lambda w: w["memory.vectors"].__setitem__((0, 0), 3e38), "vectors that are longer than 1 or not finite"),
        (lambda w: w["memory.effects"].__setitem__((0, 0), np.inf), "numbers beyond 1,000,000 or not finite"),
        (lambda w: w["memory.effects"].__setitem__((0, 0), np.nan), "numbers beyond 1,000,000 or not finite"),
        (lambda w: w["memory.found"].__setitem__((0, 0), np.nan), "numbers beyond 1,000,000 or not finite"),
        (lambda w: w["memory.effects"].__setitem__((0, 0), -2e6), "numbers beyond 1,000,000 or not finite"),
        (lambda w: w["memory.effects"].__iadd__(0.1), "golden.json: case 1 is decided otherwise"),
        (lambda w: w["output.bias"].__iadd__(0.01), "golden.json: case 1 is decided otherwise"),
    ],
)
def test_wrong_weights(policy: Path, change: Callable[[dict[str, Any]], object], said: str) -> None:
    rewrite_weights(policy, change)
    message = refused(policy, said)
    assert "weights.safetensors" in message or "golden.json" in message


def _header(entries: dict[str, Any], data: bytes = b"") -> bytes:
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 7,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"\xff\xff",
        _header({"a": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 4]}}, b"\0" * 4),
        _header({"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}),
        _header({"a": {"dtype": "F32", "shape": [0, 2**62], "data_offsets": [0, 0]}}),
        _header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"\0" * 4),
        _header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, b"\0" * 4),
        _header({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}, b"\0" * 4),
        _header({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, b"\0" * 4),
        _header({"a": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}}, b"\0" * 4),
        _header({"a": {"dtype": "O", "shape": [1], "data_offsets": [0, 8]}}, b"\0" * 8),
        _header({"__metadata__": {"a": 1}}),
        _header({"__metadata__": {"a": "b"}}),
        _header({"a" * 10**5: {"dtype": "F32", "shape": [1] * 10**5, "data_offsets": [0, 4]}}, b"\0" * 4),
        _header(
            {
                "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
            },
            b"\0" * 12,
        ),
        _header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 8),
        _header({"output.bias": {"dtype": "BOOL", "shape": [4], "data_offsets": [0, 4]}}, b"\7" * 4),
    ],
)
def test_files_that_are_hardly_safetensors(policy: Path, data: bytes) -> None:
    (policy / "weights.safetensors").write_bytes(data)
    sign(policy)
    refused(policy, "weights.safetensors")


def test_a_weight_named_twice(policy: Path) -> None:
    """One reader would take the first, another the last."""
    data = (policy / "weights.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    twice = data[8 : 8 + length].rstrip()[:-1] + b"," + json.dumps({"input.bias": header["hidden.bias"]}).encode()[1:]
    (policy / "weights.safetensors").write_bytes(struct.pack("<Q", len(twice)) + twice + data[8 + length :])
    sign(policy)
    refused(policy, "weights.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["network"].update(query_dimension=65536, value_dimension=65536, hidden=65536),
        lambda m: m["network"].update(hidden=2**60),
        lambda m: m["network"].update(hidden=65536),
        lambda m: m["network"].update(query_dimension=65536),
    ],
)
def test_huge_declared_sizes_allocate_nothing(policy: Path, change: Callable[[Manifest], None]) -> None:
    edit_manifest(policy, change)
    rewrite_json(policy / "encoder" / "encoder.json", lambda e: e["settings"].update(dimension=65536))
    sign(policy)
    tracemalloc.start()
    refused(policy)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**21, f"{peak} bytes"


def test_a_file_larger_than_any_policy_is_not_read(policy: Path) -> None:
    with open(policy / "golden.json", "r+b") as file:
        file.truncate(600 * 2**20)
    tracemalloc.start()
    refused(policy, "golden.json", "larger than any policy file")
    (policy / "policy.json").unlink()
    with open(policy / "policy.json", "wb") as file:
        file.truncate(600 * 2**20)
    refused(policy, "policy.json", "larger than any policy file")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**21, f"{peak} bytes"


# Encoders


@pytest.mark.parametrize(
    "saved",
    [
        None,
        [],
        {},
        {"name": "hashing"},
        {"name": "hashing", "settings": {"dimension": 64}},
        {"name": "hashing", "settings": {"dimension": 33}},
        {"name": "hashing", "settings": {"dimension": "32"}},
        {"name": "hashing", "settings": {"dimension": True}},
        {"name": "hashing", "settings": {"dimension": None}},
        {"name": "hashing", "settings": {"dimension": 2**70}},
        {"name": "hashing", "settings": {"size": 32}},
        {"name": "hashing", "settings": []},
        {"name": "hashing", "settings": "dimension"},
        {"name": "hash", "settings": {"dimension": 32}},
        {"name": "os", "settings": {}},
        {"name": "..policies.folder", "settings": {}},
        {"name": ["hashing"], "settings": {}},
        {"name": None, "settings": {}},
    ],
)
def test_wrong_encoders(policy: Path, saved: Any) -> None:
    rewrite_json(policy / "encoder" / "encoder.json", lambda _: saved if saved is not None else "null")
    sign(policy)
    refused(policy, "encoder")


@pytest.mark.parametrize("place", ["encoder/m", "m", "encoder", "."])
@pytest.mark.parametrize("how", ["absolute", "relative", "link"])
def test_an_encoders_model_may_not_lie_in_the_policy(
    policy: Path, place: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (policy / place).mkdir(exist_ok=True)
    (policy.parent / "link").symlink_to(policy / place)
    monkeypatch.chdir(policy.parent)
    model = {"absolute": str(policy / place), "relative": f"x/../policy/{place}", "link": "link"}[how]
    (policy.parent / "x").mkdir()
    saved = {"name": "sentence_transformer", "settings": {"model": model, "sha256": "0" * 64}}
    rewrite_json(policy / "encoder" / "encoder.json", lambda _: saved)
    sign(policy)
    refused(policy, "encoder.json", "model lies in the policy's own folder")


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["table"]["attributes"][0].update(kind=LONG),
        lambda manifest: manifest["files"].update({LONG: ""}),
        lambda manifest: manifest.update(kind=LONG),
        lambda manifest: manifest.update(format=10**4000),
    ],
)
def test_a_long_name_makes_no_long_error(policy: Path, change: Callable[[Manifest], None]) -> None:
    edit_manifest(policy, change)
    short_errors(policy)


@pytest.mark.parametrize("saved", [{"name": LONG, "settings": {}}, {"name": "hashing", "settings": {LONG: 1}}])
def test_an_encoder_of_a_long_name_makes_no_long_error(policy: Path, saved: Any) -> None:
    rewrite_json(policy / "encoder" / "encoder.json", lambda _: saved)
    sign(policy)
    short_errors(policy)


def short_errors(policy: Path) -> None:
    """Loading is refused in words that fit on a screen."""
    with pytest.raises(PolicyError) as caught:
        AcquisitionPolicy.load(policy)
    assert len(str(caught.value)) < 4_100


def test_an_encoder_whose_library_fails_anyhow(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> HashingEncoder:
        raise RuntimeError("half a tokenizer")

    monkeypatch.setattr(HashingEncoder, "load", fail)
    refused(policy, "encoder", "RuntimeError")


# Golden decisions


def _first(**changes: Any) -> Callable[[list[Any]], None]:
    return lambda golden: golden[0].update(changes)


def _decision(**changes: Any) -> Callable[[list[Any]], None]:
    return lambda golden: golden[0]["decision"].update(changes)


def _scores(**changes: Any) -> Callable[[list[Any]], None]:
    return lambda golden: golden[0]["decision"]["scores"].update(changes)


@pytest.mark.parametrize(
    "change",
    [
        lambda golden: golden.clear(),
        lambda golden: {},
        lambda golden: "golden",
        lambda golden: [None],
        lambda golden: [[]],
        lambda golden: [3],
        lambda golden: [{}],
        lambda golden: golden[0].pop("query"),
        lambda golden: golden[0].pop("known"),
        lambda golden: golden[0].pop("decision"),
        lambda golden: golden[0]["decision"].pop("scores"),
        lambda golden: golden[0]["decision"]["scores"].pop("answer"),
        _first(query=None),
        _first(query="Another question?"),
        _first(known=None, query=3),
        _first(known=["mood"]),
        _first(known={"mood": SECRET}),
        _first(known={"mood": [SECRET]}),
        _first(known={"nothing": SECRET}),
        _first(known={"mood": SECRET, "feeling": SECRET}),
        _first(known={"mood": True}),
        _first(decision=None),
        _first(decision=[]),
        _first(decision="ask"),
        _decision(scores=None),
        _decision(scores=[]),
        _decision(scores={}),
        _decision(ask="fear"),
        _decision(ask=None),
        _decision(answer=0.5),
        _decision(more=1),
        _scores(mood=0.0),
        _scores(mood="3"),
        _scores(mood=None),
        _scores(mood=[]),
        _scores(mood=10**400),
        _scores(mood=float("nan")),
        _scores(mood=float("inf")),
        _scores(more=3.0),
    ],
)
def test_wrong_golden_decisions(policy: Path, change: Callable[[Any], Any]) -> None:
    first = json.loads((policy / "golden.json").read_text(encoding="utf-8"))[0]["decision"]
    assert first["ask"] in KEYS
    assert first["ask"] != "fear"
    file = policy / "golden.json"
    golden = json.loads(file.read_text(encoding="utf-8"))
    made = change(golden)
    replaced = isinstance(made, (list, str)) or made == {}
    file.write_text(json.dumps(made if replaced else golden), encoding="utf-8")
    sign(policy)
    refused(policy, "golden.json")


def test_a_golden_answer_must_be_as_confident(tmp_path: Path) -> None:
    reluctant = make_policy(min_gain=100.0)
    assert isinstance(reluctant.decide(QUERY), Answer)
    reluctant = make_policy(min_gain=2.0, gain_spread=1.0)
    decision = reluctant.decide(QUERY)
    assert isinstance(decision, Answer)
    assert 0.5 < decision.confidence < 0.999
    reluctant.save(tmp_path / "policy", [(QUERY, {})])
    assert AcquisitionPolicy.load(tmp_path / "policy").decide(QUERY) == decision
    golden = json.loads((tmp_path / "policy" / "golden.json").read_text(encoding="utf-8"))
    for wrong in (decision.confidence - 0.001, decision.confidence + 0.001, None):
        golden[0]["decision"]["answer"] = wrong
        (tmp_path / "policy" / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
        sign(tmp_path / "policy")
        refused(tmp_path / "policy", "golden.json", "case 1")


def test_every_golden_decision_is_repeated(policy: Path) -> None:
    golden = json.loads((policy / "golden.json").read_text(encoding="utf-8"))
    assert len(golden) == 4
    for number in range(1, 5):
        case = json.loads(json.dumps(golden))
        case[number - 1]["decision"]["scores"]["answer"] += 0.001
        (policy / "golden.json").write_text(json.dumps(case), encoding="utf-8")
        sign(policy)
        refused(policy, "golden.json", f"case {number} is decided otherwise")


def test_deeply_nested_json(policy: Path) -> None:
    for name in ("golden.json", "encoder/encoder.json"):
        kept = (policy / name).read_bytes()
        for depth in (400, 900, 990, 100_000):
            (policy / name).write_text("[" * depth + "]" * depth, encoding="utf-8")
            sign(policy)
            refused(policy, name.split("/")[0])
        (policy / name).write_bytes(kept)


# Anything at all


def _loads_or_refuses(folder: Path) -> bool:
    try:
        policy = AcquisitionPolicy.load(folder)
    except PolicyError as error:
        shown = "".join(traceback.format_exception(error))
    except SimulatedPolicyWarning:  # an error here; the policy was loaded
        return True
    else:
        shown = ""
    assert SECRET not in shown
    if shown:
        return False
    scores = policy.decide(QUERY, {"mood": "low"}).scores
    assert all(np.isfinite(score) for score in scores.values())
    return True


@pytest.mark.parametrize("resigned", [False, True])
def test_random_damage_gives_a_policy_error_or_nothing_at_all(sound: Path, tmp_path: Path, resigned: bool) -> None:
    rng = random.Random(resigned)
    said = json.loads((sound / "policy.json").read_text(encoding="utf-8"))
    folder = tmp_path / "policy"
    outcomes = []
    for _ in range(300):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound, folder)
        name = rng.choice(FILES)
        data = bytearray((folder / name).read_bytes())
        for _ in range(rng.choice((1, 1, 2, 8))):
            match rng.randrange(4):
                case 0:
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                case 1:
                    data[rng.randrange(len(data))] = rng.randrange(256)
                case 2:
                    del data[rng.randrange(len(data)) :]
                    data += b" "
                case 3:
                    start = rng.randrange(len(data))
                    data[start:start] = data[rng.randrange(len(data)) :][: rng.randrange(1, 20)]
        if bytes(data) == (folder / name).read_bytes():
            continue
        (folder / name).write_bytes(data)
        if resigned and name != "policy.json":
            sign(folder)
        elif resigned:
            try:
                sign(folder, files=False)
            except (ValueError, AttributeError, TypeError):
                continue
        loaded = _loads_or_refuses(folder)
        outcomes.append(loaded)
        if loaded and not resigned:
            assert name == "policy.json"
            assert json.loads(bytes(data)) == said
    assert outcomes.count(False) > 200 - 60 * resigned


JUNK: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    3,
    2**70,
    10**400,
    0.5,
    1e308,
    5e-324,
    float("nan"),
    float("inf"),
    "",
    "x",
    "hashing",
    "../x",
    "a\0",
    "\ud800",
    [],
    {},
    [[]],
    {"": 0},
    [None] * 70,
    {"simulated": True},
)


def _nodes(data: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield data, key
        yield from _nodes(data[key])


def test_any_part_of_any_json_file_replaced_by_anything(sound: Path, tmp_path: Path) -> None:
    """Every node is replaced at least once, and removed once; the digests are right, as a hostile author's would be."""
    rng = random.Random(0)
    folder = Path(shutil.copytree(sound, tmp_path / "policy"))
    refusals = 0
    for name in ("policy.json", "golden.json", "encoder/encoder.json"):
        text = (sound / name).read_text(encoding="utf-8")
        count = len(list(_nodes(json.loads(text))))
        for number in range(count):
            for junk in (*rng.sample(JUNK, 4), KeyError):
                data = json.loads(text)
                parent, key = list(_nodes(data))[number]
                if junk is KeyError:
                    del parent[key]
                else:
                    parent[key] = junk
                if name == "policy.json":
                    edit_manifest(folder, lambda _: None, signed=key != "digest", manifest=data)
                else:
                    (folder / name).write_text(json.dumps(data), encoding="utf-8")
                    sign(folder)
                refusals += not _loads_or_refuses(folder)
            shutil.copy(sound / name, folder / name)
            shutil.copy(sound / "policy.json", folder / "policy.json")
    assert refusals > 300


def test_every_shape_of_network_round_trips(tmp_path: Path) -> None:
    for n, query, value, hidden in ((1, 16, 16, 1), (62, 64, 16, 2), (3, 16, 128, 33)):
        shape = NetworkShape(n, query, value, hidden)
        table = replace(
            TABLE,
            attributes=tuple(replace(TABLE[0], key=f"a{i}", name=f"name {i}", aliases=()) for i in range(n)),
        )
        made = make_policy(
            random_weights(n, shape),
            table=table,
            shape=shape,
            budget=n,
            encoder=HashingEncoder(query),
            memory=None,
            min_gain=-100.0,
        )
        made.save(tmp_path / f"{n}", [(QUERY, {}), (QUERY, {"a0": "x"})])
        assert AcquisitionPolicy.load(tmp_path / f"{n}").decide(QUERY) == made.decide(QUERY)
    assert SHAPE.outputs == 1 + 4 * 5
