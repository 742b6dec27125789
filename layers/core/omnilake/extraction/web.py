"""HTML: what a reader of the page sees: headings, paragraphs, lists, code, and tables as rows.

Parsed by lxml (libxml2 tokenises as HTML5 says). Scripts, styles, navigation, forms' controls and hidden elements are
left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from omnilake.errors import CorruptDocument, DocumentTooLarge, NoTextFound
from omnilake.extraction.encodings import decode
from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.parsers import parser_call
from omnilake.extraction.structure import TextRecorder, fold, normalise
from omnilake.extraction.tables import render_table
from omnilake.models import ExtractedDocument, SegmentKind

_DECLARED = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)|<\?xml[^>]{0,100}encoding=[\"']([\w.-]+)"
)
_LEFT_OUT = frozenset(
    {
        "script",
        "style",
        "noscript",
        "template",
        "nav",
        "head",
        "svg",
        "math",
        "iframe",
        "object",
        "embed",
        "audio",
        "video",
        "canvas",
        "map",
        "select",
        "option",
        "datalist",
        "button",
        "input",
        "textarea",
    }
)
_BLOCKS = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "li",
        "main",
        "ol",
        "p",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    }
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_MAX_ATTRIBUTES = 500
"""Most attributes of a tag; hand-written pages have a dozen, generated ones some dozens."""
_MAX_SPAN = 100
"""A colspan or rowspan beyond this is nonsense that would blow up the grid."""


def read_html(data: bytes, title: str, limits: ExtractionLimits) -> ExtractedDocument:
    """Document of an HTML page.

    Args:
        data: as uploaded; decoded by its mark, as UTF-8, or as it declares itself.
        title: used when the page has neither ``<title>`` nor a heading.
    Raises:
        InvalidEncoding: see ``encodings.decode``.
        CorruptDocument: elements nested deeper than the parser goes (2,048 levels), or a tag of over 500 attributes.
        NoTextFound: nothing on the page is readable.
        DocumentTooLarge: more markup, text or segments than the limits allow.
    """
    _check_size(len(data), limits)
    declared = _DECLARED.search(data[:4096])
    source = normalise(decode(data, (declared[1] or declared[2]).decode("ascii") if declared else None))
    return read_html_text(source, title, limits)


def read_html_text(source: str, title: str, limits: ExtractionLimits) -> ExtractedDocument:
    """Document of a normalised HTML text. Raises as ``read_html``, but for InvalidEncoding."""
    _check_size(len(source), limits)
    if not source.strip():
        raise NoTextFound("The document holds no text.")
    from lxml import etree

    with parser_call("HTML page", corrupt=(etree.LxmlError, ValueError)):
        counting: Any = etree.HTMLParser(target=_AttributeCount(), encoding="utf-8", huge_tree=True, no_network=True)
        etree.fromstring(source.encode("utf-8"), counting)
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True, no_network=True)
    with parser_call("HTML page", corrupt=(etree.LxmlError, ValueError)):
        root = etree.fromstring(source.encode("utf-8"), parser)
    if any(entry.level >= etree.ErrorLevels.FATAL for entry in parser.error_log):
        # libxml2 stops there and hands back the part before it.
        raise CorruptDocument("The HTML page can't be parsed to its end.")
    if root is None:
        raise NoTextFound("The document holds no text.")
    named = fold(root.findtext(".//title") or "")
    page = _Page(TextRecorder(limits))
    page.read(root)
    return page.recorder.finish("text/html", named or page.recorder.first_heading or title)


def _check_size(size: int, limits: ExtractionLimits) -> None:
    if size > limits.max_xml_bytes:
        raise DocumentTooLarge("The HTML page is too large to be parsed.", action="Split the document.")


class _AttributeCount:
    """Target of a first pass of the parser, without a tree: libxml2 builds one in time that grows with the square of a
    tag's attributes (90 s for 200,000 in two megabytes)."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if len(attributes) > _MAX_ATTRIBUTES:
            raise CorruptDocument(f"A tag of the HTML page has more than {_MAX_ATTRIBUTES} attributes.")

    def close(self) -> None:
        return None


