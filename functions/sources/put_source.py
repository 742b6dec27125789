"""In: the definition of a source.
Out: the source, created now or changed, with its schedule."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from omnilake import schedules, sources
from omnilake.handler import state_handler
from omnilake.models import Source


class PutSourceEvent(BaseModel):
    """What the caller decides; the registry judges its values and names what does not fit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    archive_id: str
    source_type: str
    config: dict[str, Any]
    secret_name: str = ""
    schedule: str = sources.DEFAULT_SCHEDULE  # empty: only on demand


@state_handler(PutSourceEvent, state="Put Source")
def handler(event: PutSourceEvent) -> Source:
    source = sources.put(
        event.archive_id, event.source_type, event.config, secret_name=event.secret_name, schedule=event.schedule
    )
    schedules.put(source.source_id, source.schedule)
    return source
