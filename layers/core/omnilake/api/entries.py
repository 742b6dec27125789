"""Routes of what is in an archive: entries, uploads, collections, reindexing."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body as BodyParameter
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import Field

from omnilake import archives, catalogue, uploads
from omnilake.api import pagination, sizes
from omnilake.api.access import Principal, Right
from omnilake.api.app import answer, caller, check_match, etag_of, header, make_router, page
from omnilake.api.schemas import LIMIT, ArchiveIdPath, Body, Cursor, Limit, Page
from omnilake.api.waiting import JobView, accepted
from omnilake.calling import call
from omnilake.catalogue import Entry, EntryVersion, TextSpan
from omnilake.errors import Forbidden
from omnilake.ingest import inline
from omnilake.ingest.inline import NewEntry
from omnilake.models import Archive, Chunk, DocumentStatus
from omnilake.removal import requests as removal
from omnilake.uploads import CompletedUpload, Upload, UploadedPart, UploadRequest

router = make_router()

EntryIdPath = Annotated[str, Path(pattern=r"^e[0-9a-f]{31}$", description="Id of an entry.")]
UploadIdPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="Id of an upload.")]
Version = Annotated[str, Query(pattern=r"^[0-9A-Za-z-]{0,120}$", description="The current one when not given.")]

_TAGS = ["entries"]

_S3_ADDRESS = r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\x00-\x1f]*)?$"
"""Of what lies in a bucket; empty: not given."""


class AcceptedEntry(JobView):
    """The job that an entry version is ingested, or removed, by."""

    entry_id: str
    version: str = ""


class Parts(Body):
    """The parts of an upload that were put."""

    parts: list[UploadedPart] = Field(min_length=1, max_length=uploads.MAX_PARTS)


class NewCollection(Body):
    """Documents that lie below an S3 prefix, or that a manifest lists; exactly one of the two."""

    prefix: str = Field(default="", max_length=1_100, pattern=_S3_ADDRESS)
    manifest: str = Field(default="", max_length=1_100, pattern=_S3_ADDRESS)


class Reindexing(Body):
    """What is to be indexed anew."""

    entry_ids: list[Annotated[str, Field(pattern=r"^e[0-9a-f]{31}$")]] = Field(
        default=[], max_length=10_000, description="Some entries; all that are in search when empty."
    )


# --- entries ----------------------------------------------------------------------------------------------------


@router.post("/v1/archives/<archive_id>/entries", status_code=202, tags=_TAGS, summary="Add an entry")
def add(archive_id: ArchiveIdPath, body: Annotated[NewEntry, BodyParameter()]) -> Response[AcceptedEntry]:
    who = caller()
    archive = allowed(who, Right.WRITE, archive_id)
    return taken_in(inline.add(archive.archive_id, body, started_by=who.name, tenant=tenant_of(who)))


def taken_in(added: inline.AddedEntry) -> Response[AcceptedEntry]:
    """The response to an entry version that is on its way."""
    return accepted(added.job_id, entry_id=added.entry_id, archive_id=added.archive_id, version=added.version)


@router.get("/v1/archives/<archive_id>/entries", tags=_TAGS, summary="List the entries of an archive")
def list_all(
    archive_id: ArchiveIdPath,
    status: Annotated[DocumentStatus | None, Query()] = None,
    limit: Limit = LIMIT,
    cursor: Cursor = "",
) -> Response[Page[EntryVersion]]:
    who = caller()
    allowed(who, Right.READ, archive_id)
    scope = pagination.scope_of(f"entries/{archive_id}", {"status": status}, who.name)
    position = pagination.read_cursor(cursor, scope) if cursor else None
    statuses = [status] if status else catalogue.CURRENT
    found, after = catalogue.page(archive_id, statuses, limit, position, who.tenant)
    return page(found, pagination.make_cursor(after, scope) if after else "")


@router.get("/v1/archives/<archive_id>/entries/<entry_id>", tags=_TAGS, summary="Describe an entry")
def describe(archive_id: ArchiveIdPath, entry_id: EntryIdPath) -> Response[Entry]:
    who = caller()
    allowed(who, Right.READ, archive_id)
    entry = catalogue.describe(archive_id, entry_id, who.tenant)
    return answer(entry, etag=tag_of(entry))


@router.put(
    "/v1/archives/<archive_id>/entries/<entry_id>", status_code=202, tags=_TAGS, summary="Add a version of an entry"
)
def update(
    archive_id: ArchiveIdPath, entry_id: EntryIdPath, body: Annotated[NewEntry, BodyParameter()]
) -> Response[AcceptedEntry]:
    who = caller()
    allowed(who, Right.WRITE, archive_id)
    check_match(tag_of(catalogue.version(archive_id, entry_id, tenant=who.tenant)))
    return taken_in(inline.update(archive_id, entry_id, body, started_by=who.name, tenant=tenant_of(who)))


@router.delete(
    "/v1/archives/<archive_id>/entries/<entry_id>", status_code=202, tags=_TAGS, summary="Remove an entry, with proof"
)
def delete(archive_id: ArchiveIdPath, entry_id: EntryIdPath) -> Response[AcceptedEntry]:
    return removed(caller(), archive_id, entry_id)


def removed(who: Principal, archive_id: str, entry_id: str) -> Response[AcceptedEntry]:
    """The response to the removal of an entry with all its versions."""
    allowed(who, Right.WRITE, archive_id)
    check_match(tag_of(catalogue.version(archive_id, entry_id, tenant=who.tenant)))
    started = removal.start(removal.parse_request(archive_id, [entry_id], who.name))
    return accepted(started.job_id, entry_id=entry_id, archive_id=archive_id)


@router.get(
    "/v1/archives/<archive_id>/entries/<entry_id>/content",
    tags=_TAGS,
    summary="The text of an entry; with Accept: text/plain as it is",
    responses={
        200: {
            "description": "The text, or characters of it.",
            "content": {"application/json": {"model": TextSpan}, "text/plain": {"schema": {"type": "string"}}},
        }
    },
)
def content(
    archive_id: ArchiveIdPath,
    entry_id: EntryIdPath,
    version: Version = "",
    start: Annotated[int, Query(ge=0, description="First character.")] = 0,
    end: Annotated[int | None, Query(ge=0, description="Character that it ends before.")] = None,
) -> Response[Any]:
    who = caller()
    allowed(who, Right.READ, archive_id)
    span = held(catalogue.text(catalogue.version(archive_id, entry_id, version, who.tenant), start, end))
    if "text/plain" in (header("accept") or ""):
        return Response(
            status_code=200,
            content_type="text/plain; charset=utf-8",
            body=span.text,
            headers={"Etag": etag_of(span), "Cache-Control": "no-store"},
        )
    return answer(span, etag=etag_of(span))


@router.get("/v1/archives/<archive_id>/entries/<entry_id>/chunks", tags=_TAGS, summary="The chunks of an entry")
def chunks(
    archive_id: ArchiveIdPath,
    entry_id: EntryIdPath,
    version: Version = "",
    limit: Limit = LIMIT,
    cursor: Cursor = "",
) -> Response[Page[Chunk]]:
    who = caller()
    archive = allowed(who, Right.READ, archive_id)
    scope = pagination.scope_of(f"chunks/{archive_id}/{entry_id}", {"version": version}, who.name)
    told = pagination.read_cursor(cursor, scope) if cursor else {}
    found = catalogue.version(archive_id, entry_id, str(told.get("version", version)), who.tenant)
    first = int(told.get("first", 0))
    from omnilake.stores.reading import chunks_of

    some = chunks_of(archives.get_store(archive), entry_id, found.version, first, limit + 1)
    more = {"version": found.version, "first": some[limit].ordinal} if len(some) > limit else None
    return page(some[:limit], pagination.make_cursor(more, scope) if more else "")


@router.get("/v1/archives/<archive_id>/entries/<entry_id>/versions", tags=_TAGS, summary="All versions of an entry")
def list_versions(
    archive_id: ArchiveIdPath, entry_id: EntryIdPath, limit: Limit = LIMIT, cursor: Cursor = ""
) -> Response[Page[EntryVersion]]:
    who = caller()
    allowed(who, Right.READ, archive_id)
    scope = pagination.scope_of(f"versions/{archive_id}/{entry_id}", {}, who.name)
    before = str(pagination.read_cursor(cursor, scope)["before"]) if cursor else ""
    found = [
        each for each in catalogue.versions(archive_id, entry_id, who.tenant) if not before or each.version < before
    ]
    some = found[:limit]
    return page(some, pagination.make_cursor({"before": some[-1].version}, scope) if len(found) > limit else "")


# --- uploads ----------------------------------------------------------------------------------------------------


@router.post("/v1/archives/<archive_id>/uploads", status_code=201, tags=["uploads"], summary="Begin an upload")
def begin_upload(archive_id: ArchiveIdPath, body: Annotated[UploadRequest, BodyParameter()]) -> Response[Upload]:
    who = caller()
    allowed(who, Right.WRITE, archive_id)
    return answer(uploads.start(archive_id, body, started_by=who.name, tenant=tenant_of(who)), 201)


@router.post(
    "/v1/archives/<archive_id>/uploads/<upload_id>/complete", tags=["uploads"], summary="Put an upload's parts together"
)
def complete_upload(
    archive_id: ArchiveIdPath, upload_id: UploadIdPath, body: Annotated[Parts, BodyParameter()]
) -> Response[CompletedUpload]:
    who = caller()
    allowed(who, Right.WRITE, archive_id)
    return answer(uploads.complete(archive_id, upload_id, body.parts, who.name))


@router.delete(
    "/v1/archives/<archive_id>/uploads/<upload_id>", status_code=204, tags=["uploads"], summary="Give an upload up"
)
def abort_upload(archive_id: ArchiveIdPath, upload_id: UploadIdPath) -> Response[None]:
    who = caller()
    allowed(who, Right.WRITE, archive_id)
    uploads.abort(archive_id, upload_id, who.name)
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


# --- collections and reindexing -----------------------------------------------------------------------------------


@router.post(
    "/v1/archives/<archive_id>/collections", status_code=202, tags=["collections"], summary="Ingest many documents"
)
def start_collection(archive_id: ArchiveIdPath, body: Annotated[NewCollection, BodyParameter()]) -> Response[JobView]:
    who = caller()
    allowed(who, Right.WRITE, archive_id)
    if who.tenant:
        raise Forbidden("Collections bring documents of any tenant; your token names one.")
    return _collected(who, archive_id, body.model_dump())


@router.post(
    "/v1/archives/<archive_id>/reindex", status_code=202, tags=["collections"], summary="Cut and embed all of it anew"
)
def reindex(archive_id: ArchiveIdPath, body: Annotated[Reindexing, BodyParameter()]) -> Response[JobView]:
    who = caller()
    allowed(who, Right.ADMINISTER, archive_id)
    return _collected(who, archive_id, {"reindex": True, "entry_ids": body.entry_ids})


def indexed_anew(who: Principal, archive_id: str, entry_id: str) -> Response[AcceptedEntry]:
    """The response to the reindexing of one entry."""
    allowed(who, Right.WRITE, archive_id)
    catalogue.version(archive_id, entry_id, tenant=who.tenant)
    return _collected(who, archive_id, {"reindex": True, "entry_ids": [entry_id]}, entry_id=entry_id)


def _collected(who: Principal, archive_id: str, fields: dict[str, Any], **more: Any) -> Response[Any]:
    request = {"archive_id": archive_id, **fields}
    started = call("start_collection_function_arn", {"request": request, "started_by": who.name})
    return accepted(str(started["job_id"]), archive_id=archive_id, **more)


# --- what they share ----------------------------------------------------------------------------------------------


def allowed(who: Principal, right: Right, archive_id: str) -> Archive:
    """An archive that a principal has a right over.

    Raises:
        ArchiveNotFound, Forbidden: it has not.
        ArchiveBeingDeleted: it wants more than to read of an archive that a job deletes.
    """
    archive = who.check(right, archives.get_archive(archive_id))
    if right is not Right.READ:
        archives.check_open(archive)
    return archive


def held(span: TextSpan) -> TextSpan:
    """As much of the beginning of a span as a response can hold; its ``end`` says where to go on."""
    text = sizes.fitting(span.text)
    return span if text == span.text else span.model_copy(update={"text": text, "end": span.start + len(text)})


def tenant_of(who: Principal) -> dict[str, str]:
    """Metadata that says whose document it is, where the caller's token does."""
    return {"business_id": who.tenant} if who.tenant else {}


def tag_of(version: EntryVersion) -> str:
    """Entity tag of an entry: of the version that is current."""
    return f'"{version.version}-{version.updated_at}"'
