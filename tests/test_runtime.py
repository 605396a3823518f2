"""The base install suffices to decide, and the layers import downwards only."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from raise_agent.attributes import penguin_table
from raise_agent.encoders import Encoder
from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.encoders.static import StaticEncoder
from raise_agent.policies import AcquisitionPolicy, Ask
from raise_agent.policies.network import NetworkShape
from raise_agent.policies.parts import PolicyParts

ROOT = Path(__file__).resolve().parents[1]
LAYERS = {"raise": "", "envs": "envs", "planners": "planners", "conf": "conf", "experiments": "experiments"}
"""Folder -> subpackage of raise_agent."""
NOT_BASE = (
    "torch",
    "transformers",
    "sentence_transformers",
    "model2vec",
    "tokenizers",
    "hydra",
    "omegaconf",
    "wandb",
    "gymnasium",
    "scipy",
    "rich",
    "requests",
    "httpx",
    "aiohttp",
    "urllib3",
    "datasets",
    "huggingface_hub",
    "onnx",
    "onnxruntime",
)
QUERY, KNOWN = "Should I hand in my notice?", {"Age": "25-34", "Emotional State": None}

SCRIPT = f"""
import importlib.util, json, sys
import raise_agent, raise_agent.policies, raise_agent.attributes, raise_agent.scenario
from raise_agent import AcquisitionPolicy
barred = json.loads(sys.argv[2])
policy = AcquisitionPolicy.load(sys.argv[1])
decision = policy.decide({QUERY!r}, {KNOWN!r})
raise_agent.Scenario("a", "Life", "b", raise_agent.Profile(("age",), ("x",)))
print(json.dumps({{
    "where": raise_agent.__file__,
    "ask": decision.attribute.key,
    "scores": dict(decision.scores),
    "loaded": [name for name in barred if name in sys.modules],
    "installed": [name for name in barred if importlib.util.find_spec(name) is not None],
    "third party": sorted({{
        name.split(".")[0]
        for name, module in sys.modules.items()
        if "site-packages" in str(getattr(module, "__file__", ""))
    }}),
}}))
"""


def static_encoder(folder: Path) -> StaticEncoder:
    """A static encoder of 32 numbers that knows a few words, from a folder as model2vec writes it."""
    tokens = ["[UNK]", "should", "hand", "in", "my", "not", "##ice", "?"]
    tokenizer = {
        "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {token: number for number, token in enumerate(tokens)},
        },
    }
    (folder / "config.json").write_text('{"model_type": "model2vec"}', encoding="utf-8")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    vectors = np.random.default_rng(1).normal(size=(len(tokens), 32)).astype(np.float16)
    save_file({"embeddings": vectors}, folder / "model.safetensors")
    return StaticEncoder(str(folder))


def policy(encoder: Encoder) -> AcquisitionPolicy:
    table = penguin_table()
    shape = NetworkShape(len(table), 32, 16, 8)
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(0, 0.3, sizes).astype(np.float32) for name, sizes in shape.weights().items()}
    return AcquisitionPolicy(PolicyParts(table, 3, -100.0, 0.2, shape, weights, encoder, {"simulated": True}))


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Encoder]:
    return {"hashing": HashingEncoder(32), "static": static_encoder(tmp_path_factory.mktemp("static"))}


@pytest.fixture(scope="session", params=["hashing", "static"])
def made(request: pytest.FixtureRequest, encoders: dict[str, Encoder]) -> AcquisitionPolicy:
    return policy(encoders[request.param])


@pytest.fixture(scope="session")
def saved(made: AcquisitionPolicy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "policy"
    made.save(folder, [(QUERY, KNOWN)])
    return folder


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing left over in the checkout's build folder gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in LAYERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def base_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel and what it requires, nothing else."""
    folder = tmp_path_factory.mktemp("base") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    _pip("--python", str(python), "install", "--constraint", str(ROOT / "constraints.txt"), str(wheel))
    return python


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _run(python: Path | str, folder: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run([str(python), "-c", *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


# The base install


def test_the_base_install_loads_a_policy_and_decides(
    base_python: Path, made: AcquisitionPolicy, saved: Path, tmp_path: Path
) -> None:
    said = json.loads(_run(base_python, tmp_path, SCRIPT, str(saved), json.dumps(NOT_BASE)))
    assert str(base_python.parents[1]) in said["where"]
    assert said["loaded"] == []
    assert said["installed"] == []
    assert set(said["third party"]) <= {"numpy", "safetensors", "raise_agent"}
    expected = made.decide(QUERY, KNOWN)
    assert isinstance(expected, Ask)
    assert said["ask"] == expected.attribute.key
    assert said["scores"] == pytest.approx(dict(expected.scores), abs=1e-6)


def test_the_base_install_holds_numpy_and_safetensors_only(base_python: Path, tmp_path: Path) -> None:
    script = "import importlib.metadata as m, json; print(json.dumps([d.metadata['Name'] for d in m.distributions()]))"
    assert sorted(json.loads(_run(base_python, tmp_path, script))) == ["numpy", "raise-agent", "safetensors"]


def test_the_base_install_warns_of_a_simulated_policy(base_python: Path, saved: Path, tmp_path: Path) -> None:
    script = (
        "import sys, warnings; warnings.simplefilter('error')\n"
        "from raise_agent import AcquisitionPolicy, SimulatedPolicyWarning\n"
        "try: AcquisitionPolicy.load(sys.argv[1])\n"
        "except SimulatedPolicyWarning as w: print(w)"
    )
    assert "simulated scores" in _run(base_python, tmp_path, script, str(saved))


def test_the_base_install_plans_over_a_set_function(base_python: Path, tmp_path: Path) -> None:
    script = (
        "import numpy as np\n"
        "from raise_agent.planners import PlanningProblem, make_planner, run_planner\n"
        "planner, problem = make_planner('exhaustive'), PlanningProblem(n_attributes=4, budget=2)\n"
        "f = lambda subset: 1.0 * (subset >> 1 & 1) + 2.0 * (subset >> 3 & 1)\n"
        "print(sorted(run_planner(planner, problem, evaluate=f, rng=np.random.default_rng(0)).path))"
    )
    assert _run(base_python, tmp_path, script).strip() == "[1, 3]"


# The wheel


def test_the_wheel_holds_every_module_and_data_file_under_one_name(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"raise_agent"}
    expected = set()
    for folder, package in LAYERS.items():
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".yaml", ".json", ".txt", ".typed", ".html", ".css", ".js"}:
                inside = path.relative_to(ROOT / folder).as_posix()
                expected.add("/".join(part for part in ("raise_agent", package, inside) if part))
    assert {
        "raise_agent/py.typed",
        "raise_agent/penguin.json",
        "raise_agent/data/queries.json",
        "raise_agent/conf/run.yaml",
        "raise_agent/conf/llm/simulated.yaml",
        "raise_agent/policies/acquisition.py",
        "raise_agent/experiments/main.py",
    } <= expected
    assert {name for name in names if name.startswith("raise_agent/")} == expected


def test_the_wheel_requires_numpy_and_safetensors_only(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    lines = archive.read(metadata).decode().splitlines()
    required = [line for line in lines if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert sorted(line.split()[1].split(">")[0] for line in required) == ["numpy", "safetensors"]


# The full environment


@pytest.mark.parametrize(
    "module",
    [
        "raise_agent",
        "raise_agent.policies",
        "raise_agent.attributes",
        "raise_agent.scenario",
        "raise_agent.encoders",
        "raise_agent.encoders.hashing",
        "raise_agent.encoders.static",
        "raise_agent.distill.settings",
        "raise_agent.store",
    ],
)
def test_an_import_in_the_full_environment_loads_nothing_heavy(module: str, tmp_path: Path) -> None:
    script = "import importlib, json, sys; importlib.import_module(sys.argv[1]); print(json.dumps(list(sys.modules)))"
    loaded = set(json.loads(_run(sys.executable, tmp_path, script, module)))
    assert module in loaded
    assert loaded.isdisjoint(NOT_BASE)


def test_loading_and_deciding_in_the_full_environment_loads_nothing_heavy(saved: Path, tmp_path: Path) -> None:
    said = json.loads(_run(sys.executable, tmp_path, SCRIPT, str(saved), json.dumps(NOT_BASE)))
    assert said["loaded"] == []
    assert "torch" in said["installed"], "else this says nothing"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        here = AcquisitionPolicy.load(saved).decide(QUERY, KNOWN)
    assert said["scores"] == dict(here.scores)


LOADS = """
import sys, numpy, safetensors.numpy
before = set(sys.modules)
import json
from raise_agent import AcquisitionPolicy
AcquisitionPolicy.load(sys.argv[1])
print(json.dumps(sorted(set(sys.modules) - before)))
"""
ONLY_SAVING = {"card", "hub", "writing", "onnx"}


def test_loading_imports_nothing_that_only_saving_distilling_or_an_error_needs(saved: Path, tmp_path: Path) -> None:
    loaded = set(json.loads(_run(sys.executable, tmp_path, LOADS, str(saved))))
    assert {"raise_agent.policies.acquisition", "raise_agent.encoders.static"} & loaded
    ours = {f"raise_agent.policies.{name}" for name in ONLY_SAVING} | {"raise_agent.encoders.sentence_transformer"}
    assert not loaded & (ours | {"tempfile", "shutil", "logging", "difflib", "importlib.resources"})


# Layers


def _sources() -> Iterator[tuple[str, Path, str]]:
    for folder, package in LAYERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            yield folder, path, ".".join(part for part in ("raise_agent", package, *parts) if part)


def _imports(text: str, module: str) -> set[str]:
    """Absolute names of everything a module imports, inside functions too."""
    found = set()
    is_package = module.endswith(".__init__")
    package = module.removesuffix(".__init__") if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def _touches(imported: set[str], name: str) -> set[str]:
    return {each for each in imported if each == name or each.startswith(f"{name}.")}


def test_the_reader_of_imports_reads_them() -> None:
    text = "import a.b\nfrom ..c import d\nfrom . import e\ndef f():\n    from ...planners.g import h\n    import torch"
    assert _imports(text, "raise_agent.x.y.z") == {
        "a.b",
        "raise_agent.x.c.d",
        "raise_agent.x.y.e",
        "raise_agent.planners.g.h",
        "torch",
    }
    assert _imports("from .c import d", "raise_agent.x.__init__") == {"raise_agent.x.c.d"}


ABOVE = {
    "raise": ("envs", "planners", "conf", "experiments"),
    "envs": ("planners", "conf", "experiments"),
    "planners": ("conf", "experiments"),
    "conf": ("envs", "planners", "experiments"),
}


@pytest.mark.parametrize("layer", ABOVE)
def test_a_layer_imports_none_above_it(layer: str) -> None:
    seen = 0
    for folder, path, module in _sources():
        if folder == layer:
            seen += 1
            imported = _imports(path.read_text(encoding="utf-8"), module)
            for above in ABOVE[layer]:
                assert not _touches(imported, f"raise_agent.{above}"), path
                assert not _touches(imported, above), path
    assert seen


def test_only_experiments_know_hydra_and_wandb() -> None:
    users = set()
    for folder, path, module in _sources():
        imported = _imports(path.read_text(encoding="utf-8"), module)
        if any(_touches(imported, name) for name in ("hydra", "omegaconf", "wandb")):
            users.add(folder)
    assert users == {"experiments"}


def _top_level(text: str, module: str) -> set[str]:
    """What is imported when the module is, so not what its functions import or what types need alone."""
    tree = ast.parse(text)
    kept: list[ast.stmt] = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return _imports(ast.unparse(ast.Module(kept, [])), module)


def test_the_runtime_imports_no_heavy_library_and_only_runtime_modules() -> None:
    """Followed from module to module, as Python would."""
    known = {module.removesuffix(".__init__"): (path, module) for _, path, module in _sources()}
    reached: set[str] = set()
    waiting = ["raise_agent", "raise_agent.policies", "raise_agent.attributes", "raise_agent.scenario"]
    waiting += ["raise_agent.encoders.static"]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        path, module = known[name]
        for imported in _top_level(path.read_text(encoding="utf-8"), module):
            assert imported.split(".")[0] not in NOT_BASE, path
            parts = imported.split(".")
            waiting += [".".join(parts[:end]) for end in range(1, len(parts) + 1) if ".".join(parts[:end]) in known]
    assert "raise_agent.policies.network" in reached
    assert {name.split(".")[1] for name in reached if "." in name} <= {
        "attributes",
        "encoders",
        "errors",
        "policies",
        "scenario",
        "subsets",
        "strict_json",
        "text",
    }


def test_the_command_line_on_a_base_install_says_what_to_install(base_python: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from raise_agent.experiments.main import main\n"
        "assert main(['--help']) == 0 and main(['plna']) == 2\n"
        "sys.stderr = sys.stdout\n"
        "assert main(['run']) == 2"
    )
    assert "pip install 'raise-agent[research]'" in _run(base_python, tmp_path, script)
