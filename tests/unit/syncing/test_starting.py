"""Start Sync: one sync of a source at a time, and none that is forgotten."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from omnilake import aws, jobs, sources
from omnilake.errors import SourceNotFound, TransientError
from omnilake.models import ErrorRecord, JobKind, JobStatus, Source, SourceStatus
from omnilake.syncing.failure import record_failure
from omnilake.syncing.starting import job_id_of, start_sync


class Executions:
    """Step Functions as far as it starts executions: the same name starts once."""

    def __init__(self) -> None:
        self.started: dict[str, dict[str, Any]] = {}
        self.broken = False

    def start_execution(self, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:  # noqa: N803
        if self.broken:
            raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, "StartExecution")
        if name in self.started:
            raise ClientError({"Error": {"Code": "ExecutionAlreadyExists"}}, "StartExecution")
        self.started[name] = json.loads(input)
        return {"executionArn": name}


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Executions:
    machines = Executions()
    real = aws.client
    monkeypatch.setattr(aws, "client", lambda name: machines if name == "stepfunctions" else real(name))
    return machines


def test_should_start_one_sync_and_say_so(source: Source, running: Executions) -> None:
    start = start_sync(source.source_id, "2026-06-01T00:00:00Z", full=True)
    assert start.started
    assert running.started == {start.job_id: {"job_id": start.job_id, "source_id": source.source_id, "full": True}}
    job = jobs.get(start.job_id)
    assert (job.kind, job.status, job.source_id) == (JobKind.SYNC_SOURCE, JobStatus.PENDING, source.source_id)
    held = sources.get(source.source_id)
    assert (held.status, held.active_job_id) == (SourceStatus.SYNCING, start.job_id)


@pytest.mark.parametrize(
    ("occasion", "principal", "told"),
    [("2026-06-01", "", "schedule"), ("2026-06-01", "iam:mara", "iam:mara"), ("", "iam:mara", "iam:mara")],
)
def test_should_say_who_or_what_started_it(
    source: Source, running: Executions, occasion: str, principal: str, told: str
) -> None:
    assert jobs.get(start_sync(source.source_id, occasion, started_by=principal).job_id).started_by == told


def test_should_do_nothing_while_a_sync_runs_and_name_it(source: Source, running: Executions) -> None:
    first = start_sync(source.source_id, "one")
    jobs.enter(first.job_id, JobKind.SYNC_SOURCE, "Fetch Pages")
    second = start_sync(source.source_id, "two")
    assert (second.started, second.job_id) == (False, first.job_id)
    assert "runs already" in second.reason
    assert list(running.started) == [first.job_id]


def test_should_start_an_occasion_once_however_often_it_is_delivered(source: Source, running: Executions) -> None:
    first = start_sync(source.source_id, "one")
    assert start_sync(source.source_id, "one").job_id == first.job_id
    jobs.complete(first.job_id, JobKind.SYNC_SOURCE, "Advance Cursor")
    sources.release(source.source_id, first.job_id)
    again = start_sync(source.source_id, "one")
    assert (again.started, again.job_id) == (False, first.job_id)
    assert list(running.started) == [first.job_id]
    assert start_sync(source.source_id, "two").started


def test_should_take_a_source_over_from_a_sync_that_ended_without_letting_it_go(
    source: Source, running: Executions
) -> None:
    first = start_sync(source.source_id, "one")
    jobs.fail(first.job_id, JobKind.SYNC_SOURCE, "", ErrorRecord(code="X", message="x"))
    assert start_sync(source.source_id, "two").started


def test_should_start_what_a_dead_start_left_behind(source: Source, running: Executions) -> None:
    left = job_id_of(source.source_id, "one")
    assert sources.claim(source.source_id, left) == left  # and then it died
    second = start_sync(source.source_id, "two")
    assert (second.started, second.job_id) == (False, left)
    assert list(running.started) == [left]


def test_should_tell_that_an_execution_could_not_be_started_and_go_on_when_called_again(
    source: Source, running: Executions
) -> None:
    running.broken = True
    with pytest.raises(TransientError):
        start_sync(source.source_id, "one")
    running.broken = False
    assert start_sync(source.source_id, "one").started


def test_should_refuse_an_unknown_source(stack: None) -> None:
    with pytest.raises(SourceNotFound):
        start_sync("sunknown")


def test_should_free_the_source_and_say_why_when_a_sync_fails(source: Source, running: Executions) -> None:
    start = start_sync(source.source_id, "one")
    cause = json.dumps({"errorMessage": "SOURCE_REJECTED: Notes does not accept the token."})
    record_failure(start.job_id, "SourceError", cause, "Fetch Pages")
    freed = sources.get(source.source_id)
    assert (freed.status, freed.active_job_id, freed.last_job_id) == (SourceStatus.FAILED, "", start.job_id)
    assert freed.error is not None
    assert (freed.error.code, freed.error.message) == ("SOURCE_REJECTED", "Notes does not accept the token.")
    assert jobs.get(start.job_id).state == "Fetch Pages"
    assert start_sync(source.source_id, "two").started
