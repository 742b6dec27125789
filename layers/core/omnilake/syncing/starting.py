"""Start Sync: a source is taken and its execution started, once; while a sync of it runs, nothing is."""

from __future__ import annotations

import hashlib

from omnilake import aws, executions, jobs, source_types, sources
from omnilake.clock import now
from omnilake.errors import JobNotFound, SourceError
from omnilake.models import BY_SCHEDULE, ENDED, JobKind, JobStatus, Model, Source
from omnilake.settings import settings


class SyncStart(Model):
    """What became of a wish to sync.

    Attributes:
        job_id: of the sync that runs, or ran, for this wish.
        started: whether this wish has started it (or a delivery of the same wish before).
        reason: why it has not.
    """

    job_id: str
    started: bool
    reason: str = ""


def start_sync(source_id: str, occasion: str = "", full: bool = False, started_by: str = "") -> SyncStart:
    """Start a sync of a source.

    Args:
        source_id: the source.
        occasion: what the sync is for (the time of a schedule): the same occasion starts at most one sync. Empty: now.
        full: read the source from its beginning, whatever the cursors say.
        started_by: principal that asked for it; without one a sync that is for something is the schedule's.

    Raises:
        SourceNotFound: there is no such source.
        SourceError: nothing reads sources of its type.
        TransientError: the execution could not be started now; the same call again goes on.
    """
    source = sources.get(source_id)
    if not source_types.is_read(source.source_type):
        raise SourceError("Nothing reads sources of this type.", action="Add its content to the archive yourself.")
    job_id = job_id_of(source_id, occasion or now())
    if _has_ended(job_id):
        return SyncStart(job_id=job_id, started=False, reason="The sync of this occasion has ended.")
    holder = sources.claim(source_id, job_id)
    if holder == job_id:
        _start(source, job_id, full, started_by or (BY_SCHEDULE if occasion else ""))
        return SyncStart(job_id=job_id, started=True)
    if holder and _waits_for_its_start(holder):
        _start(source, holder, False)  # whoever took the source died before it could
    return SyncStart(job_id=holder, started=False, reason="A sync of this source runs already.")


def job_id_of(source_id: str, occasion: str) -> str:
    """Name of the execution of an occasion."""
    return f"sync-{source_id[:32]}-{hashlib.sha256(occasion.encode()).hexdigest()[:24]}"


def _start(source: Source, job_id: str, full: bool, started_by: str = "") -> None:
    machine = settings().require("sync_machine_arn")
    jobs.create(
        job_id,
        JobKind.SYNC_SOURCE,
        source.archive_id,
        aws.execution_arn(machine, job_id),
        source_id=source.source_id,
        started_by=started_by,
    )
    executions.start_once(machine, job_id, {"job_id": job_id, "source_id": source.source_id, "full": full})


def _has_ended(job_id: str) -> bool:
    try:
        return jobs.get(job_id).status in ENDED
    except JobNotFound:
        return False


def _waits_for_its_start(job_id: str) -> bool:
    try:
        return jobs.get(job_id).status == JobStatus.PENDING
    except JobNotFound:
        return True
