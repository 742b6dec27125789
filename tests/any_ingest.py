"""Makers of values that do not matter to a test."""

from __future__ import annotations

import itertools

from omnilake import aws, jobs, layout
from omnilake.clock import now
from omnilake.embedding import report
from omnilake.models import Archive, BatchManifest, EmbeddingSpace, JobKind, LedgerLine, ObjectRef

_numbers = itertools.count()
LANDING = "landingbucket"


def any_space() -> EmbeddingSpace:
    return EmbeddingSpace(provider="local", model="any", dimensions=4, normalised=True, revision="0123456789abcdef")


def any_archive(archive_id: str = "docs") -> Archive:
    archive = Archive(archive_id=archive_id, space=any_space(), store_id=f"{archive_id}-store", created_at=now())
    item = archive.model_dump(mode="json")
    aws.table("archives_table").put(item)
    return archive


def uploaded(key: str, data: bytes) -> ObjectRef:
    answer = aws.client("s3").put_object(Bucket=LANDING, Key=key, Body=data)
    return ObjectRef(
        bucket=LANDING,
        key=key,
        version_id=answer["VersionId"],
        size=len(data),
        etag=answer["ETag"],
        sequencer=f"{next(_numbers):018X}",
    )


def any_batch(*refs: ObjectRef, job_id: str = "", archive_id: str = "docs") -> str:
    job_id = job_id or f"ingest-{archive_id}-{next(_numbers)}"
    manifest = BatchManifest(job_id=job_id, archive_id=archive_id, documents=list(refs))
    aws.lake().write_model(layout.batch_manifest(job_id), manifest)
    jobs.create(job_id, JobKind.INGEST_DOCUMENT, archive_id)
    return job_id


def any_report(job_id: str, number: int = 0, *rejected: report.RejectedEntry) -> report.EmbedReport:
    """What Embed Batch leaves of an embedding batch."""
    usage = LedgerLine(state="Embed Batches", provider="local", model="any", calls=1, input_tokens=20, cost_usd=0.5)
    left = report.EmbedReport(number=number, chunks=3, embedded=3, rejected=list(rejected), usage=usage)
    report.write(job_id, left)
    return left
