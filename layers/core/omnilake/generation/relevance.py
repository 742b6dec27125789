"""How central a sentence is among its like, and how to choose without repeating. Pure functions over vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def centrality(vectors: Vectors, *, threshold: float = 0.3, damping: float = 0.85, rounds: int = 30) -> NDArray[Any]:
    """LexRank over cosine similarities: 0 to 1, shape (n,), the most central is 1.

    Source: Erkan and Radev 2004, "LexRank: Graph-based Lexical Centrality as Salience in Text Summarization"
    (continuous variant, over dense vectors of unit length).
    """
    count = len(vectors)
    if count < 2:
        return np.ones(count)
    similarity = np.asarray(vectors, dtype=np.float64) @ np.asarray(vectors, dtype=np.float64).T
    similarity[similarity < threshold] = 0.0
    np.fill_diagonal(similarity, 1.0)
    transition = similarity / similarity.sum(axis=1, keepdims=True)
    rank = np.full(count, 1.0 / count)
    for _ in range(rounds):
        rank = (1 - damping) / count + damping * (rank @ transition)
    return np.asarray(rank / rank.max())


def maximal_marginal_relevance(
    relevance: NDArray[Any], vectors: Vectors, *, limit: int, trade_off: float = 0.8
) -> list[int]:
    """Indices in order of choice: each is relevant and unlike what was chosen before. Ties go to the lower index.

    Source: Carbonell and Goldstein 1998, "The Use of MMR, Diversity-Based Reranking".

    Args:
        relevance: shape (n,).
        vectors: shape (n, d), unit length.
        limit: most indices to choose.
        trade_off: 1 chooses by relevance alone, 0 by difference alone.
    """
    chosen: list[int] = []
    nearest = np.zeros(len(relevance))
    left = np.ones(len(relevance), dtype=bool)
    while left.any() and len(chosen) < limit:
        gain = np.where(left, trade_off * relevance - (1 - trade_off) * nearest, -np.inf)
        best = int(np.argmax(gain))
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return chosen
