"""Recording text and its structure: the two ways in which every format ends up as an ``ExtractedDocument``.

``SpanRecorder``   for formats whose source is the text itself (plain text, Markdown): spans point into the source.
``TextRecorder``   for formats whose text is composed (HTML, PDF, DOCX, CSV, subtitles): blocks are appended in order.
"""

from __future__ import annotations

import re
from typing import Any

from omnilake.errors import DocumentTooLarge, NoTextFound
from omnilake.extraction.limits import ExtractionLimits
from omnilake.models import ExtractedDocument, Segment, SegmentKind

MAX_HEADING_CHARACTERS = 160
"""A longer heading is cut in ``Segment.section`` and in titles (never in the text)."""

_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
# Control characters carry no text; lone surrogates (PDF fonts yield them) can't be stored as UTF-8.
_UNSTORABLE = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f\ufeff\ufffe\uffff\ud800-\udfff]")

# Blocks of these kinds follow one another on the next line; all others are set apart by an empty line.
_COMPACT = {SegmentKind.ROW, SegmentKind.LIST, SegmentKind.TURN, SegmentKind.MESSAGE}


def normalise(text: str) -> str:
    """Text with ``\\n`` line ends and without NUL, other control characters, BOMs and lone surrogates. Linear."""
    if _LINE_ENDS.search(text):
        text = _LINE_ENDS.sub("\n", text)
    return _UNSTORABLE.sub("", text) if _UNSTORABLE.search(text) else text


def fold(text: str) -> str:
    """Text on one line: every run of white space becomes one blank, none at the ends."""
    return " ".join(text.split())


def label(text: str) -> str:
    """A heading as it stands in a section path or a title: one line, cut to ``MAX_HEADING_CHARACTERS``."""
    folded = fold(text)
    return folded if len(folded) <= MAX_HEADING_CHARACTERS else folded[: MAX_HEADING_CHARACTERS - 1].rstrip() + "…"


class _Recorder:
    """Section path, limits and segments, shared by both ways in."""

    def __init__(self, limits: ExtractionLimits) -> None:
        self._limits = limits
        self._headings: list[tuple[int, str]] = []
        self.section = ""
        self.first_heading = ""
        self.segments: list[Segment] = []

    def _enter(self, level: int, heading: str) -> None:
        """Make a heading the current section: it ends all sections of its own and deeper levels."""
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        self._headings.append((level, label(heading)))
        self.first_heading = self.first_heading or label(heading)
        self.section = " > ".join(text for _, text in self._headings)

    def leave_sections(self) -> None:
        """End all sections: what follows stands below no heading."""
        self._headings.clear()
        self.section = ""

    def check(self, characters: int, segments: int) -> None:
        """Raise ``DocumentTooLarge`` when so many characters or segments are more than the limits allow."""
        if characters > self._limits.max_characters:
            raise DocumentTooLarge(
                f"The document holds more than {self._limits.max_characters} characters of text.",
                action="Split the document.",
            )
        if segments > self._limits.max_segments:
            raise DocumentTooLarge(
                f"The document has more than {self._limits.max_segments} paragraphs or rows.",
                action="Split the document.",
            )

    def check_pages(self, pages: int) -> None:
        """Raise ``DocumentTooLarge`` when so many pages are more than the limits allow."""
        if pages > self._limits.max_pages:
            raise DocumentTooLarge(
                f"The document has more than {self._limits.max_pages} pages.", action="Split the document."
            )

    def _record(self, start: int, end: int, kind: SegmentKind, *, section: str | None = None, **fields: Any) -> None:
        self.check(0, len(self.segments) + 1)
        self.segments.append(
            Segment(start=start, end=end, kind=kind, section=self.section if section is None else section, **fields)
        )


def _finish(media_type: str, title: str, text: str, segments: list[Segment]) -> ExtractedDocument:
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise NoTextFound("The document holds no text.")
    return ExtractedDocument(media_type=media_type, title=label(title), text=text, segments=segments)


class TextRecorder(_Recorder):
    """Composes a text block by block.

    Args:
        limits: most characters and segments.
    Raises (from ``add``):
        DocumentTooLarge: more text or segments than the limits allow.
    """

    def __init__(self, limits: ExtractionLimits) -> None:
        super().__init__(limits)
        self._parts: list[str] = []
        self._length = 0

    def add(self, text: str, kind: SegmentKind = SegmentKind.PARAGRAPH, *, level: int = 0, **fields: Any) -> None:
        """Append a block. White space around it is dropped; a block of white space alone is ignored.

        Args:
            text: of the block; its inner line breaks are kept.
            level: of a heading, 1..6.
            fields: page, speaker, time_s, header of the segment; section in place of the headings above it.
        """
        text = normalise(text).strip()
        if not text:
            return
        if kind == SegmentKind.HEADING:
            self._enter(level, text)
        if self.segments:
            compact = kind in _COMPACT and self.segments[-1].kind == kind
            self._parts.append("\n" if compact else "\n\n")
            self._length += len(self._parts[-1])
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        self.check(self._length, 0)
        self._record(start, self._length, kind, level=level, **fields)

    @property
    def length(self) -> int:
        """Characters so far."""
        return self._length

    def finish(self, media_type: str, title: str) -> ExtractedDocument:
        """The document. Raises ``NoTextFound`` when no block held text."""
        return _finish(media_type, title, "".join(self._parts), self.segments)


class SpanRecorder(_Recorder):
    """Records spans of a text that stays as it is. Spans come in order; text that no span covers is kept as paragraphs.

    Args:
        text: normalised (``normalise``).
        limits: most segments and characters.
    Raises:
        DocumentTooLarge: the text is longer than the limits allow, or (from ``add``) has more segments.
    """

    def __init__(self, text: str, limits: ExtractionLimits) -> None:
        super().__init__(limits)
        self.check(len(text), 0)
        self.text = text
        self._covered = 0

    def add(
        self,
        start: int,
        end: int,
        kind: SegmentKind = SegmentKind.PARAGRAPH,
        *,
        level: int = 0,
        heading: str = "",
        **fields: Any,
    ) -> None:
        """Record ``[start, end)``, shrunk to its text and to what earlier spans left; an empty span is ignored.

        Args:
            heading: of a heading, its words without markup; the span's text when empty.
        """
        start, end = self._trim(max(start, self._covered), end)
        if start >= end:
            return
        self._fill(start)
        if kind == SegmentKind.HEADING:
            self._enter(level, heading or self.text[start:end])
        self._record(start, end, kind, level=level, **fields)
        self._covered = end

    def extend(self, end: int) -> None:
        """Let the last span reach to the text before ``end``."""
        start, end = self._trim(self._covered, end)
        if start < end and self.segments:
            self.segments[-1] = self.segments[-1].model_copy(update={"end": end})
            self._covered = end

    def _trim(self, start: int, end: int) -> tuple[int, int]:
        text = self.text
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
        return start, end

    def _fill(self, until: int) -> None:
        """Cover the text between the last span and ``until``: rules and markup alone belong to the span before them."""
        start, end = self._trim(self._covered, until)
        if start >= end:
            return
        if self.segments and not any(map(str.isalnum, self.text[start:end])):
            self.segments[-1] = self.segments[-1].model_copy(update={"end": end})
        else:
            self._record(start, end, SegmentKind.PARAGRAPH)
        self._covered = end

    def finish(self, media_type: str, title: str) -> ExtractedDocument:
        """The document. Raises ``NoTextFound`` when the text is white space alone."""
        self._fill(len(self.text))
        return _finish(media_type, title, self.text, self.segments)
