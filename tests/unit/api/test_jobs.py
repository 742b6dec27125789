"""Routes of jobs: who sees which, in order and page by page; cancelling, retrying, redriving."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import any_call
import pytest
from any_stored import MARA, NOAH, stored_archive

from omnilake import aws, clock, executions, jobs, layout
from omnilake.api import jobs as routes
from omnilake.api import rpc_jobs
from omnilake.connectors.protocol import Problem
from omnilake.job_events import events_of
from omnilake.models import ErrorRecord, JobKind, JobStatus
from omnilake.syncing.parts import Counts, Manifest

Send = Callable[..., Any]
AS_NOAH = {"who": any_call.NOAH}
AS_ROOT = {"who": any_call.ROOT}
ARN = "arn:aws:states:us-east-1:123456789012:execution:m:j"


@pytest.fixture
def send(api: Callable[..., Send]) -> Send:
    return api(routes.router, rpc_jobs.router)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Functions that were called."""
    seen: list[tuple[str, dict[str, Any]]] = []

    def call(setting: str, event: dict[str, Any]) -> Any:
        seen.append((setting, event))
        jobs.create("job-again", JobKind.INGEST_COLLECTION, "maras-own", started_by=MARA)
        return {"job_id": "job-again", "execution_arn": ARN}

    monkeypatch.setattr(routes, "call", call)
    return seen


def made(job_id: str, archive_id: str = "maras-own", kind: JobKind = JobKind.INGEST_DOCUMENT, **more: Any) -> None:
    assert jobs.create(job_id, kind, archive_id, ARN, **more)


def aged(job_id: str, created_at: str) -> None:
    """Let a job be of another day."""
    table = aws.table("jobs_table")
    item = table.get({"job_id": job_id})
    assert item is not None
    table.put(item | {"created_at": created_at, "created_month": created_at[:7]})


def test_a_list_holds_what_the_caller_may_see_newest_first(send: Send) -> None:
    stored_archive("maras-own")
    stored_archive("shared", read=[NOAH])
    for number in range(3):
        made(f"job-{number}")
    made("job-shared", "shared")
    made("job-both", "shared", archives=["shared", "maras-own"])
    made("job-gone", "deleted-since", started_by=NOAH)
    assert [each["job_id"] for each in send("GET", "/v1/jobs", **AS_NOAH).json["items"]] == ["job-gone", "job-shared"]
    mine = [each["job_id"] for each in send("GET", "/v1/jobs").json["items"]]
    assert sorted(mine) == ["job-0", "job-1", "job-2", "job-both", "job-shared"]
    assert len(send("GET", "/v1/jobs", **AS_ROOT).json["items"]) == 6


def test_pages_hold_every_job_once_over_days(send: Send) -> None:
    stored_archive("maras-own")
    days = [clock.now()[:10]] * 3
    for number in range(7):
        made(f"job-{number}")
        if number > 2:
            aged(f"job-{number}", f"{days[0][:8]}01T00:00:0{number}.000Z")
    seen: list[str] = []
    path = "/v1/jobs?limit=2"
    while path:
        answered = send("GET", path).json
        seen += [each["job_id"] for each in answered["items"]]
        path = any_call.query("/v1/jobs", limit=2, cursor=answered["next_cursor"]) if answered["next_cursor"] else ""
    assert len(seen) == len(set(seen)) == 7
    assert seen[3:] == ["job-6", "job-5", "job-4", "job-3"]


def test_filters_are_by_kind_status_archive_and_time(send: Send) -> None:
    stored_archive("maras-own")
    stored_archive("other-one")
    made("job-a")
    made("job-b", kind=JobKind.ANSWER_REQUEST)
    made("job-c", "other-one")
    jobs.complete("job-b", JobKind.ANSWER_REQUEST, "Publish Answer", cost_usd=0.00125)
    aged("job-c", clock.now()[:8] + "01T00:00:00.000Z")

    def ids(**filters: str) -> list[str]:
        return [each["job_id"] for each in send("GET", any_call.query("/v1/jobs", **filters)).json["items"]]

    assert ids(kind="answer_request") == ids(status="COMPLETED") == ["job-b"]
    assert ids(archive_id="other-one") == ["job-c"]
    assert ids(until=clock.now()[:8] + "01") == ["job-c"]
    assert "job-c" not in ids(since=clock.now()[:10]) or clock.now()[8:10] == "01"
    assert jobs.get("job-b").cost_usd == 0.00125


