from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from any_ingest import any_report
from any_queue import Queue
from any_store import any_chunks, any_store, vectors_for
from botocore.exceptions import ClientError

from omnilake import archives, aws, jobs, layout
from omnilake.embedding import centroid
from omnilake.embedding.report import RejectedEntry
from omnilake.errors import StageFailed, TransientError
from omnilake.insights import outcomes
from omnilake.models import Archive, Chunk, ErrorRecord, InsightsStatus, JobKind, LedgerLine, Store
from omnilake.removal.requests import DoomedVersion, RemovalPlan
from omnilake.stores import backup, erasure, indexing, table
from omnilake.stores.indexing import index_messages
from omnilake.stores.table import drop_store, open_store

Deliver = Callable[..., list[int]]


class StepFunctions:
    """Takes the answers to task tokens."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self.refuses: dict[str, str] = {}  # token → error code

    def send_task_success(self, *, taskToken: str, output: str) -> None:  # noqa: N803 (boto3's names)
        self._take(taskToken, json.loads(output))

    def send_task_failure(self, *, taskToken: str, error: str, cause: str) -> None:  # noqa: N803
        self._take(taskToken, {"error": error, "cause": json.loads(cause)})

    def _take(self, token: str, answer: dict[str, Any]) -> None:
        if token in self.refuses:
            raise ClientError({"Error": {"Code": self.refuses[token]}}, "SendTaskSuccess")
        assert token not in self.answers
        self.answers[token] = answer


@pytest.fixture
def machine(stack: None, monkeypatch: pytest.MonkeyPatch) -> StepFunctions:
    double, client = StepFunctions(), aws.client
    monkeypatch.setattr(aws, "client", lambda name: double if name == "stepfunctions" else client(name))
    return double


@pytest.fixture
def docs(machine: StepFunctions, tmp_path: Path) -> Store:
    return registered(any_store(tmp_path / "stores"))


def registered(store: Store) -> Store:
    archive = Archive(
        archive_id=store.archive_id, space=store.space, store_id=store.store_id, created_at="2026-01-01T00:00:00.000Z"
    )
    aws.table("archives_table").put(archive.model_dump(mode="json"))
    aws.table("stores_table").put(store.model_dump(mode="json"))
    return store


def staged(job_id: str, *batches: list[Chunk], archive_id: str = "docs") -> dict[str, Any]:
    """A message whose chunks and vectors lie in the lake."""
    jobs.create(job_id, JobKind.INGEST_DOCUMENT, archive_id)
    for number, chunks in enumerate(batches):
        aws.lake().write_models(layout.embed_batch(job_id, number), chunks)
        write_vectors(job_id, number, vectors_for(chunks))
        any_report(job_id, number)
    return {
        "job_id": job_id, "archive_id": archive_id, "embed_batches": len(batches), "task_token": f"token of {job_id}",
    }  # fmt: skip


def write_vectors(job_id: str, number: int, vectors: np.ndarray) -> None:
    data = io.BytesIO()
    np.save(data, vectors)
    aws.lake().write(layout.embed_vectors(job_id, number), data.getvalue())


@pytest.fixture
def deliver(index_queue: Queue) -> Deliver:
    """Put messages into the queue and have them worked off; returns the positions of those that go back."""

    def sent_and_worked_off(*messages: dict[str, Any] | str) -> list[int]:
        for message in messages:
            index_queue.send(message)
        return work_off(index_queue)

    return sent_and_worked_off


def work_off(queue: Queue) -> list[int]:
    """One poll: positions of the messages that go back to the queue, the others are deleted."""
    records = queue.receive()
    returned = {item.itemIdentifier for item in index_messages({"Records": records}).batchItemFailures}
    queue.delete([record for record in records if record["messageId"] not in returned])
    return [position for position, record in enumerate(records) if record["messageId"] in returned]


def ids(store: Store) -> list[str]:
    return sorted(open_store(store).search().select(["chunk_id"]).limit(10_000).to_arrow()["chunk_id"].to_pylist())


def ids_of(*groups: list[Chunk]) -> list[str]:
    return sorted(chunk.chunk_id for group in groups for chunk in group)


def test_ten_messages_are_one_commit_and_each_execution_is_answered(
    docs: Store, deliver: Deliver, machine: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "needs_optimising", lambda _: False)
    before = open_store(docs).version
    groups = [any_chunks(f"e{number}", count=number + 1) for number in range(10)]
    assert deliver(*(staged(f"job-{number}", group) for number, group in enumerate(groups))) == []
    assert open_store(docs).version == before + 1
    assert ids(docs) == ids_of(*groups)
    assert machine.answers == {
        f"token of job-{number}": {"rows": number + 1, "store_version": before + 1} for number in range(10)
    }
    assert jobs.get("job-4").state == "Index Chunks"
    assert jobs.get("job-4").progress["indexed"] == 5


def test_all_embedding_batches_of_a_message_are_indexed(docs: Store, deliver: Deliver, machine: StepFunctions) -> None:
    chunks = any_chunks("e1", count=30)
    assert deliver(staged("job-1", chunks[:10], chunks[10:20], chunks[20:])) == []
    assert ids(docs) == ids_of(chunks)
    assert machine.answers["token of job-1"]["rows"] == 30


def test_large_messages_are_committed_as_they_come(
    docs: Store, deliver: Deliver, machine: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "MIN_COMMIT_ROWS", 3)
    monkeypatch.setattr(indexing, "needs_optimising", lambda _: False)
    before = open_store(docs).version
    assert (
        deliver(staged("job-1", any_chunks("e1")), staged("job-2", any_chunks("e2")), staged("job-3", any_chunks("e3")))
        == []
    )
    assert open_store(docs).version == before + 3
    assert len(machine.answers) == 3


def test_redelivered_messages_leave_the_same_rows(docs: Store, deliver: Deliver, machine: StepFunctions) -> None:
    message = staged("job-1", any_chunks("e1"))
    assert deliver(message) == []
    first = machine.answers.pop("token of job-1")
    version = open_store(docs).version
    assert deliver(message) == []
    assert machine.answers["token of job-1"]["rows"] == first["rows"] == 3
    assert open_store(docs).version == version
    assert ids(docs) == ids_of(any_chunks("e1"))


def _nan(job_id: str) -> None:
    write_vectors(job_id, 0, np.full((3, 4), np.nan, dtype=np.float32))


def _too_few(job_id: str) -> None:
    write_vectors(job_id, 0, vectors_for(any_chunks("bad"))[:2])


def _no_array(job_id: str) -> None:
    aws.lake().write(layout.embed_vectors(job_id, 0), b"\x93NUMPY")


def _pickle(job_id: str) -> None:
    data = io.BytesIO()
    np.save(data, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    aws.lake().write(layout.embed_vectors(job_id, 0), data.getvalue())


def _no_gzip(job_id: str) -> None:
    aws.lake().write(layout.embed_batch(job_id, 0), b"{}")


def _cut_gzip(job_id: str) -> None:
    whole = aws.lake().read(layout.embed_batch(job_id, 0))
    aws.lake().write(layout.embed_batch(job_id, 0), whole[:-20])


def _missing(job_id: str) -> None:
    aws.client("s3").delete_object(Bucket=aws.lake().bucket, Key=layout.embed_vectors(job_id, 0))


def _no_report(job_id: str) -> None:
    aws.client("s3").delete_object(Bucket=aws.lake().bucket, Key=layout.embed_report(job_id, 0))


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (_nan, "EmbeddingRejected"),
        (_too_few, "EmbeddingRejected"),
        (_no_array, "StageFailed"),
        (_pickle, "StageFailed"),
        (_no_gzip, "StageFailed"),
        (_cut_gzip, "StageFailed"),
        (_missing, "StageFailed"),
        (_no_report, "StageFailed"),
    ],
)
def test_bad_staged_data_fails_its_own_execution_only(
    docs: Store, deliver: Deliver, machine: StepFunctions, spoil: Any, error: str
) -> None:
    good, bad = staged("job-good", any_chunks("good")), staged("job-bad", any_chunks("bad"))
    spoil("job-bad")
    assert deliver(bad, good) == []
    assert machine.answers["token of job-bad"]["error"] == error
    assert machine.answers["token of job-bad"]["cause"]["errorType"] == error
    assert machine.answers["token of job-good"]["rows"] == 3
    assert ids(docs) == ids_of(any_chunks("good"))


@pytest.mark.parametrize("code", ["TaskTimedOut", "InvalidToken", "TaskDoesNotExist"])
def test_an_execution_that_waits_no_longer_is_no_error(
    docs: Store, deliver: Deliver, machine: StepFunctions, code: str
) -> None:
    machine.refuses["token of job-1"] = code
    assert deliver(staged("job-1", any_chunks("e1")), staged("job-2", any_chunks("e2"))) == []
    assert set(machine.answers) == {"token of job-2"}


def test_messages_that_were_not_answered_come_back_soon(
    docs: Store, deliver: Deliver, machine: StepFunctions, index_queue: Queue
) -> None:
    machine.refuses["token of job-2"] = "ThrottlingException"
    messages = [staged(f"job-{number}", any_chunks(f"e{number}")) for number in (1, 2, 3)]
    assert deliver(*messages) == [1, 2]
    machine.refuses.clear()
    index_queue.pass_time(4)
    assert index_queue.receive() == []
    index_queue.pass_time(2)
    assert work_off(index_queue) == []
    assert {token: answer["rows"] for token, answer in machine.answers.items()} == {
        "token of job-1": 3, "token of job-2": 3, "token of job-3": 3,
    }  # fmt: skip
    assert len(ids(docs)) == 9


@pytest.mark.parametrize(
    "error", [TransientError("again"), RuntimeError("lance"), OSError("disk"), ValueError("lance")]
)
def test_a_store_that_fails_gives_its_messages_back_and_leaves_other_stores_alone(
    docs: Store,
    deliver: Deliver,
    machine: StepFunctions,
    index_queue: Queue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    other = registered(any_store(tmp_path / "stores", "wiki-1").model_copy(update={"archive_id": "wiki"}))
    commit = indexing.commit

    def failing(store: Store, batches: Any) -> Any:
        if store.store_id == docs.store_id:
            raise error
        return commit(store, batches)

    monkeypatch.setattr(indexing, "commit", failing)
    returned = deliver(
        staged("job-1", any_chunks("e1")),
        staged("job-2", any_chunks("e2"), archive_id="wiki"),
        staged("job-3", any_chunks("e3")),
    )
    assert returned == [0, 2]
    assert set(machine.answers) == {"token of job-2"}
    assert ids(other) == ids_of(any_chunks("e2"))
    monkeypatch.setattr(indexing, "commit", commit)
    index_queue.pass_time(6)
    assert work_off(index_queue) == []
    assert ids(docs) == ids_of(any_chunks("e1"), any_chunks("e3"))


def test_an_unknown_archive_fails_the_execution(docs: Store, deliver: Deliver, machine: StepFunctions) -> None:
    assert deliver(staged("job-1", any_chunks("e1"), archive_id="gone")) == []
    assert machine.answers["token of job-1"]["error"] == "ArchiveNotFound"


@pytest.mark.parametrize(
    "body",
    [" ", "junk", "[]", '{"job_id": "job-1"}', '{"job_id": "job-1", "archive_id": "docs", "embed_batches": 1}'],
)
def test_a_message_that_names_nobody_to_answer_goes_to_the_dead_letter_queue(
    docs: Store, deliver: Deliver, machine: StepFunctions, index_queue: Queue, body: str
) -> None:
    assert deliver(body, staged("job-2", any_chunks("e2"))) == [0]
    assert set(machine.answers) == {"token of job-2"}
    index_queue.pass_time(6)
    (again,) = index_queue.receive()
    assert (again["body"], again["attributes"]) == (body, {"ApproximateReceiveCount": "2"})


def test_a_purge_takes_out_what_came_before_it(docs: Store, deliver: Deliver, machine: StepFunctions) -> None:
    purge = {"job_id": "job-1", "archive_id": "docs", "purge": [{"entry_id": "e1", "version": "v1"}]}
    assert deliver(staged("job-1", any_chunks("e1")), purge, staged("job-2", any_chunks("e2"))) == []
    assert ids(docs) == ids_of(any_chunks("e2"))
    assert deliver(purge) == []
    assert deliver({**purge, "archive_id": "gone"}) == []


def test_rows_of_a_removal_are_counted_though_what_follows_fails_at_first(
    docs: Store, deliver: Deliver, machine: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(staged("job-1", any_chunks("e1")))
    jobs.create("remove-1", JobKind.REMOVE_ENTRIES, "docs")
    doomed = DoomedVersion(entry_id="e1", version="v1", content_hash="0", job_ids=["job-1"])
    plan = RemovalPlan(store_id=docs.store_id, versions=[doomed])
    aws.lake().write_model(layout.removal_part("remove-1", "plan"), plan)

    message = {"job_id": "remove-1", "archive_id": "docs", "removal": "erase", "task_token": "token of remove-1"}

    def failing(_: Store) -> None:
        raise TransientError("Other commits kept coming in between.")

    with monkeypatch.context() as patched:
        patched.setattr(erasure, "optimise", failing)
        assert deliver(message) == [0]
    assert deliver(message) == []
    assert jobs.get("remove-1").progress["rows"] == 3
    assert machine.answers["token of remove-1"]["rows"] == 0


def test_a_store_that_can_not_be_optimised_has_its_rows_all_the_same(
    docs: Store, deliver: Deliver, machine: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: Store) -> None:
        raise RuntimeError("lance: compaction failed")

    monkeypatch.setattr(indexing, "optimise", failing)
    assert deliver(staged("job-1", any_chunks("e1"))) == []
    assert machine.answers["token of job-1"]["rows"] == 3


def rejection(entry_id: str) -> RejectedEntry:
    error = ErrorRecord(code="EMBEDDING_REJECTED", message="A vector has length zero.")
    return RejectedEntry(entry_id=entry_id, version="v1", error=error)


def test_an_entry_that_one_batch_rejects_is_left_out_of_all(
    docs: Store, deliver: Deliver, machine: StepFunctions
) -> None:
    good, bad = any_chunks("good", count=4), any_chunks("bad", count=4)
    message = staged("job-1", [*good[:2], *bad[:2]], [*good[2:], *bad[2:]])
    vectors = vectors_for([*good[2:], *bad[2:]])
    vectors[3] = np.nan
    write_vectors("job-1", 1, vectors)
    any_report("job-1", 1, rejection("bad"))
    assert deliver(message) == []
    assert machine.answers["token of job-1"]["rows"] == 4
    assert ids(docs) == ids_of(good)


def test_a_message_whose_entries_are_all_rejected_is_answered(
    docs: Store, deliver: Deliver, machine: StepFunctions
) -> None:
    message = staged("job-1", any_chunks("bad"))
    any_report("job-1", 0, rejection("bad"))
    assert deliver(message) == []
    assert machine.answers["token of job-1"]["rows"] == 0
    assert ids(docs) == []


def test_the_centroid_counts_each_row_once_however_often_a_message_comes(
    docs: Store, deliver: Deliver, machine: StepFunctions
) -> None:
    first, second = any_chunks("e1"), any_chunks("e2", count=5)
    message = staged("job-1", first)
    assert deliver(message) == []
    machine.answers.clear()
    assert deliver(message, staged("job-2", second)) == []
    mean = centroid.read(docs.store_id, 4)
    assert mean == pytest.approx(vectors_for([*first, *second]).mean(axis=0), abs=1e-6)
    assert archives.get_store(archives.get_archive("docs")) == docs


def test_a_lost_store_is_made_again_of_its_backups(docs: Store, deliver: Deliver, machine: StepFunctions) -> None:
    groups = {name: any_chunks(name, version, count) for name, version, count in (
        ("kept", "v2", 4), ("plain", "v1", 3), ("gone", "v1", 2), ("failed", "v1", 2),
    )}  # fmt: skip
    older = any_chunks("kept", "v1", 3)
    assert deliver(staged("job-1", older, groups["plain"]), staged("job-2", groups["gone"], groups["failed"])) == []
    assert deliver(staged("job-3", groups["kept"])) == []
    purged = [{"entry_id": entry_id, "version": "v1"} for entry_id in ("kept", "gone", "failed")]
    assert deliver({"job_id": "job-3", "archive_id": "docs", "purge": purged}) == []
    for entry_id, version, status in (
        ("kept", "v1", "SUPERSEDED"),
        ("kept", "v2", "COMPLETED"),
        ("plain", "v1", "COMPLETED"),
        ("failed", "v1", "FAILED"),
    ):
        item = {"entry_id": entry_id, "version": version, "archive_status": f"docs#{status}", "status": status}
        aws.table("entries_table").put(item | {"updated_at": "2026", "content_hash": "0"})

    def whole() -> list[dict[str, Any]]:
        rows = open_store(docs).search().limit(1_000).to_arrow().to_pylist()
        return sorted(rows, key=lambda row: row["chunk_id"])

    before = whole()
    assert ids_of(groups["kept"], groups["plain"]) == [row["chunk_id"] for row in before]
    drop_store(docs)
    assert backup.rebuild(docs) == 7
    assert whole() == before
    assert backup.rebuild(docs) == 7  # again: nothing doubles
    assert whole() == before


def test_a_backup_of_before_a_column_came_still_fits(docs: Store, deliver: Deliver, machine: StepFunctions) -> None:
    chunks = any_chunks("e1")
    rows = table.rows(chunks, vectors_for(chunks)).drop_columns(["posted_at", "parent_start"])
    backup.write(docs, "job-1", [rows])
    item = {"entry_id": "e1", "version": "v1", "archive_status": "docs#COMPLETED", "status": "COMPLETED"}
    aws.table("entries_table").put(item | {"updated_at": "2026", "content_hash": "0"})
    assert backup.rebuild(docs) == 3
    assert ids(docs) == ids_of(chunks)
    aws.lake().write(layout.vector_backup(docs.store_id, "job-2"), b"no parquet")
    with pytest.raises(StageFailed, match="job-2"):
        backup.rebuild(docs)


def test_a_message_without_batches_is_answered(docs: Store, deliver: Deliver, machine: StepFunctions) -> None:
    assert deliver(staged("job-1")) == []
    assert machine.answers["token of job-1"]["rows"] == 0


def test_rows_carry_the_tags_of_their_documents_insights(docs: Store, deliver: Deliver) -> None:
    first, second = any_chunks("e1"), any_chunks("e2")
    first = [each.model_copy(update={"labels": ["owner=Ann"]}) for each in first]
    done = [
        outcomes.InsightsOutcome(
            entry_id="e1", version="v1", status=InsightsStatus.EXTRACTED, tags=["Night Ferry", "night ferry", "a'b"]
        ),
        outcomes.InsightsOutcome(entry_id="e2", version="v1", status=InsightsStatus.FAILED),
    ]
    ledger = LedgerLine(state="Extract Insights", provider="any", model="any")
    message = staged("job-1", [*first, *second])
    outcomes.write(outcomes.InsightsBatch(job_id="job-1", documents=done, ledger=ledger))
    assert deliver(message) == []
    held = open_store(docs).search().select(["entry_id", "labels"]).limit(10).to_list()
    assert {(each["entry_id"], *each["labels"]) for each in held} == {
        ("e1", "owner=Ann", "tag=a'b", "tag=night ferry"),
        ("e2",),
    }
