"""Collections: many documents at once, by one ``ingest_collection`` execution.

A collection is what lies below an S3 prefix, what a manifest lists, or the records of batch files. *Plan Collection*
cuts it into batches, a Distributed Map runs one ``ingest_document`` execution for each, *Close Collection* adds up what
became of the documents and keeps those that failed as a list: the list is what a retry works on.

A line of a manifest is a reference (``{"key": …, "bucket": …, "version_id": …, "name": …}``) or a ``Record``. Lines
that are neither become documents that failed, so that they are listed with the others.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError
from pydantic import Field, ValidationError, model_validator

from omnilake import archives, aws, executions, jobs, layout
from omnilake.errors import InvalidCollection, TransientError
from omnilake.ingest import contents, landing, reindex, stages
from omnilake.models import (
    ENDED,
    MAX_BATCH_DOCUMENTS,
    Batch,
    BatchDocument,
    BatchManifest,
    DocumentStatus,
    ErrorRecord,
    Job,
    JobId,
    JobKind,
    Model,
    ObjectRef,
)
from omnilake.settings import settings

MAX_BATCHES = 50_000
"""Most batches of one collection: what the map's children return must fit one state's payload."""

PLAN, CLOSE = "Plan Collection", "Close Collection"
_KINDS = (JobKind.INGEST_COLLECTION, JobKind.REINDEX_ARCHIVE)
"""Kinds of jobs that this workflow runs."""
REDRIVABLE = (*_KINDS, JobKind.REMOVE_ENTRIES)
"""Kinds of jobs whose executions catch nothing, so that a redrive goes on where they ended."""
_WRITTEN_AT_ONCE = 256
_TAKEN = {DocumentStatus.COMPLETED, DocumentStatus.EXPANDED, DocumentStatus.DELETED}
_OUTCOMES = {
    "completed": DocumentStatus.COMPLETED,
    "duplicates": DocumentStatus.DUPLICATE,
    "deleted": DocumentStatus.DELETED,
    "expanded": DocumentStatus.EXPANDED,
    "failed": DocumentStatus.FAILED,
}


class CollectionRequest(Model):
    """What to ingest: exactly one of a prefix, a manifest, batch files, the failed documents of an earlier job, or what
    the archive holds already (``reindex``)."""

    archive_id: str = Field(max_length=200)
    prefix: str = ""  # s3://bucket/below/here/
    manifest: str = ""  # s3://bucket/key of JSON lines, compressed when it ends in .gz
    batch_files: list[str] = Field(default=[], max_length=20_000)  # keys of the lake: JSON lines of ``Record``
    retry_of: str = ""  # job id
    reindex: bool = False  # all that is in search, or the entries that are named
    entry_ids: list[str] = Field(default=[], max_length=10_000)
    batch_documents: int = Field(default=MAX_BATCH_DOCUMENTS, ge=1, le=MAX_BATCH_DOCUMENTS)
    parent_job_id: str = ""
    source_id: str = ""
    started_by: str = Field(default="", max_length=2_048)

    @model_validator(mode="after")
    def _one_origin(self) -> CollectionRequest:
        if sum(map(bool, (self.prefix, self.manifest, self.batch_files, self.retry_of, self.reindex))) != 1:
            raise ValueError("name exactly one of prefix, manifest, batch_files, retry_of and reindex")
        if self.entry_ids and not self.reindex:
            raise ValueError("entry_ids are named for a reindexing only")
        return self

    @property
    def kind(self) -> JobKind:
        """Of the job."""
        return JobKind.REINDEX_ARCHIVE if self.reindex else JobKind.INGEST_COLLECTION


class CollectionEvent(Model):
    """What a state of the workflow is handed: which collection, and how often its execution was redriven."""

    job_id: JobId
    redrives: int = Field(default=0, ge=0)


class FailedItem(Model):
    """A document of a collection that failed: where it lies now, and why."""

    ref: ObjectRef
    name: str
    entry_id: str = ""
    job_id: str  # of the batch
    error: ErrorRecord


class Started(Model):
    """A job that was started."""

    job_id: str
    execution_arn: str


class PlanResult(Model):
    """How much there is to do."""

    batches: int
    documents: int


class CloseResult(Model):
    """What became of the documents. ``error_code`` is set when all of them failed."""

    completed: int
    duplicates: int
    deleted: int
    expanded: int
    failed: int
    error_code: str = ""


def parse_request(fields: dict[str, Any]) -> CollectionRequest:
    """A request of its fields.

    Raises:
        InvalidCollection: names the fields at fault.
    """
    try:
        return CollectionRequest.model_validate(fields)
    except ValidationError as error:
        faults = sorted({".".join(map(str, each["loc"])) or str(each["msg"]) for each in error.errors()})
        raise InvalidCollection(f"The request does not fit in: {'; '.join(faults)}.") from None


def job_id_of(archive_id: str, key: str, kind: JobKind = JobKind.INGEST_COLLECTION) -> str:
    """The job id of a collection; the same key is the same job."""
    verb = "reindex" if kind is JobKind.REINDEX_ARCHIVE else "collect"
    return f"{verb}-{jobs.name_part(archive_id)}-{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def prepare(request: CollectionRequest, job_id: str) -> str:
    """Store a request and record its job, for whoever starts the execution; may be repeated.

    Returns:
        The ARN that the execution will have.

    Raises:
        ArchiveNotFound, ArchiveBeingDeleted: as their codes say.
    """
    archives.open_archive(request.archive_id)
    machine = settings().require("collection_machine_arn")
    arn = aws.execution_arn(machine, job_id)
    aws.lake().write_model(layout.collection_part(job_id, "request"), request)
    jobs.create(
        job_id,
        request.kind,
        request.archive_id,
        arn,
        parent_job_id=request.parent_job_id,
        source_id=request.source_id,
        started_by=request.started_by,
    )
    return arn


def start(request: CollectionRequest, idempotency_key: str = "") -> Started:
    """Start the ingestion of a collection.

    Args:
        idempotency_key: the same key and archive start one job only; without one each call starts a job.
    Raises:
        ArchiveNotFound, JobNotFound: what the request names is not there.
        ArchiveBeingDeleted: a job deletes the archive.
        InvalidCollection: a job to retry that has not ended.
        TransientError: the execution could not be started now.
    """
    if request.retry_of:
        _retried(request.retry_of)
    job_id = job_id_of(request.archive_id, idempotency_key or uuid.uuid4().hex, request.kind)
    arn = prepare(request, job_id)
    try:
        executions.start_once(settings().require("collection_machine_arn"), job_id, {"job_id": job_id})
    except TransientError as failure:
        if not idempotency_key:  # nobody can come back to it, and an open job keeps its archive from being deleted
            jobs.fail(job_id, request.kind, PLAN, ErrorRecord.of(failure))
        raise
    return Started(job_id=job_id, execution_arn=arn)


def retry(job_id: str, idempotency_key: str = "", started_by: str = "") -> Started:
    """Ingest again what failed of a job, and only that.

    Raises:
        JobNotFound: there is no such job.
        InvalidCollection: it has not ended, or it is no ingestion.
    """
    job = _retried(job_id)
    request = CollectionRequest(archive_id=job.archive_id, retry_of=job_id, started_by=started_by)
    return start(request, idempotency_key)


def redrive(job_id: str) -> Started:
    """Let the execution of a failed collection go on where it ended: batches that were ingested are not run again.
    The same goes for reindexings and removals.

    Raises:
        JobNotFound: there is no such job.
        InvalidCollection: it is of another kind, or its execution can't be redriven.
    """
    job = jobs.get(job_id)
    if job.kind not in REDRIVABLE:
        raise InvalidCollection(
            f"Job {job_id} is of kind {job.kind.value}; collections, reindexings and removals can be redriven.",
            action="Retry it instead: omnilake jobs retry JOB",
        )
    try:
        aws.client("stepfunctions").redrive_execution(executionArn=job.execution_arn)
    except ClientError as error:
        if aws.error_code(error) != "ExecutionNotRedrivable":
            raise
        raise InvalidCollection(
            f"The execution of job {job_id} can't be redriven.", action="Wait for its end, or retry what failed."
        ) from error
    jobs.reopen(job_id, job.kind)
    return Started(job_id=job_id, execution_arn=job.execution_arn)


def _retried(job_id: str) -> Job:
    job = jobs.get(job_id)
    if job.kind not in {*_KINDS, JobKind.INGEST_DOCUMENT}:
        raise InvalidCollection(f"Job {job_id} is of kind {job.kind.value}; ingestions can be retried.")
    if job.status not in ENDED:
        raise InvalidCollection(f"Job {job_id} has not ended.", action="Wait for its end.")
    return job


# --- planning ---------------------------------------------------------------------------------------------------


def plan_collection(job_id: str, redrives: int = 0) -> PlanResult:
    """Write the batches of a collection: a manifest for each, and the list that the map reads. May be repeated.

    Raises:
        InvalidCollection: nothing to ingest, too much for one collection, or a place that can't be read.
    """
    request = aws.lake().read_model(layout.collection_part(job_id, "request"), CollectionRequest)
    jobs.reopen(job_id, request.kind, redrives)
    jobs.enter(job_id, request.kind, PLAN)
    batches = documents = 0
    lines: list[bytes] = []
    planned = _batches(request, job_id)
    try:
        while group := list(islice(planned, _WRITTEN_AT_ONCE)):
            aws.concurrently(_write_manifest, group, threads=16)
            for manifest in group:
                lines.append(json.dumps({"job_id": manifest.job_id, "archive_id": manifest.archive_id}).encode())
                documents += len(manifest.documents)
            batches += len(group)
            if batches > MAX_BATCHES:
                raise InvalidCollection(f"The collection has more than {MAX_BATCHES:,} batches.", action="Split it.")
            jobs.note(job_id, request.kind, PLAN, documents=documents)
    except ClientError as error:
        code = aws.error_code(error)
        if code in {"NoSuchBucket", "NoSuchKey", "AccessDenied", "404", "403"}:
            raise InvalidCollection(
                f"What is to be ingested can't be read: {code}.",
                action="Check the address. Buckets besides the stack's own stand in CollectionBucketArns.",
            ) from error
        raise
    if not documents:
        raise InvalidCollection("There is nothing to ingest.")
    aws.lake().write(layout.collection_part(job_id, "batches"), b"\n".join(lines) + b"\n", "application/x-ndjson")
    jobs.enter(job_id, request.kind, "Ingest Batches", documents=documents, planned_batches=batches)
    return PlanResult(batches=batches, documents=documents)


def _write_manifest(manifest: BatchManifest) -> None:
    aws.lake().write_model(layout.batch_manifest(manifest.job_id), manifest)


def _batches(request: CollectionRequest, job_id: str) -> Iterator[BatchManifest]:
    references = _references(request, job_id)
    number = 0
    while documents := list(islice(references, request.batch_documents)):
        digest = hashlib.sha256(f"{job_id}#{number}".encode()).hexdigest()[:24]
        yield BatchManifest(
            job_id=f"ingest-{jobs.name_part(request.archive_id)}-{digest}",
            archive_id=request.archive_id,
            parent_job_id=job_id,
            started_by=request.started_by,
            documents=documents,
        )
        number += 1


def _references(request: CollectionRequest, job_id: str) -> Iterator[ObjectRef]:
    if request.prefix:
        return _below(*_address(request.prefix), request.archive_id)
    if request.manifest:
        return _listed(request, job_id)
    if request.batch_files:
        return _recorded(request.batch_files)
    if request.reindex:
        return reindex.references(request.archive_id, request.entry_ids)
    return _failed(request.retry_of)


def _address(url: str) -> tuple[str, str]:
    parts = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.*)", url, re.S)
    if parts is None:
        raise InvalidCollection("An address is s3://bucket/key.")
    return parts[1], parts[2]


def may_read(bucket: str, key: str, archive_id: str) -> bool:
    """Whether a collection of an archive may be read from an object: not from what the stack keeps for others.

    The lake is not read at all, the zones of the landing bucket only as far as they are the archive's own.
    """
    if bucket == aws.lake().bucket:
        return False
    if bucket != settings().require("landing_bucket"):
        return True
    zone = next((zone for zone in (*landing.ZONES, landing.ARCHIVED) if key.startswith(zone)), "")
    return not zone or key.removeprefix(zone).startswith(f"{archive_id}/")


def _checked(bucket: str, key: str, archive_id: str) -> None:
    if not may_read(bucket, key, archive_id):
        raise InvalidCollection(
            "The collection would be read from what the stack keeps of archives.",
            action="Read from below incoming/, processed/, failed/ or archived/ of the archive itself, or elsewhere.",
        )


def _below(bucket: str, prefix: str, archive_id: str) -> Iterator[ObjectRef]:
    if bucket == aws.lake().bucket:
        _checked(bucket, prefix, archive_id)
    pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for item in page.get("Contents", []):
            if not (item["Key"].endswith("/") and item["Size"] == 0):  # a "folder" of the S3 console
                _checked(bucket, item["Key"], archive_id)
                yield ObjectRef(bucket=bucket, key=item["Key"], size=item["Size"], etag=item["ETag"])


def _listed(request: CollectionRequest, job_id: str) -> Iterator[ObjectRef]:
    """References of a manifest. Its records, and what is neither, are copied to files of a batch's lines each."""
    bucket, key = _address(request.manifest)
    _checked(bucket, key, request.archive_id)
    size = request.batch_documents
    pending: list[bytes] = []
    number = 0
    for line in contents.iterate_lines(bucket, key):
        if not line.strip():
            continue
        reference = _reference(line, bucket)
        if reference is not None and may_read(reference.bucket, reference.key, request.archive_id):
            yield reference
            continue
        pending.append(line.rstrip(b"\r\n"))
        if len(pending) == size:
            yield from _kept(pending, job_id, number)
            pending, number = [], number + 1
    if pending:
        yield from _kept(pending, job_id, number)


