"""What a document is: by its content first, by its name only among kinds of text.

Signatures are those of the formats' specifications; only what people do upload is told apart by name, so that the
error can say what was found. (A library of all signatures was weighed: it adds hundreds of kinds that all end in the
same error.)
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from omnilake.errors import (
    CorruptDocument,
    DocumentError,
    DocumentTypeMismatch,
    EncryptedDocument,
    UnsupportedDocumentType,
)
from omnilake.extraction.archive import ZIP_ERRORS, open_archive
from omnilake.extraction.encodings import has_unicode_mark, looks_binary
from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.source_code import language_of


class Format(StrEnum):
    """Formats that are read; the value is the media type."""

    PLAIN = "text/plain"
    MARKDOWN = "text/markdown"
    HTML = "text/html"
    PDF = "application/pdf"
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    CSV = "text/csv"
    TSV = "text/tab-separated-values"
    VTT = "text/vtt"
    SRT = "application/x-subrip"
    JSON = "application/json"
    JSONL = "application/jsonl"
    EML = "message/rfc822"
    CODE = "text/x-source"  # a document's media type names the language: text/x-python


@dataclass(frozen=True, slots=True)
class Kind:
    """A recognisable kind of content: its name in messages, and its format when it is read."""

    name: str
    format: Format | None = None


PDF = Kind("PDF", Format.PDF)
DOCX = Kind("Word document (DOCX)", Format.DOCX)
XLSX = Kind("Excel workbook", Format.XLSX)
PPTX = Kind("PowerPoint presentation", Format.PPTX)
ODF = Kind("OpenDocument file")
EPUB = Kind("EPUB book")
ZIP = Kind("ZIP archive")
PACKAGE = Kind("Office or program package")
LEGACY_OFFICE = Kind("legacy Office file or Outlook message")
RTF = Kind("RTF document")
POSTSCRIPT = Kind("PostScript file")
PNG = Kind("PNG image")
JPEG = Kind("JPEG image")
GIF = Kind("GIF image")
TIFF = Kind("TIFF image")
BMP = Kind("BMP image")
WEBP = Kind("WebP image")
HEIF = Kind("HEIF image")
WAV = Kind("WAV sound")
AVI = Kind("AVI video")
MP3 = Kind("MP3 sound")
MP4 = Kind("MP4 video or sound")
OGG = Kind("Ogg sound or video")
GZIP = Kind("gzip archive")
BZIP2 = Kind("bzip2 archive")
XZ = Kind("xz archive")
SEVEN_ZIP = Kind("7-Zip archive")
RAR = Kind("RAR archive")
ZSTD = Kind("Zstandard archive")
EXECUTABLE = Kind("program")
SQLITE = Kind("SQLite database")
PARQUET = Kind("Parquet file")
MAILBOX = Kind("mailbox")
SIGNATURE = Kind("signature or key file")

_SIGNATURES: tuple[tuple[bytes, Kind], ...] = (
    (b"%PDF-", PDF),
    (b"{\\rtf", RTF),
    (b"%!PS", POSTSCRIPT),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"ID3", MP3),
    (b"OggS", OGG),
    (b"\x1f\x8b\x08", GZIP),
    (b"BZh91AY&SY", BZIP2),
    (b"\xfd7zXZ\x00", XZ),
    (b"7z\xbc\xaf\x27\x1c", SEVEN_ZIP),
    (b"Rar!\x1a\x07", RAR),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    (b"\x7fELF", EXECUTABLE),
    (b"\xca\xfe\xba\xbe", EXECUTABLE),
    (b"SQLite format 3\x00", SQLITE),
    (b"PAR1", PARQUET),
)
_OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_OFFICE = "EncryptedPackage".encode("utf-16-le")  # a stream's name, MS-OFFCRYPTO 2.3.4

_KIND_OF_EXTENSION: dict[str, Kind] = {
    "pdf": PDF,
    "docx": DOCX,
    **dict.fromkeys(("doc", "dot", "xls", "ppt", "msg"), LEGACY_OFFICE),
    **dict.fromkeys(("xlsx", "xlsm"), XLSX),
    **dict.fromkeys(("pptx", "pptm"), PPTX),
    **dict.fromkeys(("odt", "ods", "odp"), ODF),
    "epub": EPUB,
    "zip": ZIP,
    "rtf": RTF,
    **dict.fromkeys(("ps", "eps"), POSTSCRIPT),
    "png": PNG,
    **dict.fromkeys(("jpg", "jpeg"), JPEG),
    "gif": GIF,
    **dict.fromkeys(("tif", "tiff"), TIFF),
    "bmp": BMP,
    "webp": WEBP,
    **dict.fromkeys(("heic", "heif"), HEIF),
    "wav": WAV,
    "avi": AVI,
    "mp3": MP3,
    **dict.fromkeys(("mp4", "m4a", "mov"), MP4),
    **dict.fromkeys(("ogg", "oga", "ogv"), OGG),
    **dict.fromkeys(("gz", "tgz"), GZIP),
    "bz2": BZIP2,
    "xz": XZ,
    "7z": SEVEN_ZIP,
    "rar": RAR,
    "zst": ZSTD,
    **dict.fromkeys(("exe", "dll", "so", "class"), EXECUTABLE),
    **dict.fromkeys(("sqlite", "db"), SQLITE),
    "parquet": PARQUET,
}
"""Extensions that claim a kind which shows in the content's first bytes."""

