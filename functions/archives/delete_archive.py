"""In: an archive and the revision that its deletion was decided on.
Out: its id; it, its store and its records are gone."""

from pydantic import BaseModel, ConfigDict

from omnilake.archives import delete_archive
from omnilake.handler import state_handler


class DeleteArchiveEvent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    archive_id: str
    revision: int


@state_handler(DeleteArchiveEvent, state="Delete Archive")
def handler(event: DeleteArchiveEvent) -> DeleteArchiveEvent:
    delete_archive(event.archive_id, event.revision)
    return event