def _reference(line: bytes, bucket: str) -> ObjectRef | None:
    try:
        told = json.loads(line)
        if not isinstance(told, dict) or "key" not in told:
            return None
        return ObjectRef.model_validate({"bucket": bucket, **told})
    except (ValueError, RecursionError):  # ValidationError is a ValueError
        return None


def _kept(lines: list[bytes], job_id: str, number: int) -> Iterator[ObjectRef]:
    key = layout.collection_records(job_id, number)
    aws.lake().write(key, gzip.compress(b"\n".join(lines) + b"\n", compresslevel=5, mtime=0), "application/gzip")
    return (ObjectRef(bucket=aws.lake().bucket, key=key, line=line) for line in range(len(lines)))


def _recorded(keys: Iterable[str]) -> Iterator[ObjectRef]:
    bucket = aws.lake().bucket
    for key in keys:
        for number, line in enumerate(contents.iterate_lines(bucket, key)):
            if line.strip():
                yield ObjectRef(bucket=bucket, key=key, line=number)


def _failed(job_id: str) -> Iterator[ObjectRef]:
    """What failed of a job, each once: of two versions of one path that failed, ``failed/`` holds the newer."""
    if jobs.get(job_id).kind not in _KINDS:
        items: Iterable[FailedItem] = failed_of(stages.read(job_id, stages.PUBLISHED))
    else:
        items = aws.lake().find_models(layout.collection_part(job_id, "failed"), FailedItem)
    originals: set[ObjectRef] = set()
    for item in items:
        if landing.is_landed(item.ref):
            if item.ref in originals:
                continue
            originals.add(item.ref)
        yield item.ref


