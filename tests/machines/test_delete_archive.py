"""An archive is deleted with all its entries by one call and one job, in rounds, with proof."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from embedded_cloud import Cloud, entered, unique, wait_for
from machines import faults
from machines.leftovers import bytes_everywhere

from omnilake import aws
from omnilake.client.client import OmniLake
from omnilake.errors import ArchiveBeingDeleted, ArchiveInUse, ArchiveNotFound
from omnilake.models import Job, JobStatus
from omnilake.removal.deletion import ArchiveReceipt
from omnilake.removal.proof import Receipt

SECRET = "The pilot's locker in the old lighthouse holds the quokka ledger."


@pytest.fixture
def lake(cloud: Cloud) -> Iterator[OmniLake]:
    with OmniLake() as client:
        yield client


def deleted(lake: OmniLake, archive_id: str) -> str:
    """Ask for the deletion of an archive with its entries; the job."""
    job = lake.archives.delete(archive_id, with_entries=True)
    assert job is not None
    return job.job_id


def whole_receipt(job: Job) -> ArchiveReceipt:
    assert job.status is JobStatus.COMPLETED, job.error
    return aws.lake().read_model(job.result_key, ArchiveReceipt)


def test_an_archive_goes_in_rounds_and_nothing_of_it_is_anywhere(cloud: Cloud, lake: OmniLake) -> None:
    word = unique("quokka")
    archive_id = unique()
    lake.archives.create(archive_id, "Lockers.")
    documents: dict[str, bytes | str] = {f"{word}-{number}.md": f"{SECRET} {word} {number}" for number in range(6)}
    documents |= {"copy.md": f"{SECRET} {word} 0", "broken.pdf": b"%PDF-1.7 " + word.encode()}
    cloud.ingest(archive_id, documents)
    cloud.ingest(archive_id, {f"{word}-0.md": f"{SECRET} {word}, second edition"})
    lake.entries.add(archive_id, f"{SECRET} {word}, by a call").completed(120)
    there = {each.entry_id for each in lake.entries.list(archive_id).all()}
    assert len(there) >= 7
    with pytest.raises(ArchiveInUse, match="entries"):
        lake.archives.delete(archive_id)

    with cloud.setting("MarkEntriesFunction", "OMNILAKE_REMOVAL_ROUND_ENTRIES", "3"):
        job = cloud.deployment.wait(deleted(lake, archive_id), timeout_s=400)

    whole = whole_receipt(job)
    assert len(whole.rounds) >= 3
    assert whole.sealed() == whole
    assert not any(check.found for check in whole.checks)
    receipts = [aws.lake().read_model(each.receipt_key, Receipt) for each in whole.rounds]
    assert [each.digest for each in whole.rounds] == [each.sealed().digest for each in receipts]
    assert all(len(each.entries) <= 3 for each in receipts)
    removed = [entry.entry_id for each in receipts for entry in each.entries]
    assert there <= set(removed)
    assert len(removed) == len(set(removed)) == whole.entries == job.progress["entries"]
    assert whole.rows >= 7  # one of each that was published; of the same bytes the one that came first
    assert word not in whole.model_dump_json() + "".join(each.model_dump_json() for each in receipts)
    assert bytes_everywhere(cloud, word) == []
    for look in (lake.archives.get, lambda each: lake.archives.delete(each, with_entries=True)):
        with pytest.raises(ArchiveNotFound):
            look(archive_id)
    with pytest.raises(ArchiveNotFound):
        lake.search(archive_id, "Where is the quokka ledger?")
    lake.archives.create(archive_id, "Another one.")
    assert lake.entries.list(archive_id).all() == []
    assert lake.search(archive_id, "Where is the quokka ledger?").results == []
    assert lake.archives.delete(archive_id) is None


def test_an_ingestion_is_waited_for_and_a_cancelled_deletion_opens_the_archive_again(
    cloud: Cloud, lake: OmniLake
) -> None:
    archive_id = unique()
    lake.archives.create(archive_id)
    with faults.hanging(cloud, "EmbedBatchFunction"):
        cloud.put(archive_id, "locker.md", SECRET)
        cloud.in_state(lambda: cloud.ingestions(archive_id), "Embed Batch")
        with pytest.raises(ArchiveInUse, match="open jobs"):
            lake.archives.delete(archive_id)
        first = deleted(lake, archive_id)
        assert deleted(lake, archive_id) == first
        wait_for(lambda: "Await Jobs" in _states(cloud, first), "the deletion that waits")
        with pytest.raises(ArchiveBeingDeleted):
            lake.entries.add(archive_id, "Too late.")
        lake.jobs.cancel(first)
        wait_for(lambda: not lake.archives.get(archive_id).deletion_job_id, "the archive that is open again")
        second = deleted(lake, archive_id)
        assert second != first
    whole = whole_receipt(cloud.deployment.wait(second, timeout_s=240))
    assert whole.entries == 1
    with pytest.raises(ArchiveNotFound):
        lake.archives.get(archive_id)


def test_sources_keep_an_archive_and_a_failed_deletion_is_redriven(cloud: Cloud, lake: OmniLake) -> None:
    archive_id = unique()
    lake.archives.create(archive_id)
    cloud.ingest(archive_id, {"locker.md": SECRET})
    config = {"start_url": "https://lighthouse.example/"}
    source = lake.sources.put(archive_id, "website", config, schedule="")
    with pytest.raises(ArchiveInUse, match=source.source_id):
        lake.archives.delete(archive_id, with_entries=True)
    assert not lake.archives.get(archive_id).deletion_job_id
    lake.sources.delete(source.source_id)
    with faults.denied(cloud, "PurgeObjectsFunction", "s3:DeleteObjectVersion"):
        job = cloud.deployment.wait(deleted(lake, archive_id), timeout_s=240)
    assert job.status is JobStatus.FAILED
    wait_for(lambda: not lake.archives.get(archive_id).deletion_job_id, "the archive that is open again")
    cloud.deployment.redrive(job.job_id)

    def gone() -> Job | None:
        found = cloud.deployment.job(job.job_id)
        return found if found.status is JobStatus.COMPLETED else None

    assert whole_receipt(wait_for(gone, "the redriven deletion", 240)).entries == 1
    with pytest.raises(ArchiveNotFound):
        lake.archives.get(archive_id)


def _states(cloud: Cloud, job_id: str) -> list[str]:
    return entered(cloud.history(cloud.deployment.job(job_id).execution_arn))
