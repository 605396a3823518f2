"""The embedded simulated model as a model of Inspect's: ``--model raise_simulated/responder``. No download, no network.

The simulated account scores what was known, not words (``raise_agent.models.simulated``). So the simulated responder
answers with nothing but the attributes that its messages told it of, and the simulated judge reads that list from the
answer: what reaches the score is what reached the model.
"""

from __future__ import annotations

from inspect_ai.model import ChatMessage, GenerateConfig, Model, ModelAPI, ModelOutput, modelapi
from inspect_ai.tool import ToolChoice, ToolInfo

from raise_agent.errors import ConfigError
from raise_agent.models.base import Evaluation, EvaluationRequest, Unscored
from raise_agent.models.served.failures import CallFailed, Failure
from raise_agent.models.simulated import IN_FLIGHT, SimulatedSafetyModel
from raise_agent.scenario import Scenario
from raise_agent.subsets import mask_of

from .asking import prompt_of
from .people import TABLE

PROVIDER = "raise_simulated"
_SAYS, _NOTHING = "Simulated answer. I was told of: ", "nothing"


class SimulatedAPI(ModelAPI):
    """Responder and judge in one, simulated.

    Args:
        model_name: what follows the provider's name; any will do.
        base_url: none is asked.
        api_key: none is needed.
        config: of generation; draws do not depend on it.
        seed: of users' individuality, as ``llm.seed``.
        judge_noise: standard deviation of each dimension of one judgement, in score points, 0 or more.
        failure_rate: share of evaluations, 0 to 1, that come back unscored.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008 - as Inspect's own providers have it
        seed: int = 0,
        judge_noise: float = 0.0,
        failure_rate: float = 0.0,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        self._safety = SimulatedSafetyModel(TABLE, seed=seed, judge_noise=judge_noise, failure_rate=failure_rate)

    def max_connections(self) -> int:
        """Nothing waits for a server."""
        return IN_FLIGHT

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """The attributes that the last message tells of, and nothing else."""
        return ModelOutput.from_content(self.model_name, _SAYS + (", ".join(_told(input[-1].text)) or _NOTHING))

    def judge(self, scenario: Scenario, answer: str, sample: int) -> Evaluation | Unscored:
        """The simulated score of what the simulated responder was told.

        Raises:
            CallFailed: the answer is none of the simulated responder's.
        """
        (outcome,) = self._safety.evaluate([EvaluationRequest(scenario, told_of(answer), sample)])
        return outcome


@modelapi(name=PROVIDER)
def provider() -> type[ModelAPI]:
    """What Inspect calls ``raise_simulated``."""
    return SimulatedAPI


def _told(text: str) -> list[str]:
    """Keys of the attributes with an answer in the background part of the responder's prompt."""
    prompt = prompt_of("responder")
    before, _, _ = prompt.texts["background"].partition("${known}")
    lines = text.rpartition(before)[2].splitlines() if before in text else []
    declined = prompt.fill("declined")
    answers = {name: value for name, mark, value in (line[2:].partition(": ") for line in lines) if mark}
    return [one.key for one in TABLE if answers.get(one.name, declined) != declined]


def told_of(answer: str) -> int:
    """The subset of attributes that an answer of the simulated responder lists.

    Raises:
        CallFailed: it is no such answer.
    """
    keys = answer.removeprefix(_SAYS).split(", ")
    if not answer.startswith(_SAYS) or (keys != [_NOTHING] and not set(keys) <= set(TABLE.keys)):
        raise CallFailed(Failure.UNPARSABLE, "not by the simulated responder")
    return mask_of(TABLE.index(key) for key in keys if key != _NOTHING)


def simulated_judge(responder: Model, grader: Model) -> SimulatedAPI | None:
    """The simulated judge where all is simulated, None where nothing is.

    Raises:
        ConfigError: one is, the other is not.
    """
    by = [isinstance(one.api, SimulatedAPI) for one in (responder, grader)]
    if by[0] != by[1]:
        raise ConfigError(
            f"model {responder} and grader {grader}: a simulated answer has no words to judge, and the simulated judge "
            f"reads no words; take {PROVIDER} for both or for neither"
        )
    return grader.api if isinstance(grader.api, SimulatedAPI) else None
