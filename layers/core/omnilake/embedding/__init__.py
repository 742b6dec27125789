"""Embeddings: text → vectors of one space, and nothing else in their place.

``provider``  the contract of providers, which one serves which space, checks of what they return
``models``    the models that are known, their spaces, limits and prices
``options``   what a deployment says of quotas, prices and endpoints
``local``     all-MiniLM-L6-v2 in the process, from the models layer
``remote``    models behind an API; ``wires`` has the wire format of each provider
``counting``  tokens of models whose tokenizer is at hand, and a safe bound for the others
``metered``   embedding portion by portion, with accounts
``cache``     vectors by content
``centroid``  where an archive's vectors lie on the whole
``report``    what a batch came to
``stages``    the Embed Batches state

Importing this package is cheap: numpy, onnxruntime and tokenizers come with the first call that needs them.
"""

from omnilake.embedding.models import space_for, space_named
from omnilake.embedding.provider import (
    EmbeddingProvider,
    ProviderKind,
    default_space,
    max_passage_tokens,
    price_of,
    provider_for,
    register_provider,
)

__all__ = [
    "EmbeddingProvider",
    "ProviderKind",
    "default_space",
    "max_passage_tokens",
    "price_of",
    "provider_for",
    "register_provider",
    "space_for",
    "space_named",
]
