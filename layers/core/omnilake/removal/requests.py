"""What is to be removed, and the job that does it."""

from __future__ import annotations

import hashlib
import uuid
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError, model_validator

from omnilake import archives, aws, entries, executions, jobs, layout
from omnilake.clock import now
from omnilake.errors import EntryNotFound, InvalidRemoval, JobNotFound, TransientError
from omnilake.ingest.collections import Started
from omnilake.models import (
    DELETION,
    ENDED,
    Archive,
    ArchiveId,
    DocumentStatus,
    ErrorRecord,
    JobId,
    JobKind,
    JobStatus,
    Model,
    ObjectRef,
)
from omnilake.settings import settings

KIND = JobKind.REMOVE_ENTRIES
MAX_ENTRIES = 100
"""Most entries of one removal that names them."""

EntryId = Annotated[str, StringConstraints(pattern=r"^e[0-9a-f]{31}$")]


class RemovalRequest(Model):
    """Entries of one archive with all their versions, or a whole archive: no entries are named, but its store is."""

    archive_id: ArchiveId
    entry_ids: list[EntryId] = Field(max_length=MAX_ENTRIES)
    store_id: str = ""
    """Tells an archive that is deleted apart from a later one of the same id."""
    requested_by: str = Field(default="", max_length=2_048)
    requested_at: str = Field(default_factory=now)
    """Versions that came later stay, unless the whole archive goes."""

    @model_validator(mode="after")
    def _names_something(self) -> RemovalRequest:
        if bool(self.entry_ids) == bool(self.store_id):
            raise ValueError("either entries or a store are named")
        return self

    @property
    def whole_archive(self) -> bool:
        """Whether the archive is deleted with all that it holds."""
        return bool(self.store_id)


class RemovalRound(Model):
    """The entries that a removal is at. A whole archive goes in several rounds, each proven by a receipt of its own."""

    number: int = 0  # from 1 on; 0 of a removal that names its entries
    entry_ids: list[str]
    requested_at: str  # versions that came later stay, or are a later round's
    rows: int = 0  # that rounds before took out of the store
    objects: int = 0  # object versions that rounds before deleted

    @property
    def receipt(self) -> str:
        """Which part of the removal its receipt is."""
        return f"receipts/{self.number:05d}" if self.number else "receipt"


class RemovalEvent(Model):
    """What a state of the workflow is handed: which removal, how often its execution was redriven, and how often before
    something was found after all."""

    job_id: JobId
    archive_id: ArchiveId
    redrives: int = Field(default=0, ge=0)
    round: int = Field(default=0, ge=0)


class DoomedVersion(Model):
    """A version that is to be removed, with all that is needed to find what is kept of it."""

    entry_id: str
    version: str
    source_type: str = ""
    source: str = ""
    content_hash: str = ""
    origin: ObjectRef | None = None
    job_ids: list[str] = Field(default=[])  # of the ingestions that cut and indexed it
    chunks: int = 0


class RemovalPlan(Model):
    """All of them; the lake keeps it until the removal has ended."""

    store_id: str
    versions: list[DoomedVersion]

    @property
    def job_ids(self) -> list[str]:
        """Ingestions that handled any of them, each once."""
        return sorted({job_id for version in self.versions for job_id in version.job_ids})


def parse_request(archive_id: str, entry_ids: list[str], requested_by: str = "") -> RemovalRequest:
    """A request of its fields.

    Raises:
        InvalidRemoval: names the fields at fault.
    """
    try:
        return RemovalRequest(
            archive_id=archive_id, entry_ids=list(dict.fromkeys(entry_ids)), requested_by=requested_by
        )
    except ValidationError as error:
        fields = sorted({".".join(map(str, each["loc"])) or "entry_ids" for each in error.errors()})
        raise InvalidRemoval(f"The removal does not fit in: {', '.join(fields)}.") from None


def start(request: RemovalRequest, idempotency_key: str = "") -> Started:
    """Start the removal of entries.

    Args:
        request: which.
        idempotency_key: the same key, archive and entries start one job only; without one each call starts a job.
    Raises:
        ArchiveNotFound: there is no such archive.
        ArchiveBeingDeleted: a job deletes it.
        EntryNotFound: the archive has not all of them (any more).
        TransientError: the execution could not be started now.
    """
    archives.open_archive(request.archive_id)
    aws.concurrently(lambda entry_id: check_there(request.archive_id, entry_id), request.entry_ids)
    key = "#".join((idempotency_key or uuid.uuid4().hex, *request.entry_ids))
    job_id = f"remove-{jobs.name_part(request.archive_id)}-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
    try:
        return _start(request, job_id)
    except TransientError as failure:
        if not idempotency_key:  # nobody can come back to it, and an open job keeps its archive from being deleted
            jobs.fail(job_id, KIND, "Mark Entries", ErrorRecord.of(failure))
        raise


