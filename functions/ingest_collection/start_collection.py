"""In: what to ingest into which archive, or a job whose failed documents are to be ingested again.
Out: the job and its execution."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from omnilake.handler import state_handler
from omnilake.ingest.collections import Started, parse_request, retry, start


class StartCollectionEvent(BaseModel):
    """Either ``request``, the fields of a ``CollectionRequest``, or ``retry``, a job id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: dict[str, Any] = {}
    retry: str = ""
    idempotency_key: str = Field(default="", max_length=256)
    started_by: str = Field(default="", max_length=2_048)


@state_handler(StartCollectionEvent, state="Start Collection")
def handler(event: StartCollectionEvent) -> Started:
    if event.retry:
        return retry(event.retry, event.idempotency_key, event.started_by)
    return start(parse_request({**event.request, "started_by": event.started_by}), event.idempotency_key)
