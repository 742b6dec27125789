"""Executions that end without a word: their jobs are closed, and where that fails too, a message waits for a person."""

from __future__ import annotations

import json

from embedded_cloud import Cloud, entered, wait_for
from machines import faults
from machines.conftest import FACT

from omnilake import aws
from omnilake.models import Job, JobStatus


def closed(cloud: Cloud, job_id: str) -> Job:
    return cloud.deployment.wait(job_id, timeout_s=60)


def test_an_ingestion_that_a_person_stops_is_closed_and_its_documents_kept(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    with faults.hanging(cloud, "EmbedBatchFunction"):
        cloud.put(archive_id, "timetable.txt", FACT)
        job = cloud.in_state(lambda: cloud.ingestions(archive_id), "Embed Batch")
        aws.client("stepfunctions").stop_execution(executionArn=job.execution_arn)
        job = closed(cloud, job.job_id)

    assert job.error is not None
    assert (job.status, job.error.code) == (JobStatus.FAILED, "EXECUTION_ABORTED")
    assert [each["status"] for each in job.documents] == ["FAILED"]
    wait_for(lambda: not cloud.waiting("IndexQueue"), "purges done")
    assert cloud.rows(archive_id) == []
    assert f"failed/{archive_id}/timetable.txt" in cloud.objects(f"failed/{archive_id}/")
    assert cloud.ingest(archive_id, {"timetable.txt": FACT})["timetable.txt"]["status"] == "COMPLETED"


def test_a_question_that_a_person_stops_is_closed(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    with faults.hanging(cloud, "FuseEvidenceFunction"):
        job_id = cloud.deployment.submit(archive_id, "From which pier does the ferry leave?")
        job = cloud.in_state(lambda: [cloud.deployment.job(job_id)], "Fuse Evidence")
        aws.client("stepfunctions").stop_execution(executionArn=job.execution_arn)
        job = closed(cloud, job_id)

    assert job.error is not None
    assert (job.status, job.error.code) == (JobStatus.FAILED, "EXECUTION_ABORTED")


def test_an_execution_beyond_its_time_is_closed(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    with (
        cloud.machine_timeout("AnswerRequestMachine", 2),
        faults.hanging(cloud, "FuseEvidenceFunction"),
    ):
        job = closed(cloud, cloud.deployment.submit(archive_id, "From which pier does the ferry leave?"))

    assert cloud.execution_of(job)["status"] == "TIMED_OUT"
    assert job.error is not None
    assert (job.status, job.error.code) == (JobStatus.FAILED, "EXECUTION_TIMED_OUT")


def test_a_failure_that_could_not_be_recorded_is_closed_by_its_end(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    with (
        faults.denied(cloud, "PlanRetrievalFunction", "s3:PutObject"),
        faults.denied(cloud, "RecordRequestFailureFunction", "s3:PutObject"),
    ):
        job = closed(cloud, cloud.deployment.submit(archive_id, "From which pier does the ferry leave?"))

    execution = cloud.execution_of(job)
    assert (execution["error"], execution["cause"]) == ("RequestFailed", "FAILURE_NOT_RECORDED AccessDenied")
    assert entered(cloud.history(job.execution_arn))[-2:] == ["Record Failure", "Request Failed"]
    assert job.error is not None
    assert (job.status, job.error.code, job.state) == (JobStatus.FAILED, "REQUEST_FAILED", "Plan Retrieval")


def test_a_job_that_could_not_be_closed_waits_in_the_dead_letters_and_is_closed_from_there(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    with (
        faults.denied(cloud, "EmbedBatchFunction", "s3:PutObject"),
        faults.denied(cloud, "RecordIngestFailureFunction", "s3:PutObject"),
        faults.denied(cloud, "CloseJobFunction", "s3:PutObject"),
    ):
        cloud.put(archive_id, "timetable.txt", FACT)
        wait_for(lambda: cloud.waiting("DeliveryDeadLetters"), "the end of the execution in the dead letters")
    (job,) = cloud.ingestions(archive_id)
    assert job.status is JobStatus.RUNNING

    sqs, queue = aws.client("sqs"), cloud.outputs["DeliveryDeadLetters"]
    (dead,) = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=dead["ReceiptHandle"])
    event = json.loads(dead["Body"])["requestPayload"]
    assert event["detail"]["name"] == job.job_id
    assert cloud.invoke("CloseJobFunction", event).output == {"closed": True}
    assert cloud.invoke("CloseJobFunction", event).output == {"closed": False}
    job = closed(cloud, job.job_id)
    assert job.error is not None
    assert (job.status, job.error.code) == (JobStatus.FAILED, "ACCESS_DENIED")
    assert cloud.ingest(archive_id, {"timetable.txt": FACT})["timetable.txt"]["status"] == "COMPLETED"
