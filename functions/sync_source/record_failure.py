"""In: a sync and the error that its execution ended with.
Out: the code that the job shows; the source is free for its next sync."""

from pydantic import BaseModel, ConfigDict

from omnilake.handler import state_handler
from omnilake.models import JobId
from omnilake.syncing.failure import FailureResult, record_failure


class FailureEvent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId
    error: str
    cause: str = ""
    state: str = ""  # that failed


@state_handler(FailureEvent, state="Record Failure")
def handler(event: FailureEvent) -> FailureResult:
    return record_failure(event.job_id, event.error, event.cause, event.state)
