"""Mark Entries: which versions there are of the entries that are to be removed, once no job works on them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from omnilake import archives, aws, entries, jobs, layout
from omnilake.clock import now
from omnilake.errors import ArchiveNotFound, JobEnded, JobNotFound, RevisionMismatch, TransientError
from omnilake.models import Archive, DocumentStatus, JobStatus, Model, ObjectRef
from omnilake.removal.requests import (
    KIND,
    DoomedVersion,
    RemovalPlan,
    RemovalRequest,
    RemovalRound,
    read_request,
    read_round,
)
from omnilake.settings import settings

STATE = "Mark Entries"
_OPEN = {JobStatus.PENDING, JobStatus.RUNNING}


class MarkResult(Model):
    """How many versions are marked, and how many (or how many jobs) have to be waited for."""

    busy: int
    versions: int
    store_id: str
    emptied: bool = False  # the whole archive is to go, and nothing is left in it


def mark_entries(job_id: str, redrives: int = 0) -> MarkResult:
    """Mark all versions that came before the removal was asked for, and write the plan once none is worked on.

    A version that an ingestion or a reindexing works on is left to it: it would write what nobody then removes. Of a
    whole archive all jobs that change it are waited for, then its entries are chosen round by round. May be repeated.

    Raises:
        ArchiveNotFound: the archive is gone.
        ArchiveBeingDeleted, JobEnded, TransientError: as :func:`held_archive`.
    """
    request = read_request(job_id)
    jobs.reopen(job_id, KIND, redrives)
    archive = held_archive(request, job_id)
    if not request.whole_archive:
        jobs.enter(job_id, KIND, STATE, entries=len(request.entry_ids))
        return _mark_round(job_id, archive, read_round(job_id, request))
    jobs.enter(job_id, KIND, STATE)
    working = open_jobs(archive.archive_id, job_id)
    if working:
        return MarkResult(busy=working, versions=0, store_id=archive.store_id)
    turn = _turn(job_id, request)
    if not turn.entry_ids:
        return MarkResult(busy=0, versions=0, store_id=archive.store_id, emptied=True)
    return _mark_round(job_id, archive, turn)


def _mark_round(job_id: str, archive: Archive, turn: RemovalRound) -> MarkResult:
    found = aws.concurrently(entries.versions, turn.entry_ids)
    items = [
        item
        for versions in found
        for item in versions
        if item["archive_id"] == archive.archive_id
        and item["created_at"] <= turn.requested_at
        and item["status"] != DocumentStatus.REMOVED.value
    ]
    marked = aws.concurrently(lambda item: _mark(item, archive.archive_id, job_id), items)
    busy = marked.count(False)
    if not busy:
        plan = RemovalPlan(store_id=archive.store_id, versions=[_doomed(item) for item in items])
        aws.lake().write_model(layout.removal_part(job_id, "plan"), plan)
        counts = {"round": turn.number} if turn.number else {"versions": len(items)}
        jobs.note(job_id, KIND, STATE, **counts)
    return MarkResult(busy=busy, versions=len(items), store_id=archive.store_id)


# --- a whole archive --------------------------------------------------------------------------------------------


def held_archive(request: RemovalRequest, job_id: str) -> Archive:
    """The archive of a removal; one that is to go altogether is closed for the job, should it have been opened again.

    Raises:
        ArchiveNotFound: the archive is gone, and another may have taken its id.
        ArchiveBeingDeleted: another job deletes it.
        JobEnded: the job has ended, and let the archive go.
        TransientError: it was changed at the same time.
    """
    archive = archives.get_archive(request.archive_id)
    if not request.whole_archive:
        return archive
    if archive.store_id != request.store_id:
        raise ArchiveNotFound("The archive that was to be deleted is gone.")
    if archive.deletion_job_id == job_id:
        return archive
    if archive.deletion_job_id and _is_open(archive.deletion_job_id):
        archives.check_open(archive)
    if not _is_open(job_id):  # a state that was still at work when its execution was stopped comes too late
        raise JobEnded("The job has ended; the archive takes documents in again.")
    try:
        return archives.close_archive(archive, job_id)
    except RevisionMismatch as error:
        raise TransientError("The archive was changed at the same time.") from error


def open_jobs(archive_id: str, job_id: str) -> int:
    """How many other jobs still change what an archive holds. One that is closed gets no new ones."""
    return len({*jobs.open_of(archive_id, archives.WRITING)} - {job_id})


def _turn(job_id: str, request: RemovalRequest) -> RemovalRound:
    """The present round; the next one when that is proven, of no entries when nothing is left."""
    before = read_round(job_id, request)
    if before.number and aws.lake().head(layout.removal_part(job_id, before.receipt)) is None:
        return before
    chosen = list(islice(standing(request.archive_id), settings().removal_round_entries))
    done = jobs.get(job_id).progress
    after = RemovalRound(
        number=before.number + 1,
        entry_ids=chosen,
        requested_at=now(),
        rows=done.get("rows", 0),
        objects=done.get("objects", 0),
    )
    if chosen:
        aws.lake().write_model(layout.removal_part(job_id, "round"), after)
    return after


def standing(archive_id: str) -> Iterator[str]:
    """Ids of the entries of an archive of which a version was not removed, whatever became of it.

    The index may tell for a moment of versions that were removed just now: the table itself is asked.
    """
    gone, seen = DocumentStatus.REMOVED, set()
    for status in DocumentStatus:
        if status is gone:
            continue
        for item in entries.of_status(archive_id, status, "entry_id"):
            entry_id = item["entry_id"]
            if entry_id not in seen:
                seen.add(entry_id)
                if any(each["status"] != gone.value for each in entries.versions(entry_id)):
                    yield entry_id


# --- versions ---------------------------------------------------------------------------------------------------


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
