"""Cutting conversations: windows of messages, by thread and pause.

A thread is a window, however long its pauses are: an answer that comes a day later still answers its question. Other
messages share a window until a pause. No chunk holds messages of two windows; one that is too long for a chunk is cut
between messages, with whole messages as overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from omnilake.chunking.blocks import ALWAYS, Block, leaf, with_headings
from omnilake.models import Segment, SegmentKind


def blocks(segments: Sequence[Segment], gap_s: float) -> Iterator[Block]:
    """Blocks of a document whose segments are complete and in order.

    Args:
        gap_s: a longer pause between two messages outside of threads ends a window, seconds.
    """
    for window in _windows(segments, gap_s):
        yield Block(window[0].start, window[-1].end, border=ALWAYS, parts=partial(_messages, window))


def _windows(segments: Sequence[Segment], gap_s: float) -> Iterator[Sequence[Segment]]:
    window: list[Segment] = []
    last: Segment | None = None  # message of the window
    for segment in segments:
        begins = last is not None and _begins(last, segment, gap_s)
        if begins:
            yield window
            window, last = [], None
        window.append(segment)
        if segment.kind == SegmentKind.MESSAGE:
            last = segment
    if window:
        yield window


def _begins(last: Segment, segment: Segment, gap_s: float) -> bool:
    """Whether a window begins with a segment behind a message. What is no message goes on with the window; a heading
    is the first line of the message below it where it has that one's thread and time (the line of a day), else it
    begins a topic."""
    if segment.kind == SegmentKind.HEADING and segment.posted_at is None and not segment.thread:
        return True
    if segment.kind not in (SegmentKind.MESSAGE, SegmentKind.HEADING):
        return False
    if last.thread or segment.thread:
        return last.thread != segment.thread
    if last.posted_at is None or segment.posted_at is None:
        return False
    return abs(segment.posted_at - last.posted_at) > gap_s


def _messages(window: Sequence[Segment]) -> Iterator[Block]:
    for start, segment in with_headings(window):
        yield leaf(segment, start=start, overlaps=segment.kind == SegmentKind.MESSAGE)
