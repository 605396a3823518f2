"""What the model card says, and that edited cards are kept."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from raise_agent.encoders.hashing import HashingEncoder
from raise_agent.errors import PolicyError
from raise_agent.policies.card import CARD, SIMULATED, card_for, is_unedited, policy_card

from .support import MEMORY, SHAPE, TABLE, make_parts


def front(text: str) -> dict[str, Any]:
    _, matter, _ = text.split("---\n", 2)
    said: dict[str, Any] = yaml.safe_load(matter)
    return said


def test_front_matter_is_yaml_that_hubs_read() -> None:
    said = front(policy_card(make_parts(), license="apache-2.0", tags=["Zoë: x", "safety"]))
    assert said["license"] == "apache-2.0"
    assert said["library_name"] == "raise-agent"
    assert "Zoë: x" in said["tags"]
    assert len(said["tags"]) == len(set(said["tags"]))
    assert "simulated" not in said["tags"]


def test_no_licence_is_made_up() -> None:
    said = front(policy_card(make_parts()))
    assert (said["license"], said["license_name"]) == ("other", "not-stated")


def test_simulated_scores_are_said_in_bold_at_the_top() -> None:
    text = policy_card(make_parts(provenance={"simulated": True}), title="Mine", results=[{"score": 3.8}])
    assert text.split("---\n", 2)[2].startswith(f"\n# Mine\n\n{SIMULATED}\n")
    assert SIMULATED.startswith("**")
    assert SIMULATED.endswith("**")
    assert "simulated" in front(text)["tags"]
    assert "**Simulated scores.**" in text
    real = policy_card(make_parts(), results=[{"score": 3.8}])
    assert "imulated scores" not in real
    assert SIMULATED not in real


def test_what_how_whence_and_limits() -> None:
    provenance = {
        "simulated": False,
        "commit": "abc`d",
        "models": {"safety": {"llm": "vllm", "model": "Qwen"}},
        "planner": {"name": "mcts"},
        "data": {"name": "mine"},
        "note": "a ``` fence",
    }
    text = policy_card(
        make_parts(provenance=provenance, table=TABLE.with_costs({"job": 0.25})),
        repo_id="me/policy",
        description="Made for us.",
        limits=["English only."],
    )
    for said in (
        "Made for us.",
        '`AcquisitionPolicy.from_pretrained("me/policy")`'.strip("`"),
        "| `job` | What do you do? | 0.25 |",
        "at most 3 questions",
        "pip install 'raise-agent[hub]'",
        '- models: `{"safety": {"llm": "vllm", "model": "Qwen"}}`',
        '- planner: `{"name": "mcts"}`',
        "- commit: `abc'd`",
        "- English only.",
        "## Limits",
        "## Where it comes from",
    ):
        assert said in text
    assert "## Results" not in text
    assert text.count("```") == 4
    (whole,) = re.findall(r"```json\n(.*?)\n```", text, re.DOTALL)
    assert json.loads(whole) == provenance


def test_a_memory_and_what_travels_with_it_are_said() -> None:
    text, plain = policy_card(make_parts(memory=MEMORY)), policy_card(make_parts())
    assert "the vectors of 3 queries that it was trained on" in text
    assert "- The vectors of queries that it was trained on are in it" in text
    assert "vectors" not in plain


def test_what_a_static_encoder_tells_of_training_queries_is_said() -> None:
    class Static(HashingEncoder):
        name = "static"

    static = Static(SHAPE.query_dimension)
    said = "- The word pieces of its encoder learned from these queries"
    reworded, learned = {"data": {"queries_with_other_wordings": 3}}, {"distill": {"contrast": 10}}
    whole = {**make_parts().provenance, **reworded, **learned}
    assert said in policy_card(make_parts(encoder=static, provenance=whole))
    assert said not in policy_card(make_parts(provenance=whole))
    lacks: list[dict[str, Any]] = [{"data": {}}, {"distill": {"contrast": 0}}]
    for lacking in lacks:
        assert said not in policy_card(make_parts(encoder=static, provenance={**whole, **lacking}))


def test_the_code_on_the_card_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from .support import GOLDEN, make_policy

    make_policy().save_pretrained(tmp_path / "policy", golden_inputs=GOLDEN)
    text = (tmp_path / "policy" / CARD).read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    lines = code.replace("path/to/this/folder", str(tmp_path / "policy"))
    namespace: dict[str, Any] = {}
    exec(compile(lines, "card", "exec"), namespace)  # noqa: S102
    assert capsys.readouterr().out.strip()


def test_results_as_rows() -> None:
    text = policy_card(
        make_parts(),
        results=[
            {"method": "static", "score": {"mean": 3.7, "low": 3.65, "high": 3.751}, "n": 100},
            {"method": "a|b\nc", "score": 3.8, "share_of_gain": None},
        ],
    )
    assert "| method | score | n | share of gain |" in text
    assert "| static | 3.7 [3.65, 3.751] | 100 |  |" in text
    assert r"| a\|b c | 3.8 |  |  |" in text


def test_results_of_a_run() -> None:
    text = policy_card(
        make_parts(),
        results={
            "simulated": True,
            "data": {"name": "synthetic", "scenarios": 598},
            "methods": [{"method": "distilled", "score": {"mean": 3.8, "low": 3.79, "high": 3.82, "n": 598}}],
        },
    )
    assert "598 held-out scenarios (synthetic). **Simulated scores.**" in text
    assert "| distilled | 3.8 [3.79, 3.82] |" in text


@pytest.mark.parametrize(
    "results", [[], {}, "text", 3, [3], ["row"], [{1: 2}], [{"a": [1]}], [{"a": {"mean": 1}}], {"methods": {}}]
)
def test_results_that_are_no_rows_are_refused(results: Any) -> None:
    with pytest.raises(PolicyError, match="card: "):
        policy_card(make_parts(), results=results)


def test_text_with_half_characters_can_be_written() -> None:
    policy_card(make_parts(provenance={"simulated": False, "data": "\udcff"}), title="\ud800").encode("utf-8")


def test_a_heading_stays_one_line() -> None:
    assert "# A B\n" in policy_card(make_parts(), title="A\nB")


def test_an_edited_card_is_kept_and_an_unedited_one_made_anew(tmp_path: Path) -> None:
    file = tmp_path / CARD
    file.write_bytes(card_for(file, make_parts()).encode())
    assert is_unedited(file)
    assert "# New" in card_for(file, make_parts(), title="New")
    file.write_bytes(file.read_bytes().replace(b"RAISE policy", b"My policy"))
    assert not is_unedited(file)
    assert card_for(file, make_parts(), title="New") == file.read_text(encoding="utf-8")
    with pytest.raises(PolicyError, match="was edited, and does not say that the scores are simulated"):
        card_for(file, make_parts(provenance={"simulated": True}))
    file.write_text(f"Mine. {SIMULATED}", encoding="utf-8")
    assert card_for(file, make_parts(provenance={"simulated": True})) == f"Mine. {SIMULATED}"


@pytest.mark.parametrize("data", [b"", b"mine", b"\xff", b"<!-- raise-agent card  -->\n"])
def test_what_was_not_written_here_is_somebodys(tmp_path: Path, data: bytes) -> None:
    (tmp_path / CARD).write_bytes(data)
    assert not is_unedited(tmp_path / CARD)
    assert not is_unedited(tmp_path / "missing")
