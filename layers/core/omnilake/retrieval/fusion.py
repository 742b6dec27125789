"""Fusion of retrievers' results into one ranking, and the choice of what is read of it.

Scores that compare (cosine and BM25 of the same store's embedding space) are min-max normalised and combined: Bruch,
Gai, Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval", ACM TOIS 42(1). That keeps what ranks throw
away (how much better one hit is than the next), and needs one parameter that is little sensitive to the collection.
``ALPHA`` stays a constant: a value tuned on a handful of collections would say more about those than about an archive.

Rankings that do not compare (vectors of two spaces; a retriever that measures nothing and only orders) are joined by
reciprocal rank fusion: Cormack, Clarke, Buettcher 2009, "Reciprocal Rank Fusion outperforms Condorcet and Individual
Rank Learning Methods", SIGIR.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from omnilake.generation import words
from omnilake.models import Chunk, Evidence, Model, RetrieverResult, Scores

ALPHA = 0.5
"""Weight of the vector score; full text has the rest."""

RANK_CONSTANT = 60
"""k of reciprocal rank fusion, as in its paper."""

NEAR_DUPLICATE = 0.9
"""Share of word shingles (Jaccard) from which a text counts as a near duplicate of a better one."""

SHINGLE_WORDS = 5
"""Words in a shingle."""

SCALED_BY = 50
"""So many of the best of each kind are the measure of scores of both kinds. A fixed number: were it all candidates,
the scores of the first would change with how many are asked for, and a long tail would press them together."""

DIVERSE_POOL = 300
"""Best of a ranking among which diversity chooses; what lies behind follows by its score."""

OLDER_VERSION, DUPLICATE, OVER_LIMIT = "older_version", "near_duplicate", "over_limit"
OVER_ENTRY_LIMIT, OVER_TOKENS = "over_entry_limit", "over_token_budget"
"""Reasons of ``Fused.dropped``."""

_WORD = re.compile(r"\w+")


class Fused(Model):
    """The ranking that all retrievers come to.

    ``matched`` different chunks were found; ``len(evidence)`` of them are left, best first; ``dropped`` counts the
    others by reason, so the numbers always add up. ``neighbours`` stand beside those that are left, in reading order,
    and count as nothing that was found.
    """

    matched: int
    evidence: list[Evidence]
    dropped: dict[str, int] = Field(default_factory=dict)
    neighbours: list[Chunk] = Field(default_factory=list)


def fuse(
    results: Sequence[RetrieverResult],
    *,
    limit: int,
    alpha: float = ALPHA,
    rank_constant: int = RANK_CONSTANT,
    weights: Mapping[str, float] | None = None,
    spaces: Mapping[str, str] | None = None,
    near_duplicate: float = NEAR_DUPLICATE,
    max_per_entry: int = 0,
    diversity: float = 0.0,
    rerank: Callable[[list[Evidence]], list[Evidence]] | None = None,
    max_tokens: int = 0,
    count_tokens: Callable[[str], int] = len,
) -> Fused:
    """One ranking out of several, the same for the same results in any order.

    Args:
        results: of the retrievers; one with an error counts as one without evidence.
        limit: most chunks that are kept.
        alpha: weight of the vector score, 0 to 1.
        rank_constant: k of reciprocal rank fusion.
        weights: of retrievers' ranks, by name; 1 for those that are not named.
        spaces: embedding space of each archive: scores of two spaces do not compare.
        near_duplicate: Jaccard similarity of word shingles from which the lesser of two texts is dropped; above 1,
            nothing is.
        max_per_entry: most chunks of one entry; 0: no limit.
        diversity: share that unlikeness to what was chosen before has in the choice; 0 is relevance alone. It decides
            what is kept, not its order.
        rerank: gives the ranking another order, its own scores added; may not add or lose evidence.
        max_tokens: most tokens of text; 0: no limit. The best chunk is kept however long it is.
        count_tokens: of a text.

    Returns:
        Evidence with all its scores; ``scores.fused`` is in [0, 1] and, unless reranked, falls along the list.
    """
    found = merged(evidence for result in results for evidence in result.evidence)
    current = newest_versions(found)
    ranked = ranking(current, results, alpha, rank_constant, weights, spaces)
    distinct, duplicates = first_distinct(ranked, len(ranked), near_duplicate)
    if rerank and distinct:
        distinct = rerank(distinct)
    spread, crowded = first_of_entries(distinct, max_per_entry)
    kept = diverse(spread, limit, diversity) if diversity else spread[:limit]
    fitting = _fitting(kept, max_tokens, count_tokens)
    dropped = {
        OLDER_VERSION: len(found) - len(current),
        DUPLICATE: duplicates,
        OVER_ENTRY_LIMIT: crowded,
        OVER_LIMIT: len(spread) - len(kept),
        OVER_TOKENS: len(kept) - len(fitting),
    }
    return Fused(
        matched=len(found),
        evidence=fitting,
        dropped={reason: count for reason, count in dropped.items() if count},
        neighbours=_neighbours(fitting, results, max_tokens, count_tokens),
    )


def merged(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Each chunk once, with the scores that any retriever gave it (the highest, should two give the same kind)."""
    by_chunk: dict[str, Evidence] = {}
    for each in evidence:
        known = by_chunk.get(each.chunk.chunk_id)
        by_chunk[each.chunk.chunk_id] = each if known is None else _joined(known, each)
    return [by_chunk[chunk_id] for chunk_id in sorted(by_chunk)]


