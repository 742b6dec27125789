"""Records: documents that come as text of a media type, or as messages, with a title and metadata of their own."""

from __future__ import annotations

from omnilake.errors import InvalidRecord
from omnilake.extraction.conversation import read_messages
from omnilake.extraction.limits import DEFAULT_LIMITS, ExtractionLimits
from omnilake.extraction.structure import label, normalise
from omnilake.models import ExtractedDocument, Processor, Record, is_content_id


def read_record(record: Record, *, limits: ExtractionLimits = DEFAULT_LIMITS) -> ExtractedDocument:
    """Document of a record.

    Returns:
        The record's title and metadata come before those that the text has of its own. One without a title has
        its id; where that is made of its content, none.
    Raises:
        InvalidRecord: it has both text and messages, or a message without a valid time.
        NoTextFound: it has neither, or no text in them.
        CorruptDocument, DocumentTooLarge: see ``extract``.
    """
    if record.text and record.messages:
        raise InvalidRecord("The record has both text and messages.")
    title = record.title or ("" if is_content_id(record.record_id) else record.record_id)
    document = read_messages(record.messages, title, limits) if record.messages else _text(record, title, limits)
    return document.model_copy(
        update={
            "title": label(normalise(record.title)) or document.title,
            "metadata": {**document.metadata, **record.metadata},
        }
    )


def _text(record: Record, title: str, limits: ExtractionLimits) -> ExtractedDocument:
    text = normalise(record.text)
    match record.media_type:
        case "text/html":
            from omnilake.extraction.web import read_html_text

            return read_html_text(text, title, limits)
        case "text/markdown":
            from omnilake.extraction.markdown import read_markdown

            return read_markdown(text, title, limits)
        case _:
            from omnilake.extraction.plain import read_plain
            from omnilake.extraction.transcript import is_transcript, read_transcript

            if not is_transcript(text):
                return read_plain(text, title, limits)
            return read_transcript(text, title, limits).model_copy(update={"processor": Processor.TRANSCRIPT})