class _Page:
    """Walks a page's elements in document order and records its blocks."""

    def __init__(self, recorder: TextRecorder) -> None:
        self.recorder = recorder
        self._words: list[str] = []
        self._heading = 0
        self._code = 0
        self._lists: list[int | None] = []  # counter of each open list, None when it is not numbered
        self._marker = ""
        self._in_item = 0

    def read(self, root: Any) -> None:
        from lxml import etree

        walk = etree.iterwalk(root, events=("start", "end"))
        skipped = False  # the next event is then the end of the skipped element: only its tail is read
        for event, element in walk:
            if event == "start":
                skipped = _left_out(element) or (element.tag == "table" and self._read_table(element))
                if skipped:
                    walk.skip_subtree()
                else:
                    self._open(element, element.tag)
            else:
                if not skipped:
                    self._close(element.tag)
                skipped = False
                if element.tail:
                    self._words.append(element.tail)
        self._flush()

    def _read_table(self, table: Any) -> bool:
        """Record a table's rows; False when it lays out the page and is to be read as blocks."""
        rows = _data_rows(table)
        if rows is None:
            return False
        self._flush()
        self.recorder.add(fold(table.findtext("caption") or ""))
        for line, header in render_table(rows[0], has_header=rows[1]):
            self.recorder.add(line, SegmentKind.ROW, header=header)
        return True

    def _open(self, element: Any, tag: str) -> None:
        if tag == "br":
            self._words.append("\n")
        elif tag in _HEADINGS:
            self._flush()
            self._heading = _HEADINGS[tag]
        elif tag == "pre":
            self._flush()
            self._code += 1
        elif tag in {"ul", "ol"}:
            self._flush()
            self._lists.append(_list_start(element) if tag == "ol" else None)
        elif tag == "li":
            self._flush()
            self._in_item += 1
            self._marker = self._next_marker()
        elif tag in _BLOCKS:
            self._flush()
        if element.text:
            self._words.append(element.text)

    def _close(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._flush()
            self._heading = 0
        elif tag == "pre":
            self._flush()
            self._code -= 1
        elif tag in {"ul", "ol"}:
            self._flush()
            if self._lists:
                self._lists.pop()
        elif tag == "li":
            self._flush()
            self._in_item -= 1
            self._marker = ""
        elif tag in _BLOCKS:
            self._flush()

    def _next_marker(self) -> str:
        if not self._lists or self._lists[-1] is None:
            return "- "
        number = self._lists[-1]
        self._lists[-1] = number + 1
        return f"{number}. "

    def _flush(self) -> None:
        """Record what was gathered since the last block began."""
        if not self._words:
            return
        source = "".join(self._words)
        self._words.clear()
        if self._code:
            self.recorder.add(source.strip("\n"), SegmentKind.CODE)
            return
        text = fold(source)
        if not text:
            return
        if self._heading:
            self.recorder.add(text, SegmentKind.HEADING, level=self._heading)
        elif self._in_item:
            self.recorder.add(self._marker + text, SegmentKind.LIST)
            self._marker = ""
        else:
            self.recorder.add(text)


def _left_out(element: Any) -> bool:
    if element.tag in _LEFT_OUT:
        return True
    attributes = element.attrib
    if not attributes:
        return False
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") == "navigation"
        or bool(_HIDDEN_STYLE.search(attributes.get("style", "")))
    )


def _list_start(element: Any) -> int:
    start = element.get("start", "1")
    return int(start) if start.isdecimal() and len(start) < 9 else 1


def _data_rows(table: Any) -> tuple[list[list[str]], bool] | None:
    """Cells of a table row by row, and whether the first row names the columns; None for a layout table.

    A table lays out a page when it says so, holds another table or a heading, or has no row with two filled cells:
    its cells are then read as blocks.
    """
    if table.get("role") == "presentation" or next(table.iterdescendants("table", *_HEADINGS), None) is not None:
        return None
    grid: list[list[str]] = []
    carried: dict[int, tuple[int, str]] = {}  # column → (rows left, text) of a cell that spans rows
    header_cells = False
    for number, row in enumerate(table.iterdescendants("tr")):
        cells = [cell for cell in row if cell.tag in {"td", "th"}]
        if number == 0:
            in_head = row.getparent().tag == "thead"
            header_cells = bool(cells) and (in_head or all(cell.tag == "th" for cell in cells))
        grid.append(_grid_row(cells, carried))
    if not any(sum(map(bool, row)) > 1 for row in grid):
        return None
    return [row for row in grid if any(row)], header_cells


def _grid_row(cells: Sequence[Any], carried: dict[int, tuple[int, str]]) -> list[str]:
    """Texts of one row by column, with the cells that reach down from rows above; ``carried`` is brought up to date."""
    row: list[str] = []

    def reach_down() -> None:
        while len(row) in carried:
            left, text = carried.pop(len(row))
            if left > 1:
                pending[len(row)] = (left - 1, text)
            row.append(text)

    pending: dict[int, tuple[int, str]] = {}
    for cell in cells:
        reach_down()
        text = _cell_text(cell)
        rows, columns = _span(cell, "rowspan"), _span(cell, "colspan")
        for offset in range(columns):
            if rows > 1:
                pending[len(row)] = (rows - 1, text if offset == 0 else "")
            row.append(text if offset == 0 else "")
    reach_down()
    carried.update(pending)
    return row


def _span(cell: Any, name: str) -> int:
    value = cell.get(name, "1")
    return min(max(int(value), 1), _MAX_SPAN) if value.isdecimal() and len(value) < 9 else 1


def _cell_text(cell: Any) -> str:
    from lxml import etree

    words: list[str] = []
    walk = etree.iterwalk(cell, events=("start", "end"))
    for event, element in walk:
        if event == "start":
            if element is not cell and _left_out(element):
                walk.skip_subtree()
                continue
            if element.tag in _BLOCKS or element.tag == "br":
                words.append(" ")
            words.append(element.text or "")
        elif element is not cell:
            if element.tag in _BLOCKS:
                words.append(" ")
            words.append(element.tail or "")
    return fold("".join(words))