def start_deletion(before: Archive, requested_by: str = "") -> Started:
    """Start the deletion of an archive with all that it holds. While that runs, the same call gives the same job.

    From now on the archive takes nothing in; it does again should the job fail or be cancelled.

    Args:
        before: the archive as it was read.
        requested_by: principal that asked.
    Raises:
        ArchiveInUse: it has sources, which are named: who reads them goes on bringing records.
        RevisionMismatch: it was changed since it was read.
        TransientError: the execution could not be started now; call again.
    """
    job_id = before.deletion_job_id
    status = _status(job_id) if job_id else JobStatus.CANCELLED
    if status is not None and status not in ENDED:
        return _execute(before.archive_id, job_id)
    if status is not None:  # there is none, or it let the archive go, or was about to
        archives.check_no_sources(before.archive_id)
        told = hashlib.sha256(f"{before.store_id}#{before.revision}".encode()).hexdigest()[:24]
        job_id = f"{DELETION}{jobs.name_part(before.archive_id)}-{told}"
        archives.close_archive(before, job_id)
    request = RemovalRequest(
        archive_id=before.archive_id, entry_ids=[], store_id=before.store_id, requested_by=requested_by
    )
    return _start(request, job_id)


def _start(request: RemovalRequest, job_id: str) -> Started:
    arn = aws.execution_arn(settings().require("removal_machine_arn"), job_id)
    aws.lake().write_model(layout.removal_part(job_id, "request"), request)
    jobs.create(job_id, KIND, request.archive_id, arn, started_by=request.requested_by, entries=len(request.entry_ids))
    return _execute(request.archive_id, job_id)


def _execute(archive_id: str, job_id: str) -> Started:
    machine = settings().require("removal_machine_arn")
    executions.start_once(machine, job_id, {"job_id": job_id, "archive_id": archive_id})
    return Started(job_id=job_id, execution_arn=aws.execution_arn(machine, job_id))


def _status(job_id: str) -> JobStatus | None:
    """Of a job; None where whoever wanted to start it came no further than to close the archive for it."""
    try:
        return jobs.get(job_id).status
    except JobNotFound:
        return None


def check_there(archive_id: str, entry_id: str) -> None:
    """Raises ``EntryNotFound`` unless the archive has a version of the entry that was not removed."""
    gone = DocumentStatus.REMOVED.value
    if not any(item["archive_id"] == archive_id and item["status"] != gone for item in entries.versions(entry_id)):
        raise EntryNotFound("The archive has no entry of that id.")


def read_request(job_id: str) -> RemovalRequest:
    """The request of a removal."""
    return aws.lake().read_model(layout.removal_part(job_id, "request"), RemovalRequest)


def read_round(job_id: str, request: RemovalRequest) -> RemovalRound:
    """The round that a removal is at; before the first one of a whole archive, one of no entries."""
    if not request.whole_archive:
        return RemovalRound(entry_ids=request.entry_ids, requested_at=request.requested_at)
    found = aws.lake().find_model(layout.removal_part(job_id, "round"), RemovalRound)
    return found or RemovalRound(entry_ids=[], requested_at=request.requested_at)


def read_plan(job_id: str) -> RemovalPlan:
    """The plan of a removal that has not ended."""
    return aws.lake().read_model(layout.removal_part(job_id, "plan"), RemovalPlan)


def record_failure(job_id: str, error: str, cause: str) -> None:
    """Close the job of a removal whose execution failed, timed out or was stopped; it can be redriven.

    An archive that was to be deleted takes documents in again; a redrive closes it once more.
    """
    record = ErrorRecord.of_state(error, cause)
    request = read_request(job_id)
    if request.whole_archive:
        archives.reopen_archive(request.archive_id, job_id)
    jobs.fail(job_id, KIND, "", record)
    told = {"job_id": job_id, "archive_id": request.archive_id, "entry_ids": request.entry_ids}
    aws.publish_event("Removal Failed", told | {"error": record.model_dump(mode="json")})