def newest_versions(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Only chunks of the newest version that was found of each entry: a commit in progress may show two."""
    newest: dict[str, str] = {}
    for each in evidence:
        newest[each.chunk.entry_id] = max(newest.get(each.chunk.entry_id, ""), each.chunk.version)
    return [each for each in evidence if each.chunk.version == newest[each.chunk.entry_id]]


class _Ranking(NamedTuple):
    """Ranks from 1 by chunk id, and how much they weigh."""

    ranks: dict[str, int]
    weight: float


def ranking(
    evidence: Sequence[Evidence],
    results: Sequence[RetrieverResult],
    alpha: float = ALPHA,
    rank_constant: int = RANK_CONSTANT,
    weights: Mapping[str, float] | None = None,
    spaces: Mapping[str, str] | None = None,
) -> list[Evidence]:
    """Evidence by its fused score, best first; ties by vector, full text, then reading order, then id.

    Where all of it was found by retrievers that measure, in one embedding space, the score is the convex combination.
    Else each space's evidence makes a ranking by that, each retriever that measured nothing makes one by the order of
    its results, and the score is that of reciprocal rank fusion, as a share of what the first of all rankings has.

    Args:
        evidence: each chunk once.
        results: what it was found by.
        alpha: weight of the vector score.
        rank_constant: k of reciprocal rank fusion.
        weights: of retrievers' ranks, by name. A ranking by scores weighs as the mean of its retrievers.
        spaces: embedding space of each archive, by its id; the same one for those that are not named.
    """
    weights, spaces = weights or {}, spaces or {}
    measuring = [result for result in results if any(map(_is_measured, result.evidence))]
    ordering = [result for result in results if result.evidence and result not in measuring]
    measured = {each.chunk.chunk_id for result in measuring for each in result.evidence}
    by_space: dict[str, list[Evidence]] = defaultdict(list)
    for each in evidence:
        if each.chunk.chunk_id in measured:
            by_space[spaces.get(each.archive_id, "")].append(each)
    convex = {space: sorted(_convex(members, alpha), key=_order) for space, members in sorted(by_space.items())}
    if not ordering:
        if not convex:
            return []
        if len(convex) == 1:
            return next(iter(convex.values()))
    rankings = []
    for space, members in convex.items():
        of_space = [
            result for result in measuring if any(spaces.get(each.archive_id, "") == space for each in result.evidence)
        ]
        weight = sum(weights.get(result.retriever, 1.0) for result in of_space) / len(of_space)
        rankings.append(_Ranking({each.chunk.chunk_id: rank for rank, each in enumerate(members, 1)}, weight))
    known = {each.chunk.chunk_id for each in evidence}
    for result in sorted(ordering, key=lambda each: each.retriever):
        ids = dict.fromkeys(each.chunk.chunk_id for each in result.evidence if each.chunk.chunk_id in known)
        ranks = {chunk_id: rank for rank, chunk_id in enumerate(ids, 1)}
        rankings.append(_Ranking(ranks, weights.get(result.retriever, 1.0)))
    return sorted(_by_ranks(evidence, rankings, rank_constant), key=_order)


def first_of_entries(ranked: Sequence[Evidence], most: int) -> tuple[list[Evidence], int]:
    """The first ``most`` chunks of each entry, in the order of the ranking, and how many are not; 0: no limit."""
    if not most:
        return list(ranked), 0
    taken: Counter[str] = Counter()
    kept = []
    for each in ranked:
        taken[each.chunk.entry_id] += 1
        if taken[each.chunk.entry_id] <= most:
            kept.append(each)
    return kept, len(ranked) - len(kept)


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


def diverse(ranked: Sequence[Evidence], limit: int, diversity: float) -> list[Evidence]:
    """``limit`` of a ranking by maximal marginal relevance, in the order of the ranking.

    Carbonell and Goldstein 1998, "The Use of MMR, Diversity-Based Reranking". Likeness is the cosine of two texts'
    words, weighted by their rarity: vectors are not carried this far.
    """
    pool = ranked[: max(DIVERSE_POOL, limit)]
    if len(pool) <= limit:
        return list(pool)
    vectors = _word_vectors([each.chunk.text for each in pool])
    reranked = any(each.scores.reranked is not None for each in pool)
    relevance = [1 - place / len(pool) if reranked else each.scores.fused for place, each in enumerate(pool)]
    likest = [0.0] * len(pool)
    left = list(range(len(pool)))
    chosen: list[int] = []
    while len(chosen) < limit:
        best = max(left, key=lambda place: ((1 - diversity) * relevance[place] - diversity * likest[place], -place))
        left.remove(best)
        chosen.append(best)
        for place in left:
            likest[place] = max(likest[place], _likeness(vectors[best], vectors[place]))
    return [pool[place] for place in sorted(chosen)]


def _convex(evidence: Sequence[Evidence], alpha: float) -> list[Evidence]:
    """Each kind of score scaled to [0, 1] by the best of the evidence (:func:`_measures`), and weighed.

    Retrievers give both kinds to what they find; evidence that lacks one all the same gets 0 of it, as does what lies
    below the range.
    """
    measures = _measures(evidence)
    vector = _min_max([each.scores.vector for each in evidence], [each.scores.vector for each in measures])
    full_text = _min_max([each.scores.full_text for each in evidence], [each.scores.full_text for each in measures])
    weighted = [alpha * near + (1 - alpha) * worded for near, worded in zip(vector, full_text, strict=True)]
    return [_with_score(each, score) for each, score in zip(evidence, weighted, strict=True)]


def _measures(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The best by vector and the best by full text, ``SCALED_BY`` of each and all that are as good as the last. What
    shares no word with the question is none of the best by full text."""
    near = _least([each.scores.vector for each in evidence])
    worded = _least([each.scores.full_text or None for each in evidence])
    return [
        each
        for each in evidence
        if (each.scores.vector is not None and each.scores.vector >= near) or (each.scores.full_text or 0.0) >= worded
    ]


def _least(scores: Iterable[float | None]) -> float:
    """The least of the ``SCALED_BY`` highest; infinite where there are none."""
    best = heapq.nlargest(SCALED_BY, (score for score in scores if score is not None))
    return best[-1] if best else math.inf


def _by_ranks(evidence: Sequence[Evidence], rankings: Sequence[_Ranking], rank_constant: int) -> list[Evidence]:
    first = sum(weight for _, weight in rankings) / (rank_constant + 1)

    def score(chunk_id: str) -> float:
        held = [(ranks[chunk_id], weight) for ranks, weight in rankings if chunk_id in ranks]
        return min(1.0, sum(weight / (rank_constant + rank) for rank, weight in held) / first) if first else 0.0

    return [_with_score(each, score(each.chunk.chunk_id)) for each in evidence]


def _with_score(evidence: Evidence, fused: float) -> Evidence:
    return evidence.model_copy(update={"scores": evidence.scores.model_copy(update={"fused": fused})})


def _is_measured(evidence: Evidence) -> bool:
    return evidence.scores.vector is not None or evidence.scores.full_text is not None


def _fitting(ranked: list[Evidence], most: int, count: Callable[[str], int]) -> list[Evidence]:
    """The first of a ranking whose texts together have at most so many tokens; at least one."""
    if not most:
        return ranked
    left = most
    for place, each in enumerate(ranked):
        left -= count(each.chunk.text)
        if left < 0:
            return ranked[: max(place, 1)]
    return ranked


def _neighbours(
    kept: Sequence[Evidence], results: Sequence[RetrieverResult], most: int, count: Callable[[str], int]
) -> list[Chunk]:
    """What stands beside evidence that is kept and is none itself, in reading order, as far as the tokens last."""
    left = most - sum(count(each.chunk.text) for each in kept) if most else None
    ids = {each.chunk.chunk_id for each in kept}
    found: dict[str, Chunk] = {}
    for each in kept:  # those of the best first
        for chunk in (beside for result in results for beside in result.neighbours.get(each.chunk.chunk_id, [])):
            if chunk.chunk_id in ids or chunk.chunk_id in found:
                continue
            if left is not None:
                left -= count(chunk.text)
                if left < 0:
                    return sorted(found.values(), key=_place)
            found[chunk.chunk_id] = chunk
    return sorted(found.values(), key=_place)


def _place(chunk: Chunk) -> tuple[str, str, int, str]:
    return (chunk.entry_id, chunk.version, chunk.start, chunk.chunk_id)


def _word_vectors(texts: Sequence[str]) -> list[dict[str, float]]:
    """Of each text its terms with weights, of length 1."""
    counted = [Counter(words.terms(text)) for text in texts]
    weights = words.inverse_document_frequency([set(each) for each in counted])
    vectors = []
    for each in counted:
        vector = {term: count * weights[term] for term, count in each.items()}
        length = math.sqrt(sum(value * value for value in vector.values()))
        vectors.append({term: value / length for term, value in vector.items()} if length else {})
    return vectors


def _likeness(one: dict[str, float], other: dict[str, float]) -> float:
    short, long = (one, other) if len(one) <= len(other) else (other, one)
    return sum(value * long[term] for term, value in short.items() if term in long)


def _joined(one: Evidence, other: Evidence) -> Evidence:
    scores = Scores(
        vector=_higher(one.scores.vector, other.scores.vector),
        full_text=_higher(one.scores.full_text, other.scores.full_text),
    )
    return Evidence(chunk=one.chunk, scores=scores, archive_id=one.archive_id or other.archive_id)


def _higher(one: float | None, other: float | None) -> float | None:
    return max((score for score in (one, other) if score is not None), default=None)


def _min_max(scores: Sequence[float | None], measures: Sequence[float | None]) -> list[float]:
    """Scores as shares of the way from the least to the highest of those that measure."""
    known = [score for score in measures if score is not None]
    if not known:
        return [0.0] * len(scores)
    low, high = min(known), max(known)
    if low == high:  # nothing tells them apart, and all of them were found
        return [0.0 if score is None or score < low else 1.0 for score in scores]
    return [0.0 if score is None else max(0.0, (score - low) / (high - low)) for score in scores]


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
    found = _WORD.findall(text.casefold())
    if len(found) <= SHINGLE_WORDS:
        return {tuple(found) or (text.strip(),)}
    return {tuple(found[first : first + SHINGLE_WORDS]) for first in range(len(found) - SHINGLE_WORDS + 1)}
