"""In: a source.
Out: its id; its schedule and cursors are gone, its documents stay in the archive."""

from pydantic import BaseModel, ConfigDict, Field

from omnilake import schedules, sources
from omnilake.handler import state_handler


class SourceRef(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    source_id: str = Field(min_length=1, max_length=64)


@state_handler(SourceRef, state="Delete Source")
def handler(event: SourceRef) -> SourceRef:
    sources.delete(event.source_id)
    schedules.delete(event.source_id)
    return event
