"""``ingest_document`` under faults: what dies runs again, what can't go on is put in order, and nothing is indexed
twice or by half."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from typing import Any

import pytest
from embedded_cloud import Cloud, entered, unique, wait_for
from machines import faults
from machines.conftest import FACT

from omnilake import aws, entries, layout
from omnilake.models import Job, JobStatus

FUNCTIONS = {
    "Register Documents": "RegisterDocumentsFunction",
    "Extract Text": "ExtractTextFunction",
    "Chunk Text": "ChunkTextFunction",
    "Embed Batch": "EmbedBatchFunction",
    "Extract Insights": "ExtractInsightsFunction",
    "Index Chunks": "IndexChunksFunction",
    "Publish Entries": "PublishEntriesFunction",
}
"""The states that work, in order, and who works for them."""


def failed_attempts(history: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(state, error) of each attempt of a task that failed."""
    states: dict[int, str] = {}
    found = []
    for event in history:
        details = event.get("stateEnteredEventDetails")
        states[event["id"]] = details["name"] if details else states.get(event["previousEventId"], "")
        for name in ("taskFailedEventDetails", "lambdaFunctionFailedEventDetails"):
            if name in event:
                found.append((states[event["id"]], event[name]["error"]))
    return found


def assert_indexed_once(cloud: Cloud, archive_id: str, outcomes: list[dict[str, Any]]) -> None:
    """The store holds each chunk of each completed document, once, and nothing else."""
    found = Counter((row["entry_id"], row["version"]) for row in cloud.rows(archive_id))
    wanted = {(each["entry_id"], each["version"]): each["chunks"] for each in outcomes if each["status"] == "COMPLETED"}
    assert found == wanted
    chunk_ids = [row["chunk_id"] for row in cloud.rows(archive_id)]
    assert len(set(chunk_ids)) == len(chunk_ids)


