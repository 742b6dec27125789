"""What extracts insights, and which there are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from omnilake.errors import StageFailed
from omnilake.generation import Usage
from omnilake.insights.excerpt import Excerpt
from omnilake.insights.schema import Extraction
from omnilake.models import Archive, ExtractedDocument
from omnilake.settings import settings

if TYPE_CHECKING:
    from omnilake.generation.wires import Wire

NONE = "none"
"""Name of no provider: nothing is extracted, and nobody is told that it failed."""


@dataclass(frozen=True)
class Wanted:
    """What an archive wants of each of its documents.

    Attributes:
        tag_hints: tags to prefer.
        schema: JSON Schema of ``fields``, None for none.
    """

    tag_hints: list[str] = field(default_factory=list)
    schema: dict[str, Any] | None = None

    @classmethod
    def by(cls, archive: Archive) -> Wanted:
        """What that archive wants."""
        return cls(archive.tag_hints, archive.insights_schema)


class InsightsProvider(Protocol):
    """Reads one document and says what it is about.

    Documents are data: whatever stands in one changes neither what is asked of a provider nor the shape of its answer.
    """

    @property
    def name(self) -> str:
        """Name in the registry."""

    @property
    def model(self) -> str:
        """What reads: a model's id, or "deterministic"."""

    @property
    def prompt_version(self) -> str:
        """Changes with every change of prompt or method that changes results."""

    @property
    def remote(self) -> bool:
        """Whether it waits for a network, so that several calls may be under way at once. It reads excerpts alone."""

    def extract(self, document: ExtractedDocument, excerpt: Excerpt, wanted: Wanted) -> tuple[Extraction, Usage]:
        """Insights of one document.

        Args:
            document: its title and metadata; for a provider that is not remote, text and structure too.
            excerpt: what is to be read of its text.
            wanted: by its archive.

        Raises:
            InsightsRejected: what came back does not fit; only this document is concerned.
            ProviderRejected: the provider refuses every call: key, model, access.
            RateLimited, TransientError: later it may work.
        """


def address(provider: InsightsProvider, document: ExtractedDocument, wanted: Wanted, max_tokens: int) -> str:
    """sha256, hex, of all that decides a document's insights; the same address is never paid for twice."""
    told = [
        provider.name,
        provider.model,
        provider.prompt_version,
        max_tokens,
        wanted.tag_hints,
        wanted.schema,
        document.title,
        document.metadata,
        hashlib.sha256(document.text.encode()).hexdigest(),
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def provider_for(name: str) -> InsightsProvider:
    """The provider of that name.

    Raises:
        StageFailed: there is none of that name, or its settings are missing.
    """
    try:
        make = _PROVIDERS[name]
    except KeyError:
        known = ", ".join(sorted([*_PROVIDERS, NONE]))
        raise StageFailed(
            f"There is no insights provider {name!r}.", action=f"Set InsightsProvider to one of: {known}."
        ) from None
    return make()


def _deterministic() -> InsightsProvider:
    from omnilake.insights.deterministic import DeterministicProvider

    return DeterministicProvider()


def _bedrock() -> InsightsProvider:
    from omnilake.generation.wires.bedrock import Converse

    return _generative(Converse(settings().require("insights_model")))


def _openai() -> InsightsProvider:
    from omnilake.generation.wires.openai import ChatCompletions

    return _generative(ChatCompletions(settings().insights_endpoint, settings().require("insights_model")))


def _generative(wire: Wire) -> InsightsProvider:
    from omnilake.configuration import ModelConfig
    from omnilake.generation.asking import AskedModel
    from omnilake.insights.generative import GenerativeProvider

    given, taken = settings().insights_prices.split(",")
    told = {"provider": wire.name, "model": wire.model, "input_usd": float(given), "output_usd": float(taken)}
    return GenerativeProvider(AskedModel(wire, ModelConfig.model_validate(told)))


_PROVIDERS: dict[str, Callable[[], InsightsProvider]] = {
    "deterministic": _deterministic,
    "bedrock": _bedrock,
    "openai": _openai,
}
