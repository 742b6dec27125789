"""Drop Archive: an archive whose entries are all removed goes itself, with what else was kept for it.

Needs the vector layer. In this order: what lies below its name, while it is closed and nothing comes there; its record;
its store, whose name no other archive has. So a repetition never touches a later archive of the same id.
"""

from __future__ import annotations

from itertools import islice

from omnilake import archives, aws, clock, jobs, layout
from omnilake.clock import now
from omnilake.errors import ArchiveNotFound, TransientError
from omnilake.ingest import landing
from omnilake.models import Archive, JobStatus, Model, Store
from omnilake.removal.marking import held_archive, open_jobs, standing
from omnilake.removal.proof import ANSWERS_KEPT, CACHE_KEPT, LISTS_KEPT, Check, Receipt, Sealed, forget_part
from omnilake.removal.requests import KIND, RemovalRequest, read_request
from omnilake.settings import settings

STATE = "Drop Archive"

REMAINS_KEPT = (
    "Records that a sync read and no document came of stay below sources/ of the lake. "
    "Parts of uploads that were never completed go within three days."
)
VERSIONS_KEPT = "The registry keeps ids of its entries and versions, and that they were removed."


class DropResult(Model):
    """How many jobs, or entries that have come after all, keep the archive from going; with none it is gone."""

    busy: int
    receipt_key: str = ""


class ProvenRound(Model):
    """A round of a deletion, by its receipt."""

    receipt_key: str
    digest: str
    entries: int
    versions: int


class ArchiveReceipt(Sealed):
    """What the deletion of an archive proves: what each of its rounds does, and that the rest is gone."""

    job_id: str
    archive_id: str
    store_id: str
    entries: int
    versions: int
    rows: int
    objects: int
    rounds: list[ProvenRound]
    requested_by: str
    requested_at: str
    completed_at: str
    execution_arn: str
    checks: list[Check]
    originals_elsewhere: int
    kept: list[str]


class _Swept(Model):
    """What went before the archive's record did; kept until the receipt is written."""

    objects: int
    checks: list[Check]
    stores: list[Store]


def drop_archive(job_id: str, redrives: int = 0) -> DropResult:
    """Delete an archive that is closed and empty, its store and what lies below its name; write the receipt and end the
    job. May be repeated.

    Raises:
        ArchiveNotFound: it is gone, and not by this job.
        ArchiveBeingDeleted: another job deletes it.
        JobEnded: this job has ended, and let the archive go.
        ArchiveInUse: it has got sources meanwhile.
        TransientError: something came there in between, or the archive was changed.
    """
    request, lake = read_request(job_id), aws.lake()
    key = layout.removal_part(job_id, "receipt")
    jobs.reopen(job_id, KIND, redrives)
    jobs.enter(job_id, KIND, STATE)
    try:
        archive = held_archive(request, job_id)
    except ArchiveNotFound:
        if lake.head(layout.removal_part(job_id, "swept")) is None and lake.head(key) is None:
            raise
    else:
        busy = _holders(archive, job_id)
        if busy:
            return DropResult(busy=busy)
        lake.write_model(layout.removal_part(job_id, "swept"), _sweep(archive))
        if not archives.delete_closed(archive, job_id):
            raise TransientError("The archive was changed at the same time.")
    receipt = lake.find_model(key, ArchiveReceipt)
    if receipt is None:
        swept = lake.read_model(layout.removal_part(job_id, "swept"), _Swept)
        receipt = _receipt(job_id, request, swept, _drop_stores(swept.stores))
        lake.write_model(key, receipt)
    return _end(job_id, request, receipt)


def _holders(archive: Archive, job_id: str) -> int:
    """How many jobs and entries there are after all. Raises ``ArchiveInUse`` for sources."""
    archives.check_no_sources(archive.archive_id)
    return open_jobs(archive.archive_id, job_id) + sum(1 for _ in islice(standing(archive.archive_id), 1))


