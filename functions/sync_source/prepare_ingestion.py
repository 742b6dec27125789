"""In: a sync that has fetched everything.
Out: the collection that takes its batch files; the manifest lies in the lake."""

from omnilake.handler import state_handler
from omnilake.syncing.ingestion import PreparedIngestion, prepare_ingestion
from omnilake.syncing.parts import SyncEvent


@state_handler(SyncEvent, state="Prepare Ingestion")
def handler(event: SyncEvent) -> PreparedIngestion:
    return prepare_ingestion(event.job_id, event.source_id)
