"""In: a job and the error that its execution ended with.
Out: the error's stable code; the job is failed, its request kept under failed/."""

from omnilake.answering.failure import FailureResult, record_failure
from omnilake.answering.parts import AnswerEvent
from omnilake.handler import state_handler


class FailureEvent(AnswerEvent):
    error: str
    cause: str = ""
    state: str = ""  # that failed


@state_handler(FailureEvent, state="Record Failure")
def handler(event: FailureEvent) -> FailureResult:
    return record_failure(event.job_id, event.error, event.cause, event.state)
