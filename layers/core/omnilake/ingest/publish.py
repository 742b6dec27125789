"""Publish Entries: the registry, the landing zone, the events and the job record say what became of each document."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from pydantic import BaseModel, ConfigDict

from omnilake import archives, aws, entries, jobs
from omnilake.embedding import report
from omnilake.errors import ArchiveNotFound, StageFailed
from omnilake.ingest import landing, reindex, stages
from omnilake.ingest.purge import purge
from omnilake.insights import outcomes as insights
from omnilake.models import Archive, Batch, BatchDocument, DocumentStatus, ErrorRecord, JobKind

STATE = "Publish Entries"

_CURRENT = (DocumentStatus.COMPLETED, DocumentStatus.EXPANDED, DocumentStatus.DELETED)
_EVENTS = {DocumentStatus.FAILED: "Document Failed", DocumentStatus.DELETED: "Document Deleted"}


class StateFailure(BaseModel):
    """The error that a state ended with, as Step Functions tells it. Empty: it did not fail."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    error: str = ""
    cause: str = ""

    def record(self) -> ErrorRecord | None:
        """It as it stands on a record; None when there is none."""
        return ErrorRecord.of_state(self.error, self.cause) if self.error else None


class PublishEvent(stages.BatchEvent):
    """Which batch, and what became of its insights as a whole."""

    insights_failure: StateFailure = StateFailure()


