"""Job records: one per execution, in DynamoDB, keyed by the execution's name.

A record moves PENDING → RUNNING → COMPLETED, FAILED or CANCELLED and never leaves a terminal status, so a late or
repeated state can't reopen it. ``entered`` says since when it was in each state, ``reentered`` when it came back to
one, and ``progress`` holds counts: all for people to look at (``client.progress``); nothing decides by them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from omnilake import aws
from omnilake.clock import now
from omnilake.errors import JobNotFound
from omnilake.models import ErrorRecord, Job, JobKind, JobStatus
from omnilake.settings import settings

_OPEN = "attribute_exists(job_id) AND #status IN (:pending, :running)"
_OPEN_VALUES = {":pending": JobStatus.PENDING.value, ":running": JobStatus.RUNNING.value}

MOST_REENTRIES = 60
"""So many are kept, about 5 KB: a record stays small, however often its job goes round."""

_HAS_ROOM = "(attribute_not_exists(reentered) OR size(reentered) < :most)"

BY_KIND_STATUS = "by_kind_status"
"""Index: partition ``kind_status`` ("ingest_document#RUNNING"), sort ``created_at``."""

BY_MONTH = "by_month"
"""Index: partition ``created_month`` ("2026-11", UTC), sort ``created_at``."""


def name_part(archive_id: str) -> str:
    """An archive's id as a part of an execution's name: at most 40 letters, digits, hyphens and underscores."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", archive_id)[:40] or "none"


def create(
    job_id: str,
    kind: JobKind,
    archive_id: str,
    execution_arn: str = "",
    *,
    parent_job_id: str = "",
    source_id: str = "",
    archives: Sequence[str] = (),
    started_by: str = "",
    tenant: str = "",
    **progress: int,
) -> bool:
    """Record a new job as PENDING; False when it is there already (nothing is changed then).

    Args:
        archives: all that it is about, where that is more than ``archive_id``.
        started_by: principal that asked for it.
        tenant: of its token.
        progress: counts.
    """
    created = now()
    job = Job(
        job_id=job_id,
        kind=kind,
        status=JobStatus.PENDING,
        archive_id=archive_id,
        tenant=tenant,
        parent_job_id=parent_job_id,
        source_id=source_id,
        archives=[*archives] or [archive_id],
        started_by=started_by,
        execution_arn=execution_arn,
        progress=progress,
        created_at=created,
        updated_at=created,
        expires_at=int(time.time()) + settings().job_ttl_days * 86_400,
    )
    item = job.model_dump(mode="json", exclude_none=True) | {
        "kind_status": _kind_status(kind, JobStatus.PENDING),
        "created_month": created[:7],
    }
    return _table().put(item, condition="attribute_not_exists(job_id)")


def enter(job_id: str, kind: JobKind, state: str, execution_arn: str = "", **progress: int) -> bool:
    """Note that a job enters a state, for the first time or again, with counts.

    For a step that works on the whole job; what works on a part of it calls :func:`note`.

    Returns:
        False when the job has ended or is not known.
    """
    fields = {"state": state, "updated_at": now()}
    if execution_arn:
        fields["execution_arn"] = execution_arn
    running, is_first = JobStatus.RUNNING, f"{_OPEN} AND attribute_not_exists(#entered.#entered_state)"
    return (
        _update(job_id, kind, running, fields, progress, condition=is_first)
        or _update(job_id, kind, running, fields, progress, again=True, condition=f"{_OPEN} AND {_HAS_ROOM}")
        or _update(job_id, kind, running, fields, progress)
    )


def note(job_id: str, kind: JobKind, state: str, **progress: int) -> bool:
    """Note counts of a job that is in a state; entered it is only where it was not. False as of :func:`enter`."""
    return _update(job_id, kind, JobStatus.RUNNING, {"state": state}, progress)


def complete(
    job_id: str,
    kind: JobKind,
    state: str,
    *,
    result_key: str = "",
    outcomes: list[dict[str, Any]] | None = None,
    cost_usd: float | None = None,
    **progress: int,
) -> bool:
    """End a job as COMPLETED; False when it has ended already."""
    fields: dict[str, Any] = {"state": state, "result_key": result_key, "ended_at": now()}
    if cost_usd is not None:
        fields["cost_usd"] = Decimal(f"{cost_usd:.10f}")
    if outcomes is not None:
        fields["documents"] = outcomes
    return _update(job_id, kind, JobStatus.COMPLETED, fields, progress)


