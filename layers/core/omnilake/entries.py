"""The registry of entries: who owns which content, which version is current, and what became of it.

Two tables. *entries*: one item per (entry, version). *registrations*: claims that make ingestion idempotent:

``object#<bucket>#<key>#<identity>``     this S3 object version was taken by that job
``content#<archive>#<sha256>``           these bytes are in the archive as that entry version; ``aliases`` are other
                                         uploads of the same bytes

A claim is taken by a conditional write, so of two executions that see the same document at once exactly one goes on.
A job that restarts finds its own claims and goes on with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from omnilake import aws
from omnilake.clock import now
from omnilake.errors import TransientError
from omnilake.models import DocumentStatus, ErrorRecord, ObjectRef

BY_ARCHIVE_STATUS = "by_archive_status"
"""Index: partition ``archive_status`` ("my_archive#FAILED"), sort ``updated_at``."""
BY_CONTENT_HASH = "by_content_hash"
"""Index: partition ``content_hash``, sort ``entry_id``."""


UNDER_WAY = {DocumentStatus.PENDING.value, DocumentStatus.PROCESSING.value}
"""Statuses of versions that a job works on."""

_LIVE = {DocumentStatus.PENDING.value, DocumentStatus.PROCESSING.value, DocumentStatus.COMPLETED.value}
_CLAIM_ATTEMPTS = 20


REMOVED_CONTENT = "removed"
"""Content hash of a version that was removed (an index is keyed by it, so there has to be one)."""


class Claim(StrEnum):
    """What came of a claim."""

    OURS = "ours"
    TAKEN = "taken"


def entry_id_of(archive_id: str, source_type: str, *identity: str) -> str:
    """Identity of an entry: a hash of the length-prefixed fields of its source, scoped by archive and source type.

    Length prefixes keep ("a/b", "c") and ("a", "b/c") apart.
    """
    digest = hashlib.sha256()
    for field in (archive_id, source_type, *identity):
        data = field.encode()
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    return "e" + digest.hexdigest()[:31]


def version_of(updated: str, sequencer: str, content_hash: str, effective: str = "") -> str:
    """A version that sorts by time: from when the content holds, else when it came; then by order, then by content.

    Args:
        updated: ``YYYYMMDDTHHMMSSZ``, when the object was uploaded or the record changed.
        sequencer: order within that second: the hex string of the S3 event, or microseconds; empty when unknown.
        content_hash: sha256 of the content, hex.
        effective: ``YYYYMMDDTHHMMSSZ`` from which the content holds, empty when nobody said.
    """
    order = f"{updated}-{(sequencer or '0').upper().zfill(18)}-{content_hash[:8]}"
    return f"{effective}-{order}" if effective else order


def claim_object(ref: ObjectRef, job_id: str) -> Claim:
    """Take an object version for a job."""
    key = {"registration_id": f"object#{ref.bucket}#{ref.key}#{ref.identity}"}
    taken = _registrations().put(
        {**key, "job_id": job_id, "claimed_at": now()},
        condition="attribute_not_exists(registration_id) OR job_id = :job_id",
        values={":job_id": job_id},
    )
    return Claim.OURS if taken else Claim.TAKEN


def claim_content(
    archive_id: str, content_hash: str, entry_id: str, version: str, job_id: str, alias: str
) -> dict[str, Any]:
    """Take a content for an entry version that is registered already, or find out who has it.

    A claim whose entry has moved on to other content is stale and is taken over: a document that returns to earlier
    content is a new version. A newer upload of the same bytes is no such move: it is about to find itself a duplicate.
    When a live claim of another entry stands, ``alias`` (where this upload will be kept) is noted on it, so that
    :func:`release_content` can hand the content back.

    Args:
        archive_id: the archive.
        content_hash: sha256 of the bytes, hex.
        entry_id: who asks.
        version: of that entry.
        job_id: of the asking execution.
        alias: landing key to upload again if the present owner drops this content.

    Returns:
        The claim's item; its ``entry_id`` and ``version`` are the asker's own when the claim was won.

    Raises:
        TransientError: the claim changed hands too often to be read.
    """
    registration = {"registration_id": _content(archive_id, content_hash)}
    mine = {**registration, "entry_id": entry_id, "version": version, "job_id": job_id, "claimed_at": now()}
    for _ in range(_CLAIM_ATTEMPTS):
        won = _registrations().put(
            mine,
            condition="attribute_not_exists(registration_id) OR (entry_id = :entry_id AND version = :version)",
            values={":entry_id": entry_id, ":version": version},
        )
        if won:
            return mine
        held = _registrations().get(registration)
        if held is None:
            continue  # released in between: try again
        if _stands(held, content_hash, asked_by=(entry_id, version)):
            if held["entry_id"] == entry_id:
                return held
            noted = _registrations().update(
                registration,
                "ADD aliases :alias",
                {":alias": {alias}, ":entry_id": held["entry_id"], ":version": held["version"]},
                condition="entry_id = :entry_id AND version = :version",
            )
            if noted:
                return held
            continue  # the owner changed in between: look again
        _registrations().delete(
            registration,
            condition="entry_id = :entry_id AND version = :version",
            values={":entry_id": held["entry_id"], ":version": held["version"]},
        )
    raise TransientError("A content claim changed hands too often.")


def release_content(archive_id: str, content_hash: str, entry_id: str, version: str) -> list[str]:
    """Drop an entry version's claim on its content, if it still holds it.

    Returns:
        Landing keys of other uploads of the same bytes: they must be ingested now, or the content would be lost.
    """
    registration = {"registration_id": _content(archive_id, content_hash)}
    held = _registrations().get(registration)
    if held is None or (held["entry_id"], held["version"]) != (entry_id, version):
        return []
    _registrations().delete(
        registration,
        condition="entry_id = :entry_id AND version = :version",
        values={":entry_id": entry_id, ":version": version},
    )
    return sorted(held.get("aliases", ()))


def aliases(archive_id: str, content_hash: str, entry_id: str, version: str) -> list[str]:
    """Landing keys of other uploads of the content that an entry version holds."""
    held = _registrations().get({"registration_id": _content(archive_id, content_hash)})
    if held is None or (held["entry_id"], held["version"]) != (entry_id, version):
        return []
    return sorted(held.get("aliases", ()))


def is_noted(archive_id: str, content_hash: str, alias: str) -> bool:
    """Whether another upload of a content still stands as an alias on the content's claim."""
    held = _registrations().get({"registration_id": _content(archive_id, content_hash)})
    return held is not None and alias in held.get("aliases", ())


