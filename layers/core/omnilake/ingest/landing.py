"""The landing bucket: objects arrive as ``incoming/<archive>/<path>`` and end under ``processed/`` or ``failed/``.

``processed/`` and ``failed/`` hold the newest original of each path; older ones are kept as
``archived/<archive>/<path>/<version>``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from omnilake import aws
from omnilake.errors import InvalidObjectName
from omnilake.models import DocumentStatus, ErrorRecord, ObjectRef
from omnilake.settings import settings

INCOMING = "incoming/"
PROCESSED = "processed/"
FAILED = "failed/"
ARCHIVED = "archived/"
ZONES = (INCOMING, PROCESSED, FAILED)
SOURCE_TYPE = "s3"
"""Source type of uploaded documents; their identity is the path below the archive."""

_RECEIVED = "omnilake-received"
_RECEIVED_FORMAT = "%Y%m%dT%H%M%SZ"
_OUTCOME_METADATA = {f"omnilake-{name}" for name in ("job", "status", "version", "code", "reason", "received")}
_COPY_LIMIT = 5 * 1024**3  # CopyObject's; larger objects need a multipart copy
_MAX_REASON = 600  # S3 allows 2 KB of user metadata in all, the uploader's own included
MAX_UPLOAD_METADATA = 1_000
"""Most characters of an upload's user metadata, names and values: the rest of S3's 2 KB is for the outcome."""


@dataclass(frozen=True)
class LandingKey:
    """The parts of ``incoming/<archive>/<path>``."""

    archive_id: str
    path: str


def is_landed(ref: ObjectRef) -> bool:
    """Whether an object lies in a zone of the landing bucket: its path is its identity then, and it moves on."""
    return ref.bucket == settings().require("landing_bucket") and ref.line is None and ref.key.startswith(ZONES)


def below_zone(key: str) -> str:
    """What follows the zone in a landing key: ``<archive>/<path>``."""
    zone = next((zone for zone in ZONES if key.startswith(zone)), "")
    return key.removeprefix(zone)


def archive_of(key: str) -> str:
    """Archive that a key names, as it stands there; empty when it names none."""
    parts = below_zone(key).split("/", 1)
    return parts[0] if len(parts) == 2 else ""


def path_of(key: str) -> str:
    """Path below the archive that a key names; empty when it names none."""
    return below_zone(key).partition("/")[2]


def parse_key(key: str) -> LandingKey:
    """The archive and path that a landing key names, in whatever zone.

    Raises:
        InvalidObjectName: no archive, no path, or characters that would break logs, citations and file names.
    """
    archive_id, _, path = below_zone(key).partition("/")
    if not key.startswith(ZONES) or not archive_id or not path:
        raise InvalidObjectName("The key names no archive and path below incoming/.")
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in key):
        raise InvalidObjectName("The object's name holds control characters.")
    if any(part in {"", ".", ".."} for part in path.split("/")):
        raise InvalidObjectName("The object's path has an empty or relative part.")
    return LandingKey(archive_id, path)


def received(ref: ObjectRef, head: dict[str, Any]) -> tuple[datetime, str]:
    """When an upload came, and its order within that second (empty where it is not known).

    An original under ``failed/`` says when it came to ``incoming/``: a retry must not make it newer than it is.
    """
    moment, _, order = head.get("Metadata", {}).get(_RECEIVED, "").partition("-")
    if ref.key.startswith(FAILED) and moment:
        try:
            return datetime.strptime(moment, _RECEIVED_FORMAT).replace(tzinfo=UTC), order
        except ValueError:  # somebody else wrote it
            pass
    return head["LastModified"].astimezone(UTC), ref.sequencer


def move(
    ref: ObjectRef, status: DocumentStatus, job_id: str, error: ErrorRecord | None = None, version: str = ""
) -> str:
    """Move an object version to the zone of its outcome, with job, outcome and reason in its metadata.

    Only that version is removed: a newer upload of the same key stays. Moving twice is harmless. What lies in no zone
    of the landing bucket stays where it is.

    Args:
        version: of the entry, when it is known: decides which of two originals of one path is the newer.
    Returns:
        The new key, empty when the version is not there any more.
    """
    if not is_landed(ref):
        return ref.key
    zone = FAILED if status == DocumentStatus.FAILED else PROCESSED
    target = zone + below_zone(ref.key)
    store = aws.ObjectStore(ref.bucket)
    head = store.head(ref.key, ref.version_id)
    kept = store.head(target)
    if head is None:
        return target if kept and kept.get("Metadata", {}).get("omnilake-job") == job_id else ""
    metadata = _uploaders(head) | {"omnilake-job": job_id, "omnilake-status": status.value, "omnilake-version": version}
    order = version
    if zone == FAILED:
        metadata[_RECEIVED] = order = _order(ref, head)
    if kept and target != ref.key:
        kept_order = _order_of_kept(zone, target, ref.bucket, kept)
        if order and order < kept_order:
            target = archived(ref.key, version or order)
        elif kept_order and kept_order != order:
            aside = archived(ref.key, kept.get("Metadata", {}).get("omnilake-version", "") or kept_order)
            _copy(ref.bucket, {"Bucket": ref.bucket, "Key": target}, aside, kept, kept["Metadata"])
    if error is not None:
        metadata |= {
            "omnilake-code": error.code,
            "omnilake-reason": _ascii(f"{error.message} {error.action}")[:_MAX_REASON],
        }
    source = {"Bucket": ref.bucket, "Key": ref.key} | ({"VersionId": ref.version_id} if ref.version_id else {})
    _copy(ref.bucket, source, target, head, metadata)
    if target != ref.key:
        pinned = {"VersionId": ref.version_id} if ref.version_id else {}
        aws.client("s3").delete_object(Bucket=ref.bucket, Key=ref.key, **pinned)
    return target


def _order(ref: ObjectRef, head: dict[str, Any]) -> str:
    """What failed originals of one path are ordered by; nothing else is known of many."""
    moment, order = received(ref, head)
    return f"{moment:{_RECEIVED_FORMAT}}-{order.zfill(18) if order else ''}"


def _order_of_kept(zone: str, target: str, bucket: str, kept: dict[str, Any]) -> str:
    if zone == FAILED:
        return _order(ObjectRef(bucket=bucket, key=target), kept)
    return str(kept.get("Metadata", {}).get("omnilake-version", ""))


def _uploaders(head: dict[str, Any]) -> dict[str, str]:
    """User metadata as it was uploaded; none of it where it is more than is taken (the document is refused then)."""
    told = {name: value for name, value in head.get("Metadata", {}).items() if name not in _OUTCOME_METADATA}
    return told if sum(len(name) + len(value) for name, value in told.items()) <= MAX_UPLOAD_METADATA else {}


def archived(key: str, version: str) -> str:
    """Where the original of a version lies once a newer one of its path has taken its place."""
    return f"{ARCHIVED}{below_zone(key)}/{version}"


def _copy(bucket: str, source: dict[str, str], target: str, head: dict[str, Any], metadata: dict[str, str]) -> None:
    placed = {
        "Metadata": metadata,
        "MetadataDirective": "REPLACE",
        "ContentType": head["ContentType"],
    }
    if head["ContentLength"] <= _COPY_LIMIT:
        aws.client("s3").copy_object(Bucket=bucket, Key=target, CopySource=source, **placed)
    else:
        aws.client("s3").copy(source, bucket, target, ExtraArgs=placed)


def return_to_incoming(bucket: str, key: str) -> None:
    """Upload a kept object again under ``incoming/`` (its arrival starts a new ingestion).

    Args:
        bucket: the landing bucket.
        key: the landing key it had, ``incoming/…``; the copy under ``processed/`` is what is uploaded.
    """
    kept = PROCESSED + key.removeprefix(INCOMING)
    head = aws.ObjectStore(bucket).head(kept)
    if head is not None:
        _copy(bucket, {"Bucket": bucket, "Key": kept}, key, head, _uploaders(head))


def user_metadata(told: Mapping[str, str]) -> dict[str, str]:
    """Metadata of an upload as S3 can carry them."""
    return {name: _ascii(value) for name, value in told.items()}


def _ascii(text: str) -> str:
    """Text as S3 user metadata can carry it: printable ASCII, the rest percent-encoded."""
    folded = re.sub(r"\s+", " ", text).strip()
    return quote(folded, safe=" !#$&'()*+,/:;=?@[]\"<>-_.~|{}^`")
