"""The retriever ``recent``: the newest entries, and of each what is nearest to the question."""

from __future__ import annotations

import heapq
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import Field

from omnilake import clock
from omnilake.models import Evidence, Model
from omnilake.retrieval.retrievers import Found, Lookup

NAME = "recent"


class Options(Model):
    """``retrievers.recent.options`` of the configuration."""

    entries: int = Field(default=10, ge=1, le=200)  # of each archive
    chunks: int = Field(default=4, ge=1, le=100)  # of each entry


class _Held(NamedTuple):
    """What is known of an entry while the store is read."""

    newest: tuple[str, str]  # time, version
    nearest: list[tuple[float, str]]  # cosine, chunk id; a heap with the least first


def find(lookup: Lookup) -> Found:
    """Chunks of the newest entries; evidence has no scores, its order is its rank: newest entry first.

    An entry is as new as its newest message; where it has none, as when it came.
    """
    options = lookup.options_as(Options)
    by_archive: list[list[Evidence]] = []
    for store in lookup.stores:
        view = lookup.view(store)
        held: dict[str, _Held] = {}
        columns = ["chunk_id", "entry_id", "version", "received_at", "posted_at"]
        for cosine, row in view.measured(lookup.vector(store), columns):
            when = (_when(row), str(row["version"]))
            known = held.get(row["entry_id"], _Held(when, []))
            keep = heapq.heappush if len(known.nearest) < options.chunks else heapq.heappushpop
            keep(known.nearest, (cosine, str(row["chunk_id"])))
            held[row["entry_id"]] = _Held(max(known.newest, when), known.nearest)
        newest = heapq.nlargest(options.entries, held.values(), key=lambda each: each.newest)
        ids = [chunk_id for each in newest for _, chunk_id in sorted(each.nearest, reverse=True)]
        by_archive.append(view.read(ids[: lookup.plan.limit]))
    return Found(evidence=_newest_first(by_archive))


def _when(row: dict[str, Any]) -> str:
    if row["posted_at"] is not None:
        return clock.timestamp(datetime.fromtimestamp(row["posted_at"], UTC))
    return str(row["received_at"] or "")


def _newest_first(by_archive: list[list[Evidence]]) -> list[Evidence]:
    """Several archives' evidence in one order: by the time of the entries, each archive's own order within."""
    times: dict[str, str] = {}
    for each in (each for evidence in by_archive for each in evidence):
        chunk = each.chunk
        when = _when({"posted_at": chunk.posted_at, "received_at": chunk.received_at})
        times[chunk.entry_id] = max(times.get(chunk.entry_id, ""), when)
    if len(by_archive) == 1:
        return by_archive[0]
    return sorted(
        (each for evidence in by_archive for each in evidence),
        key=lambda each: times[each.chunk.entry_id],
        reverse=True,
    )
