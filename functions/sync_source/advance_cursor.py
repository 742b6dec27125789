"""In: a sync whose records are ingested.
Out: how many cursors moved; the source is free and the job has ended."""

from omnilake.handler import state_handler
from omnilake.syncing.ingestion import SyncResult, advance_cursor
from omnilake.syncing.parts import SyncEvent


@state_handler(SyncEvent, state="Advance Cursor")
def handler(event: SyncEvent) -> SyncResult:
    return advance_cursor(event.job_id, event.source_id)
