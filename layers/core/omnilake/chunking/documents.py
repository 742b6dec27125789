"""From a document to spans, in the way that its kind and the archive's configuration ask for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from omnilake.chunking import code, conversation, fixed, rows, structure, transcript
from omnilake.chunking.blocks import Block
from omnilake.chunking.packing import Packer, Span
from omnilake.chunking.parents import within
from omnilake.chunking.spans import ChunkSpan
from omnilake.chunking.tokens import Encode, TokenIndex
from omnilake.embedding.passages import contextual_header
from omnilake.models import ChunkingConfig, ExtractedDocument, Processor, Segment, SegmentKind

_SPOKEN = (SegmentKind.TURN, SegmentKind.MESSAGE)


def chunk(document: ExtractedDocument, config: ChunkingConfig, encode: Encode) -> list[ChunkSpan]:
    """Cut a document into chunks. Deterministic; time grows linearly with the text.

    Args:
        document: segments in order, not overlapping; text outside of them is treated as paragraphs.
        config: the way, and sizes in tokens. An overlap beyond half a chunk is taken as half a chunk.
        encode: of the embedding model; called on windows of about 16,000 characters and on single chunks.
    Returns:
        Spans by start; together they cover every character but white space, none lies within another, none has more
        than ``max_tokens`` tokens when it is tokenised alone, none is empty. With ``parent_tokens`` each lies in one
        parent; parents do not overlap and have at most so many tokens. Empty when the text has no token at all.
    """
    text = document.text
    segments = list(_complete(document))
    index = TokenIndex(text, encode)
    if not index:
        return []
    kind = way(document.processor, config)

    def pack(some: Sequence[Segment], max_tokens: int, overlap_tokens: int) -> list[Span]:
        packer = Packer(text, index, encode, max_tokens=max_tokens, overlap_tokens=overlap_tokens)
        for block in _blocks(kind, text, some, config):
            packer.add(block)
        return packer.finish()

    places = _Places(document, segments, config, whole_sections=kind == "code")
    if config.parent_tokens is None:
        return [places.locate(span, None) for span in pack(segments, config.max_tokens, config.overlap_tokens)]
    parents = pack(segments, config.parent_tokens, 0)
    return [
        places.locate(span, parent)
        for parent, held in within(segments, parents)
        for span in pack(held, config.max_tokens, config.overlap_tokens)
    ]


def way(processor: Processor, config: ChunkingConfig) -> str:
    """The way of cutting: what the configuration says, or what fits the processor."""
    if config.kind != "auto":
        return config.kind
    return "structure" if processor == Processor.PROSE else processor.value


def _blocks(kind: str, text: str, segments: Sequence[Segment], config: ChunkingConfig) -> Iterator[Block]:
    match kind:
        case "fixed":
            return fixed.blocks(segments)
        case "conversation":
            return conversation.blocks(segments, config.gap_minutes * 60)
        case "transcript":
            return transcript.blocks(segments)
        case "code":
            return code.blocks(segments)
        case "rows":
            return rows.blocks(text, segments)
        case _:
            return structure.blocks(text, segments)


class _Places:
    """Where spans stand in a document."""

    def __init__(
        self, document: ExtractedDocument, segments: Sequence[Segment], config: ChunkingConfig, *, whole_sections: bool
    ) -> None:
        self._document = document
        self._segments = segments
        self._starts = [segment.start for segment in segments]
        self._with_context = config.contextual_headers
        self._whole_sections = whole_sections

    def locate(self, span: Span, parent: Span | None) -> ChunkSpan:
        first = bisect_right(self._starts, span.start) - 1
        opening = self._segments[first]
        content = opening
        for number in range(first, bisect_right(self._starts, span.end - 1)):
            content = self._segments[number]
            if content.kind != SegmentKind.HEADING:
                break
        section = self._common_section(first, span.end) if self._whole_sections else opening.section
        return ChunkSpan(
            span.start,
            span.end,
            span.tokens,
            section=section,
            page=opening.page,
            time_s=content.time_s,
            speaker=content.speaker,
            posted_at=content.posted_at,
            context=self._context(span, section, content) if self._with_context else "",
            parent_start=None if parent is None else parent.start,
            parent_end=None if parent is None else parent.end,
        )

    def _common_section(self, first: int, end: int) -> str:
        last = bisect_right(self._starts, end - 1)
        return code.common_section([self._segments[number].section for number in range(first, last)])

    def _context(self, span: Span, section: str, content: Segment) -> str:
        """What the span's own text does not say: see ``embedding.passages``."""
        text = self._document.text
        header = speaker = ""
        if content.kind == SegmentKind.ROW:
            header = content.header or ""
        elif content.kind == SegmentKind.TABLE:
            header = structure.header_line(text, content)
        elif content.kind in _SPOKEN and span.start > content.start:
            speaker = content.speaker or ""
        if header and text.startswith(header, content.start, span.end) and span.start <= content.start:
            header = ""
        return contextual_header(self._document.title, section, header=header, speaker=speaker)


def _complete(document: ExtractedDocument) -> Iterator[Segment]:
    """The segments, with paragraphs for the text that none covers."""
    text, position = document.text, 0
    for segment in document.segments:
        if gap := _trim(text, position, segment.start):
            yield Segment(start=gap[0], end=gap[1], kind=SegmentKind.PARAGRAPH)
        yield segment
        position = segment.end
    if gap := _trim(text, position, len(text)):
        yield Segment(start=gap[0], end=gap[1], kind=SegmentKind.PARAGRAPH)


def _trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None
