"""``ingest_collection``: many documents at once, with batches that fail, runs that are stopped, and redrives."""

from __future__ import annotations

import io
import json
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

from embedded_cloud import Cloud, entered, unique, wait_for
from machines import faults

from omnilake import aws
from omnilake.client.deployment import Deployment
from omnilake.client.uploading import Upload
from omnilake.clock import now
from omnilake.models import ENDED, AnswerStatus, Job, JobStatus


def record(number: int, text: str = "", **fields: Any) -> dict[str, Any]:
    return {
        "source_type": "logbook",
        "record_id": f"entry-{number}",
        "title": f"Entry {number}",
        "url": f"https://example.com/logbook/{number}",
        "text": text or f"The buoy number {number} off Selmere was painted and its lamp changed.",
        "updated_at": "2026-03-01T10:00:00Z",
        **fields,
    }


def manifest(cloud: Cloud, lines: list[Any]) -> str:
    """The address of a manifest of these lines."""
    bucket, key = cloud.outputs["LandingBucket"], f"lists/{unique()}.jsonl"
    told = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    aws.ObjectStore(bucket).write(key, "\n".join(told).encode())
    return f"s3://{bucket}/{key}"


def ended(cloud: Cloud, job_id: str) -> Job:
    return cloud.deployment.wait(job_id, timeout_s=180)


def batches(cloud: Cloud, job_id: str) -> list[Job]:
    from omnilake.models import JobKind

    found = Deployment().jobs([JobKind.INGEST_DOCUMENT], list(JobStatus))
    return [job for job in found if job.parent_job_id == job_id]


def _only(jobs: list[Job], number: int) -> list[Job]:
    return [jobs[number]]


