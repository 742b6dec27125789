"""Operations on sources and their types under OmniLake's own paths."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body as BodyParameter
from pydantic import Field

from omnilake import source_types
from omnilake.api import sources
from omnilake.api.app import answer, caller, make_router
from omnilake.api.problems import misfit
from omnilake.api.schemas import Body
from omnilake.models import Source
from omnilake.source_types import SourceType

router = make_router()

TAGS = ["OmniLake's own paths"]


class AddSource(Body):
    """A source: its type, what identifies it, and the archive that it belongs to."""

    source_type: str = Field(min_length=1, max_length=64)
    source_arguments: dict[str, Any]
    archive_id: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]{2,62}$")


class NamedSource(Body):
    """A source."""

    source_id: str = Field(pattern=r"^s[0-9a-f]{31}$")
    source_type: str | None = Field(default=None, max_length=64)


class DeleteSource(NamedSource):
    """A source to forget. ``force`` is accepted; what was ingested stays."""

    force: bool | None = None


class CreateSourceType(Body):
    """A type of sources, and the fields that identify one."""

    name: str
    required_fields: list[str]
    description: str | None = None


class NamedSourceType(Body):
    """A type of sources."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")


@router.post("/add_source", status_code=201, tags=TAGS)
def add_source(body: Annotated[AddSource, BodyParameter()]) -> Response[Source]:
    if body.archive_id is None:
        raise misfit("archive_id", "Field required.")
    told = sources.NewSource(
        archive_id=body.archive_id, source_type=body.source_type, config=body.source_arguments, schedule=""
    )
    return sources.defined(caller(), told)


@router.post("/describe_source", tags=TAGS)
def describe_source(body: Annotated[NamedSource, BodyParameter()]) -> Response[sources.SourceView]:
    return sources.described(caller(), body.source_id)


@router.post("/delete_source", tags=TAGS)
def delete_source(body: Annotated[DeleteSource, BodyParameter()]) -> Response[dict[str, Any]]:
    sources.forgotten(caller(), body.source_id)
    return answer({"source_id": body.source_id})


@router.post("/create_source_type", status_code=201, tags=TAGS)
def create_source_type(body: Annotated[CreateSourceType, BodyParameter()]) -> Response[SourceType]:
    told = {"name": body.name, "required_fields": body.required_fields, "description": body.description or ""}
    return answer(source_types.create(source_types.parse(told)), 201)


@router.post("/describe_source_type", tags=TAGS)
def describe_source_type(body: Annotated[NamedSourceType, BodyParameter()]) -> Response[SourceType]:
    return answer(source_types.get(body.name))
