"""Bodies of requests and responses that are no nouns of the domain, and the types of parameters."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from omnilake.api.pagination import DEFAULT_LIMIT, MAX_CURSOR_CHARACTERS, MAX_LIMIT

T = TypeVar("T")

ArchiveIdPath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{2,62}$", description="Id of an archive.")]
JobIdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$", description="Id of a job.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most items of the page.")]
Cursor = Annotated[str, Query(max_length=MAX_CURSOR_CHARACTERS, description="next_cursor of the page before.")]

LIMIT = DEFAULT_LIMIT


class Body(BaseModel):
    """Base of all bodies that callers send: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(BaseModel, Generic[T]):
    """A page of a list."""

    items: list[T]
    next_cursor: str = Field(default="", description="Of the next page; empty: this is the last one.")


class Health(BaseModel):
    """That the API answers."""

    status: str
    version: str
