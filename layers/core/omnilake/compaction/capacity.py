"""How much one call of a model reads and writes: what plans and reckonings go by.

A generative model's context holds its instructions, the question, what is read and what is written. The extractive
provider has no instructions and writes nothing that it has not read.
"""

from __future__ import annotations

from collections.abc import Sequence

from omnilake import tokens
from omnilake.configuration import AnsweringConfiguration, ModelConfig
from omnilake.embedding.passages import heading
from omnilake.generation.provider import EXTRACTIVE
from omnilake.generation.sentences import fold
from omnilake.models import Claim, Evidence, InformationRequest

PROMPT_TOKENS = 500
"""Of a generative model's instructions and the form of its answer, about."""

CHUNK_TOKENS = 24
"""Of a chunk's id and delimiters in a prompt, about."""

TOKENIZER_SHARE = 0.9
"""Share of a context that is planned with: a model's own tokenizer may count more than cl100k does."""

MAX_GROUP_CLAIM_TOKENS = 800
"""Most tokens of a group's claims: hundreds of groups then fit one reduce."""

MAX_ANSWER_TOKENS = 2_000
"""Most tokens of an answer's claims."""


FREE = ModelConfig(provider="extractive", output_tokens=MAX_GROUP_CLAIM_TOKENS, first_token_s=0.8)
"""What steps degrade to, where the configuration has no extractive model of its own."""


def model_of(name: str, configuration: AnsweringConfiguration) -> ModelConfig:
    """A model by its name in the configuration, or the extractive provider by its own."""
    return configuration.models.get(name, FREE) if name == EXTRACTIVE else configuration.models[name]


def is_free(model: ModelConfig) -> bool:
    """Whether it runs in the function and costs nothing: budgets do not hold it back."""
    return model.provider == "extractive"


def told_tokens(request: InformationRequest) -> int:
    """Tokens of the question and the goal, which every call reads."""
    return tokens.count(request.question) + tokens.count(request.goal)


def call_tokens(model: ModelConfig, told: int) -> int:
    """Tokens that a call reads besides evidence or claims."""
    return told if is_free(model) else PROMPT_TOKENS + told


def output_tokens(model: ModelConfig) -> int:
    """Most tokens that a call writes: at most half of the context."""
    return min(model.output_tokens, model.context_tokens // 2)


def evidence_capacity(model: ModelConfig, told: int) -> int:
    """Tokens of evidence or claims that one call reads: B. At least a quarter of the context, whatever is told."""
    if is_free(model):
        return model.context_tokens
    room = model.context_tokens - output_tokens(model) - call_tokens(model, told)
    return max(int(room * TOKENIZER_SHARE), model.context_tokens // 4)


def claim_tokens(capacity: int) -> int:
    """Most tokens of a group's claims: at most a quarter of B, so that every reduce at least halves what is left."""
    return max(1, min(MAX_GROUP_CLAIM_TOKENS, capacity // 4))


def chunk_tokens(evidence: Sequence[Evidence]) -> list[int]:
    """cl100k tokens of each chunk's text."""
    return [tokens.count(each.chunk.text) for each in evidence]


def surrounding_tokens(evidence: Evidence, model: ModelConfig) -> int:
    """Tokens of what a prompt says of a chunk besides its text: id, title, section."""
    return 0 if is_free(model) else CHUNK_TOKENS + tokens.count(heading(evidence.chunk))


def carried_tokens(claim: Claim) -> int:
    """Tokens of a claim with those of its quotes that say more than it does: what a merge reads."""
    said = fold(claim.text)
    return tokens.count(claim.text) + sum(
        tokens.count(quote.text) for quote in claim.quotes if fold(quote.text) != said
    )


def within(claims: Sequence[Claim], most: int) -> list[Claim]:
    """The first claims that have at most so many tokens with their quotes; always one, with at least one quote."""
    kept: list[Claim] = []
    left = most
    for claim in claims:
        size = carried_tokens(claim)
        if size > left and not kept:
            claim = _shortened(claim, left)
            size = carried_tokens(claim)
        elif size > left:
            continue
        kept.append(claim)
        left -= size
    return kept


def _shortened(claim: Claim, most: int) -> Claim:
    quotes = list(claim.quotes)
    while len(quotes) > 1 and carried_tokens(claim.model_copy(update={"quotes": quotes})) > most:
        quotes.pop()
    return claim.model_copy(update={"quotes": quotes})
