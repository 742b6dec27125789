"""What a way of cutting tells the packer: the parts of a document that belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from omnilake.chunking import boundaries
from omnilake.chunking.boundaries import Cuts
from omnilake.models import Segment, SegmentKind

ALWAYS = 0.0
SECTION = 0.5
NEVER = 2.0


@dataclass(frozen=True, slots=True)
class Block:
    """``[start, end)`` of a text, to be kept in one chunk where it fits.

    Attributes:
        border: a chunk that is filled to this share ends before the block: ``ALWAYS``, ``SECTION`` (half full),
            ``NEVER`` (it ends only where the block does not fit).
        parts: the blocks it consists of, for the case that it does not fit in a chunk; together they cover it.
        cuts: where it may be cut when it does not fit and has no parts.
        overlaps: whether the chunk behind the one that ends with it may begin with it again, as a whole.
    """

    start: int
    end: int
    border: float = NEVER
    parts: Callable[[], Iterator[Block]] | None = None
    cuts: Cuts = boundaries.prose
    overlaps: bool = False


def leaf(segment: Segment, *, start: int | None = None, border: float = NEVER, overlaps: bool = False) -> Block:
    """A segment as a block without parts.

    Args:
        start: where it begins, when that is with the headings before the segment.
    """
    begin = segment.start if start is None else start
    return Block(begin, segment.end, border=border, cuts=boundaries.of(segment.kind), overlaps=overlaps)


def with_headings(segments: Sequence[Segment]) -> Iterator[tuple[int, Segment]]:
    """Each segment that is no heading, with the start of the headings right above it; headings at the end alone."""
    start: int | None = None
    for number, segment in enumerate(segments):
        start = segment.start if start is None else start
        if segment.kind != SegmentKind.HEADING or number == len(segments) - 1:
            yield start, segment
            start = None
