"""What a deployment says of its providers: quotas, prices and addresses, in the template's parameter EmbeddingOptions.

::

    {"limits": {"voyage": {"requests_per_minute": 3, "tokens_per_minute": 10000}},
     "prices": {"openai/text-embedding-3-small": 0.02},
     "endpoints": {"openai": ["https://api.openai.com/v1", "https://eu.api.openai.com/v1"]}}

``limits`` go by provider or by ``provider/model``. ``endpoints`` are tried in their order, each for the *same* model:
where one fails or has no quota left, the next makes the same vectors. For Bedrock they are regions.
"""

from __future__ import annotations

from functools import cache

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from omnilake.embedding.models import KNOWN, KnownModel
from omnilake.errors import StageFailed
from omnilake.provider_http import is_safe
from omnilake.rate_limits import RateLimit
from omnilake.settings import settings


class ProviderLimit(BaseModel):
    """Quota of an account. None: there is none, or the provider's answers alone tell of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)


class EmbeddingOptions(BaseModel):
    """The parameter's value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limits: dict[str, ProviderLimit] = {}
    prices: dict[str, float] = {}
    """US dollars per million tokens, by ``provider/model``."""
    endpoints: dict[str, list[str]] = {}

    @field_validator("prices")
    @classmethod
    def _of_known_models(cls, prices: dict[str, float]) -> dict[str, float]:
        if not prices.keys() <= KNOWN.keys() or any(price < 0 for price in prices.values()):
            raise ValueError("prices are of known models, by provider/model, and not negative")
        return prices

    @field_validator("endpoints")
    @classmethod
    def _secure(cls, endpoints: dict[str, list[str]]) -> dict[str, list[str]]:
        for provider, addresses in endpoints.items():
            for address in addresses:
                if provider != "bedrock" and not is_safe(address):
                    raise ValueError("an endpoint is an https address")
        return endpoints

    def limit(self, model: KnownModel) -> RateLimit:
        """The quota of a model: as configured for it or its provider, else the provider's documented one."""
        own = self.limits.get(model.name) or self.limits.get(model.provider)
        return RateLimit(
            requests_per_minute=own.requests_per_minute if own else model.requests_per_minute,
            tokens_per_minute=own.tokens_per_minute if own else model.tokens_per_minute,
        )

    def price(self, model: KnownModel) -> float:
        """US dollars per million tokens."""
        return self.prices.get(model.name, model.usd_per_million_tokens)


@cache
def _parsed(text: str) -> EmbeddingOptions:
    try:
        return EmbeddingOptions.model_validate_json(text or "{}")
    except ValidationError as error:
        fields = sorted({".".join(str(part) for part in each["loc"]) for each in error.errors()})
        raise StageFailed(
            f"The parameter EmbeddingOptions does not fit in: {', '.join(fields) or 'its form'}.",
            action="Correct it (docs/embedding.md) and deploy again.",
        ) from error


def options() -> EmbeddingOptions:
    """The options of this deployment.

    Raises:
        StageFailed: they do not fit their model.
    """
    return _parsed(settings().embedding_options)
