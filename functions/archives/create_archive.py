"""In: the definition of an archive.
Out: the archive, created now or earlier."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from omnilake.archives import create_archive
from omnilake.handler import state_handler
from omnilake.models import Archive, ArchiveAccess


class CreateArchiveEvent(BaseModel):
    """What the caller decides; its values are judged by the registry, which names what does not fit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    archive_id: str
    description: str = ""
    chunking: dict[str, Any] = {}
    rules: list[dict[str, Any]] = []
    retain_latest_originals_only: bool = True
    tag_hints: list[str] = []
    insights_schema: dict[str, Any] | None = None
    embedding_model: str = ""
    owner: str = ""
    access: ArchiveAccess | None = None


@state_handler(CreateArchiveEvent, state="Create Archive")
def handler(event: CreateArchiveEvent) -> Archive:
    return create_archive(**event.model_dump(exclude={"access"}), access=event.access)