_UNREAD_TEXT: dict[str, Kind] = {
    "mbox": MAILBOX,
    **dict.fromkeys(("p7s", "pem", "crt", "key", "asc"), SIGNATURE),
}
"""Formats that are text on the outside: read as text they would yield base64 and headers."""

_TEXT_FORMATS: dict[str, Format] = {
    **dict.fromkeys(("md", "markdown", "mdown", "mkd"), Format.MARKDOWN),
    **dict.fromkeys(("html", "htm", "xhtml"), Format.HTML),
    "csv": Format.CSV,
    **dict.fromkeys(("tsv", "tab"), Format.TSV),
    "vtt": Format.VTT,
    "srt": Format.SRT,
    **dict.fromkeys(("json", "geojson", "webmanifest", "har", "ipynb"), Format.JSON),
    **dict.fromkeys(("jsonl", "ndjson", "jsonlines"), Format.JSONL),
    "eml": Format.EML,
}
_PLAIN_SUFFIXES = frozenset({"txt", "text", "log"})
_HEADERS = re.compile(rb"(?:[A-Za-z][A-Za-z-]{1,60}:[^\n]*\n(?:[ \t][^\n]*\n)*)+")
_HEADER_NAME = re.compile(rb"^([A-Za-z-]+):", re.M)
_HTML_START = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_VTT_START = re.compile(rb"(?:\xef\xbb\xbf)?WEBVTT(?:[ \t\r\n]|$)")
_ZIP_PARTS = (("word/", DOCX), ("xl/", XLSX), ("ppt/", PPTX))
_PACKAGE_ENTRIES = frozenset(
    {
        "[Content_Types].xml",
        "mimetype",
        "META-INF/MANIFEST.MF",
        "AndroidManifest.xml",
        "Index/Document.iwa",
        "Index.zip",
    }
)
"""Of formats that are ZIP files and not archives of documents: Visio, XPS, books, Java, Android, iWork."""


def extension(name: str) -> str:
    """Extension of a document's name, lower case, without the dot; empty when it has none."""
    return PurePosixPath(name.replace("\\", "/")).suffix.lower().lstrip(".")


def detect(data: bytes, name: str, limits: ExtractionLimits) -> Format:
    """Format of a document.

    Args:
        data: not empty.
        name: as it was uploaded; only its extension is looked at.
        limits: most entries of a zipped format.
    Raises:
        UnsupportedDocumentType: a kind that is not read, or binary data of no known kind.
        DocumentTypeMismatch: the name claims one kind and the content is of another.
        EncryptedDocument: an Office document with a password.
        CorruptDocument: a ZIP container that can't be opened.
        DecompressionLimit: a ZIP container with too many entries.
    """
    suffix = extension(name)
    claimed = _KIND_OF_EXTENSION.get(suffix)
    found = _recognise(data, claimed, limits)
    if found is not None:
        return _format_of_kind(found, claimed, suffix)
    # The declared kinds show in the first bytes, so this is something else under their name.
    if looks_binary(data):
        raise UnsupportedDocumentType("The content is binary data of no known type.")
    if claimed is not None:
        raise DocumentTypeMismatch(f"The name ends in .{suffix} ({claimed.name}) and the content is text.")
    if suffix in _UNREAD_TEXT:
        raise UnsupportedDocumentType(f"The content is of a kind that is not read: {_UNREAD_TEXT[suffix].name}.")
    if _VTT_START.match(data):
        return Format.VTT
    if suffix in _TEXT_FORMATS:
        return _TEXT_FORMATS[suffix]
    if language_of(name, data) is not None:
        return Format.CODE
    if suffix not in _PLAIN_SUFFIXES:
        if _HTML_START.match(data[:4096]):
            return Format.HTML
        if data.lstrip()[:1] in {b"{", b"["} and _is_json(data, limits):
            return Format.JSON
        if not suffix and _is_mail(data):
            return Format.EML
    return Format.PLAIN


