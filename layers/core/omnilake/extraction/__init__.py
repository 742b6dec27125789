"""Bytes to text with structure: ``open_document``, then ``read``; or both at once: ``extract``.

Each format has its module (``plain markdown web pdf word presentation workbook delimited json_document conversation
mail transcript source_code``) and imports its parser when it is first needed: a cold start pays for one format only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import PurePosixPath
from typing import Any

from omnilake.errors import CorruptDocument, DocumentTooLarge, EmptyDocument
from omnilake.extraction.containers import Expansion, Member, expand, is_archive
from omnilake.extraction.detection import Format, detect
from omnilake.extraction.encodings import decode
from omnilake.extraction.limits import DEFAULT_LIMITS, ExtractionLimits
from omnilake.extraction.records import read_record
from omnilake.extraction.structure import TextRecorder, normalise
from omnilake.extraction.tables import Table, add_table, records
from omnilake.models import ExtractedDocument, Processor

__all__ = [
    "Expansion",
    "ExtractionLimits",
    "Member",
    "OpenedDocument",
    "expand",
    "extract",
    "is_archive",
    "open_document",
    "read_record",
]


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document whose format is known. What it says of itself lets rules choose how it is read.

    Attributes:
        media_type: by its content (see ``detection``).
        processor: what fits it when no rule says otherwise: ROWS for tables whose columns have names, TRANSCRIPT for
            subtitles and texts in which speakers take turns, CONVERSATION for exports of chats, CODE for source code,
            else PROSE.
        columns: names of its table's columns, of all sheets of a workbook together; empty when it is no table.
        metadata: what stands in its headers or properties (of mails and Office files).
    """

    media_type: str
    processor: Processor
    _reader: Callable[[Processor], ExtractedDocument]
    columns: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    _tables: Callable[[], Iterator[Table]] | None = None

    @property
    def tabular(self) -> bool:
        """Whether it has rows, with named columns or without."""
        return self._tables is not None

    def read(self, processor: Processor | None = None) -> ExtractedDocument:
        """Text and structure.

        Args:
            processor: in place of the document's own. ROWS puts a summary of its columns above a table's rows; of a
                document that holds no table it changes nothing. CODE and TRANSCRIPT look for code and turns in a
                plain text, PROSE does not.
        Returns:
            Text with ``\\n`` line ends and no control characters, and segments in order that cover all of it but
            white space. For plain text, Markdown and code the text is the source itself.
        Raises:
            CorruptDocument, DocumentTooLarge, DecompressionLimit, NoTextFound, ScannedDocument: as ``extract``.
        """
        chosen = processor or self.processor
        document = self._reader(chosen)
        told = {**document.metadata, **self.metadata}
        return document.model_copy(update={"processor": chosen, "metadata": told})

    def rows(self) -> Iterator[dict[str, str]]:
        """Rows of its tables, column → cell as it stands; none when it is no table. Reads the document once more.

        Rows of a workbook begin with the sheet's name under ``sheet``. Columns without a name are ``column 1``, ….
        """
        for table in self._tables() if self._tables is not None else ():
            yield from records(table)


def extract(
    data: bytes, name: str, *, limits: ExtractionLimits = DEFAULT_LIMITS, processor: Processor | None = None
) -> ExtractedDocument:
    """Text and structure of a document: ``open_document(…).read(processor)``.

    Raises:
        EmptyDocument: no bytes.
        UnsupportedDocumentType, DocumentTypeMismatch: see ``detection.detect``.
        CorruptDocument: its parser can't read it, or it is cut off.
        EncryptedDocument: it needs a password.
        DecompressionLimit, DocumentTooLarge: more than the limits allow.
        InvalidEncoding: text in no certain encoding.
        ScannedDocument: a PDF of pictures without text.
        NoTextFound: it was read and holds no text.
    """
    return open_document(data, name, limits=limits).read(processor)


def open_document(data: bytes, name: str, *, limits: ExtractionLimits = DEFAULT_LIMITS) -> OpenedDocument:
    """Find out what a document is. Reads as much of it as that needs.

    Args:
        data: the document as it was uploaded.
        name: its file name or path; its extension tells kinds of text apart, and must not contradict the content.
        limits: what it may cost.
    Raises:
        As ``extract``; some errors only come with ``read``.
    """
    if not data:
        raise EmptyDocument("The document has no bytes.")
    title = PurePosixPath(name.replace("\\", "/")).stem
    match detect(data, name, limits):
        case Format.PDF:
            from omnilake.extraction.pdf import read_pdf

            return _prose(Format.PDF, lambda: read_pdf(data, title, limits))
        case Format.DOCX:
            from omnilake.extraction.word import read_docx

            return _prose(Format.DOCX, lambda: read_docx(data, title, limits))
        case Format.PPTX:
            from omnilake.extraction.presentation import read_pptx

            return _prose(Format.PPTX, lambda: read_pptx(data, title, limits))
        case Format.XLSX:
            return _open_workbook(data, title, limits)
        case Format.HTML:
            from omnilake.extraction.web import read_html

            return _prose(Format.HTML, lambda: read_html(data, title, limits))
        case Format.EML:
            from omnilake.extraction.mail import Mail

            mail = Mail(data)
            opened = _prose(Format.EML, lambda: mail.read(title, limits))
            return replace(opened, metadata=mail.metadata)
        case Format.CODE:
            return _open_code(data, name, limits)
        case text_format:
            return _open_text(normalise(decode(data)), title, text_format, limits)


