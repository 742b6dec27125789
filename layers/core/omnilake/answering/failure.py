"""Record Failure: an execution that failed leaves a job record that says why, and a copy of its request."""

from __future__ import annotations

import json
from typing import Any

from omnilake import aws, jobs, layout
from omnilake.clock import now
from omnilake.errors import JobNotFound
from omnilake.models import ErrorRecord, JobKind, Model

_NESTED = frozenset({"States.TaskFailed", "CompactionFailed"})


class FailureResult(Model):
    """The stable code of the failure."""

    error_code: str


def record_failure(job_id: str, error: str, cause: str, state: str = "") -> FailureResult:
    """Fail the job of an execution, keep a copy of its request under ``failed/``, and tell the bus.

    Args:
        job_id: the execution's name.
        error: error name as Step Functions gives it.
        cause: its cause; of a Lambda's error a JSON object with ``errorMessage``.
        state: that failed; the one that the job entered last when it isn't known.
    """
    record = ErrorRecord.of_state(*innermost(error, cause))
    _keep_request(job_id, record)
    state = state or _last_state(job_id)
    jobs.fail(job_id, JobKind.ANSWER_REQUEST, state, record)
    aws.publish_event("Request Failed", {"job_id": job_id, "error_code": record.code, "state": state})
    return FailureResult(error_code=record.code)


def innermost(error: str, cause: str) -> tuple[str, str]:
    """The error that a nested execution ended with, out of what its parent was told; others as they are."""
    for _ in range(4):  # a parent's task, its child's Fail state, the child's own task: three at most
        if error not in _NESTED:
            break
        told = _object(cause)
        inner = told.get("Error") or told.get("error")
        if not isinstance(inner, str):
            break
        error, cause = inner, str(told.get("Cause") or told.get("cause") or "")
    return error, cause


def _object(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _last_state(job_id: str) -> str:
    try:
        return jobs.get(job_id).state
    except JobNotFound:
        return ""


def _keep_request(job_id: str, record: ErrorRecord) -> None:
    """A copy with the reason. The request is kept as text, because what failed may be no request at all."""
    stored = aws.lake().find(layout.request(job_id))
    request = None if stored is None else stored.decode(errors="replace")
    kept = {"job_id": job_id, "error": record.model_dump(mode="json"), "failed_at": now(), "request": request}
    aws.lake().write(layout.failed_request(job_id), json.dumps(kept, ensure_ascii=False).encode(), "application/json")
