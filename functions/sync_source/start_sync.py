"""In: a source, and what the sync is for (from EventBridge Scheduler: the scheduled time).
Out: the job of the sync that this started, or of the one that runs already."""

from pydantic import BaseModel, ConfigDict, Field

from omnilake.handler import state_handler
from omnilake.syncing.starting import SyncStart, start_sync


class StartSyncEvent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    source_id: str = Field(min_length=1, max_length=64)
    occasion: str = Field(default="", max_length=200)
    full: bool = False
    started_by: str = Field(default="", max_length=2_048)


@state_handler(StartSyncEvent, state="Start Sync")
def handler(event: StartSyncEvent) -> SyncStart:
    return start_sync(event.source_id, event.occasion, event.full, event.started_by)
