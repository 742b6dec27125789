"""Collections: how they are cut into batches, and what is made of their outcomes."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from any_ingest import LANDING, any_archive, any_batch, uploaded

from omnilake import aws, jobs, layout
from omnilake.errors import ArchiveNotFound, InvalidCollection, TransientError
from omnilake.ingest import collections, contents, stages
from omnilake.ingest.collections import CollectionRequest, FailedItem, close_collection, plan_collection, prepare
from omnilake.ingest.failure import record_failure
from omnilake.ingest.publish import publish_entries
from omnilake.ingest.register import register_documents
from omnilake.models import BatchManifest, DocumentStatus, JobKind, JobStatus
from omnilake.settings import settings

pytestmark = pytest.mark.usefixtures("stack")
LAKE = "lakebucket"


@pytest.fixture(autouse=True)
def _archive(stack: None) -> None:
    any_archive()


def record(record_id: str, text: str = "some text", **fields: Any) -> dict[str, Any]:
    return {
        "source_type": "test",
        "record_id": record_id,
        "text": text,
        "updated_at": "2026-03-01T10:00:00Z",
        **fields,
    }


def put_lines(bucket: str, key: str, lines: list[Any]) -> str:
    data = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines).encode()
    aws.ObjectStore(bucket).write(key, gzip.compress(data) if key.endswith(".gz") else data)
    return f"s3://{bucket}/{key}"


def planned(job_id: str = "collect-1", **fields: Any) -> list[BatchManifest]:
    """The batches of a collection of these fields, planned."""
    prepare(CollectionRequest(archive_id="docs", **fields), job_id)
    plan_collection(job_id)
    lines = aws.lake().read(layout.collection_part(job_id, "batches")).splitlines()
    ids = [json.loads(line)["job_id"] for line in lines]
    return [aws.lake().read_model(layout.batch_manifest(each), BatchManifest) for each in ids]


def run(manifest: BatchManifest) -> None:
    """What the children of the map do, as far as the outcomes of documents go."""
    register_documents(manifest.job_id)
    publish_entries(manifest.job_id)


def collected(**fields: Any) -> str:
    """A collection that has run to its end."""
    for manifest in planned(**fields):
        run(manifest)
    close_collection("collect-1")
    return "collect-1"


class TestPlan:
    def test_objects_below_a_prefix_are_cut_into_batches_of_the_size_that_was_asked_for(self) -> None:
        for number in range(5):
            uploaded(f"exports/{number}.txt", b"x")
        uploaded("exports/", b"")
        uploaded("elsewhere/9.txt", b"x")
        batches = planned(prefix=f"s3://{LANDING}/exports/", batch_documents=2, started_by="iam:mara")
        assert [[ref.key for ref in batch.documents] for batch in batches] == [
            ["exports/0.txt", "exports/1.txt"],
            ["exports/2.txt", "exports/3.txt"],
            ["exports/4.txt"],
        ]
        assert {(batch.parent_job_id, batch.started_by) for batch in batches} == {("collect-1", "iam:mara")}
        register_documents(batches[0].job_id)
        assert jobs.get(batches[0].job_id).started_by == "iam:mara"

    def test_planning_again_plans_the_same(self) -> None:
        uploaded("exports/0.txt", b"x")
        first = planned(prefix=f"s3://{LANDING}/exports/")
        assert planned(prefix=f"s3://{LANDING}/exports/") == first

    def test_two_collections_of_one_prefix_have_batches_of_their_own(self) -> None:
        uploaded("exports/0.txt", b"x")
        (first,) = planned("collect-1", prefix=f"s3://{LANDING}/exports/")
        (second,) = planned("collect-2", prefix=f"s3://{LANDING}/exports/")
        assert first.job_id != second.job_id

    @pytest.mark.parametrize("key", ["lists/all.jsonl", "lists/all.jsonl.gz"])
    def test_a_manifest_lists_objects_records_and_what_is_neither(self, key: str) -> None:
        url = put_lines(LANDING, key, [{"key": "a.txt", "name": "A"}, "", record("r1"), "no json {", record("r2")])
        batches = planned(manifest=url, batch_documents=2)
        refs = [ref for batch in batches for ref in batch.documents]
        assert [(ref.key, ref.name) for ref in refs if ref.line is None] == [("a.txt", "A")]
        kept = contents.read_lines(refs)
        lines = [kept[contents.line_of(ref)] for ref in refs if ref.line is not None]
        assert [json.loads(lines[0])["record_id"], lines[1], json.loads(lines[2])["record_id"]] == [
            "r1",
            b"no json {",
            "r2",
        ]

    def test_batch_files_are_referred_to_line_by_line(self) -> None:
        key = layout.connector_batch("chat", "2026-03-01", "1")
        put_lines(LAKE, key, [record("r1"), "", record("r2")])
        (batch,) = planned(batch_files=[key])
        assert [(ref.bucket, ref.key, ref.line) for ref in batch.documents] == [(LAKE, key, 0), (LAKE, key, 2)]

    @pytest.mark.parametrize(
        "fields",
        [
            {"prefix": f"s3://{LANDING}/nothing/"},
            {"prefix": "s3://no-such-bucket/x"},
            {"prefix": "https://example.com/"},
            {"manifest": f"s3://{LANDING}/no-such-manifest.jsonl"},
        ],
    )
    def test_what_cannot_be_read_is_refused(self, fields: dict[str, Any]) -> None:
        prepare(CollectionRequest(archive_id="docs", **fields), "collect-1")
        with pytest.raises(InvalidCollection):
            plan_collection("collect-1")

    def test_a_damaged_compressed_manifest_is_refused(self) -> None:
        aws.ObjectStore(LANDING).write("lists/all.jsonl.gz", gzip.compress(b"{}\n" * 1_000)[:40])
        prepare(CollectionRequest(archive_id="docs", manifest=f"s3://{LANDING}/lists/all.jsonl.gz"), "collect-1")
        with pytest.raises(InvalidCollection):
            plan_collection("collect-1")

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"prefix": "s3://b/c", "manifest": "s3://b/d"},
            {"prefix": "s3://b/c", "batch_documents": 101},
            {"prefix": "s3://b/c", "unknown": 1},
        ],
    )
    def test_a_request_that_does_not_fit_is_refused(self, fields: dict[str, Any]) -> None:
        with pytest.raises(InvalidCollection):
            collections.parse_request({"archive_id": "docs", **fields})

    def test_an_unknown_archive_is_refused_at_once(self) -> None:
        with pytest.raises(ArchiveNotFound):
            prepare(CollectionRequest(archive_id="elsewhere", prefix="s3://b/c"), "collect-1")


class TestOutcome:
    def test_counts_are_added_up_and_bad_lines_listed(self) -> None:
        lines = [record("r1"), "no json {", record("r2", unknown=1), record("r3"), record("r4", "")]
        job_id = collected(manifest=put_lines(LANDING, "lists/all.jsonl", lines), batch_documents=2)
        job = jobs.get(job_id)
        assert job.status is JobStatus.COMPLETED
        assert (job.progress["completed"], job.progress["failed"], job.progress["documents"]) == (2, 3, 5)
        items = aws.lake().read_models(job.result_key, FailedItem)
        assert {item.error.code for item in items} == {"RECORD_INVALID"}
        assert "unknown" in " ".join(item.error.message for item in items)

    def test_the_same_records_again_are_duplicates(self) -> None:
        url = put_lines(LANDING, "lists/all.jsonl", [record("r1"), record("r2")])
        for number, expected in ((1, "completed"), (2, "duplicates")):
            job_id = f"collect-{number}"
            for manifest in planned(job_id, manifest=url):
                run(manifest)
            close_collection(job_id)
            assert jobs.get(job_id).progress[expected] == 2

    def test_a_collection_of_nothing_but_failures_has_failed(self) -> None:
        job_id = collected(manifest=put_lines(LANDING, "lists/all.jsonl", ["{", "}"]))
        job = jobs.get(job_id)
        assert job.status is JobStatus.FAILED
        assert job.error is not None
        assert job.error.code == "DOCUMENTS_REJECTED"

    def test_a_batch_that_left_no_outcome_has_failed_as_a_whole(self) -> None:
        first, second = planned(
            manifest=put_lines(LANDING, "lists/all.jsonl", [record("r1"), record("r2")]), batch_documents=1
        )
        run(first)
        result = close_collection("collect-1")
        assert (result.completed, result.failed) == (1, 1)
        (item,) = aws.lake().read_models(layout.collection_part("collect-1", "failed"), FailedItem)
        assert (item.ref, item.error.code) == (second.documents[0], "INGESTION_NOT_RECORDED")

    def test_closing_again_gives_the_same(self) -> None:
        job_id = collected(manifest=put_lines(LANDING, "lists/all.jsonl", [record("r1"), "{"]))
        first = jobs.get(job_id)
        assert close_collection(job_id).failed == 1
        assert jobs.get(job_id).progress == first.progress

    def test_the_run_after_a_redrive_counts_and_not_the_one_before(self) -> None:
        (manifest,) = planned(manifest=put_lines(LANDING, "lists/all.jsonl", [record("r1")]))
        register_documents(manifest.job_id)
        record_failure(manifest.job_id, "Execution.ABORTED", "")
        rerun = manifest.job_id + layout.RERUN + "1"
        register_documents(rerun)
        publish_entries(rerun)
        assert close_collection("collect-1").completed == 1
        assert jobs.get(rerun).parent_job_id == "collect-1"

    def test_what_a_run_published_before_it_was_stopped_counts_though_the_next_finds_duplicates(self) -> None:
        (manifest,) = planned(manifest=put_lines(LANDING, "lists/all.jsonl", [record("r1"), "{"]))
        run(manifest)
        register_documents(manifest.job_id + layout.RERUN + "1")
        publish_entries(manifest.job_id + layout.RERUN + "1")
        result = close_collection("collect-1")
        assert (result.completed, result.duplicates, result.failed) == (1, 0, 1)

    def test_a_run_after_a_redrive_waits_until_the_one_before_is_closed(self) -> None:
        (manifest,) = planned(manifest=put_lines(LANDING, "lists/all.jsonl", [record("r1")]))
        register_documents(manifest.job_id)
        with pytest.raises(TransientError):
            register_documents(manifest.job_id + layout.RERUN + "1")


class TestRedrive:
    """What its execution says of how often it was redriven decides whether a failed job is open again."""

    @staticmethod
    def stopped() -> str:
        planned(manifest=put_lines(LANDING, "lists/all.jsonl", [record("r1")]))
        collections.record_failure("collect-1", "Execution.ABORTED", "")
        return "collect-1"

    def test_a_state_that_was_at_work_when_the_execution_was_stopped_leaves_the_job_closed(self) -> None:
        job_id = self.stopped()
        plan_collection(job_id)
        close_collection(job_id)
        assert jobs.get(job_id).status is JobStatus.FAILED

    def test_a_redrive_opens_it_once(self) -> None:
        job_id = self.stopped()
        plan_collection(job_id, redrives=1)
        assert jobs.get(job_id).status is JobStatus.RUNNING
        collections.record_failure(job_id, "Execution.ABORTED", "")
        plan_collection(job_id, redrives=1)
        assert jobs.get(job_id).status is JobStatus.FAILED
        plan_collection(job_id, redrives=2)
        assert jobs.get(job_id).status is JobStatus.RUNNING

    def test_a_redrive_that_a_person_asked_for_is_counted(self) -> None:
        job_id = self.stopped()
        assert jobs.reopen(job_id, JobKind.INGEST_COLLECTION)
        collections.record_failure(job_id, "Execution.ABORTED", "")
        close_collection(job_id, redrives=1)
        assert jobs.get(job_id).status is JobStatus.FAILED


class TestRetry:
    def test_only_what_failed_is_planned_again(self) -> None:
        key = layout.connector_batch("chat", "2026-03-01", "1")
        put_lines(LAKE, key, [record("r1"), "{", record("r3")])
        collected(batch_files=[key])
        (batch,) = planned("collect-2", retry_of="collect-1")
        assert [ref.line for ref in batch.documents] == [1]

    def test_an_original_that_failed_is_found_where_it_was_kept(self) -> None:
        uploaded("incoming/docs/bad.md", b"")
        collected(prefix=f"s3://{LANDING}/incoming/docs/")
        (batch,) = planned("collect-2", retry_of="collect-1")
        assert [ref.key for ref in batch.documents] == ["failed/docs/bad.md"]
        aws.ObjectStore(LANDING).write("failed/docs/bad.md", b"# Mended")
        run(batch)
        assert close_collection("collect-2").completed == 1
        assert list(aws.ObjectStore(LANDING).keys("")) == ["processed/docs/bad.md"]

    def test_a_batch_of_uploads_can_be_retried_too(self) -> None:
        uploaded("incoming/docs/bad.md", b"")
        (batch,) = planned(prefix=f"s3://{LANDING}/incoming/docs/")
        run(batch)
        (again,) = planned("collect-2", retry_of=batch.job_id)
        assert [ref.key for ref in again.documents] == ["failed/docs/bad.md"]

    def test_two_versions_of_a_path_that_failed_are_retried_as_the_newer_one(self) -> None:
        refs = [uploaded("incoming/docs/guide.md", data) for data in (b"one", b"two")]
        job_id = any_batch(*refs)
        register_documents(job_id)
        record_failure(job_id, "States.Timeout", "")
        (again,) = planned("collect-2", retry_of=job_id)
        assert [ref.key for ref in again.documents] == ["failed/docs/guide.md"]
        run(again)
        assert close_collection("collect-2").completed == 1
        assert aws.ObjectStore(LANDING).read("processed/docs/guide.md") == b"two"

    def test_a_job_without_failures_leaves_nothing_to_retry(self) -> None:
        collected(manifest=put_lines(LANDING, "lists/all.jsonl", [record("r1")]))
        prepare(CollectionRequest(archive_id="docs", retry_of="collect-1"), "collect-2")
        with pytest.raises(InvalidCollection):
            plan_collection("collect-2")

    def test_a_job_that_runs_cannot_be_retried(self) -> None:
        planned(manifest=put_lines(LANDING, "lists/all.jsonl", [record("r1")]))
        with pytest.raises(InvalidCollection):
            collections.retry("collect-1")

    @pytest.mark.parametrize(("key", "status"), [("", JobStatus.FAILED), ("k", JobStatus.PENDING)])
    def test_one_whose_execution_never_started_stays_open_only_for_a_call_that_can_come_back(
        self, key: str, status: JobStatus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unavailable(*_: object) -> None:
            raise TransientError("The execution could not be started: ServiceUnavailable.")

        monkeypatch.setenv("OMNILAKE_COLLECTION_MACHINE_ARN", "arn:aws:states:us-east-1:123456789012:stateMachine:c")
        settings.cache_clear()
        monkeypatch.setattr("omnilake.executions.start_once", unavailable)
        with pytest.raises(TransientError):
            collections.start(CollectionRequest(archive_id="docs", prefix=f"s3://{LANDING}/lists/"), key)
        (item,) = aws.client("dynamodb").scan(TableName=settings().require("jobs_table"))["Items"]
        assert item["status"]["S"] == status.value

    def test_a_question_cannot_be_retried_or_redriven(self) -> None:
        jobs.create("answer-1", JobKind.ANSWER_REQUEST, "docs")
        jobs.complete("answer-1", JobKind.ANSWER_REQUEST, "Publish Answer")
        with pytest.raises(InvalidCollection):
            collections.retry("answer-1")
        with pytest.raises(InvalidCollection):
            collections.redrive("answer-1")


class TestRecords:
    def outcome(self, *fields: dict[str, Any]) -> list[str]:
        statuses = []
        for number, each in enumerate(fields):
            key = layout.connector_batch("chat", "2026-03-01", str(number))
            put_lines(LAKE, key, [each])
            (batch,) = planned(f"collect-{number}", batch_files=[key])
            run(batch)
            statuses.append(stages.read(batch.job_id, stages.PUBLISHED).documents[0])
        self.last = statuses[-1]
        return [each.status.value for each in statuses]

    def versions(self) -> list[str]:
        from omnilake import entries

        return [item["status"] for item in entries.versions(self.last.entry_id)]

    def test_an_edit_takes_the_place_of_what_was_there(self) -> None:
        edited = record("r1", "other text", updated_at="2026-03-02T10:00:00Z")
        assert self.outcome(record("r1"), edited) == ["COMPLETED", "COMPLETED"]
        assert self.versions() == ["COMPLETED", "SUPERSEDED"]

    def test_a_late_older_version_does_not(self) -> None:
        older = record("r1", "older text", updated_at="2026-02-01T10:00:00Z")
        assert self.outcome(record("r1"), older) == ["COMPLETED", "COMPLETED"]
        assert self.versions() == ["COMPLETED", "SUPERSEDED"]

    def test_the_effective_date_decides_before_the_time_of_the_change(self) -> None:
        first = record("r1", effective_on="2026-06-01")
        second = record(
            "r1", "written later, held earlier", effective_on="2026-01-01", updated_at="2026-07-01T00:00:00Z"
        )
        self.outcome(first, second)
        assert self.versions() == ["COMPLETED", "SUPERSEDED"]

    def test_a_deletion_takes_it_out_of_search(self) -> None:
        gone = {**record("r1", updated_at="2026-03-02T10:00:00Z"), "deleted": True, "text": ""}
        assert self.outcome(record("r1"), gone) == ["COMPLETED", "DELETED"]
        assert self.versions() == ["DELETED", "SUPERSEDED"]

    def test_what_was_deleted_can_come_back(self) -> None:
        gone = {**record("r1", updated_at="2026-03-02T10:00:00Z"), "deleted": True, "text": ""}
        back = record("r1", updated_at="2026-03-03T10:00:00Z")
        assert self.outcome(record("r1"), gone, back) == ["COMPLETED", "DELETED", "COMPLETED"]

    def test_a_deletion_of_what_never_was_here_is_no_entry(self) -> None:
        assert self.outcome({**record("r1"), "deleted": True, "text": ""}) == ["DELETED"]
        assert self.last.entry_id == ""

    def test_records_of_other_sources_with_the_same_text_are_entries_of_their_own(self) -> None:
        assert self.outcome(record("r1"), record("r2")) == ["COMPLETED", "COMPLETED"]

    def test_an_archive_that_keeps_all_versions_supersedes_none(self) -> None:
        archive = any_archive().model_copy(update={"retain_latest_originals_only": False})
        aws.table("archives_table").put(archive.model_dump(mode="json"))
        self.outcome(record("r1"), record("r1", "other text", updated_at="2026-03-02T10:00:00Z"))
        assert self.versions() == ["COMPLETED", "COMPLETED"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"updated_at": "yesterday"},
            {"effective_on": "soon"},
            {"record_id": "a\nb"},
            {"metadata": {"k": "v" * 20_000}},
            {"text": ""},
            {"source_type": ""},
            {"media_type": "application/pdf"},
        ],
    )
    def test_a_record_that_does_not_fit_is_refused(self, fields: dict[str, Any]) -> None:
        assert self.outcome({**record("r1"), **fields}) == ["FAILED"]
        assert self.last.error is not None
        assert self.last.error.code in {"RECORD_INVALID", "OBJECT_NAME_INVALID"}


class TestUploadMetadata:
    def ingest(self, name: str, data: bytes, **metadata: str) -> Any:
        told = {key.replace("_", "-"): value for key, value in metadata.items()}
        aws.client("s3").put_object(Bucket=LANDING, Key=f"incoming/docs/{name}", Body=data, Metadata=told)
        job_id = f"collect-{name[:-4]}"
        (batch,) = planned(job_id, prefix=f"s3://{LANDING}/incoming/docs/{name}")
        run(batch)
        return stages.read(batch.job_id, stages.PUBLISHED).documents[0]

    def test_uploads_of_one_source_are_versions_of_one_entry_whatever_their_paths(self) -> None:
        source = "https://example.com/policy"
        first = self.ingest("policy-2025.txt", b"one", omnilake_source=source, omnilake_effective_on="2025-01-01")
        second = self.ingest("policy-2024.txt", b"two", omnilake_source=source, omnilake_effective_on="2024-01-01")
        assert first.entry_id == second.entry_id
        assert first.version > second.version
        assert (first.source, first.effective_on) == (source, "2025-01-01")

    def test_other_metadata_are_kept_with_the_entry(self) -> None:
        assert self.ingest("a.txt", b"x", team="tides").metadata == {"team": "tides"}

    def test_an_effective_date_that_is_none_is_refused(self) -> None:
        document = self.ingest("a.txt", b"x", omnilake_effective_on="soon")
        assert document.status is DocumentStatus.FAILED
        assert document.error.code == "METADATA_INVALID"

    def test_too_much_metadata_is_refused_and_the_original_is_kept(self) -> None:
        document = self.ingest("a.txt", b"x", team="t" * 1_500)
        assert document.error.code == "METADATA_INVALID"
        assert list(aws.ObjectStore(LANDING).keys("failed/")) == ["failed/docs/a.txt"]
