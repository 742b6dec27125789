"""The retriever ``related``: the chunks that an earlier answer cites."""

from __future__ import annotations

from omnilake.retrieval.retrievers import Found, Lookup

NAME = "related"

GONE = "cited_chunk_gone"
"""Reason of ``Found.left_out``: a newer version took its place, or the request may not see it."""


def find(lookup: Lookup) -> Found:
    """In the order of the earlier answer's citations; evidence has no scores, its order is its rank."""
    cited = lookup.plan.cited
    evidence = [each for store in lookup.stores for each in lookup.view(store).read(cited)]
    order = {chunk_id: place for place, chunk_id in enumerate(cited)}
    evidence.sort(key=lambda each: order[each.chunk.chunk_id])
    gone = len(cited) - len(evidence)
    return Found(
        evidence=evidence[: lookup.plan.limit], matched=len(evidence), left_out={GONE: gone} if gone > 0 else {}
    )
