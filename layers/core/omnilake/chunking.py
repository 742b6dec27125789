"""Text to chunks: along the document's own structure, sized in tokens of the embedding model.

Whole paragraphs, rows and turns are packed up to ``max_tokens``; a heading stays with what follows it; a section that
has filled half a chunk ends it. Only what is longer than a chunk is cut: after a sentence, else between words, else
between tokens, and only such cuts overlap.

The text is tokenised once, in windows; cuts are then found by position. A chunk that begins or ends inside a word is
tokenised once more by itself, because a part of a word has other tokens than the word.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from omnilake.models import Chunk, ChunkingConfig, ExtractedDocument, Segment, SegmentKind

Encode = Callable[[str], list[tuple[int, int]]]
"""Character spans of the tokens of a text, in order, without special tokens. Byte-level tokenisers give several tokens
for one character; they count one by one, at one place."""

_WINDOW_CHARACTERS = 16_384
_MAX_TOKEN_CHARACTERS = 64
"""A word of more characters becomes one unknown token in WordPiece; it is cut to pieces of this length and counted by
them, so that a megabyte of base64 is not one token."""

_CUTS = (
    re.compile(r"[.!?…][\"'”’)\]]*\s+|[。！？｡]+|\n[^\S\n]*\n\s*"),  # sentences and paragraphs
    re.compile(r"\n\s*"),  # lines
)
_MIN_FILL = 3
"""A cut leaves at least a third of a chunk before it; if no sentence ends there it is between words, else in one."""
_FULL_SHARE = 2
"""A chunk that is half full ends where a section begins; smaller sections share a chunk."""
_SMALL_SHARE = 8
"""What fills less than an eighth of a chunk joins the long text behind it."""
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")


@dataclass(frozen=True, slots=True)
class ChunkSpan:
    """A chunk before it has an entry: ``[start, end)`` in the document's text, and where that is.

    Section, page, time and speaker are those of the segment in which the chunk begins.
    """

    start: int
    end: int
    tokens: int
    section: str = ""
    page: int | None = None
    time_s: float | None = None
    speaker: str | None = None


def chunk(document: ExtractedDocument, config: ChunkingConfig, encode: Encode) -> list[ChunkSpan]:
    """Cut a document into chunks. Deterministic; time grows linearly with the text.

    Args:
        document: segments in order, not overlapping; text outside of them is treated as paragraphs.
        config: sizes in tokens. An overlap beyond half a chunk is taken as half a chunk.
        encode: of the embedding model; called on windows of about 16,000 characters.
    Returns:
        Spans by start; together they cover every character but white space, none lies within another, none has more
        than ``max_tokens`` tokens, none is empty. Empty when the text has no token at all.
    """
    text = document.text
    segments = list(_complete(document))
    tokens = _Tokens(text, encode)
    if not tokens:
        return []
    cutter = _Cutter(text, tokens, config, encode)
    for first, last in _groups(segments):
        cutter.add(segments[first].start, segments[last].end, opens_section=segments[first].kind == SegmentKind.HEADING)
    starts = [segment.start for segment in segments]
    return [_locate(span, segments[bisect_right(starts, span[0]) - 1]) for span in cutter.finish()]


def to_chunks(
    spans: Sequence[ChunkSpan], document: ExtractedDocument, *, entry_id: str, version: str, source: str
) -> list[Chunk]:
    """Chunks of an entry version, numbered from 0. The id is a hash of place and text."""
    return [
        Chunk(
            chunk_id=chunk_id(entry_id, version, span.start, span.end, document.text[span.start : span.end]),
            entry_id=entry_id,
            version=version,
            ordinal=ordinal,
            start=span.start,
            end=span.end,
            tokens=span.tokens,
            text=document.text[span.start : span.end],
            title=document.title,
            source=source,
            section=span.section,
            page=span.page,
            time_s=span.time_s,
            speaker=span.speaker,
        )
        for ordinal, span in enumerate(spans)
    ]


def chunk_id(entry_id: str, version: str, start: int, end: int, text: str) -> str:
    """First 32 hex digits of the SHA-256 over the JSON list of entry, version, offsets and the text's SHA-256."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    identity = json.dumps([entry_id, version, start, end, digest], separators=(",", ":"))
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _locate(span: tuple[int, int, int], segment: Segment) -> ChunkSpan:
    start, end, tokens = span
    return ChunkSpan(start, end, tokens, segment.section, segment.page, segment.time_s, segment.speaker)


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


def _groups(segments: Sequence[Segment]) -> Iterator[tuple[int, int]]:
    """First and last segment of what belongs together: a segment, with the headings right above it."""
    first = 0
    for number, segment in enumerate(segments):
        if segment.kind != SegmentKind.HEADING:
            yield first, number
            first = number + 1
    if first < len(segments):
        yield first, len(segments) - 1


