"""Register Documents: check names, archive and sizes, hash the bytes, claim them, record the entry versions."""

from __future__ import annotations

import hashlib

from omnilake import archives, aws, entries, jobs, layout
from omnilake.errors import ArchiveNotFound, DocumentError, DocumentTooLarge, EmptyDocument, ObjectNotFound
from omnilake.ingest import landing, stages
from omnilake.models import (
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

_READ_SIZE = 1 << 20


def register_documents(job_id: str) -> stages.BatchResult:
    """Decide for each document of a batch: PROCESSING (new), DUPLICATE, or FAILED with its reason."""
    manifest = aws.lake().read_model(layout.batch_manifest(job_id), BatchManifest)
    jobs.enter(job_id, JobKind.INGEST_DOCUMENT, "Register Documents", documents=len(manifest.documents))
    archive: Archive | ArchiveNotFound
    try:
        archive = archives.get_archive(manifest.archive_id)
    except ArchiveNotFound as error:
        archive = error
    documents = aws.concurrently(lambda ref: _register(ref, archive, job_id), manifest.documents)
    batch = stages.write(Batch(job_id=job_id, archive_id=manifest.archive_id, documents=documents), stages.REGISTERED)
    live = sum(document.live for document in batch.documents)
    return stages.BatchResult(live=live, store_id=archive.store_id if isinstance(archive, Archive) else "")


def _register(ref: ObjectRef, archive: Archive | ArchiveNotFound, job_id: str) -> BatchDocument:
    document = BatchDocument(
        ref=ref,
        name=ref.key.removeprefix(landing.INCOMING).partition("/")[2] or ref.key,
        source=f"s3://{ref.bucket}/{ref.key}",
        status=DocumentStatus.PROCESSING,
    )
    try:
        path = landing.parse_key(ref.key).path
        if isinstance(archive, ArchiveNotFound):
            raise archive
        return _claim(document.model_copy(update={"name": path}), archive.archive_id, job_id)
    except DocumentError as error:
        return stages.failed(document, ErrorRecord.of(error))


def _claim(document: BatchDocument, archive_id: str, job_id: str) -> BatchDocument:
    ref = document.ref
    store = aws.ObjectStore(ref.bucket)
    head = store.head(ref.key, ref.version_id)
    if entries.claim_object(ref, job_id) is entries.Claim.TAKEN:
        return _duplicate(document, "")
    if head is None:
        raise ObjectNotFound("The object was deleted before it was ingested.")
    size = int(head["ContentLength"])
    if size == 0:
        raise EmptyDocument("The object has 0 bytes.")
    limit = settings().max_document_bytes
    if size > limit:
        raise DocumentTooLarge(f"The document has {size:,} bytes; the limit is {limit:,}.")
    content_hash = _hash(ref)
    entry_id = entries.entry_id_of(archive_id, landing.SOURCE_TYPE, document.name)
    version = entries.version_of(head["LastModified"].strftime("%Y%m%dT%H%M%SZ"), ref.sequencer, content_hash)
    document = document.model_copy(
        update={
            "entry_id": entry_id,
            "version": version,
            "content_hash": content_hash,
            "ref": ref.model_copy(update={"size": size}),
        }
    )
    entries.register(
        entry_id,
        version,
        archive_id=archive_id,
        job_id=job_id,
        name=document.name,
        source=document.source,
        size=size,
        content_hash=content_hash,
    )
    claim = entries.claim_content(archive_id, content_hash, entry_id, version, job_id, alias=ref.key)
    if (claim["entry_id"], claim["version"]) != (entry_id, version):
        return _duplicate(document, f"{claim['entry_id']}/{claim['version']}")
    return document


def _duplicate(document: BatchDocument, of: str) -> BatchDocument:
    reason = "The archive holds the same bytes already." if of else "Another execution has taken this object version."
    error = ErrorRecord(code="DOCUMENT_DUPLICATE", message=reason, action="Nothing is to be done.")
    return document.model_copy(update={"status": DocumentStatus.DUPLICATE, "duplicate_of": of, "error": error})


def _hash(ref: ObjectRef) -> str:
    digest = hashlib.sha256()
    body = aws.ObjectStore(ref.bucket).open(ref.key, ref.version_id)
    for part in body.iter_chunks(_READ_SIZE):
        digest.update(part)
    return digest.hexdigest()
