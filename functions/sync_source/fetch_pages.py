"""In: a sync and its source.
Out: counts so far, and whether there is more to fetch; batch files lie in the lake."""

from omnilake.handler import state_handler
from omnilake.syncing.fetching import FetchResult, fetch_pages
from omnilake.syncing.parts import SyncEvent


@state_handler(SyncEvent, state="Fetch Pages")
def handler(event: SyncEvent) -> FetchResult:
    return fetch_pages(event.job_id, event.source_id)