def _prose(media_type: Format, read: Callable[[], ExtractedDocument]) -> OpenedDocument:
    return OpenedDocument(media_type.value, Processor.PROSE, lambda processor: read())


def _open_text(text: str, title: str, text_format: Format, limits: ExtractionLimits) -> OpenedDocument:
    match text_format:
        case Format.MARKDOWN:
            from omnilake.extraction.markdown import read_markdown

            return _prose(text_format, lambda: read_markdown(text, title, limits))
        case Format.CSV | Format.TSV:
            from omnilake.extraction.delimited import delimited_table

            return _open_tables(text_format, title, limits, lambda: iter((delimited_table(text, text_format.value),)))
        case Format.JSON | Format.JSONL:
            return _open_json(text, title, text_format, limits)
        case Format.VTT | Format.SRT:
            from omnilake.extraction.transcript import read_subtitles

            return OpenedDocument(
                text_format.value,
                Processor.TRANSCRIPT,
                lambda processor: read_subtitles(text, title, text_format.value, limits),
            )
        case _:
            return _open_plain(text, title, limits)


def _open_plain(text: str, title: str, limits: ExtractionLimits) -> OpenedDocument:
    from omnilake.extraction.plain import read_plain
    from omnilake.extraction.source_code import read_code
    from omnilake.extraction.transcript import is_transcript, read_transcript

    def read(processor: Processor) -> ExtractedDocument:
        match processor:
            case Processor.TRANSCRIPT:
                return read_transcript(text, title, limits)
            case Processor.CODE:
                return read_code(text, title, "", limits).model_copy(update={"media_type": Format.PLAIN.value})
            case _:
                return read_plain(text, title, limits)

    own = Processor.TRANSCRIPT if is_transcript(text) else Processor.PROSE
    return OpenedDocument(Format.PLAIN.value, own, read)


def _open_code(data: bytes, name: str, limits: ExtractionLimits) -> OpenedDocument:
    from omnilake.extraction.plain import read_plain
    from omnilake.extraction.source_code import language_of, media_type_of, read_code

    text = normalise(decode(data))
    language = language_of(name, data) or ""

    def read(processor: Processor) -> ExtractedDocument:
        if processor == Processor.CODE:
            return read_code(text, name, language, limits)
        return read_plain(text, name, limits).model_copy(update={"media_type": media_type_of(language)})

    return OpenedDocument(media_type_of(language), Processor.CODE, read)


def _open_workbook(data: bytes, title: str, limits: ExtractionLimits) -> OpenedDocument:
    from omnilake.extraction.workbook import Workbook

    book = Workbook(data, limits)
    opened = _open_tables(Format.XLSX, book.title or title, limits, book.tables)
    return replace(opened, metadata=book.metadata)


def _open_json(text: str, title: str, text_format: Format, limits: ExtractionLimits) -> OpenedDocument:
    from omnilake.extraction import json_document
    from omnilake.extraction.conversation import read_conversation, recognise

    lines = text_format == Format.JSONL
    value: Any = None
    if not lines:
        try:
            value = json_document.parse_json(text, limits)
        except (CorruptDocument, DocumentTooLarge):
            if not json_document.is_lines(text):
                raise
            text_format, lines = Format.JSONL, True

    def values() -> Iterator[Any]:
        if lines:
            return json_document.parse_lines(text)
        return iter(value if isinstance(value, list) else [value])

    if not lines and (conversation := recognise(value)) is not None:
        return OpenedDocument(
            text_format.value,
            Processor.CONVERSATION,
            lambda processor: read_conversation(conversation, title, limits),
            metadata=conversation.metadata,
        )
    several = lines or isinstance(value, list)
    if several and (columns := json_document.columns_of(values())):
        return _open_tables(
            text_format, title, limits, lambda: iter((json_document.json_table(values(), columns),)), columns
        )
    media_type = text_format.value
    return OpenedDocument(
        media_type,
        Processor.PROSE,
        lambda processor: json_document.read_paths(values(), media_type, title, limits, numbered=several),
    )


def _open_tables(
    media_type: Format,
    title: str,
    limits: ExtractionLimits,
    tables: Callable[[], Iterator[Table]],
    columns: Sequence[str] | None = None,
) -> OpenedDocument:
    """A document of tables. ``tables`` gives them anew at each call; a table's name is a heading above it."""
    names = columns if columns is not None else list(dict.fromkeys(chain.from_iterable(t.columns for t in tables())))

    def read(processor: Processor) -> ExtractedDocument:
        recorder = TextRecorder(limits)
        for table in tables():
            add_table(recorder, table, title=title, summary=processor == Processor.ROWS)
        return recorder.finish(media_type.value, title)

    own = Processor.ROWS if names else Processor.PROSE
    return OpenedDocument(media_type.value, own, read, tuple(names), {}, tables)
