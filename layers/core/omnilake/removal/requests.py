"""What is to be removed, and the job that does it."""

from __future__ import annotations

import hashlib
import uuid
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from omnilake import archives, aws, entries, executions, jobs, layout
from omnilake.clock import now
from omnilake.errors import EntryNotFound, InvalidRemoval
from omnilake.ingest.collections import Started
from omnilake.models import ArchiveId, DocumentStatus, ErrorRecord, JobId, JobKind, Model, ObjectRef
from omnilake.settings import settings

KIND = JobKind.REMOVE_ENTRIES
MAX_ENTRIES = 100
"""Most entries of one removal."""

EntryId = Annotated[str, StringConstraints(pattern=r"^e[0-9a-f]{31}$")]


class RemovalRequest(Model):
    """Entries of one archive, with all their versions."""

    archive_id: ArchiveId
    entry_ids: list[EntryId] = Field(min_length=1, max_length=MAX_ENTRIES)
    requested_by: str = Field(default="", max_length=2_048)
    requested_at: str = Field(default_factory=now)
    """Versions that came later stay."""


class RemovalEvent(Model):
    """What a state of the workflow is handed: which removal, and how often its execution was redriven."""

    job_id: JobId
    archive_id: ArchiveId
    redrives: int = Field(default=0, ge=0)


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
        fields = sorted({".".join(map(str, each["loc"])) for each in error.errors()})
        raise InvalidRemoval(f"The removal does not fit in: {', '.join(fields)}.") from None


def start(request: RemovalRequest, idempotency_key: str = "") -> Started:
    """Start the removal of entries.

    Args:
        request: which.
        idempotency_key: the same key, archive and entries start one job only; without one each call starts a job.
    Raises:
        ArchiveNotFound: there is no such archive.
        EntryNotFound: the archive has not all of them (any more).
        TransientError: the execution could not be started now.
    """
    archives.get_archive(request.archive_id)
    aws.concurrently(lambda entry_id: check_there(request.archive_id, entry_id), request.entry_ids)
    key = "#".join((idempotency_key or uuid.uuid4().hex, *request.entry_ids))
    job_id = f"remove-{jobs.name_part(request.archive_id)}-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
    machine = settings().require("removal_machine_arn")
    arn = aws.execution_arn(machine, job_id)
    aws.lake().write_model(layout.removal_part(job_id, "request"), request)
    jobs.create(job_id, KIND, request.archive_id, arn, started_by=request.requested_by, entries=len(request.entry_ids))
    executions.start_once(machine, job_id, {"job_id": job_id, "archive_id": request.archive_id})
    return Started(job_id=job_id, execution_arn=arn)


def check_there(archive_id: str, entry_id: str) -> None:
    """Raises ``EntryNotFound`` unless the archive has a version of the entry that was not removed."""
    gone = DocumentStatus.REMOVED.value
    if not any(item["archive_id"] == archive_id and item["status"] != gone for item in entries.versions(entry_id)):
        raise EntryNotFound("The archive has no entry of that id.")


def read_request(job_id: str) -> RemovalRequest:
    """The request of a removal."""
    return aws.lake().read_model(layout.removal_part(job_id, "request"), RemovalRequest)


def read_plan(job_id: str) -> RemovalPlan:
    """The plan of a removal that has not ended."""
    return aws.lake().read_model(layout.removal_part(job_id, "plan"), RemovalPlan)


def record_failure(job_id: str, error: str, cause: str) -> None:
    """Close the job of a removal whose execution failed, timed out or was stopped; it can be redriven."""
    record = ErrorRecord.of_state(error, cause)
    jobs.fail(job_id, KIND, "", record)
    request = read_request(job_id)
    told = {"job_id": job_id, "archive_id": request.archive_id, "entry_ids": request.entry_ids}
    aws.publish_event("Removal Failed", told | {"error": record.model_dump(mode="json")})
