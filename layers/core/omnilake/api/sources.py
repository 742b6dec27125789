"""Routes of sources, their syncs, and the types of sources."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body as BodyParameter
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import Field

from omnilake import archives, aws, source_types, sources
from omnilake.api import pagination
from omnilake.api.access import Principal, Right
from omnilake.api.app import answer, caller, check_match, etag_of, make_router, page
from omnilake.api.schemas import LIMIT, Body, Cursor, Limit, Page
from omnilake.api.waiting import JobView, accepted
from omnilake.calling import call
from omnilake.connectors.protocol import source_id_of
from omnilake.errors import ArchiveNotFound, Forbidden, SourceError, SourceNotFound
from omnilake.models import ArchiveId, Source, StreamCursor
from omnilake.source_types import SourceType, SourceTypeDefinition

router = make_router()

SourceIdPath = Annotated[str, Path(pattern=r"^s[0-9a-f]{31}$", description="Id of a source.")]
TypeNamePath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,63}$", description="Name of a source type.")]

_TAGS = ["sources"]
_MOST_READS = 20


class ChangedSource(Body):
    """How a source is read; what identifies it stays."""

    config: dict[str, Any]
    secret_name: str = Field(default="", max_length=512)
    schedule: str = Field(default=sources.DEFAULT_SCHEDULE, max_length=256)


class NewSource(ChangedSource):
    """A source of an archive."""

    archive_id: ArchiveId
    source_type: str = Field(min_length=1, max_length=64)


class SourceView(Source):
    """A source, and how far each of its streams is ingested."""

    cursors: list[StreamCursor] = Field(default=[])


class Syncing(Body):
    """How a source is synced."""

    full: bool = Field(default=False, description="From its beginning, whatever was read before.")


# --- sources ----------------------------------------------------------------------------------------------------


@router.post("/v1/sources", status_code=201, tags=_TAGS, summary="Define a source, or change one of its identity")
def create(body: Annotated[NewSource, BodyParameter()]) -> Response[Source]:
    return defined(caller(), body)


def defined(who: Principal, body: NewSource, status: int = 201) -> Response[Source]:
    """The response to the definition of a source."""
    who.check(Right.WRITE, archives.get_archive(body.archive_id))
    made = Source.model_validate(call("put_source_function_arn", body.model_dump(mode="json")))
    return answer(made, status, etag=etag_of(made), location=f"/v1/sources/{made.source_id}")


@router.get("/v1/sources", tags=_TAGS, summary="List the sources of archives that the caller may read")
def list_all(
    archive_id: Annotated[str, Query(pattern=r"^([a-z0-9][a-z0-9_-]{2,62})?$")] = "",
    limit: Limit = LIMIT,
    cursor: Cursor = "",
) -> Response[Page[Source]]:
    who = caller()
    if archive_id:
        who.check(Right.READ, archives.get_archive(archive_id))
    scope = pagination.scope_of("sources", {"archive_id": archive_id}, who.name)
    position = pagination.read_cursor(cursor, scope)["after"] if cursor else None
    found: list[Source] = []
    for _ in range(_MOST_READS):
        items, position = aws.table("sources_table").page(
            limit - len(found), position, **sources.listing_query(archive_id)
        )
        found += [each for each in map(sources.from_item, items) if _readable(who, each)]
        if position is None or len(found) == limit:
            break
    return page(found, pagination.make_cursor({"after": position}, scope) if position else "")


@router.get("/v1/sources/<source_id>", tags=_TAGS, summary="Describe a source")
def describe(source_id: SourceIdPath) -> Response[SourceView]:
    return described(caller(), source_id)


def described(who: Principal, source_id: str) -> Response[SourceView]:
    """The response with a source that a principal may read.

    Its entity tag is the source's without the cursors: the end of the sync that moves them changes it.
    """
    source = find(who, source_id, Right.READ)
    return answer(SourceView(**dict(source), cursors=sources.cursors(source_id)), etag=etag_of(source))


@router.put("/v1/sources/<source_id>", tags=_TAGS, summary="Change how a source is read")
def update(source_id: SourceIdPath, body: Annotated[ChangedSource, BodyParameter()]) -> Response[Source]:
    who = caller()
    before = find(who, source_id, Right.WRITE)
    check_match(etag_of(before))
    config = source_types.parse_config(before.source_type, body.config)
    if source_id_of(before.archive_id, before.source_type, config) != source_id:
        raise SourceError("These fields identify another source.", action="Define that one with POST /v1/sources.")
    told = NewSource(archive_id=before.archive_id, source_type=before.source_type, **dict(body))
    return defined(who, told, 200)


@router.delete("/v1/sources/<source_id>", status_code=204, tags=_TAGS, summary="Forget a source; its documents stay")
def delete(source_id: SourceIdPath) -> Response[None]:
    forgotten(caller(), source_id)
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def forgotten(who: Principal, source_id: str) -> None:
    """Forget a source that a principal may write."""
    source = find(who, source_id, Right.WRITE)
    check_match(etag_of(source))
    call("delete_source_function_arn", {"source_id": source.source_id})


@router.post("/v1/sources/<source_id>/syncs", status_code=202, tags=_TAGS, summary="Sync a source now")
def sync(source_id: SourceIdPath, body: Annotated[Syncing, BodyParameter()]) -> Response[JobView]:
    who = caller()
    source = find(who, source_id, Right.WRITE)
    event = {"source_id": source_id, "full": body.full, "started_by": who.name}
    started = call("start_sync_function_arn", event)
    return accepted(str(started["job_id"]), archive_id=source.archive_id, source_id=source_id)


def find(who: Principal, source_id: str, right: Right) -> Source:
    """A source of an archive that a principal has a right over.

    Raises:
        SourceNotFound: there is none, or the principal may not read its archive.
        Forbidden: it may read it, but not that.
    """
    source = sources.get(source_id)
    try:
        who.check(right, archives.get_archive(source.archive_id))
    except ArchiveNotFound:
        if not who.is_operator:
            raise SourceNotFound("There is no source of that id.") from None
    return source


def _readable(who: Principal, source: Source) -> bool:
    try:
        return who.may(Right.READ, archives.get_archive(source.archive_id))
    except ArchiveNotFound:
        return who.is_operator


# --- types ------------------------------------------------------------------------------------------------------


@router.get("/v1/source-types", tags=_TAGS, summary="List the types of sources")
def list_types() -> Response[Page[SourceType]]:
    return page(list(source_types.find()), "")


@router.post("/v1/source-types", status_code=201, tags=_TAGS, summary="Declare a type of sources")
def create_type(body: Annotated[SourceTypeDefinition, BodyParameter()]) -> Response[SourceType]:
    made = source_types.create(body)
    return answer(made, 201, etag=etag_of(made), location=f"/v1/source-types/{made.name}")


@router.get("/v1/source-types/<name>", tags=_TAGS, summary="Describe a type of sources")
def describe_type(name: TypeNamePath) -> Response[SourceType]:
    found = source_types.get(name)
    return answer(found, etag=etag_of(found))


@router.delete("/v1/source-types/<name>", status_code=204, tags=_TAGS, summary="Forget a declared type")
def delete_type(name: TypeNamePath) -> Response[None]:
    if not caller().is_operator:
        raise Forbidden("Types of sources belong to all; operators delete them.")
    source_types.delete(name)
    return Response(status_code=204, headers={"Cache-Control": "no-store"})
