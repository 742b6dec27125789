"""DOCX: python-docx opens the package and knows the styles; blocks are read in document order.

Text is gathered from the XML itself (ECMA-376-1, 17.3 and 17.4) because ``Paragraph.text`` of python-docx passes over
content controls, inserted revisions and text boxes. Deleted revisions and field codes are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from omnilake.errors import UnsupportedDocumentType
from omnilake.extraction.archive import ZIP_ERRORS, check_archive, open_archive
from omnilake.extraction.detection import Format
from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.parsers import parser_call
from omnilake.extraction.structure import TextRecorder, fold
from omnilake.extraction.tables import looks_like_header, render_table
from omnilake.models import ExtractedDocument, SegmentKind

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_P, _TBL, _TR, _TC, _R, _T = (_W + name for name in ("p", "tbl", "tr", "tc", "r", "t"))
_TEXT_BOX = _W + "txbxContent"
_LEFT_OUT = {_W + name for name in ("del", "moveFrom", "pPr", "rPr", "tblPr", "trPr", "tcPr", "sectPr", "sdtPr")} | {
    _MC_FALLBACK  # the same shape once more, for old readers
}
_AS_TEXT = {
    _W + "tab": "\t",
    _W + "ptab": "\t",
    _W + "br": "\n",
    _W + "cr": "\n",
    _W + "noBreakHyphen": "-",
}
_MAIN_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_HEADING_STYLE = re.compile(r"^heading (?P<level>[1-9])$", re.I)
_NOTE_PARTS = ("footnotes", "endnotes")
_MAX_STYLE_DEPTH = 12


def read_docx(data: bytes, title: str, limits: ExtractionLimits) -> ExtractedDocument:
    """Document of a DOCX file: body in order, then footnotes and endnotes. Headers and footers are left out.

    Args:
        title: used when the document has neither a title property nor a heading.
    Raises:
        DecompressionLimit: a bomb (see ``archive``).
        EncryptedDocument: an entry needs a password.
        UnsupportedDocumentType: an Office document whose main part is no plain Word document (a macro document).
        CorruptDocument: not readable.
        NoTextFound, DocumentTooLarge: see ``extract``.
    """
    with parser_call("Word document", corrupt=ZIP_ERRORS), open_archive(data, limits) as archive:
        check_archive(archive, limits)

    from docx.opc.exceptions import OpcError
    from docx.package import Package
    from lxml import etree

    with parser_call("Word document", corrupt=(OpcError, etree.LxmlError, KeyError, ValueError, *ZIP_ERRORS)):
        main: Any = Package.open(BytesIO(data)).main_document_part
        if main.content_type != _MAIN_TYPE:
            raise UnsupportedDocumentType("The Office document is a template or holds macros.")
        document = main.document
        reader = _Body(document, TextRecorder(limits))
        reader.read(document.element.body)
        for notes in _notes(document):
            reader.read(notes)
        own_title = _own_title(document)
    return reader.recorder.finish(Format.DOCX.value, own_title or reader.recorder.first_heading or title)


def _own_title(document: Any) -> str:
    """The title property. python-docx makes properties up for a package without them, hence the look at its parts."""
    if not any(rel.reltype.endswith("/core-properties") for rel in document.part.package.rels.values()):
        return ""
    return fold(document.core_properties.title or "")


def _notes(document: Any) -> Iterator[Any]:
    from docx.oxml.parser import parse_xml

    for rel in document.part.rels.values():
        if not rel.is_external and rel.reltype.rsplit("/", 1)[-1] in _NOTE_PARTS:
            yield parse_xml(rel.target_part.blob)


class _Body:
    """Reads blocks (paragraphs and tables at any depth of content controls) in order."""

    def __init__(self, document: Any, recorder: TextRecorder) -> None:
        self.recorder = recorder
        self._levels = _heading_levels(document)

    def read(self, container: Any) -> None:
        for block in _blocks(container):
            if block.tag == _TBL:
                self._read_table(block)
            else:
                self._read_paragraph(block)

    def _read_paragraph(self, paragraph: Any) -> None:
        text = _text(paragraph).strip()
        properties = paragraph.find(_W + "pPr")
        level, numbered = 0, False
        if properties is not None:
            style = properties.find(_W + "pStyle")
            level = self._levels.get(style.get(_W + "val"), 0) if style is not None else 0
            outline = properties.find(_W + "outlineLvl")
            if outline is not None and (own := outline.get(_W + "val", "9")).isdecimal():
                level = int(own) + 1 if int(own) < 9 else 0
            numbered = properties.find(_W + "numPr") is not None or (
                style is not None and (style.get(_W + "val") or "").startswith("List")
            )
        if level:
            self.recorder.add(fold(text), SegmentKind.HEADING, level=min(level, 6))
        elif numbered:
            self.recorder.add(f"- {text}" if text else "", SegmentKind.LIST)
        else:
            self.recorder.add(text)
        # Text boxes hang on a paragraph and hold blocks of their own.
        for box in _text_boxes(paragraph):
            self.read(box)

    def _read_table(self, table: Any) -> None:
        """Rows as lines; a table with one column only frames its text, so its blocks are read."""
        rows = [[_cell_text(cell) for cell in _children(row, _TC)] for row in _children(table, _TR)]
        if max(map(len, rows), default=0) < 2:
            for row in _children(table, _TR):
                for cell in _children(row, _TC):
                    self.read(cell)
            return
        filled = [row for row in rows if any(row)]
        if not filled:
            return
        for line, header in render_table(filled, has_header=looks_like_header(filled)):
            self.recorder.add(line, SegmentKind.ROW, header=header)


def _heading_levels(document: Any) -> dict[str, int]:
    """Style id → heading level, for the built-in headings, the title, and styles based on them."""
    styles = {style.get(_W + "styleId"): style for style in document.styles.element.findall(_W + "style")}
    levels: dict[str, int] = {}
    for style_id in styles:
        current = style_id
        for _ in range(_MAX_STYLE_DEPTH):
            style = styles.get(current)
            if style is None:
                break
            name = (getattr(style.find(_W + "name"), "attrib", {}) or {}).get(_W + "val", "")
            heading = _HEADING_STYLE.match(name)
            if heading or name.casefold() == "title":
                levels[style_id] = int(heading["level"]) if heading else 1
                break
            base = style.find(_W + "basedOn")
            current = base.get(_W + "val") if base is not None else None
    return levels


def _descend(root: Any, wanted: set[str]) -> Iterator[Any]:
    """Descendants of the wanted tags in order: not inside one another, not inside what is left out."""
    stack = list(reversed(root))
    while stack:
        element = stack.pop()
        if element.tag in wanted:
            yield element
        elif element.tag not in _LEFT_OUT:
            stack.extend(reversed(element))


def _blocks(container: Any) -> Iterator[Any]:
    return _descend(container, {_P, _TBL})


def _children(parent: Any, tag: str) -> list[Any]:
    """Rows of a table or cells of a row, also those in content controls, but not those of nested tables."""
    return list(_descend(parent, {tag}))


def _text_boxes(paragraph: Any) -> Iterator[Any]:
    return _descend(paragraph, {_TEXT_BOX})


def _text(paragraph: Any) -> str:
    """Text of a paragraph without its text boxes."""
    pieces: list[str] = []
    stack = list(reversed(paragraph))
    while stack:
        element = stack.pop()
        if element.tag == _T:
            pieces.append(element.text or "")
        elif element.tag in _AS_TEXT:
            pieces.append(_AS_TEXT[element.tag])
        elif element.tag not in _LEFT_OUT and element.tag != _TEXT_BOX:
            stack.extend(reversed(element))
    return "".join(pieces)


def _cell_text(cell: Any) -> str:
    """Text of a cell on one line, nested tables and text boxes included."""
    texts: list[str] = []
    for block in _blocks(cell):
        if block.tag == _TBL:
            texts += [_cell_text(inner) for row in _children(block, _TR) for inner in _children(row, _TC)]
        else:
            texts.append(_text(block))
            texts += [_cell_text(box) for box in _text_boxes(block)]
    return fold(" ".join(texts))
