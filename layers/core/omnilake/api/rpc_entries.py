"""Operations on entries under OmniLake's own paths."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body as BodyParameter
from pydantic import Field

from omnilake import catalogue
from omnilake import entries as registry
from omnilake.api import entries
from omnilake.api.access import Principal, Right
from omnilake.api.app import answer, caller, make_router
from omnilake.api.problems import misfit
from omnilake.api.schemas import Body
from omnilake.catalogue import Entry
from omnilake.errors import ArchiveNotFound, EntryNotFound
from omnilake.ingest import inline
from omnilake.ingest.inline import NewEntry

router = make_router()

TAGS = ["OmniLake's own paths"]

ArchiveIdField = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{2,62}$")]
EntryIdField = Annotated[str, Field(pattern=r"^e[0-9a-f]{31}$")]


class AddEntry(Body):
    """A text, and where it comes from. ``summarize`` is accepted; insights summarise every entry."""

    content: str = Field(min_length=1)
    sources: list[str] = Field(max_length=50)
    archive_id: ArchiveIdField | None = None
    destination_archive_id: ArchiveIdField | None = Field(default=None, description="archive_id, by its later name.")
    effective_on: str | None = Field(default=None, max_length=64)
    original_source: str | None = Field(default=None, max_length=1_024)
    original_of_source: str | None = Field(default=None, max_length=1_024)
    summarize: bool | None = None


class NamedEntry(Body):
    """An entry."""

    entry_id: EntryIdField


class UpdateEntry(NamedEntry):
    """A new version of an entry."""

    content: str = Field(min_length=1)


class DeleteEntry(NamedEntry):
    """An entry to remove. ``force`` is accepted; nothing keeps an entry."""

    force: bool | None = None


class IndexEntry(NamedEntry):
    """An entry that is to be searched in an archive: its own, or another one."""

    archive_id: ArchiveIdField


class EntryContent(Body):
    """The text of an entry."""

    entry_id: str
    archive_id: str
    version: str
    content: str
    total: int


@router.post("/add_entry", status_code=202, tags=TAGS)
def add_entry(body: Annotated[AddEntry, BodyParameter()]) -> Response[entries.AcceptedEntry]:
    archive_id = body.archive_id or body.destination_archive_id
    if archive_id is None:
        raise misfit("archive_id", "Field required: every entry belongs to an archive.")
    who = caller()
    entries.allowed(who, Right.WRITE, archive_id)
    entry = NewEntry(
        content=body.content,
        sources=body.sources,
        original_of_source=body.original_of_source or body.original_source or "",
        effective_on=body.effective_on or "",
    )
    return entries.taken_in(inline.add(archive_id, entry, started_by=who.name, tenant=entries.tenant_of(who)))


@router.post("/describe_entry", tags=TAGS)
def describe_entry(body: Annotated[NamedEntry, BodyParameter()]) -> Response[Entry]:
    who = caller()
    return answer(catalogue.describe(_home(who, body.entry_id, Right.READ), body.entry_id, who.tenant))


@router.post("/get_entry", tags=TAGS)
def get_entry(body: Annotated[NamedEntry, BodyParameter()]) -> Response[EntryContent]:
    who = caller()
    archive_id = _home(who, body.entry_id, Right.READ)
    version = catalogue.version(archive_id, body.entry_id, tenant=who.tenant)
    span = entries.held(catalogue.text(version))
    return answer(
        EntryContent(
            entry_id=body.entry_id,
            archive_id=archive_id,
            version=version.version,
            content=span.text,
            total=span.total,
        )
    )


@router.post("/update_entry", status_code=202, tags=TAGS)
def update_entry(body: Annotated[UpdateEntry, BodyParameter()]) -> Response[entries.AcceptedEntry]:
    who = caller()
    archive_id = _home(who, body.entry_id, Right.WRITE)
    catalogue.version(archive_id, body.entry_id, tenant=who.tenant)
    told = NewEntry(content=body.content)
    return entries.taken_in(
        inline.update(archive_id, body.entry_id, told, started_by=who.name, tenant=entries.tenant_of(who))
    )


@router.post("/delete_entry", status_code=202, tags=TAGS)
def delete_entry(body: Annotated[DeleteEntry, BodyParameter()]) -> Response[entries.AcceptedEntry]:
    who = caller()
    return entries.removed(who, _home(who, body.entry_id, Right.WRITE), body.entry_id)


@router.post("/index_entry", status_code=202, tags=TAGS)
def index_entry(body: Annotated[IndexEntry, BodyParameter()]) -> Response[entries.AcceptedEntry]:
    who = caller()
    home = _home(who, body.entry_id, Right.READ)
    if home == body.archive_id:
        return entries.indexed_anew(who, home, body.entry_id)
    entries.allowed(who, Right.WRITE, body.archive_id)
    version = catalogue.version(home, body.entry_id, tenant=who.tenant)
    told: dict[str, Any] = {
        "content": catalogue.text(version).text,
        "title": version.title[:1_024],
        "sources": version.sources or [version.source][: bool(version.source)],
        "effective_on": version.effective_on,
        "metadata": version.metadata,
    }
    added = inline.add(body.archive_id, inline.parse(told), started_by=who.name, tenant=entries.tenant_of(who))
    return entries.taken_in(added)


def _home(who: Principal, entry_id: str, right: Right) -> str:
    """The archive of an entry, over which a principal has a right.

    Raises:
        EntryNotFound: there is no such entry, or the principal may not read its archive.
        Forbidden: it may read it, but not that.
    """
    found = registry.versions(entry_id)
    if not found:
        raise EntryNotFound("There is no entry of that id.")
    try:
        return entries.allowed(who, right, str(found[0]["archive_id"])).archive_id
    except ArchiveNotFound:
        raise EntryNotFound("There is no entry of that id.") from None
