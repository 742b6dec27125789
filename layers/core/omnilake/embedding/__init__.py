"""Embeddings: text → vectors of one space, and nothing else in their place.

``provider``  the contract of providers, which one serves which space, checks of what they return
``local``     all-MiniLM-L6-v2 in the process, from the models layer
``stages``    the Embed Batches state

Importing this package is cheap: numpy, onnxruntime and tokenizers come with the first call that needs them.
"""

from omnilake.embedding.provider import (
    EmbeddingProvider,
    ProviderKind,
    default_space,
    max_passage_tokens,
    provider_for,
    register_provider,
)

__all__ = [
    "EmbeddingProvider",
    "ProviderKind",
    "default_space",
    "max_passage_tokens",
    "provider_for",
    "register_provider",
]
