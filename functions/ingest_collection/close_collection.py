"""In: a collection all of whose batches have ended.
Out: what became of its documents."""

from pydantic import BaseModel, ConfigDict

from omnilake.handler import state_handler
from omnilake.ingest.collections import CLOSE, CloseResult, close_collection
from omnilake.models import JobId


class CollectionEvent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId


@state_handler(CollectionEvent, state=CLOSE)
def handler(event: CollectionEvent) -> CloseResult:
    return close_collection(event.job_id)