class _Tokens:
    """Starts and ends of all tokens of a text, as two arrays of 4 bytes a token.

    ``seams`` are places inside a word where the text was cut to be tokenised: counts across them are estimates.
    """

    def __init__(self, text: str, encode: Encode) -> None:
        self.starts = array("I")
        self.ends = array("I")
        self.seams = array("I")
        for start, end in _windows(text):
            if inside_word(text, end):
                self.seams.append(end)
            spans = encode(text[start:end])
            if any(token_end - token_start > _MAX_TOKEN_CHARACTERS for token_start, token_end in spans):
                for token_start, token_end in spans:
                    self._append(text, start + token_start, start + token_end, encode)
            else:
                self.starts.extend([start + token_start for token_start, _ in spans])
                self.ends.extend([start + token_end for _, token_end in spans])
        self._count_dropped_runs(text)
        self.seams = array("I", sorted(self.seams))

    def __len__(self) -> int:
        return len(self.starts)

    def _append(self, text: str, start: int, end: int, encode: Encode) -> None:
        if end - start <= _MAX_TOKEN_CHARACTERS:
            self._push(start, end)
            return
        for piece in range(start, end, _MAX_TOKEN_CHARACTERS):
            stop = min(piece + _MAX_TOKEN_CHARACTERS, end)
            if piece > start:
                self.seams.append(piece)
            for inner_start, inner_end in encode(text[piece:stop]) or [(0, stop - piece)]:
                self._push(piece + inner_start, piece + inner_end)

    def _push(self, start: int, end: int) -> None:
        self.starts.append(start)
        self.ends.append(end)

    def _count_dropped_runs(self, text: str) -> None:
        """Count long runs that the tokeniser drops (control and zero-width characters) like words, so that no chunk
        grows without bound by them."""
        gaps = zip(chain((0,), self.ends), chain(self.starts, (len(text),)), strict=True)
        if not any(start - end > _MAX_TOKEN_CHARACTERS for end, start in gaps):
            return
        covered = 0
        runs: list[tuple[int, int]] = []
        for number in range(len(self.starts) + 1):
            start = self.starts[number] if number < len(self.starts) else len(text)
            if start - covered > _MAX_TOKEN_CHARACTERS:
                for run in re.finditer(r"\S+", text[covered:start]):
                    stop = covered + run.end()
                    pieces = range(covered + run.start(), stop, _MAX_TOKEN_CHARACTERS)
                    runs += [(piece, min(piece + _MAX_TOKEN_CHARACTERS, stop)) for piece in pieces]
            if number < len(self.ends):
                covered = max(covered, self.ends[number])
        if runs:
            merged = sorted([*zip(self.starts, self.ends, strict=True), *runs])
            self.starts = array("I", (start for start, _ in merged))
            self.ends = array("I", (end for _, end in merged))


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Consecutive parts of about 16,000 characters, cut at white space where there is any."""
    start = 0
    while start < len(text):
        end = min(start + _WINDOW_CHARACTERS, len(text))
        if end < len(text):
            cut = end
            while cut > start + _WINDOW_CHARACTERS // 2 and not text[cut].isspace():
                cut -= 1
            end = cut if text[cut].isspace() else end
        yield start, end
        start = end


def inside_word(text: str, position: int) -> bool:
    """Whether a cut at a position has text right before and right after it."""
    return 0 < position < len(text) and not text[position - 1].isspace() and not text[position].isspace()


class _Cutter:
    """Packs spans into chunks, and cuts those that are longer than one."""

    def __init__(self, text: str, tokens: _Tokens, config: ChunkingConfig, encode: Encode) -> None:
        self._text = text
        self._tokens = tokens
        self._encode = encode
        self._max = config.max_tokens
        self._overlap = min(config.overlap_tokens, config.max_tokens // 2)
        self._max_characters = config.max_tokens * _MAX_TOKEN_CHARACTERS
        self._open: tuple[int, int] | None = None
        self._done: list[tuple[int, int, int]] = []

    def add(self, start: int, end: int, *, opens_section: bool) -> None:
        """Append ``[start, end)`` to the open chunk where it fits, else begin a new one."""
        if self._open is not None:
            held = self._indexed(*self._open)
            ends_section = opens_section and held * _FULL_SHARE >= self._max
            if not ends_section and self._fits(self._open[0], end):
                self._open = (self._open[0], end)
                return
            # Two or three words before something long, and what has no token at all, are no chunk of their own.
            if held == 0 or (not opens_section and held * _SMALL_SHARE <= self._max and not self._fits(start, end)):
                start, self._open = self._open[0], None
            else:
                self._close()
        if self._fits(start, end):
            self._open = (start, end)
        else:
            self._split(start, end)

    def finish(self) -> list[tuple[int, int, int]]:
        """All chunks: start, end, tokens."""
        if self._open is not None and self._done and not self._indexed(*self._open):
            # No token is left to embed: the characters go to the chunk before them.
            start, _, count = self._done.pop()
            self._done.append((start, self._open[1], count))
        else:
            self._close()
        return self._done

    def _close(self) -> None:
        if self._open is not None:
            start, end = self._open
            self._done.append((start, end, self._count(start, end)))
            self._open = None

    def _indexed(self, start: int, end: int) -> int:
        """Tokens that begin in ``[start, end)`` of the text as it was tokenised once."""
        return bisect_left(self._tokens.starts, end) - bisect_left(self._tokens.starts, start)

    def _count(self, start: int, end: int) -> int:
        """Tokens of ``text[start:end]``: by the index, or tokenised anew where the index can't know."""
        seams = self._tokens.seams
        uncertain = (
            inside_word(self._text, start)
            or inside_word(self._text, end)
            or bisect_left(seams, end) > bisect_right(seams, start)
        )
        return len(self._encode(self._text[start:end])) if uncertain else self._indexed(start, end)

    def _fits(self, start: int, end: int) -> bool:
        return (
            end - start <= self._max_characters
            and self._indexed(start, end) <= self._max
            and self._count(start, end) <= self._max
        )

    def _split(self, start: int, end: int) -> None:
        """Cut ``[start, end)`` into chunks; the last one stays open, so that what follows may join it."""
        boundaries = [_positions(pattern, self._text, start, end) for pattern in _CUTS]
        previous_cut = start
        while not self._fits(start, end):
            cut = self._cut(start, end, previous_cut, boundaries)
            if cut is None:
                # The part of a word that overlaps has so many tokens of its own that nothing new fits beside it.
                start = previous_cut
                continue
            if self._indexed(cut, end) == 0:
                break
            stop = self._before(cut)
            self._done.append((start, stop, self._count(start, stop)))
            start, previous_cut = self._resume(start, cut, boundaries), cut
        self._open = (start, end)

    def _cut(self, start: int, end: int, previous_cut: int, boundaries: Sequence[Sequence[int]]) -> int | None:
        """Where a chunk from ``start`` ends: behind ``previous_cut``, before ``end``, with room for its tokens."""
        starts, ends = self._tokens.starts, self._tokens.ends
        first, last = bisect_left(starts, start), bisect_left(starts, end)
        fill = first + max(1, self._max // _MIN_FILL)
        stop = min(first + self._max, bisect_right(ends, start + self._max_characters), last - 1)
        stop = max(stop, first + 1)
        lowest = max(starts[min(fill, stop)], previous_cut + 1)
        for positions in boundaries:
            # ``stop`` may begin later than a boundary right before it: only white space lies between.
            found = bisect_right(positions, starts[stop]) - 1
            if found >= 0 and positions[found] >= lowest and self._fits(start, self._before(positions[found])):
                return positions[found]
        for token in range(stop, min(fill, stop), -1):
            if starts[token] < lowest:
                break
            if self._text[starts[token] - 1].isspace() and self._fits(start, self._before(starts[token])):
                return starts[token]
        while stop > first + 1:
            place = self._whole_character(starts[stop], max(start, previous_cut))
            excess = self._count(start, self._before(place)) - self._max
            if excess <= 0 or place <= previous_cut:
                break
            stop = max(first + 1, stop - max(1, excess))
        place = self._whole_character(starts[stop], max(start, previous_cut))
        return place if place > max(start, previous_cut) else self._next_place(start, previous_cut, end)

    def _next_place(self, start: int, previous_cut: int, end: int) -> int | None:
        """The first token boundary behind both, for tokens that share one place; None to go on without overlap."""
        if previous_cut > start:
            return None
        following = bisect_right(self._tokens.starts, start)
        return self._tokens.starts[following] if following < len(self._tokens) else end

    def _whole_character(self, position: int, lowest: int) -> int:
        """A place at or before a position that does not part an accent or an emoji's parts from what they belong to."""
        place = position
        while place > lowest and _continues(self._text, place):
            place -= 1
        return place if place > lowest else position

    def _before(self, cut: int) -> int:
        """End of the text before a cut."""
        while cut > 0 and self._text[cut - 1].isspace():
            cut -= 1
        return cut

    def _resume(self, start: int, cut: int, boundaries: Sequence[Sequence[int]]) -> int:
        """Where the chunk after a cut begins: at a sentence, line or word within the overlap, else at the cut."""
        starts = self._tokens.starts
        token = bisect_left(starts, cut)
        earliest = max(token - self._overlap, bisect_right(starts, start))
        if self._overlap and earliest < token:
            for positions in boundaries:
                found = bisect_left(positions, starts[earliest])
                if found < len(positions) and start < positions[found] < cut:
                    return self._after(positions[found])
            for candidate in range(earliest, token):
                if self._text[starts[candidate] - 1].isspace():
                    return starts[candidate]
        return self._after(cut)

    def _after(self, position: int) -> int:
        while self._text[position].isspace():
            position += 1
        return position


def _positions(pattern: re.Pattern[str], text: str, start: int, end: int) -> array[int]:
    """Ends of a pattern's matches within a span: where the next sentence or line begins."""
    return array("I", (match.end() for match in pattern.finditer(text, start, end) if start < match.end() < end))


def _continues(text: str, position: int) -> bool:
    """Whether the character at a position is shown as a part of the one before it."""
    character = text[position]
    return (
        unicodedata.category(character) in {"Mn", "Mc", "Me"}
        or character in _JOINERS
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or text[position - 1] == "\u200d"
    )