def release_object(ref: ObjectRef, job_id: str) -> None:
    """Let an object version be taken again (after a failure that a new upload or a redrive may mend)."""
    _registrations().delete(
        {"registration_id": f"object#{ref.bucket}#{ref.key}#{ref.identity}"},
        condition="job_id = :job_id",
        values={":job_id": job_id},
    )


def register(
    entry_id: str,
    version: str,
    *,
    archive_id: str,
    job_id: str,
    name: str,
    source: str,
    size: int,
    content_hash: str,
    **facts: Any,
) -> bool:
    """Record an entry version as PENDING; the same job may do so again.

    Args:
        facts: further attributes: ``source_type``, ``received_at``, ``effective_on``, ``metadata`` …; empty ones are
            left out.
    Returns:
        False when another job has that version, and it has neither failed there nor been removed since.
    """
    moment = now()
    return _entries().put(
        {
            "entry_id": entry_id,
            "version": version,
            "archive_id": archive_id,
            "archive_status": f"{archive_id}#{DocumentStatus.PENDING.value}",
            "status": DocumentStatus.PENDING.value,
            "job_id": job_id,
            "name": name,
            "source": source,
            "size": size,
            "content_hash": content_hash,
            "created_at": moment,
            "updated_at": moment,
            **{name: value for name, value in facts.items() if value},
        },
        condition="attribute_not_exists(entry_id) OR job_id = :job_id OR attribute_exists(error_code) "
        "OR attribute_exists(removed_at)",
        values={":job_id": job_id},
    )


