"""Jobs whose execution ended without a word: timed out, aborted by a person, or failed in its own failure handling.

Step Functions tells the bus of every execution that ends; this closes the job, so that none stays running for ever.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from omnilake import archives, executions, jobs
from omnilake.answering import failure as answering_failure
from omnilake.errors import JobEnded, JobNotFound
from omnilake.handler import logger
from omnilake.ingest import collections
from omnilake.ingest import failure as ingest_failure
from omnilake.models import ENDED, Job, JobKind, JobStatus
from omnilake.removal import requests as removal
from omnilake.syncing import failure as syncing_failure

CANCELLED = "JobCancelled"
"""Error name that an execution is stopped with when its job is cancelled."""


def cancel_job(job_id: str) -> Job:
    """Stop a job's execution; what it has done stays, what was on its way is closed by :func:`close_job`.

    Raises:
        JobNotFound: there is none of that id.
        JobEnded: it has ended.
    """
    job = jobs.get(job_id)
    if job.status in ENDED:
        raise JobEnded(f"The job is {job.status.value}.")
    if job.execution_arn:
        executions.stop(job.execution_arn, CANCELLED, "The job was cancelled.")
    jobs.cancel(job_id, job.kind)
    if job.deletes_archive:  # an execution that was never started tells nobody of its end
        archives.reopen_archive(job.archive_id, job_id)
    return jobs.get(job_id)


class _Ended(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    name: str = Field(min_length=1)
    status: str
    error: str | None = None
    cause: str | None = None


class ExecutionStatusChange(BaseModel):
    """EventBridge's "Step Functions Execution Status Change", as far as it is read here."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    source: str = Field(pattern="^aws.states$")
    detail: _Ended


def close_job(job_id: str, status: str, error: str, cause: str) -> bool:
    """Record the failure of an execution unless its job has ended by itself.

    Args:
        job_id: the execution's name.
        status: FAILED, TIMED_OUT or ABORTED.
        error: the execution's error name, may be empty.
        cause: its cause, may be empty.

    Returns:
        Whether the job was open. Executions that are no jobs (nested ones) are left alone.
    """
    try:
        job = jobs.get(job_id)
    except JobNotFound:
        logger.info("execution is no job", extra={"execution": job_id})
        return False
    if job.status in {JobStatus.COMPLETED, JobStatus.FAILED}:
        return False
    if error == CANCELLED:
        jobs.cancel(job_id, job.kind)  # whoever stopped it may not have come so far
    elif job.status is JobStatus.CANCELLED and not error:
        error = CANCELLED  # EventBridge does not always name the error that an execution was stopped with
    handlers: dict[JobKind, Callable[[str, str, str], object]] = {
        JobKind.INGEST_DOCUMENT: ingest_failure.record_failure,
        JobKind.INGEST_COLLECTION: collections.record_failure,
        JobKind.REINDEX_ARCHIVE: collections.record_failure,
        JobKind.REMOVE_ENTRIES: removal.record_failure,
        JobKind.ANSWER_REQUEST: answering_failure.record_failure,
        JobKind.SYNC_SOURCE: syncing_failure.record_failure,
    }
    handlers[job.kind](job_id, error or f"Execution.{status}", cause)
    return True
