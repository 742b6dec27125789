"""In: a batch (its manifest lies in the lake).
Out: how many documents are new, and the archive's store."""

from omnilake.handler import state_handler
from omnilake.ingest.register import register_documents
from omnilake.ingest.stages import BatchEvent, BatchResult


@state_handler(BatchEvent, state="Register Documents")
def handler(event: BatchEvent) -> BatchResult:
    return register_documents(event.job_id)
