"""PDF by pypdf: text page by page, sections from the bookmarks.

pypdf repairs what it can, also a file whose end is missing, and then hands back some of its pages without a word. So
the end of the file is checked here first (``check_complete``).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from io import BytesIO
from typing import Any

from omnilake.errors import CorruptDocument, EncryptedDocument, ScannedDocument
from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.parsers import parser_call
from omnilake.extraction.structure import TextRecorder, fold, normalise
from omnilake.models import ExtractedDocument, SegmentKind

_END_MARK = b"%%EOF"
_INLINE_IMAGE = b"\nID "  # between BI and EI, ISO 32000-1, 8.9.7
_MAX_FORMS = 100
_OBJECT = re.compile(rb"\d+\s+\d+\s+obj\b")
_LINEAR_LENGTH = re.compile(rb"/Linearized\b[^>]{0,200}?/L\s+(\d+)")
_GENERATED_TITLE = re.compile(
    r"^(?:microsoft (?:word|powerpoint|excel) ?-|untitled|document\d*$)|\.(?:docx?|indd|qxd|tex|dvi)$", re.I
)
_BULLET = re.compile(r"^(?:[•◦▪–—*-]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s")
_SHORT_LINE = 0.75
"""A line that ends a sentence and is shorter than this share of the page's widest ends a paragraph."""


def read_pdf(data: bytes, title: str, limits: ExtractionLimits) -> ExtractedDocument:
    """Document of a PDF. Every segment has its page. Pages that are images without text are named in the metadata, as
    ``scanned_pages``: "3-5, 9".

    Args:
        title: used when the PDF's own title is missing or made by a program.
    Raises:
        CorruptDocument: cut off, or not readable by pypdf.
        EncryptedDocument: it needs a password (one that only restricts printing or copying does not).
        DecompressionLimit: its streams pass the limits.
        ScannedDocument: no page holds text, and some hold an image.
        NoTextFound: no page holds text or image.
        DocumentTooLarge: more pages, text or segments than the limits allow.
    """
    check_complete(data)
    from pypdf import PdfReader, apply_configuration
    from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError, PyPdfError

    # pypdf's warnings quote objects of the file, and document content belongs in no log.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    recorder = TextRecorder(limits)
    scanned: list[int] = []
    with (
        parser_call(
            "PDF",
            corrupt=(PyPdfError, ValueError, KeyError, TypeError, RecursionError),
            # DependencyError: AES without the cryptography package.
            encrypted=(FileNotDecryptedError, DependencyError),
            over_limit=LimitReachedError,
        ),
        apply_configuration(stream_decoding_work_maximum_length=limits.max_unpacked_bytes),
    ):
        reader = PdfReader(BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise EncryptedDocument("The PDF needs a password.")
        pages = reader.pages
        recorder.check_pages(len(pages))
        if not pages:
            raise CorruptDocument("The PDF has no page.")
        own_title = fold(normalise(str(reader.metadata.title or ""))) if reader.metadata else ""
        bookmarks = _bookmarks(reader)
        for number, page in enumerate(pages, start=1):
            text = page.extract_text()
            if not text.strip() and _has_image(page):
                scanned.append(number)
            _add_page(recorder, number, text, bookmarks.get(number, []))
    if scanned and not recorder.segments:
        raise ScannedDocument(f"The PDF holds no text; {len(scanned)} of its {len(pages)} pages are images.")
    named = "" if _GENERATED_TITLE.search(own_title) else own_title
    document = recorder.finish("application/pdf", named or recorder.first_heading or title)
    return document.model_copy(update={"metadata": {"scanned_pages": _ranges(scanned)}}) if scanned else document


def check_complete(data: bytes) -> None:
    """Whether the file has its end (ISO 32000-1, 7.5.5): a cross-reference pointer, the end mark, no object after it.

    Raises:
        CorruptDocument: it is cut off.
    """
    end = data.rfind(_END_MARK)
    tail = data[max(0, end - 64) : end] if end >= 0 else b""
    cut = end < 0 or b"startxref" not in tail or bool(_OBJECT.search(data, end))
    if not cut and (linear := _LINEAR_LENGTH.search(data[:2048])):
        # A linearised file has an end mark near its beginning too, and says how long it is. A few bytes are forgiven:
        # programs that convert line ends at the very end of a file do that to good files.
        cut = int(linear[1]) > len(data) + 16
    if cut:
        raise CorruptDocument("The PDF is cut off: its end is missing.")


def _bookmarks(reader: Any) -> dict[int, list[tuple[int, str]]]:
    """Bookmarks by page: (level, title) in order."""
    from pypdf.errors import PyPdfError

    found: dict[int, list[tuple[int, str]]] = {}

    def visit(entries: list[Any], level: int) -> None:
        for entry in entries:
            if isinstance(entry, list):
                visit(entry, level + 1)
            elif (page := reader.get_destination_page_number(entry)) is not None and page >= 0:
                found.setdefault(page + 1, []).append((min(level, 6), fold(normalise(str(entry.title or "")))))

    try:
        visit(reader.outline, 1)
    except (PyPdfError, KeyError, ValueError, TypeError, AttributeError, IndexError, RecursionError):
        # Bookmarks only name sections; a file with broken ones still has all its text.
        return {}
    return found


def _has_image(page: Any) -> bool:
    """Whether a page shows an image, also inside a form (ISO 32000-1, 8.9 and 8.10). Nothing is decoded."""
    waiting, seen = [page], 0
    while waiting and seen < _MAX_FORMS:
        seen += 1
        resources = waiting.pop().get("/Resources")
        objects = resources.get_object().get("/XObject") if resources is not None else None
        for reference in objects.get_object().values() if objects is not None else ():
            each = reference.get_object()
            if each.get("/Subtype") == "/Image":
                return True
            if each.get("/Subtype") == "/Form":
                waiting.append(each)
    return _INLINE_IMAGE in (page.get_contents().get_data() if page.get_contents() is not None else b"")


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as "3-5, 9"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)


