"""In: a registered batch.
Out: how many documents gave text; the text lies in the lake."""

from omnilake.handler import state_handler
from omnilake.ingest.extract import extract_text
from omnilake.ingest.stages import BatchEvent, BatchResult


@state_handler(BatchEvent, state="Extract Text")
def handler(event: BatchEvent) -> BatchResult:
    return extract_text(event.job_id)
