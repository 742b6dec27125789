"""Routes of jobs: list, describe, what happened, what became of each item; cancel, retry, redrive."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from omnilake import archives, clock, jobs
from omnilake.api import pagination
from omnilake.api.access import Principal, Right
from omnilake.api.app import answer, caller, header, make_router, page
from omnilake.api.problems import misfit
from omnilake.api.schemas import LIMIT, Cursor, JobIdPath, Limit, Page
from omnilake.api.waiting import JobView, accepted, changeable, find, readable, view
from omnilake.calling import call
from omnilake.errors import ArchiveNotFound, Forbidden, JobEnded
from omnilake.job_events import JobEvent, JobItem, events_of, items_of
from omnilake.models import ENDED, Job, JobKind, JobStatus

router = make_router()

_KEPT_DAYS = 90
_MOST_READS = 60
"""Queries for one page of a list: with rare matches a page may be short, and go on at its cursor."""

_MOST_A_READ = 100

_RETRIED = {JobKind.INGEST_DOCUMENT, JobKind.INGEST_COLLECTION, JobKind.REINDEX_ARCHIVE}
_REDRIVEN = {JobKind.INGEST_COLLECTION, JobKind.REINDEX_ARCHIVE, JobKind.REMOVE_ENTRIES}

After = Annotated[int, Query(ge=0, description="Sequence number of the last event that was seen.")]
Moment = Annotated[str, Query(max_length=40, description="ISO 8601 date or time.")]


@router.get("/v1/jobs", tags=["jobs"], summary="List jobs, newest first")
def list_all(
    kind: Annotated[JobKind | None, Query()] = None,
    status: Annotated[JobStatus | None, Query()] = None,
    archive_id: Annotated[str, Query(max_length=200)] = "",
    since: Moment = "",
    until: Moment = "",
    limit: Limit = LIMIT,
    cursor: Cursor = "",
) -> Response[Page[JobView]]:
    who = caller()
    filters = {"kind": kind, "status": status, "archive_id": archive_id, "since": since, "until": until}
    scope = pagination.scope_of("jobs", filters, who.name)
    position = pagination.read_cursor(cursor, scope) if cursor else {}
    first, last = _span(since, until)
    if first > last:
        return page([], "")
    found: list[JobView] = []
    mine: dict[str, bool] = {}

    def fits(job: Job) -> bool:
        named = job.archives or [job.archive_id]
        if (kind and job.kind is not kind) or (status and job.status is not status):
            return False
        if archive_id and archive_id not in named:
            return False
        key = "/".join([*named, job.started_by, job.tenant])
        if key not in mine:
            mine[key] = readable(who, job)
        return mine[key]

    most = _MOST_A_READ if any((kind, status, archive_id)) else limit
    for _ in range(_MOST_READS):
        month = str(position.get("month") or last[:7])
        if month < first[:7]:
            return page(found, "")
        batch, after = jobs.created_in(month, first, last, position.get("after"), most)
        most = _MOST_A_READ
        for job in filter(fits, batch):
            found.append(view(job))
            if len(found) == limit:
                return page(found, pagination.make_cursor({"month": month, "after": jobs.place_of(job)}, scope))
        position = {"month": month, "after": after} if after else {"month": _before(month)}
    return page(found, pagination.make_cursor(position, scope))


@router.get("/v1/jobs/<job_id>", tags=["jobs"], summary="Describe a job")
def describe(job_id: JobIdPath) -> Response[JobView]:
    job = find(caller(), job_id)
    return answer(described(job))


def described(job: Job) -> JobView:
    """A job with the ledger of its answer, where it has one."""
    if job.kind is not JobKind.ANSWER_REQUEST or job.status is not JobStatus.COMPLETED:
        return view(job)
    from omnilake.answering.reading import answer_of

    return view(job, answer_of(job).ledger)


@router.get("/v1/jobs/<job_id>/events", tags=["jobs"], summary="What happened in a job, in order")
def events(job_id: JobIdPath, after: After = 0, limit: Limit = 100) -> Response[Page[JobEvent]]:
    job = find(caller(), job_id)
    found = [each for each in events_of(job) if each.sequence > after]
    return answer({"items": found[:limit], "next_cursor": ""})


@router.get("/v1/jobs/<job_id>/items", tags=["jobs"], summary="What became of each document of a job")
def items(
    job_id: JobIdPath,
    status: Annotated[str, Query(max_length=40)] = "",
    limit: Limit = LIMIT,
    cursor: Cursor = "",
) -> Response[Page[JobItem]]:
    who = caller()
    job = find(who, job_id)
    scope = pagination.scope_of(f"items/{job_id}", {"status": status}, who.name)
    start = int(pagination.read_cursor(cursor, scope)["start"]) if cursor else 0
    found = [each for each in items_of(job) if not status or each.status == status]
    end = start + limit
    return page(found[start:end], pagination.make_cursor({"start": end}, scope) if end < len(found) else "")


@router.post("/v1/jobs/<job_id>/cancel", tags=["jobs"], summary="Stop a job")
def cancel(job_id: JobIdPath) -> Response[JobView]:
    from omnilake.closing import cancel_job

    _changed(caller(), job_id)
    return answer(view(cancel_job(job_id)))


@router.post("/v1/jobs/<job_id>/retry", status_code=202, tags=["jobs"], summary="Do again what failed")
def retry(job_id: JobIdPath) -> Response[JobView]:
    who = caller()
    job = _changed(who, job_id)
    if job.status not in ENDED:
        raise JobEnded("The job has not ended.", action="Wait for its end, or cancel it.")
    key = {"idempotency_key": f"{who.name}#{header('idempotency-key')}"[:256]} if header("idempotency-key") else {}
    if job.kind in _RETRIED:
        if job.status is JobStatus.COMPLETED and not job.progress.get("failed"):
            raise JobEnded("Nothing of the job failed.", action="Start a new one for what else is to be ingested.")
        event: dict[str, Any] = {"retry": job_id, "started_by": who.name, **key}
        started = call("start_collection_function_arn", event)
    elif job.kind is JobKind.ANSWER_REQUEST:
        from omnilake.answering.reading import request_of

        event = {"request": request_of(job_id), "started_by": who.name, "tenant": job.tenant, **key}
        started = call("submit_request_function_arn", event)
    else:
        raise JobEnded(f"A job of kind {job.kind.value} can't be retried.", action="Start a new one instead.")
    return accepted(str(started["job_id"]))


@router.post("/v1/jobs/<job_id>/redrive", status_code=202, tags=["jobs"], summary="Let a failed job go on")
def redrive(job_id: JobIdPath) -> Response[JobView]:
    who = caller()
    job = _changed(who, job_id)
    if job.kind not in _REDRIVEN or job.status is not JobStatus.FAILED:
        raise JobEnded(
            "Only a collection, a reindexing or a removal that failed can be redriven.", action="Retry the job instead."
        )
    if job.deletes_archive:
        _check_deletion(who, job)
    call("redrive_collection_function_arn", {"job_id": job_id})
    return accepted(job_id)


def _changed(who: Principal, job_id: str) -> Job:
    job = find(who, job_id)
    if not changeable(who, job):
        raise Forbidden("You may not change this job.")
    return job


def _check_deletion(who: Principal, job: Job) -> None:
    """Raises ``Forbidden`` unless the caller may delete the archive, if it is there."""
    try:
        archive = archives.get_archive(job.archive_id)
    except ArchiveNotFound:
        return  # its record went before the job failed
    who.check(Right.ADMINISTER, archive)


def _span(since: str, until: str) -> tuple[str, str]:
    """First and last moment of a list, as the records write them: within what is kept, and up to now."""
    today = clock.now()
    oldest = clock.timestamp(clock.parse(today) - timedelta(days=_KEPT_DAYS))
    first = max(_moment("since", since), oldest) if since else oldest
    last = min(_moment("until", until), today) if until else today
    return first, last


def _moment(name: str, told: str) -> str:
    """The moment of a parameter: of ``until`` a date is its end.

    Raises:
        InvalidFields: names the parameter.
    """
    whole_day = name == "until" and len(told) == len("YYYY-MM-DD")
    try:
        return clock.instant(f"{told}T23:59:59.999" if whole_day else told)
    except ValueError:
        raise misfit(f"query.{name}", "An ISO 8601 date or time is expected.") from None


def _before(month: str) -> str:
    return (date.fromisoformat(f"{month}-01") - timedelta(days=1)).isoformat()[:7]
