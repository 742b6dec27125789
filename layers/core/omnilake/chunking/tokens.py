"""Where the tokens of a long text begin and end.

The text is tokenised once, in windows cut at white space; a window's memory is freed before the next. Counts of a span
are then differences of positions. They are estimates: a tokenizer may see a text's first word, or a part of a word,
otherwise than within its surroundings. The packer counts each finished chunk by itself.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import chain

Encode = Callable[[str], list[tuple[int, int]]]
"""Character spans of the tokens of a text, in order, without special tokens. Byte-level tokenizers give several tokens
for one character; they count one by one, at one place."""

MAX_TOKEN_CHARACTERS = 64
"""A word of more characters becomes one unknown token in WordPiece; it is cut to pieces of this length and counted by
them, so that a megabyte of base64 is not one token."""

_WINDOW_CHARACTERS = 16_384


class TokenIndex:
    """Starts and ends of all tokens of a text, as two arrays of 4 bytes a token.

    Args:
        text: any text.
        encode: called on windows of about 16,000 characters.
    """

    def __init__(self, text: str, encode: Encode) -> None:
        self.starts = array("I")
        self.ends = array("I")
        self._text = text
        self._encode = encode
        self._excess = (-1, 0)
        for start, end in _windows(text):
            spans = encode(text[start:end])
            if any(
                token_end - token_start > MAX_TOKEN_CHARACTERS or text[start + token_start].isspace()
                for token_start, token_end in spans
            ):
                for token_start, token_end in spans:
                    self._append(start + token_start, start + token_end)
            else:
                self.starts.extend([start + token_start for token_start, _ in spans])
                self.ends.extend([start + token_end for _, token_end in spans])
        self._count_dropped_runs()

    def __len__(self) -> int:
        return len(self.starts)

    def between(self, start: int, end: int) -> int:
        """Tokens that begin in ``[start, end)`` of the text as it was tokenised once."""
        return bisect_left(self.starts, end) - bisect_left(self.starts, start)

    def estimate(self, start: int, end: int) -> int:
        """Tokens of ``text[start:end]`` by itself: the same, corrected by what its first word has more or less."""
        if self._excess[0] != start:
            stop = self.word_end(start)
            self._excess = (start, len(self._encode(self._text[start:stop])) - self.between(start, stop))
        return self.between(start, end) + self._excess[1]

    def word_end(self, start: int) -> int:
        """End of the word, or of as much of it as is counted in one piece, that begins at ``start``."""
        end, last = start, min(start + MAX_TOKEN_CHARACTERS, len(self._text))
        while end < last and not self._text[end].isspace():
            end += 1
        return end

    def _append(self, start: int, end: int) -> None:
        # Tokens of byte-pair encodings begin with the white space before the word.
        word = start
        while word < end and self._text[word].isspace():
            word += 1
        start = word if word < end else start
        if end - start <= MAX_TOKEN_CHARACTERS:
            self._push(start, end)
            return
        for piece in range(start, end, MAX_TOKEN_CHARACTERS):
            stop = min(piece + MAX_TOKEN_CHARACTERS, end)
            for inner_start, inner_end in self._encode(self._text[piece:stop]) or [(0, stop - piece)]:
                self._push(piece + inner_start, piece + inner_end)

    def _push(self, start: int, end: int) -> None:
        self.starts.append(start)
        self.ends.append(end)

    def _count_dropped_runs(self) -> None:
        """Count long runs that the tokenizer drops (control and zero-width characters) like words, so that no chunk
        grows without bound by them."""
        text = self._text
        gaps = zip(chain((0,), self.ends), chain(self.starts, (len(text),)), strict=True)
        if not any(start - end > MAX_TOKEN_CHARACTERS for end, start in gaps):
            return
        covered = 0
        runs: list[tuple[int, int]] = []
        for number in range(len(self.starts) + 1):
            start = self.starts[number] if number < len(self.starts) else len(text)
            if start - covered > MAX_TOKEN_CHARACTERS:
                for run in re.finditer(r"\S+", text[covered:start]):
                    stop = covered + run.end()
                    pieces = range(covered + run.start(), stop, MAX_TOKEN_CHARACTERS)
                    runs += [(piece, min(piece + MAX_TOKEN_CHARACTERS, stop)) for piece in pieces]
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
