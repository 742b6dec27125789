"""What the API answers with, beside the nouns of :mod:`omnilake.models`.

Fields that this version does not know are kept out of the product's nouns and left on the others: a newer server does
not break an older client.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from omnilake.models import (
    Coverage,
    ErrorRecord,
    Insights,
    Job,
    LedgerLine,
    Scores,
    Source,
    StreamCursor,
)

T = TypeVar("T")


class Received(BaseModel):
    """Base: frozen, tolerant of what is new."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Page(BaseModel, Generic[T]):
    """A part of a list, and the cursor of the next one; empty at the end."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    items: list[T]
    next_cursor: str | None = None


class AccessState(Received):
    """Who owns an archive, and who else may do what with it."""

    owner: str = ""
    read: list[str] = []
    write: list[str] = []
    administer: list[str] = []


class JobRecord(Job):
    """A job with what its models took, and where to look further."""

    ledger: list[LedgerLine] = Field(default=[])
    links: dict[str, str] = Field(default={})


class JobEvent(Received):
    """Something that happened in a job. ``sequence`` orders them: the events after one can be asked for."""

    sequence: int
    at: str = ""  # ISO 8601
    kind: str = ""  # created, state, counts, item, ended
    state: str = ""  # that was entered
    status: str = ""  # of the job, or of the item
    counts: dict[str, int] = {}
    name: str = ""  # of the item
    error: ErrorRecord | None = None


class JobItem(Received):
    """What became of one document or record of a job."""

    name: str = ""
    status: str = ""
    entry_id: str = ""
    version: str = ""
    job_id: str = ""  # of the ingestion, where the job is a collection
    error: ErrorRecord | None = None


class Accepted(Received):
    """The job that was started, with the entry that it makes where there is one."""

    job_id: str
    entry_id: str = ""
    archive_id: str = ""


class EntryRecord(Received):
    """One version of an entry; of an entry that was asked for by its id, with what was extracted of it."""

    entry_id: str
    version: str = ""
    archive_id: str = ""
    status: str = ""
    name: str = ""
    title: str = ""
    source: str = ""
    sources: list[str] = []
    media_type: str = ""
    characters: int = 0
    chunks: int = 0
    metadata: dict[str, str] = {}
    effective_on: str = ""
    created_at: str = ""
    updated_at: str = ""
    job_id: str = ""
    insights_status: str = ""
    insights: Insights | None = None
    error: ErrorRecord | None = None


class TextSpan(Received):
    """Characters ``[start, end)`` of the text of an entry version."""

    text: str
    start: int
    end: int
    total: int


class ChunkRecord(Received):
    """A span of an entry version, as it is indexed."""

    chunk_id: str
    ordinal: int = 0
    start: int = 0
    end: int = 0
    tokens: int = 0
    text: str = ""
    section: str = ""
    page: int | None = None


class SearchResult(Received):
    """A chunk that was found. Offsets are characters of the entry version's text."""

    entry_id: str
    version: str
    chunk_id: str
    archive_id: str = ""
    title: str = ""
    source: str = ""
    section: str = ""
    page: int | None = None
    time_s: float | None = None
    start: int = 0
    end: int = 0
    text: str = ""
    scores: Scores = Scores()
    url: str = ""


class SearchResults(Received):
    """What a search found, best first; ``reasons`` why it found nothing."""

    results: list[SearchResult]
    reasons: list[str] = []
    coverage: Coverage = Coverage()
    store_versions: dict[str, int] = {}
    job_id: str = ""


class CitedSpan(Received):
    """What a citation quotes, with the text around it and a link to the original."""

    number: int
    entry_id: str = ""
    version: str = ""
    start: int = 0
    end: int = 0
    before: str = ""
    text: str = ""
    after: str = ""
    url: str = ""  # signed where it has to be; empty: the original is gone
    removed: bool = False  # the entry was removed after the answer was given


class SourceType(Received):
    """A type of sources: which fields make one of its identity."""

    name: str
    required_fields: list[str] = []
    description: str = ""


class SourceRecord(Source):
    """A source. ``cursors`` tell how far each of its streams is ingested; lists of sources leave them out."""

    cursors: list[StreamCursor] = Field(default=[])


class PresignedPart(Received):
    """Where one part of a large upload goes."""

    number: int
    url: str


class UploadTarget(Received):
    """Where a file goes: one POST with these fields before the file, or parts by PUT."""

    upload_id: str
    entry_id: str = ""
    method: str = ""
    url: str = ""
    fields: dict[str, str] = {}
    part_bytes: int = 0
    parts: list[PresignedPart] = []
    expires_at: str = ""


class ConfigurationRecord(Received):
    """The configuration of answering, its hash as answers name it, and the version that may be replaced."""

    configuration: dict[str, Any] = {}
    hash: str = ""
    in_force: bool = True
    version: str = ""


class RequestRecord(Received):
    """A request as it was submitted, its job, and what people thought of its answer."""

    request: dict[str, Any]
    job: JobRecord
    score: dict[str, Any] | None = None


@dataclass(frozen=True)
class Response:
    """What a call of the OmniLake surface (``OmniLake.add_entry`` and its like) brought.

    Attributes:
        response_body: of the answer, with ``entry_id``, ``job_id`` or ``archive_id`` at its top level.
        status_code: HTTP status.
    """

    response_body: dict[str, Any]
    status_code: int
    headers: dict[str, str] = field(default_factory=dict)
