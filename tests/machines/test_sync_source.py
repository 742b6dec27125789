"""``sync_source`` against a vendor's API on a real socket: everything once, whatever dies on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from embedded_cloud import Cloud, entered, unique, wait_for
from gitlab_service import PROJECT, TOKEN, Project, gitlab
from machines import faults
from vendor_server import Reply, Vendor

from omnilake import aws
from omnilake.models import Job, JobStatus, Source, SourceStatus


@pytest.fixture
def project() -> Project:
    made = Project()
    made.most = 2
    made.put(1, "Night ferry", "2026-06-01T10:00:00Z", description="The night ferry to Selmere leaves from pier seven.")
    made.put(2, "Fog signal", "2026-06-01T10:01:00Z", description="The fog signal sounds twice a minute.")
    made.put(3, "Ice watch", "2026-06-01T10:02:00Z", description="The ice watch begins in December.")
    return made


@pytest.fixture
def api(project: Project) -> Iterator[Vendor]:
    with gitlab(project) as running:
        yield running


@pytest.fixture
def source(cloud: Cloud, api: Vendor) -> Source:
    name = unique("omnilake/sources/")
    aws.client("secretsmanager").create_secret(Name=name, SecretString=TOKEN)
    config = {"base_url": api.url, "project": PROJECT, "list_every": 1, "merge_requests": False}
    return cloud.deployment.put_source(cloud.archive(), "gitlab", config, name, schedule="")


def synced(cloud: Cloud, source: Source, full: bool = False) -> Job:
    start = cloud.deployment.sync(source.source_id, full)
    assert start.started, start.reason
    return cloud.deployment.wait(start.job_id, timeout_s=180)


def told(cloud: Cloud, source: Source) -> str:
    """What an answer on the night ferry cites."""
    _, answer = cloud.ask(source.archive_id, "From which pier does the night ferry leave?")
    assert cloud.misquotes(answer) == []
    return " ".join(citation.quote for citation in answer.citations)


def texts(cloud: Cloud, source: Source) -> list[str]:
    """What is searchable, chunk by chunk."""
    wait_for(lambda: not cloud.waiting("IndexQueue"), "purges done")
    return sorted(row["text"] for row in cloud.rows(source.archive_id))


def test_what_is_new_changed_and_gone_comes_into_the_archive_once(
    cloud: Cloud, source: Source, project: Project
) -> None:
    job = synced(cloud, source)
    assert job.error is None
    assert (job.progress["records"], len(texts(cloud, source))) == (3, 3)
    assert "pier seven" in told(cloud, source)

    assert synced(cloud, source).progress["records"] == 0
    assert len(texts(cloud, source)) == 3

    project.put(1, "Night ferry", "2026-06-02T10:00:00Z", description="The night ferry leaves from pier nine.")
    project.remove(2)
    job = synced(cloud, source)
    assert (job.progress["records"], job.progress["deleted"]) == (2, 1)
    wait_for(lambda: len(texts(cloud, source)) == 2, "two documents")
    found = texts(cloud, source)
    assert any("pier nine" in text for text in found)
    assert not any("pier seven" in text or "fog signal" in text for text in found)
    assert "pier nine" in told(cloud, source)


def test_a_rate_limit_is_waited_for_by_the_machine(cloud: Cloud, source: Source, api: Vendor) -> None:
    limited = Reply({}, 429, {"Retry-After": "1"})
    api.faults += [limited, Reply({"id": 7}), limited]
    job = synced(cloud, source)
    assert job.status is JobStatus.COMPLETED
    states = entered(cloud.history(job.execution_arn))
    assert (states.count("Wait To Plan"), states.count("Wait To Fetch")) == (1, 1)
    assert len(texts(cloud, source)) == 3


def test_a_fetch_that_is_killed_goes_on_and_a_second_sync_meanwhile_does_nothing(cloud: Cloud, source: Source) -> None:
    with faults.hanging(cloud, "FetchPagesFunction"):
        start = cloud.deployment.sync(source.source_id)
        cloud.in_state(lambda: [cloud.deployment.job(start.job_id)], "Fetch Pages")
        second = cloud.deployment.sync(source.source_id)
        assert (second.started, second.job_id) == (False, start.job_id)
        assert faults.kill(cloud, "FetchPagesFunction")
    job = cloud.deployment.wait(start.job_id, timeout_s=180)
    assert job.status is JobStatus.COMPLETED
    assert len(texts(cloud, source)) == 3


def test_an_expired_token_fails_the_sync_with_its_reason_and_frees_the_source(
    cloud: Cloud, source: Source, project: Project
) -> None:
    aws.client("secretsmanager").put_secret_value(SecretId=source.secret_name, SecretString="expired")
    job = synced(cloud, source)
    assert job.error is not None
    assert (job.status, job.error.code, job.state) == (JobStatus.FAILED, "SOURCE_REJECTED", "Plan Sync")
    assert "invalid, expired or revoked" in job.error.message
    assert cloud.deployment.source(source.source_id).status is SourceStatus.FAILED
    aws.client("secretsmanager").put_secret_value(SecretId=source.secret_name, SecretString=TOKEN)
    assert synced(cloud, source).progress["records"] == 3
    assert cloud.deployment.source(source.source_id).status is SourceStatus.IDLE


def test_records_that_ingestion_rejects_do_not_hold_the_cursor_up(
    cloud: Cloud, source: Source, project: Project
) -> None:
    assert synced(cloud, source).progress["records"] == 3
    project.wiki["bell\u0007"] = "A name with a control character."
    job = synced(cloud, source)
    assert job.status is JobStatus.COMPLETED
    assert "Records Only Rejected?" in entered(cloud.history(job.execution_arn))
    assert synced(cloud, source).progress["records"] == 0


def test_a_sync_that_a_person_stops_is_closed_and_the_next_one_reads_everything(cloud: Cloud, source: Source) -> None:
    with faults.hanging(cloud, "FetchPagesFunction"):
        start = cloud.deployment.sync(source.source_id)
        job = cloud.in_state(lambda: [cloud.deployment.job(start.job_id)], "Fetch Pages")
        aws.client("stepfunctions").stop_execution(executionArn=job.execution_arn)
        job = cloud.deployment.wait(start.job_id, timeout_s=60)
    assert job.error is not None
    assert job.error.code == "EXECUTION_ABORTED"
    assert synced(cloud, source).progress["records"] == 3


def test_a_schedule_starts_syncs_and_goes_with_its_source(cloud: Cloud, source: Source) -> None:
    deployment, scheduler = cloud.deployment, aws.client("scheduler")
    made = deployment.put_source(
        source.archive_id, "gitlab", dict(source.config), source.secret_name, schedule="rate(6 hours)"
    )
    assert made.source_id == source.source_id
    group = cloud.resources["SyncSchedules"]
    schedule = scheduler.get_schedule(Name=made.source_id, GroupName=group)
    assert schedule["ScheduleExpression"] == "rate(6 hours)"
    soon = {"ScheduleExpression": at(2), "FlexibleTimeWindow": {"Mode": "OFF"}}
    scheduler.update_schedule(Name=made.source_id, GroupName=group, Target=schedule["Target"], **soon)
    wait_for(lambda: deployment.source(made.source_id).last_job_id, "a sync that a schedule started")
    job = deployment.wait(deployment.source(made.source_id).last_job_id)
    assert (job.status, job.progress["records"]) == (JobStatus.COMPLETED, 3)

    deployment.delete_source(made.source_id)
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name=made.source_id, GroupName=group)


def at(seconds: float) -> str:
    """The expression of a schedule for so many seconds from now."""
    return f"at({datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S})"
