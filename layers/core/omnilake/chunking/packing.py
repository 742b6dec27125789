"""Blocks to spans of at most so many tokens.

A span takes whole blocks as long as they fit. A block that does not fit in a span of its own is packed by its parts;
one without parts is cut at the best place near the limit: where its kind prefers, else between words, else between
tokens. Cuts inside a block overlap by text, ends between blocks by whole blocks where these say so.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from omnilake.chunking.blocks import NEVER, Block
from omnilake.chunking.boundaries import Cuts, continues
from omnilake.chunking.tokens import MAX_TOKEN_CHARACTERS, Encode, TokenIndex

_MIN_FILL = 3
"""A cut leaves at least a third of a chunk before it; if its kind prefers no place there, it is between words."""
_SMALL_SHARE = 8
"""What fills less than an eighth of a chunk joins the long text behind it."""


class Span(NamedTuple):
    """``[start, end)`` of a text and its number of tokens, counted on it alone."""

    start: int
    end: int
    tokens: int


class Packer:
    """Packs the blocks of one text, in order.

    Args:
        text: which the blocks are of.
        index: its tokens.
        encode: of the same tokenizer, for counts of spans by themselves.
        max_tokens: most tokens of a span.
        overlap_tokens: most tokens that a span repeats of the one before; at most half a span.
    """

    def __init__(self, text: str, index: TokenIndex, encode: Encode, *, max_tokens: int, overlap_tokens: int) -> None:
        self._text = text
        self._index = index
        self._encode = encode
        self._max = max_tokens
        self._overlap = min(overlap_tokens, max_tokens // 2)
        self._max_characters = max_tokens * MAX_TOKEN_CHARACTERS
        self._open: tuple[int, int] | None = None
        self._repeatable: list[int] = []
        """Starts of the blocks in the open span that the next one may begin with."""
        self._done: list[Span] = []

    def add(self, block: Block) -> None:
        """Append a block to the open span where it fits, else begin a new one."""
        self._end_filled(block.border)
        if self._open is not None and self._fits(self._open[0], block.end):
            self._extend(self._open[0], block)
            return
        if block.parts is not None and not self._fits(block.start, block.end):
            self._end_filled(1 / _SMALL_SHARE)
            for part in block.parts():
                self.add(part)
            self._end_filled(1 / _SMALL_SHARE)
            return
        start = block.start
        if self._open is not None:
            held = self._index.between(*self._open)
            long = not self._fits(start, block.end)
            # Two or three words before something long, and what has no token at all, are no chunk of their own.
            if held == 0 or (long and block.border == NEVER and held * _SMALL_SHARE <= self._max):
                start, self._open = self._open[0], None
            else:
                start = self._repeated(block)
                self._close()
        if self._fits(start, block.end):
            self._extend(start, block)
        else:
            self._split(start, block.end, block.cuts)

    def finish(self) -> list[Span]:
        """All spans by start: none empty, none within another. Call it once."""
        if self._open is not None and self._done and not self._index.between(*self._open):
            # No token is left to embed: the characters go to the chunk before them.
            last = self._done.pop()
            self._done.append(last._replace(end=self._open[1]))
        else:
            self._close()
        kept: list[Span] = []
        for span in self._done:
            while kept and kept[-1].start >= span.start and kept[-1].end <= span.end:
                kept.pop()
            if not kept or span.end > kept[-1].end:
                kept.append(span)
        return kept

    def _extend(self, start: int, block: Block) -> None:
        """Make ``start`` to the block's end the open span."""
        if self._open is None:
            self._repeatable = [place for place in self._repeatable if place >= start]
        self._open = (start, block.end)
        if block.overlaps:
            self._repeatable.append(block.start)

    def _end_filled(self, share: float) -> None:
        """End the open span if it has a token and is filled to a share."""
        if self._open is not None:
            held = self._index.between(*self._open)
            if held and held >= share * self._max:
                self._close()
                self._repeatable = []

    def _repeated(self, block: Block) -> int:
        """Where the span that begins with a block begins when it repeats whole blocks of the open one."""
        if self._open is None or not self._overlap:
            return block.start
        start, end = self._open
        for place in self._repeatable:
            few = place > start and self._index.between(place, end) <= self._overlap
            if few and self._fits(place, block.end):
                return place
        return block.start

    def _close(self) -> None:
        if self._open is not None:
            self._emit(*self._open)
            self._open = None

    def _emit(self, start: int, end: int) -> None:
        """Record a span, counted by itself; the index was wrong where it comes out longer, and it is cut once more."""
        pending = [(start, end)]
        while pending:
            start, end = pending.pop()
            tokens = len(self._encode(self._text[start:end]))
            cut = self._shorter(start, end, tokens) if tokens > self._max else None
            if cut is None:
                self._done.append(Span(start, end, tokens))
            else:
                pending += [(self._after(cut), end), (start, self._before(cut))]

    def _shorter(self, start: int, end: int, tokens: int) -> int | None:
        """Where to cut a span that has too many tokens; None when it is one character."""
        starts = self._index.starts
        first, last = bisect_left(starts, start), bisect_left(starts, end)
        keep = min(last - first - 1, max(1, last - first - (tokens - self._max)))
        if keep < 1 or not start < starts[first + keep] < end:
            place = (start + end) // 2
        else:
            place = starts[first + keep]
            for token in range(first + keep, first + keep - keep // 4, -1):
                if self._text[starts[token] - 1].isspace():
                    return starts[token]
        place = self._whole_character(place, start)
        return place if start < place < end else None

    def _fits(self, start: int, end: int) -> bool:
        return (
            end - start <= self._max_characters
            and self._index.between(start, end) <= self._max
            and self._index.estimate(start, end) <= self._max
        )

    def _split(self, start: int, end: int, cuts: Cuts) -> None:
        """Cut ``[start, end)`` into spans; the last one stays open, so that what follows may join it."""
        places = cuts(self._text, start, end)
        previous_cut = start
        while not self._fits(start, end):
            cut = self._cut(start, end, previous_cut, places)
            if cut is None:
                # The part of a word that overlaps has so many tokens of its own that nothing new fits beside it.
                start = self._after(previous_cut)
                continue
            if cut >= end or self._index.between(cut, end) == 0:
                break
            self._emit(start, self._before(cut))
            start, previous_cut = self._resume(start, cut, places), cut
        self._open = (start, end)
        self._repeatable = []

    def _cut(self, start: int, end: int, previous_cut: int, places: Sequence[Sequence[int]]) -> int | None:
        """Where a span from ``start`` ends: behind ``previous_cut``, before ``end``, with room for its tokens."""
        starts, ends = self._index.starts, self._index.ends
        first, last = bisect_left(starts, start), bisect_left(starts, end)
        fill = first + max(1, self._max // _MIN_FILL)
        stop = min(first + self._max, bisect_right(ends, start + self._max_characters), last - 1)
        stop = max(stop, first + 1)
        if stop >= last:
            return end
        lowest = max(starts[min(fill, stop)], previous_cut + 1)
        for preferred in places:
            # ``stop`` may begin later than a boundary right before it: only white space lies between.
            found = bisect_right(preferred, starts[stop]) - 1
            if found >= 0 and preferred[found] >= lowest and self._fits(start, self._before(preferred[found])):
                return preferred[found]
        for token in range(stop, min(fill, stop) - 1, -1):
            if starts[token] < lowest:
                break
            if self._text[starts[token] - 1].isspace() and self._fits(start, self._before(starts[token])):
                return starts[token]
        while stop > first + 1:
            place = self._whole_character(starts[stop], max(start, previous_cut))
            excess = len(self._encode(self._text[start : self._before(place)])) - self._max
            if excess <= 0 or place <= previous_cut:
                break
            stop = max(first + 1, stop - max(1, excess))
        place = self._whole_character(starts[stop], max(start, previous_cut))
        return place if place > max(start, previous_cut) else self._next_place(start, previous_cut, end)

    def _next_place(self, start: int, previous_cut: int, end: int) -> int | None:
        """The first token boundary behind both, for tokens that share one place; None to go on without overlap."""
        if previous_cut > start:
            return None
        following = bisect_right(self._index.starts, start)
        return self._index.starts[following] if following < len(self._index) else end

    def _whole_character(self, position: int, lowest: int) -> int:
        """A place at or before a position that does not part an accent or an emoji's parts from what they belong to."""
        place = position
        while place > lowest and continues(self._text, place):
            place -= 1
        return place if place > lowest else position

    def _before(self, cut: int) -> int:
        """End of the text before a cut."""
        while cut > 0 and self._text[cut - 1].isspace():
            cut -= 1
        return cut

    def _resume(self, start: int, cut: int, places: Sequence[Sequence[int]]) -> int:
        """Where the span after a cut begins: at a preferred place or a word within the overlap, else at the cut."""
        starts = self._index.starts
        token = bisect_left(starts, cut)
        earliest = max(token - self._overlap, bisect_right(starts, start))
        if self._overlap and earliest < token:
            for preferred in places:
                found = bisect_left(preferred, starts[earliest])
                if found < len(preferred) and start < preferred[found] < cut:
                    return self._after(preferred[found])
            for candidate in range(earliest, token):
                if self._text[starts[candidate] - 1].isspace():
                    return self._after(starts[candidate])
        return self._after(cut)

    def _after(self, position: int) -> int:
        while self._text[position].isspace():
            position += 1
        return position
