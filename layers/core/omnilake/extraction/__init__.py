"""Bytes to text with structure: ``extract``.

Each format has its module (``plain markdown web pdf word delimited transcript``) and imports its parser when it is
first needed: a cold start pays for one format only.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from omnilake.errors import EmptyDocument
from omnilake.extraction.containers import Expansion, Member, expand, is_archive
from omnilake.extraction.detection import Format, detect
from omnilake.extraction.encodings import decode
from omnilake.extraction.limits import DEFAULT_LIMITS, ExtractionLimits
from omnilake.extraction.records import read_record
from omnilake.extraction.structure import normalise
from omnilake.models import ExtractedDocument

__all__ = ["Expansion", "ExtractionLimits", "Member", "expand", "extract", "is_archive", "read_record"]


def extract(data: bytes, name: str, *, limits: ExtractionLimits = DEFAULT_LIMITS) -> ExtractedDocument:
    """Text and structure of a document.

    Args:
        data: the document as it was uploaded.
        name: its file name or path; its extension tells kinds of text apart, and must not contradict the content.
        limits: what it may cost.
    Returns:
        Text with ``\\n`` line ends and no control characters, and segments in order that cover all of it but white
        space. For plain text and Markdown the text is the source itself.
    Raises:
        EmptyDocument: no bytes.
        UnsupportedDocumentType, DocumentTypeMismatch: see ``detection.detect``.
        CorruptDocument: its parser can't read it, or it is cut off.
        EncryptedDocument: it needs a password.
        DecompressionLimit, DocumentTooLarge: more than the limits allow.
        InvalidEncoding: text in no certain encoding.
        NoTextFound: it was read and holds no text.
    """
    if not data:
        raise EmptyDocument("The document has no bytes.")
    title = PurePosixPath(name.replace("\\", "/")).stem
    match detect(data, name, limits):
        case Format.PDF:
            from omnilake.extraction.pdf import read_pdf

            return read_pdf(data, title, limits)
        case Format.DOCX:
            from omnilake.extraction.word import read_docx

            return read_docx(data, title, limits)
        case Format.HTML:
            from omnilake.extraction.web import read_html

            return read_html(data, title, limits)
        case text_format:
            return _read_text(normalise(decode(data)), title, text_format, limits)


def _read_text(text: str, title: str, text_format: Format, limits: ExtractionLimits) -> ExtractedDocument:
    match text_format:
        case Format.MARKDOWN:
            from omnilake.extraction.markdown import read_markdown

            return read_markdown(text, title, limits)
        case Format.CSV | Format.TSV:
            from omnilake.extraction.delimited import read_delimited

            return read_delimited(text, title, text_format.value, limits)
        case Format.VTT | Format.SRT:
            from omnilake.extraction.transcript import read_subtitles

            return read_subtitles(text, title, text_format.value, limits)
        case _:
            from omnilake.extraction.plain import read_plain
            from omnilake.extraction.transcript import is_transcript, read_transcript

            return read_transcript(text, title, limits) if is_transcript(text) else read_plain(text, title, limits)