# --- closing ----------------------------------------------------------------------------------------------------


def close_collection(job_id: str, redrives: int = 0) -> CloseResult:
    """Add up the outcomes of all batches, keep the list of what failed, end the job. May be repeated."""
    request = aws.lake().read_model(layout.collection_part(job_id, "request"), CollectionRequest)
    jobs.reopen(job_id, request.kind, redrives)
    jobs.enter(job_id, request.kind, CLOSE)
    counts: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    failed: list[FailedItem] = []
    planned = [json.loads(line)["job_id"] for line in _planned(job_id)]
    for first in range(0, len(planned), _WRITTEN_AT_ONCE):
        group = planned[first : first + _WRITTEN_AT_ONCE]
        for batch in aws.concurrently(partial(_outcome, job_id), group, threads=16):
            for name, status in _OUTCOMES.items():
                counts[name] += sum(document.status == status for document in batch.documents)
            counts["chunks"] += sum(
                document.chunks for document in batch.documents if document.status == DocumentStatus.COMPLETED
            )
            items = failed_of(batch)
            codes.update(item.error.code for item in items)
            failed += items
    key = ""
    if failed:
        key = aws.lake().write_models(layout.collection_part(job_id, "failed"), failed)
    total = sum(counts[name] for name in _OUTCOMES)
    progress: dict[str, Any] = {name: counts[name] for name in (*_OUTCOMES, "chunks")} | {
        "documents": total,
        "batches": len(planned),
    }
    error = _error(codes) if failed and len(failed) == total else None
    if error is None:
        jobs.complete(job_id, request.kind, CLOSE, result_key=key, **progress)
    else:
        jobs.fail(job_id, request.kind, CLOSE, error, result_key=key, **progress)
    _announce(request, job_id, counts, error)
    return CloseResult(**{name: counts[name] for name in _OUTCOMES}, error_code=error.code if error else "")


