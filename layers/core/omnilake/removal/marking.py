"""Mark Entries: which versions there are of the entries that are to be removed, once no job works on them."""

from __future__ import annotations

from typing import Any

from omnilake import archives, aws, entries, jobs, layout
from omnilake.errors import JobNotFound
from omnilake.models import DocumentStatus, JobStatus, Model, ObjectRef
from omnilake.removal.requests import KIND, DoomedVersion, RemovalPlan, read_request

STATE = "Mark Entries"
_OPEN = {JobStatus.PENDING, JobStatus.RUNNING}


class MarkResult(Model):
    """How many versions are marked, and how many have to be waited for."""

    busy: int
    versions: int
    store_id: str


def mark_entries(job_id: str, redrives: int = 0) -> MarkResult:
    """Mark all versions that came before the removal was asked for, and write the plan once none is worked on.

    A version that an ingestion or a reindexing works on is left to it: it would write what nobody then removes. May be
    repeated.

    Raises:
        ArchiveNotFound: the archive is gone.
    """
    request = read_request(job_id)
    jobs.reopen(job_id, KIND, redrives)
    jobs.enter(job_id, KIND, STATE, entries=len(request.entry_ids))
    archive = archives.get_archive(request.archive_id)
    found = aws.concurrently(entries.versions, request.entry_ids)
    items = [
        item
        for versions in found
        for item in versions
        if item["archive_id"] == request.archive_id
        and item["created_at"] <= request.requested_at
        and item["status"] != DocumentStatus.REMOVED.value
    ]
    marked = aws.concurrently(lambda item: _mark(item, request.archive_id, job_id), items)
    busy = marked.count(False)
    if not busy:
        plan = RemovalPlan(store_id=archive.store_id, versions=[_doomed(item) for item in items])
        aws.lake().write_model(layout.removal_part(job_id, "plan"), plan)
        jobs.note(job_id, KIND, STATE, versions=len(items))
    return MarkResult(busy=busy, versions=len(items), store_id=archive.store_id)


def _mark(item: dict[str, Any], archive_id: str, job_id: str) -> bool:
    worked_on_by = item["job_id"] if item["status"] in entries.UNDER_WAY else item.get("reindex_job_id", "")
    if worked_on_by and _is_open(worked_on_by):
        return False
    return entries.mark_removing(item["entry_id"], item["version"], archive_id, job_id, worked_on_by)


def _is_open(job_id: str) -> bool:
    try:
        return jobs.get(job_id).status in _OPEN
    except JobNotFound:
        return False


def _doomed(item: dict[str, Any]) -> DoomedVersion:
    origin = item.get("origin")
    return DoomedVersion(
        entry_id=item["entry_id"],
        version=item["version"],
        source_type=item.get("source_type", ""),
        source=item.get("source", ""),
        content_hash=item["content_hash"],
        origin=ObjectRef.model_validate(origin) if origin else None,
        job_ids=sorted({item["job_id"], *item.get("index_jobs", ())}),
        chunks=item.get("chunks", 0),
    )
