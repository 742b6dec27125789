"""Cutting to windows of equal size: as many tokens as a chunk may have, each beginning in the overlap of the last.

Nothing of the document's structure is looked at, so that windows are of equal size whatever it is. Only a word is not
cut: a window ends after the last whole word that fits, and begins with a whole word, wherever there is white space.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omnilake.chunking import boundaries
from omnilake.chunking.blocks import Block
from omnilake.models import Segment


def blocks(segments: Sequence[Segment]) -> Iterator[Block]:
    """One block, of all the text."""
    if segments:
        yield Block(segments[0].start, segments[-1].end, cuts=boundaries.words)