def start(entry_id: str, version: str, archive_id: str, job_id: str) -> None:
    """Note that an entry version is being read: PENDING becomes PROCESSING. May be repeated."""
    status = DocumentStatus.PROCESSING.value
    moment = now()
    _entries().update(
        {"entry_id": entry_id, "version": version},
        "SET #status = :status, archive_status = :archive_status, started_at = :moment, updated_at = :moment",
        {
            ":status": status,
            ":archive_status": f"{archive_id}#{status}",
            ":moment": moment,
            ":pending": DocumentStatus.PENDING.value,
            ":job_id": job_id,
        },
        names={"#status": "status"},
        condition="#status = :pending AND job_id = :job_id",
    )


def finish(
    entry_id: str,
    version: str,
    *,
    archive_id: str,
    status: DocumentStatus,
    error: ErrorRecord | None = None,
    job_id: str = "",
    **facts: Any,
) -> bool:
    """End the processing of an entry version, with its outcome and facts (type, chunks …); empty facts are left out.

    Args:
        job_id: when given, only while the version is that job's.
    Returns:
        False when another job has taken the version (a retry of what failed).
    """
    moment = now()
    fields: dict[str, Any] = {
        "status": status.value,
        "archive_status": f"{archive_id}#{status.value}",
        "updated_at": moment,
        "ended_at": moment,
        **{name: value for name, value in facts.items() if value not in ("", {}, [])},
    }
    if error is not None:
        fields |= {"error_code": error.code, "error_message": error.message}
    values = {f":{name}": value for name, value in fields.items()}
    return _entries().update(
        {"entry_id": entry_id, "version": version},
        "SET " + ", ".join(f"#{name} = :{name}" for name in fields),
        values | ({":job_id": job_id} if job_id else {}),
        names={f"#{name}": name for name in fields},
        condition="job_id = :job_id" if job_id else None,
    )


def versions(entry_id: str) -> list[dict[str, Any]]:
    """All versions of an entry, newest first."""
    return list(
        _entries().query(
            KeyConditionExpression="entry_id = :entry_id",
            ExpressionAttributeValues={":entry_id": entry_id},
            ScanIndexForward=False,
            ConsistentRead=True,
        )
    )


def get(entry_id: str, version: str) -> dict[str, Any] | None:
    """One version of an entry."""
    return _entries().get({"entry_id": entry_id, "version": version})


# --- removal and reindexing -------------------------------------------------------------------------------------


def mark_removing(entry_id: str, version: str, archive_id: str, job_id: str, abandoned_by: str = "") -> bool:
    """Note that a removal has begun; False while a job works on the version. May be repeated.

    Args:
        abandoned_by: a job that worked on it and has ended without letting it go.
    """
    status = DocumentStatus.REMOVING.value
    return _entries().update(
        {"entry_id": entry_id, "version": version},
        "SET #status = :status, archive_status = :archive_status, removal_job_id = :job_id, updated_at = :moment",
        {
            ":status": status,
            ":archive_status": f"{archive_id}#{status}",
            ":job_id": job_id,
            ":moment": now(),
            ":pending": DocumentStatus.PENDING.value,
            ":processing": DocumentStatus.PROCESSING.value,
            ":removed": DocumentStatus.REMOVED.value,
            ":abandoned": abandoned_by,
        },
        names={"#status": "status"},
        condition="attribute_exists(entry_id) AND #status <> :removed "
        "AND (NOT #status IN (:pending, :processing) OR job_id = :abandoned) "
        "AND (attribute_not_exists(reindex_job_id) OR reindex_job_id = :abandoned)",
    )


def bury(entry_id: str, version: str, archive_id: str, job_id: str) -> bool:
    """Leave of a version only that it was there, and which removal took it away; False when it has come anew since."""
    moment = now()
    status = DocumentStatus.REMOVED.value
    return _entries().put(
        {
            "entry_id": entry_id,
            "version": version,
            "archive_id": archive_id,
            "archive_status": f"{archive_id}#{status}",
            "status": status,
            "name": "",
            "source": "",
            "job_id": job_id,
            "content_hash": REMOVED_CONTENT,
            "size": 0,
            "created_at": moment,
            "updated_at": moment,
            "removed_at": moment,
        },
        condition="removal_job_id = :job_id OR (attribute_exists(removed_at) AND job_id = :job_id)",
        values={":job_id": job_id},
    )


