"""What a configuration of answering holds. Unknown fields are errors."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from omnilake.models import Model


class Step(StrEnum):
    """What models are called for."""

    ROUTE = "route"  # which retrievers to use; optional
    MAP = "map"  # claims of a group of chunks
    COMPOSE = "compose"  # the claims of the answer
    JUDGE = "judge"  # whether a quote supports its claim; optional
    RERANK = "rerank"  # the order of the best chunks; optional


WRITERS = frozenset({"extractive", "bedrock", "openai"})
"""Providers whose models do the steps other than rerank."""

RERANKERS = frozenset({"bedrock", "cohere"})
"""Providers that have rerank models."""


class ModelConfig(Model):
    """A model that steps may name."""

    provider: Literal["extractive", "bedrock", "openai", "cohere"]  # cohere: for the step rerank alone
    model: str = ""  # id, or the id or ARN of an inference profile; none of the extractive provider
    endpoint: str = ""  # base address of an OpenAI-compatible API, or of Cohere's
    context_tokens: int = Field(default=8_000, ge=256)  # prompt and answer together
    output_tokens: int = Field(default=2_000, ge=64)  # most of one answer
    input_usd: float = Field(default=0.0, ge=0)  # per million tokens
    output_usd: float = Field(default=0.0, ge=0)  # per million tokens
    call_usd: float = Field(default=0.0, ge=0)  # per call, of models that are billed by it (rerank)
    concurrency: int = Field(default=10, ge=1, le=1_000)  # calls at a time that its quota allows
    first_token_s: float = Field(default=0.5, ge=0)  # seconds before an answer begins, for the reckoning
    output_tokens_per_s: float = Field(default=60.0, gt=0)
    timeout_s: float = Field(default=60.0, gt=0, le=120)  # longest silence before a call counts as lost
    cheaper: str = ""  # name of the model that takes its place when the budget does not hold it

    def token_usd(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars for tokens that it reads and writes."""
        return (input_tokens * self.input_usd + output_tokens * self.output_usd) / 1_000_000


class Route(Model):
    """Sends questions to retrievers: by rule (``patterns``, or ``has`` alone), else by ``examples``, else by a model.

    See ``retrieval.routing``.
    """

    name: str = Field(min_length=1, max_length=100)
    description: str = Field(default="", max_length=500)  # told to a model that chooses
    retrievers: list[str] = Field(min_length=1, max_length=20)
    patterns: list[str] = Field(default=[], max_length=50)  # regular expressions, case ignored
    has: list[Literal["related_to", "columns", "dates", "url"]] = Field(default=[])  # what a request must have
    examples: list[str] = Field(default=[], max_length=200)  # questions like those that it is for

    @field_validator("patterns")
    @classmethod
    def _compiles(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                re.compile(pattern, re.IGNORECASE)
            except re.error as error:
                raise ValueError(f"no regular expression: {error.msg}") from None
        return patterns


class RetrieverConfig(Model):
    """Of one retriever: whether it may run, how much its ranks weigh in fusion, and options of its own."""

    enabled: bool = True
    weight: float = Field(default=1.0, ge=0)
    options: dict[str, Any] = Field(default={})


class FusionConfig(Model):
    """See ``retrieval.fusion``."""

    alpha: float = Field(default=0.5, ge=0, le=1)  # weight of the vector score beside full text
    rank_constant: int = Field(default=60, ge=1)  # k of reciprocal rank fusion
    max_per_entry: int = Field(default=0, ge=0)  # most chunks of one entry; 0: no limit
    diversity: float = Field(default=0.0, ge=0, le=1)  # of maximal marginal relevance: 0 is relevance alone
    neighbours: int = Field(default=0, ge=0, le=10)  # chunks before and after that are read with a chunk
    max_tokens: int = Field(default=0, ge=0)  # most tokens (cl100k) of evidence; 0: as many as the chunks have


class AnsweringConfiguration(Model):
    """Everything that decides how a question is answered, besides the request and the archives."""

    models: dict[str, ModelConfig]
    steps: dict[Step, str]  # name of a model; a step that is not named is not done
    prompts: dict[Step, str] = Field(default={})  # name of a template, of ``templates`` or the product's
    templates: dict[str, str] = Field(default={})  # system and user part, with a line of four hyphens between them
    routes: list[Route] = Field(default=[], max_length=500)
    route_nearness: float = Field(default=0.5, ge=0, le=1)  # cosine below which no example decides
    default_retrievers: list[str] = Field(default=["vector", "full_text"])
    retrievers: dict[str, RetrieverConfig] = Field(default={})
    fusion: FusionConfig = FusionConfig()
    inclusive_cap: int = Field(default=1_000, ge=1, le=10_000)  # most chunks of an INCLUSIVE request
    memo_days: int = Field(default=30, ge=0, le=90)  # how long claims of a group are remembered; 0: not at all

    @model_validator(mode="after")
    def _names(self) -> AnsweringConfiguration:
        named = {*self.steps.values(), *(each.cheaper for each in self.models.values() if each.cheaper)}
        unknown = sorted(named - set(self.models))
        if unknown:
            raise ValueError(f"no model is called {', '.join(unknown)}")
        missing = sorted({Step.MAP, Step.COMPOSE} - set(self.steps))
        if missing:
            raise ValueError(f"no model for {', '.join(missing)}")
        for step, name in self.steps.items():
            able = RERANKERS if step is Step.RERANK else WRITERS
            if self.models[name].provider not in able:
                raise ValueError(f"the model {name} can't {step.value}")
        names = [route.name.casefold() for route in self.routes]
        if len(names) > len(set(names)):
            raise ValueError("two routes have one name")
        return self

    @property
    def hash(self) -> str:
        """12 hex digits of its SHA-256."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]
