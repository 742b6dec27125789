"""Cutting prose: sections, paragraphs and lists packed whole, tables kept whole with their header where they fit.

A heading stays with what follows it. A chunk that is half full ends where a section begins; smaller sections share one.
A table that is longer than a chunk is cut between its rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial

from omnilake.chunking import boundaries
from omnilake.chunking.blocks import NEVER, SECTION, Block, leaf, with_headings
from omnilake.models import Segment, SegmentKind

_LINE = re.compile(r"\S(?:[^\n]*\S)?")
_RULE = re.compile(r"[\s|:+=-]+")


def blocks(text: str, segments: Sequence[Segment]) -> Iterator[Block]:
    """Blocks of a document whose segments are complete and in order."""
    table: list[tuple[int, Segment]] = []
    for start, segment in with_headings(segments):
        heads = start < segment.start
        if table and (heads or not _same_table(table[-1][1], segment)):
            yield _table(table)
            table = []
        if segment.kind == SegmentKind.ROW:
            table.append((start, segment))
        elif segment.kind == SegmentKind.TABLE:
            border = SECTION if heads else NEVER
            yield Block(start, segment.end, border=border, parts=partial(_lines, text, start, segment))
        else:
            opens = heads or segment.kind == SegmentKind.HEADING
            yield leaf(segment, start=start, border=SECTION if opens else NEVER)
    if table:
        yield _table(table)


def header_line(text: str, table: Segment) -> str:
    """The column names of a table that is one segment: as extraction told them, or the line above its rule."""
    if table.header:
        return table.header
    head = [line.group() for line, _ in zip(_LINE.finditer(text, table.start, table.end), range(2), strict=False)]
    ruled = len(head) == 2 and "-" in head[1] and _RULE.fullmatch(head[1])
    return head[0].strip() if ruled else ""


def _same_table(row: Segment, other: Segment) -> bool:
    return other.kind == SegmentKind.ROW and (row.header, row.section) == (other.header, other.section)


def _table(rows: Sequence[tuple[int, Segment]]) -> Block:
    start, first = rows[0]
    border = SECTION if start < first.start else NEVER
    if len(rows) == 1:
        return leaf(first, start=start, border=border)
    return Block(start, rows[-1][1].end, border=border, parts=partial(_rows, rows))


def _rows(rows: Sequence[tuple[int, Segment]]) -> Iterator[Block]:
    for start, row in rows:
        yield leaf(row, start=start)


def _lines(text: str, start: int, table: Segment) -> Iterator[Block]:
    """A table line by line; column names and rule stay with the first row."""
    heads = 2 if header_line(text, table) else 0
    begin: int | None = start
    for number, line in enumerate(_LINE.finditer(text, table.start, table.end)):
        begin = line.start() if begin is None else begin
        if number >= heads or line.end() == table.end:
            yield Block(begin, line.end(), cuts=boundaries.cells)
            begin = None