def _is_json(data: bytes, limits: ExtractionLimits) -> bool:
    if len(data) > limits.max_xml_bytes:
        return False
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _is_mail(data: bytes) -> bool:
    """Whether a text begins with three header lines or more, of which some only mails have."""
    head = _HEADERS.match(data[:16_384])
    names = {name.lower() for name in _HEADER_NAME.findall(head[0])} if head else set()
    return len(names) >= 3 and b"from" in names and bool(names & {b"date", b"received", b"message-id"})


def is_archive_file(data: bytes, name: str, limits: ExtractionLimits) -> bool:
    """Whether a ZIP file is an archive of documents, and its name does not claim something else.

    Args:
        data: begins as a ZIP file.
        name: as it was uploaded; only its extension is looked at.
        limits: most entries.
    """
    suffix = extension(name)
    claimed = _KIND_OF_EXTENSION.get(suffix)
    if claimed not in {None, ZIP} or _claims_text(suffix):
        return False
    try:
        return _zip_kind(data, claimed, limits) is ZIP
    except DocumentError:
        return False


def _claims_text(suffix: str) -> bool:
    return suffix in _TEXT_FORMATS or suffix in _UNREAD_TEXT or suffix in _PLAIN_SUFFIXES | {"xml"}


def _format_of_kind(found: Kind, claimed: Kind | None, suffix: str) -> Format:
    known_text = _claims_text(suffix)
    # Any Office file is a ZIP archive, and an archive is refused with a better reason than its name.
    plain_archive = found is ZIP and claimed in (DOCX, XLSX, PPTX, ODF, EPUB)
    if (known_text or (claimed is not None and claimed is not found)) and not plain_archive:
        said = claimed.name if claimed else "text"
        raise DocumentTypeMismatch(f"The name ends in .{suffix} ({said}) and the content is of the kind: {found.name}.")
    if found.format is None:
        raise UnsupportedDocumentType(f"The content is of a kind that is not read: {found.name}.")
    return found.format


def _recognise(data: bytes, claimed: Kind | None, limits: ExtractionLimits) -> Kind | None:
    if has_unicode_mark(data):
        return None
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(data, claimed, limits)
    if data.startswith(_OLE_SIGNATURE):
        if _ENCRYPTED_OFFICE in data:
            raise EncryptedDocument("The Office document needs a password.")
        return LEGACY_OFFICE
    if data[:4] == b"RIFF":
        return {b"WEBP": WEBP, b"WAVE": WAV, b"AVI ": AVI}.get(data[8:12])
    if data[4:8] == b"ftyp":
        return HEIF if data[8:12] in {b"heic", b"heix", b"mif1", b"msf1", b"hevc"} else MP4
    if data[:2] == b"BM" and int.from_bytes(data[2:6], "little") == len(data):
        return BMP
    if data[:2] == b"MZ" and looks_binary(data):
        return EXECUTABLE
    # Readers look for the header in the first kilobyte (ISO 32000-1, H.3, note 13): mail gateways put lines before it.
    if claimed is PDF and b"%PDF-" in data[:1024]:
        return PDF
    return None


def _zip_kind(data: bytes, claimed: Kind | None, limits: ExtractionLimits) -> Kind:
    """Which zipped format it is, from the directory of its entries alone."""
    try:
        with open_archive(data, limits) as archive:
            names = archive.namelist()
            mimetype = archive.open("mimetype").read(128) if "mimetype" in names[:3] else b""
    except ZIP_ERRORS as error:
        what = claimed.name if claimed in (DOCX, XLSX, PPTX, ODF, EPUB) else ZIP.name
        raise CorruptDocument(f"The {what} can't be opened.", exception=type(error).__name__) from None
    if mimetype.startswith(b"application/epub"):
        return EPUB
    if mimetype.startswith(b"application/vnd.oasis.opendocument"):
        return ODF
    if "[Content_Types].xml" in names:
        for prefix, kind in _ZIP_PARTS:
            if any(name.startswith(prefix) for name in names):
                return kind
    return ZIP if _PACKAGE_ENTRIES.isdisjoint(names) else PACKAGE
