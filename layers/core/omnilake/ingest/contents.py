"""What the references of a batch lead to: objects of S3, or lines of JSON lines objects (records).

Here is decided which entry a document is a version of, and how its versions are ordered.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from pydantic import ValidationError

from omnilake import aws, entries
from omnilake.errors import (
    DocumentTooLarge,
    EmptyDocument,
    InvalidCollection,
    InvalidMetadata,
    InvalidObjectName,
    InvalidRecord,
)
from omnilake.ingest import landing
from omnilake.models import ObjectRef, Record
from omnilake.settings import settings

SOURCE_METADATA = "omnilake-source"
"""User metadata of an upload: where the document comes from. It is the entry's identity then, whatever the path."""
EFFECTIVE_METADATA = "omnilake-effective-on"
"""User metadata of an upload: ISO 8601 date or time from which the content holds."""

MAX_RECORD_METADATA = 16_384
"""Most characters of a record's free metadata, names and values."""

_OWN_METADATA = "omnilake-"
_READ_SIZE = 1 << 20

Line = tuple[str, str, str | None, int]


@dataclass(frozen=True, slots=True)
class Content:
    """A version of an entry on its way in.

    Attributes:
        entry_id, version: which entry, which of its versions; versions sort by time.
        identity: what the entry id was made of: source type, then its fields.
        content_hash: hex, the same for the same document: sha256 of the bytes of an upload (the same bytes under two
            paths are one document), else of identity and content.
        sha256: of the bytes of an object, hex.
        size: in bytes.
        received_at: when the content came into being at its source, ISO 8601.
        deleted: the source says that the document is gone.
    """

    entry_id: str
    version: str
    name: str
    source: str
    identity: tuple[str, ...]
    content_hash: str
    size: int
    received_at: str
    effective_on: str = ""
    title: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    deleted: bool = False
    sha256: str = ""


def name_of(ref: ObjectRef) -> str:
    """The document's name as far as its reference tells it."""
    name = ref.name or landing.path_of(ref.key) or ref.key
    return name if ref.line is None else f"{name}, line {ref.line + 1}"


def of_object(ref: ObjectRef, archive_id: str, head: dict[str, Any]) -> Content:
    """The content behind an object; reads all of its bytes once, for the hash.

    Args:
        ref: which object version.
        archive_id: where it goes.
        head: what ``HeadObject`` says of it.
    Raises:
        EmptyDocument, DocumentTooLarge: by its size.
        InvalidObjectName: a name with control characters, or a key below ``incoming/`` without a path.
        InvalidMetadata: an effective date that is none, or too much metadata.
    """
    size = int(head["ContentLength"])
    identity, name = _identity(ref)
    if size == 0:
        raise EmptyDocument("The object has 0 bytes.")
    limit = settings().max_document_bytes
    if size > limit:
        raise DocumentTooLarge(f"The document has {size:,} bytes; the limit is {limit:,}.")
    told = {key.lower(): unquote(value) for key, value in head.get("Metadata", {}).items()}
    source = told.get(SOURCE_METADATA, "")
    if source:
        identity = ("source", source)
    effective_on = told.get(EFFECTIVE_METADATA, "")
    sha256 = _hash(ref)
    content_hash = sha256 if landing.is_landed(ref) else hashlib.sha256(f"{identity}{sha256}".encode()).hexdigest()
    received_at, sequencer = landing.received(ref, head)
    return Content(
        entry_id=entries.entry_id_of(archive_id, *identity),
        version=entries.version_of(compact(received_at), sequencer, content_hash, _effective(effective_on)),
        name=name,
        source=source or f"s3://{ref.bucket}/{ref.key}",
        identity=identity,
        content_hash=content_hash,
        size=size,
        received_at=received_at.isoformat(timespec="seconds"),
        effective_on=effective_on,
        metadata=_bounded(
            {key: value for key, value in told.items() if not key.startswith(_OWN_METADATA)},
            landing.MAX_UPLOAD_METADATA,
        ),
        sha256=sha256,
    )


def of_record(ref: ObjectRef, record: Record, archive_id: str, size: int) -> Content:
    """The content that a record is.

    Args:
        size: of its line, in bytes.
    Raises:
        InvalidRecord: a time that is none, a name with control characters, or too much metadata.
    """
    _checked_name(record.record_id)
    identity = (record.source_type, record.record_id)
    try:
        updated = _moment(record.updated_at)
        effective = _effective(record.effective_on)
        metadata = _bounded(record.metadata, MAX_RECORD_METADATA)
    except (InvalidMetadata, ValueError) as error:
        raise InvalidRecord("The record's times are not ISO 8601, or it has too much metadata.") from error
    content_hash = record.content_hash
    return Content(
        entry_id=entries.entry_id_of(archive_id, *identity),
        version=entries.version_of(compact(updated), f"{updated.microsecond:06d}", content_hash, effective),
        name=record.record_id,
        source=record.url or f"s3://{ref.bucket}/{ref.key}#{ref.line}",
        identity=identity,
        content_hash=content_hash,
        size=size,
        received_at=updated.isoformat(timespec="seconds"),
        effective_on=record.effective_on,
        title=record.title,
        metadata=metadata,
        deleted=record.deleted,
    )


