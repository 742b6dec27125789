"""The paths of the first OmniLake: one POST an operation. They answer with the bodies of the REST routes.

Here are their bodies and what they mean; the routes are in ``rpc_archives``, ``rpc_requests`` …, one module a function.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import Field

from omnilake.api.problems import misfit
from omnilake.api.schemas import Body

if TYPE_CHECKING:
    from omnilake.configuration import AnsweringConfiguration

TAGS = ["OmniLake's own paths"]

_MODELS = {"responder_model_id": "compose", "summarization_model_id": "map"}
"""Fields that name models, and the steps (``configuration.Step``) that these do."""

_KINDS = {"BASIC": "INCLUSIVE", "VECTOR": "EXCLUSIVE"}
"""Kinds of archives that a request may name, and how such an archive was read."""

_ENTRY = re.compile(r"(?:orn::entry::)?(e[0-9a-f]{31})")
_TAG_CHARACTERS = 64
_MOST_TAGS = 200


_CONFIGURED = "Not for one request: the configuration has it."


class ArchiveConfiguration(Body):
    """The later form of what an archive is like. What has no counterpart here is refused by its name."""

    archive_type: str = Field(default="", max_length=100)
    chunk_body_overlap_percentage: int | None = None
    max_chunk_length: int | None = None
    retain_latest_originals_only: bool | None = None
    tag_hint_instructions: str | None = Field(default=None, max_length=10_000)
    tag_model_id: str | None = Field(default=None, max_length=100)


class CreateArchive(Body):
    """A new archive. ``storage_type`` is accepted; all archives are searched by vector and by words."""

    archive_id: str
    description: str | None = None
    retain_latest_originals_only: bool | None = None
    storage_type: str | None = Field(default=None, max_length=100)
    configuration: ArchiveConfiguration | None = None
    tag_hint_instructions: str | None = Field(default=None, max_length=10_000)


class NamedArchive(Body):
    """An archive."""

    archive_id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{2,62}$")


class UpdateArchive(NamedArchive):
    """Another description, or other hints for tags."""

    description: str | None = None
    tag_hint_instructions: str | None = Field(default=None, max_length=10_000)


class Nothing(Body):
    """No arguments."""


class ArchiveInformationRequest(Body):
    """What is asked of one archive."""

    archive_id: str
    evaluation_type: str | None = None
    max_entries: int | None = Field(default=None, ge=1, le=10_000)
    query_string: str | None = None
    prioritize_tags: list[str] | None = None
    request_type: str | None = None


class RequestInformation(Body):
    """A question with a goal: of one archive, or (``requests``) of several.

    What has no counterpart here is refused by its name, unless it says what is done anyway.
    """

    goal: str = Field(max_length=4_000)
    archive_id: str | None = None
    request: str | None = None
    request_type: str | None = None
    requests: list[ArchiveInformationRequest] | None = Field(default=None, min_length=1, max_length=20)
    retrieval_requests: list[ArchiveInformationRequest] | None = Field(
        default=None, min_length=1, max_length=20, description="The same, by its earlier name."
    )
    destination_archive_id: str | None = Field(
        default=None, max_length=200, description="The answer becomes an entry there."
    )
    include_source_metadata: bool | None = Field(default=None, description="Citations always name their sources.")
    resource_names: list[str] | None = Field(
        default=None, max_length=200, description="orn::entry::ID, or the id: only these entries are read."
    )
    responder_model_id: str | None = Field(default=None, max_length=100, description="A model of the configuration.")
    responder_model_params: dict[str, Any] | None = Field(default=None, description=_CONFIGURED)
    responder_prompt: str | None = Field(default=None, description=_CONFIGURED)
    responder_use_source_metadata: bool | None = Field(default=None, description="As include_source_metadata.")
    summarization_algorithm: str | None = Field(default=None, max_length=100, description="STANDARD.")
    summarization_model_id: str | None = Field(default=None, max_length=100, description="As responder_model_id.")
    summarization_model_params: dict[str, Any] | None = Field(default=None, description=_CONFIGURED)
    summarization_prompt: str | None = Field(default=None, description=_CONFIGURED)


class NamedRequest(Body):
    """A request, by its job's id."""

    request_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")


class NamedLakeRequest(Body):
    """A request, by its job's id; ``lake_request_id`` is its later name."""

    request_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,80}$")
    lake_request_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,80}$")


class DescribeJob(Body):
    """A job."""

    job_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")
    job_type: str | None = Field(default=None, max_length=100)


class ScoreResponse(NamedRequest):
    """How good an answer was, 0 to 1."""

    score: float = Field(ge=0, le=1)
    score_comment: str | None = Field(default=None, max_length=4_000)


