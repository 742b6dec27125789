"""Register Documents: check names, archive and sizes, hash the content, claim it, record the entry versions."""

from __future__ import annotations

from typing import Any

from omnilake import archives, aws, entries, jobs, layout
from omnilake.errors import (
    ArchiveBeingDeleted,
    ArchiveNotFound,
    DocumentError,
    JobNotFound,
    ObjectNotFound,
    TransientError,
)
from omnilake.ingest import contents, landing, reindex, stages
from omnilake.models import (
    ENDED,
    Archive,
    Batch,
    BatchDocument,
    BatchManifest,
    DocumentStatus,
    ErrorRecord,
    JobKind,
    ObjectRef,
)
from omnilake.settings import settings

STATE = "Register Documents"


def register_documents(job_id: str) -> stages.BatchResult:
    """Decide for each document of a batch: new, DUPLICATE, DELETED at its source, or FAILED with its reason."""
    manifest = aws.lake().read_model(layout.batch_manifest(job_id), BatchManifest)
    _await_earlier_runs(job_id)
    kind, count = JobKind.INGEST_DOCUMENT, len(manifest.documents)
    if manifest.parent_job_id:  # the collection plans its batches and leaves their records to them
        arn = aws.execution_arn(settings().require("ingest_machine_arn"), job_id)
        jobs.create(
            job_id,
            kind,
            manifest.archive_id,
            arn,
            parent_job_id=manifest.parent_job_id,
            started_by=manifest.started_by,
        )
    jobs.enter(job_id, kind, STATE, documents=count)
    archive: Archive | DocumentError
    try:
        archive = archives.open_archive(manifest.archive_id)
    except (ArchiveNotFound, ArchiveBeingDeleted) as error:
        archive = error
    lines = contents.read_lines(manifest.documents)
    documents = aws.concurrently(lambda ref: _register(ref, archive, job_id, lines), manifest.documents)
    batch = Batch(
        job_id=job_id, archive_id=manifest.archive_id, parent_job_id=manifest.parent_job_id, documents=documents
    )
    stages.write(batch, stages.REGISTERED)
    live = sum(document.live for document in batch.documents)
    return stages.BatchResult(live=live, store_id=archive.store_id if isinstance(archive, Archive) else "")


def _await_earlier_runs(job_id: str) -> None:
    """A run after a redrive begins when what the runs before left behind is in order: it is about the same documents.

    Raises:
        TransientError: an earlier run's job is still open.
    """
    for earlier in layout.earlier_runs(job_id):
        try:
            job = jobs.get(earlier)
        except JobNotFound:
            continue  # it never began
        if job.status not in ENDED:
            raise TransientError(f"The run {earlier} of this batch is not closed yet.")


def _register(
    ref: ObjectRef, archive: Archive | DocumentError, job_id: str, lines: dict[contents.Line, bytes]
) -> BatchDocument:
    document = BatchDocument(
        ref=ref,
        name=contents.name_of(ref),
        source=f"s3://{ref.bucket}/{ref.key}",
        status=DocumentStatus.PROCESSING,
    )
    try:
        if landing.is_landed(ref):
            landing.parse_key(ref.key)
        if isinstance(archive, DocumentError):
            raise archive
        if reindex.is_reference(ref):
            return reindex.begin(ref, archive.archive_id, job_id)
        ref, head = _found(ref)
        document = document.model_copy(update={"ref": ref})
        if entries.claim_object(document.ref, job_id) is entries.Claim.TAKEN:
            return _duplicate(document, "")
        return _claim(document, _content(ref, head, archive.archive_id, lines), archive.archive_id, job_id)
    except DocumentError as error:
        return stages.failed(document, ErrorRecord.of(error))


def _found(ref: ObjectRef) -> tuple[ObjectRef, dict[str, Any] | None]:
    """The reference, with what tells its version apart where only a key was known; and what was learned of the object.

    An original of the landing bucket that a failed run has moved in between is found where it was moved to.
    """
    if ref.line is not None or ref.version_id or ref.sequencer:
        return ref, None
    store = aws.ObjectStore(ref.bucket)
    head = store.head(ref.key)
    if head is None and landing.is_landed(ref):
        ref = ref.model_copy(update={"key": landing.FAILED + landing.below_zone(ref.key)})
        head = store.head(ref.key)
    return (ref if head is None else ref.model_copy(update={"etag": head["ETag"]})), head


def _content(
    ref: ObjectRef, head: dict[str, Any] | None, archive_id: str, lines: dict[contents.Line, bytes]
) -> contents.Content:
    if ref.line is not None:
        line = lines.get(contents.line_of(ref), b"")
        return contents.of_record(ref, contents.parse_record(line), archive_id, len(line))
    head = head or aws.ObjectStore(ref.bucket).head(ref.key, ref.version_id)
    if head is None:
        raise ObjectNotFound("The object was deleted before it was ingested.")
    return contents.of_object(ref, archive_id, head)


def _claim(document: BatchDocument, content: contents.Content, archive_id: str, job_id: str) -> BatchDocument:
    document = document.model_copy(
        update={
            "entry_id": content.entry_id,
            "version": content.version,
            "content_hash": content.content_hash,
            "name": content.name,
            "source": content.source,
            "title": content.title,
            "source_type": content.identity[0],
            "received_at": content.received_at,
            "effective_on": content.effective_on,
            "metadata": content.metadata,
            "ref": document.ref.model_copy(update={"size": content.size}),
        }
    )
    if content.deleted and not entries.versions(content.entry_id):
        return document.model_copy(update={"status": DocumentStatus.DELETED, "entry_id": "", "version": ""})
    if not record_version(content, document.ref, archive_id, job_id):
        itself = f"{content.entry_id}/{content.version}"
        return _duplicate(document.model_copy(update={"entry_id": "", "version": ""}), itself)
    if content.deleted:
        return document.model_copy(update={"status": DocumentStatus.DELETED})
    claim = entries.claim_content(
        archive_id, content.content_hash, content.entry_id, content.version, job_id, alias=document.ref.key
    )
    if (claim["entry_id"], claim["version"]) != (content.entry_id, content.version):
        return _duplicate(document, f"{claim['entry_id']}/{claim['version']}")
    return document


def record_version(content: contents.Content, ref: ObjectRef, archive_id: str, job_id: str) -> bool:
    """Record a version as PENDING, as :func:`omnilake.entries.register`; the same job may do so again.

    Args:
        content: the version.
        ref: where its bytes lie.
    """
    return entries.register(
        content.entry_id,
        content.version,
        archive_id=archive_id,
        job_id=job_id,
        name=content.name,
        source=content.source,
        size=content.size,
        content_hash=content.content_hash,
        source_type=content.identity[0],
        received_at=content.received_at,
        effective_on=content.effective_on,
        etag=ref.etag.strip('"'),
        metadata=content.metadata,
        sha256=content.sha256,
        origin=origin_of(ref),
        index_jobs={job_id},
    )


def origin_of(ref: ObjectRef) -> dict[str, Any]:
    """Where the bytes of an entry version came from, as its record keeps it."""
    return ref.model_dump(include={"bucket", "key", "version_id", "sequencer", "etag", "line"}, exclude_none=True)


def _duplicate(document: BatchDocument, of: str) -> BatchDocument:
    reason = "The archive holds the same content already." if of else "Another execution has taken this object version."
    error = ErrorRecord(code="DOCUMENT_DUPLICATE", message=reason, action="Nothing is to be done.")
    return document.model_copy(update={"status": DocumentStatus.DUPLICATE, "duplicate_of": of, "error": error})