def test_a_process_killed_in_any_state_is_replaced_and_the_document_is_indexed_once(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    with cloud.visibility_timeout("IndexQueue", 2), faults.hanging(cloud, *FUNCTIONS.values()):
        cloud.put(archive_id, "timetable.txt", FACT)
        for state, function in FUNCTIONS.items():
            job = cloud.in_state(lambda: cloud.ingestions(archive_id), state)
            assert faults.kill(cloud, function)
        outcomes = cloud.outcomes(archive_id, 1)

    history = cloud.history(job.execution_arn)
    retried = set(FUNCTIONS) - {"Index Chunks"}  # its message comes again, nobody else need know
    assert [outcome["status"] for outcome in outcomes] == ["COMPLETED"]
    assert {state for state, _ in failed_attempts(history)} == retried
    assert {error for _, error in failed_attempts(history)} == {"Runtime.ExitError"}
    assert max(Counter(entered(history)).values()) == 1  # a retry is no second entry
    assert_indexed_once(cloud, archive_id, outcomes)
    assert len(entries.versions(outcomes[0]["entry_id"])) == 1
    assert cloud.execution_of(job)["status"] == "SUCCEEDED"


def test_processes_killed_at_random_moments_leave_every_document_whole_or_out(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    chance = random.Random(time.time_ns())
    names = [f"{number}.txt" for number in range(6)]
    with cloud.visibility_timeout("UploadQueue", 2), cloud.visibility_timeout("IndexQueue", 2):
        for name in names:
            cloud.put(archive_id, name, "\n\n".join(f"Note {name}/{part}: {FACT}" for part in range(60)))
        for _ in range(12):
            time.sleep(chance.uniform(0.05, 0.6))
            faults.kill(cloud, chance.choice(["AcceptUploadsFunction", *FUNCTIONS.values()]))
        wait_for(lambda: {name for job in cloud.ingestions(archive_id) for name in _names(job)} == set(names), "names")
        outcomes = cloud.outcomes(archive_id, len(names))

    taken = [each for each in outcomes if each["status"] != "DUPLICATE"]  # by a poll that came again in other company
    assert sorted(each["name"] for each in taken) == names
    assert {each["status"] for each in taken} <= {"COMPLETED", "FAILED"}
    wait_for(lambda: not cloud.waiting("IndexQueue"), "purges done")
    assert_indexed_once(cloud, archive_id, taken)
    assert cloud.objects(f"incoming/{archive_id}/") == {}


def _names(job: Job) -> list[str]:
    return [document["name"] for document in job.documents]


PERMANENT = {
    "Register Documents": ("RegisterDocumentsFunction", "s3:PutObject"),  # with claims and entries made
    "Extract Text": ("ExtractTextFunction", "s3:PutObject"),
    "Chunk Text": ("ChunkTextFunction", "s3:PutObject"),
    "Embed And Extract": ("EmbedBatchFunction", "s3:PutObject"),
    "Publish Entries": ("PublishEntriesFunction", "s3:PutObject"),  # with rows in the store
}
"""State → function and what it may not do."""


@pytest.fixture(scope="module")
def broken(cloud: Cloud) -> dict[str, tuple[str, Job]]:
    """State → archive and job of an ingestion that failed for good in it."""
    found = {}
    for state, (function, action) in PERMANENT.items():
        archive_id = cloud.archive()
        with faults.denied(cloud, function, action):
            cloud.put(archive_id, "timetable.txt", FACT)
            cloud.outcomes(archive_id, 1)
        found[state] = (archive_id, cloud.ingestions(archive_id)[0])
    archive_id = cloud.archive()
    with faults.hanging(cloud, "IndexChunksFunction"):
        cloud.put(archive_id, "timetable.txt", FACT)
        job = cloud.in_state(lambda: cloud.ingestions(archive_id), "Index Chunks")
        aws.client("s3").delete_object(Bucket=cloud.outputs["LakeBucket"], Key=layout.embed_vectors(job.job_id, 0))
    cloud.outcomes(archive_id, 1)
    return {**found, "Index Chunks": (archive_id, cloud.ingestions(archive_id)[0])}


@pytest.mark.parametrize("state", [*PERMANENT, "Index Chunks"])
def test_what_fails_for_good_fails_its_job_with_code_and_state_and_leaves_nothing_behind(
    cloud: Cloud, broken: dict[str, tuple[str, Job]], state: str
) -> None:
    archive_id, job = broken[state]
    error, code = ("StageFailed", "STAGE_FAILED") if state == "Index Chunks" else ("AccessDenied", "ACCESS_DENIED")
    (document,) = job.documents
    execution = cloud.execution_of(job)
    history = cloud.history(job.execution_arn)
    wait_for(lambda: not cloud.waiting("IndexQueue"), "purges done")

    assert (job.status, job.state, job.error.code if job.error else "") == (JobStatus.FAILED, state, code)
    assert (document["status"], document["error"]["code"]) == ("FAILED", code)
    assert (execution["status"], execution["error"], execution["cause"]) == ("FAILED", "IngestionFailed", error)
    assert [found for _, found in failed_attempts(history) if found != "IngestionFailed"] == [error]  # not retried
    assert entered(history)[-2:] == ["Record Failure", "Ingestion Failed"]
    assert cloud.rows(archive_id) == []
    assert cloud.objects(f"incoming/{archive_id}/") == {}
    kept = cloud.objects(f"failed/{archive_id}/")[f"failed/{archive_id}/timetable.txt"]
    assert (kept["omnilake-code"], kept["omnilake-job"]) == (code, job.job_id)
    assert kept["omnilake-reason"]


def test_after_the_fault_the_same_documents_can_be_ingested(cloud: Cloud, broken: dict[str, tuple[str, Job]]) -> None:
    for archive_id, _ in broken.values():
        cloud.put(archive_id, "timetable.txt", FACT)
    for archive_id, _ in broken.values():
        outcomes = cloud.outcomes(archive_id, 2)
        assert [each["status"] for each in outcomes] == ["FAILED", "COMPLETED"]
        assert_indexed_once(cloud, archive_id, outcomes)


def test_a_publication_that_breaks_off_half_way_is_brought_to_its_end(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    old = cloud.ingest(archive_id, {"timetable.txt": "The night ferry leaves at ten."})["timetable.txt"]
    with faults.denied(cloud, "PublishEntriesFunction", "events:PutEvents"):  # its last act but one
        new = cloud.ingest(archive_id, {"timetable.txt": FACT})["timetable.txt"]
    job = cloud.ingestions(archive_id)[-1]
    wait_for(lambda: not cloud.waiting("IndexQueue"), "purges done")

    assert (job.status, new["status"], new["entry_id"]) == (JobStatus.COMPLETED, "COMPLETED", old["entry_id"])
    assert {row["version"] for row in cloud.rows(archive_id)} == {new["version"]}
    assert "Record Failure" in entered(cloud.history(job.execution_arn))
    assert cloud.execution_of(job)["status"] == "FAILED"  # so that the alarm tells of it


def test_a_poll_that_is_delivered_again_starts_nothing_twice(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    version_id = cloud.put(archive_id, "timetable.txt", FACT)
    (outcome,) = cloud.outcomes(archive_id, 1)
    (job,) = cloud.ingestions(archive_id)
    key = f"incoming/{archive_id}/timetable.txt"
    detail = {"bucket": {"name": cloud.outputs["LandingBucket"]}, "object": {"key": key, "version-id": version_id}}
    body = json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})
    record = {"messageId": unique(), "receiptHandle": unique(), "body": body}

    for _ in range(2):
        assert cloud.invoke("AcceptUploadsFunction", {"Records": [record]}).output == {"batchItemFailures": []}

    assert [each.job_id for each in cloud.ingestions(archive_id)] == [job.job_id]
    assert cloud.ingestions(archive_id)[0] == job
    assert_indexed_once(cloud, archive_id, [outcome])


def test_a_batch_without_any_text_ends_without_embedding_or_indexing(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    cloud.ingest(archive_id, {"blank.txt": " \n\t\n " * 50})
    (job,) = cloud.ingestions(archive_id)

    assert {"Embed And Extract", "Index Chunks"}.isdisjoint(entered(cloud.history(job.execution_arn)))
    assert cloud.execution_of(job)["error"] == "DocumentsRejected"


def test_two_versions_of_one_key_in_quick_succession_end_with_the_newer_in_search(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    for number in range(4):
        cloud.put(archive_id, "timetable.txt", f"{FACT} Edition {number}.")
    outcomes = cloud.outcomes(archive_id, 4)
    assert sorted(each["status"] for each in outcomes) == ["COMPLETED"] * 4
    wait_for(lambda: not cloud.waiting("IndexQueue"), "purges done")
    assert [row["text"] for row in cloud.rows(archive_id)] == [f"{FACT} Edition 3."]
    statuses = [item["status"] for item in entries.versions(outcomes[0]["entry_id"])]
    assert statuses == ["COMPLETED", "SUPERSEDED", "SUPERSEDED", "SUPERSEDED"]
    kept = cloud.objects(f"archived/{archive_id}/")
    assert len(kept) == 3
