"""Parents: the larger spans that chunks lie in, cut along the same blocks as the chunks.

Parents cover the text and never overlap; a chunk lies in exactly one. A block that fits in a parent is not cut by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omnilake.chunking.packing import Span
from omnilake.models import Segment


def within(segments: Sequence[Segment], parents: Sequence[Span]) -> Iterator[tuple[Span, list[Segment]]]:
    """Each parent with its segments; those that lie in more than one parent are shortened to each.

    Args:
        segments: complete and in order.
        parents: by start, not overlapping.
    """
    first = 0
    for parent in parents:
        while segments[first].end <= parent.start:
            first += 1
        held: list[Segment] = []
        for number in range(first, len(segments)):
            segment = segments[number]
            if segment.start >= parent.end:
                break
            start, end = max(segment.start, parent.start), min(segment.end, parent.end)
            cut = (start, end) != (segment.start, segment.end)
            held.append(segment.model_copy(update={"start": start, "end": end}) if cut else segment)
        yield parent, held
