"""Requests of OmniLake's own surface: each is sent to the path of its name.

Fields that are None are not sent. Beside these, ``OmniLake`` has typed resources: ``.archives``, ``.entries``,
``.jobs`` …
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, ClassVar


@dataclass
class RequestBody:
    """Base of all requests.

    Attributes:
        path: of the API.
    """

    path: ClassVar[str] = ""

    def to_dict(self) -> dict[str, Any]:
        """The body as JSON can hold it, without what was not given."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: _plain(value) for name, value in given.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, RequestBody):
        return value.to_dict()
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


# --- archives ---------------------------------------------------------------------------------------------------


@dataclass
class BasicArchiveConfiguration(RequestBody):
    """The ``configuration`` of a :class:`CreateArchive` of the later form. The API refuses a ``tag_model_id``."""

    retain_latest_originals_only: bool | None = None
    tag_hint_instructions: str | None = None
    tag_model_id: str | None = None
    archive_type: str = "BASIC"


@dataclass
class VectorArchiveConfiguration(RequestBody):
    """As :class:`BasicArchiveConfiguration`; archives of both types are kept in one way.

    The API refuses ``max_chunk_length`` and ``chunk_body_overlap_percentage``: its chunks are counted in tokens.
    """

    retain_latest_originals_only: bool | None = None
    tag_hint_instructions: str | None = None
    tag_model_id: str | None = None
    max_chunk_length: int | None = None
    chunk_body_overlap_percentage: int | None = None
    archive_type: str = "VECTOR"


@dataclass
class CreateArchive(RequestBody):
    """A new archive.

    Attributes:
        storage_type: VECTOR or BASIC; both are kept in one way.
        configuration: the later form: ``retain_latest_originals_only`` and ``tag_hint_instructions`` as an object.
        tag_hint_instructions: what the tags of its entries should be chosen from.
    """

    path: ClassVar[str] = "/create_archive"

    archive_id: str
    description: str | None = None
    retain_latest_originals_only: bool | None = None
    storage_type: str | None = None
    configuration: RequestBody | Mapping[str, Any] | None = None
    tag_hint_instructions: str | None = None


@dataclass
class DescribeArchive(RequestBody):
    """An archive."""

    path: ClassVar[str] = "/describe_archive"

    archive_id: str


@dataclass
class UpdateArchive(RequestBody):
    """Another description, or other hints for tags."""

    path: ClassVar[str] = "/update_archive"

    archive_id: str
    description: str | None = None
    tag_hint_instructions: str | None = None


@dataclass
class ListArchives(RequestBody):
    """The archives that the caller may read, at most 1,000; ``archives.list()`` reads on."""

    path: ClassVar[str] = "/list_archives"


@dataclass
class DeleteArchive(RequestBody):
    """Remove an archive that holds no entries."""

    path: ClassVar[str] = "/delete_archive"

    archive_id: str


# --- entries ----------------------------------------------------------------------------------------------------


@dataclass
class AddEntry(RequestBody):
    """A new entry, with its text.

    Attributes:
        sources: where it comes from, as addresses or source ids.
        archive_id: where it goes; every entry belongs to an archive.
        destination_archive_id: the same, by its later name.
        effective_on: ISO 8601, from when it holds.
        original_source: the source whose original content it is; newer originals take its place.
        original_of_source: the same, by its later name.
        summarize: whether a summary is wanted; insights always make one.
    """

    path: ClassVar[str] = "/add_entry"

    content: str
    sources: list[str]
    archive_id: str | None = None
    effective_on: str | date | None = None
    original_source: str | None = None
    original_of_source: str | None = None
    summarize: bool | None = None
    destination_archive_id: str | None = None


@dataclass
class DescribeEntry(RequestBody):
    """What is known of an entry."""

    path: ClassVar[str] = "/describe_entry"

    entry_id: str


@dataclass
class GetEntry(RequestBody):
    """The text of an entry."""

    path: ClassVar[str] = "/get_entry"

    entry_id: str


@dataclass
class UpdateEntry(RequestBody):
    """A new version of an entry."""

    path: ClassVar[str] = "/update_entry"

    entry_id: str
    content: str


@dataclass
class DeleteEntry(RequestBody):
    """Remove an entry, with proof."""

    path: ClassVar[str] = "/delete_entry"

    entry_id: str
    force: bool | None = None


@dataclass
class IndexEntry(RequestBody):
    """Index an entry in an archive."""

    path: ClassVar[str] = "/index_entry"

    archive_id: str
    entry_id: str