@pytest.mark.parametrize("query", ["kind=x", "status=x", "since=now", "until=2026-13-01", "limit=101", "x=1"])
def test_filters_that_do_not_fit_are_refused(send: Send, query: str) -> None:
    assert send("GET", f"/v1/jobs?{query}").status == 422


def test_a_job_of_others_looks_as_if_it_were_not_there(send: Send) -> None:
    stored_archive("maras-own")
    made("job-a")
    stranger = send("GET", "/v1/jobs/job-a", **AS_NOAH)
    assert (stranger.status, stranger.json["code"]) == (404, "JOB_NOT_FOUND")
    for method, path in [("GET", "/events"), ("GET", "/items"), ("POST", "/cancel"), ("POST", "/retry")]:
        assert send(method, f"/v1/jobs/job-a{path}", **AS_NOAH).status == 404
    assert send("POST", "/describe_job", {"job_id": "job-a"}, **AS_NOAH).status == 404
    assert send("POST", "/describe_job", {"job_id": "job-a", "job_type": "x"}).json["job_id"] == "job-a"


def test_a_tenants_caller_sees_its_tenants_jobs_only(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    from omnilake.settings import settings

    monkeypatch.setenv("OMNILAKE_TENANT_CLAIM", "org")
    settings.cache_clear()
    stored_archive("shared", read=["*"])
    made("job-north", "shared", tenant="north")
    made("job-south", "shared", tenant="south")
    north: dict[str, Any] = {"claims": {"sub": "s", "org": "north"}}
    assert [each["job_id"] for each in send("GET", "/v1/jobs", **north).json["items"]] == ["job-north"]
    assert send("GET", "/v1/jobs/job-south", **north).status == 404


def test_events_are_in_order_and_go_on_after_the_last_one(send: Send) -> None:
    stored_archive("maras-own")
    made("job-a")
    jobs.enter("job-a", JobKind.INGEST_DOCUMENT, "Extract Text", documents=2)
    first = send("GET", "/v1/jobs/job-a/events").json["items"]
    assert [each["kind"] for each in first] == ["created", "state", "counts"]
    jobs.fail(
        "job-a",
        JobKind.INGEST_DOCUMENT,
        "Extract Text",
        ErrorRecord(code="DOCUMENT_EMPTY", message="m"),
        outcomes=[{"name": "a.txt", "status": "FAILED", "error": {"code": "DOCUMENT_EMPTY", "message": "m"}}],
    )
    after = max(each["sequence"] for each in first)
    rest = send("GET", any_call.query("/v1/jobs/job-a/events", after=after)).json["items"]
    assert [each["kind"] for each in rest][-2:] == ["item", "ended"]
    numbers = [each.sequence for each in events_of(jobs.get("job-a"))]
    assert numbers == sorted(set(numbers))
    items = send("GET", "/v1/jobs/job-a/items?status=FAILED").json["items"]
    assert [(each["name"], each["error"]["code"]) for each in items] == [("a.txt", "DOCUMENT_EMPTY")]


@pytest.mark.usefixtures("send")
def test_nothing_comes_after_the_end_of_a_job_however_the_clock_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    made("job-a")
    ticks = itertools.count()
    monkeypatch.setattr(jobs, "now", lambda: f"2101-01-01T00:00:00.{next(ticks):03d}Z")
    jobs.enter("job-a", JobKind.INGEST_DOCUMENT, "Extract Text", documents=2)
    jobs.complete("job-a", JobKind.INGEST_DOCUMENT, "Publish Entries", completed=2)
    assert [each.kind for each in events_of(jobs.get("job-a"))][-3:] == ["state", "counts", "ended"]


def test_a_state_that_is_entered_again_is_an_event_after_those_that_were_seen(send: Send) -> None:
    stored_archive("maras-own")
    made("job-a", kind=JobKind.REMOVE_ENTRIES)
    seen: list[tuple[str, int]] = []
    for state in ("Erase Rows", "Prove Absence", "Erase Rows", "Erase Rows", "Prove Absence"):
        jobs.enter("job-a", JobKind.REMOVE_ENTRIES, state)
        after = max((number for _, number in seen), default=0)
        told = send("GET", any_call.query("/v1/jobs/job-a/events", after=after)).json["items"]
        new = [(each["state"], each["sequence"]) for each in told if each["kind"] == "state"]
        assert [name for name, _ in new] == [state]
        seen += new
    numbers = [each.sequence for each in events_of(jobs.get("job-a")) if each.kind == "state"]
    assert numbers == [number for _, number in seen] == sorted(set(numbers))


def test_items_of_a_sync_are_what_it_left_out(send: Send) -> None:
    stored_archive("maras-own")
    made("sync-1", kind=JobKind.SYNC_SOURCE)
    assert send("GET", "/v1/jobs/sync-1/items").json["items"] == []
    problems = [Problem(item=f"C1/{number}", reason="It has no text.") for number in range(3)]
    manifest = Manifest(
        job_id="sync-1",
        source_id="s1",
        source_type="slack",
        archive_id="maras-own",
        started_at=clock.now(),
        complete=True,
        counts=Counts(malformed=3),
        batches=[],
        problems_key=aws.lake().write_models(layout.connector_problems("s1", "sync-1"), problems),
    )
    key = aws.lake().write_model(layout.connector_manifest("s1", "sync-1"), manifest)
    jobs.complete("sync-1", JobKind.SYNC_SOURCE, "Advance Cursor", result_key=key)
    first = send("GET", "/v1/jobs/sync-1/items?status=FAILED&limit=2").json
    told = [(each["name"], each["error"]["code"], each["error"]["message"]) for each in first["items"]]
    assert told == [(f"C1/{number}", "RECORD_INVALID", "It has no text.") for number in range(2)]
    rest = send("GET", any_call.query("/v1/jobs/sync-1/items", status="FAILED", cursor=first["next_cursor"])).json
    assert [each["name"] for each in rest["items"]] == ["C1/2"]


def test_a_job_is_cancelled_once(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    stored_archive("maras-own", read=[NOAH])
    made("job-a")
    stopped: list[Any] = []
    monkeypatch.setattr(executions, "stop", lambda *told: stopped.append(told))
    assert send("POST", "/v1/jobs/job-a/cancel", **AS_NOAH).status == 403
    answered = send("POST", "/v1/jobs/job-a/cancel")
    assert (answered.status, answered.json["status"]) == (200, "CANCELLED")
    assert stopped == [(ARN, "JobCancelled", "The job was cancelled.")]
    again = send("POST", "/v1/jobs/job-a/cancel")
    assert (again.status, again.json["code"]) == (409, "JOB_ENDED")
    assert not jobs.complete("job-a", JobKind.INGEST_DOCUMENT, "late")


def test_who_started_a_question_may_cancel_it_though_they_only_read(
    send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_archive("maras-own", read=[NOAH])
    made("job-a", kind=JobKind.ANSWER_REQUEST, started_by=NOAH)
    monkeypatch.setattr(executions, "stop", lambda *_: None)
    assert send("POST", "/v1/jobs/job-a/cancel", **AS_NOAH).json["status"] == "CANCELLED"


def test_what_failed_is_done_again(send: Send, calls: list[tuple[str, dict[str, Any]]]) -> None:
    stored_archive("maras-own")
    made("job-a")
    assert send("POST", "/v1/jobs/job-a/retry").json["code"] == "JOB_ENDED"
    jobs.fail("job-a", JobKind.INGEST_DOCUMENT, "x", ErrorRecord(code="X", message="m"))
    answered = send("POST", "/v1/jobs/job-a/retry", headers={"idempotency-key": "k"})
    assert (answered.status, answered.json["job_id"]) == (202, "job-again")
    assert answered.headers["location"] == "/v1/jobs/job-again"
    event = {"retry": "job-a", "started_by": MARA, "idempotency_key": f"{MARA}#k"}
    assert calls == [("start_collection_function_arn", event)]


def test_a_job_of_which_nothing_failed_is_not_done_again(send: Send, calls: list[tuple[str, dict[str, Any]]]) -> None:
    stored_archive("maras-own")
    for job_id, failed in (("job-a", 0), ("job-b", 1)):
        made(job_id)
        jobs.complete(job_id, JobKind.INGEST_DOCUMENT, "x", completed=2, failed=failed)
    refused = send("POST", "/v1/jobs/job-a/retry")
    assert (refused.status, refused.json["code"]) == (409, "JOB_ENDED")
    assert "Nothing of the job failed" in refused.json["detail"]
    assert calls == []
    assert send("POST", "/v1/jobs/job-b/retry").status == 202


@pytest.mark.parametrize("kind", [JobKind.INGEST_COLLECTION, JobKind.REINDEX_ARCHIVE, JobKind.REMOVE_ENTRIES])
def test_only_what_goes_on_where_it_ended_is_redriven(
    kind: JobKind, send: Send, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    stored_archive("maras-own")
    made("job-a")
    made("job-c", kind=kind)
    assert send("POST", "/v1/jobs/job-a/redrive").status == 409
    assert send("POST", "/v1/jobs/job-c/redrive").status == 409
    jobs.fail("job-c", kind, "x", ErrorRecord(code="X", message="m"))
    assert send("POST", "/v1/jobs/job-c/redrive").status == 202
    assert calls == [("redrive_collection_function_arn", {"job_id": "job-c"})]


def test_the_deletion_of_an_archive_is_redriven_by_those_who_may_delete_it(
    send: Send, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    stored_archive("maras-own", write=[NOAH])
    made("delete-1", kind=JobKind.REMOVE_ENTRIES, started_by=MARA)
    jobs.fail("delete-1", JobKind.REMOVE_ENTRIES, "x", ErrorRecord(code="X", message="m"))
    assert send("POST", "/v1/jobs/delete-1/redrive", **AS_NOAH).status == 403
    assert calls == []
    assert send("POST", "/v1/jobs/delete-1/redrive").status == 202
    aws.table("archives_table").delete({"archive_id": "maras-own"})  # it had gone before the job failed
    assert send("POST", "/v1/jobs/delete-1/redrive").status == 202


@pytest.mark.parametrize(("prefer", "status"), [("wait=0", 202), ("wait=1", 202), ("wait=x", 422), ("other", 202)])
def test_a_wait_is_a_number_of_seconds(
    send: Send, calls: list[tuple[str, dict[str, Any]]], prefer: str, status: int
) -> None:
    stored_archive("maras-own")
    made("job-c", kind=JobKind.INGEST_COLLECTION)
    jobs.fail("job-c", JobKind.INGEST_COLLECTION, "x", ErrorRecord(code="X", message="m"))
    answered = send("POST", "/v1/jobs/job-c/retry", headers={"prefer": prefer})
    assert answered.status == status
    assert answered.headers.get("preference-applied", "") == ("wait=1" if prefer == "wait=1" else "")


def test_a_job_that_has_ended_is_answered_at_once(send: Send, calls: list[tuple[str, dict[str, Any]]]) -> None:
    stored_archive("maras-own")
    made("job-c", kind=JobKind.INGEST_COLLECTION)
    jobs.fail("job-c", JobKind.INGEST_COLLECTION, "x", ErrorRecord(code="X", message="m"))
    made("job-again", kind=JobKind.INGEST_COLLECTION)
    jobs.complete("job-again", JobKind.INGEST_COLLECTION, "x")
    answered = send("POST", "/v1/jobs/job-c/retry", headers={"prefer": "wait=5"})
    assert (answered.status, answered.json["status"]) == (200, JobStatus.COMPLETED.value)
