"""Documents of every processor, as extraction would give them, and tokenizers to cut them by."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from omnilake.models import ExtractedDocument, Processor, Segment, SegmentKind

_WORDS = [
    "the", "tide", "embeddings", "don't", "Öl", "x=1;", "a|b", "日本語", "บันทึก", "😀", "👩‍👩‍👧‍👦", "e\u0301\u0323",
    "a" * 130, "0x" + "9f" * 60, "....", "!?", "\u200b", "—", "(see", "below).", "End.", "。", "return", "}", "Straße",
]  # fmt: skip
words = st.one_of(
    st.sampled_from(_WORDS),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=8),
)
_lines = st.lists(words, min_size=1, max_size=25).map(" ".join)
_texts = st.lists(_lines, min_size=1, max_size=6).map("\n".join)


def _document(processor: Processor, blocks: list[tuple[str, dict[str, Any]]]) -> ExtractedDocument:
    text, segments = "", []
    for block, fields in blocks:
        block = block.strip()
        if not block:
            continue
        text += "\n\n" if text else ""
        segments.append(Segment(start=len(text), end=len(text) + len(block), **fields))
        text += block
    return ExtractedDocument(media_type="text/plain", processor=processor, title="T", text=text, segments=segments)


_KINDS = [SegmentKind.PARAGRAPH, SegmentKind.LIST, SegmentKind.HEADING, SegmentKind.CODE]


@st.composite
def prose(draw: st.DrawFn) -> ExtractedDocument:
    blocks: list[tuple[str, dict[str, Any]]] = []
    for _ in range(draw(st.integers(1, 12))):
        shape = draw(st.integers(0, 5))
        if shape == 0:
            rows = draw(st.lists(_lines, min_size=1, max_size=8))
            blocks.append(("| a | b |\n|---|---|\n" + "\n".join(rows), {"kind": SegmentKind.TABLE}))
        elif shape == 1:
            header = draw(st.sampled_from([None, "a; b"]))
            rows = draw(st.lists(_lines, min_size=1, max_size=8))
            blocks += [(row, {"kind": SegmentKind.ROW, "header": header}) for row in rows]
        else:
            blocks.append((draw(_texts), {"kind": draw(st.sampled_from(_KINDS)), "section": draw(_SECTIONS)}))
    return _document(Processor.PROSE, blocks)


_SECTIONS = st.sampled_from(["", "A", "A > B", "C"])


@st.composite
def rows(draw: st.DrawFn) -> ExtractedDocument:
    blocks: list[tuple[str, dict[str, Any]]] = []
    for _ in range(draw(st.integers(1, 3))):
        section, header = draw(_SECTIONS), draw(st.sampled_from([None, "a; b", "city; year"]))
        if draw(st.booleans()):
            blocks.append((section or "Sheet", {"kind": SegmentKind.HEADING, "section": section}))
        if draw(st.booleans()):
            blocks.append((draw(_texts), {"kind": SegmentKind.PARAGRAPH, "section": section}))
        for row in draw(st.lists(_lines, max_size=15)):
            blocks.append((row, {"kind": SegmentKind.ROW, "section": section, "header": header}))
    return _document(Processor.ROWS, blocks or [("x", {"kind": SegmentKind.ROW})])


@st.composite
def conversation(draw: st.DrawFn) -> ExtractedDocument:
    blocks: list[tuple[str, dict[str, Any]]] = []
    posted_at = 1_700_000_000.0
    for _ in range(draw(st.integers(1, 20))):
        posted_at += draw(st.sampled_from([1, 60, 3_599, 3_601, 90_000]))
        thread = draw(st.sampled_from([None, "", "t1", "t1", "t2"]))
        kind = draw(st.sampled_from([SegmentKind.MESSAGE] * 9 + [SegmentKind.HEADING, SegmentKind.PARAGRAPH]))
        told = {"speaker": draw(st.sampled_from(["Ann", "Ben"])), "posted_at": posted_at, "thread": thread}
        if draw(st.integers(0, 5)) == 0:
            blocks.append(("2026-03-05", {"kind": SegmentKind.HEADING, "posted_at": posted_at, "thread": thread}))
        blocks.append((draw(_texts), {"kind": kind, **(told if kind == SegmentKind.MESSAGE else {})}))
    return _document(Processor.CONVERSATION, blocks)


@st.composite
def transcript(draw: st.DrawFn) -> ExtractedDocument:
    blocks: list[tuple[str, dict[str, Any]]] = []
    for number in range(draw(st.integers(1, 20))):
        kind = draw(st.sampled_from([SegmentKind.TURN] * 9 + [SegmentKind.HEADING, SegmentKind.PARAGRAPH]))
        told = {"speaker": draw(st.sampled_from(["Ann", "Ben", None])), "time_s": float(number)}
        blocks.append((draw(_texts), {"kind": kind, **(told if kind == SegmentKind.TURN else {})}))
    return _document(Processor.TRANSCRIPT, blocks)


@st.composite
def code(draw: st.DrawFn) -> ExtractedDocument:
    paths = st.sampled_from(
        ["m.py", "m.py > A", "m.py > A > f", "m.py > A > g", "m.py > A > g > h", "m.py > b", "m.py > c"]
    )
    line = st.builds(lambda depth, text: "    " * depth + text, st.integers(0, 4), _lines)
    body = st.lists(st.one_of(line, st.just("")), min_size=1, max_size=10).map("\n".join)
    count = draw(st.integers(1, 12))
    return _document(
        Processor.CODE, [(draw(body), {"kind": SegmentKind.CODE, "section": draw(paths)}) for _ in range(count)]
    )


documents = st.one_of(prose(), rows(), conversation(), transcript(), code()).filter(lambda document: document.text)


def one_per_byte(text: str) -> list[tuple[int, int]]:
    """Several tokens for one character, none for white space."""
    return [(i, i + 1) for i, character in enumerate(text) if not character.isspace() for _ in character.encode()]


def unlike_alone(text: str) -> list[tuple[int, int]]:
    """As hard as a tokenizer can make it: tokens begin with the white space before them, white space alone is a token,
    and the first word has three times as many tokens at the start of a text as elsewhere."""
    spans: list[tuple[int, int]] = []
    for number, match in enumerate(re.finditer(r" ?\w{1,5}| ?[^\w\s]|\s", text)):
        spans += [match.span()] * (3 if number == 0 else 1)
    return spans