# --- sources ----------------------------------------------------------------------------------------------------


@dataclass
class CreateSourceType(RequestBody):
    """A type of sources: the fields that are the identity of one."""

    path: ClassVar[str] = "/create_source_type"

    name: str
    required_fields: list[str]
    description: str | None = None


@dataclass
class DescribeSourceType(RequestBody):
    """A type of sources."""

    path: ClassVar[str] = "/describe_source_type"

    name: str


@dataclass
class AddSource(RequestBody):
    """A source of a declared type.

    Attributes:
        archive_id: that it belongs to, which says who may see it. The first OmniLake had no such field; it is needed.
    """

    path: ClassVar[str] = "/add_source"

    source_type: str
    source_arguments: Mapping[str, Any]
    archive_id: str | None = None


@dataclass
class DescribeSource(RequestBody):
    """A source."""

    path: ClassVar[str] = "/describe_source"

    source_id: str
    source_type: str | None = None


@dataclass
class DeleteSource(RequestBody):
    """Forget a source; what was ingested of it stays."""

    path: ClassVar[str] = "/delete_source"

    source_id: str
    source_type: str | None = None
    force: bool | None = None


# --- requests and jobs ------------------------------------------------------------------------------------------


@dataclass
class ArchiveInformationRequest(RequestBody):
    """What an :class:`InformationRequest` of the later form asks of one archive.

    Attributes:
        evaluation_type: INCLUSIVE (everything, best tag matches first) or EXCLUSIVE (what matches ``query_string``).
        max_entries: most chunks that are read of it.
    """

    archive_id: str
    max_entries: int | None = None
    evaluation_type: str | None = None
    query_string: str | None = None
    prioritize_tags: list[str] | None = None
    request_type: str | None = None


BasicArchiveInformationRequest = VectorArchiveInformationRequest = ArchiveInformationRequest


@dataclass
class InformationRequest(RequestBody):
    """A question with a goal: of one archive, or (``requests``) of several.

    Attributes:
        request_type: INCLUSIVE, EXCLUSIVE or RELATED.
        include_source_metadata: citations always name their sources.
        resource_names: entries, as ``orn::entry::ID`` or by their ids: only these are read.
        responder_model_id: name of a model of the configuration, that composes the answer.
        responder_prompt: refused: prompts stand in the configuration.
        responder_model_params: refused, unless empty: parameters of models stand in the configuration.
        responder_use_source_metadata: as ``include_source_metadata``.
        summarization_algorithm: STANDARD; others are refused.
        summarization_prompt: refused, as ``responder_prompt``.
        summarization_model_id: name of a model of the configuration, that reads groups of evidence.
        summarization_model_params: refused, as ``responder_model_params``.
        retrieval_requests: ``requests`` by its earlier name.
        destination_archive_id: the answer becomes an entry of this archive.
    """

    path: ClassVar[str] = "/request_information"

    goal: str
    archive_id: str | None = None
    request: str | None = None
    request_type: str | None = None
    requests: list[ArchiveInformationRequest | Mapping[str, Any]] | None = None
    include_source_metadata: bool | None = None
    resource_names: list[str] | None = None
    responder_model_id: str | None = None
    responder_prompt: str | None = None
    summarization_algorithm: str | None = None
    summarization_prompt: str | None = None
    summarization_model_id: str | None = None
    retrieval_requests: list[ArchiveInformationRequest | Mapping[str, Any]] | None = None
    destination_archive_id: str | None = None
    responder_model_params: Mapping[str, Any] | None = None
    responder_use_source_metadata: bool | None = None
    summarization_model_params: Mapping[str, Any] | None = None


@dataclass
class DescribeRequest(RequestBody):
    """A request and its job."""

    path: ClassVar[str] = "/describe_request"

    request_id: str


@dataclass
class DescribeLakeRequest(RequestBody):
    """A request and its job; ``lake_request_id`` is the later name of ``request_id``."""

    path: ClassVar[str] = "/describe_lake_request"

    request_id: str | None = None
    lake_request_id: str | None = None


@dataclass
class DescribeJob(RequestBody):
    """A job."""

    path: ClassVar[str] = "/describe_job"

    job_id: str
    job_type: str | None = None


@dataclass
class ScoreResponse(RequestBody):
    """How good an answer was, 0 to 1."""

    path: ClassVar[str] = "/score_response"

    request_id: str
    score: float
    score_comment: str | None = None
