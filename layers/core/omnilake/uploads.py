"""Uploads straight to S3: a presigned POST for a file, presigned parts for a large one.

What the caller may put is fixed when the upload is made: the key ``incoming/<archive>/<name>``, the content type, the
metadata and the length. The arrival of the object starts its ingestion, which checks its bytes again.

An upload in parts is kept in the lake until it is completed or given up; S3 forgets parts that nobody completes.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

from botocore.exceptions import ClientError
from pydantic import Field, StringConstraints

from omnilake import aws, clock, entries, layout
from omnilake.errors import DocumentTooLarge, InvalidObjectName, InvalidUpload, UploadNotFound
from omnilake.ingest import contents, landing
from omnilake.models import ArchiveId, Model
from omnilake.settings import settings

MAX_POST_BYTES = 100 * 1024 * 1024
"""Largest file of a presigned POST; larger ones come in parts."""

PART_BYTES = 16 * 1024 * 1024
"""Size of the parts of an upload, the last one apart. S3 takes parts of 5 MiB or more."""

MAX_PARTS = 1_000

POST_SECONDS = 3_600
"""How long a presigned POST may be used."""

PARTS_SECONDS = 6 * 3_600
"""How long presigned parts may be used (no longer than the credentials that signed them)."""

UploadId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
_GONE = {"NoSuchUpload", "NoSuchKey", "404"}


class UploadRequest(Model):
    """A file that is to be uploaded."""

    name: str = Field(min_length=1, max_length=800)
    size: int = Field(gt=0, alias="bytes")
    media_type: str = Field(
        default="application/octet-stream", max_length=200, pattern=r"^[\w.+-]+/[\w.+-]+( *;[\x20-\x7e]*)?$"
    )
    metadata: dict[str, str] = Field(default={}, max_length=50)
    multipart: bool = False


class Part(Model):
    """One part of an upload, and where to put it."""

    number: int
    url: str


class UploadedPart(Model):
    """One part that was put, with the ETag that S3 answered."""

    number: int = Field(ge=1, le=MAX_PARTS)
    etag: str = Field(min_length=1, max_length=100)


class Upload(Model):
    """How to upload: one POST of a form with these fields and the file, or a PUT of each part and their completion."""

    upload_id: str
    archive_id: str
    entry_id: str
    name: str
    method: str
    url: str = ""
    fields: dict[str, str] = Field(default={})
    part_bytes: int = 0
    parts: list[Part] = Field(default=[])
    expires_at: str


class CompletedUpload(Model):
    """An upload in parts that has arrived; its ingestion starts by itself."""

    upload_id: str
    archive_id: str
    entry_id: str
    name: str


class StartedUpload(Model):
    """An upload in parts that is under way, as the lake keeps it."""

    upload_id: UploadId
    archive_id: ArchiveId
    entry_id: str
    name: str
    key: str
    size: int
    s3_upload_id: str
    started_by: str


def start(
    archive_id: str, request: UploadRequest, *, started_by: str = "", tenant: dict[str, str] | None = None
) -> Upload:
    """Make an upload.

    Args:
        archive_id: where it goes; that it is there the caller has seen when it checked who may write to it.
        request: the file.
        started_by: principal that may complete it.
        tenant: metadata that the caller has no say in.

    Raises:
        DocumentTooLarge: more than the deployment takes.
        InvalidUpload: a name or metadata that can't be.
    """
    key = f"{landing.INCOMING}{archive_id}/{request.name}"
    try:
        landing.parse_key(key)
    except InvalidObjectName as error:
        raise InvalidUpload(error.message) from None
    if len(key.encode()) > 1_024:
        raise InvalidUpload("The name is too long for a key of S3 (1,024 bytes).")
    limit = settings().max_document_bytes
    if request.size > limit:
        raise DocumentTooLarge(f"The document has {request.size:,} bytes; the limit is {limit:,}.")
    metadata = _encoded({**request.metadata, **(tenant or {})})
    upload_id = uuid.uuid4().hex
    told: dict[str, Any] = {
        "upload_id": upload_id,
        "archive_id": archive_id,
        "entry_id": _entry_id(archive_id, request),
        "name": request.name,
    }
    store = aws.ObjectStore(settings().require("landing_bucket"))
    if not request.multipart and request.size <= MAX_POST_BYTES:
        url, fields = store.presigned_post(key, request.media_type, metadata, request.size, POST_SECONDS)
        return Upload(**told, method="POST", url=url, fields=fields, expires_at=_in(POST_SECONDS))
    s3_upload_id = store.begin_parts(key, request.media_type, metadata)
    kept = StartedUpload(**told, key=key, size=request.size, s3_upload_id=s3_upload_id, started_by=started_by)
    aws.lake().write_model(layout.upload(archive_id, upload_id), kept)
    part_bytes = max(PART_BYTES, -(-request.size // MAX_PARTS))
    parts = [
        Part(number=number, url=store.presigned_part(key, s3_upload_id, number, PARTS_SECONDS))
        for number in range(1, -(-request.size // part_bytes) + 1)
    ]
    return Upload(**told, method="PUT", part_bytes=part_bytes, parts=parts, expires_at=_in(PARTS_SECONDS))


def complete(archive_id: str, upload_id: str, parts: list[UploadedPart], started_by: str = "") -> CompletedUpload:
    """Put the parts of an upload together. May be repeated while the record is kept.

    Raises:
        UploadNotFound: no such upload of this principal is under way.
        InvalidUpload: parts are missing or are not those that S3 has, or their length is not what was said; of a wrong
            length nothing is kept.
    """
    kept = _kept(archive_id, upload_id, started_by)
    store = aws.ObjectStore(settings().require("landing_bucket"))
    try:
        sizes = store.part_sizes(kept.key, kept.s3_upload_id)
        if set(sizes) != {part.number for part in parts} or len(sizes) != len(parts):
            raise InvalidUpload("The parts are not those that were put.")
        if sum(sizes.values()) != kept.size:
            abort(archive_id, upload_id, started_by)
            raise InvalidUpload("The parts together are not as long as the upload was said to be.")
        store.complete_parts(kept.key, kept.s3_upload_id, {part.number: part.etag for part in parts})
    except ClientError as error:
        if aws.error_code(error) in _GONE:
            raise UploadNotFound("There is no upload of that id under way.") from None
        if aws.error_code(error) in {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML"}:
            raise InvalidUpload("S3 does not take the parts as they are named.") from None
        raise
    aws.lake().delete(layout.upload(archive_id, upload_id))
    return CompletedUpload(upload_id=upload_id, archive_id=archive_id, entry_id=kept.entry_id, name=kept.name)


def abort(archive_id: str, upload_id: str, started_by: str = "") -> None:
    """Give an upload in parts up.

    Raises:
        UploadNotFound: no such upload of this principal is under way.
    """
    kept = _kept(archive_id, upload_id, started_by)
    try:
        aws.ObjectStore(settings().require("landing_bucket")).abort_parts(kept.key, kept.s3_upload_id)
    except ClientError as error:
        if aws.error_code(error) not in _GONE:
            raise
    aws.lake().delete(layout.upload(archive_id, upload_id))


def _kept(archive_id: str, upload_id: str, started_by: str) -> StartedUpload:
    kept = aws.lake().find_model(layout.upload(archive_id, upload_id), StartedUpload)
    if kept is None or kept.started_by != started_by:
        raise UploadNotFound("There is no upload of that id under way.")
    return kept


def _entry_id(archive_id: str, request: UploadRequest) -> str:
    source = request.metadata.get(contents.SOURCE_METADATA, "")
    identity = ("source", source) if source else (landing.SOURCE_TYPE, request.name)
    return entries.entry_id_of(archive_id, *identity)


def _encoded(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata as S3 carries it: names in lower case, values in printable ASCII, the rest percent-encoded.

    Raises:
        InvalidUpload: a name that is none, or more than is taken.
    """
    told = {name.lower(): quote(value.encode(errors="replace"), safe=" /:+,;=@._-") for name, value in metadata.items()}
    if len(told) != len(metadata) or not all(_is_name(name) for name in told):
        raise InvalidUpload("Names of metadata are letters, digits, hyphens and underscores, each once.")
    if sum(len(name) + len(value) for name, value in told.items()) > landing.MAX_UPLOAD_METADATA:
        raise InvalidUpload(f"The metadata has more than {landing.MAX_UPLOAD_METADATA:,} characters.")
    return told


def _is_name(name: str) -> bool:
    allowed = name.isascii() and bool(name) and all(each.isalnum() or each in "-_" for each in name)
    own = name.startswith("omnilake-") and name not in {contents.SOURCE_METADATA, contents.EFFECTIVE_METADATA}
    return allowed and not own


def _in(seconds: int) -> str:
    return clock.timestamp(datetime.now(UTC) + timedelta(seconds=seconds))
