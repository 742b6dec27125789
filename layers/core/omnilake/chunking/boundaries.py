"""Where a text that is longer than a chunk may be cut.

A ``Cuts`` gives, for ``text[start:end]``, lists of places in order of preference: the best kind of place first, each
list ascending. What is left after them, cuts between words and at last inside one, needs no list.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Callable, Sequence

from omnilake.models import SegmentKind

Cuts = Callable[[str, int, int], Sequence[Sequence[int]]]

_SENTENCES = re.compile(r"[.!?…][\"'”’)\]]*\s+|[。！？｡]+|\n[^\S\n]*\n\s*")
_LINES = re.compile(r"\n\s*")
_CELLS = re.compile(r";\s+|\s\|\s+")
_EMPTY_LINES = re.compile(r"\n[^\S\n]*\n\s*")
_CODE_LINES = re.compile(r"\n(?P<indent>[^\S\n]*)(?=(?P<first>\S))")
_CLOSING = frozenset(")]}>")
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")


def prose(text: str, start: int, end: int) -> Sequence[Sequence[int]]:
    """After sentences and paragraphs, else after lines."""
    return [_positions(pattern, text, start, end) for pattern in (_SENTENCES, _LINES)]


def cells(text: str, start: int, end: int) -> Sequence[Sequence[int]]:
    """Of a row: between cells, else after sentences."""
    return [_positions(pattern, text, start, end) for pattern in (_CELLS, _SENTENCES)]


def statements(text: str, start: int, end: int) -> Sequence[Sequence[int]]:
    """Of a definition: at empty lines, else where a statement of its body begins, else at any line.

    A statement of the body is a line that is indented no deeper than any other line behind the first one and does not
    begin with a closing bracket.
    """
    lines = [
        (match.end(), len(match["indent"]))
        for match in _CODE_LINES.finditer(text, start, end)
        if match["first"] not in _CLOSING
    ]
    shallowest = min((indent for _, indent in lines), default=0)
    body = array("I", (place for place, indent in lines if indent == shallowest and place < end))
    return [_positions(_EMPTY_LINES, text, start, end), body, _positions(_LINES, text, start, end)]


def words(_text: str, _start: int, _end: int) -> Sequence[Sequence[int]]:
    """Between words only."""
    return []


def of(kind: SegmentKind) -> Cuts:
    """How a segment of a kind is cut."""
    return {SegmentKind.CODE: statements, SegmentKind.ROW: cells}.get(kind, prose)


def continues(text: str, position: int) -> bool:
    """Whether the character at a position is shown as a part of the one before it (an accent, a part of an emoji)."""
    character = text[position]
    return (
        unicodedata.category(character) in {"Mn", "Mc", "Me"}
        or character in _JOINERS
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or text[position - 1] == "\u200d"
    )


def _positions(pattern: re.Pattern[str], text: str, start: int, end: int) -> array[int]:
    """Ends of a pattern's matches within a span: where the next sentence or line begins."""
    return array("I", (match.end() for match in pattern.finditer(text, start, end) if start < match.end() < end))
