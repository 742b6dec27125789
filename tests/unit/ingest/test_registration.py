"""Who is new, who is a duplicate, who can't be taken; and what is left in the registry and the landing zone."""

from __future__ import annotations

import pytest
from any_ingest import LANDING, any_archive, any_batch, uploaded
from any_queue import Queue

from omnilake import aws, entries, jobs
from omnilake.ingest import landing, stages
from omnilake.ingest.failure import record_failure
from omnilake.ingest.publish import publish_entries
from omnilake.ingest.register import register_documents
from omnilake.models import Batch, BatchDocument, DocumentStatus, JobStatus, ObjectRef

pytestmark = pytest.mark.usefixtures("stack")


def registered(job_id: str) -> list[BatchDocument]:
    register_documents(job_id)
    return stages.read(job_id, stages.REGISTERED).documents


def statuses(job_id: str) -> list[str]:
    return [document.status.value for document in registered(job_id)]


def codes(documents: list[BatchDocument]) -> list[str]:
    return [document.error.code if document.error else "" for document in documents]


def ingest(job_id: str) -> Batch:
    register_documents(job_id)
    publish_entries(job_id)
    return stages.read(job_id, stages.PUBLISHED)


def landed(prefix: str) -> list[str]:
    return sorted(aws.ObjectStore(LANDING).keys(prefix))


def test_should_take_a_new_document() -> None:
    any_archive()
    (document,) = registered(any_batch(uploaded("incoming/docs/guide.md", b"# Guide")))
    assert document.live
    assert document.name == "guide.md"
    (version,) = entries.versions(document.entry_id)
    assert (version["version"], version["status"]) == (document.version, "PENDING")


def test_should_register_again_what_the_same_job_registered() -> None:
    any_archive()
    job_id = any_batch(uploaded("incoming/docs/guide.md", b"# Guide"))
    first = registered(job_id)
    assert registered(job_id) == first