class PublishResult(BaseModel):
    """Counts of outcomes. ``error_code`` is set when the job failed: nothing was accepted, or its execution failed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    completed: int
    duplicates: int
    failed: int
    error_code: str = ""


def publish_entries(job_id: str, insights_failure: StateFailure | None = None) -> PublishResult:
    """End a batch: COMPLETED entries supersede their older versions, FAILED ones are recorded, objects move on.

    Args:
        job_id: the execution's name.
        insights_failure: the error that Extract Insights ended with. It is recorded and fails no document.
    """
    batch = stages.latest(job_id)
    if batch is None:
        raise StageFailed(f"Batch {job_id} was never registered.")
    jobs.enter(job_id, JobKind.INGEST_DOCUMENT, STATE)
    reports = report.read_all(job_id, batch.embed_batches)
    rejected = {(each.entry_id, each.version): each.error for told in reports for each in told.rejected}
    used = report.total(reports)
    documents = [_completed(document, rejected) if document.live else document for document in batch.documents]
    failure = insights_failure.record() if insights_failure else None
    done = batch.model_copy(
        update={
            "documents": insights.applied(job_id, documents, failure),
            "ledger": [used] if used else [],
        }
    )
    return close_batch(done, STATE)


def _completed(document: BatchDocument, rejected: dict[tuple[str, str], ErrorRecord]) -> BatchDocument:
    """A document that came to the end: COMPLETED, unless one of its chunks could not be embedded."""
    error = rejected.get((document.entry_id, document.version))
    if error is not None:
        return stages.failed(document, error)
    return document.model_copy(update={"status": DocumentStatus.COMPLETED})


def close_batch(batch: Batch, state: str = "") -> PublishResult:
    """Record the outcome of each document (none is PROCESSING any more), then of the job. May be repeated.

    The outcomes are written down first. From then on there is only forward: whoever repeats this, or comes to put a
    broken publication in order, finds them and carries them out, and no document is half published.

    Args:
        batch: with the outcome of each document.
        state: that ends the job; the one that it entered last when empty.
    """
    stages.write(batch, stages.PUBLISHED)
    archive = _archive(batch.archive_id)
    aws.concurrently(lambda documents: _close_in_turn(documents, batch, archive), _by_original(batch.documents))
    aws.publish_events([_event(document, batch) for document in batch.documents])
    return _end_job(batch, state)


def _by_original(documents: list[BatchDocument]) -> list[list[BatchDocument]]:
    """Documents of one key together, oldest first: they move to one place, so one after the other."""
    found: dict[tuple[str, str, int | None], list[BatchDocument]] = defaultdict(list)
    for document in documents:
        found[document.ref.bucket, document.ref.key, document.ref.line].append(document)
    return [sorted(group, key=lambda document: document.version) for group in found.values()]


def _close_in_turn(documents: list[BatchDocument], batch: Batch, archive: Archive | None) -> None:
    for document in documents:
        _close(document, batch, archive)


def _close(document: BatchDocument, batch: Batch, archive: Archive | None) -> None:
    if document.reindexed:
        _close_reindexed(document, batch, archive)
        return
    if document.status in _CURRENT:
        if not document.entry_id:
            return  # its source deleted what was never here
        entries.finish(
            document.entry_id,
            document.version,
            archive_id=batch.archive_id,
            status=document.status,
            media_type=document.media_type,
            processor=document.processor.value if document.media_type else "",
            title=document.title,
            chunks=document.chunks,
            members=document.members,
            left_out=document.left_out,
            characters=document.characters,
            metadata=document.metadata,
            **_indexing(document, batch, archive),
        )
        keeps_all = archive is not None and not archive.retain_latest_originals_only
        _supersede(document, batch.job_id, batch.archive_id, keeps_all)
    elif document.status == DocumentStatus.DUPLICATE:
        if not document.duplicate_of:
            return  # the object belongs to the execution that took it
        if document.entry_id:
            entries.finish(
                document.entry_id,
                document.version,
                archive_id=batch.archive_id,
                status=document.status,
                duplicate_of=document.duplicate_of,
            )
    else:
        _fail(document, batch)
    landing.move(document.ref, document.status, batch.job_id, document.error, document.version)
    if document.status == DocumentStatus.DUPLICATE and document.entry_id:
        _bring_back_if_left_alone(document, batch.archive_id)


def _indexing(document: BatchDocument, batch: Batch, archive: Archive | None) -> dict[str, Any]:
    """What the registry says of how a version was cut, embedded and indexed."""
    return {
        "indexed_by": batch.job_id if document.chunks else "",
        "embedding_space": archive.space.space_id if archive else "",
        "chunker": (document.chunking or archive.chunking).kind if archive else "",
        "configuration_hash": archive.configuration_hash if archive else "",
        "insights_status": document.insights_status or "",  # empty: none were asked for
        "insights_error": document.insights_error.code if document.insights_error else "",
    }


def _close_reindexed(document: BatchDocument, batch: Batch, archive: Archive | None) -> None:
    """Let a version go that was indexed anew. One that has left search meanwhile takes its new rows with it."""
    if document.status == DocumentStatus.DUPLICATE or not document.entry_id:
        return
    facts = {"chunks": document.chunks, **_indexing(document, batch, archive)}
    if not reindex.end(document, batch.job_id, **facts):
        purge(batch.job_id, batch.archive_id, [(document.entry_id, document.version)], backups=[batch.job_id])


def _bring_back_if_left_alone(document: BatchDocument, archive_id: str) -> None:
    """Upload a duplicate again whose content was given up while its original was still on its way to ``processed/``.

    Who gives a content up brings its aliases back, and finds only originals that have been moved. So whoever moves one
    looks whether it is still noted: one of the two brings it back, or both, which leaves a further duplicate.
    """
    owner = document.duplicate_of.partition("/")[0]
    if owner == document.entry_id or not landing.is_landed(document.ref):
        return
    if not entries.is_noted(archive_id, document.content_hash, document.ref.key):
        landing.return_to_incoming(document.ref.bucket, document.ref.key)


def _supersede(document: BatchDocument, job_id: str, archive_id: str, keeps_all: bool) -> None:
    """The newest version of an entry takes the others' place in search, whichever was completed last.

    Superseded versions give up their content; other uploads of that content come back as entries of their own. An
    archive that keeps all versions in search supersedes by deletions only.
    """
    current = [item for item in entries.versions(document.entry_id) if item["status"] in _CURRENT]
    newest = current[0]
    deleted = newest["status"] == DocumentStatus.DELETED.value
    older = current[1:]
    if keeps_all and not deleted:
        deletion = next((item for item in older if item["status"] == DocumentStatus.DELETED.value), None)
        older = [item for item in older if deletion and item["version"] < deletion["version"]]
    superseded = [item for item in older if item["status"] != DocumentStatus.DELETED.value]
    purge(job_id, archive_id, [(document.entry_id, item["version"]) for item in superseded])
    for item in superseded:
        if deleted or item["content_hash"] != newest["content_hash"]:
            for alias in entries.release_content(archive_id, item["content_hash"], document.entry_id, item["version"]):
                if alias != document.ref.key:
                    landing.return_to_incoming(document.ref.bucket, alias)
        entries.finish(document.entry_id, item["version"], archive_id=archive_id, status=DocumentStatus.SUPERSEDED)


def _fail(document: BatchDocument, batch: Batch) -> None:
    if document.entry_id and entries.finish(
        document.entry_id,
        document.version,
        archive_id=batch.archive_id,
        status=DocumentStatus.FAILED,
        error=document.error,
        job_id=batch.job_id,
    ):
        aliases = entries.release_content(batch.archive_id, document.content_hash, document.entry_id, document.version)
        for alias in aliases:
            landing.return_to_incoming(document.ref.bucket, alias)
    entries.release_object(document.ref, batch.job_id)


def _end_job(batch: Batch, state: str) -> PublishResult:
    counts = {status: sum(document.status == status for document in batch.documents) for status in DocumentStatus}
    records = [outcome(document) for document in batch.documents]
    progress: dict[str, Any] = {
        "completed": counts[DocumentStatus.COMPLETED],
        "duplicates": counts[DocumentStatus.DUPLICATE],
        "deleted": counts[DocumentStatus.DELETED],
        "expanded": counts[DocumentStatus.EXPANDED],
        "failed": counts[DocumentStatus.FAILED],
        "chunks": sum(document.chunks for document in batch.documents if document.status == DocumentStatus.COMPLETED),
    }
    for line in batch.ledger:
        progress |= {"embedding_tokens": line.input_tokens, "embedding_microdollars": round(line.cost_usd * 1_000_000)}
    kind = JobKind.INGEST_DOCUMENT
    error = batch.error or _batch_error(batch)
    if error is None:
        ended = jobs.complete(
            batch.job_id,
            kind,
            STATE,
            result_key="",
            outcomes=records,
            cost_usd=sum(line.cost_usd for line in batch.ledger),
            **progress,
        )
    else:
        ended = jobs.fail(batch.job_id, kind, state, error, outcomes=records, **progress)
    told: dict[str, Any] = {"job_id": batch.job_id, "archive_id": batch.archive_id, **progress}
    told |= {"parent_job_id": batch.parent_job_id} | ({"error": error.model_dump(mode="json")} if error else {})
    aws.publish_event("Ingestion Failed" if error else "Ingestion Completed", told)
    if ended and batch.parent_job_id:
        jobs.count(batch.parent_job_id, batches=1, **progress)
    return PublishResult(
        completed=progress["completed"],
        duplicates=progress["duplicates"],
        failed=progress["failed"],
        error_code=error.code if error else "",
    )


def _batch_error(batch: Batch) -> ErrorRecord | None:
    """The error of a batch none of whose documents was accepted, else None."""
    errors = [document.error for document in batch.documents if document.status == DocumentStatus.FAILED]
    if len(errors) < len(batch.documents):
        return None
    codes = sorted({error.code for error in errors if error})
    if len(codes) == 1 and errors[0]:
        return errors[0]
    return ErrorRecord(
        code="DOCUMENTS_REJECTED",
        message=f"None of {len(errors)} documents was accepted: {', '.join(codes)}.",
        action="See the documents of this job.",
    )


def outcome(document: BatchDocument) -> dict[str, Any]:
    """What the job record says of a document."""
    record: dict[str, Any] = {"name": document.name[:512], "status": document.status.value}
    for field in ("entry_id", "version", "duplicate_of"):
        if getattr(document, field):
            record[field] = getattr(document, field)
    for count in ("chunks", "members", "left_out"):
        if getattr(document, count):
            record[count] = getattr(document, count)
    if document.insights_status is not None:
        record["insights"] = document.insights_status.value
    if document.insights_error is not None:
        record["insights_error"] = document.insights_error.model_dump(mode="json")
    if document.error is not None:
        record["error"] = document.error.model_dump(mode="json")
    return record


def _event(document: BatchDocument, batch: Batch) -> tuple[str, dict[str, Any]]:
    kind = _EVENTS.get(document.status, "Document Reindexed" if document.reindexed else "Document Ingested")
    return kind, {"job_id": batch.job_id, "archive_id": batch.archive_id, **outcome(document)}


def _archive(archive_id: str) -> Archive | None:
    try:
        return archives.get_archive(archive_id)
    except ArchiveNotFound:
        return None
