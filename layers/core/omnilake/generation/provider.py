"""What a generation provider is, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from pydantic import Field

from omnilake.configuration import RERANKERS, WRITERS, AnsweringConfiguration, ModelConfig, Step
from omnilake.errors import InvalidConfiguration, InvalidRequest, StageFailed
from omnilake.models import AnswerStyle, Claim, Evidence, InformationRequest, LedgerLine, Model, ProviderChoices

if TYPE_CHECKING:
    from omnilake.generation.asking import AskedModel
    from omnilake.generation.recording import Calls
    from omnilake.generation.wires import Wire

EXTRACTIVE = "extractive"
"""Name of the provider that calls no model."""


class Usage(Model):
    """What one call of a provider used. Tokens are those the provider bills by; of local providers, cl100k."""

    calls: int = Field(default=0, ge=0)
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cost_usd: float = Field(default=0.0, ge=0)


class Task(Model):
    """What claims are wanted for."""

    question: str
    goal: str = ""
    style: AnswerStyle = AnswerStyle.CONCISE

    @classmethod
    def of(cls, request: InformationRequest) -> Task:
        return cls(question=request.question, goal=request.goal, style=request.style)


class ClaimSet(Model):
    """Claims, best first, and what it took to find them."""

    claims: list[Claim]
    usage: Usage = Usage()
    rejected: dict[str, int] = Field(default={})  # reason → how many claims of a model's answer were not taken


class GenerationProvider(Protocol):
    """Finds claims in evidence (map) and merges claims of several sets (reduce, and the final composition).

    Every claim carries at least one quote, and a quote is a span of the stored text of an entry version. The result
    depends on the arguments alone, so that it can be addressed by them.
    """

    @property
    def name(self) -> str:
        """Name in the registry."""

    @property
    def model(self) -> str:
        """The model, with its revision."""

    @property
    def prompt_version(self) -> str:
        """Changes with every change of prompt or method that changes results."""

    def extract_claims(self, task: Task, evidence: Sequence[Evidence], *, max_tokens: int, max_claims: int) -> ClaimSet:
        """Claims that the evidence makes about the question: at most ``max_claims`` in ``max_tokens`` of text."""

    def merge_claims(self, task: Task, claims: Sequence[Claim], *, max_tokens: int, max_claims: int) -> ClaimSet:
        """The best of the claims; those that say the same become one that carries all their quotes."""


def ledger_line(state: str, provider: GenerationProvider, usage: Usage, seconds: float) -> LedgerLine:
    """One state's call as it stands in the ledger."""
    return LedgerLine(
        state=state,
        provider=provider.name,
        model=provider.model,
        calls=usage.calls,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=usage.cost_usd,
        seconds=round(seconds, 3),
    )


def model_name(step: Step, configuration: AnsweringConfiguration, choices: ProviderChoices) -> str:
    """Name of the model that does a step: the request's choice, else the configuration's; empty when none does.

    Raises:
        InvalidRequest: the request names a model that the configuration does not have, or that can't do the step.
    """
    chosen = str(getattr(choices, step.value)) or configuration.steps.get(step, "")
    if chosen and chosen not in configuration.models:
        raise InvalidRequest(
            f"No model for the step {step.value} is configured under that name.",
            action=f"Take one of: {', '.join(sorted(configuration.models))}.",
        )
    if chosen:
        able = RERANKERS if step is Step.RERANK else WRITERS
        if configuration.models[chosen].provider not in able:
            raise InvalidRequest(f"The model {chosen} can't {step.value}.", action="Name another one for that step.")
    return chosen


def provider_for(
    name: str, configuration: AnsweringConfiguration, step: Step, calls: Calls | None = None
) -> GenerationProvider:
    """The provider of a configured model, for a step (which decides its prompt).

    Args:
        name: of the model in the configuration.
        configuration: in force for the request.
        step: map or compose.
        calls: where calls to models are recorded, or replayed from; None: nowhere.

    Raises:
        StageFailed: the configuration has no model of that name.
        InvalidConfiguration: the step's template does not fit.
    """
    if _model(name, configuration).provider == EXTRACTIVE:
        return extractive()
    from omnilake.generation import prompts
    from omnilake.generation.generative import GenerativeProvider

    return GenerativeProvider(asked_model(name, configuration, calls), prompts.template(step, configuration))


def extractive() -> GenerationProvider:
    """The provider that calls no model: also what steps degrade to."""
    # Late, because it needs the models layer: a function that only asks for names does not carry it.
    from omnilake import embedding
    from omnilake.generation.extractive import ExtractiveProvider

    return ExtractiveProvider(embedding.provider_for(embedding.default_space()))


def asked_model(name: str, configuration: AnsweringConfiguration, calls: Calls | None = None) -> AskedModel:
    """A configured model to put questions to whose answers have a shape of their own (routes, verdicts).

    Raises:
        StageFailed: the configuration has no model of that name.
        InvalidConfiguration: it is the extractive one, which answers no questions.
    """
    from omnilake.generation.asking import AskedModel
    from omnilake.generation.recording import RecordedWire

    model = _model(name, configuration)
    if model.provider == EXTRACTIVE:
        raise InvalidConfiguration(f"The model {name!r} only selects sentences; the step needs one that is asked.")
    wire = _WIRES[model.provider](model)
    return AskedModel(RecordedWire(wire, calls) if calls else wire, model)


def _model(name: str, configuration: AnsweringConfiguration) -> ModelConfig:
    model = configuration.models.get(name)
    if model is None:
        raise StageFailed(f"The configuration has no model {name!r}.")
    return model


def _bedrock(model: ModelConfig) -> Wire:
    from omnilake.generation.wires.bedrock import Converse

    return Converse(model.model, model.timeout_s)


def _openai(model: ModelConfig) -> Wire:
    from omnilake.generation.wires.openai import ENDPOINT, ChatCompletions

    return ChatCompletions(model.endpoint or ENDPOINT, model.model, model.timeout_s)


_WIRES: dict[str, Callable[[ModelConfig], Wire]] = {"bedrock": _bedrock, "openai": _openai}
