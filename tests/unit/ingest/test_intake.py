"""From queue messages to executions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from any_queue import Queue
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from omnilake import aws, jobs, layout
from omnilake.errors import InvalidStateInput
from omnilake.ingest import intake
from omnilake.models import MAX_BATCH_DOCUMENTS, BatchManifest, JobStatus, ObjectRef

REFS = st.lists(
    st.builds(
        ObjectRef,
        bucket=st.just("landing"),
        key=st.sampled_from(["incoming/a/1", "incoming/a/2", "incoming/b/1", "incoming/loose", "incoming/A B/x"]),
        version_id=st.sampled_from([None, "v1", "v2"]),
    ),
    max_size=120,
)


def message(key: str, **detail: Any) -> dict[str, Any]:
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "landing"}, "object": {"key": key, "size": 3, "version-id": "v1", **detail}},
    }
    return {"messageId": f"m-{key}", "body": json.dumps(event)}


def body(key: str) -> str:
    return str(message(key)["body"])


def keys(records: list[dict[str, Any]]) -> list[str]:
    return [json.loads(record["body"])["detail"]["object"]["key"] for record in records]


@given(REFS)
def test_should_batch_every_object_version_exactly_once(refs: list[ObjectRef]) -> None:
    made = intake.batches(refs)
    seen = [(ref.key, ref.version_id or "") for manifest in made for ref in manifest.documents]
    assert sorted(seen) == sorted({(ref.key, ref.version_id or "") for ref in refs})
    assert all(len(manifest.documents) <= MAX_BATCH_DOCUMENTS for manifest in made)


@given(REFS, st.randoms(use_true_random=False))
def test_should_name_the_same_batch_alike_whatever_the_order(refs: list[ObjectRef], random: Any) -> None:
    shuffled = refs[:]
    random.shuffle(shuffled)
    assert [each.job_id for each in intake.batches(refs)] == [each.job_id for each in intake.batches(shuffled)]


@pytest.mark.parametrize("body", ["", "no json", "[]", "{}", '{"source": "aws.s3", "detail": {"bucket": {}}}'])
def test_should_refuse_a_message_that_is_no_s3_event(body: str) -> None:
    with pytest.raises(InvalidStateInput):
        intake.parse_message(body)


@pytest.mark.usefixtures("stack")
class TestAccept:
    @pytest.fixture(autouse=True)
    def started(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        class StepFunctions:
            def start_execution(self, **request: Any) -> None:
                if any(request["name"] == earlier["name"] for earlier in calls):
                    raise ClientError({"Error": {"Code": "ExecutionAlreadyExists"}}, "StartExecution")
                calls.append(request)

        real = aws.client
        monkeypatch.setattr(aws, "client", lambda name: StepFunctions() if name == "stepfunctions" else real(name))
        return calls

    def test_should_start_one_execution_for_the_uploads_of_an_archive(self, started: list[dict[str, Any]]) -> None:
        assert intake.accept([message("incoming/docs/a.md"), message("incoming/docs/b.md")]) == []
        (call,) = started
        manifest = aws.lake().read_model(layout.batch_manifest(call["name"]), BatchManifest)
        assert [ref.key for ref in manifest.documents] == ["incoming/docs/a.md", "incoming/docs/b.md"]
        job = jobs.get(call["name"])
        assert (job.status, job.started_by) == (JobStatus.PENDING, "upload")
        assert json.loads(call["input"]) == {"job_id": call["name"], "archive_id": "docs"}

    def test_should_start_nothing_twice_when_a_poll_is_redelivered(self, started: list[dict[str, Any]]) -> None:
        poll = [message("incoming/docs/a.md")]
        assert intake.accept(poll) == []
        assert intake.accept(poll) == []
        assert len(started) == 1

    def test_should_send_back_a_poison_message_alone(self, started: list[dict[str, Any]], upload_queue: Queue) -> None:
        upload_queue.send("no event")
        upload_queue.send(body("incoming/docs/a.md"))
        poison, good = upload_queue.receive()
        assert intake.accept([poison, good]) == [poison["messageId"]]
        assert len(started) == 1
        upload_queue.pass_time(6)
        (again,) = upload_queue.receive()
        assert again["body"] == "no event"

    def test_should_leave_folder_markers_alone(self, started: list[dict[str, Any]]) -> None:
        assert intake.accept([message("incoming/docs/folder/", size=0)]) == []
        assert started == []

    def test_should_send_back_the_messages_of_a_batch_that_was_not_started(
        self, monkeypatch: pytest.MonkeyPatch, started: list[dict[str, Any]], upload_queue: Queue
    ) -> None:
        class Throttled:
            def start_execution(self, **request: Any) -> None:
                raise ClientError({"Error": {"Code": "ThrottlingException"}}, "StartExecution")

        for key in ("incoming/docs/a.md", "incoming/docs/b.md"):
            upload_queue.send(body(key))
        records = upload_queue.receive()
        unthrottled = aws.client
        with monkeypatch.context() as throttled:
            throttled.setattr(aws, "client", lambda name: Throttled() if name == "stepfunctions" else unthrottled(name))
            assert intake.accept(records) == [record["messageId"] for record in records]
        upload_queue.pass_time(4)
        assert upload_queue.receive() == []
        upload_queue.pass_time(2)
        again = upload_queue.receive()
        assert keys(again) == ["incoming/docs/a.md", "incoming/docs/b.md"]
        assert intake.accept(again) == []
        assert len(started) == 1

    def test_should_send_back_only_the_batches_that_were_not_started(
        self, monkeypatch: pytest.MonkeyPatch, upload_queue: Queue
    ) -> None:
        class HalfThrottled:
            def start_execution(self, **request: Any) -> None:
                if json.loads(request["input"])["archive_id"] == "docs":
                    raise ClientError({"Error": {"Code": "ThrottlingException"}}, "StartExecution")

        real = aws.client
        monkeypatch.setattr(aws, "client", lambda name: HalfThrottled() if name == "stepfunctions" else real(name))
        for key in ("incoming/wiki/a.md", "incoming/docs/b.md"):
            upload_queue.send(body(key))
        wiki, docs = upload_queue.receive()
        assert intake.accept([wiki, docs]) == [docs["messageId"]]
        assert upload_queue.count("NotVisible") == 2
        upload_queue.pass_time(6)
        assert keys(upload_queue.receive()) == ["incoming/docs/b.md"]
