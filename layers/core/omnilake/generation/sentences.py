"""Text → units that can stand as claims: sentences, list items, table rows, transcript turns; with exact offsets.

Splitting is by line structure first and punctuation second. A line break inside a hard-wrapped paragraph does not end a
sentence; one before a list item, a heading, a row or a turn does. Headings are found so that they are *not* claimed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

MAX_SENTENCE_CHARACTERS = 600
"""Longer units are cut at white space, so that a claim always fits a budget of a few hundred tokens."""

MAX_TURN_CHARACTERS = 400
"""Turns up to this length stay whole, so that the quote names its speaker."""

MIN_WORDS = 4
"""Fewer words are a label or a heading, not a statement. Rows and turns need two."""


class UnitKind(StrEnum):
    SENTENCE = "sentence"
    ITEM = "item"
    ROW = "row"
    TURN = "turn"
    HEADING = "heading"


class Unit(NamedTuple):
    """A span ``[start, end)`` of a text, without white space at its ends."""

    start: int
    end: int
    kind: UnitKind


_WORD = re.compile(r"[^\W\d_][\w'’.-]*")
_MARKDOWN_HEADING = re.compile(r"#{1,6}\s")
_ITEM = re.compile(r"(?:[-*+•‣–]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s+(?=\S)")
_TIME = r"\[?\(?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?\)?\]?"
_SPEAKER = r"[A-Z][\w.'’-]*(?: [A-Z(][\w.'’)-]*){0,3}"
_TURN = re.compile(rf"(?:{_TIME}\s*(?:-\s*)?{_SPEAKER}:\s|{_SPEAKER}(?: {_TIME})?:\s|{_TIME}\s+(?=\S))")
_FIELDS = re.compile(r"[^:;|\n]{1,60}: [^;\n]*(?:; [^:;|\n]{1,60}: [^;\n]*)+")
_RULE = re.compile(r"[\s|:+=_*-]+")
_END = re.compile(r"(?:[.!?…]+[\"'”’)\]»*_`]*(?=\s)|[。！？]+[」』”）]*)")
_OPENS = re.compile(r"\s+[\"'“‘(\[«*_`]*(?:[^\W_a-z]|[a-z]+[A-Z])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|cf|vs|viz|approx|resp|al|ca|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Inc|Ltd|Co|Corp|No|Nos|Fig|Figs|Eq|Sec|"
    r"Ch|Vol|pp?|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|a\.m|p\.m|U\.S|U\.K)|(?:^|[\s(])[A-Z])\.$"
)
_CLOSED = re.compile(r"[.!?…:;。！？][\"'”’)\]»*_`]*$")

_POINTS_BACK = re.compile(
    r"(?:It|Its|They|Their|This|That|These|Those|He|She|His|Her|Such|Otherwise|However|In this case)\b(?!-)"
)

_REFERS = re.compile(
    r"(?:For (?:more|further|additional|other) (?:information|details|examples)|To learn more|See (?:also|the))\b", re.I
)

# A hard-wrapped line is long enough to have been wrapped, and no longer than anybody wraps.
_WRAP_MIN, _WRAP_MAX = 56, 110
_HEADING_WORDS = 12


class _Line(NamedTuple):
    start: int
    end: int
    text: str


def split(text: str) -> list[Unit]:
    """Units of a text, in order, not overlapping; all of its non-white characters but rules of dashes are in one.

    Every unit is at most ``MAX_SENTENCE_CHARACTERS`` long. Linear in the length of the text.
    """
    return [part for unit in _blocks(text) for part in _parts(text, unit)]


def claimable(text: str) -> list[Unit]:
    """Units that can stand as a claim: no headings, no questions, no fragments.

    Items come without their bullet or number. A sentence that begins with a word for something said before ("It",
    "They") comes together with the sentence before it, which also stands by itself.
    """
    found: list[Unit] = []
    before: Unit | None = None
    for unit in split(text):
        if unit.kind == UnitKind.ITEM and (marker := _ITEM.match(text, unit.start, unit.end)):
            unit = unit._replace(start=marker.end())
        if is_statement(text[unit.start : unit.end], unit.kind):
            joined = before and _POINTS_BACK.match(text, unit.start, unit.end) and _joined(text, before, unit)
            found.append(joined or unit)
        before = unit if unit.kind in {UnitKind.SENTENCE, UnitKind.ITEM} else None
    return found


def _joined(text: str, before: Unit, unit: Unit) -> Unit | None:
    """Both sentences as one unit, None when they are apart or too long together."""
    gap = text[before.end : unit.start]
    if "\n\n" in gap or gap.strip() or unit.end - before.start > MAX_SENTENCE_CHARACTERS:
        return None
    return Unit(before.start, unit.end, before.kind)


def is_statement(text: str, kind: UnitKind) -> bool:
    """Whether a unit says something by itself."""
    if kind == UnitKind.HEADING:
        return False
    enough = 2 if kind in {UnitKind.ROW, UnitKind.TURN} else MIN_WORDS
    if sum(1 for _ in _WORD.finditer(text)) < enough and not _is_ideographic(text):
        return False
    # A question asks and states nothing, however near it is to the reader's own; a turn often asks and tells.
    if kind != UnitKind.TURN and re.search(r"[?？][\"'”’)\]*_]*$", text):
        return False
    if kind != UnitKind.TURN and (_REFERS.match(text) or text.endswith((":", "："))):
        return False  # it announces or points to what is said elsewhere
    letters = sum(character.isalpha() for character in text)
    return letters * 2 >= sum(not character.isspace() for character in text) or kind == UnitKind.ROW


def fold(text: str) -> str:
    """Text with each run of white space as one space: how quotes are shown and compared."""
    return " ".join(text.split())


def _blocks(text: str) -> Iterator[Unit]:
    """Runs of lines that belong together: a paragraph, a heading, an item with its wrapped lines, a row, a turn."""
    current: list[_Line] = []
    for line in _lines(text):
        if current and not (line.text and _continues(current[-1], line, _kind(current[0].text))):
            yield _block(current)
            current = []
        if line.text and not _RULE.fullmatch(line.text):
            current.append(line)
    if current:
        yield _block(current)


def _lines(text: str) -> Iterator[_Line]:
    for match in re.finditer(r"[^\n]*(?:\n|$)", text):
        raw = match.group().rstrip("\n")
        stripped = raw.strip()
        start = match.start() + (len(raw) - len(raw.lstrip()))
        yield _Line(start, start + len(stripped), stripped)


def _kind(line: str) -> UnitKind:
    if _MARKDOWN_HEADING.match(line):
        return UnitKind.HEADING
    if line.count("|") >= 2 or " | " in line or "\t" in line or _FIELDS.fullmatch(line):
        return UnitKind.ROW
    if _ITEM.match(line):
        return UnitKind.ITEM
    if _TURN.match(line):
        return UnitKind.TURN
    return UnitKind.SENTENCE


def _continues(previous: _Line, line: _Line, kind: UnitKind) -> bool:
    """Whether a line goes on with the sentence of the line before it."""
    if kind in {UnitKind.HEADING, UnitKind.ROW} or _RULE.fullmatch(line.text):
        return False
    here = _kind(line.text)
    if here in {UnitKind.HEADING, UnitKind.ROW, UnitKind.ITEM}:
        return False
    if here == UnitKind.TURN and (kind == UnitKind.TURN or _CLOSED.search(previous.text)):
        return False
    if line.text[0].islower():
        return True
    wrapped = _WRAP_MIN <= len(previous.text) <= _WRAP_MAX
    return wrapped and (not _CLOSED.search(previous.text) or kind != UnitKind.SENTENCE)


def _block(lines: list[_Line]) -> Unit:
    kind = _kind(lines[0].text)
    first = lines[0].text
    if (
        kind == UnitKind.SENTENCE
        and len(lines) == 1
        and not _CLOSED.search(first)
        and len(first.split()) <= _HEADING_WORDS
        and not _is_ideographic(first)
    ):
        kind = UnitKind.HEADING
    return Unit(lines[0].start, lines[-1].end, kind)


def _parts(text: str, block: Unit) -> Iterator[Unit]:
    whole = block.end - block.start
    short_turn = block.kind == UnitKind.TURN and whole <= MAX_TURN_CHARACTERS
    together = short_turn or block.kind in {UnitKind.HEADING, UnitKind.ROW}
    cuts = [block.end] if together else _sentence_ends(text, block)
    start = block.start
    for end in cuts:
        for piece_start, piece_end in _capped(text, start, end):
            # What follows the first sentence of a long turn has no speaker in its own words.
            follows = block.kind == UnitKind.TURN and piece_start > block.start
            yield Unit(piece_start, piece_end, UnitKind.SENTENCE if follows else block.kind)
        start = end


def _sentence_ends(text: str, block: Unit) -> list[int]:
    ends = []
    position = block.start
    marker = _ITEM.match(text, block.start, block.end)
    search = marker.end() if marker else block.start  # "1. Open the door." is one sentence
    for match in _END.finditer(text, search, block.end):
        end = match.end()
        ideographic = match.group()[0] in "。！？"
        if not ideographic and not _OPENS.match(text, end, block.end):
            continue
        if match.group() == "." and _ABBREVIATION.search(text, max(position, end - 12), end):
            continue
        if text[end : block.end].strip():
            ends.append(end)
            position = end
    return [*ends, block.end]


def _capped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The span without white space at its ends, in pieces of at most ``MAX_SENTENCE_CHARACTERS``."""
    while True:
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
        if start == end:
            return
        if end - start <= MAX_SENTENCE_CHARACTERS:
            yield start, end
            return
        limit = start + MAX_SENTENCE_CHARACTERS
        cut = limit
        while cut > start + MAX_SENTENCE_CHARACTERS // 2 and not text[cut].isspace():
            cut -= 1
        if not text[cut].isspace():
            cut = limit
        piece_end = cut
        while text[piece_end - 1].isspace():
            piece_end -= 1
        yield start, piece_end
        start = cut


def _is_ideographic(text: str) -> bool:
    """Whether it is written without spaces between words, so that counting words says nothing."""
    wide = sum("\u3040" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7af" for character in text)
    return wide >= 6
