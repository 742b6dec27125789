"""A request becomes a job: stored, recorded, and its execution started, once.

Only its shape and size are looked at here. Whether it can be answered is found out by the workflow, so that every
refusal stands on a job record, with its reason.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from typing import Any

from omnilake import aws, executions, jobs, layout
from omnilake.errors import InvalidRequest, TransientError
from omnilake.models import ErrorRecord, JobKind, Model
from omnilake.settings import settings

MAX_REQUEST_BYTES = 256 * 1024
"""Largest request, as UTF-8 JSON."""

_ARCHIVE_CHARACTERS = 40  # of the archive's id in a job id: 7 + 40 + 1 + 32 = 80, the longest name of an execution


class Submission(Model):
    """A job that answers a request."""

    job_id: str
    execution_arn: str
    created: bool  # False: the same request was submitted before under the same idempotency key


def submit_request(
    request: Any, idempotency_key: str | None = None, started_by: str = "", tenant: str = ""
) -> Submission:
    """Start answering a request.

    Args:
        request: the JSON object as it came.
        idempotency_key: two submissions of the same request with the same key are one job. Without one, each
            submission is its own.
        started_by: principal of the API.
        tenant: of its token.

    Raises:
        InvalidRequest: not a JSON object, or more than ``MAX_REQUEST_BYTES``.
        TransientError: the execution could not be started now. With an idempotency key, submit again under it; without
            one, the job is recorded as failed.
    """
    body = _body(request)
    archive_id = _archive(request)
    job_id = job_id_of(archive_id, body, idempotency_key or str(uuid.uuid4()))
    aws.lake().write(layout.request(job_id), body, "application/json")
    machine = settings().require("answer_machine_arn")
    execution_arn = aws.execution_arn(machine, job_id)
    created = jobs.create(
        job_id,
        JobKind.ANSWER_REQUEST,
        archive_id,
        execution_arn,
        archives=_archives(request),
        started_by=started_by,
        tenant=tenant,
    )
    try:
        executions.start_once(machine, job_id, {"job_id": job_id})
    except TransientError as failure:
        if idempotency_key is None:
            jobs.fail(job_id, JobKind.ANSWER_REQUEST, "Submit Request", ErrorRecord.of(failure))
        raise
    return Submission(job_id=job_id, execution_arn=execution_arn, created=created)


def job_id_of(archive_id: str, body: bytes, key: str) -> str:
    """Name of the execution: the archive, readable, and a hash of the request and the key."""
    readable = re.sub(r"[^a-z0-9_-]+", "-", archive_id.lower())[:_ARCHIVE_CHARACTERS].strip("-") or "unknown"
    digest = hashlib.sha256(len(body).to_bytes(8, "big") + body + key.encode()).hexdigest()
    return f"answer-{readable}-{digest[:32]}"


def _archive(request: dict[str, Any]) -> str:
    """The first archive that is named, whatever the request is: the job is listed by it."""
    named = request.get("archives")
    return str(named[0])[:200] if isinstance(named, list) and named else ""


def _archives(request: dict[str, Any]) -> list[str]:
    """All archives that are named, the destination included, whatever the request is."""
    named = request.get("archives")
    told = [*(named if isinstance(named, list) else []), request.get("destination_archive") or ""]
    return list(dict.fromkeys(str(each)[:200] for each in told if each))[:50]


def _body(request: Any) -> bytes:
    if not isinstance(request, dict):
        raise InvalidRequest("The request is not a JSON object.")
    try:
        body = json.dumps(request, sort_keys=True, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate; the error itself would quote the text
        raise InvalidRequest("The request holds characters that UTF-8 can't hold.") from None
    if len(body) > MAX_REQUEST_BYTES:
        raise InvalidRequest(f"The request has {len(body)} bytes; {MAX_REQUEST_BYTES} are the most.")
    return body