def entry_of(ref: ObjectRef, archive_id: str, lines: dict[Line, bytes]) -> str:
    """Id of the entry that a reference belongs to, by its name alone; empty where it can't be told.

    An upload that names a source of its own can be told by its metadata only: its object is asked for them.
    """
    try:
        if ref.line is not None:
            record = parse_record(lines.get(line_of(ref), b""))
            return entries.entry_id_of(archive_id, record.source_type, record.record_id)
        head = aws.ObjectStore(ref.bucket).head(ref.key, ref.version_id) or {}
        source = source_of(head)
        return entries.entry_id_of(archive_id, *(("source", source) if source else _identity(ref)[0]))
    except (InvalidRecord, InvalidObjectName):
        return ""


def source_of(head: dict[str, Any]) -> str:
    """Where an upload says that it comes from; empty when it does not."""
    return unquote(head.get("Metadata", {}).get(SOURCE_METADATA, ""))


def read_lines(refs: Iterable[ObjectRef]) -> dict[Line, bytes]:
    """The lines that references name, each object read once. Lines that are not there are left out."""
    wanted: dict[tuple[str, str, str | None], set[int]] = defaultdict(set)
    for ref in refs:
        if ref.line is not None:
            wanted[ref.bucket, ref.key, ref.version_id].add(ref.line)
    found: dict[Line, bytes] = {}
    for (bucket, key, version_id), numbers in wanted.items():
        last = max(numbers)
        for number, line in enumerate(iterate_lines(bucket, key, version_id)):
            if number in numbers:
                found[bucket, key, version_id, number] = line
            if number >= last:
                break
    return found


def iterate_lines(bucket: str, key: str, version_id: str | None = None) -> Iterator[bytes]:
    """Lines of an object, one at a time; of a compressed one (``….gz``) those inside."""
    body = aws.ObjectStore(bucket).open(key, version_id)
    longest = settings().max_document_bytes
    if not key.endswith(".gz"):
        yield from _lines(body, longest)
        return
    try:
        with gzip.open(body, "rb") as lines:
            yield from _lines(lines, longest)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidCollection("The compressed lines are damaged.") from error


def _lines(stream: Any, longest: int) -> Iterator[bytes]:
    """Lines without their ends. A longer one is cut there: it is refused for its length, whatever it holds."""
    held = b""
    while block := stream.read(_READ_SIZE):
        first, *rest = block.split(b"\n")
        held = (held + first)[: longest + 1]
        for part in rest:
            yield held
            held = part
    if held:
        yield held


def line_of(ref: ObjectRef) -> Line:
    """Key of a reference in what :func:`read_lines` gives."""
    return ref.bucket, ref.key, ref.version_id, ref.line or 0


def parse_record(line: bytes) -> Record:
    """The record that a line is.

    Raises:
        InvalidRecord: not JSON, or not a record; names the fields at fault, not their values.
    """
    if not line.strip():
        raise InvalidRecord("The line is empty or missing.")
    limit = settings().max_document_bytes
    if len(line) > limit:
        raise InvalidRecord(f"The line has {len(line):,} bytes; the limit is {limit:,}.")
    try:
        record = Record.model_validate(json.loads(line))
    except ValidationError as error:
        fields = sorted({".".join(map(str, each["loc"])) or each["type"] for each in error.errors()})
        raise InvalidRecord(f"The record does not fit in: {', '.join(fields)[:500]}.") from None
    except (ValueError, RecursionError):
        raise InvalidRecord("The line is not JSON.") from None
    if not record.deleted and not record.messages and not record.text.strip():
        raise InvalidRecord("The record has neither text nor messages.")
    return record


def compact(moment: datetime) -> str:
    """A time as it stands in versions: ``YYYYMMDDTHHMMSSZ``."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _moment(told: str) -> datetime:
    moment = datetime.fromisoformat(told)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _effective(told: str) -> str:
    if not told:
        return ""
    try:
        return compact(_moment(told))
    except (ValueError, OverflowError) as error:
        raise InvalidMetadata(f"The value of {EFFECTIVE_METADATA} is no ISO 8601 date or time.") from error


def _identity(ref: ObjectRef) -> tuple[tuple[str, ...], str]:
    """Source type and identity fields of an object's entry, and the document's name."""
    if landing.is_landed(ref):
        path = landing.parse_key(ref.key).path
        return (landing.SOURCE_TYPE, path), path
    _checked_name(ref.key)
    return ("s3-object", ref.bucket, ref.key), name_of(ref)


def _checked_name(name: str) -> None:
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in name):
        raise InvalidObjectName("The document's name holds control characters.")


def _bounded(metadata: dict[str, str], most: int) -> dict[str, str]:
    if sum(len(key) + len(value) for key, value in metadata.items()) > most:
        raise InvalidMetadata(f"The metadata has more than {most:,} characters.")
    return metadata


def _hash(ref: ObjectRef) -> str:
    digest = hashlib.sha256()
    body = aws.ObjectStore(ref.bucket).open(ref.key, ref.version_id)
    for part in body.iter_chunks(_READ_SIZE):
        digest.update(part)
    return digest.hexdigest()