def begin_reindexing(entry_id: str, version: str, job_id: str, abandoned_by: str = "") -> bool:
    """Take a searchable version for a job that indexes it anew; False when it is not in search (any more).

    Args:
        abandoned_by: a job that had taken it and has ended without letting it go.
    """
    return _entries().update(
        {"entry_id": entry_id, "version": version},
        "SET reindex_job_id = :job_id ADD index_jobs :jobs",
        {
            ":job_id": job_id,
            ":jobs": {job_id},
            ":completed": DocumentStatus.COMPLETED.value,
            ":abandoned": abandoned_by,
        },
        names={"#status": "status"},
        condition="#status = :completed AND (attribute_not_exists(reindex_job_id) OR reindex_job_id = :job_id "
        "OR reindex_job_id = :abandoned)",
    )


def end_reindexing(entry_id: str, version: str, job_id: str, **facts: Any) -> bool:
    """Let a version go that a job has indexed anew, with what has changed of it (nothing where that failed).

    Returns:
        False when it is not in search any more, or another job has taken it.
    """
    fields = {name: value for name, value in facts.items() if value not in ("", {}, [])}
    values = {f":{name}": value for name, value in fields.items()}
    assignments = ", ".join(f"#{name} = :{name}" for name in fields)
    return _entries().update(
        {"entry_id": entry_id, "version": version},
        (f"SET {assignments} " if fields else "") + "REMOVE reindex_job_id",
        values | {":job_id": job_id, ":completed": DocumentStatus.COMPLETED.value},
        names={f"#{name}": name for name in (*fields, "status")},
        condition="#status = :completed AND reindex_job_id = :job_id",
    )


def forget_alias(archive_id: str, content_hash: str, alias: str) -> None:
    """Take an upload off the claim of a content that it was another copy of."""
    _registrations().update(
        {"registration_id": _content(archive_id, content_hash)},
        "DELETE aliases :alias",
        {":alias": {alias}},
        condition="attribute_exists(registration_id)",
    )


def forget_object(ref: ObjectRef) -> None:
    """Drop the claim on an object version, whoever has it."""
    _registrations().delete({"registration_id": f"object#{ref.bucket}#{ref.key}#{ref.identity}"})


def owner_of_content(archive_id: str, content_hash: str) -> tuple[str, str] | None:
    """(entry id, version) that hold a content."""
    held = _registrations().get({"registration_id": _content(archive_id, content_hash)})
    return None if held is None else (held["entry_id"], held["version"])


def of_status(archive_id: str, status: DocumentStatus, *attributes: str) -> Iterator[dict[str, Any]]:
    """Entry versions of an archive with a status, in no order that matters; only the attributes that are named."""
    names = {f"#a{number}": name for number, name in enumerate(attributes)}
    return _entries().query(
        IndexName=BY_ARCHIVE_STATUS,
        KeyConditionExpression="archive_status = :archive_status",
        ExpressionAttributeValues={":archive_status": f"{archive_id}#{status.value}"},
        ProjectionExpression=", ".join(names),
        ExpressionAttributeNames=names,
    )


def _stands(claim: dict[str, Any], content_hash: str, asked_by: tuple[str, str]) -> bool:
    """Whether the version that holds a claim is or becomes searchable, and no newer one of its entry has other content.

    The version that asks is left out. One that is being removed still stands before others: they are noted, and brought
    back when it is gone.
    """
    entry_id, _ = asked_by
    others = [item for item in versions(claim["entry_id"]) if (claim["entry_id"], item["version"]) != asked_by]
    standing = _LIVE if claim["entry_id"] == entry_id else _LIVE | {DocumentStatus.REMOVING.value}
    live = [item for item in others if item["status"] in standing]
    return any(item["version"] == claim["version"] for item in live) and live[0]["content_hash"] == content_hash


def _content(archive_id: str, content_hash: str) -> str:
    return f"content#{archive_id}#{content_hash}"


def _entries() -> aws.Table:
    return aws.table("entries_table")


def _registrations() -> aws.Table:
    return aws.table("registrations_table")