def fail(
    job_id: str,
    kind: JobKind,
    state: str,
    error: ErrorRecord,
    *,
    result_key: str = "",
    outcomes: list[dict[str, Any]] | None = None,
    **progress: int,
) -> bool:
    """End a job as FAILED with its error; False when it has ended already.

    Args:
        state: that failed; where it isn't known, the state stays that the job entered last.
    """
    fields: dict[str, Any] = {"error": error.model_dump(mode="json"), "ended_at": now()}
    if result_key:
        fields["result_key"] = result_key
    if state:
        fields["state"] = state
    if outcomes is not None:
        fields["documents"] = outcomes
    return _update(job_id, kind, JobStatus.FAILED, fields, progress)


def cancel(job_id: str, kind: JobKind) -> bool:
    """End a job as CANCELLED; False when it has ended already."""
    error = ErrorRecord(code="JOB_CANCELLED", message="The job was cancelled.", action="Start it again.")
    fields: dict[str, Any] = {"error": error.model_dump(mode="json"), "ended_at": now()}
    return _update(job_id, kind, JobStatus.CANCELLED, fields, {})


def count(job_id: str, **progress: int) -> None:
    """Add to the counts of an open job: what a part of it has done. For people to look at while it runs."""
    names = {"#progress": "progress", "#status": "status"} | {f"#p_{name}": name for name in progress}
    values = {f":p_{name}": number for name, number in progress.items()} | _OPEN_VALUES
    added = ", ".join(f"#progress.#p_{name} :p_{name}" for name in progress)
    _table().update({"job_id": job_id}, f"ADD {added}", values, names=names, condition=_OPEN)


def redact(job_id: str, entry_ids: Collection[str]) -> None:
    """Take the names of removed entries out of an ended job's outcomes. A job that has expired is none."""
    item = _table().get({"job_id": job_id})
    told = item.get("documents", []) if item is not None else []
    kept = [
        {"name": "", "status": each["status"], "entry_id": each["entry_id"]}
        if each.get("entry_id") in entry_ids
        else each
        for each in told
    ]
    if kept != told:
        _table().update({"job_id": job_id}, "SET documents = :documents", {":documents": kept})


def reopen(job_id: str, kind: JobKind, redrive: int | None = None) -> bool:
    """Make a FAILED job RUNNING again, since its execution goes on.

    Args:
        redrive: how often the execution had been redriven when it entered the state that says so. A state that was
            still at work when its execution was stopped comes too late: it must not open the job again, for nothing
            would close it. None: whoever redrives says so.

    Returns:
        False when it has not failed, or not since that redrive.
    """
    if redrive == 0:
        return False
    status = JobStatus.RUNNING
    values: dict[str, Any] = {
        ":status": status.value,
        ":kind_status": _kind_status(kind, status),
        ":now": now(),
        ":failed": JobStatus.FAILED.value,
    }
    if redrive is None:
        values |= {":none": 0, ":one": 1}
        redrives, unseen = "if_not_exists(redrives, :none) + :one", ""
    else:
        values[":redrive"] = redrive
        redrives, unseen = ":redrive", " AND (attribute_not_exists(redrives) OR redrives < :redrive)"
    return _table().update(
        {"job_id": job_id},
        "SET #status = :status, kind_status = :kind_status, updated_at = :now, "
        f"redrives = {redrives} REMOVE #error, ended_at",
        values,
        names={"#status": "status", "#error": "error"},
        condition=f"#status = :failed{unseen}",
    )


def get(job_id: str) -> Job:
    """The record of a job.

    Raises:
        JobNotFound: there is none of that id (or it expired).
    """
    item = _table().get({"job_id": job_id})
    if item is None:
        raise JobNotFound(f"There is no job {job_id}.")
    return from_item(item)


def find(kind: JobKind, status: JobStatus, newest_first: bool = True) -> Iterator[Job]:
    """Jobs of a kind and status, by start time."""
    items = _table().query(
        IndexName=BY_KIND_STATUS,
        KeyConditionExpression="kind_status = :kind_status",
        ExpressionAttributeValues={":kind_status": _kind_status(kind, status)},
        ScanIndexForward=not newest_first,
    )
    return (from_item(item) for item in items)


