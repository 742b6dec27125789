"""In: a batch whose chunks are searchable (or none of whose documents had any), and the error that its insights ended
with as a whole.
Out: counts of outcomes, and an error code when no document was accepted."""

from omnilake.handler import state_handler
from omnilake.ingest.publish import PublishEvent, PublishResult, publish_entries


@state_handler(PublishEvent, state="Publish Entries")
def handler(event: PublishEvent) -> PublishResult:
    return publish_entries(event.job_id, event.insights_failure)
