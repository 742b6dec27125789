"""What a generation provider is, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pydantic import Field

from omnilake.configuration import AnsweringConfiguration, ModelConfig, Step
from omnilake.errors import InvalidRequest, StageFailed
from omnilake.models import AnswerStyle, Claim, Evidence, InformationRequest, LedgerLine, Model, ProviderChoices


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
        InvalidRequest: the request names a model that the configuration does not have.
    """
    chosen = str(getattr(choices, step.value)) or configuration.steps.get(step, "")
    if chosen and chosen not in configuration.models:
        raise InvalidRequest(
            f"No model for the step {step.value} is configured under that name.",
            action=f"Take one of: {', '.join(sorted(configuration.models))}.",
        )
    return chosen


def provider_for(name: str, configuration: AnsweringConfiguration, step: Step) -> GenerationProvider:
    """The provider of a configured model, for a step (which decides its prompt).

    Raises:
        StageFailed: the configuration has no model of that name.
    """
    model = configuration.models.get(name)
    if model is None:
        raise StageFailed(f"The configuration has no model {name!r}.")
    return _PROVIDERS[model.provider](model, configuration, step)


def _extractive(model: ModelConfig, configuration: AnsweringConfiguration, step: Step) -> GenerationProvider:
    # Late, because it needs the models layer: a function that only asks for names does not carry it.
    from omnilake import embedding
    from omnilake.generation.extractive import ExtractiveProvider

    return ExtractiveProvider(embedding.provider_for(embedding.default_space()))


_PROVIDERS: dict[str, Callable[[ModelConfig, AnsweringConfiguration, Step], GenerationProvider]] = {
    "extractive": _extractive
}