def _add_page(recorder: TextRecorder, number: int, text: str, bookmarks: list[tuple[int, str]]) -> None:
    levels = {name.casefold(): level for level, name in reversed(bookmarks) if name}
    for paragraph in paragraphs(normalise(text), levels.keys()):
        # A title that comes again on the page (in a running head, in a table) is a heading once.
        level = levels.pop(fold(paragraph).casefold(), None)
        if level is not None:
            recorder.add(paragraph, SegmentKind.HEADING, level=level, page=number)
        else:
            recorder.add(paragraph, page=number)


def paragraphs(text: str, headings: Collection[str] = ()) -> Iterator[str]:
    """Paragraphs of a page whose text comes line by line: apart by an empty line, after a short line that ends a
    sentence, before a bullet, and around lines that are headings or stand alone as one would.

    Args:
        headings: known ones, case-folded.
    """
    lines = [line.strip() for line in text.split("\n")]
    width = max(map(len, lines), default=0)
    gathered: list[str] = []
    for line in lines:
        ends = bool(gathered) and (
            not line
            or _BULLET.match(line) is not None
            or fold(line).casefold() in headings
            or fold(gathered[-1]).casefold() in headings
            or (gathered[-1].endswith((".", "!", "?", ":")) and len(gathered[-1]) < _SHORT_LINE * width)
            or (len(gathered) == 1 and _stands_alone(gathered[0], width) and line[:1].isupper())
        )
        if ends:
            yield "\n".join(gathered)
            gathered = []
        if line:
            gathered.append(line)
    if gathered:
        yield "\n".join(gathered)


def _stands_alone(line: str, width: int) -> bool:
    return len(line) < 0.6 * width and not line.endswith((",", ";")) and line[:1].isupper()
