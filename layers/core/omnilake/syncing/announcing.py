"""The end of a sync on the deployment's bus: "Sync Completed" or "Sync Failed"."""

from __future__ import annotations

from typing import Any

from omnilake import aws, jobs
from omnilake.models import JobStatus
from omnilake.syncing.parts import Counts


def announce(job_id: str) -> None:
    """Tell of the end of a sync as its job has it: who tells again tells the same.

    The detail holds ``job_id``, ``source_id``, ``archive_id``, the counts of :class:`Counts`, and ``error`` of one that
    failed or was cancelled. What became of the records in ingestion is in the "Collection …" event of the same source.

    Raises:
        TransientError: the bus did not take the event.
    """
    job = jobs.get(job_id)
    counts = Counts.model_validate({name: job.progress.get(name, 0) for name in Counts.model_fields})
    told: dict[str, Any] = {"job_id": job_id, "source_id": job.source_id, "archive_id": job.archive_id}
    told |= counts.model_dump()
    if job.error is not None:
        told["error"] = job.error.model_dump(mode="json")
    aws.publish_event("Sync Completed" if job.status is JobStatus.COMPLETED else "Sync Failed", told)
