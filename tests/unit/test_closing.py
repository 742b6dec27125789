"""Executions that ended without a word close their jobs."""

from __future__ import annotations

import json

import pytest
from any_ingest import any_archive, any_batch, uploaded

from omnilake import aws, entries, jobs, layout
from omnilake.closing import close_job
from omnilake.errors import StageFailed
from omnilake.ingest import stages
from omnilake.ingest.publish import publish_entries
from omnilake.ingest.register import register_documents
from omnilake.models import JobKind, JobStatus

pytestmark = pytest.mark.usefixtures("stack")


def running_ingestion() -> tuple[str, str]:
    """(job id, entry id) of an ingestion that is under way."""
    any_archive()
    job_id = any_batch(uploaded("incoming/docs/guide.md", b"# Guide"))
    register_documents(job_id)
    return job_id, stages.read(job_id, stages.REGISTERED).documents[0].entry_id


def running_answer(job_id: str = "answer-docs-1") -> str:
    jobs.create(job_id, JobKind.ANSWER_REQUEST, "docs")
    jobs.enter(job_id, JobKind.ANSWER_REQUEST, "Retrieve")
    return job_id


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_an_ingestion_that_ended_without_an_error_name_is_closed_with_its_documents(status: str) -> None:
    job_id, entry_id = running_ingestion()
    assert close_job(job_id, status, "", "")
    job = jobs.get(job_id)
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == f"EXECUTION_{status}"
    assert [item["status"] for item in entries.versions(entry_id)] == ["FAILED"]


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_an_answer_that_ended_without_an_error_name_is_closed_and_its_request_kept(status: str) -> None:
    job_id = running_answer()
    assert close_job(job_id, status, "", "")
    job = jobs.get(job_id)
    assert (job.status, job.state) == (JobStatus.FAILED, "Retrieve")
    assert job.error is not None
    assert job.error.code == f"EXECUTION_{status}"
    assert aws.lake().head(layout.failed_request(job_id)) is not None


def test_documents_of_a_cancelled_job_say_so_though_the_ending_names_no_error() -> None:
    job_id, entry_id = running_ingestion()
    jobs.cancel(job_id, JobKind.INGEST_DOCUMENT)
    assert close_job(job_id, "ABORTED", "", "")
    assert jobs.get(job_id).status is JobStatus.CANCELLED
    (version,) = entries.versions(entry_id)
    assert (version["status"], version["error_code"]) == ("FAILED", "JOB_CANCELLED")


def test_the_error_of_the_execution_is_kept() -> None:
    job_id = running_answer()
    close_job(job_id, "FAILED", "StageFailed", json.dumps({"errorMessage": str(StageFailed("The lake is gone."))}))
    error = jobs.get(job_id).error
    assert error is not None
    assert (error.code, error.message) == ("STAGE_FAILED", "The lake is gone.")


def test_a_job_that_has_ended_is_left_as_it_is() -> None:
    job_id, entry_id = running_ingestion()
    publish_entries(job_id)
    before = jobs.get(job_id)
    assert not close_job(job_id, "FAILED", "States.Timeout", "")
    assert jobs.get(job_id) == before
    assert [item["status"] for item in entries.versions(entry_id)] == ["COMPLETED"]


def test_the_same_ending_told_again_changes_nothing() -> None:
    job_id = running_answer()
    assert close_job(job_id, "TIMED_OUT", "", "")
    before = jobs.get(job_id)
    assert not close_job(job_id, "ABORTED", "", "")
    assert jobs.get(job_id) == before


def test_an_execution_that_is_no_job_is_left_alone() -> None:
    assert not close_job("compact-answer-docs-1", "FAILED", "StageFailed", "")


def test_a_record_of_an_earlier_version_goes_on() -> None:
    job_id = running_answer()
    assert aws.table("jobs_table").update({"job_id": job_id}, "SET chunks = :one REMOVE entered, progress", {":one": 1})
    assert jobs.enter(job_id, JobKind.ANSWER_REQUEST, "Retrieve", retrievers=2)
    item = aws.table("jobs_table").get({"job_id": job_id})
    assert item is not None
    assert (list(item["entered"]), item["progress"]) == (["Retrieve"], {"retrievers": 2})
    assert not jobs.enter("nobody", JobKind.ANSWER_REQUEST, "Retrieve")
