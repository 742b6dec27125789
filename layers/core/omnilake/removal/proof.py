"""Prove Absence: look everywhere for what was to be removed, and write the receipt. Needs the vector layer.

The receipt names entries and versions by their ids alone, what was looked through and what was found there, and what of
the content stays by design and until when.
"""

from __future__ import annotations

import hashlib
from typing import Self

from omnilake import archives, aws, entries, jobs, layout
from omnilake.clock import now
from omnilake.errors import RemovalIncomplete
from omnilake.models import DocumentStatus, JobStatus, Model
from omnilake.removal import objects
from omnilake.removal.requests import (
    KIND,
    RemovalPlan,
    RemovalRequest,
    RemovalRound,
    read_plan,
    read_request,
    read_round,
)
from omnilake.stores import backup, erasure

STATE = "Prove Absence"
_ROUNDS = 5

ANSWERS_KEPT = "Answers that were given before keep the quotes that they were published with."
CACHE_KEPT = "Vectors of its passages expire with the embedding cache (EmbeddingCacheDays); no text is with them."
LISTS_KEPT = "Lists of failed documents of collections name it until they expire (90 days)."


class Check(Model):
    """One place that was looked through."""

    place: str
    found: int


class RemovedEntry(Model):
    """An entry that is gone, with its versions."""

    entry_id: str
    versions: list[str]


class Sealed(Model):
    """A receipt that shows when it was changed."""

    digest: str = ""

    def sealed(self) -> Self:
        """The same with ``digest``, the sha256 (hex) of the JSON of all other fields."""
        told = self.model_dump_json(exclude={"digest"})
        return self.model_copy(update={"digest": hashlib.sha256(told.encode()).hexdigest()})


class Receipt(Sealed):
    """What a removal, or one round of an archive's deletion, proves."""

    job_id: str
    archive_id: str
    entries: list[RemovedEntry]
    rows: int
    objects: int
    requested_by: str
    requested_at: str
    completed_at: str
    execution_arn: str
    checks: list[Check]
    originals_elsewhere: int
    kept: list[str]


class ProofResult(Model):
    """How much was found after all; with nothing the removal, or its present round, has ended."""

    remaining: int
    receipt_key: str = ""
    more: bool = False  # a whole archive is to go: the next round is to be looked for


def prove_absence(job_id: str, found_before: int = 0, redrives: int = 0) -> ProofResult:
    """Look for every planned version; where nothing is found write the receipt, and end the job unless a whole archive
    is to go. May be repeated.

    Args:
        job_id: of the removal.
        found_before: how often something was found after all, and removed again.
        redrives: of the execution.

    Raises:
        ArchiveNotFound: the archive is gone.
        RemovalIncomplete: something was found after five such rounds, and after five more for each redrive.
    """
    request = read_request(job_id)
    jobs.reopen(job_id, KIND, redrives)
    turn = read_round(job_id, request)
    key = layout.removal_part(job_id, turn.receipt)
    if (written := aws.lake().find_model(key, Receipt)) is not None:
        return _end(job_id, request, key, written)
    jobs.enter(job_id, KIND, STATE)
    plan = read_plan(job_id)
    checks = _checks(plan, request.archive_id, turn.requested_at, purged_at=objects.purged_at(job_id))
    remaining = sum(check.found for check in checks)
    if remaining:
        if found_before >= _ROUNDS * (1 + redrives):
            raise RemovalIncomplete(f"Found again after {found_before} rounds: {_named(checks)}.")
        return ProofResult(remaining=remaining)
    receipt = _receipt(job_id, plan, request, turn, checks)
    aws.lake().write_model(key, receipt)
    if request.whole_archive:
        jobs.count(job_id, entries=len(receipt.entries), versions=_versions(receipt))
    return _end(job_id, request, key, receipt)


def _checks(plan: RemovalPlan, archive_id: str, cutoff: str, purged_at: str) -> list[Check]:
    store = archives.get_store(archives.get_archive(archive_id))
    owners = {(each.entry_id, each.version) for each in plan.versions}
    found = {bucket: len(versions) for bucket, versions in objects.remains(plan, cutoff)}
    backups = aws.concurrently(lambda job_id: backup.holds(store.store_id, job_id, owners), plan.job_ids)
    records = aws.concurrently(objects.has_record, plan.versions)
    registered = aws.concurrently(lambda each: entries.get(each.entry_id, each.version), plan.versions)
    claims = aws.concurrently(lambda each: entries.owner_of_content(archive_id, each.content_hash), plan.versions)
    return [
        Check(place=f"store {store.store_id}, all versions of its table", found=erasure.remaining(store, owners)),
        Check(place=f"{len(plan.job_ids)} backups of the store", found=sum(backups)),
        Check(
            place="noncurrent versions of the store's and the backups' files",
            found=len(objects.noncurrent(plan, before=purged_at)),
        ),
        *(Check(place=f"bucket {bucket}, all versions", found=number) for bucket, number in found.items()),
        Check(place="files of records", found=sum(records)),
        Check(
            place="registry of entries",
            found=sum(item is not None and item["status"] == DocumentStatus.REMOVING.value for item in registered),
        ),
        Check(place="claims on contents", found=sum(claim in owners for claim in claims)),
    ]


def _named(checks: list[Check]) -> str:
    return "; ".join(f"{each.found} in {each.place}" for each in checks if each.found)


def _receipt(
    job_id: str, plan: RemovalPlan, request: RemovalRequest, turn: RemovalRound, checks: list[Check]
) -> Receipt:
    job = jobs.get(job_id)
    versions: dict[str, list[str]] = {entry_id: [] for entry_id in turn.entry_ids}
    for each in plan.versions:
        versions[each.entry_id].append(each.version)
    return Receipt(
        job_id=job_id,
        archive_id=request.archive_id,
        entries=[RemovedEntry(entry_id=entry_id, versions=sorted(told)) for entry_id, told in versions.items()],
        rows=job.progress.get("rows", 0) - turn.rows,
        objects=job.progress.get("objects", 0) - turn.objects,
        requested_by=request.requested_by,
        requested_at=turn.requested_at,
        completed_at=now(),
        execution_arn=job.execution_arn,
        checks=checks,
        originals_elsewhere=sum(map(objects.is_elsewhere, plan.versions)),
        kept=[ANSWERS_KEPT, CACHE_KEPT, LISTS_KEPT],
    ).sealed()


def _versions(receipt: Receipt) -> int:
    return sum(len(each.versions) for each in receipt.entries)


def _end(job_id: str, request: RemovalRequest, key: str, receipt: Receipt) -> ProofResult:
    entry_ids = [each.entry_id for each in receipt.entries]
    told = {"job_id": job_id, "archive_id": request.archive_id, "entry_ids": entry_ids, "receipt_key": key}
    aws.publish_event("Entries Removed", told)
    for part in ("plan", "copies", "purge"):  # they name where the originals lay
        forget_part(job_id, part)
    if not request.whole_archive and jobs.get(job_id).status is not JobStatus.COMPLETED:
        jobs.complete(job_id, KIND, STATE, result_key=key, versions=_versions(receipt))
    return ProofResult(remaining=0, receipt_key=key, more=request.whole_archive)


def forget_part(job_id: str, part: str) -> None:
    """Delete a part of a removal, in all its versions."""
    lake, key = aws.lake(), layout.removal_part(job_id, part)
    lake.erase([each for each in lake.versions(key) if each.key == key])
