"""EML by the standard library's ``email`` (RFC 5322, MIME): headers, the text of the message, names of attachments.

Of alternatives the plain text is read, else the HTML page. A mail is no archive file: its attachments are named in the
text and not read; whoever wants them searchable uploads them.

Headers are decoded one by one: the library's newer policy parses addresses by grammar, which takes seconds for long
lists and fails on some that mail programs write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime

from omnilake.errors import DocumentTypeMismatch, EncryptedDocument, NoTextFound
from omnilake.extraction.encodings import decode, has_unicode_mark
from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.parsers import parser_call
from omnilake.extraction.structure import TextRecorder, fold, normalise
from omnilake.extraction.web import read_html
from omnilake.models import ExtractedDocument, SegmentKind

_TELLING = ("from", "to", "subject", "date", "received", "message-id", "return-path")
_SHOWN = ("From", "To", "Cc", "Date")
_MAX_HEADER_CHARACTERS = 32 * 1024
_PARAGRAPH_BREAK = re.compile(r"\n[^\S\n]*\n\s*")


class Mail:
    """A mail message, parsed.

    Args:
        data: as it was uploaded.
    Raises:
        DocumentTypeMismatch: it has no header of a mail.
        EncryptedDocument: its text is encrypted (OpenPGP, S/MIME).
        CorruptDocument: parts nested deeper than the parser goes.
    """

    def __init__(self, data: bytes) -> None:
        # UTF-16, with its mark or without; MIME itself is ASCII.
        wide = has_unicode_mark(data) or b"\x00" in data[:4]
        source = decode(data).encode() if wide else data
        with parser_call("mail message", corrupt=(MessageError, RecursionError, ValueError)):
            self._message: Message = BytesParser().parsebytes(source)
        if not any(name in self._message for name in _TELLING):
            raise DocumentTypeMismatch("The name ends in .eml (mail message) and the content has no header of a mail.")
        if _is_encrypted(self._message):
            raise EncryptedDocument("The mail is encrypted.")
        self._headers: dict[str, str] = {}
        for name, value in self._message.raw_items():
            self._headers.setdefault(name.lower(), _decoded(value))
        told = {name: self._headers.get(name, "") for name in ("subject", "from", "to", "cc", "date")}
        told["date"] = _iso_date(told["date"])
        self.metadata = {name: value for name, value in told.items() if value}

    def read(self, title: str, limits: ExtractionLimits) -> ExtractedDocument:
        """Document of the mail: subject as heading, sender, recipients and date, text, names of attachments.

        Args:
            title: used when the mail has no subject.
        Raises:
            InvalidEncoding, CorruptDocument: of its text (see ``encodings.decode`` and ``web.read_html``).
            DocumentTooLarge: more text than the limits allow.
        """
        recorder = TextRecorder(limits)
        recorder.add(self._headers.get("subject", ""), SegmentKind.HEADING, level=1)
        shown = (f"{name}: {value}" for name in _SHOWN if (value := self._headers.get(name.lower())))
        recorder.add("\n".join(shown))
        attachments: list[str] = []
        with parser_call("mail message", corrupt=(MessageError, LookupError, ValueError)):
            for part in _parts(self._message):
                if _is_text(part):
                    _add_text(recorder, part, limits)
                elif name := _attachment_name(part):
                    attachments.append(f"- {name} ({part.get_content_type()})")
        if attachments:
            recorder.add("Attachments:")
            for line in attachments:
                recorder.add(line, SegmentKind.LIST)
        return recorder.finish("message/rfc822", self._headers.get("subject") or title)


def _parts(message: Message) -> Iterator[Message]:
    """Leaves in order; of alternatives the one to read. Iterative: parts may nest as deep as the parser goes."""
    stack = [message]
    while stack:
        part = stack.pop()
        inner = part.get_payload()
        # A message within a message is an attachment: another mail, with a sender of its own.
        if part.get_content_maintype() == "multipart" and isinstance(inner, list):
            parts = [each for each in inner if isinstance(each, Message)]
            if part.get_content_subtype() == "alternative":
                parts = _alternative(parts)
            stack.extend(reversed(parts))
        else:
            yield part


def _alternative(parts: list[Message]) -> list[Message]:
    """The plain text when it holds any, else the last that is no calendar entry or the like (RFC 2046, 5.1.4)."""
    for part in parts:
        if part.get_content_type() == "text/plain" and _payload(part).strip():
            return [part]
    pages = [part for part in parts if part.get_content_maintype() in {"text", "multipart"}]
    readable = [part for part in pages if part.get_content_type() not in {"text/plain", "text/calendar"}]
    return (readable or pages)[-1:]


def _is_text(part: Message) -> bool:
    return part.get_content_type() in {"text/plain", "text/html"} and not (
        part.get_content_disposition() == "attachment" or part.get_filename()
    )


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _add_text(recorder: TextRecorder, part: Message, limits: ExtractionLimits) -> None:
    payload = _payload(part)
    if not payload.strip():
        return
    text = decode(payload, part.get_content_charset())
    if part.get_content_type() == "text/plain":
        for paragraph in _PARAGRAPH_BREAK.split(normalise(text)):
            recorder.add(paragraph)
        return
    try:
        page = read_html(text.encode(errors="replace"), "", limits)
    except NoTextFound:
        return  # pictures alone, or a pixel that counts readers: the headers are still a document
    for segment in page.segments:
        recorder.add(
            page.text[segment.start : segment.end],
            segment.kind,
            level=min(segment.level + 1, 6) if segment.level else 0,
            header=segment.header,
        )


def _attachment_name(part: Message) -> str:
    name = part.get_filename()
    if name:
        return _decoded(name)
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload(0)
        return _decoded(str(inner.get("subject", ""))) if isinstance(inner, Message) else ""
    return "without a name" if part.get_content_disposition() == "attachment" else ""


def _is_encrypted(message: Message) -> bool:
    kind = message.get_content_type()
    if kind in {"application/pkcs7-mime", "application/x-pkcs7-mime"}:
        return str(message.get_param("smime-type", "enveloped-data")) == "enveloped-data"
    return kind == "multipart/encrypted"


def _decoded(raw: str) -> str:
    """A header's value on one line, encoded words (RFC 2047) decoded; as it stands when they can't be."""
    value = fold(str(raw)[:_MAX_HEADER_CHARACTERS].encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    if "=?" in value:
        try:
            value = str(make_header(decode_header(value)))
        except (MessageError, LookupError, ValueError):
            return normalise(value)
    return fold(normalise(value))


def _iso_date(value: str) -> str:
    """ISO 8601 in UTC; empty when the header holds no date."""
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return ""
    try:
        return moment.astimezone(UTC).isoformat() if moment.tzinfo else moment.replace(tzinfo=UTC).isoformat()
    except OverflowError:
        return ""
