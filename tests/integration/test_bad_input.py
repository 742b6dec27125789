"""Input that can't be used leaves nothing behind, and the queue moves on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded_cloud import Cloud, unique, wait_for
from hostile.case import EXPANDS, LANDS
from hostile.corpus import CASES

from omnilake import aws, layout
from omnilake.errors import OmniLakeError
from omnilake.models import JobStatus

MIB = 1024 * 1024
GOOD = "The night ferry to Selmere leaves from pier seven at half past nine."

BAD = {case.outcome: case for case in reversed(CASES) if case.outcome not in {LANDS, EXPANDS}}
"""Of the hostile corpus one file for each code; all of it goes through ingestion in test_hostile_files.py."""


@pytest.fixture(scope="module")
def archive(cloud: Cloud) -> str:
    """An archive to which all bad documents were uploaded at once, with a good one among them."""
    archive_id = cloud.archive()
    for case in BAD.values():
        cloud.put(archive_id, case.name, case.content())
    cloud.put(archive_id, "good \U0001f9ad.txt", GOOD)
    cloud.outcomes(archive_id, len(BAD) + 1)
    return archive_id


def test_bad_documents_leave_no_chunk_and_nothing_in_incoming_and_their_neighbours_go_on(
    cloud: Cloud, archive: str
) -> None:
    _, answer = cloud.ask(archive, "From which pier does the night ferry to Selmere leave?")

    assert {Path(row["source"]).name for row in cloud.rows(archive)} == {"good \U0001f9ad.txt"}
    assert cloud.objects(f"incoming/{archive}/") == {}
    assert "pier seven" in answer.text
    assert cloud.misquotes(answer) == []


def test_after_bad_documents_the_queue_moves_on(cloud: Cloud, archive: str) -> None:
    outcome = cloud.ingest(archive, {"later.txt": "The morning ferry leaves from pier eight at six."})["later.txt"]

    assert outcome["status"] == "COMPLETED"
    assert cloud.waiting("UploadQueue", "IndexQueue") == 0
    assert cloud.dead_letters() == 0


def test_a_batch_of_nothing_but_bad_documents_is_a_failed_job_and_execution(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    cloud.ingest(archive_id, {"empty.txt": b""})

    (job,) = cloud.ingestions(archive_id)
    execution = cloud.execution_of(job)

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "DOCUMENT_EMPTY"
    assert (execution["status"], execution["error"], execution["cause"]) == (
        "FAILED",
        "DocumentsRejected",
        "DOCUMENT_EMPTY",
    )


@pytest.fixture
def large_file(cloud: Cloud, tmp_path: Path) -> Iterator[Path]:
    """200 MB of text; its copies in the cloud are deleted afterwards, because the cloud's state is kept."""
    path = tmp_path / "large.txt"
    line = b"Reading of the gauge: 3.14 metres above datum.\n"
    with path.open("wb") as file:
        for _ in range(200):
            file.write((line * (MIB // len(line) + 1))[:MIB])
    yield path
    bucket, s3 = cloud.outputs["LandingBucket"], aws.client("s3")
    for prefix in ("incoming/", "failed/"):
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            for each in page.get("Versions", []):
                if each["Key"].endswith("/large.txt"):
                    s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])


def test_a_document_of_200_megabytes_is_refused_without_being_read(cloud: Cloud, large_file: Path) -> None:
    archive_id = cloud.archive()
    cloud.put(archive_id, "large.txt", large_file)
    (outcome,) = cloud.outcomes(archive_id, 1)

    assert outcome["error"]["code"] == "DOCUMENT_TOO_LARGE"
    assert cloud.objects(f"failed/{archive_id}/")[f"failed/{archive_id}/large.txt"]["omnilake-code"] == (
        "DOCUMENT_TOO_LARGE"
    )
    assert cloud.objects(f"incoming/{archive_id}/") == {}
    for function in ("RegisterDocumentsFunction", "PublishEntriesFunction"):
        assert cloud.peak_memory_mb(function) < 200
    assert cloud.rows(archive_id) == []


def test_the_same_document_twice_at_once_is_indexed_once(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    for name in ("a.txt", "b.txt", "a.txt"):  # two names, and one of them in two versions
        cloud.put(archive_id, name, GOOD)

    outcomes = cloud.outcomes(archive_id, 3)

    assert sorted(each["status"] for each in outcomes) == ["COMPLETED", "DUPLICATE", "DUPLICATE"]
    (taken,) = [each for each in outcomes if each["status"] == "COMPLETED"]
    owner = f"{taken['entry_id']}/{taken['version']}"
    assert {each["duplicate_of"] for each in outcomes if each["status"] == "DUPLICATE"} == {owner}
    assert [f"{row['entry_id']}/{row['version']}" for row in cloud.rows(archive_id)] == [owner]
    assert cloud.objects(f"incoming/{archive_id}/") == {}


def test_an_event_for_an_object_deleted_since_fails_as_not_found(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    cloud.send_object_created(archive_id, "gone.txt", unique())
    (outcome,) = cloud.outcomes(archive_id, 1)
    (job,) = cloud.ingestions(archive_id)

    assert outcome["error"]["code"] == "OBJECT_NOT_FOUND"
    assert job.error is not None
    assert job.error.code == "OBJECT_NOT_FOUND"
    assert cloud.ingest(archive_id, {"gone.txt": GOOD})["gone.txt"]["status"] == "COMPLETED"


def test_an_upload_for_an_unknown_archive_fails_and_is_kept(cloud: Cloud) -> None:
    nowhere = unique()
    cloud.put(nowhere, "letter.txt", GOOD)
    (outcome,) = cloud.outcomes(nowhere, 1)
    (job,) = cloud.ingestions(nowhere)

    assert outcome["error"]["code"] == "ARCHIVE_NOT_FOUND"
    assert job.error is not None
    assert job.error.code == "ARCHIVE_NOT_FOUND"
    assert cloud.objects(f"failed/{nowhere}/")[f"failed/{nowhere}/letter.txt"]["omnilake-code"] == "ARCHIVE_NOT_FOUND"
    assert cloud.objects(f"incoming/{nowhere}/") == {}


@pytest.mark.parametrize(
    ("question", "code"),
    [("", "QUESTION_EMPTY"), (" \n?! ", "QUESTION_EMPTY"), ("pier " * 10_000, "QUESTION_TOO_LONG")],
    ids=["empty", "without a word", "of 50,000 characters"],
)
def test_a_question_that_cannot_be_asked_fails_with_its_code_and_is_kept(
    cloud: Cloud, archive: str, question: str, code: str
) -> None:
    job = cloud.failed_request(archive, question)

    assert job.error is not None
    assert job.error.code == code
    kept = json.loads(aws.lake().read(layout.failed_request(job.job_id)))
    assert kept["error"]["code"] == code
    assert json.loads(kept["request"])["question"] == question
    assert cloud.execution_of(job)["error"] == "RequestFailed"


def test_a_question_to_an_unknown_archive_fails_with_its_code(cloud: Cloud) -> None:
    job = cloud.failed_request(unique(), "From which pier does the ferry leave?")

    assert job.error is not None
    assert job.error.code == "ARCHIVE_NOT_FOUND"
    assert job.error.action


def test_a_poison_message_reaches_the_dead_letter_queue_and_delays_nobody(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    poison = unique("poison-")
    sqs = aws.client("sqs")
    with cloud.receives("UploadQueue", 1):
        sqs.send_message(QueueUrl=cloud.outputs["UploadQueue"], MessageBody=poison)
        assert cloud.ingest(archive_id, {"good.txt": GOOD})["good.txt"]["status"] == "COMPLETED"
        wait_for(lambda: cloud.waiting("UploadDeadLetters"), "the poison message in the dead-letter queue")

    (dead,) = sqs.receive_message(QueueUrl=cloud.outputs["UploadDeadLetters"], MaxNumberOfMessages=10)["Messages"]
    sqs.delete_message(QueueUrl=cloud.outputs["UploadDeadLetters"], ReceiptHandle=dead["ReceiptHandle"])
    assert dead["Body"] == poison
    assert cloud.waiting("UploadQueue") == 0


def test_an_archive_that_does_not_fit_is_refused_by_name(cloud: Cloud) -> None:
    with pytest.raises(OmniLakeError) as refused:
        cloud.deployment.create_archive("No Such Name")

    assert refused.value.code == "ARCHIVE_INVALID"
