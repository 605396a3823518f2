"""What is done with settings before Hydra sees them, and where jobs write."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from raise_agent.errors import ConfigError
from raise_agent.experiments.launch import refuse_keys


@pytest.mark.parametrize(
    "given",
    [
        "llm.server.arguments={max_num_batched_tokens: 8192, tokenizer: a/b}",
        "llm.server.environment={VLLM_CPU_KVCACHE_SPACE: 4, BYPASS: 1}",
        "llm.responder.extra={stop_token_ids: [1, 2], skip_special_tokens: true}",
        "llm.base_url=[http://a:8000/v1,http://b:8000/v1]",
        "llm.api_key_env=MY_KEY_2",
        "llm.api_key_env=null",
        "data.path=what?.jsonl",
    ],
)
def test_what_holds_no_key_is_taken(given: str) -> None:
    refuse_keys([given])


@pytest.mark.parametrize("name", ["key", "api_key", "APIKEY", "hf-token", "DB_PASS", "Authorization", "my_credentials"])
@pytest.mark.parametrize("setting", ["llm.server.environment", "llm.server.arguments", "llm.judge.extra"])
def test_names_of_keys_are_known_however_they_are_written(setting: str, name: str) -> None:
    for given in (f"{setting}={{a: 1, {name}: x}}", f"{setting}={{'{name}': x}}", f"{setting}.{name}=x"):
        with pytest.raises(ConfigError, match="no key is given there") as caught:
            refuse_keys([given])
        assert caught.value.args[0].startswith("llm.")


def test_jobs_that_start_within_one_second_have_folders_of_their_own() -> None:
    """A folder for each moment: jobs of one folder would write over one another's results."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 6)
    checked = 0
    for file in Path(__file__).parents[2].glob("conf/*.yaml"):
        hydra = OmegaConf.to_container(OmegaConf.load(file), resolve=False).get("hydra") or {}  # type: ignore[union-attr]
        for folder in (str(hydra.get(kind, {}).get("dir", "")) for kind in ("run", "sweep")):
            if "${now:" not in folder:
                continue
            form = folder.partition("${now:")[2].partition("}")[0]
            assert moment.strftime(form) != (moment + timedelta(microseconds=1)).strftime(form), file
            checked += 1
    assert checked >= 9
