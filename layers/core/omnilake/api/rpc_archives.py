"""Operations on archives under OmniLake's own paths."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body as BodyParameter

from omnilake import archives as registry
from omnilake.api import archives
from omnilake.api.access import Right
from omnilake.api.app import answer, caller, make_router, validated
from omnilake.api.rpc import TAGS, CreateArchive, NamedArchive, Nothing, UpdateArchive, check_archive, tags_of
from omnilake.api.schemas import Page
from omnilake.archives import ArchiveChanges
from omnilake.calling import call
from omnilake.models import Archive

router = make_router()


@router.post("/create_archive", status_code=201, tags=TAGS)
def create_archive(body: Annotated[CreateArchive, BodyParameter()]) -> Response[Archive]:
    later = body.configuration
    if later is not None:
        check_archive(later)
    hints = body.tag_hint_instructions or (later.tag_hint_instructions if later else None)
    told: dict[str, Any] = {"archive_id": body.archive_id, "description": body.description}
    told["retain_latest_originals_only"] = (
        body.retain_latest_originals_only
        if body.retain_latest_originals_only is not None or later is None
        else later.retain_latest_originals_only
    )
    told["tag_hints"] = tags_of(hints) if hints else None
    given = {name: value for name, value in told.items() if value is not None}
    return archives.created(validated(archives.NewArchive, given))


@router.post("/describe_archive", tags=TAGS)
def describe_archive(body: Annotated[NamedArchive, BodyParameter()]) -> Response[Archive]:
    return answer(caller().check(Right.READ, registry.get_archive(body.archive_id)))


@router.post("/update_archive", tags=TAGS)
def update_archive(body: Annotated[UpdateArchive, BodyParameter()]) -> Response[Archive]:
    before = caller().check(Right.ADMINISTER, registry.get_archive(body.archive_id))
    told = {
        "description": body.description,
        "tag_hints": None if body.tag_hint_instructions is None else tags_of(body.tag_hint_instructions),
    }
    given = {name: value for name, value in told.items() if value is not None}
    return answer(registry.change_archive(before, validated(ArchiveChanges, given)))


@router.post("/list_archives", tags=TAGS)
def list_archives(body: Annotated[Nothing, BodyParameter()]) -> Response[Page[Archive]]:
    return archives.listed(caller(), archives.MAX_LISTED)


@router.post("/delete_archive", tags=TAGS)
def delete_archive(body: Annotated[NamedArchive, BodyParameter()]) -> Response[dict[str, Any]]:
    before = caller().check(Right.ADMINISTER, registry.get_archive(body.archive_id))
    call("delete_archive_function_arn", {"archive_id": before.archive_id, "revision": before.revision})
    return answer({"archive_id": before.archive_id})
