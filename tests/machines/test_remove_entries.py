"""``remove_entries``: what is removed is nowhere any more, a receipt says so, and nothing else is touched."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from embedded_cloud import Cloud, entered, unique, wait_for
from machines import faults
from machines.leftovers import bytes_everywhere

from omnilake import aws, entries, layout
from omnilake.ingest import landing
from omnilake.models import DocumentStatus, Job, JobStatus
from omnilake.removal.proof import Receipt
from omnilake.removal.requests import parse_request, start
from omnilake.settings import settings

SECRET = "The pilot's locker in the old lighthouse holds the quokka ledger."
OTHER = "The night ferry to Selmere leaves from pier seven at half past nine."


@pytest.fixture(autouse=True)
def _machine(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMNILAKE_REMOVAL_MACHINE_ARN", cloud.outputs["RemoveEntriesMachine"])
    settings.cache_clear()
    yield
    settings.cache_clear()


def remove(cloud: Cloud, archive_id: str, *entry_ids: str) -> Job:
    """Remove entries and wait for the end."""
    started = start(parse_request(archive_id, [*entry_ids]))
    return cloud.deployment.wait(started.job_id, timeout_s=240)


def receipt_of(job: Job) -> Receipt:
    return aws.lake().read_model(job.result_key, Receipt)


def test_what_is_removed_is_nowhere_any_more_and_the_rest_is_found(cloud: Cloud) -> None:
    archive_id, word = cloud.archive(), unique("quokka")
    name = f"{word}-locker.md"
    outcomes = cloud.ingest(archive_id, {name: f"# Locker\n\n{SECRET} {word}", "ferry.md": OTHER})
    cloud.ingest(archive_id, {name: f"# Locker\n\n{SECRET} {word}, second edition"})
    entry_id = outcomes[name]["entry_id"]
    assert bytes_everywhere(cloud, word)

    job = remove(cloud, archive_id, entry_id)

    assert job.status is JobStatus.COMPLETED, job.error
    steps = ["Mark Entries", "Erase Rows", "Release Versions", "Purge Objects", "Prove Absence"]
    assert [visit.state for visit in job.visits()] == steps
    assert bytes_everywhere(cloud, word) == []
    assert {row["entry_id"] for row in cloud.rows(archive_id)} == {outcomes["ferry.md"]["entry_id"]}
    statuses = {item["status"] for item in entries.versions(entry_id)}
    assert statuses == {DocumentStatus.REMOVED.value}
    receipt = receipt_of(job)
    assert [(each.entry_id, len(each.versions)) for each in receipt.entries] == [(entry_id, 2)]
    assert receipt.rows >= 1
    assert receipt.objects >= 4
    assert receipt.checks
    assert not any(check.found for check in receipt.checks)
    assert receipt.sealed() == receipt
    assert word not in receipt.model_dump_json()
    _, answer = cloud.ask(archive_id, "From which pier does the night ferry to Selmere leave?")
    assert "pier seven" in answer.claims[0].text
    _, nothing = cloud.ask(archive_id, "Where is the quokka ledger?")
    assert "quokka" not in json.dumps(nothing.model_dump(mode="json")["claims"])


def test_the_same_document_can_come_again_after_its_removal(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    entry_id = cloud.ingest(archive_id, {"locker.md": SECRET})["locker.md"]["entry_id"]
    assert remove(cloud, archive_id, entry_id).status is JobStatus.COMPLETED
    again = cloud.ingest(archive_id, {"locker.md": SECRET})["locker.md"]
    assert (again["status"], again["entry_id"]) == ("COMPLETED", entry_id)
    assert [row["entry_id"] for row in cloud.rows(archive_id)] == [entry_id]


def test_another_upload_of_the_same_bytes_takes_the_place_of_what_is_removed(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    first = cloud.ingest(archive_id, {"a.md": SECRET})["a.md"]
    copy = cloud.ingest(archive_id, {"b.md": SECRET})["b.md"]
    assert copy["status"] == "DUPLICATE"
    remove(cloud, archive_id, first["entry_id"])
    wait_for(lambda: [row["entry_id"] for row in cloud.rows(archive_id)] == [copy["entry_id"]], "the copy in search")
    kept = cloud.objects(f"{landing.PROCESSED}{archive_id}/")
    assert sorted(kept) == [f"{landing.PROCESSED}{archive_id}/b.md"]


def test_a_record_leaves_its_file_and_its_neighbours_keep_their_lines(cloud: Cloud) -> None:
    archive_id, word = cloud.archive(), unique("quokka")
    bucket, key = cloud.outputs["LandingBucket"], f"lists/{unique()}.jsonl"
    told: list[dict[str, Any]] = [
        {"source_type": "logbook", "record_id": f"r{number}", "text": text, "updated_at": "2026-03-01T10:00:00Z"}
        for number, text in enumerate((f"{SECRET} {word}", OTHER))
    ]
    aws.ObjectStore(bucket).write(key, "\n".join(map(json.dumps, told)).encode())
    collected = cloud.deployment.wait(
        cloud.deployment.start_collection(archive_id, manifest=f"s3://{bucket}/{key}"), timeout_s=180
    )
    assert collected.progress["completed"] == 2
    entry_id = entries.entry_id_of(archive_id, "logbook", "r0")
    assert remove(cloud, archive_id, entry_id).status is JobStatus.COMPLETED
    assert bytes_everywhere(cloud, word) == [key]  # the manifest itself is the writer's own
    kept = entries.versions(entries.entry_id_of(archive_id, "logbook", "r1"))[0]["origin"]
    assert kept["line"] == 1


def test_an_ingestion_that_works_on_the_entry_is_waited_for(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    entry_id = cloud.ingest(archive_id, {"locker.md": SECRET})["locker.md"]["entry_id"]
    with faults.hanging(cloud, "EmbedBatchFunction"):
        cloud.put(archive_id, "locker.md", f"{SECRET} Second edition.")
        cloud.in_state(lambda: [job for job in cloud.ingestions(archive_id) if job.status not in _ENDED], "Embed Batch")
        started = start(parse_request(archive_id, [entry_id]))
        wait_for(
            lambda: "Await Jobs" in cloud_states(cloud, cloud.deployment.job(started.job_id)), "the removal that waits"
        )
    job = cloud.deployment.wait(started.job_id, timeout_s=240)
    assert job.status is JobStatus.COMPLETED, job.error
    assert cloud.rows(archive_id) == []
    assert len(receipt_of(job).entries[0].versions) == 2


def test_a_removal_that_was_stopped_is_redriven_to_its_end(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    entry_id = cloud.ingest(archive_id, {"locker.md": SECRET})["locker.md"]["entry_id"]
    with faults.denied(cloud, "PurgeObjectsFunction", "s3:DeleteObjectVersion"):
        job = remove(cloud, archive_id, entry_id)
    assert job.status is JobStatus.FAILED
    assert aws.lake().head(layout.entry_text(entry_id, entries.versions(entry_id)[0]["version"])) is not None
    cloud.deployment.redrive(job.job_id)
    ended = wait_for(lambda: _completed(cloud, job.job_id), "the redriven removal")
    assert not any(check.found for check in receipt_of(ended).checks)


@contextmanager
def _written_again_and_again(key: str) -> Iterator[None]:
    """Somebody puts an object there fifty times a second."""
    over = threading.Event()

    def write() -> None:
        while not over.wait(0.02):
            aws.lake().write(key, SECRET.encode())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


def test_what_comes_back_after_every_round_ends_the_removal_as_incomplete_and_a_redrive_ends_it_well(
    cloud: Cloud,
) -> None:
    archive_id = cloud.archive()
    outcome = cloud.ingest(archive_id, {"locker.md": SECRET})["locker.md"]
    with _written_again_and_again(layout.entry_text(outcome["entry_id"], outcome["version"])):
        job = remove(cloud, archive_id, outcome["entry_id"])
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "REMOVAL_INCOMPLETE"
    assert entered(cloud.history(job.execution_arn)).count("Prove Absence") == 6  # once, and five times more
    assert not job.result_key
    cloud.deployment.redrive(job.job_id)
    ended = wait_for(lambda: _completed(cloud, job.job_id), "the redriven removal")
    assert not any(check.found for check in receipt_of(ended).checks)


_ENDED = {JobStatus.COMPLETED, JobStatus.FAILED}


def _completed(cloud: Cloud, job_id: str) -> Job | None:
    job = cloud.deployment.job(job_id)
    return job if job.status is JobStatus.COMPLETED else None


def cloud_states(cloud: Cloud, job: Job) -> set[str]:
    return set(entered(cloud.history(job.execution_arn)))
