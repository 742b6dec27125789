"""What the API says when it refuses, as exceptions: the same classes that the product raises, by their stable codes.

``except ArchiveNotFound`` (``omnilake.errors``) works on both sides of the wire. A code that this version of the client
does not know is an :class:`UnknownProblem`; an answer that is no problem document at all, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from omnilake.errors import (
    BodyTooLarge,
    Forbidden,
    NotAuthenticated,
    OmniLakeError,
    RateLimited,
    RouteNotFound,
    TransientError,
    by_code,
)


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    field: str = ""
    message: str = ""


class ProblemDetails(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    instance: str = ""  # the request's id
    code: str = ""
    errors: list[FieldProblem] = []


class UnknownProblem(OmniLakeError):
    """A refusal whose code this version of the client does not know. ``details["code"]`` has it."""

    code = "UNKNOWN_PROBLEM"
    advice = "Update the client, or look at the status and the instance of the problem."


def problem_of(status: int, body: bytes) -> ProblemDetails:
    """The problem document of a refusal; what API Gateway itself says ({"message": …}) as one."""
    try:
        told = ProblemDetails.model_validate_json(body)
    except ValidationError:
        return ProblemDetails(status=status)
    return told.model_copy(update={"status": told.status or status})


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> OmniLakeError:
    """The exception of a refusal.

    Its ``details`` are the HTTP ``status``, the ``instance`` (request id), the ``code`` and, where fields are at fault,
    ``errors`` of ``{"field", "message"}``.

    Args:
        status: HTTP status, 400 or more.
        headers: of the response.
        body: of the response.
    """
    problem = problem_of(status, body)
    kind = by_code(problem.code) or _BY_STATUS.get(status) or UnknownProblem
    detail = problem.detail or problem.title or f"The API refuses the call ({status}) without saying why."
    detail = detail.removeprefix(f"{kind.code}: ").removesuffix(kind.advice).strip()
    fields = "; ".join(f"{each.field}: {each.message}" for each in problem.errors if each.field not in detail)
    details: dict[str, Any] = {
        "status": status,
        "code": problem.code or kind.code,
        "instance": problem.instance or headers.get("apigw-requestid", "") or headers.get("x-amzn-requestid", ""),
        "errors": [each.model_dump() for each in problem.errors],
    }
    return kind(f"{detail} {fields}".strip(), **details)


_BY_STATUS: dict[int, type[OmniLakeError]] = {
    401: NotAuthenticated,
    403: Forbidden,
    404: RouteNotFound,
    413: BodyTooLarge,
    429: RateLimited,
    503: TransientError,
}
"""Refusals by API Gateway itself come without a code."""
