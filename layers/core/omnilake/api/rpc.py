"""The paths of the first OmniLake: one POST an operation. They answer with the bodies of the REST routes.

Here are their bodies and what they mean; the routes are in ``rpc_archives``, ``rpc_requests`` …, one module a function.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

from omnilake.api.schemas import Body

TAGS = ["OmniLake's own paths"]

_TAG_CHARACTERS = 64
_MOST_TAGS = 200


class ArchiveConfiguration(Body):
    """The later form of what an archive is like."""

    archive_type: str = Field(default="", max_length=100)
    retain_latest_originals_only: bool | None = None
    tag_hint_instructions: str | None = Field(default=None, max_length=10_000)


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
    """A question with a goal: of one archive, or (``requests``) of several."""

    goal: str = Field(max_length=4_000)
    archive_id: str | None = None
    request: str | None = None
    request_type: str | None = None
    requests: list[ArchiveInformationRequest] | None = Field(default=None, min_length=1, max_length=20)
    include_source_metadata: bool | None = Field(default=None, description="Citations always name their sources.")


class NamedRequest(Body):
    """A request, by its job's id."""

    request_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")


class DescribeJob(Body):
    """A job."""

    job_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")
    job_type: str | None = Field(default=None, max_length=100)


class ScoreResponse(NamedRequest):
    """How good an answer was, 0 to 1."""

    score: float = Field(ge=0, le=1)
    score_comment: str | None = Field(default=None, max_length=4_000)


def tags_of(instructions: str) -> list[str]:
    """Hints for tags out of instructions in prose: what stands between commas, semicolons and line ends."""
    parts = (" ".join(re.sub(r"[\x00-\x1f<>]", " ", part).split()) for part in re.split(r"[,;\n]", instructions))
    return list(dict.fromkeys(part for part in parts if part and len(part) <= _TAG_CHARACTERS))[:_MOST_TAGS]


def request_of(told: RequestInformation) -> dict[str, Any]:
    """The request (``models.InformationRequest``) that an operation of the first OmniLake means.

    Several archives are asked in one request: with the distinct queries as its question, all tags, and as many chunks
    as all may give together. It works over everything only when all of them do.
    """
    if told.requests is None:
        asked: dict[str, Any] = {"archives": [told.archive_id] if told.archive_id else []}
        question, modes = told.request or "", [told.request_type]
    else:
        asked = {"archives": list(dict.fromkeys(each.archive_id for each in told.requests))}
        question = " ".join(dict.fromkeys(each.query_string for each in told.requests if each.query_string))
        modes = [each.evaluation_type or each.request_type or told.request_type for each in told.requests]
        tags = list(dict.fromkeys(tag for each in told.requests for tag in each.prioritize_tags or []))
        if tags:
            asked["tags"] = tags
        limits = [each.max_entries for each in told.requests if each.max_entries]
        if limits:
            asked["evidence_limit"] = min(10_000, sum(limits))
    named = {mode.upper() for mode in modes if mode}
    if named:
        asked["mode"] = next(iter(named)) if len(named) == 1 else "EXCLUSIVE"
    return asked | {"question": question or told.goal, "goal": told.goal}
