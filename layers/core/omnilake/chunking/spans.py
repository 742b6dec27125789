"""Spans of a document's text, and the chunks of an entry that are made of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from omnilake.models import Chunk, ExtractedDocument


@dataclass(frozen=True, slots=True)
class ChunkSpan:
    """A chunk before it has an entry: ``[start, end)`` in the document's text, and where that is.

    Section and page are those of the segment in which the chunk begins; time, speaker and date are those of the first
    turn or message in it. ``context`` is embedded and indexed with the chunk, but no part of its text.
    """

    start: int
    end: int
    tokens: int
    section: str = ""
    page: int | None = None
    time_s: float | None = None
    speaker: str | None = None
    posted_at: float | None = None
    context: str = ""
    parent_start: int | None = None
    parent_end: int | None = None


def to_chunks(
    spans: Sequence[ChunkSpan],
    document: ExtractedDocument,
    *,
    entry_id: str,
    version: str,
    source: str,
    media_type: str = "",
    source_type: str = "",
    received_at: str = "",
    effective_on: str = "",
    labels: Sequence[str] = (),
) -> list[Chunk]:
    """Chunks of an entry version, numbered from 0. The id is a hash of place and text.

    What the document is and when it came stands with each of them, for filters (see :class:`~omnilake.models.Chunk`).
    """
    return [
        Chunk(
            chunk_id=chunk_id(entry_id, version, span.start, span.end, document.text[span.start : span.end]),
            entry_id=entry_id,
            version=version,
            ordinal=ordinal,
            start=span.start,
            end=span.end,
            tokens=span.tokens,
            text=document.text[span.start : span.end],
            context=span.context,
            title=document.title,
            source=source,
            section=span.section,
            page=span.page,
            time_s=span.time_s,
            posted_at=span.posted_at,
            speaker=span.speaker,
            parent_start=span.parent_start,
            parent_end=span.parent_end,
            media_type=media_type,
            source_type=source_type,
            received_at=received_at,
            effective_on=effective_on,
            labels=list(labels),
        )
        for ordinal, span in enumerate(spans)
    ]


def chunk_id(entry_id: str, version: str, start: int, end: int, text: str) -> str:
    """First 32 hex digits of the SHA-256 over the JSON list of entry, version, offsets and the text's SHA-256."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    identity = json.dumps([entry_id, version, start, end, digest], separators=(",", ":"))
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
