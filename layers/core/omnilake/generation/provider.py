"""What a generation provider is, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pydantic import Field

from omnilake.errors import StageFailed
from omnilake.models import Claim, Evidence, LedgerLine, Model


class Usage(Model):
    """What one call of a provider used. Tokens are those the provider bills by; of local providers, cl100k."""

    calls: int = Field(default=0, ge=0)
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cost_usd: float = Field(default=0.0, ge=0)


class ClaimSet(Model):
    """Claims, best first, and what it took to find them."""

    claims: list[Claim]
    usage: Usage = Usage()


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

    def extract_claims(
        self, question: str, goal: str, evidence: Sequence[Evidence], *, max_tokens: int, max_claims: int
    ) -> ClaimSet:
        """Claims that the evidence makes about the question: at most ``max_claims`` in ``max_tokens`` of text."""

    def merge_claims(
        self, question: str, goal: str, claims: Sequence[Claim], *, max_tokens: int, max_claims: int
    ) -> ClaimSet:
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


def provider_for(name: str) -> GenerationProvider:
    """The provider of that name.

    Raises:
        StageFailed: there is none of that name.
    """
    try:
        make = _PROVIDERS[name]
    except KeyError:
        known = ", ".join(sorted(_PROVIDERS))
        raise StageFailed(
            f"There is no generation provider {name!r}.", action=f"Set OMNILAKE_GENERATION_PROVIDER to one of: {known}."
        ) from None
    return make()


def _extractive() -> GenerationProvider:
    # Late, because it needs the models layer: a function that only asks for names does not carry it.
    from omnilake import embedding
    from omnilake.generation.extractive import ExtractiveProvider

    return ExtractiveProvider(embedding.provider_for(embedding.default_space()))


_PROVIDERS: dict[str, Callable[[], GenerationProvider]] = {"extractive": _extractive}