def open_of(archive_id: str, kinds: Iterable[JobKind]) -> list[str]:
    """Ids of the jobs of some kinds that work on an archive and have not ended."""
    return [
        str(item["job_id"])
        for kind in kinds
        for status in (JobStatus.PENDING, JobStatus.RUNNING)
        for item in _table().query(
            IndexName=BY_KIND_STATUS,
            KeyConditionExpression="kind_status = :kind_status",
            FilterExpression="archive_id = :archive_id",
            ProjectionExpression="job_id",
            ExpressionAttributeValues={":kind_status": _kind_status(kind, status), ":archive_id": archive_id},
        )
    ]


def created_in(
    month: str, since: str, until: str, after: dict[str, Any] | None = None, limit: int = 100
) -> tuple[list[Job], dict[str, Any] | None]:
    """Jobs that were created in a month, newest first.

    Args:
        month: YYYY-MM, UTC.
        since: only those created from this time on (ISO 8601, as the records write it).
        until: only those created up to this time.
        after: key to go on after, as an earlier call gave it.
        limit: most of them.

    Returns:
        The jobs, and the key to go on after; None at the month's end.
    """
    items, last = _table().page(
        limit,
        after,
        IndexName=BY_MONTH,
        KeyConditionExpression="created_month = :month AND created_at BETWEEN :since AND :until",
        ExpressionAttributeValues={":month": month, ":since": since, ":until": until},
        ScanIndexForward=False,
    )
    return [from_item(item) for item in items], last


def place_of(job: Job) -> dict[str, Any]:
    """Where a job stands in :data:`BY_MONTH`: a key to go on after."""
    return {"job_id": job.job_id, "created_month": job.created_at[:7], "created_at": job.created_at}


def from_item(item: dict[str, Any]) -> Job:
    """A record as it lies in the table."""
    return Job.model_validate({name: value for name, value in item.items() if name in Job.model_fields})


def _update(
    job_id: str,
    kind: JobKind,
    status: JobStatus,
    fields: dict[str, Any],
    progress: dict[str, int],
    *,
    again: bool = False,
    condition: str = _OPEN,
) -> bool:
    fields = {**fields, "status": status.value, "kind_status": _kind_status(kind, status)}
    fields["updated_at"] = fields.get("updated_at") or fields.get("ended_at") or now()  # an end has one time
    names = {f"#{name}": name for name in fields}
    values: dict[str, Any] = {f":{name}": value for name, value in fields.items()} | _OPEN_VALUES
    assignments = [f"#{name} = :{name}" for name in fields]
    if fields.get("state"):
        names |= {"#entered": "entered", "#entered_state": fields["state"]}
        assignments.append("#entered.#entered_state = if_not_exists(#entered.#entered_state, :updated_at)")
    if again:
        values |= {":again": [{"state": fields["state"], "at": fields["updated_at"]}], ":none": []}
        values[":most"] = MOST_REENTRIES
        assignments.append("reentered = list_append(if_not_exists(reentered, :none), :again)")
    if progress:
        names["#progress"] = "progress"
    for name, count in progress.items():
        names[f"#p_{name}"] = name
        values[f":p_{name}"] = count
        assignments.append(f"#progress.#p_{name} = :p_{name}")
    key, expression, names = {"job_id": job_id}, "SET " + ", ".join(assignments), names | {"#status": "status"}
    try:
        return _table().update(key, expression, values, names=names, condition=condition)
    except ClientError as error:
        if aws.error_code(error) != "ValidationException":
            raise
    # A record of an earlier version lacks a map that is written into.
    maps = "SET entered = if_not_exists(entered, :none), progress = if_not_exists(progress, :none)"
    if not _table().update(key, maps, {":none": {}} | _OPEN_VALUES, names={"#status": "status"}, condition=_OPEN):
        return False
    return _table().update(key, expression, values, names=names, condition=condition)


def _kind_status(kind: JobKind, status: JobStatus) -> str:
    return f"{kind.value}#{status.value}"


def _table() -> aws.Table:
    return aws.table("jobs_table")
