"""In: a batch and the error that its execution ended with.
Out: counts of outcomes; documents that were on their way are FAILED and kept under failed/."""

from pydantic import BaseModel, ConfigDict

from omnilake.handler import state_handler
from omnilake.ingest.failure import record_failure
from omnilake.ingest.publish import PublishResult
from omnilake.models import JobId


class FailureEvent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId
    archive_id: str
    error: str
    cause: str = ""
    state: str = ""  # that failed


@state_handler(FailureEvent, state="Record Failure")
def handler(event: FailureEvent) -> PublishResult:
    return record_failure(event.job_id, event.error, event.cause, event.state)
