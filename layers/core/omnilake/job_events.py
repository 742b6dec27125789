"""What happened in a job, in order, out of its record; and what became of each of its items.

An event's number grows with its time, so that a reader can go on after the last one that it has seen, however often it
asks: milliseconds since the job was created, with three digits for the order of what happened in the same one.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, Literal

from pydantic import Field

from omnilake import aws, clock, layout
from omnilake.errors import InvalidRecord
from omnilake.models import ENDED, ErrorRecord, Job, JobKind, JobStatus, Model

_STATE, _COUNTS, _ITEM, _END = 1, 100, 200, 999
_MOST_ITEMS = _END - _ITEM


class JobEvent(Model):
    """Something that happened in a job."""

    sequence: int
    at: str  # ISO 8601
    kind: Literal["created", "state", "counts", "item", "ended"]
    state: str = ""  # that was entered
    status: str = ""  # of the job, or of the item
    counts: dict[str, int] = Field(default={})  # as they stood at that time
    name: str = ""  # of the item
    error: ErrorRecord | None = None


class JobItem(Model):
    """What became of one document of a job, or what a sync left out of its source."""

    name: str
    status: str
    entry_id: str = ""
    version: str = ""
    job_id: str = ""  # of the ingestion, where the job is a collection
    error: ErrorRecord | None = None


def events_of(job: Job) -> list[JobEvent]:
    """All events of a job until now."""
    found = [JobEvent(sequence=_number(job, job.created_at, 1), at=job.created_at, kind="created", status="PENDING")]
    found += [
        JobEvent(sequence=_number(job, visit.at, _STATE + order), at=visit.at, kind="state", state=visit.state)
        for _, together in groupby(job.visits(), key=lambda visit: visit.at)
        for order, visit in enumerate(together, start=1)
    ]
    if job.progress:
        at = job.updated_at
        found.append(JobEvent(sequence=_number(job, at, _COUNTS), at=at, kind="counts", counts=job.progress))
    if job.status in ENDED:
        at = job.ended_at or job.updated_at
        found += [
            JobEvent(
                sequence=_number(job, at, _ITEM + order),
                at=at,
                kind="item",
                name=each.name,
                status=each.status,
                error=each.error,
            )
            for order, each in enumerate(_recorded(job)[:_MOST_ITEMS])
        ]
        end = JobEvent(
            sequence=_number(job, at, _END),
            at=at,
            kind="ended",
            status=job.status.value,
            state=job.state,
            error=job.error,
        )
        found.append(end)
    return sorted(found, key=lambda each: each.sequence)


def items_of(job: Job) -> list[JobItem]:
    """Documents of a job as far as their outcome is known.

    Of a collection those that failed; of a sync that completed the items that it could not make records of.
    """
    if job.kind is JobKind.SYNC_SOURCE:
        return _left_out(job)
    if job.kind not in {JobKind.INGEST_COLLECTION, JobKind.REINDEX_ARCHIVE}:
        return _recorded(job)
    if job.status is JobStatus.PENDING or job.status is JobStatus.RUNNING:
        return []
    from omnilake.ingest.collections import FailedItem

    return [
        JobItem(name=each.name, status="FAILED", entry_id=each.entry_id, job_id=each.job_id, error=each.error)
        for each in aws.lake().find_models(layout.collection_part(job.job_id, "failed"), FailedItem)
    ]


def _left_out(job: Job) -> list[JobItem]:
    if job.status is not JobStatus.COMPLETED or not job.result_key:
        return []
    from omnilake.connectors.protocol import Problem
    from omnilake.syncing.parts import Manifest

    manifest = aws.lake().read_model(job.result_key, Manifest)
    if not manifest.problems_key:
        return []
    return [
        JobItem(name=each.item, status="FAILED", error=ErrorRecord.of(InvalidRecord(each.reason, action="")))
        for each in aws.lake().iterate_models(manifest.problems_key, Problem)
    ]


def _recorded(job: Job) -> list[JobItem]:
    return [_item(each) for each in job.documents]


def _item(told: dict[str, Any]) -> JobItem:
    known = {name: told[name] for name in ("name", "status", "entry_id", "version") if told.get(name)}
    error = told.get("error")
    return JobItem(**{"name": "", "status": "", **known, "error": ErrorRecord.model_validate(error) if error else None})


def _number(job: Job, at: str, order: int) -> int:
    since = (clock.parse(at) - clock.parse(job.created_at)).total_seconds()
    return max(0, round(since * 1_000)) * 1_000 + order
