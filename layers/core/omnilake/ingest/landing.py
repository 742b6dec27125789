"""The landing bucket: objects arrive as ``incoming/<archive>/<path>`` and end under ``processed/`` or ``failed/``."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote

from omnilake import aws
from omnilake.errors import InvalidObjectName
from omnilake.models import DocumentStatus, ErrorRecord, ObjectRef

INCOMING = "incoming/"
PROCESSED = "processed/"
FAILED = "failed/"
SOURCE_TYPE = "s3"
"""Source type of uploaded documents; their identity is the path below the archive."""

_COPY_LIMIT = 5 * 1024**3  # CopyObject's; larger objects need a multipart copy
_MAX_METADATA = 900  # S3 allows 2 KB of user metadata in all


@dataclass(frozen=True)
class LandingKey:
    """The parts of ``incoming/<archive>/<path>``."""

    archive_id: str
    path: str


def archive_of(key: str) -> str:
    """Archive that a key names, as it stands there; empty when it names none."""
    parts = key.removeprefix(INCOMING).split("/", 1)
    return parts[0] if len(parts) == 2 else ""


def parse_key(key: str) -> LandingKey:
    """The archive and path that a landing key names.

    Raises:
        InvalidObjectName: no archive, no path, or characters that would break logs, citations and file names.
    """
    archive_id, _, path = key.removeprefix(INCOMING).partition("/")
    if not key.startswith(INCOMING) or not archive_id or not path:
        raise InvalidObjectName("The key names no archive and path below incoming/.")
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in key):
        raise InvalidObjectName("The object's name holds control characters.")
    if any(part in {"", ".", ".."} for part in path.split("/")):
        raise InvalidObjectName("The object's path has an empty or relative part.")
    return LandingKey(archive_id, path)


def move(ref: ObjectRef, status: DocumentStatus, job_id: str, error: ErrorRecord | None = None) -> str:
    """Move an object version out of ``incoming/``, with job, outcome and reason in its metadata.

    Only that version is removed: a newer upload of the same key stays. Moving twice is harmless.

    Returns:
        The new key, empty when the version is not there any more.
    """
    zone = FAILED if status == DocumentStatus.FAILED else PROCESSED
    target = zone + ref.key.removeprefix(INCOMING)
    store = aws.ObjectStore(ref.bucket)
    head = store.head(ref.key, ref.version_id)
    if head is None:
        moved = store.head(target)
        return target if moved and moved.get("Metadata", {}).get("omnilake-job") == job_id else ""
    metadata = {"omnilake-job": job_id, "omnilake-status": status.value}
    if error is not None:
        metadata |= {"omnilake-code": error.code, "omnilake-reason": _ascii(f"{error.message} {error.action}")}
    source = {"Bucket": ref.bucket, "Key": ref.key} | ({"VersionId": ref.version_id} if ref.version_id else {})
    placed = {"Metadata": metadata, "MetadataDirective": "REPLACE", "ContentType": head["ContentType"]}
    s3 = aws.client("s3")
    if head["ContentLength"] <= _COPY_LIMIT:
        s3.copy_object(Bucket=ref.bucket, Key=target, CopySource=source, **placed)
    else:
        s3.copy(source, ref.bucket, target, ExtraArgs=placed)
    pinned = {"VersionId": ref.version_id} if ref.version_id else {}
    s3.delete_object(Bucket=ref.bucket, Key=ref.key, **pinned)
    return target


def return_to_incoming(bucket: str, key: str) -> None:
    """Upload a kept object again under ``incoming/`` (its arrival starts a new ingestion).

    Args:
        bucket: the landing bucket.
        key: the landing key it had, ``incoming/…``; the copy under ``processed/`` is what is uploaded.
    """
    kept = PROCESSED + key.removeprefix(INCOMING)
    if aws.ObjectStore(bucket).head(kept) is not None:
        aws.client("s3").copy_object(
            Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": kept}, MetadataDirective="REPLACE"
        )


def _ascii(text: str) -> str:
    """Text as S3 user metadata can carry it: printable ASCII, the rest percent-encoded."""
    folded = re.sub(r"\s+", " ", text).strip()
    return quote(folded, safe=" !#$&'()*+,/:;=?@[]\"<>-_.~|{}^`")[:_MAX_METADATA]