def test_the_good_lines_of_a_manifest_land_and_the_bad_ones_are_listed_and_retried(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    lines = [record(1), "{ no json", record(2), record(3, unknown="field")]
    job = ended(cloud, cloud.deployment.start_collection(archive_id, manifest=manifest(cloud, lines)))

    assert job.status is JobStatus.COMPLETED
    assert {name: job.progress[name] for name in ("documents", "completed", "failed")} == {
        "documents": 4,
        "completed": 2,
        "failed": 2,
    }
    assert [item.error.code for item in cloud.deployment.failed_items(job.job_id)] == ["RECORD_INVALID"] * 2
    assert {row["source"] for row in cloud.rows(archive_id)} == {f"https://example.com/logbook/{n}" for n in (1, 2)}
    _, answer = cloud.ask(archive_id, "Which buoy off Selmere was painted?")
    assert answer.citations[0].source.startswith("https://example.com/logbook/")

    again = ended(cloud, cloud.deployment.retry(job.job_id))
    assert again.progress["documents"] == 2
    assert again.status is JobStatus.FAILED
    assert cloud.execution_of(again)["error"] == "DocumentsRejected"


def test_a_deleted_record_leaves_search_and_an_edited_one_is_replaced(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    ended(cloud, cloud.deployment.start_collection(archive_id, manifest=manifest(cloud, [record(1), record(2)])))
    later = "2026-03-02T10:00:00Z"
    changes = [
        {**record(1, deleted=True, updated_at=later), "text": ""},
        record(2, "The buoy has been sunk.", updated_at=later),
    ]
    job = ended(cloud, cloud.deployment.start_collection(archive_id, manifest=manifest(cloud, changes)))

    assert (job.progress["deleted"], job.progress["completed"]) == (1, 1)
    wait_for(lambda: not cloud.waiting("IndexQueue"), "purges done")
    assert [row["text"] for row in cloud.rows(archive_id)] == ["The buoy has been sunk."]


def test_an_archive_file_is_expanded_and_each_member_ingested(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr("buoys.txt", "The buoy of Selmere is red.")
        files.writestr("piers/seven.md", "# Pier seven\n\nThe night ferry leaves here.")
        files.writestr("__MACOSX/piers/._seven.md", "")
    outcome = cloud.ingest(archive_id, {"logbook.zip": packed.getvalue()})["logbook.zip"]
    assert (outcome["status"], outcome["members"], outcome["left_out"]) == ("EXPANDED", 2, 1)
    found = {each["name"]: each["status"] for each in cloud.outcomes(archive_id, 3)}
    assert found == {
        "logbook.zip": "EXPANDED",
        "logbook.zip/buoys.txt": "COMPLETED",
        "logbook.zip/piers/seven.md": "COMPLETED",
    }


def test_members_of_an_archive_file_have_its_metadata_and_are_its_tenants_alone(cloud: Cloud, tmp_path: Path) -> None:
    archive_id, since, path = cloud.archive(), now(), tmp_path / "logbook.zip"
    with zipfile.ZipFile(path, "w") as files:
        files.writestr("buoys.txt", "The buoy of Selmere is red.")
        files.writestr("piers/seven.txt", "The buoy of pier seven is green.")
    metadata = {"business_id": "acme", "region": "north", "team": "Buoys & bells"}
    cloud.deployment.upload(archive_id, [Upload(path, "logbook.zip", metadata)])
    members = ["logbook.zip/buoys.txt", "logbook.zip/piers/seven.txt"]
    for outcomes in cloud.deployment.follow_ingestion(archive_id, ["logbook.zip", *members], since):
        assert {each["status"] for each in outcomes.values()} <= {"EXPANDED", "COMPLETED"}

    for name in members:
        (item,) = cloud.deployment.entry(archive_id, name)
        assert metadata.items() <= item["metadata"].items()
    question = "Which colour has the buoy?"
    _, own = cloud.ask(archive_id, question, tenant={"business_id": "acme", "region": "north"})
    assert {each.source.rpartition("/")[2] for each in own.citations} == {"buoys.txt", "seven.txt"}
    team = [{"field": "metadata.team", "value": "Buoys & bells"}]
    assert cloud.ask(archive_id, question, filters=team)[1].status is AnswerStatus.ANSWERED
    for tenant in ({"business_id": "bolt"}, {"business_id": "acme", "region": "south"}):
        _, other = cloud.ask(archive_id, question, tenant=tenant)
        assert (other.status, other.nearest) == (AnswerStatus.ABSTAINED, [])


def test_a_stopped_collection_is_redriven_and_runs_no_batch_twice(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    bucket = cloud.outputs["LandingBucket"]
    prefix = f"exports/{unique()}/"
    for number in range(6):
        aws.ObjectStore(bucket).write(f"{prefix}{number}.txt", f"The lamp of buoy {number} was changed.".encode())
    request = {"archive_id": archive_id, "prefix": f"s3://{bucket}/{prefix}", "batch_documents": 2}
    with faults.hanging(cloud, "EmbedBatchFunction"):
        started = cloud.invoke("StartCollectionFunction", {"request": request})
        job_id = started.output["job_id"]
        wait_for(lambda: len(batches(cloud, job_id)) == 3, "three batches under way")
        for number in range(3):
            cloud.in_state(partial(_only, batches(cloud, job_id), number), "Embed Batch")
        aws.client("stepfunctions").stop_execution(executionArn=cloud.deployment.job(job_id).execution_arn)
        # Whatever ran is closed before the redrive: none of it can still complete beside its own repetition.
        wait_for(lambda: all(each.status in ENDED for each in batches(cloud, job_id)), "the batches are closed")
    stopped = ended(cloud, job_id)
    assert stopped.error is not None
    assert (stopped.status, stopped.error.code) == (JobStatus.FAILED, "EXECUTION_ABORTED")

    cloud.deployment.redrive(job_id)
    job = ended(cloud, job_id)
    assert job.status is JobStatus.COMPLETED, job.error
    assert (job.progress["completed"], job.progress["failed"]) == (6, 0)
    texts = [row["text"] for row in cloud.rows(archive_id)]
    assert sorted(texts) == [f"The lamp of buoy {number} was changed." for number in range(6)]
    completed = [each for each in batches(cloud, job_id) if each.status is JobStatus.COMPLETED]
    assert sum(each.progress["completed"] for each in completed) == 6


def test_a_batch_whose_execution_fails_is_listed_and_ingested_by_a_retry(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    with faults.denied(cloud, "ExtractTextFunction", "s3:PutObject"):
        job = ended(cloud, cloud.deployment.start_collection(archive_id, manifest=manifest(cloud, [record(1)])))
    assert (job.status, job.progress["failed"]) == (JobStatus.FAILED, 1)
    (item,) = cloud.deployment.failed_items(job.job_id)
    assert item.error.code == "ACCESS_DENIED"

    again = ended(cloud, cloud.deployment.retry(job.job_id))
    assert (again.status, again.progress["completed"]) == (JobStatus.COMPLETED, 1)


def test_what_cannot_be_planned_fails_with_its_code(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    bucket = cloud.outputs["LandingBucket"]
    job = ended(cloud, cloud.deployment.start_collection(archive_id, prefix=f"s3://{bucket}/nothing/"))
    assert job.error is not None
    assert (job.status, job.error.code) == (JobStatus.FAILED, "COLLECTION_INVALID")
    assert entered(cloud.history(job.execution_arn)) == ["Plan Collection"]


def test_ends_and_failures_are_told_to_the_notification_topic(cloud: Cloud) -> None:
    sqs, sns = aws.client("sqs"), aws.client("sns")
    queue = sqs.create_queue(QueueName=unique())["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [allowed | {"Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    subscription = sns.subscribe(TopicArn=cloud.outputs["NotificationTopic"], Protocol="sqs", Endpoint=arn)
    archive_id = cloud.archive()
    lines = [record(1), "{ no json"]
    try:
        ended(cloud, cloud.deployment.start_collection(archive_id, manifest=manifest(cloud, lines)))
        told: dict[str, dict[str, Any]] = {}

        def received() -> bool:
            for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
                event = json.loads(json.loads(message["Body"])["Message"])
                if event["detail"]["archive_id"] == archive_id:
                    told[event["detail-type"]] = event["detail"]
            return {"Document Failed", "Collection Completed"} <= set(told)

        wait_for(received, "both notifications")
    finally:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
        sqs.delete_queue(QueueUrl=queue)
    assert "Ingestion Completed" not in told  # of a batch: its collection is told of
    assert told["Document Failed"]["error"]["code"] == "RECORD_INVALID"
    assert (told["Collection Completed"]["completed"], told["Collection Completed"]["failed"]) == (1, 1)
