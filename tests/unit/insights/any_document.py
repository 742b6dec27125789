"""Documents and answers whose content does not matter to a test."""

from __future__ import annotations

from typing import Any

from omnilake.insights.excerpt import Excerpt, excerpt
from omnilake.models import ExtractedDocument, Processor, Segment, SegmentKind

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "severity": {"type": "integer", "minimum": 1, "maximum": 4},
        "team": {"type": "string", "maxLength": 40},
        "closed": {"type": "string", "format": "date"},
        "ports": {"type": "array", "items": {"$ref": "#/$defs/port"}},
    },
    "required": ["team"],
    "additionalProperties": False,
    "$defs": {"port": {"type": "string", "enum": ["Oslo", "Bergen"]}},
}

ANSWER: dict[str, Any] = {
    "title": "Incident at the pier",
    "summary": "A gauge failed and was replaced.",
    "tags": ["gauge", "Incident"],
    "entities": [{"name": "Oslo", "kind": "place"}],
    "dates": ["2026-03-17"],
    "fields": {"severity": 2, "team": "Harbour", "closed": "2026-03-18", "ports": ["Oslo"]},
}
"""An answer that fits ``SCHEMA``."""

TEXT = """The gauge at the pier of Oslo failed on 17 March 2026. The duty officer replaced the gauge within an hour.
A gauge is replaced when its readings stop. The harbour office keeps two spare gauges in the cellar of the old mill."""


def document(text: str = TEXT, **changes: Any) -> ExtractedDocument:
    """One paragraph of a text, unless told otherwise."""
    whole: dict[str, Any] = {
        "media_type": "text/plain",
        "title": "Incident at the pier",
        "text": text,
        "segments": [Segment(start=0, end=len(text), kind=SegmentKind.PARAGRAPH)],
    }
    return ExtractedDocument(**(whole | changes))


def rows(header: str, *lines: str, **changes: Any) -> ExtractedDocument:
    """A table, as the reader of CSV files renders it."""
    segments, start = [], 0
    for line in lines:
        segments.append(Segment(start=start, end=start + len(line), kind=SegmentKind.ROW, header=header))
        start += len(line) + 1
    return document("\n".join(lines), segments=segments, processor=Processor.ROWS, **changes)


def read(of: ExtractedDocument, max_tokens: int = 6_000) -> Excerpt:
    """What is read of it."""
    return excerpt(of.text, max_tokens)
