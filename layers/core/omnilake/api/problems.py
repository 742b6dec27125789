"""Problem documents: what a call that fails is answered with (RFC 9457, ``application/problem+json``).

``type`` is the place in the troubleshooting guide, ``code`` the stable code of ``errors.py``, ``instance`` the
request's id. Values of the input are never repeated; names of fields are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import Field

from omnilake import errors
from omnilake.errors import InvalidFields, OmniLakeError
from omnilake.models import Model
from omnilake.settings import settings

MEDIA_TYPE = "application/problem+json"

RETRY_AFTER_S = 2
"""What a caller is told to wait where nothing says better."""

_NAME_CHARACTERS = 100
_MISFIT = "Some fields do not fit."


class FieldProblem(Model):
    """A field at fault."""

    field: str  # a path: "filters.0.value", "query.limit"
    message: str


class Problem(Model):
    """Why a call failed, and what to do."""

    type: str
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str = ""
    code: str
    errors: list[FieldProblem] = Field(default=[])


_STATUS: dict[type[OmniLakeError], HTTPStatus] = {
    errors.InvalidBody: HTTPStatus.BAD_REQUEST,
    errors.InvalidCursor: HTTPStatus.BAD_REQUEST,
    errors.IdempotencyKeyInvalid: HTTPStatus.BAD_REQUEST,
    errors.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.RouteNotFound: HTTPStatus.NOT_FOUND,
    errors.ArchiveNotFound: HTTPStatus.NOT_FOUND,
    errors.EntryNotFound: HTTPStatus.NOT_FOUND,
    errors.JobNotFound: HTTPStatus.NOT_FOUND,
    errors.RequestNotFound: HTTPStatus.NOT_FOUND,
    errors.SourceNotFound: HTTPStatus.NOT_FOUND,
    errors.SourceTypeNotFound: HTTPStatus.NOT_FOUND,
    errors.UploadNotFound: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.ArchiveExists: HTTPStatus.CONFLICT,
    errors.ArchiveInUse: HTTPStatus.CONFLICT,
    errors.ArchiveBeingDeleted: HTTPStatus.CONFLICT,
    errors.EntryNotUpdatable: HTTPStatus.CONFLICT,
    errors.SourceBusy: HTTPStatus.CONFLICT,
    errors.SourceTypeInUse: HTTPStatus.CONFLICT,
    errors.JobEnded: HTTPStatus.CONFLICT,
    errors.AnswerPending: HTTPStatus.CONFLICT,
    errors.AnswerUnavailable: HTTPStatus.CONFLICT,
    errors.RequestInProgress: HTTPStatus.CONFLICT,
    errors.RevisionMismatch: HTTPStatus.PRECONDITION_FAILED,
    errors.BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.DocumentTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.RevisionRequired: HTTPStatus.PRECONDITION_REQUIRED,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TransientError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.InvalidStateInput: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.StageFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Of an error that is not listed, its nearest base's; of the others 422."""


def status_of(error: OmniLakeError) -> HTTPStatus:
    """The HTTP status that an error is answered with."""
    for each in type(error).__mro__:
        if each in _STATUS:
            return _STATUS[each]
    return HTTPStatus.UNPROCESSABLE_ENTITY


def problem_of(error: OmniLakeError, request_id: str, fields: Sequence[FieldProblem] = ()) -> Problem:
    """The document that tells of an error."""
    status = status_of(error)
    return Problem(
        type=f"{settings().troubleshooting_url}#{error.code.lower()}",
        title=_title(error),
        status=status.value,
        detail=f"{error.message} {error.action}".strip(),
        instance=request_id,
        code=error.code,
        errors=list(fields),
    )


def headers_of(error: OmniLakeError) -> dict[str, str | list[str]]:
    """Headers that go with the document."""
    status = status_of(error)
    found: dict[str, str | list[str]] = {"Cache-Control": "no-store"}
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS} or isinstance(
        error, errors.RequestInProgress | errors.AnswerPending
    ):
        found["Retry-After"] = str(error.details.get("seconds", RETRY_AFTER_S))
    if "allow" in error.details:
        found["Allow"] = str(error.details["allow"])
    return found


def fields_of(told: Iterable[Mapping[str, Any]]) -> list[FieldProblem]:
    """Fields at fault out of pydantic's errors, without values of the input."""
    return [FieldProblem(field=_field(each["loc"]), message=_message(each)) for each in told][:50]


def misfits(told: Iterable[Mapping[str, Any]]) -> InvalidFields:
    """The error of fields that pydantic refused."""
    return InvalidFields(_MISFIT, fields=fields_of(told))


def misfit(field: str, message: str) -> InvalidFields:
    """The error of one field, named by its path, that is refused for another reason."""
    return InvalidFields(_MISFIT, fields=[FieldProblem(field=field, message=message)])


def _field(place: Sequence[Any]) -> str:
    """``("body", "filters", 0, "value")`` as ``filters.0.value``; of the query and headers with where it stands."""
    parts = [str(part) for part in place]
    if parts and parts[0] in {"body", "path"} and len(parts) > 1:
        parts = parts[1:]
    return "".join(c if c.isprintable() else "?" for c in ".".join(parts))[:_NAME_CHARACTERS]


def _message(error: Mapping[str, Any]) -> str:
    kind, message = str(error.get("type", "")), str(error.get("msg", ""))
    # What a validator of ours or Python's raised may quote the value.
    if kind in {"value_error", "assertion_error"} or not message:
        return "The value is not valid."
    return message if message.endswith(".") else f"{message}."


def _title(error: OmniLakeError) -> str:
    """First sentence of what the class is about."""
    return (
        " ".join(
            (type(error).__doc__ or type(error).__name__).split(":")[0].split(";")[0].split("\n")[0].split()
        ).rstrip(".")
        + "."
    )
