"""Reindexing: entry versions that are in search are cut, embedded and indexed anew, by the archive's present settings.

What is read is the text that the lake keeps, so a quote that was given before still stands where it stood. The rows
that a version has stay in search until its new ones are there: the store's committer puts these in, and takes out what
is left over of the others, under one hold of the store. A document that fails keeps its former rows.

A version is referred to by the lake's object of its text (``ObjectRef``), and goes through the states of
``ingest_document`` as any document does.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from omnilake import aws, entries, jobs, layout
from omnilake.errors import EntryNotFound, JobNotFound
from omnilake.ingest import rules, stages
from omnilake.models import (
    Archive,
    BatchDocument,
    DocumentStatus,
    ErrorRecord,
    ExtractedDocument,
    JobStatus,
    ObjectRef,
)

_KEY = re.compile(rf"{layout.ENTRIES}(e[0-9a-f]{{31}})/([0-9A-Za-z-]+)/document\.jsonl\.gz")


def references(archive_id: str, entry_ids: Sequence[str] = ()) -> Iterator[ObjectRef]:
    """All versions of an archive that are in search, or those of some entries."""
    if entry_ids:
        found: Iterator[dict[str, Any]] = (
            item
            for entry_id in entry_ids
            for item in entries.versions(entry_id)
            if item["archive_id"] == archive_id and item["status"] == DocumentStatus.COMPLETED.value
        )
    else:
        found = entries.of_status(archive_id, DocumentStatus.COMPLETED, "entry_id", "version")
    return (reference(item["entry_id"], item["version"]) for item in found)


def reference(entry_id: str, version: str) -> ObjectRef:
    """What stands for an entry version in a batch."""
    return ObjectRef(bucket=aws.lake().bucket, key=layout.entry_document(entry_id, version))


def is_reference(ref: ObjectRef) -> bool:
    """Whether a reference stands for an entry version that the lake has."""
    return ref.bucket == aws.lake().bucket and ref.key.startswith(layout.ENTRIES)


def begin(ref: ObjectRef, archive_id: str, job_id: str) -> BatchDocument:
    """A version on its way through the states, taken for the job.

    One that left search since it was listed, or that another reindexing works on, is a DUPLICATE: nothing is to be
    done.

    Raises:
        EntryNotFound: the archive has no such version.
    """
    named = _KEY.fullmatch(ref.key)
    item = entries.get(named[1], named[2]) if named else None
    if item is None or item["archive_id"] != archive_id:
        raise EntryNotFound("The archive has no entry version of that text.")
    document = BatchDocument(
        ref=ref,
        name=item["name"],
        source=item["source"],
        status=DocumentStatus.PROCESSING,
        entry_id=item["entry_id"],
        version=item["version"],
        content_hash=item["content_hash"],
        source_type=item.get("source_type", ""),
        received_at=item.get("received_at", ""),
        effective_on=item.get("effective_on", ""),
        metadata=item.get("metadata", {}),
        reindexed=True,
    )
    holder = item.get("reindex_job_id", "")
    if _is_open(holder, job_id) or not entries.begin_reindexing(document.entry_id, document.version, job_id, holder):
        error = ErrorRecord(
            code="ENTRY_NOT_REINDEXED",
            message="The version has left search, or another job indexes it anew.",
            action="Nothing is to be done.",
        )
        return document.model_copy(update={"status": DocumentStatus.DUPLICATE, "error": error})
    return document


def read(document: BatchDocument, archive: Archive) -> BatchDocument:
    """A version with what the states behind extraction need to know of its text.

    The archive's rules decide anew how it is cut; how it was read stays as it was.
    """
    extracted = aws.lake().read_models(document.ref.key, ExtractedDocument)[0]
    _, chunking = rules.choose(
        archive.rules,
        media_type=extracted.media_type,
        name=document.name,
        columns=_columns(document) if any(rule.columns for rule in archive.rules) else (),
        metadata={**extracted.metadata, **document.metadata},
        default=extracted.processor,
    )
    return stages.read_as(extracted, chunking, document)


def end(document: BatchDocument, job_id: str, **facts: Any) -> bool:
    """Let a version go at the end of its job.

    Args:
        document: with its outcome.
        job_id: of the job that took it.
        facts: what has changed of it, when it is COMPLETED.
    Returns:
        False when it has left search meanwhile: the rows that were put in have to go again.
    """
    if document.status is not DocumentStatus.COMPLETED:
        facts = {}
    if entries.end_reindexing(document.entry_id, document.version, job_id, **facts):
        return True
    item = entries.get(document.entry_id, document.version)
    return item is not None and item["status"] == DocumentStatus.COMPLETED.value


def _columns(document: BatchDocument) -> Sequence[str]:
    body = aws.lake().find_open(layout.entry_rows(document.entry_id, document.version))
    if body is None:
        return ()
    with gzip.open(body, "rb") as lines:
        first = lines.readline()
    return [*json.loads(first)] if first else ()


def _is_open(holder: str, job_id: str) -> bool:
    if not holder or holder == job_id:
        return False
    try:
        return jobs.get(holder).status in {JobStatus.PENDING, JobStatus.RUNNING}
    except JobNotFound:
        return False
