"""Which provider serves which embedding space, and what is checked of every vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

from omnilake.errors import EmbeddingRejected
from omnilake.models import EmbeddingSpace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

UNIT_TOLERANCE = 1e-3
"""How far the length of a vector of a normalised space may be from 1."""


class EmbeddingProvider(Protocol):
    """Turns text into vectors of one space. Passages and questions may be treated differently by a model."""

    @property
    def space(self) -> EmbeddingSpace:
        """Where its vectors live."""
        ...

    @property
    def max_tokens(self) -> int:
        """Most tokens of one passage, special tokens not counted."""
        ...

    def embed_passages(self, texts: list[str]) -> Vectors:
        """Vectors of passages, float32, shape (len(texts), dimensions), in the order of ``texts``.

        Raises:
            EmbeddingRejected: a passage has more than ``max_tokens`` tokens or none, or the vectors are unusable.
        """
        ...

    def embed_query(self, text: str) -> Vectors:
        """Vector of a question of any length, float32, shape (dimensions,).

        Raises:
            EmbeddingRejected: the question has no token, or the vector is unusable.
        """
        ...

    def encode(self, text: str) -> list[tuple[int, int]]:
        """Character spans ``[start, end)`` of the tokens of a text, special tokens left out."""
        ...


@dataclass(frozen=True)
class ProviderKind:
    """What is known of a kind of provider without loading a model.

    Attributes:
        make: the provider of a space; raises ``EmbeddingRejected`` for a space it can't serve exactly.
        max_tokens: most tokens of one passage in a space, special tokens not counted.
    """

    make: Callable[[EmbeddingSpace], EmbeddingProvider]
    max_tokens: Callable[[EmbeddingSpace], int]


_kinds: dict[str, ProviderKind] = {}


def register_provider(name: str, kind: ProviderKind) -> None:
    """Let ``kind`` serve the spaces whose ``provider`` is ``name``."""
    _kinds[name] = kind
    provider_for.cache_clear()


@cache
def provider_for(space: EmbeddingSpace) -> EmbeddingProvider:
    """The provider of exactly that space; made once per process.

    Raises:
        EmbeddingRejected: nothing here makes vectors of that space. Vectors of another are never given instead.
    """
    return _kind(space).make(space)


def default_space() -> EmbeddingSpace:
    """The space of new archives, by the template's parameter EmbeddingModel. Needs no model at hand.

    Raises:
        EmbeddingRejected: the parameter names no known model.
    """
    from omnilake.embedding.models import space_named
    from omnilake.settings import settings

    return space_named(settings().embedding_model)


def max_passage_tokens(space: EmbeddingSpace) -> int:
    """Most tokens of one passage in a space, special tokens not counted. Needs no model at hand.

    Raises:
        EmbeddingRejected: no provider serves the space.
    """
    return _kind(space).max_tokens(space)


def price_of(space: EmbeddingSpace) -> float:
    """US dollars per million tokens in a space; 0 where tokens are not what is paid."""
    from omnilake.embedding.models import KNOWN
    from omnilake.embedding.options import options

    known = KNOWN.get(f"{space.provider}/{space.model}")
    return 0.0 if known is None else options().price(known)


def _kind(space: EmbeddingSpace) -> ProviderKind:
    kind = _kinds.get(space.provider)
    if kind is None:
        raise EmbeddingRejected(
            f"No embedding provider is called {space.provider}.",
            action=f"This version has: {', '.join(sorted(_kinds))}.",
        )
    return kind


def checked(vectors: Vectors, count: int, space: EmbeddingSpace) -> Vectors:
    """The same vectors, once it is sure that they can be stored and compared.

    Args:
        vectors: what a provider or the staging area gave.
        count: how many there must be.
        space: where they claim to live.

    Raises:
        EmbeddingRejected: another shape or type; NaN, infinity or a zero vector; not of length 1 in a normalised space.
    """
    for reason in faults(vectors, count, space).values():
        raise EmbeddingRejected(reason)
    return vectors


def faults(vectors: Vectors, count: int, space: EmbeddingSpace) -> dict[int, str]:
    """Row → why its vector can't be stored and compared. All rows, when the array as a whole is of a wrong shape.

    Args:
        vectors: what a provider or the staging area gave.
        count: how many there must be.
        space: where they claim to live.
    """
    import numpy as np

    if vectors.dtype != np.float32 or vectors.shape != (count, space.dimensions):
        reason = (
            f"Vectors are {vectors.dtype} of shape {vectors.shape} where float32 of shape"
            f" {(count, space.dimensions)} was expected."
        )
        return dict.fromkeys(range(max(1, count)), reason)
    finite = [bool(np.isfinite(vector).all()) for vector in vectors]
    lengths = [float(np.linalg.norm(vector)) for vector in vectors]
    found: dict[int, str] = {}
    for row in range(count):
        if not finite[row]:
            found[row] = "A vector holds NaN or infinity."
        elif lengths[row] == 0:
            found[row] = "A vector has length zero."
        elif space.normalised and abs(lengths[row] - 1) > UNIT_TOLERANCE:
            found[row] = "A vector of a normalised space is not of length 1."
    return found


def windows(spans: Sequence[tuple[int, int]], size: int) -> list[tuple[int, int, int]]:
    """Consecutive windows of at most ``size`` tokens: (first character, end character, tokens) of each."""
    cuts = [spans[first : first + size] for first in range(0, len(spans), size)]
    return [(cut[0][0], cut[-1][1], len(cut)) for cut in cuts]


def _local(space: EmbeddingSpace) -> EmbeddingProvider:
    from omnilake.embedding.local import LocalProvider

    return LocalProvider(space)


def _local_max_tokens(_: EmbeddingSpace) -> int:
    from omnilake.embedding.local import MAX_TOKENS

    return MAX_TOKENS


def _remote(space: EmbeddingSpace) -> EmbeddingProvider:
    from omnilake.embedding.remote import RemoteProvider

    return RemoteProvider(space)


def _remote_max_tokens(space: EmbeddingSpace) -> int:
    from omnilake.embedding.models import known_model

    return known_model(space.provider, space.model).max_tokens


register_provider("local", ProviderKind(make=_local, max_tokens=_local_max_tokens))
for _name in ("bedrock", "openai", "cohere", "voyage", "huggingface"):
    register_provider(_name, ProviderKind(make=_remote, max_tokens=_remote_max_tokens))