def check_archive(told: ArchiveConfiguration) -> None:
    """Check that the later form of an archive asks for nothing that an archive can't choose in that form.

    Raises:
        InvalidFields: names the field.
    """
    for field in ("chunk_body_overlap_percentage", "max_chunk_length"):
        if getattr(told, field) is not None:
            raise misfit(f"configuration.{field}", "Chunks are counted in tokens: chunking of POST /v1/archives.")
    if told.tag_model_id:
        raise misfit("configuration.tag_model_id", "One model tags all entries: the parameter InsightsModelId.")


def tags_of(instructions: str) -> list[str]:
    """Hints for tags out of instructions in prose: what stands between commas, semicolons and line ends."""
    parts = (" ".join(re.sub(r"[\x00-\x1f<>]", " ", part).split()) for part in re.split(r"[,;\n]", instructions))
    return list(dict.fromkeys(part for part in parts if part and len(part) <= _TAG_CHARACTERS))[:_MOST_TAGS]


def request_of(told: RequestInformation) -> dict[str, Any]:
    """The request (``models.InformationRequest``) that an operation of the first OmniLake means.

    Several archives are asked in one request: with the distinct queries as its question, all tags, and as many chunks
    as all may give together. It works over everything only when all of them do.

    Raises:
        InvalidFields: prompts, an algorithm or resources that one request can't choose. :func:`check_models` checks
            the models.
    """
    _check_fixed(told)
    each_archive = told.requests or told.retrieval_requests
    if each_archive is None:
        asked: dict[str, Any] = {"archives": [told.archive_id] if told.archive_id else []}
        question, modes = told.request or "", [told.request_type]
    else:
        asked = {"archives": list(dict.fromkeys(each.archive_id for each in each_archive))}
        question = " ".join(dict.fromkeys(each.query_string for each in each_archive if each.query_string))
        modes = [each.evaluation_type or each.request_type or told.request_type for each in each_archive]
        tags = list(dict.fromkeys(tag for each in each_archive for tag in each.prioritize_tags or []))
        if tags:
            asked["tags"] = tags
        limits = [each.max_entries for each in each_archive if each.max_entries]
        if limits:
            asked["evidence_limit"] = min(10_000, sum(limits))
    named = {_KINDS.get(mode.upper(), mode.upper()) for mode in modes if mode}
    if named:
        asked["mode"] = next(iter(named)) if len(named) == 1 else "EXCLUSIVE"
    if told.resource_names:
        entries = [_entry(number, name) for number, name in enumerate(told.resource_names)]
        asked["filters"] = [{"field": "entry", "operator": "in", "value": list(dict.fromkeys(entries))}]
    if told.destination_archive_id:
        asked["destination_archive"] = told.destination_archive_id
    chosen = {step: name for field, step in _MODELS.items() if (name := getattr(told, field))}
    if chosen:
        asked["providers"] = chosen
    return asked | {"question": question or told.goal, "goal": told.goal}


def check_models(told: RequestInformation, configuration: Callable[[], AnsweringConfiguration]) -> None:
    """Check that the models which a request names are configured and can do their steps.

    Args:
        told: the request.
        configuration: gives the one in force; it is only asked for when a model is named.

    Raises:
        InvalidFields: names the field.
    """
    named = {field: name for field in _MODELS if (name := getattr(told, field))}
    if not named:
        return
    from omnilake.configuration import WRITERS

    models = configuration().models
    able = sorted(name for name, model in models.items() if model.provider in WRITERS)
    for field, name in named.items():
        if name not in able:
            raise misfit(field, f"No configured model of that name can do this. Take one of: {', '.join(able)}.")


def _check_fixed(told: RequestInformation) -> None:
    if told.requests and told.retrieval_requests:
        raise misfit("retrieval_requests", "It is another name of requests; give one of them.")
    for field in ("responder_prompt", "summarization_prompt"):
        if getattr(told, field):
            raise misfit(field, "Prompts stand in the configuration, for all requests; leave it out.")
    for field in ("responder_model_params", "summarization_model_params"):
        if getattr(told, field):
            raise misfit(field, "Parameters of models stand in the configuration, for all requests; leave it out.")
    if told.summarization_algorithm and told.summarization_algorithm.upper() != "STANDARD":
        raise misfit("summarization_algorithm", "There is only STANDARD.")


def _entry(number: int, name: str) -> str:
    found = _ENTRY.fullmatch(name)
    if found is None:
        raise misfit(f"resource_names.{number}", "Name entries, as orn::entry::ID or by their ids.")
    return found[1]
