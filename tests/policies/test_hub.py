"""Publishing and loading by the hub's conventions, against a folder, a fake hub, and huggingface_hub's own cache."""

from __future__ import annotations

import fnmatch
import hashlib
import inspect
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import ModelHubMixin

from raise_agent.errors import MissingExtraError, PolicyError
from raise_agent.policies import AcquisitionPolicy, SimulatedPolicyWarning
from raise_agent.policies.card import CARD, SIMULATED

from .support import GOLDEN, QUERY, make_policy, random_weights, sign

pytestmark = pytest.mark.filterwarnings("error")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class FakeHub:
    """Repositories as dictionaries of files, behind the two functions that are used of huggingface_hub."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.repositories, self.calls = folder, dict[str, dict[str, bytes]](), list[dict[str, Any]]()
        patch.setattr(huggingface_hub, "HfApi", self.api)
        patch.setattr(huggingface_hub, "snapshot_download", self.download)

    def api(self, token: Any = None, library_name: str = "", library_version: str = "") -> FakeHub:
        self.calls.append({"api": token})
        return self

    def create_repo(self, repo_id: str, private: bool | None, exist_ok: bool) -> Any:
        assert exist_ok
        self.calls.append({"create": repo_id, "private": private})
        full = repo_id if "/" in repo_id else f"me/{repo_id}"
        self.repositories.setdefault(full, {".gitattributes": b"*.safetensors filter=lfs"})
        return SimpleNamespace(repo_id=full)

    def upload_folder(self, *, repo_id: str, folder_path: Path, delete_patterns: list[str], **more: Any) -> str:
        self.calls.append({"upload": repo_id, "delete": delete_patterns, **more})
        held, new = self.repositories[repo_id], files(Path(folder_path))
        for name in list(held):
            if any(fnmatch.fnmatch(name, pattern) for pattern in delete_patterns):
                del held[name]
        held.update(new)
        return f"https://hub/{repo_id}/commit/{COMMIT}"

    def download(self, repo_id: str, *, allow_patterns: list[str], cache_dir: Any = None, **more: Any) -> str:
        self.calls.append({"download": repo_id, **more})
        if repo_id not in self.repositories:
            raise huggingface_hub.errors.RepositoryNotFoundError(
                "404 Client Error.\nmore",
                response=SimpleNamespace(headers={}, request=None),  # type: ignore[arg-type]
            )
        target = self.folder / repo_id
        shutil.rmtree(target, ignore_errors=True)
        for name, data in self.repositories[repo_id].items():
            if any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                (target / name).write_bytes(data)
        return str(target)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    return FakeHub(tmp_path / "downloads", monkeypatch)


# Folders


def test_a_folder_round_trip_keeps_policy_and_golden_inputs(tmp_path: Path) -> None:
    policy = make_policy(random_weights(1))
    assert policy.save_pretrained(tmp_path / "policy", golden_inputs=GOLDEN) is None
    loaded = AcquisitionPolicy.from_pretrained(tmp_path / "policy")
    assert loaded.decide(QUERY) == policy.decide(QUERY)
    assert loaded.golden_inputs == tuple((query, dict(known)) for query, known in GOLDEN)
    loaded.save_pretrained(str(tmp_path / "again"))
    assert files(tmp_path / "again") == files(tmp_path / "policy")
    loaded.save(tmp_path / "plain")
    assert files(tmp_path / "plain") == {n: d for n, d in files(tmp_path / "policy").items() if n != CARD}


def test_golden_inputs_may_be_given_to_the_constructor_or_replaced(tmp_path: Path) -> None:
    policy = AcquisitionPolicy(make_policy().parts, GOLDEN)
    policy.save(tmp_path / "a")
    assert AcquisitionPolicy.load(tmp_path / "a").golden_inputs == policy.golden_inputs
    policy.save_pretrained(tmp_path / "a", golden_inputs=[(QUERY, {"mood": 3})])
    assert AcquisitionPolicy.load(tmp_path / "a").golden_inputs == ((QUERY, {"mood": 3}),)
    with pytest.raises(PolicyError, match="at least one golden decision"):
        make_policy().save_pretrained(tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_the_card_follows_the_policy_and_an_edited_one_stays(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    make_policy().save_pretrained(folder, golden_inputs=GOLDEN, model_card_kwargs={"title": "First"})
    make_policy(provenance={"simulated": True}).save_pretrained(
        folder, golden_inputs=GOLDEN, model_card_kwargs={"title": "Two"}
    )
    text = (folder / CARD).read_text(encoding="utf-8")
    assert "# Two" in text
    assert SIMULATED in text
    (folder / CARD).write_text(f"Years of work. {SIMULATED}", encoding="utf-8")
    make_policy(provenance={"simulated": True}).save_pretrained(folder, golden_inputs=GOLDEN)
    assert (folder / CARD).read_text(encoding="utf-8") == f"Years of work. {SIMULATED}"


def test_an_edited_card_is_never_lost(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    make_policy().save_pretrained(folder, golden_inputs=GOLDEN)
    make_policy().save(folder, GOLDEN)
    assert CARD not in files(folder), "it spoke of the policy that is gone"
    (folder / CARD).write_text("Years of work.", encoding="utf-8")
    before = files(folder)
    with pytest.raises(PolicyError, match=r"holds 'README\.md'"):
        make_policy().save(folder, GOLDEN)
    with pytest.raises(PolicyError, match="does not say that the scores are simulated"):
        make_policy(provenance={"simulated": True}).save_pretrained(folder, golden_inputs=GOLDEN)
    with pytest.raises(TypeError):
        make_policy().save_pretrained(tmp_path / "other", golden_inputs=GOLDEN, model_card_kwargs={"licence": "x"})
    assert files(folder) == before
    assert not (tmp_path / "other").exists()


def test_other_peoples_files_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with pytest.raises(PolicyError, match=r"holds '\.git'"):
        make_policy().save_pretrained(tmp_path, golden_inputs=GOLDEN)


@pytest.mark.parametrize("load", [AcquisitionPolicy.load, AcquisitionPolicy.from_pretrained])
def test_the_warning_points_at_whoever_loads(tmp_path: Path, load: Callable[[Path], AcquisitionPolicy]) -> None:
    make_policy(provenance={"simulated": True}).save_pretrained(tmp_path / "policy", golden_inputs=GOLDEN)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(tmp_path / "policy")
    assert [(warning.category, warning.filename) for warning in caught] == [(SimulatedPolicyWarning, __file__)]


# A hub


def test_published_and_loaded_again(hub: FakeHub, tmp_path: Path) -> None:
    policy = make_policy(random_weights(2))
    address = policy.push_to_hub(
        "me/policy", golden_inputs=GOLDEN, private=True, token="t", model_card_kwargs={"license": "mit"}
    )
    assert address == f"https://hub/me/policy/commit/{COMMIT}"
    loaded = AcquisitionPolicy.from_pretrained("me/policy", revision="v1", token="t")
    assert loaded.decide(QUERY) == policy.decide(QUERY)
    api, create, upload, download = hub.calls
    assert (api, create) == ({"api": "t"}, {"create": "me/policy", "private": True})
    assert (upload["repo_type"], upload["revision"], upload["commit_message"]) == (
        "model",
        None,
        "Upload policy with raise-agent.",
    )
    assert (download["revision"], download["token"], download["local_files_only"]) == ("v1", "t", False)
    assert 'from_pretrained("me/policy")' in hub.repositories["me/policy"][CARD].decode()
    assert loaded.push_to_hub("me/copy")
    copied, first = (hub.repositories[name] for name in ("me/copy", "me/policy"))
    assert {n: d for n, d in copied.items() if n != CARD} == {n: d for n, d in first.items() if n != CARD}


def test_a_name_without_an_owner_is_completed_on_the_card(hub: FakeHub) -> None:
    make_policy().push_to_hub("policy", golden_inputs=GOLDEN)
    assert 'from_pretrained("me/policy")' in hub.repositories["me/policy"][CARD].decode()


def test_files_of_an_earlier_encoder_do_not_stay(hub: FakeHub) -> None:
    make_policy().push_to_hub("me/policy", golden_inputs=GOLDEN)
    hub.repositories["me/policy"]["encoder/model/tokenizer.json"] = b"{}"
    with pytest.raises(PolicyError, match=r"tokenizer\.json: not listed"):
        AcquisitionPolicy.from_pretrained("me/policy")
    make_policy().push_to_hub("me/policy", golden_inputs=GOLDEN, delete_patterns="*.onnx")
    assert hub.calls[-1]["delete"] == ["*.onnx", "encoder/*"]
    assert AcquisitionPolicy.from_pretrained("me/policy").budget == 3


def test_save_pretrained_may_publish(hub: FakeHub, tmp_path: Path) -> None:
    made = make_policy().save_pretrained(
        tmp_path / "mine", golden_inputs=GOLDEN, push_to_hub=True, branch="next", create_pr=True
    )
    assert made == f"https://hub/me/mine/commit/{COMMIT}"
    assert (hub.calls[-1]["revision"], hub.calls[-1]["create_pr"]) == ("next", True)
    make_policy().save_pretrained(tmp_path / "mine", golden_inputs=iter(GOLDEN), push_to_hub=True, repo_id="us/other")
    assert 'from_pretrained("us/other")' in hub.repositories["us/other"][CARD].decode()
    with pytest.raises(TypeError):
        make_policy().save_pretrained(tmp_path / "mine", golden_inputs=GOLDEN, push_to_hub=True, publik=True)


def test_an_edited_card_is_published(hub: FakeHub, tmp_path: Path) -> None:
    make_policy().save_pretrained(tmp_path / "mine", golden_inputs=GOLDEN)
    (tmp_path / "mine" / CARD).write_text("Years of work.", encoding="utf-8")
    make_policy().save_pretrained(tmp_path / "mine", golden_inputs=GOLDEN, push_to_hub=True)
    assert hub.repositories["me/mine"][CARD] == b"Years of work."


def test_a_policy_that_cannot_be_saved_leaves_nothing_on_the_hub(hub: FakeHub) -> None:
    with pytest.raises(PolicyError, match="at least one golden decision"):
        make_policy().push_to_hub("me/policy")
    assert hub.calls == []


def test_a_pickle_on_the_hub_is_not_even_downloaded(hub: FakeHub, tmp_path: Path) -> None:
    make_policy().push_to_hub("me/policy", golden_inputs=GOLDEN)
    hub.repositories["me/policy"]["pytorch_model.bin"] = b"\x80\x04"
    assert AcquisitionPolicy.from_pretrained("me/policy").budget == 3
    assert not list(tmp_path.rglob("*.bin"))


@pytest.mark.parametrize("model", ["them/evil", "../../tmp/evil", "/tmp/evil", None, 3])
def test_a_model_that_a_downloaded_policy_names_is_not_loaded(hub: FakeHub, model: Any) -> None:
    make_policy().push_to_hub("me/policy", golden_inputs=GOLDEN)
    said = json.dumps({"name": "sentence_transformer", "settings": {"model": model, "sha256": ""}})
    hub.repositories["me/policy"]["encoder/encoder.json"] = said.encode()
    with pytest.raises(PolicyError, match="which is not loaded on a hub's word"):
        AcquisitionPolicy.from_pretrained("me/policy")


def test_a_folder_is_checked_as_a_download_is(hub: FakeHub, tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    make_policy().save_pretrained(folder, golden_inputs=GOLDEN)
    said = json.dumps({"name": "sentence_transformer", "settings": {"model": "them/evil", "sha256": "0" * 64}})
    (folder / "encoder" / "encoder.json").write_text(said, encoding="utf-8")
    sign(folder)
    with pytest.raises(PolicyError, match=r"'them/evil', which is not loaded .*give that to AcquisitionPolicy\.load"):
        AcquisitionPolicy.from_pretrained(folder)
    (folder / "encoder" / "encoder.json").unlink()
    os.mkfifo(folder / "encoder" / "encoder.json")
    with pytest.raises(PolicyError, match=r"encoder\.json"):
        AcquisitionPolicy.from_pretrained(folder)


def test_a_damaged_download_is_refused(hub: FakeHub) -> None:
    make_policy().push_to_hub("me/policy", golden_inputs=GOLDEN)
    hub.repositories["me/policy"]["weights.safetensors"] = b"version https://git-lfs.github.com/spec/v1"
    with pytest.raises(PolicyError, match=r"weights\.safetensors: altered or cut short"):
        AcquisitionPolicy.from_pretrained("me/policy")


def test_what_the_hub_says_is_passed_on(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PolicyError, match="me/none: no such folder, and not to be had from the hub") as caught:
        AcquisitionPolicy.from_pretrained("me/none", token="hf_secret")
    assert str(caught.value).endswith("(RepositoryNotFoundError: 404 Client Error.)")

    def refuse(**_: Any) -> Any:
        raise RuntimeError("403 Forbidden")

    monkeypatch.setattr(hub, "create_repo", refuse)
    with pytest.raises(PolicyError, match=r"me/policy: the hub does not take it \(RuntimeError: 403 Forbidden\)"):
        make_policy().push_to_hub("me/policy", golden_inputs=GOLDEN)


@pytest.mark.parametrize(
    "name", ["../policy", "a/b/c", "/no/such/folder", "", ".", "me/..", "http://x/y", "a b", "é/x"]
)
def test_what_is_neither_folder_nor_id_asks_no_hub(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyError):
        AcquisitionPolicy.from_pretrained(name)
    assert hub.calls == []


def test_a_file_is_no_id(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy").write_text("x", encoding="utf-8")
    with pytest.raises(PolicyError, match="no folder"):
        AcquisitionPolicy.from_pretrained("policy")
    assert hub.calls == []


def test_without_the_extra_folders_load_and_the_hub_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    make_policy().save_pretrained(tmp_path / "policy", golden_inputs=GOLDEN)
    assert AcquisitionPolicy.from_pretrained(tmp_path / "policy").budget == 3
    with pytest.raises(MissingExtraError, match=r"'me/policy' is no folder here.*pip install 'raise-agent\[hub\]'"):
        AcquisitionPolicy.from_pretrained("me/policy")
    with pytest.raises(MissingExtraError, match=r"raise-agent\[hub\]"):
        make_policy().push_to_hub("me/policy", golden_inputs=GOLDEN)


@pytest.mark.parametrize(
    ("method", "without"),
    [
        ("from_pretrained", {"model_kwargs"}),
        ("save_pretrained", {"config"}),
        ("push_to_hub", {"config"}),
    ],
)
def test_arguments_are_named_as_those_of_the_hubs_mixin(method: str, without: set[str]) -> None:
    wanted = inspect.signature(getattr(ModelHubMixin, method)).parameters
    ours = inspect.signature(getattr(AcquisitionPolicy, method)).parameters
    assert set(ours) >= set(wanted) - without
    for name in set(wanted) - without:
        assert ours[name].kind == wanted[name].kind


# The cache of huggingface_hub, read by huggingface_hub


def cached(cache: Path, policy: Path, shared: bool) -> Path:
    """The layout in which huggingface_hub keeps a downloaded repository: links to files named by digest."""
    repository = cache / "models--me--policy"
    snapshot = repository / "snapshots" / COMMIT
    for name, data in files(policy).items():
        digest = hashlib.sha256(data).hexdigest()
        blob = repository / "blobs" / digest
        blob.parent.mkdir(parents=True, exist_ok=True)
        if shared:
            store = cache / "blobs" / digest[:2] / digest
            store.parent.mkdir(parents=True, exist_ok=True)
            store.write_bytes(data)
            blob.symlink_to(store)
        else:
            blob.write_bytes(data)
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).symlink_to(blob)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    return snapshot


@pytest.mark.parametrize("shared", [False, True])
def test_a_policy_in_the_hubs_cache_loads_though_its_files_are_links(tmp_path: Path, shared: bool) -> None:
    make_policy().save_pretrained(tmp_path / "policy", golden_inputs=GOLDEN)
    snapshot = cached(tmp_path / "cache", tmp_path / "policy", shared)
    for revision in (None, "main", COMMIT):
        loaded = AcquisitionPolicy.from_pretrained(
            "me/policy", cache_dir=tmp_path / "cache", local_files_only=True, revision=revision
        )
        assert loaded.decide(QUERY) == make_policy().decide(QUERY)
    with pytest.raises(PolicyError, match="outside the policy folder"):
        AcquisitionPolicy.load(snapshot)


def test_a_link_out_of_the_hubs_cache_is_not_followed(tmp_path: Path) -> None:
    make_policy().save_pretrained(tmp_path / "policy", golden_inputs=GOLDEN)
    snapshot = cached(tmp_path / "cache", tmp_path / "policy", False)
    for outside in (tmp_path / "policy" / "golden.json", tmp_path / "cache" / "models--me--policy" / "refs" / "main"):
        (snapshot / "golden.json").unlink()
        (snapshot / "golden.json").symlink_to(outside)
        with pytest.raises(PolicyError, match=r"'golden\.json' lies outside the policy folder"):
            AcquisitionPolicy.from_pretrained("me/policy", cache_dir=tmp_path / "cache", local_files_only=True)


def test_what_is_not_in_the_cache_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"not to be had from the hub \(LocalEntryNotFoundError: "):
        AcquisitionPolicy.from_pretrained("me/policy", cache_dir=tmp_path, local_files_only=True)
