"""Markdown: structure by markdown-it-py's block parser; the stored text is the source itself, so offsets are exact."""

from __future__ import annotations

import re

from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.parsers import parser_call
from omnilake.extraction.plain import read_plain
from omnilake.extraction.structure import SpanRecorder
from omnilake.models import ExtractedDocument, SegmentKind

_MAX_PARSED_CHARACTERS = 1024 * 1024
"""The parser takes 0.3 s a megabyte of prose and 15 s and 300 MB a megabyte of the shortest list items; what is longer
is cut at empty lines like plain text."""

_FRONT_MATTER = re.compile(r"\A---[^\S\n]*\n(?P<fields>.*?\n)?(?:---|\.\.\.)[^\S\n]*(?:\n|\Z)", re.S)
_TITLE_FIELD = re.compile(r"^title:[^\S\n]*(?P<title>[^\n]+)$", re.M | re.I)
_MAX_INLINE_CHARACTERS = 1_000
_LEAVES = {
    "heading_open": SegmentKind.HEADING,
    "paragraph_open": SegmentKind.PARAGRAPH,
    "fence": SegmentKind.CODE,
    "code_block": SegmentKind.CODE,
    "html_block": SegmentKind.PARAGRAPH,
    "tr_open": SegmentKind.ROW,
}
_INLINE_MARKUP = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)|[*`]+|(?<!\w)_+|_+(?!\w)")


def read_markdown(text: str, title: str, limits: ExtractionLimits) -> ExtractedDocument:
    """Document of a normalised Markdown text (CommonMark with tables; YAML front matter is a paragraph).

    Args:
        title: used when neither the front matter nor a heading gives one.
    Raises:
        NoTextFound: white space alone.
        DocumentTooLarge: longer than the limits allow.
    """
    if len(text) > _MAX_PARSED_CHARACTERS:
        return read_plain(text, title, limits).model_copy(update={"media_type": "text/markdown"})
    from markdown_it import MarkdownIt

    recorder = SpanRecorder(text, limits)
    body, named = text, ""
    if front := _FRONT_MATTER.match(text):
        recorder.add(0, front.end())
        # The parser would read the closing rule as the underline of a heading; empty lines keep the numbering.
        body = "\n" * text.count("\n", 0, front.end()) + text[front.end() :]
        field = _TITLE_FIELD.search(front["fields"] or "")
        named = field["title"].strip("\"' ") if field else ""

    starts = [0, *(end.end() for end in re.finditer("\n", text)), len(text)]
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    with parser_call("Markdown document", corrupt=(RecursionError, IndexError, ValueError)):
        tokens = parser.parse(body)

    lists, header, in_head, pending = 0, "", False, None
    for token in tokens:
        if token.type in {"bullet_list_open", "ordered_list_open"}:
            lists += 1
        elif token.type in {"bullet_list_close", "ordered_list_close"}:
            lists -= 1
        elif token.type in {"thead_open", "thead_close"}:
            in_head = token.type == "thead_open"
        elif token.type == "inline" and pending is not None:
            start, end, level = pending
            recorder.add(
                start,
                end,
                SegmentKind.HEADING,
                level=level,
                heading=plain_inline(token.content[:_MAX_INLINE_CHARACTERS]),
            )
            pending = None
        if token.type not in _LEAVES or token.map is None:
            continue
        start, end = starts[token.map[0]], starts[min(token.map[1], len(starts) - 1)]
        kind = _LEAVES[token.type]
        if kind == SegmentKind.HEADING:
            pending = (start, end, int(token.tag[1:]))
        elif kind == SegmentKind.ROW:
            if in_head:
                header = text[start:end].strip()
            recorder.add(start, end, kind, header=header)
        else:
            recorder.add(start, end, SegmentKind.LIST if lists and kind == SegmentKind.PARAGRAPH else kind)
    return recorder.finish("text/markdown", named or recorder.first_heading or title)


def plain_inline(source: str) -> str:
    """Words of an inline source: emphasis and code marks dropped, links by their text."""
    return _INLINE_MARKUP.sub(lambda markup: markup[1] or "", source).strip()
