"""Cutting code along the nesting of its definitions, which extraction found by syntax tree.

The section of a segment is its place in the tree, "path > Class > method". A definition that fits is kept whole, with
all that it contains; siblings share a chunk. One that does not fit is cut between the definitions in it, else at empty
lines, else where a statement begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby, takewhile

from omnilake.chunking.blocks import Block, leaf, with_headings
from omnilake.models import Segment

_SEPARATOR = " > "
_MAX_DEPTH = 16
"""Definitions nested deeper are siblings."""


def blocks(segments: Sequence[Segment]) -> Iterator[Block]:
    """Blocks of a document whose segments are complete and in order."""
    placed = [(start, segment, segment.section.split(_SEPARATOR)) for start, segment in with_headings(segments)]
    return _level(placed, 0)


def common_section(sections: Sequence[str]) -> str:
    """The innermost place in the tree that holds all of the given ones."""
    paths = [section.split(_SEPARATOR) for section in dict.fromkeys(sections)]
    shared = takewhile(lambda names: len(set(names)) == 1, zip(*paths, strict=False))
    return _SEPARATOR.join(names[0] for names in shared)


_Placed = tuple[int, Segment, list[str]]


def _level(placed: Sequence[_Placed], depth: int) -> Iterator[Block]:
    """Blocks of the children of a place ``depth`` names deep."""

    def child(each: _Placed) -> str | None:
        return each[2][depth] if depth < min(len(each[2]), _MAX_DEPTH) else None

    for name, run in groupby(placed, key=child):
        group = list(run)
        if name is None or len(group) == 1:
            for start, segment, _ in group:
                yield leaf(segment, start=start)
        else:
            yield Block(group[0][0], group[-1][1].end, parts=partial(_level, group, depth + 1))
