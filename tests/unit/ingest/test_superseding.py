"""The newest completed version of an entry is what is searched, whichever was completed last."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from any_ingest import LANDING, any_archive, any_batch, any_report, uploaded
from any_queue import Queue

from omnilake import aws, entries, jobs
from omnilake.embedding.report import RejectedEntry
from omnilake.ingest import landing, stages
from omnilake.ingest.failure import record_failure
from omnilake.ingest.publish import publish_entries
from omnilake.ingest.register import register_documents
from omnilake.models import BatchDocument, ErrorRecord, JobStatus

pytestmark = pytest.mark.usefixtures("stack")


@pytest.fixture(autouse=True)
def _archive(stack: None) -> None:
    any_archive()


def on_its_way(data: bytes, name: str = "guide.md") -> tuple[str, BatchDocument]:
    """(job id, document) of an upload that is registered and has chunks."""
    job_id = any_batch(uploaded(f"incoming/docs/{name}", data))
    register_documents(job_id)
    batch = stages.read(job_id, stages.REGISTERED)
    (document,) = (each.model_copy(update={"chunks": 3}) for each in batch.documents)
    stages.write(batch.model_copy(update={"documents": [document], "chunks": 3, "embed_batches": 1}), stages.CHUNKED)
    any_report(job_id)
    return job_id, document


def purged(queue: Queue) -> list[tuple[str, str]]:
    """(entry id, version) of all rows that the committer was asked to remove since the last look, in order."""
    messages: list[dict[str, Any]] = []
    while records := queue.receive():
        messages += [json.loads(record["body"]) for record in records]
        queue.delete(records)
    assert all("task_token" not in message and message["archive_id"] == "docs" for message in messages)
    return [(each["entry_id"], each["version"]) for message in messages for each in message["purge"]]


def statuses(document: BatchDocument) -> list[str]:
    """Of all versions of the document's entry, the oldest first."""
    return [item["status"] for item in entries.versions(document.entry_id)][::-1]


def test_a_document_that_could_not_be_embedded_fails_and_its_cost_is_told() -> None:
    job_id, document = on_its_way(b"one")
    error = ErrorRecord(code="EMBEDDING_REJECTED", message="Chunk 0: A vector has length zero.")
    any_report(job_id, 0, RejectedEntry(entry_id=document.entry_id, version=document.version, error=error))
    assert publish_entries(job_id).error_code == "EMBEDDING_REJECTED"
    assert statuses(document) == ["FAILED"]
    assert entries.versions(document.entry_id)[0]["error_message"] == error.message
    assert jobs.get(job_id).progress["embedding_tokens"] == 20
    assert jobs.get(job_id).progress["embedding_microdollars"] == 500_000


def test_a_first_version_purges_nothing(index_queue: Queue) -> None:
    job_id, document = on_its_way(b"one")
    publish_entries(job_id)
    assert purged(index_queue) == []
    assert statuses(document) == ["COMPLETED"]


def test_older_versions_are_purged_and_marked(index_queue: Queue) -> None:
    first_job, first = on_its_way(b"one")
    publish_entries(first_job)
    second_job, second = on_its_way(b"two")
    assert (first.entry_id, statuses(first)) == (second.entry_id, ["COMPLETED", "PENDING"])
    assert purged(index_queue) == []
    publish_entries(second_job)
    assert purged(index_queue) == [(first.entry_id, first.version)]
    assert statuses(first) == ["SUPERSEDED", "COMPLETED"]
    assert jobs.get(second_job).progress["completed"] == 1


def test_the_purge_waits_behind_what_is_being_written_to_the_same_store(index_queue: Queue) -> None:
    for data in (b"one", b"two"):
        publish_entries(on_its_way(data)[0])
    answer = aws.client("sqs").receive_message(QueueUrl=index_queue.url, MessageSystemAttributeNames=["MessageGroupId"])
    assert [each["Attributes"]["MessageGroupId"] for each in answer["Messages"]] == ["docs-store"]


def test_an_older_version_that_is_completed_late_purges_itself(index_queue: Queue) -> None:
    first_job, first = on_its_way(b"one")
    second_job, _ = on_its_way(b"two")
    publish_entries(second_job)
    assert purged(index_queue) == []
    publish_entries(first_job)
    assert purged(index_queue) == [(first.entry_id, first.version)]
    assert statuses(first) == ["SUPERSEDED", "COMPLETED"]
    assert jobs.get(first_job).status is JobStatus.COMPLETED


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_three_versions_leave_the_newest_in_any_order(index_queue: Queue, order: tuple[int, ...]) -> None:
    on_the_way = [on_its_way(data) for data in (b"one", b"two", b"three")]
    for each in order:
        publish_entries(on_the_way[each][0])
    document = on_the_way[0][1]
    assert sorted(purged(index_queue)) == sorted((each.entry_id, each.version) for _, each in on_the_way[:2])
    assert statuses(document) == ["SUPERSEDED", "SUPERSEDED", "COMPLETED"]


def test_publishing_again_sends_nothing_new(index_queue: Queue) -> None:
    publish_entries(on_its_way(b"one")[0])
    job_id, document = on_its_way(b"two")
    publish_entries(job_id)
    assert len(purged(index_queue)) == 1
    publish_entries(job_id)
    assert purged(index_queue) == []
    assert statuses(document) == ["SUPERSEDED", "COMPLETED"]


def test_publishing_a_superseded_version_again_does_not_bring_it_back(index_queue: Queue) -> None:
    first_job, first = on_its_way(b"one")
    publish_entries(first_job)
    publish_entries(on_its_way(b"two")[0])
    publish_entries(first_job)
    assert statuses(first) == ["SUPERSEDED", "COMPLETED"]
    assert set(purged(index_queue)) == {(first.entry_id, first.version)}


def test_a_publication_that_stopped_halfway_is_finished_by_its_retry(
    index_queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_job, first = on_its_way(b"one")
    publish_entries(first_job)
    second_job, _ = on_its_way(b"two")
    with monkeypatch.context() as killed:
        killed.setattr(landing, "move", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            publish_entries(second_job)
    publish_entries(second_job)
    assert purged(index_queue) == [(first.entry_id, first.version)]
    assert statuses(first) == ["SUPERSEDED", "COMPLETED"]
    assert sorted(aws.ObjectStore(LANDING).keys("incoming/")) == []


def test_a_newer_version_that_fails_leaves_the_older_one_as_it_is(index_queue: Queue) -> None:
    first_job, first = on_its_way(b"one")
    publish_entries(first_job)
    second_job, second = on_its_way(b"two")
    record_failure(second_job, "States.Timeout", "")
    assert purged(index_queue) == [(second.entry_id, second.version)]
    assert statuses(first) == ["COMPLETED", "FAILED"]


def test_a_failed_version_is_not_what_later_ones_supersede(index_queue: Queue) -> None:
    first_job, first = on_its_way(b"one")
    publish_entries(first_job)
    second_job, _ = on_its_way(b"two")
    record_failure(second_job, "States.Timeout", "")
    purged(index_queue)
    publish_entries(on_its_way(b"three")[0])
    assert purged(index_queue) == [(first.entry_id, first.version)]
    assert statuses(first) == ["SUPERSEDED", "FAILED", "COMPLETED"]


def test_other_entries_are_left_alone(index_queue: Queue) -> None:
    other_job, other = on_its_way(b"other", "other.md")
    publish_entries(other_job)
    for data in (b"one", b"two"):
        publish_entries(on_its_way(data)[0])
    assert other.entry_id not in {entry_id for entry_id, _ in purged(index_queue)}
    assert statuses(other) == ["COMPLETED"]
