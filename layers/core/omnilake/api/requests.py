"""Routes of requests, answers and search."""

from __future__ import annotations

import json
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body as BodyParameter
from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import Field

from omnilake import archives, aws, layout
from omnilake.api import sizes
from omnilake.api.access import Right
from omnilake.api.app import JSON, SeeOther, answer, caller, etag_of, header, make_router, to_json
from omnilake.api.schemas import Body, JobIdPath
from omnilake.api.waiting import JobView, accepted, ended, find, view
from omnilake.calling import call
from omnilake.clock import now
from omnilake.errors import Forbidden, InvalidRequest, JobNotFound
from omnilake.models import (
    ENDED,
    Answer,
    Deliverable,
    InformationRequest,
    Job,
    JobKind,
    JobStatus,
    Model,
    RetrievalMode,
)

router = make_router()

_OWN = {"destination_archive", "forked_from"}

_FOUND: dict[int, Any] = {
    200: {"description": "What was found, best first."},
    202: {"description": "The search has not ended.", "content": {"application/json": {"model": JobView}}},
}


class Score(Body):
    """How good an answer was."""

    score: float = Field(ge=0, le=1)
    comment: str = Field(default="", max_length=4_000)
    scored_by: str = ""
    scored_at: str = ""


class RequestState(Model):
    """A request as it was submitted, its job, and what people thought of its answer."""

    request: dict[str, Any]
    job: JobView
    score: Score | None = None


class NewScore(Body):
    """How good an answer was: 0 not at all, 1 entirely."""

    score: float = Field(ge=0, le=1)
    comment: str = Field(default="", max_length=4_000)


class Fork(Body):
    """What is to be otherwise when a request is asked again: fields of the request."""

    changes: dict[str, Any] = Field(default={}, max_length=40)


@router.post("/v1/requests", status_code=202, tags=["requests"], summary="Ask archives a question")
def ask(body: Annotated[InformationRequest, BodyParameter()]) -> Response[JobView | Answer]:
    return asked(body.model_dump(mode="json", exclude_unset=True))


def asked(request: dict[str, Any]) -> Response[Any]:
    """The response to a request: its job; or with ``Prefer: wait=N`` its answer, when it came in time."""
    return _answered(submit(request))


def submit(request: dict[str, Any]) -> str:
    """Check what a caller may ask and submit it; the job's id.

    Raises:
        ArchiveNotFound: an archive that is not there, or that the caller may not read.
        Forbidden: another tenant's documents, or a destination that the caller may not write to.
        JobNotFound: an earlier answer that the caller may not read.
        InvalidRequest, EmptyQuestion, QuestionTooLong: as their codes say.
    """
    from omnilake.answering.parts import parse_request

    who = caller()
    _check(parse_request(json.dumps(request).encode()))
    for archive_id in dict.fromkeys(request["archives"]):
        who.check(Right.READ, archives.get_archive(archive_id))
    if request.get("destination_archive"):
        archives.check_open(who.check(Right.WRITE, archives.get_archive(request["destination_archive"])))
    for earlier in ("related_to", "replay_of", "forked_from"):
        if request.get(earlier):
            find(who, request[earlier])
    if who.tenant:
        told = request.get("tenant") or {}
        if told.get("business_id") not in (None, "", who.tenant):
            raise Forbidden("The request names another tenant than the token.", action="Leave tenant.business_id out.")
        request = {**request, "tenant": {**told, "business_id": who.tenant}}
    event = {"request": request, "started_by": who.name, "tenant": who.tenant}
    if header("idempotency-key"):
        # what was submitted by a call that was cut off is found again by the next
        event["idempotency_key"] = f"{who.name}#{header('idempotency-key')}"[:256]
    return str(call("submit_request_function_arn", event)["job_id"])


def _check(asked: InformationRequest) -> None:
    """What the plan would refuse, refused before there is a job."""
    from omnilake.answering.scoping import parse_as_of
    from omnilake.retrieval import filters

    if asked.mode is RetrievalMode.RELATED and not asked.related_to:
        message = "A RELATED request names no earlier answer."
        fault = {"field": "related_to", "message": message}
        raise InvalidRequest(message, action="Give its job id as related_to.", fields=[fault])
    field = "filters"
    try:
        filters.check(asked.filters)
        field = "as_of"
        if asked.as_of:
            parse_as_of(asked.as_of, archives=len({*asked.archives}))
    except InvalidRequest as error:
        fault = {"field": field, "message": error.message}
        raise InvalidRequest(error.message, action=error.action, fields=[fault]) from None


@router.get("/v1/requests/<job_id>", tags=["requests"], summary="A request and its job")
def describe(job_id: JobIdPath) -> Response[RequestState]:
    return answer(described(job_id))


def described(job_id: str) -> RequestState:
    """A request, its job, its score. Raises ``JobNotFound``."""
    from omnilake.answering.reading import request_of

    job = _own(job_id)
    return RequestState(request=request_of(job_id), job=view(job), score=_score(job_id))


@router.post("/v1/requests/<job_id>/replay", status_code=202, tags=["requests"], summary="Answer again as recorded")
def replay(job_id: JobIdPath) -> Response[JobView | Answer]:
    from omnilake.answering.reading import request_of

    _own(job_id)
    request = request_of(job_id)
    origin = str(request.get("replay_of") or job_id)
    again = request if origin == job_id else request_of(origin)
    kept = {name: value for name, value in again.items() if name not in _OWN}
    return asked({**kept, "replay_of": origin})


