"""Plain text: paragraphs between empty lines. The stored text is the source itself."""

from __future__ import annotations

import re

from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.structure import SpanRecorder
from omnilake.models import ExtractedDocument

_PARAGRAPH_BREAK = re.compile(r"\n[^\S\n]*\n\s*")
_MIN_PARAGRAPH_CHARACTERS = 200
"""Shorter neighbours make one segment: a file of a million one-word paragraphs stays small in memory, and a chunk
holds several of them anyway."""


def read_plain(text: str, title: str, limits: ExtractionLimits) -> ExtractedDocument:
    """Document of a normalised plain text. Linear.

    Raises:
        NoTextFound: white space alone.
        DocumentTooLarge: longer than the limits allow.
    """
    recorder = SpanRecorder(text, limits)
    start = 0
    for gap in _PARAGRAPH_BREAK.finditer(text):
        if gap.start() - start >= _MIN_PARAGRAPH_CHARACTERS:
            recorder.add(start, gap.start())
            start = gap.end()
    recorder.add(start, len(text))
    return recorder.finish("text/plain", title)
