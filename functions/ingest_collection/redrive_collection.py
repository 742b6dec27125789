"""In: the job of a collection whose execution failed, timed out or was stopped.
Out: the same job; its execution goes on where it ended."""

from omnilake.handler import state_handler
from omnilake.ingest.collections import CollectionEvent, Started, redrive


@state_handler(CollectionEvent, state="Redrive Collection")
def handler(event: CollectionEvent) -> Started:
    return redrive(event.job_id)