def record_failure(job_id: str, error: str, cause: str) -> None:
    """Close the job of a collection whose execution failed, timed out or was stopped; it can be redriven."""
    record = ErrorRecord.of_state(error, cause)
    request = aws.lake().read_model(layout.collection_part(job_id, "request"), CollectionRequest)
    jobs.fail(job_id, request.kind, "", record)
    _announce(request, job_id, Counter(), record)


def _planned(job_id: str) -> list[bytes]:
    return aws.lake().read(layout.collection_part(job_id, "batches")).splitlines()


def _outcome(job_id: str, child_id: str) -> Batch:
    """The batch of a child as it ended, of all its runs; one that left no outcome has failed as a whole."""
    runs = [child_id, *_reruns(child_id)]
    ended = [
        stages.read(run, stages.PUBLISHED)
        for run in runs
        if aws.lake().head(layout.batch(run, stages.PUBLISHED)) is not None
    ]
    if ended:
        documents = [_last(outcomes) for outcomes in zip(*(batch.documents for batch in ended), strict=True)]
        return ended[-1].model_copy(update={"documents": documents})
    manifest = aws.lake().read_model(layout.batch_manifest(child_id), BatchManifest)
    error = ErrorRecord(
        code="INGESTION_NOT_RECORDED",
        message="The batch's execution ended without recording what became of the document.",
        action="Retry the collection; see the execution of the batch for the reason.",
    )
    documents = [
        BatchDocument(
            ref=ref,
            name=contents.name_of(ref),
            source=f"s3://{ref.bucket}/{ref.key}",
            status=DocumentStatus.FAILED,
            error=error,
        )
        for ref in manifest.documents
    ]
    return Batch(job_id=child_id, archive_id=manifest.archive_id, parent_job_id=job_id, documents=documents)


