"""Embedding models that are known: their spaces, their limits, and what they cost at list price.

A space is named by ``provider/model`` or ``provider/model@dimensions``; :func:`space_for` makes it. Limits are those
of the providers' documentation, cited in ``embedding/wires``. Quotas and prices differ between accounts and change:
they are
defaults that ``EmbeddingOptions`` of the deployment replaces (:mod:`omnilake.embedding.options`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omnilake.embedding import counting, local
from omnilake.errors import EmbeddingRejected
from omnilake.models import EmbeddingSpace

HOSTED = "hosted-1"
"""Revision of models behind an API. Their providers name no hash of them, and promise the same vectors under one model
id; it is raised here should one break that promise, and archives then tell the two apart."""

RESERVED_TOKENS = 32
"""Tokens of a text's limit left for special tokens, the provider's own prompts (Voyage's has 9) and a line break."""


@dataclass(frozen=True)
class KnownModel:
    """A model behind a provider's API.

    Attributes:
        provider: who serves it.
        model: its id there.
        dimensions: that it can give, the default first.
        limit: most tokens of one text, special tokens included.
        tokenizer: how texts are counted (:func:`omnilake.embedding.counting.encoder`).
        most_characters: of one text, None without such a limit.
        most_texts: of one request.
        request_tokens: most tokens of one request, None without such a limit.
        sizable: whether the API takes a number of dimensions.
        document_prefix: what the model's authors put before a passage.
        query_prefix: what they put before a question.
        requests_per_minute: quota, None where the provider names none.
        tokens_per_minute: quota, None where the provider names none.
        counts_texts: whether the quota of requests is one of texts.
        usd_per_million_tokens: list price.
    """

    provider: str
    model: str
    dimensions: tuple[int, ...]
    limit: int
    tokenizer: Literal["cl100k", "wordpiece", "bounded"] = "bounded"
    most_characters: int | None = None
    most_texts: int = 1
    request_tokens: int | None = None
    sizable: bool = True
    document_prefix: str = ""
    query_prefix: str = ""
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    counts_texts: bool = False
    usd_per_million_tokens: float = 0.0

    @property
    def name(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"

    @property
    def max_tokens(self) -> int:
        """Most tokens of a passage, as they are counted here, that is sure to fit."""
        return counting.most_units(self.tokenizer, self.limit, RESERVED_TOKENS)

    def space(self, dimensions: int) -> EmbeddingSpace:
        """Vectors of that many dimensions, brought to length 1 here whatever the provider does."""
        return EmbeddingSpace(
            provider=self.provider, model=self.model, dimensions=dimensions, normalised=True, revision=HOSTED
        )


_COHERE_SIZES = (1536, 1024, 512, 256)
_VOYAGE_SIZES = (1024, 2048, 512, 256)

KNOWN = {
    known.name: known
    for known in (
        KnownModel(
            "bedrock", "amazon.titan-embed-text-v2:0", (1024, 512, 256), 8_192, most_characters=50_000,
            requests_per_minute=6_000, usd_per_million_tokens=0.02,
        ),
        KnownModel(
            "bedrock", "cohere.embed-english-v3", (1024,), 512, most_characters=2_048, most_texts=96, sizable=False,
            requests_per_minute=2_000, usd_per_million_tokens=0.10,
        ),
        KnownModel(
            "bedrock", "cohere.embed-multilingual-v3", (1024,), 512, most_characters=2_048, most_texts=96,
            sizable=False, requests_per_minute=2_000, usd_per_million_tokens=0.10,
        ),
        KnownModel(
            "bedrock", "cohere.embed-v4:0", _COHERE_SIZES, 128_000, most_texts=96, request_tokens=128_000,
            requests_per_minute=2_000, usd_per_million_tokens=0.12,
        ),
        KnownModel(
            "openai", "text-embedding-3-small", (1536, 1024, 768, 512, 256), 8_192, "cl100k", most_texts=2_048,
            request_tokens=300_000, requests_per_minute=3_000, tokens_per_minute=1_000_000,
            usd_per_million_tokens=0.02,
        ),
        KnownModel(
            "openai", "text-embedding-3-large", (3072, 1536, 1024, 512, 256), 8_192, "cl100k", most_texts=2_048,
            request_tokens=300_000, requests_per_minute=3_000, tokens_per_minute=1_000_000,
            usd_per_million_tokens=0.13,
        ),
        KnownModel(
            "openai", "text-embedding-ada-002", (1536,), 8_192, "cl100k", most_texts=2_048, request_tokens=300_000,
            sizable=False, requests_per_minute=3_000, tokens_per_minute=1_000_000, usd_per_million_tokens=0.10,
        ),
        KnownModel(
            "cohere", "embed-v4.0", _COHERE_SIZES, 128_000, most_texts=96, request_tokens=128_000,
            requests_per_minute=2_000, counts_texts=True, usd_per_million_tokens=0.12,
        ),
        KnownModel(
            "cohere", "embed-english-v3.0", (1024,), 512, most_texts=96, sizable=False, requests_per_minute=2_000,
            counts_texts=True, usd_per_million_tokens=0.10,
        ),
        KnownModel(
            "cohere", "embed-multilingual-v3.0", (1024,), 512, most_texts=96, sizable=False,
            requests_per_minute=2_000, counts_texts=True, usd_per_million_tokens=0.10,
        ),
        KnownModel(
            "voyage", "voyage-4-large", _VOYAGE_SIZES, 32_000, most_texts=1_000, request_tokens=120_000,
            requests_per_minute=2_000, tokens_per_minute=3_000_000, usd_per_million_tokens=0.12,
        ),
        KnownModel(
            "voyage", "voyage-4", _VOYAGE_SIZES, 32_000, most_texts=1_000, request_tokens=320_000,
            requests_per_minute=2_000, tokens_per_minute=8_000_000, usd_per_million_tokens=0.06,
        ),
        KnownModel(
            "voyage", "voyage-4-lite", _VOYAGE_SIZES, 32_000, most_texts=1_000, request_tokens=1_000_000,
            requests_per_minute=2_000, tokens_per_minute=16_000_000, usd_per_million_tokens=0.02,
        ),
        KnownModel(
            "voyage", "voyage-3.5", _VOYAGE_SIZES, 32_000, most_texts=1_000, request_tokens=320_000,
            requests_per_minute=2_000, tokens_per_minute=8_000_000, usd_per_million_tokens=0.06,
        ),
        KnownModel(
            "voyage", "voyage-code-3", _VOYAGE_SIZES, 32_000, most_texts=1_000, request_tokens=120_000,
            requests_per_minute=2_000, tokens_per_minute=3_000_000, usd_per_million_tokens=0.18,
        ),
        KnownModel(
            "huggingface", "sentence-transformers/all-MiniLM-L6-v2", (384,), 256, "wordpiece", most_texts=32,
            sizable=False,
        ),
        KnownModel(
            "huggingface", "BAAI/bge-small-en-v1.5", (384,), 512, "wordpiece", most_texts=32, sizable=False,
            query_prefix="Represent this sentence for searching relevant passages: ",
        ),
        KnownModel(
            "huggingface", "intfloat/multilingual-e5-large", (1024,), 512, most_texts=32, sizable=False,
            document_prefix="passage: ", query_prefix="query: ",
        ),
    )
}  # fmt: skip
"""By ``provider/model``."""

LOCAL = f"{local.SPACE.provider}/{local.SPACE.model}"


def space_for(provider: str, model: str, dimensions: int | None = None) -> EmbeddingSpace:
    """The space of a known model.

    Args:
        provider: ``local``, ``bedrock``, ``openai``, ``cohere``, ``voyage`` or ``huggingface``.
        model: its id there.
        dimensions: of its vectors; the model's default when None.

    Raises:
        EmbeddingRejected: no such model is known, or it does not give so many dimensions.
    """
    if f"{provider}/{model}" == LOCAL:
        sizes: tuple[int, ...] = (local.SPACE.dimensions,)
        made = local.SPACE
    else:
        known = known_model(provider, model)
        sizes, made = known.dimensions, known.space(dimensions or known.dimensions[0])
    if dimensions is not None and dimensions not in sizes:
        raise EmbeddingRejected(
            f"{provider}/{model} does not give vectors of {dimensions} dimensions.",
            action=f"It gives {', '.join(map(str, sizes))}.",
        )
    return made


def space_named(name: str) -> EmbeddingSpace:
    """The space that ``provider/model`` or ``provider/model@dimensions`` names.

    Raises:
        EmbeddingRejected: as :func:`space_for`, or the name has another form.
    """
    whole, separator, size = name.partition("@")
    provider, slash, model = whole.partition("/")
    if not (slash and provider and model) or (separator and not size.isdecimal()):
        raise EmbeddingRejected(
            "An embedding model is named provider/model or provider/model@dimensions.",
            action=f"Known are {', '.join(names())}.",
        )
    return space_for(provider, model, int(size) if separator else None)


def known_model(provider: str, model: str) -> KnownModel:
    """A known model behind an API. Raises ``EmbeddingRejected`` for others."""
    known = KNOWN.get(f"{provider}/{model}")
    if known is None:
        raise EmbeddingRejected(
            "No embedding model of that provider and name is known.", action=f"Known are {', '.join(names())}."
        )
    return known


def names() -> list[str]:
    """All models that an archive can be created with, as ``provider/model``."""
    return sorted([LOCAL, *KNOWN])