def _sweep(archive: Archive) -> _Swept:
    """Delete what lies below the archive's name: uploads without an entry, what calls brought, uploads under way."""
    lake, zone = aws.lake(), aws.ObjectStore(settings().require("landing_bucket"))
    prefixes = [(zone, f"{each}{archive.archive_id}/") for each in (*landing.ZONES, landing.ARCHIVED)]
    prefixes += [(lake, layout.inline_records(archive.archive_id)), (lake, layout.uploads(archive.archive_id))]
    cutoff, erased, checks = now(), 0, [Check(place="registry of entries", found=0)]
    for store, prefix in prefixes:
        erased += store.erase(_before(store, prefix, cutoff))
        checks.append(_check(store, prefix, len(_before(store, prefix, cutoff))))
    return _Swept(objects=erased, checks=checks, stores=archives.stores_of(archive.archive_id))


def _before(store: aws.ObjectStore, prefix: str, cutoff: str) -> list[aws.ObjectVersion]:
    return [each for each in store.versions(prefix) if clock.timestamp(each.modified_at) <= cutoff]


def _drop_stores(stores: list[Store]) -> _Swept:
    """Delete stores: tables, all versions of their files and backups, records."""
    from omnilake.stores.table import drop_store

    lake, erased, checks = aws.lake(), 0, []
    for store in stores:
        drop_store(store)
        for prefix in (layout.store_files(store.store_id), layout.vector_backups(store.store_id)):
            erased += lake.erase(list(lake.versions(prefix)))
            checks.append(_check(lake, prefix, len(list(lake.versions(prefix)))))
        aws.table("stores_table").delete({"store_id": store.store_id})
    return _Swept(objects=erased, checks=checks, stores=[])


def _check(store: aws.ObjectStore, prefix: str, found: int) -> Check:
    """One place that was emptied. Raises ``TransientError`` where something is left."""
    if found:
        raise TransientError("Something was written to an archive that is being deleted.")
    return Check(place=f"bucket {store.bucket}, {prefix}, all versions", found=found)


def _receipt(job_id: str, request: RemovalRequest, swept: _Swept, dropped: _Swept) -> ArchiveReceipt:
    job, lake = jobs.get(job_id), aws.lake()
    keys = list(lake.keys(layout.removal_receipts(job_id)))
    receipts = aws.concurrently(lambda key: lake.read_model(key, Receipt), keys)
    rounds = [
        ProvenRound(
            receipt_key=key,
            digest=each.digest,
            entries=len(each.entries),
            versions=sum(len(entry.versions) for entry in each.entries),
        )
        for key, each in zip(keys, receipts, strict=True)
    ]
    return ArchiveReceipt(
        job_id=job_id,
        archive_id=request.archive_id,
        store_id=request.store_id,
        entries=sum(each.entries for each in rounds),
        versions=sum(each.versions for each in rounds),
        rows=sum(each.rows for each in receipts),
        objects=sum(each.objects for each in receipts) + swept.objects + dropped.objects,
        rounds=rounds,
        requested_by=request.requested_by,
        requested_at=request.requested_at,
        completed_at=now(),
        execution_arn=job.execution_arn,
        checks=[*swept.checks, *dropped.checks],
        originals_elsewhere=sum(each.originals_elsewhere for each in receipts),
        kept=[ANSWERS_KEPT, CACHE_KEPT, LISTS_KEPT, VERSIONS_KEPT, REMAINS_KEPT],
    ).sealed()


def _end(job_id: str, request: RemovalRequest, receipt: ArchiveReceipt) -> DropResult:
    key = layout.removal_part(job_id, "receipt")
    told = {"job_id": job_id, "archive_id": request.archive_id, "entries": receipt.entries, "receipt_key": key}
    aws.publish_event("Archive Deleted", told)
    for part in ("round", "swept"):
        forget_part(job_id, part)
    if jobs.get(job_id).status is not JobStatus.COMPLETED:
        counts = receipt.model_dump(include={"entries", "versions", "rows", "objects"})
        jobs.complete(job_id, KIND, STATE, result_key=key, **counts)
    return DropResult(busy=0, receipt_key=key)
