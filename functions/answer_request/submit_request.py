"""In: a request and, if the caller has one, an idempotency key.
Out: the job that answers it and its execution."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from omnilake.answering.submission import Submission, submit_request
from omnilake.handler import state_handler


class SubmissionEvent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    request: Any
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=256)
    started_by: str = Field(default="", max_length=500)
    tenant: str = Field(default="", max_length=200)


@state_handler(SubmissionEvent, state="Submit Request")
def handler(event: SubmissionEvent) -> Submission:
    return submit_request(event.request, event.idempotency_key, event.started_by, event.tenant)