@pytest.mark.parametrize(
    ("key", "data", "code"),
    [
        ("incoming/docs/empty.md", b"", "DOCUMENT_EMPTY"),
        ("incoming/docs/two\nlines.md", b"x", "OBJECT_NAME_INVALID"),
        ("incoming/docs/tab\tand\x7f.md", b"x", "OBJECT_NAME_INVALID"),
        ("incoming/docs/../secrets.md", b"x", "OBJECT_NAME_INVALID"),
        ("incoming/loose.md", b"x", "OBJECT_NAME_INVALID"),
        ("incoming/elsewhere/guide.md", b"x", "ARCHIVE_NOT_FOUND"),
        ("incoming/docs/large.txt", b"x" * 2_000, "DOCUMENT_TOO_LARGE"),
    ],
)
def test_should_reject_and_keep_with_its_reason(
    key: str, data: bytes, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNILAKE_MAX_DOCUMENT_BYTES", "1024")
    any_archive()
    archive_id = landing.archive_of(key)
    job_id = any_batch(uploaded(key, data), archive_id=archive_id or "none")
    batch = ingest(job_id)
    assert codes(batch.documents) == [code]
    job = jobs.get(job_id)
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == code
    assert landed("incoming/") == []
    kept = "failed/" + key.removeprefix("incoming/")
    assert landed("failed/") == [kept]
    metadata = aws.ObjectStore(LANDING).head(kept)
    assert metadata is not None
    assert metadata["Metadata"]["omnilake-code"] == code
    assert metadata["Metadata"]["omnilake-reason"]


def test_should_say_that_an_object_was_deleted_before_it_was_read() -> None:
    any_archive()
    ref = uploaded("incoming/docs/gone.md", b"soon gone")
    aws.client("s3").delete_object(Bucket=LANDING, Key=ref.key, VersionId=ref.version_id)
    batch = ingest(any_batch(ref))
    assert codes(batch.documents) == ["OBJECT_NOT_FOUND"]


def test_should_accept_a_name_with_emoji() -> None:
    any_archive()
    batch = ingest(any_batch(uploaded("incoming/docs/🚀 plan – später.md", b"Start")))
    assert [document.status for document in batch.documents] == [DocumentStatus.COMPLETED]
    assert landed("processed/") == ["processed/docs/🚀 plan – später.md"]


def test_should_take_the_same_object_version_once() -> None:
    any_archive()
    ref = uploaded("incoming/docs/guide.md", b"# Guide")
    other = uploaded("incoming/docs/other.md", b"# Other")
    assert statuses(any_batch(ref)) == ["PROCESSING"]
    assert statuses(any_batch(ref, other)) == ["DUPLICATE", "PROCESSING"]


def test_should_take_the_same_bytes_once_when_two_uploads_run_at_once() -> None:
    any_archive()
    first, second = uploaded("incoming/docs/guide.md", b"# Guide"), uploaded("incoming/docs/copy.md", b"# Guide")
    one, two = any_batch(first), any_batch(second)
    (original,) = registered(one)
    (copy,) = registered(two)
    assert original.live
    assert copy.status is DocumentStatus.DUPLICATE
    assert copy.duplicate_of == f"{original.entry_id}/{original.version}"


def test_should_take_unchanged_bytes_of_the_same_name_as_a_duplicate() -> None:
    any_archive()
    ingest(any_batch(uploaded("incoming/docs/guide.md", b"# Guide")))
    batch = ingest(any_batch(uploaded("incoming/docs/guide.md", b"# Guide")))
    assert [document.status for document in batch.documents] == [DocumentStatus.DUPLICATE]
    assert jobs.get(batch.job_id).status is JobStatus.COMPLETED
    assert landed("incoming/") == []


def test_should_take_a_return_to_earlier_content_as_a_new_version() -> None:
    any_archive()
    outcomes = [
        ingest(any_batch(uploaded("incoming/docs/guide.md", data))).documents[0].status.value
        for data in (b"one", b"two", b"one")
    ]
    assert outcomes == ["COMPLETED", "COMPLETED", "COMPLETED"]


def test_should_bring_a_copy_back_when_the_original_moves_on() -> None:
    any_archive()
    ingest(any_batch(uploaded("incoming/docs/guide.md", b"shared")))
    ingest(any_batch(uploaded("incoming/docs/copy.md", b"shared")))
    ingest(any_batch(uploaded("incoming/docs/guide.md", b"new content")))
    assert landed("incoming/") == ["incoming/docs/copy.md"], "the copy's content would be in no entry"


def test_should_bring_a_copy_back_when_the_original_fails_before_the_copy_was_moved() -> None:
    any_archive()
    original = any_batch(uploaded("incoming/docs/guide.md", b"shared"))
    copy = any_batch(uploaded("incoming/docs/copy.md", b"shared"))
    register_documents(original)
    register_documents(copy)
    record_failure(original, "States.Timeout", "")
    publish_entries(copy)
    assert landed("incoming/") == ["incoming/docs/copy.md"], "the copy's content would be in no entry"
    assert stages.read(copy, stages.PUBLISHED).documents[0].status is DocumentStatus.DUPLICATE


def test_should_leave_a_copy_where_it_is_while_the_original_stands() -> None:
    any_archive()
    ingest(any_batch(uploaded("incoming/docs/guide.md", b"shared")))
    ingest(any_batch(uploaded("incoming/docs/copy.md", b"shared")))
    assert landed("incoming/") == []


def test_should_not_remove_a_newer_upload_of_the_same_key() -> None:
    any_archive()
    old = uploaded("incoming/docs/guide.md", b"old")
    job_id = any_batch(old)
    register_documents(job_id)
    uploaded("incoming/docs/guide.md", b"new")
    publish_entries(job_id)
    assert aws.ObjectStore(LANDING).read("incoming/docs/guide.md") == b"new"
    assert aws.ObjectStore(LANDING).read("processed/docs/guide.md") == b"old"


def test_should_end_a_batch_as_failed_only_if_nothing_was_accepted() -> None:
    any_archive()
    good, bad = uploaded("incoming/docs/good.md", b"good"), uploaded("incoming/docs/bad.md", b"")
    batch = ingest(any_batch(good, bad))
    job = jobs.get(batch.job_id)
    assert job.status is JobStatus.COMPLETED
    assert (job.progress["completed"], job.progress["failed"]) == (1, 1)
    assert [document["status"] for document in job.documents] == ["COMPLETED", "FAILED"]


def test_should_publish_the_same_outcome_again_when_a_state_is_repeated() -> None:
    any_archive()
    job_id = any_batch(uploaded("incoming/docs/guide.md", b"# Guide"))
    register_documents(job_id)
    first = publish_entries(job_id)
    assert publish_entries(job_id) == first
    assert landed("") == ["processed/docs/guide.md"]


class TestRecordFailure:
    def test_should_fail_and_keep_what_was_on_its_way(self) -> None:
        any_archive()
        job_id = any_batch(uploaded("incoming/docs/guide.md", b"# Guide"))
        (document,) = registered(job_id)
        record_failure(job_id, "States.Timeout", "")
        job = jobs.get(job_id)
        assert job.status is JobStatus.FAILED
        assert job.error is not None
        assert job.error.code == "STATES_TIMEOUT"
        assert entries.versions(document.entry_id)[0]["status"] == "FAILED"
        assert landed("failed/") == ["failed/docs/guide.md"]

    def test_should_let_a_failed_document_be_ingested_again(self) -> None:
        any_archive()
        job_id = any_batch(uploaded("incoming/docs/guide.md", b"# Guide"))
        register_documents(job_id)
        record_failure(job_id, "States.Timeout", "")
        assert statuses(any_batch(uploaded("incoming/docs/guide.md", b"# Guide"))) == ["PROCESSING"]

    def test_should_find_the_claims_of_an_execution_that_died_in_registration(self) -> None:
        any_archive()
        job_id = any_batch(uploaded("incoming/docs/guide.md", b"# Guide"))
        (document,) = registered(job_id)
        key = f"batches/{job_id}/registered.json"
        aws.client("s3").delete_object(Bucket="lakebucket", Key=key)
        record_failure(job_id, "Sandbox.Timedout", '{"errorMessage": "Task timed out"}')
        assert entries.versions(document.entry_id)[0]["status"] == "FAILED"
        assert statuses(any_batch(uploaded("incoming/docs/guide.md", b"# Guide"))) == ["PROCESSING"]

    def test_should_ask_the_committer_to_drop_rows_that_may_be_there(self) -> None:
        any_archive()
        job_id = any_batch(uploaded("incoming/docs/guide.md", b"# Guide"))
        register_documents(job_id)
        batch = stages.read(job_id, stages.REGISTERED)
        cut = [document.model_copy(update={"chunks": 3}) for document in batch.documents]
        stages.write(batch.model_copy(update={"documents": cut, "chunks": 3, "embed_batches": 1}), stages.CHUNKED)
        record_failure(job_id, "StageFailed", "")
        sqs = aws.client("sqs")
        queue = sqs.get_queue_url(QueueName="index.fifo")["QueueUrl"]
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
        assert cut[0].entry_id in message["Body"]

    def test_should_not_reopen_a_job_that_has_ended(self) -> None:
        any_archive()
        batch = ingest(any_batch(uploaded("incoming/docs/guide.md", b"# Guide")))
        record_failure(batch.job_id, "States.Timeout", "")
        assert jobs.get(batch.job_id).status is JobStatus.COMPLETED


def test_should_keep_source_identities_apart() -> None:
    assert entries.entry_id_of("docs", "s3", "a/b", "c") != entries.entry_id_of("docs", "s3", "a", "b/c")
    assert entries.entry_id_of("docs", "s3", "a") != entries.entry_id_of("docs", "slack", "a")


def test_should_not_give_a_content_to_a_third_upload_while_two_of_one_name_are_under_way() -> None:
    any_archive()
    older, newer, copy = (uploaded(f"incoming/docs/{name}.md", b"same") for name in ("a", "a", "b"))
    (taken,) = registered(any_batch(older))
    entries.register(  # the newer upload has come as far as this, and will be a duplicate
        taken.entry_id,
        taken.version + "-later",
        archive_id="docs",
        job_id=any_batch(newer),
        name="a.md",
        source="any",
        size=4,
        content_hash=taken.content_hash,
    )
    (other,) = registered(any_batch(copy))
    assert taken.live
    assert other.duplicate_of == f"{taken.entry_id}/{taken.version}"


class TestRetryOfAFailedUpload:
    """What failed is ingested again from ``failed/``, as the version that it is."""

    def test_should_leave_the_newer_version_in_search(self, index_queue: Queue) -> None:
        any_archive()
        older, newer = (any_batch(uploaded("incoming/docs/guide.md", data)) for data in (b"one", b"two"))
        (failed,) = registered(older)
        (current,) = registered(newer)
        record_failure(older, "States.Timeout", "")
        publish_entries(newer)
        (again,) = ingest(any_batch(ObjectRef(bucket=LANDING, key="failed/docs/guide.md"))).documents
        assert (again.entry_id, again.version) == (failed.entry_id, failed.version)
        statuses = {item["version"]: item["status"] for item in entries.versions(again.entry_id)}
        assert statuses == {failed.version: "SUPERSEDED", current.version: "COMPLETED"}
        assert aws.ObjectStore(LANDING).read("processed/docs/guide.md") == b"two"
        assert landed("failed/") == []

    def test_should_keep_its_order_however_often_it_fails(self) -> None:
        any_archive()
        first = any_batch(uploaded("incoming/docs/guide.md", b"one"))
        (failed,) = registered(first)
        record_failure(first, "States.Timeout", "")
        for _ in range(2):
            job_id = any_batch(ObjectRef(bucket=LANDING, key="failed/docs/guide.md"))
            assert [(each.version, each.live) for each in registered(job_id)] == [(failed.version, True)]
            record_failure(job_id, "States.Timeout", "")

    def test_should_not_be_undone_by_a_repetition_of_the_failure(self) -> None:
        any_archive()
        job_id = any_batch(uploaded("incoming/docs/guide.md", b"one"))
        register_documents(job_id)
        record_failure(job_id, "States.Timeout", "")
        (again,) = ingest(any_batch(ObjectRef(bucket=LANDING, key="failed/docs/guide.md"))).documents
        record_failure(job_id, "States.Timeout", "")  # its Lambda was killed after its last act
        assert [item["status"] for item in entries.versions(again.entry_id)] == ["COMPLETED"]
        copy = ingest(any_batch(uploaded("incoming/docs/copy.md", b"one"))).documents[0]
        assert copy.duplicate_of == f"{again.entry_id}/{again.version}"


class TestBrokenPublication:
    """What a publication that broke off left is carried out by whoever comes next."""

    def test_should_be_brought_to_its_end_by_record_failure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        any_archive()
        first = ingest(any_batch(uploaded("incoming/docs/guide.md", b"one"))).documents[0]
        job_id = any_batch(uploaded("incoming/docs/guide.md", b"two"))
        (second,) = registered(job_id)
        with monkeypatch.context() as patch:
            patch.setattr(landing, "move", _refused)
            with pytest.raises(PermissionError):
                publish_entries(job_id)
        result = record_failure(job_id, "ClientError", "", "Publish Entries")
        assert (result.completed, result.failed) == (1, 0)
        statuses = {item["version"]: item["status"] for item in entries.versions(first.entry_id)}
        assert statuses == {first.version: "SUPERSEDED", second.version: "COMPLETED"}
        assert landed("") == [f"archived/docs/guide.md/{first.version}", "processed/docs/guide.md"]
        assert jobs.get(job_id).status is JobStatus.COMPLETED

    def test_should_be_taken_back_where_its_outcome_was_never_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        any_archive()
        first = ingest(any_batch(uploaded("incoming/docs/guide.md", b"one"))).documents[0]
        job_id = any_batch(uploaded("incoming/docs/guide.md", b"two"))
        (second,) = registered(job_id)
        with monkeypatch.context() as patch:
            patch.setattr(stages, "write", _refused)
            with pytest.raises(PermissionError):
                publish_entries(job_id)
        record_failure(job_id, "ClientError", "", "Publish Entries")
        statuses = {item["version"]: item["status"] for item in entries.versions(first.entry_id)}
        assert statuses == {first.version: "COMPLETED", second.version: "FAILED"}
        assert landed("failed/") == ["failed/docs/guide.md"]


def _refused(*_arguments: object) -> None:
    raise PermissionError


def test_should_name_the_state_that_failed() -> None:
    any_archive()
    job_id = any_batch(uploaded("incoming/docs/guide.md", b"# Guide"))
    register_documents(job_id)
    record_failure(job_id, "States.Timeout", "", "Embed Batches")
    assert jobs.get(job_id).state == "Embed Batches"


def test_should_keep_the_state_entered_last_where_none_is_named() -> None:
    any_archive()
    job_id = any_batch(uploaded("incoming/docs/guide.md", b"# Guide"))
    register_documents(job_id)
    record_failure(job_id, "Execution.ABORTED", "")
    assert jobs.get(job_id).state == "Register Documents"


def test_should_fail_the_job_of_a_failed_execution_though_it_had_duplicates() -> None:
    any_archive()
    ingest(any_batch(uploaded("incoming/docs/guide.md", b"# Guide")))
    job_id = any_batch(uploaded("incoming/docs/copy.md", b"# Guide"), uploaded("incoming/docs/new.md", b"# New"))
    register_documents(job_id)
    for _ in range(2):  # once more, as Close Job would
        assert record_failure(job_id, "States.Timeout", "").error_code == "STATES_TIMEOUT"
    job = jobs.get(job_id)
    assert job.status is JobStatus.FAILED
    assert sorted(document["status"] for document in job.documents) == ["DUPLICATE", "FAILED"]
