"""In: the job of a collection whose execution failed, timed out or was stopped.
Out: the same job; its execution goes on where it ended."""

from pydantic import BaseModel, ConfigDict

from omnilake.handler import state_handler
from omnilake.ingest.collections import Started, redrive
from omnilake.models import JobId


class RedriveEvent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId


@state_handler(RedriveEvent, state="Redrive Collection")
def handler(event: RedriveEvent) -> Started:
    return redrive(event.job_id)
