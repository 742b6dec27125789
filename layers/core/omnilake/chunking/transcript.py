"""Cutting transcripts: windows of whole turns, which overlap by whole turns.

A window that is half full ends where a chapter begins (a heading). A turn longer than a chunk is cut after a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omnilake.chunking.blocks import NEVER, SECTION, Block, leaf, with_headings
from omnilake.models import Segment, SegmentKind


def blocks(segments: Sequence[Segment]) -> Iterator[Block]:
    """Blocks of a document whose segments are complete and in order."""
    for start, segment in with_headings(segments):
        opens = start < segment.start or segment.kind == SegmentKind.HEADING
        border = SECTION if opens else NEVER
        yield leaf(segment, start=start, border=border, overlaps=segment.kind == SegmentKind.TURN)
