"""Cutting records: whole rows of one table packed, and apart from them what describes the table.

The column names are the chunks' context. Rows stand for themselves, so only a row that is cut overlaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby

from omnilake.chunking import structure
from omnilake.chunking.blocks import ALWAYS, Block
from omnilake.models import Segment, SegmentKind


def blocks(text: str, segments: Sequence[Segment]) -> Iterator[Block]:
    """Blocks of a document whose segments are complete and in order."""
    heads: list[Segment] = []
    for table, run in groupby(segments, key=_table):
        group = [*heads, *run]
        heads = []
        if table is None:
            # Headings right above a table stay with its first row.
            while group and group[-1].kind == SegmentKind.HEADING:
                heads.insert(0, group.pop())
        if group:
            yield _together(text, group)
    if heads:
        yield _together(text, heads)


def _table(segment: Segment) -> tuple[str | None, str] | None:
    return (segment.header, segment.section) if segment.kind == SegmentKind.ROW else None


def _together(text: str, segments: Sequence[Segment]) -> Block:
    return Block(segments[0].start, segments[-1].end, border=ALWAYS, parts=partial(structure.blocks, text, segments))