@router.post("/v1/requests/<job_id>/fork", status_code=202, tags=["requests"], summary="Ask again otherwise")
def fork(job_id: JobIdPath, body: Annotated[Fork, BodyParameter()]) -> Response[JobView | Answer]:
    from omnilake.answering.reading import request_of

    _own(job_id)
    request = request_of(job_id)
    origin = request.pop("replay_of", "") or job_id
    request.pop("destination_archive", None)
    changes = dict(body.changes)
    if isinstance(changes.get("providers"), dict):
        changes["providers"] = {**request.get("providers", {}), **changes["providers"]}
    return asked({**request, **changes, "forked_from": origin})


@router.put("/v1/requests/<job_id>/score", tags=["requests"], summary="Say how good an answer was")
def score(job_id: JobIdPath, body: Annotated[NewScore, BodyParameter()]) -> Response[Score]:
    return answer(scored(job_id, body))


def scored(job_id: str, body: NewScore) -> Score:
    """Keep a score; the last one counts. Raises ``JobNotFound``."""
    from omnilake.answering.reading import answer_of

    answer_of(_own(job_id))
    kept = Score(score=body.score, comment=body.comment, scored_by=caller().name, scored_at=now())
    aws.lake().write_model(layout.answer_part(job_id, "score"), kept)
    return kept


@router.get("/v1/answers/<job_id>", tags=["answers"], summary="An answer")
def describe_answer(job_id: JobIdPath) -> Response[Answer]:
    job = _own(job_id)
    return _told(job, _answer_of(job))


@router.get("/v1/answers/<job_id>/prompt", tags=["answers"], summary="The prompt of an answer")
def prompt(job_id: JobIdPath) -> Response[dict[str, Any]]:
    from omnilake.answering.reading import prompt_of

    found = _answer(job_id)
    prompt = prompt_of(found)
    if sizes.holds(to_json(prompt)):
        return answer(prompt)
    raise _linked(found.prompt_key)


@router.get("/v1/answers/<job_id>/citations/<number>", tags=["answers"], summary="What a citation points at")
def citation(job_id: JobIdPath, number: Annotated[int, Path(ge=1, le=10_000)]) -> Response[dict[str, Any]]:
    from omnilake.answering.reading import cited_span

    return answer(cited_span(_answer(job_id), number).model_dump(mode="json"))


@router.get("/v1/answers/<job_id>/diff/<other_job_id>", tags=["answers"], summary="Compare two answers")
def diff(job_id: JobIdPath, other_job_id: JobIdPath) -> Response[dict[str, Any]]:
    from omnilake.answering.comparison import compare

    return answer(compare(_answer(job_id), _answer(other_job_id)).model_dump(mode="json"))


@router.post("/v1/search", tags=["search"], summary="Ranked results, without generation", responses=_FOUND)
def search(body: Annotated[InformationRequest, BodyParameter()]) -> Response[dict[str, Any]]:
    request = body.model_dump(mode="json", exclude_unset=True) | {"deliver": Deliverable.EVIDENCE.value}
    return _found(submit(request), wait=True)


@router.get("/v1/search/<job_id>", tags=["search"], summary="Results of a search that took longer", responses=_FOUND)
def search_results(job_id: JobIdPath) -> Response[dict[str, Any]]:
    _own(job_id)
    return _found(job_id, wait=False)


def _found(job_id: str, *, wait: bool) -> Response[Any]:
    from omnilake.answering.reading import found_by

    job, _ = ended(job_id, 25 if wait else 0)
    return answer(found_by(job).model_dump(mode="json")) if job.status in ENDED else accepted(job_id)


def _answered(job_id: str) -> Response[Any]:
    job, waited = ended(job_id)
    if waited and job.status is JobStatus.COMPLETED:
        return _told(job, _answer_of(job), location=f"/v1/jobs/{job_id}", preference_applied=f"wait={waited}")
    return accepted(job_id)


def _told(job: Job, found: Answer, **headers: Any) -> Response[Any]:
    """The response with an answer; a link to it (303) where it is more than a response can hold."""
    text = found.model_dump_json()
    if sizes.holds(text):
        return answer(found, etag=etag_of(text), **headers)
    raise _linked(job.result_key or layout.answer_part(job.job_id, "answer"))


def _linked(key: str) -> SeeOther:
    """The way to an object of the lake."""
    from omnilake.answering.reading import LINK_SECONDS

    return SeeOther(aws.lake().presigned_get(key, LINK_SECONDS, content_type=JSON))


def _own(job_id: str) -> Job:
    job = find(caller(), job_id)
    if job.kind is not JobKind.ANSWER_REQUEST:
        raise JobNotFound(f"Job {job_id} answers no request.")
    return job


def _answer(job_id: str) -> Answer:
    return _answer_of(_own(job_id))


def _answer_of(job: Job) -> Answer:
    from omnilake.answering.reading import answer_of

    return answer_of(job)


def _score(job_id: str) -> Score | None:
    return aws.lake().find_model(layout.answer_part(job_id, "score"), Score)