def _last(outcomes: Sequence[BatchDocument]) -> BatchDocument:
    """What became of a document in the end. A run that was stopped after it had published leaves duplicates of itself
    to the run after it."""
    last = outcomes[-1]
    if last.status is not DocumentStatus.DUPLICATE:
        return last
    return next((each for each in outcomes if each.status in _TAKEN), last)


def _reruns(child_id: str) -> list[str]:
    """Ids of a batch's runs after redrives, oldest first."""
    keys = aws.lake().keys(f"batches/{child_id}{layout.RERUN}")
    runs = {key.split("/")[1] for key in keys}
    return sorted(runs, key=lambda run: int(run.rpartition(layout.RERUN)[2]))


def failed_of(batch: Batch) -> list[FailedItem]:
    """The documents of a batch that failed."""
    return [_item(document, batch.job_id) for document in batch.documents if document.status == DocumentStatus.FAILED]


def _item(document: BatchDocument, job_id: str) -> FailedItem:
    ref = document.ref
    if landing.is_landed(ref):
        ref = ObjectRef(bucket=ref.bucket, key=landing.FAILED + landing.below_zone(ref.key))
    error = document.error or ErrorRecord(code="UNKNOWN", message="No reason was recorded.")
    return FailedItem(ref=ref, name=document.name, entry_id=document.entry_id, job_id=job_id, error=error)


def _error(codes: Counter[str]) -> ErrorRecord:
    listed = ", ".join(f"{code} ({count})" for code, count in codes.most_common(5))
    return ErrorRecord(
        code="DOCUMENTS_REJECTED",
        message=f"None of {codes.total()} documents was accepted: {listed}.",
        action="See the list of failed documents; retry when the reason is mended.",
    )


def _announce(request: CollectionRequest, job_id: str, counts: Counter[str], error: ErrorRecord | None) -> None:
    told: dict[str, Any] = {"job_id": job_id, "archive_id": request.archive_id, "source_id": request.source_id}
    told |= {name: counts[name] for name in _OUTCOMES}
    if error is not None:
        told["error"] = error.model_dump(mode="json")
    what = "Reindexing" if request.reindex else "Collection"
    aws.publish_event(f"{what} Failed" if error else f"{what} Completed", told)
