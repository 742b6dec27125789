"""Measures of a ranking against relevance judgements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def ndcg(ranking: Sequence[str], relevant: Mapping[str, int], depth: int = 10) -> float:
    """Normalised discounted cumulative gain, 0 to 1: linear gain, logarithmic discount, as trec_eval has it.

    Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques".

    Args:
        ranking: document ids, best first, each once.
        relevant: document id → grade; those that are not named have grade 0.
        depth: how far the ranking is looked at.
    """
    gained = _discounted([relevant.get(each, 0) for each in ranking[:depth]])
    best = _discounted(sorted(relevant.values(), reverse=True)[:depth])
    return gained / best if best else 0.0


def recall(ranking: Sequence[str], relevant: Mapping[str, int], depth: int = 10) -> float:
    """Share of the relevant documents that stand among the first ``depth``."""
    wanted = {document for document, grade in relevant.items() if grade > 0}
    return len(wanted & set(ranking[:depth])) / len(wanted) if wanted else 0.0


def _discounted(grades: Sequence[int]) -> float:
    return sum(grade / math.log2(place + 2) for place, grade in enumerate(grades))
