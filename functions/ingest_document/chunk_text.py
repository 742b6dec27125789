"""In: an extracted batch.
Out: how many embedding batches and chunks lie in the lake."""

from omnilake.handler import state_handler
from omnilake.ingest.cut import chunk_text
from omnilake.ingest.stages import BatchEvent, BatchResult


@state_handler(BatchEvent, state="Chunk Text")
def handler(event: BatchEvent) -> BatchResult:
    return chunk_text(event.job_id)
