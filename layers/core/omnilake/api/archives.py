"""Routes of archives: create, list, describe, update, delete, and who may do what with them."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body as BodyParameter
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from omnilake import archives
from omnilake.api import pagination
from omnilake.api.access import Principal, Right, default_access
from omnilake.api.app import answer, caller, etag_of, make_router, page, require_match
from omnilake.api.schemas import LIMIT, ArchiveIdPath, Cursor, Limit, Page
from omnilake.api.waiting import JobView, accepted
from omnilake.archives import ArchiveChanges, ArchiveDefinition
from omnilake.calling import call
from omnilake.errors import Forbidden
from omnilake.models import Archive, ArchiveAccess

router = make_router()

MAX_LISTED = 1_000
"""Archives of a list without cursors, which OmniLake's own path is."""

_MOST_READS = 10
"""Pages of the table that are read for one page of a list: a caller who may see few archives gets short pages."""


class NewArchive(ArchiveDefinition):
    """An archive to be created, and who besides its owner (the caller) may do what with it."""

    access: ArchiveAccess | None = Field(default=None, description="The deployment's default when not given.")


class AccessState(ArchiveAccess):
    """Who may do what with an archive."""

    owner: str


@router.post("/v1/archives", status_code=201, tags=["archives"], summary="Create an archive")
def create(body: Annotated[NewArchive, BodyParameter()]) -> Response[Archive]:
    return created(body)


def created(body: NewArchive) -> Response[Archive]:
    """The response to the creation of an archive: the same call again gives the same archive."""
    event = body.model_dump(mode="json", exclude_unset=True)
    event["access"] = (body.access or default_access()).model_dump(mode="json")
    made = Archive.model_validate(call("create_archive_function_arn", event | {"owner": caller().name}))
    return answer(made, 201, etag=etag_of(made), location=f"/v1/archives/{made.archive_id}")


@router.get("/v1/archives", tags=["archives"], summary="List the archives that the caller may read")
def list_all(limit: Limit = LIMIT, cursor: Cursor = "") -> Response[Page[Archive]]:
    return listed(caller(), limit, cursor)


def listed(who: Principal, limit: int, cursor: str = "") -> Response[Page[Archive]]:
    """The response with a page of the archives that a principal may read."""
    scope = pagination.scope_of("archives", {}, who.name)
    after = str(pagination.read_cursor(cursor, scope)["after"]) if cursor else ""
    found, after = _readable(who, after, limit)
    return page(found, pagination.make_cursor({"after": after}, scope) if after else "")


@router.get("/v1/archives/<archive_id>", tags=["archives"], summary="Describe an archive")
def describe(archive_id: ArchiveIdPath) -> Response[Archive]:
    archive = caller().check(Right.READ, archives.get_archive(archive_id))
    return answer(archive, etag=etag_of(archive))


@router.patch("/v1/archives/<archive_id>", tags=["archives"], summary="Change the definition of an archive")
def update(archive_id: ArchiveIdPath, body: Annotated[ArchiveChanges, BodyParameter()]) -> Response[Archive]:
    before = caller().check(Right.ADMINISTER, archives.get_archive(archive_id))
    require_match(etag_of(before))
    after = archives.change_archive(before, body)
    return answer(after, etag=etag_of(after))


@router.delete(
    "/v1/archives/<archive_id>",
    status_code=204,
    tags=["archives"],
    summary="Delete an archive that holds nothing, or with all its entries",
    responses={
        202: {
            "description": "A job removes its entries, with proof, and then the archive.",
            "content": {"application/json": {"model": JobView}},
        }
    },
)
def delete(
    archive_id: ArchiveIdPath,
    with_entries: Annotated[bool, Query(description="With all its entries, by a job. Sources keep it still.")] = False,
) -> Response[Any]:
    who = caller()
    before = who.check(Right.ADMINISTER, archives.get_archive(archive_id))
    if with_entries:
        return deleted_with_entries(who, before)
    require_match(etag_of(before))
    call("delete_archive_function_arn", {"archive_id": archive_id, "revision": before.revision})
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def deleted_with_entries(who: Principal, before: Archive) -> Response[Any]:
    """The response to the deletion of an archive with its entries: the job, also to whoever asks while it runs."""
    if who.tenant:
        raise Forbidden("An archive holds documents of any tenant; your token names one.")
    if not before.deletion_job_id:
        require_match(etag_of(before))
    from omnilake.removal.requests import start_deletion  # seldom wanted: the function starts faster without

    started = start_deletion(before, who.name)
    return accepted(started.job_id, archive_id=before.archive_id)


@router.get("/v1/archives/<archive_id>/access", tags=["archives"], summary="Who may do what with an archive")
def describe_access(archive_id: ArchiveIdPath) -> Response[AccessState]:
    archive = caller().check(Right.ADMINISTER, archives.get_archive(archive_id))
    return _access(archive)


@router.put("/v1/archives/<archive_id>/access", tags=["archives"], summary="Say anew who may do what with an archive")
def put_access(archive_id: ArchiveIdPath, body: Annotated[ArchiveAccess, BodyParameter()]) -> Response[AccessState]:
    before = caller().check(Right.ADMINISTER, archives.get_archive(archive_id))
    require_match(etag_of(before))
    return _access(archives.change_access(before, body))


def _access(archive: Archive) -> Response[AccessState]:
    # The tag is the archive's: a change of either is a new revision of both.
    return answer(AccessState(owner=archive.owner, **dict(archive.access)), etag=etag_of(archive))


def _readable(who: Principal, after: str, limit: int) -> tuple[list[Archive], str]:
    """Archives that a principal may read, and the id to go on after; empty at the end."""
    found: list[Archive] = []
    for _ in range(_MOST_READS):
        batch = archives.list_archives(after, 100)
        for each in batch:
            after = each.archive_id
            if who.may(Right.READ, each):
                found.append(each)
                if len(found) == limit:
                    more = each is not batch[-1] or len(batch) == 100
                    return found, after if more else ""
        if len(batch) < 100:
            return found, ""
    return found, after
