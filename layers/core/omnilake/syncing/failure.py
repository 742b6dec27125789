"""Record Failure: job and bus say why, the source is free for its next sync, the cursors stay where they are."""

from __future__ import annotations

from omnilake import jobs, sources
from omnilake.models import ErrorRecord, JobKind, Model
from omnilake.syncing.announcing import announce


class FailureResult(Model):
    """The code that the job shows."""

    error_code: str


def record_failure(job_id: str, error: str, cause: str, state: str = "") -> FailureResult:
    """End a sync that failed.

    Args:
        job_id: the execution's name.
        error: error name as Step Functions gives it.
        cause: its cause; of a Lambda's error a JSON object with ``errorMessage``.
        state: that failed; the one that the job entered last when it isn't known.
    """
    record = ErrorRecord.of_state(error, cause)
    source_id = jobs.get(job_id).source_id
    jobs.fail(job_id, JobKind.SYNC_SOURCE, state, record)
    sources.release(source_id, job_id, record)
    announce(job_id)
    return FailureResult(error_code=record.code)
