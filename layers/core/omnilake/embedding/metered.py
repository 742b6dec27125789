"""Embedding with accounts: each portion as it comes, with what it used, and unusable vectors named one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from omnilake.embedding.provider import EmbeddingProvider, faults
from omnilake.errors import EmbeddingRejected
from omnilake.models import ErrorRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from omnilake.embedding.provider import Vectors


@dataclass(frozen=True)
class Portion:
    """Some of the texts, embedded.

    Attributes:
        positions: of the texts that have a vector here.
        vectors: of these texts, usable, shape (len(positions), dimensions).
        lengths: of the same vectors as the model gave them, before they were normalised.
        rejected: position → why that text has no vector and will not get one.
        calls: of the provider.
        tokens: that it counted (or that were counted here, where it does not say); 0 where nothing is paid by tokens.
    """

    positions: list[int]
    vectors: Vectors
    lengths: NDArray[np.float32]
    rejected: dict[int, ErrorRecord] = field(default_factory=dict)
    calls: int = 0
    tokens: int = 0


@runtime_checkable
class MeteredProvider(Protocol):
    """A provider that tells of each portion as soon as it is there, so that nothing is lost when the next one fails."""

    def embed_each(self, texts: Sequence[str]) -> Iterator[Portion]:
        """All texts, each in one portion."""
        ...


def embed_each(provider: EmbeddingProvider, texts: Sequence[str]) -> Iterator[Portion]:
    """Passages in portions, by any provider.

    Raises:
        RateLimited, TransientError, ProviderRejected: what the portions so far hold stays good.
    """
    if isinstance(provider, MeteredProvider):
        yield from provider.embed_each(texts)
    elif texts:
        yield from _embed(provider, texts, list(range(len(texts))))


def _embed(provider: EmbeddingProvider, texts: Sequence[str], positions: list[int]) -> Iterator[Portion]:
    """The texts in one go; where the provider rejects them, half by half until the culprits stand alone."""
    import numpy as np

    try:
        vectors = provider.embed_passages([texts[position] for position in positions])
    except EmbeddingRejected as error:
        if len(positions) == 1:
            nothing = np.empty((0, provider.space.dimensions), dtype=np.float32)
            yield Portion([], nothing, np.empty(0, np.float32), {positions[0]: ErrorRecord.of(error)}, calls=1)
        else:
            middle = len(positions) // 2
            yield from _embed(provider, texts, positions[:middle])
            yield from _embed(provider, texts, positions[middle:])
        return
    found = faults(vectors, len(positions), provider.space)
    usable = [row for row in range(len(positions)) if row not in found]
    kept = vectors[usable] if usable else np.empty((0, provider.space.dimensions), dtype=np.float32)
    yield Portion(
        positions=[positions[row] for row in usable],
        vectors=kept,
        lengths=np.linalg.norm(kept, axis=1).astype(np.float32),
        rejected={positions[row]: ErrorRecord.of(EmbeddingRejected(reason)) for row, reason in found.items()},
        calls=1,
    )
