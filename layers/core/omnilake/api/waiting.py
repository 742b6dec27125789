"""Jobs as the API answers with them: at once (202), or when they have ended (``Prefer: wait=N``)."""

from __future__ import annotations

import re
import time
from typing import Any

from aws_lambda_powertools.event_handler import Response
from pydantic import Field

from omnilake import archives, aws, jobs
from omnilake.api.access import Principal, Right
from omnilake.api.app import answer, header, remaining_s
from omnilake.api.preferences import wait_of
from omnilake.errors import ArchiveNotFound, JobNotFound
from omnilake.models import ENDED, Job, JobKind, JobStatus, LedgerLine

_PAUSES_S = (0.05, 0.5)
_LEFT_S = 3.0


class JobView(Job):
    """A job, and where to look further."""

    ledger: list[LedgerLine] = Field(default=[])  # what models were paid for, of an answer
    links: dict[str, str] = Field(
        default={}
    )  # self, events, items, archive, answer, execution (console of Step Functions)


def view(job: Job, ledger: list[LedgerLine] | None = None) -> JobView:
    """A job as the API shows it."""
    links = {"self": f"/v1/jobs/{job.job_id}", "events": f"/v1/jobs/{job.job_id}/events"}
    links["items"] = f"/v1/jobs/{job.job_id}/items"
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{2,62}", job.archive_id):
        links["archive"] = f"/v1/archives/{job.archive_id}"
    if job.kind is JobKind.ANSWER_REQUEST:
        links["request"] = f"/v1/requests/{job.job_id}"
        if job.status is JobStatus.COMPLETED:
            links["answer"] = f"/v1/answers/{job.job_id}"
    if job.execution_arn:
        links["execution"] = (
            f"https://{aws.region()}.console.aws.amazon.com/states/home?region={aws.region()}"
            f"#/v2/executions/details/{job.execution_arn}"
        )
    return JobView(**{**dict(job), "ledger": ledger or [], "links": links})


def readable(who: Principal, job: Job) -> bool:
    """Whether a principal may see a job: it may read all its archives. Of a tenant's caller, only its tenant's jobs."""
    return _allowed(who, job, Right.READ)


def changeable(who: Principal, job: Job) -> bool:
    """Whether a principal may cancel, retry or redrive a job: who may write all its archives, or has started it."""
    return readable(who, job) and (job.started_by == who.name or _allowed(who, job, Right.WRITE))


def find(who: Principal, job_id: str) -> Job:
    """A job that a principal may see.

    Raises:
        JobNotFound: there is none, or it may not see it.
    """
    job = jobs.get(job_id)
    if not readable(who, job):
        raise JobNotFound(f"There is no job {job_id}.")
    return job


def accepted(job_id: str, **more: Any) -> Response[Any]:
    """The response to what was started: 202 and the job; or after ``Prefer: wait=N`` 200 and the job that has ended.

    Args:
        job_id: of it.
        more: further fields at the body's top level (``entry_id``, ``archive_id``).
    """
    job, waited = ended(job_id)
    applied: dict[str, Any] = {"preference_applied": f"wait={waited}"} if waited else {}
    body = view(job).model_dump(mode="json") | more
    if waited and job.status in ENDED:
        return answer(body, location=f"/v1/jobs/{job_id}", **applied)
    return answer(body, 202, location=f"/v1/jobs/{job_id}", retry_after="1", **applied)


def ended(job_id: str, least_s: int = 0) -> tuple[Job, int]:
    """A job, waited for as long as the caller prefers.

    Args:
        least_s: seconds that are waited in any case.

    Returns:
        The job, ended or not, and the seconds that were to be waited at most; 0: none.
    """
    wait = max(wait_of(header("prefer")), least_s)
    # of the function's own time something is left to answer with: it began late when it was started for this call
    deadline, pause = time.monotonic() + min(wait, remaining_s() - _LEFT_S), _PAUSES_S[0]
    while True:
        job = jobs.get(job_id)
        if job.status in ENDED or time.monotonic() + pause > deadline:
            return job, wait
        time.sleep(pause)
        pause = min(pause * 1.3, _PAUSES_S[1])


def _allowed(who: Principal, job: Job, right: Right) -> bool:
    if who.is_operator:
        return True
    if who.tenant and who.tenant != job.tenant and who.name != job.started_by:
        return False
    for archive_id in job.archives or [job.archive_id]:
        try:
            if not who.may(right, archives.get_archive(archive_id)):
                return False
        except ArchiveNotFound:
            # Deleted, or never there: nothing of it is left to read, but others are not to learn of the job.
            if job.started_by != who.name:
                return False
    return True
