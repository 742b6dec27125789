"""In: a collection all of whose batches have ended.
Out: what became of its documents."""

from omnilake.handler import state_handler
from omnilake.ingest.collections import CLOSE, CloseResult, CollectionEvent, close_collection


@state_handler(CollectionEvent, state=CLOSE)
def handler(event: CollectionEvent) -> CloseResult:
    return close_collection(event.job_id, event.redrives)
