"""A request becomes a job and its execution, once."""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from omnilake import aws, jobs, layout
from omnilake.answering.submission import MAX_REQUEST_BYTES, job_id_of, submit_request
from omnilake.errors import InvalidRequest, TransientError
from omnilake.models import JobKind, JobStatus
from omnilake.settings import settings

REQUEST = {"archives": ["docs"], "question": "How long does a lease last?"}


@pytest.fixture
def machine(stack: None, monkeypatch: pytest.MonkeyPatch) -> str:
    definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}}}
    arn: str = boto3.client("stepfunctions").create_state_machine(
        name="answer", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/any"
    )["stateMachineArn"]
    monkeypatch.setenv("OMNILAKE_ANSWER_MACHINE_ARN", arn)
    settings.cache_clear()
    return arn


def test_the_request_is_stored_recorded_and_started_under_the_jobs_name(machine: str) -> None:
    submitted = submit_request(REQUEST)
    assert json.loads(aws.lake().read(layout.request(submitted.job_id))) == REQUEST
    job = jobs.get(submitted.job_id)
    assert (job.kind, job.status, job.archive_id) == (JobKind.ANSWER_REQUEST, JobStatus.PENDING, "docs")
    assert job.execution_arn == submitted.execution_arn == aws.execution_arn(machine, submitted.job_id)
    execution = boto3.client("stepfunctions").describe_execution(executionArn=submitted.execution_arn)
    assert json.loads(execution["input"]) == {"job_id": submitted.job_id}


def test_the_same_request_under_the_same_key_is_one_job(machine: str) -> None:
    first, second = submit_request(REQUEST, "key"), submit_request(dict(reversed(REQUEST.items())), "key")
    assert (first.job_id, first.created) == (second.job_id, True)
    assert not second.created
    assert len(boto3.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]) == 1


def test_without_a_key_every_submission_is_its_own_job(machine: str) -> None:
    assert submit_request(REQUEST).job_id != submit_request(REQUEST).job_id


def test_another_request_under_the_same_key_is_another_job(machine: str) -> None:
    assert submit_request(REQUEST, "key").job_id != submit_request(REQUEST | {"goal": "a figure"}, "key").job_id


@pytest.mark.parametrize("request_", [None, [], "text", {"question": "x" * MAX_REQUEST_BYTES}, {"question": "\ud800"}])
def test_what_is_no_request_starts_nothing(machine: str, request_: Any) -> None:
    with pytest.raises(InvalidRequest):
        submit_request(request_)
    assert boto3.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"] == []


@pytest.mark.parametrize("request_", [{}, {"question": ""}, {"archives": [7]}, {"archives": ["Ü/..\n💥" * 50]}])
def test_a_request_that_can_not_be_answered_still_gets_a_job_to_say_so_on(
    machine: str, request_: dict[str, Any]
) -> None:
    submitted = submit_request(request_)
    assert re.fullmatch(r"answer-[a-z0-9_-]{1,40}-[0-9a-f]{32}", submitted.job_id)
    assert jobs.get(submitted.job_id).status == JobStatus.PENDING


def test_a_job_id_is_never_longer_than_an_execution_name() -> None:
    assert len(job_id_of("a" * 200, b"{}", "key")) == 80


def test_an_alias_leads_to_the_executions_of_its_machine() -> None:
    alias = "arn:aws:states:us-east-1:123456789012:stateMachine:answer:live"
    assert aws.execution_arn(alias, "job") == "arn:aws:states:us-east-1:123456789012:execution:answer:job"


@pytest.mark.parametrize(("key", "status"), [(None, JobStatus.FAILED), ("key", JobStatus.PENDING)])
def test_a_job_that_could_not_be_started_stays_open_only_for_whoever_can_submit_it_again(
    machine: str, monkeypatch: pytest.MonkeyPatch, key: str | None, status: JobStatus
) -> None:
    def throttled(**_: object) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "StartExecution")

    with monkeypatch.context() as patched:
        patched.setattr(aws.client("stepfunctions"), "start_execution", throttled)
        with pytest.raises(TransientError, match="ThrottlingException"):
            submit_request(REQUEST, key)
    found = [job.job_id for job in jobs.find(JobKind.ANSWER_REQUEST, status)]
    assert len(found) == 1
    if key:
        assert submit_request(REQUEST, key).job_id == found[0]
