"""In: a batch whose chunks are searchable (or none of whose documents had any).
Out: counts of outcomes, and an error code when no document was accepted."""

from omnilake.handler import state_handler
from omnilake.ingest.publish import PublishResult, publish_entries
from omnilake.ingest.stages import BatchEvent


@state_handler(BatchEvent, state="Publish Entries")
def handler(event: BatchEvent) -> PublishResult:
    return publish_entries(event.job_id)
