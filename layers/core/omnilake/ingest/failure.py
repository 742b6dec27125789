"""Record Failure: an execution that failed leaves no document half done.

Every document that was still on its way becomes FAILED with the execution's error, its claims are released, its object
is kept under ``failed/``, and rows that were already committed are purged by the store's one committer.

A batch whose publication has begun is not taken back (older versions may have left the store by then): its publication
is brought to its end.
"""

from __future__ import annotations

from omnilake import aws, entries, layout
from omnilake.ingest import contents, stages
from omnilake.ingest.publish import PublishResult, close_batch
from omnilake.ingest.purge import purge
from omnilake.models import Batch, BatchDocument, BatchManifest, DocumentStatus, ErrorRecord, ObjectRef


def record_failure(job_id: str, error: str, cause: str, state: str = "") -> PublishResult:
    """Close the batch of a failed execution.

    Args:
        job_id: the execution's name.
        error: error name as Step Functions gives it.
        cause: its cause; of a Lambda's error a JSON object with ``errorMessage``.
        state: that failed; the one that the job entered last when it isn't known.
    """
    record = ErrorRecord.of_state(error, cause)
    batch = stages.latest(job_id) or _unregistered(job_id)
    closed = batch.model_copy(
        update={
            "documents": [
                stages.failed(document, record) if document.live else document for document in batch.documents
            ],
            "error": record if any(document.live for document in batch.documents) else batch.error,
        }
    )
    indexed = [
        (each.entry_id, each.version)
        for each in closed.documents
        if each.error == record and each.chunks and not each.reindexed  # what is reindexed stays in search
    ]
    purge(job_id, closed.archive_id, indexed, backups=[job_id])
    return close_batch(closed, state)


def _unregistered(job_id: str) -> Batch:
    """The batch of an execution that died while it registered; what it had claimed so far is found again."""
    manifest = aws.lake().read_model(layout.batch_manifest(job_id), BatchManifest)
    lines = contents.read_lines(manifest.documents)
    documents = [_found_again(ref, manifest.archive_id, job_id, lines) for ref in manifest.documents]
    return Batch(
        job_id=job_id, archive_id=manifest.archive_id, parent_job_id=manifest.parent_job_id, documents=documents
    )


def _found_again(ref: ObjectRef, archive_id: str, job_id: str, lines: dict[contents.Line, bytes]) -> BatchDocument:
    name = contents.name_of(ref)
    entry_id = contents.entry_of(ref, archive_id, lines)
    versions = entries.versions(entry_id) if entry_id else []
    claimed = next((item for item in versions if item["job_id"] == job_id), None)
    known = (
        {"entry_id": entry_id, "version": claimed["version"], "content_hash": claimed["content_hash"]}
        if claimed
        else {}
    )
    return BatchDocument(
        ref=ref, name=name, source=f"s3://{ref.bucket}/{ref.key}", status=DocumentStatus.PROCESSING, **known
    )
