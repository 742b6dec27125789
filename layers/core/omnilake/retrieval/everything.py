"""The retriever ``everything``: of an INCLUSIVE request, all chunks that the filters let through, up to the cap.

Best tag matches come first, of equal ones those that are nearest to the question. What lies beyond the cap is counted.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from omnilake.labels import of_tags
from omnilake.retrieval.retrievers import Found, Lookup

NAME = "everything"

BEYOND_CAP = "beyond_inclusive_cap"
"""Reason of ``Found.left_out``."""


class Ranked(NamedTuple):
    """A chunk in the order of an INCLUSIVE request. Cosines of two spaces are not compared: places in them are."""

    unmatched: int  # tags that its document does not have
    place: int  # among the chunks of its archive with as many
    archive: int
    chunk_id: str


def find(lookup: Lookup) -> Found:
    """All of it, in one order over all archives; evidence has no scores, its order is its rank."""
    cap = lookup.plan.limit
    wanted = set(of_tags(lookup.plan.tags))
    views = [lookup.view(store) for store in lookup.stores]
    matched = sum(view.count() for view in views)
    ranked: list[Ranked] = []
    for number, (store, view) in enumerate(zip(lookup.stores, views, strict=True)):
        measured = view.measured(lookup.vector(store), ["chunk_id", "labels"])
        keys = (
            (len(wanted.difference(row["labels"] or ())), -cosine, str(row["chunk_id"])) for cosine, row in measured
        )
        ranked += _placed(number, heapq.nsmallest(cap, keys))
    kept = sorted(ranked)[:cap]
    chunks = defaultdict[int, list[str]](list)
    for each in kept:
        chunks[each.archive].append(each.chunk_id)
    found = {each.chunk.chunk_id: each for number, ids in chunks.items() for each in views[number].read(ids)}
    evidence = [found[each.chunk_id] for each in kept if each.chunk_id in found]
    beyond = matched - len(evidence)
    return Found(evidence=evidence, matched=matched, left_out={BEYOND_CAP: beyond} if beyond > 0 else {})


def _placed(archive: int, keys: Iterable[tuple[int, float, str]]) -> list[Ranked]:
    places = defaultdict[int, int](int)
    ranked = []
    for unmatched, _, chunk_id in keys:
        ranked.append(Ranked(unmatched, places[unmatched], archive, chunk_id))
        places[unmatched] += 1
    return ranked
