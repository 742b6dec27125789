"""PPTX by python-pptx: slide by slide, with the slide's number as the page and its title as the heading.

Text is gathered from the drawing's XML (ECMA-376-1, 21.1.2) because python-pptx gives neither fields nor text in
diagrams, and refuses kinds of charts that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from omnilake.errors import UnsupportedDocumentType
from omnilake.extraction.archive import ZIP_ERRORS, check_archive, open_archive
from omnilake.extraction.detection import Format
from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.parsers import parser_call
from omnilake.extraction.structure import TextRecorder, fold, normalise
from omnilake.extraction.tables import looks_like_header, render_table
from omnilake.models import ExtractedDocument, SegmentKind

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_MC_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_MAIN_TYPES = frozenset(
    f"application/vnd.{kind}.main+xml"
    for kind in ("openxmlformats-officedocument.presentationml.presentation", "ms-powerpoint.presentation.macroEnabled")
)
_RUNNING = frozenset({"dt", "ftr", "hdr", "sldNum"})
"""Placeholders that stand on every slide: date, footer, header, number."""
_TITLES = frozenset({"title", "ctrTitle", "vertTitle"})


def read_pptx(data: bytes, title: str, limits: ExtractionLimits) -> ExtractedDocument:
    """Document of a PPTX file: slides in order, hidden ones too, each with its tables, charts, diagrams and notes.

    Args:
        title: used when the presentation has neither a title property nor a slide with a title.
    Raises:
        DecompressionLimit: a bomb (see ``archive``).
        EncryptedDocument: an entry needs a password.
        UnsupportedDocumentType: an Office file whose main part is no presentation (a template, a slide show).
        CorruptDocument: not readable.
        NoTextFound: no slide holds text (pictures alone).
        DocumentTooLarge: more slides, text or segments than the limits allow.
    """
    with parser_call("PowerPoint presentation", corrupt=ZIP_ERRORS), open_archive(data, limits) as archive:
        check_archive(archive, limits)
    from lxml import etree
    from pptx.exc import PythonPptxError
    from pptx.package import Package

    recorder = TextRecorder(limits)
    corrupt = (PythonPptxError, etree.LxmlError, KeyError, ValueError, *ZIP_ERRORS)
    with parser_call("PowerPoint presentation", corrupt=corrupt):
        package: Any = Package.open(BytesIO(data))
        main = package.main_document_part
        if main.content_type not in _MAIN_TYPES:
            raise UnsupportedDocumentType("The Office document is a template or a slide show; save it as PPTX.")
        slides = main.presentation.slides
        recorder.check_pages(len(slides))
        for number, slide in enumerate(slides, start=1):
            _Slide(slide.part, recorder, number).read()
        metadata = _properties(package)
    named = metadata.pop("title", "") or recorder.first_heading or title
    return recorder.finish(Format.PPTX.value, named).model_copy(update={"metadata": metadata})


def _properties(package: Any) -> dict[str, str]:
    """What the file says of itself. python-pptx makes properties up for a package without them."""
    if not any(rel.reltype.endswith("/core-properties") for rel in package._rels.values()):
        return {}
    properties = package.core_properties
    told = {"title": properties.title, "author": properties.author, "subject": properties.subject}
    if properties.created:
        told["created"] = properties.created.isoformat(" ")
    # The title that python-pptx's and PowerPoint's own templates carry says nothing.
    if told["title"] == "PowerPoint Presentation":
        del told["title"]
    return {name: folded for name, value in told.items() if (folded := fold(normalise(value or "")))}


class _Slide:
    """Reads one slide: its title, then its shapes in document order, then its notes."""

    def __init__(self, part: Any, recorder: TextRecorder, number: int) -> None:
        self._part = part
        self._recorder = recorder
        self._number = number

    def read(self) -> None:
        self._recorder.leave_sections()
        shapes = list(_shapes(self._part._element))
        headings = [shape for shape in shapes if _placeholder(shape) in _TITLES]
        if headings and (heading := fold(" ".join(_paragraphs(headings[0])))):
            self._recorder.add(heading, SegmentKind.HEADING, level=1, page=self._number)
        for shape in shapes:
            if shape not in headings[:1] and _placeholder(shape) not in _RUNNING:
                self._read_shape(shape)
        if self._part.has_notes_slide:
            notes = self._part.notes_slide.part._element
            words = [text for shape in _shapes(notes) if _placeholder(shape) == "body" for text in _paragraphs(shape)]
            if words:
                self._add("Notes: " + "\n".join(words))

    def _add(self, text: str, kind: SegmentKind = SegmentKind.PARAGRAPH, header: str | None = None) -> None:
        self._recorder.add(text, kind, page=self._number, header=header)

    def _read_shape(self, shape: Any) -> None:
        if (table := _first(shape, _A + "tbl")) is not None:
            self._add_rows([[_cell(cell) for cell in row.iterfind(_A + "tc")] for row in table.iterfind(_A + "tr")])
        elif (chart := _first(shape, _C + "chart")) is not None:
            root = self._related(chart.get(_R + "id"))
            if root is not None:
                self._read_chart(root)
        elif (diagram := _first(shape, _DIAGRAM + "relIds")) is not None:
            root = self._related(diagram.get(_R + "dm"))
            for text in _paragraphs(root) if root is not None else ():
                self._add("- " + text, SegmentKind.LIST)
        else:
            self._add("\n".join(_paragraphs(shape)))

    def _read_chart(self, root: Any) -> None:
        """Title, and the figures of the series by category as the chart keeps them."""
        if (title := _first(root, _C + "title")) is not None:
            self._add(fold(" ".join(_paragraphs(title))))
        series = list(root.iter(_C + "ser"))
        names = [fold(_first_value(each, "tx")) or f"Series {number}" for number, each in enumerate(series, start=1)]
        columns = [_points(each, "val") or _points(each, "yVal") for each in series]
        categories = next(filter(None, (_points(each, "cat") or _points(each, "xVal") for each in series)), {})
        rows = [
            [categories.get(place, f"{place + 1}"), *(column.get(place, "") for column in columns)]
            for place in sorted(set(categories).union(*columns))
        ]
        if rows:
            self._add_rows([["Category", *names], *rows], has_header=True)

    def _add_rows(self, rows: list[list[str]], *, has_header: bool | None = None) -> None:
        filled = [row for row in rows if any(row)]
        if filled:
            named = looks_like_header(filled) if has_header is None else has_header
            for line, header in render_table(filled, has_header=named):
                self._add(line, SegmentKind.ROW, header)

    def _related(self, rel_id: str | None) -> Any:
        """XML of a part that the slide refers to, None when the file does not hold it."""
        from lxml import etree

        if rel_id is None or rel_id not in self._part.rels or self._part.rels[rel_id].is_external:
            return None
        part = self._part.related_part(rel_id)
        # Parts of kinds that python-pptx has no class for are bytes.
        root = getattr(part, "_element", None)
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        return root if root is not None else etree.fromstring(part.blob, parser)


def _shapes(root: Any) -> Iterator[Any]:
    """Shapes in document order, those in groups too. Iterative: groups may nest at any depth."""
    tree = root.find(f"{_P}cSld/{_P}spTree")
    stack = list(reversed(tree)) if tree is not None else []
    while stack:
        element = stack.pop()
        if element.tag in {_P + "sp", _P + "graphicFrame", _P + "cxnSp"}:
            yield element
        elif isinstance(element.tag, str) and element.tag != _MC_FALLBACK:  # groups, alternate content
            stack.extend(reversed(element))


def _placeholder(shape: Any) -> str:
    """Type of a placeholder, "body" when it names none; empty for other shapes."""
    found = shape.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
    return "" if found is None else found.get("type", "body")


def _first(element: Any, tag: str) -> Any:
    return next(element.iter(tag), None)


def _paragraphs(element: Any) -> Iterator[str]:
    """Filled paragraphs below an element."""
    for paragraph in element.iter(_A + "p"):
        pieces = ("\n" if piece.tag == _A + "br" else piece.text or "" for piece in paragraph.iter(_A + "t", _A + "br"))
        if text := normalise("".join(pieces)).strip():
            yield text


def _cell(cell: Any) -> str:
    return fold(" ".join(_paragraphs(cell)))


def _first_value(series: Any, name: str) -> str:
    element = series.find(_C + name)
    value = _first(element, _C + "v") if element is not None else None
    return "" if value is None else value.text or ""


def _points(series: Any, name: str) -> dict[int, str]:
    """Cached values of a series by their place; of categories with several levels the innermost."""
    element = series.find(_C + name)
    if element is None:
        return {}
    level = _first(element, _C + "lvl")
    points = (level if level is not None else element).iter(_C + "pt")
    return {int(point.get("idx", "0")): fold(point.findtext(_C + "v") or "") for point in points}
