"""Fusion of retrievers' results: min-max normalised convex combination of full-text and vector scores.

Bruch, Gai, Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval", ACM TOIS 42(1): the convex combination
of normalised scores keeps what ranks throw away (how much better one hit is than the next), and needs one parameter
that is little sensitive to the collection. ``ALPHA`` stays a constant: a value tuned on a handful of collections would
say more about those than about an archive.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import Field

from omnilake.models import Evidence, Model, RetrieverResult, Scores

ALPHA = 0.5
"""Weight of the vector score; full text has the rest."""

NEAR_DUPLICATE = 0.9
"""Share of word shingles (Jaccard) from which a text counts as a near duplicate of a better one."""

SHINGLE_WORDS = 5
"""Words in a shingle."""

OLDER_VERSION, DUPLICATE, OVER_LIMIT = "older_version", "near_duplicate", "over_limit"
"""Reasons of ``Fused.dropped``."""

_WORD = re.compile(r"\w+")


class Fused(Model):
    """The ranking that all retrievers come to.

    ``matched`` different chunks were found; ``len(evidence)`` of them are left, best first; ``dropped`` counts the
    others by reason, so the numbers always add up.
    """

    matched: int
    evidence: list[Evidence]
    dropped: dict[str, int] = Field(default_factory=dict)


def fuse(
    results: Sequence[RetrieverResult],
    *,
    alpha: float = ALPHA,
    limit: int,
    near_duplicate: float = NEAR_DUPLICATE,
) -> Fused:
    """One ranking out of several, the same for the same results in any order.

    Args:
        results: of the retrievers; one with an error counts as one without evidence.
        alpha: weight of the vector score, 0 to 1.
        limit: most chunks that are kept.
        near_duplicate: Jaccard similarity of word shingles from which the lesser of two texts is dropped; above 1,
            nothing is.

    Returns:
        Evidence with all its scores; ``scores.fused`` is in [0, 1] and falls along the list.
    """
    found = merged(evidence for result in results for evidence in result.evidence)
    current = newest_versions(found)
    ranked = ranking(current, alpha)
    kept, duplicates = first_distinct(ranked, limit, near_duplicate)
    dropped = {
        OLDER_VERSION: len(found) - len(current),
        DUPLICATE: duplicates,
        OVER_LIMIT: len(ranked) - duplicates - len(kept),
    }
    dropped = {reason: count for reason, count in dropped.items() if count}
    return Fused(matched=len(found), evidence=kept, dropped=dropped)


def merged(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Each chunk once, with the scores that any retriever gave it (the highest, should two give the same kind)."""
    by_chunk: dict[str, Evidence] = {}
    for each in evidence:
        known = by_chunk.get(each.chunk.chunk_id)
        scores = each.scores if known is None else _joined(known.scores, each.scores)
        by_chunk[each.chunk.chunk_id] = Evidence(chunk=each.chunk, scores=scores)
    return [by_chunk[chunk_id] for chunk_id in sorted(by_chunk)]


def newest_versions(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Only chunks of the newest version that was found of each entry: a commit in progress may show two."""
    newest: dict[str, str] = {}
    for each in evidence:
        newest[each.chunk.entry_id] = max(newest.get(each.chunk.entry_id, ""), each.chunk.version)
    return [each for each in evidence if each.chunk.version == newest[each.chunk.entry_id]]


def ranking(evidence: Sequence[Evidence], alpha: float) -> list[Evidence]:
    """Evidence by its fused score, best first; ties by vector, full text, then reading order, then id.

    Each kind of score is scaled to [0, 1] over the evidence that has it. Retrievers give both kinds to what they find;
    evidence that lacks one all the same gets 0 of it, as if it were the least of all that was found.
    """
    vector = _min_max([each.scores.vector for each in evidence])
    full_text = _min_max([each.scores.full_text for each in evidence])
    weighted = [alpha * near + (1 - alpha) * worded for near, worded in zip(vector, full_text, strict=True)]
    scored = [
        Evidence(chunk=each.chunk, scores=each.scores.model_copy(update={"fused": score}))
        for each, score in zip(evidence, weighted, strict=True)
    ]
    return sorted(scored, key=_order)


def first_distinct(ranked: Sequence[Evidence], limit: int, threshold: float) -> tuple[list[Evidence], int]:
    """The first ``limit`` of a ranking whose texts are not nearly that of a better one, and how many were.

    What comes after the last one that is kept is not looked at.
    """
    holders: dict[tuple[str, ...], list[int]] = {}
    sizes: list[int] = []
    kept: list[Evidence] = []
    duplicates = 0
    for each in ranked:
        if len(kept) == limit:
            break
        shingles = _shingles(each.chunk.text)
        shared = Counter(holder for shingle in shingles for holder in holders.get(shingle, ()))
        if any(common / (len(shingles) + sizes[holder] - common) >= threshold for holder, common in shared.items()):
            duplicates += 1
            continue
        for shingle in shingles:
            holders.setdefault(shingle, []).append(len(kept))
        sizes.append(len(shingles))
        kept.append(each)
    return kept, duplicates


def _joined(one: Scores, other: Scores) -> Scores:
    return Scores(vector=_higher(one.vector, other.vector), full_text=_higher(one.full_text, other.full_text))


def _higher(one: float | None, other: float | None) -> float | None:
    return max((score for score in (one, other) if score is not None), default=None)


def _min_max(scores: Sequence[float | None]) -> list[float]:
    known = [score for score in scores if score is not None]
    if not known:
        return [0.0] * len(scores)
    low, high = min(known), max(known)
    if low == high:  # nothing tells them apart, and all of them were found
        return [0.0 if score is None else 1.0 for score in scores]
    return [0.0 if score is None else (score - low) / (high - low) for score in scores]


def _order(evidence: Evidence) -> tuple[float, float, float, str, int, str]:
    scores, chunk = evidence.scores, evidence.chunk
    return (
        -scores.fused,
        -(scores.vector if scores.vector is not None else float("-inf")),
        -(scores.full_text or 0.0),
        chunk.entry_id,
        chunk.start,
        chunk.chunk_id,
    )


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    if len(words) <= SHINGLE_WORDS:
        return {tuple(words) or (text.strip(),)}
    return {tuple(words[first : first + SHINGLE_WORDS]) for first in range(len(words) - SHINGLE_WORDS + 1)}
