"""What a removal marks, deletes and leaves alone; the store's part is tested in ``stores/test_erasure.py``."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from any_ingest import LANDING, any_archive, any_batch, any_report, uploaded
from hypothesis import given
from hypothesis import strategies as st

from omnilake import archives, aws, clock, entries, jobs, layout, sources
from omnilake.closing import cancel_job, close_job
from omnilake.errors import (
    ArchiveBeingDeleted,
    ArchiveInUse,
    ArchiveNotFound,
    EntryNotFound,
    InvalidRemoval,
    JobEnded,
    RemovalIncomplete,
    RevisionMismatch,
    TransientError,
)
from omnilake.ingest import landing, stages
from omnilake.ingest.publish import publish_entries
from omnilake.ingest.register import register_documents
from omnilake.models import DocumentStatus, JobStatus, ObjectRef
from omnilake.removal import deletion, objects, proof
from omnilake.removal.marking import mark_entries
from omnilake.removal.requests import KIND, parse_request, read_plan, start, start_deletion
from omnilake.settings import settings
from omnilake.stores import backup, erasure, table

pytestmark = pytest.mark.usefixtures("stack")


@pytest.fixture(autouse=True)
def _archive(stack: None, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = any_archive()
    aws.table("stores_table").put(
        {"store_id": archive.store_id, "archive_id": "docs", "space": archive.space.model_dump(), "uri": "s3://x/stores",
         "created_at": archive.created_at}
    )  # fmt: skip
    monkeypatch.setattr(erasure, "remaining", lambda *_: 0)
    monkeypatch.setattr(backup, "holds", lambda *_: 0)


def ingested(key: str, data: bytes) -> tuple[str, str]:
    """(entry id, version) of an upload that is in search, with a text and chunks."""
    job_id = any_batch(uploaded(f"incoming/docs/{key}", data))
    register_documents(job_id)
    batch = stages.read(job_id, stages.REGISTERED)
    (document,) = batch.documents
    if document.live:
        aws.lake().write(layout.entry_text(document.entry_id, document.version), data)
        aws.lake().write(layout.embed_batch(job_id, 0), data)
        any_report(job_id)
        stages.write(batch.model_copy(update={"embed_batches": 1}), stages.CHUNKED)
    publish_entries(job_id)
    return document.entry_id, document.version


def removal(*entry_ids: str) -> str:
    """A removal whose plan is written."""
    job_id = f"remove-docs-{len(entry_ids)}-{entry_ids[0][-6:]}"
    aws.lake().write_model(layout.removal_part(job_id, "request"), parse_request("docs", [*entry_ids]))
    jobs.create(job_id, KIND, "docs")
    assert mark_entries(job_id).busy == 0
    return job_id


def held(bucket: str, prefix: str = "") -> list[str]:
    """Keys of all object versions below a prefix that hold data."""
    return sorted({each.key for each in aws.ObjectStore(bucket).versions(prefix) if not each.is_delete_marker})


def test_what_is_kept_of_an_entry_goes_in_all_versions_and_a_tombstone_stays() -> None:
    entry_id, first = ingested("locker.md", b"one")
    _, second = ingested("locker.md", b"two")
    other, _ = ingested("ferry.md", b"nine")
    job_id = removal(entry_id)
    plan = read_plan(job_id)
    assert {each.version for each in plan.versions} == {first, second}

    done = objects.purge_objects(job_id)

    assert done.objects >= 6
    assert held("lakebucket", layout.ENTRIES) == [layout.entry_text(other, entries.versions(other)[0]["version"])]
    assert held(LANDING) == ["processed/docs/ferry.md"]
    tombstones = entries.versions(entry_id)
    assert {item["status"] for item in tombstones} == {"REMOVED"}
    assert all(item["name"] == "" and "metadata" not in item and "origin" not in item for item in tombstones)
    for ingestion in plan.job_ids:
        assert held("lakebucket", layout.embeddings(ingestion)) == []
        assert jobs.get(ingestion).documents[0]["name"] == ""
        for stage in (stages.REGISTERED, stages.PUBLISHED):
            assert "locker" not in aws.lake().read(layout.batch(ingestion, stage)).decode()
        assert "locker" not in aws.lake().read(layout.batch_manifest(ingestion)).decode()


def test_the_receipt_says_where_was_looked_and_names_nothing(published: list[tuple[str, dict[str, Any]]]) -> None:
    entry_id, version = ingested("secret-name.md", b"one")
    job_id = removal(entry_id)
    objects.purge_objects(job_id)
    assert proof.prove_absence(job_id) == proof.ProofResult(
        remaining=0, receipt_key=layout.removal_part(job_id, "receipt")
    )
    receipt = aws.lake().read_model(layout.removal_part(job_id, "receipt"), proof.Receipt)
    assert [(each.entry_id, each.versions) for each in receipt.entries] == [(entry_id, [version])]
    assert len(receipt.checks) >= 8
    assert "secret-name" not in receipt.model_dump_json()
    assert receipt.sealed().digest == receipt.digest
    assert jobs.get(job_id).status is JobStatus.COMPLETED
    assert held("lakebucket", f"removals/{job_id}/plan") == []
    assert [kind for kind, _ in published if "Removed" in kind] == ["Entries Removed"]
    assert proof.prove_absence(job_id).remaining == 0  # once more


def test_what_is_found_after_all_keeps_the_removal_from_ending() -> None:
    entry_id, version = ingested("locker.md", b"one")
    job_id = removal(entry_id)
    objects.purge_objects(job_id)
    aws.lake().write(layout.entry_text(entry_id, version), b"one")
    assert proof.prove_absence(job_id).remaining == 1
    assert jobs.get(job_id).status is JobStatus.RUNNING
    objects.purge_objects(job_id)
    assert proof.prove_absence(job_id).remaining == 0


def test_what_is_found_again_and_again_fails_until_a_redrive_gives_it_more_rounds() -> None:
    entry_id, version = ingested("locker.md", b"one")
    job_id = removal(entry_id)
    objects.purge_objects(job_id)
    aws.lake().write(layout.entry_text(entry_id, version), b"one")
    assert proof.prove_absence(job_id, 4).remaining == 1
    with pytest.raises(RemovalIncomplete, match="5 rounds: 1 in bucket lakebucket"):
        proof.prove_absence(job_id, 5)
    assert proof.prove_absence(job_id, 5, redrives=1).remaining == 1


def test_what_was_left_behind_before_the_last_purge_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    entry_id, _ = ingested("locker.md", b"one")
    job_id = removal(entry_id)
    for at in ("2001-01-01T00:00:00.000Z", "2101-01-01T00:00:00.000Z"):
        monkeypatch.setattr(clock, "now", lambda at=at: at)
        objects.purge_objects(job_id)
    file = f"{layout.store_files(read_plan(job_id).store_id)}data/1.lance"
    for rows in (b"one", b"none"):
        aws.lake().write(file, rows)
    assert proof.prove_absence(job_id).remaining == 1


def test_a_version_that_came_after_the_request_stays() -> None:
    entry_id, first = ingested("locker.md", b"one")
    request = parse_request("docs", [entry_id])
    _, second = ingested("locker.md", b"two")
    aws.lake().write_model(layout.removal_part("remove-late", "request"), request)
    jobs.create("remove-late", KIND, "docs")
    mark_entries("remove-late")
    objects.purge_objects("remove-late")
    assert {item["version"]: item["status"] for item in entries.versions(entry_id)} == {
        first: "REMOVED",
        second: "COMPLETED",
    }
    assert held(LANDING) == ["processed/docs/locker.md"]
    assert aws.ObjectStore(LANDING).read("processed/docs/locker.md") == b"two"


def test_a_version_that_a_job_works_on_is_waited_for_and_one_that_was_left_behind_is_not() -> None:
    job = any_batch(uploaded("incoming/docs/locker.md", b"one"))
    register_documents(job)
    entry_id = stages.read(job, stages.REGISTERED).documents[0].entry_id
    aws.lake().write_model(layout.removal_part("remove-busy", "request"), parse_request("docs", [entry_id]))
    jobs.create("remove-busy", KIND, "docs")
    assert mark_entries("remove-busy").busy == 1
    assert entries.versions(entry_id)[0]["status"] == "PENDING"
    aws.table("jobs_table").delete({"job_id": job})
    assert mark_entries("remove-busy").busy == 0
    assert entries.versions(entry_id)[0]["status"] == "REMOVING"


def test_another_upload_of_the_bytes_comes_back_unless_it_is_removed_too() -> None:
    first, _ = ingested("a.md", b"same")
    copy, _ = ingested("b.md", b"same")
    assert entries.versions(copy)[0]["status"] == "DUPLICATE"
    assert objects.purge_objects(removal(first)).brought_back == 1
    assert "incoming/docs/b.md" in held(LANDING)


def test_no_copy_comes_back_that_is_removed_too() -> None:
    first, _ = ingested("a.md", b"same")
    copy, _ = ingested("b.md", b"same")
    assert objects.purge_objects(removal(first, copy)).brought_back == 0
    assert held(LANDING) == []


def test_a_removed_copy_is_no_alias_any_more() -> None:
    first, version = ingested("a.md", b"same")
    copy, _ = ingested("b.md", b"same")
    objects.purge_objects(removal(copy))
    content_hash = entries.versions(first)[0]["content_hash"]
    assert entries.aliases("docs", content_hash, first, version) == []
    assert held(LANDING) == ["processed/docs/a.md"]


def test_a_record_leaves_its_file_and_the_lines_after_it_keep_their_numbers() -> None:
    lines = [b'{"n": 0}', b'{"n": 1}', b'{"n": 2}']
    key = "sources/s1/chunked/batch.jsonl.gz"
    aws.lake().write(key, gzip.compress(b"\n".join(lines)))
    version = _doomed(ObjectRef(bucket="lakebucket", key=key, line=1))
    assert objects.has_record(version)
    assert objects._blank_record(version) == 1  # the file as it was
    assert not objects.has_record(version)
    assert gzip.decompress(aws.lake().read(key)).split(b"\n")[:3] == [lines[0], b"", lines[2]]


def test_a_file_whose_last_record_goes_goes_too() -> None:
    key = "sources/inline/docs/job.jsonl.gz"
    aws.lake().write(key, gzip.compress(b'{"n": 0}\n'))
    objects._blank_record(_doomed(ObjectRef(bucket="lakebucket", key=key, line=0)))
    assert list(aws.lake().versions(key)) == []


def test_originals_of_others_are_told_and_left() -> None:
    assert objects.is_elsewhere(_doomed(ObjectRef(bucket="another", key="a.pdf")))
    assert not objects.is_elsewhere(_doomed(ObjectRef(bucket=LANDING, key="incoming/docs/a.pdf")))
    assert not objects.is_elsewhere(_doomed(None))


def test_a_document_that_shares_the_path_of_what_is_removed_stays() -> None:
    """Two sources were uploaded under one path: they are two entries."""
    told = {"omnilake-source": "https://example.com/a"}
    aws.client("s3").put_object(Bucket=LANDING, Key="incoming/docs/x.md", Body=b"a", Metadata=told)
    from_source = aws.ObjectStore(LANDING).head("incoming/docs/x.md")
    assert from_source is not None
    job = any_batch(
        ObjectRef(bucket=LANDING, key="incoming/docs/x.md", version_id=from_source["VersionId"], sequencer="0A")
    )
    register_documents(job)
    publish_entries(job)
    named = entries.entry_id_of("docs", "source", "https://example.com/a")
    plain, _ = ingested("x.md", b"b")
    assert plain != named
    objects.purge_objects(removal(plain))
    kept = [aws.ObjectStore(LANDING).read(key) for key in held(LANDING)]
    assert b"a" in kept
    assert b"b" not in kept


def test_entries_that_are_not_there_are_not_removed() -> None:
    with pytest.raises(EntryNotFound):
        start(parse_request("docs", ["e" + "0" * 31]))
    entry_id, _ = ingested("a.md", b"one")
    objects.purge_objects(removal(entry_id))
    with pytest.raises(EntryNotFound):
        start(parse_request("docs", [entry_id]))


def test_an_execution_that_failed_closes_its_job_and_is_told(published: list[tuple[str, dict[str, Any]]]) -> None:
    entry_id, _ = ingested("a.md", b"one")
    job_id = removal(entry_id)
    assert close_job(job_id, "FAILED", "TransientError", '{"errorMessage": "TRANSIENT: A store was busy."}')
    assert jobs.get(job_id).status is JobStatus.FAILED
    assert [detail["entry_ids"] for kind, detail in published if kind == "Removal Failed"] == [[entry_id]]


@given(st.lists(st.text(max_size=40), max_size=130))
def test_only_ids_of_entries_are_taken(told: list[str]) -> None:
    with pytest.raises(InvalidRemoval) as refused:
        parse_request("docs", [*told, "no id"])
    assert all(each not in refused.value.message for each in told if len(each) > 12)


def _doomed(origin: ObjectRef | None) -> Any:
    from omnilake.removal.requests import DoomedVersion

    return DoomedVersion(entry_id="e1", version="v1", origin=origin)


def test_the_zones_that_are_looked_through_are_all_there_are() -> None:
    assert {landing.INCOMING, landing.PROCESSED, landing.FAILED} == set(landing.ZONES)
    assert DocumentStatus.REMOVED not in {DocumentStatus(each) for each in entries.UNDER_WAY}


class TestAWholeArchive:
    """One entry a round; the executions' states are called as the state machine calls them."""

    @pytest.fixture(autouse=True)
    def _one_a_round(self, monkeypatch: pytest.MonkeyPatch, started: list[str], dropped: list[str]) -> None:
        monkeypatch.setenv("OMNILAKE_REMOVAL_ROUND_ENTRIES", "1")
        monkeypatch.setenv("OMNILAKE_REMOVAL_MACHINE_ARN", "arn:aws:states:us-east-1:123456789012:stateMachine:remove")
        settings.cache_clear()

    @pytest.fixture
    def started(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Names of the executions that were started."""
        seen: list[str] = []
        monkeypatch.setattr("omnilake.executions.start_once", lambda _, name, __: seen.append(name))
        return seen

    @pytest.fixture
    def dropped(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Stores whose tables were dropped."""
        seen: list[str] = []
        monkeypatch.setattr(table, "drop_store", lambda store: seen.append(store.store_id))
        return seen

    def begun(self) -> str:
        return start_deletion(archives.get_archive("docs"), "jwt:mara").job_id

    def one_round(self, job_id: str) -> proof.ProofResult:
        assert mark_entries(job_id).versions
        objects.purge_objects(job_id)
        told = proof.prove_absence(job_id)
        assert (told.remaining, told.more) == (0, True)
        return told

    def test_goes_round_by_round_each_with_a_receipt_and_then_itself(
        self, dropped: list[str], published: list[tuple[str, dict[str, Any]]]
    ) -> None:
        there = {ingested("locker.md", b"one")[0], ingested("ferry.md", b"nine")[0]}
        aws.lake().write(f"{layout.store_files('docs-store')}data/1.lance", b"columns")
        job_id, gone, keys = self.begun(), set(), []
        for number in (1, 2):
            assert mark_entries(job_id) == mark_entries(job_id)  # whatever is repeated stays in its round
            told = self.one_round(job_id)
            assert proof.prove_absence(job_id) == told
            assert told.receipt_key == layout.removal_part(job_id, f"receipts/{number:05d}")
            receipt = aws.lake().read_model(told.receipt_key, proof.Receipt)
            assert (len(receipt.entries), receipt.objects > 0) == (1, True)
            gone |= {each.entry_id for each in receipt.entries}
            keys.append((told.receipt_key, receipt.digest))
            assert jobs.get(job_id).status is JobStatus.RUNNING
        assert gone == there
        assert mark_entries(job_id).emptied

        ended = deletion.drop_archive(job_id)

        assert ended == deletion.DropResult(busy=0, receipt_key=layout.removal_part(job_id, "receipt"))
        with pytest.raises(ArchiveNotFound):
            archives.get_archive("docs")
        assert dropped == ["docs-store"]
        assert aws.table("stores_table").get({"store_id": "docs-store"}) is None
        whole = aws.lake().read_model(ended.receipt_key, deletion.ArchiveReceipt)
        assert [(each.receipt_key, each.digest) for each in whole.rounds] == keys
        assert (whole.entries, whole.versions, whole.requested_by) == (2, 2, "jwt:mara")
        assert whole.sealed() == whole
        assert not any(check.found for check in whole.checks)
        assert held(LANDING) == []
        assert held("lakebucket", layout.STORES_PREFIX) == []
        kept = [ended.receipt_key, *(key for key, _ in keys), layout.removal_part(job_id, "request")]
        assert held("lakebucket", f"removals/{job_id}") == kept
        job = jobs.get(job_id)
        assert (job.status, job.result_key) == (JobStatus.COMPLETED, ended.receipt_key)
        assert {"entries": 2, "versions": 2}.items() <= job.progress.items()
        assert [kind for kind, _ in published if kind in ("Entries Removed", "Archive Deleted")][
            -1
        ] == "Archive Deleted"
        assert deletion.drop_archive(job_id) == ended  # once more

    def test_what_lies_below_its_name_without_an_entry_goes_too(self) -> None:
        uploaded("failed/docs/broken.pdf", b"%PDF")
        uploaded("failed/docs-2/other.pdf", b"%PDF")
        aws.lake().write("sources/inline/docs/refused.jsonl.gz", b"x")
        aws.lake().write("uploads/docs/half.json", b"{}")
        job_id = self.begun()
        assert mark_entries(job_id).emptied
        deletion.drop_archive(job_id)
        assert held(LANDING) == ["failed/docs-2/other.pdf"]
        assert held("lakebucket", "sources/") == held("lakebucket", "uploads/") == []

    def test_versions_that_failed_or_were_duplicates_go_and_no_copy_comes_back(self) -> None:
        first, _ = ingested("a.md", b"same")
        copy, _ = ingested("b.md", b"same")
        job_id, gone = self.begun(), set()
        while not mark_entries(job_id).emptied:
            gone |= {each.entry_id for each in read_plan(job_id).versions}
            assert objects.purge_objects(job_id).brought_back == 0
            proof.prove_absence(job_id)
        deletion.drop_archive(job_id)
        assert gone == {first, copy}
        assert held(LANDING) == []

    def test_an_ingestion_that_began_before_is_waited_for_and_what_comes_later_is_refused(self) -> None:
        early = any_batch(uploaded("incoming/docs/early.md", b"one"))
        register_documents(early)
        job_id = self.begun()
        late = any_batch(uploaded("incoming/docs/late.md", b"two"))
        assert mark_entries(job_id).busy == 2
        register_documents(late)
        (refused,) = stages.read(late, stages.REGISTERED).documents
        assert refused.error is not None
        assert (refused.status, refused.error.code) == (DocumentStatus.FAILED, "ARCHIVE_BEING_DELETED")
        publish_entries(late)
        assert mark_entries(job_id).busy == 1
        publish_entries(early)
        self.one_round(job_id)
        assert mark_entries(job_id).emptied
        deletion.drop_archive(job_id)
        assert held(LANDING) == held("lakebucket", layout.ENTRIES) == []

    def test_what_comes_after_the_last_round_keeps_it_from_going(self) -> None:
        job_id = self.begun()
        assert mark_entries(job_id).emptied
        any_batch(uploaded("incoming/docs/late.md", b"two"))
        assert deletion.drop_archive(job_id).busy == 1
        assert archives.get_archive("docs").deletion_job_id == job_id

    def test_takes_nothing_in_from_the_beginning(self) -> None:
        entry_id, _ = ingested("a.md", b"one")
        self.begun()
        with pytest.raises(ArchiveBeingDeleted):
            archives.open_archive("docs")
        with pytest.raises(ArchiveBeingDeleted):
            start(parse_request("docs", [entry_id]))
        with pytest.raises(ArchiveBeingDeleted):
            sources.put("docs", "website", {"start_url": "https://example.com/"})
        with pytest.raises(ArchiveBeingDeleted):
            archives.delete_archive("docs", 2)

    def test_the_same_call_gives_the_same_job_while_it_runs(self, started: list[str]) -> None:
        before = archives.get_archive("docs")
        job_id = self.begun()
        assert self.begun() == job_id
        assert started == [job_id, job_id]
        with pytest.raises(RevisionMismatch):
            start_deletion(before)

    def test_a_call_that_came_no_further_than_to_close_the_archive_is_taken_up(self, started: list[str]) -> None:
        archives.close_archive(archives.get_archive("docs"), "delete-docs-lost")
        assert self.begun() == "delete-docs-lost"
        assert mark_entries("delete-docs-lost").emptied

    def test_sources_keep_it_and_are_named(self, started: list[str]) -> None:
        source = {
            "source_id": "website-1",
            "item": "definition",
            "listing": "sources",
            "archive_source": "docs#website-1",
        }
        aws.table("sources_table").put(source)
        with pytest.raises(ArchiveInUse, match="website-1"):
            self.begun()
        archives.open_archive("docs")
        assert started == []

    @pytest.mark.parametrize("ended", ["failed", "cancelled"])
    def test_ended_early_it_takes_documents_in_again_and_a_later_deletion_takes_what_is_left(
        self, ended: str, started: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("omnilake.executions.stop", lambda *_: None)
        ingested("a.md", b"one")
        ingested("b.md", b"two")
        first = self.begun()
        self.one_round(first)
        if ended == "cancelled":
            cancel_job(first)
        assert close_job(first, "ABORTED", "JobCancelled" if ended == "cancelled" else "TransientError", "{}")
        assert archives.open_archive("docs").deletion_job_id == ""
        ingested("c.md", b"three")
        second = self.begun()
        assert second != first
        if ended == "failed":  # redriven: the other one has it now
            with pytest.raises(ArchiveBeingDeleted):
                mark_entries(first, redrives=1)
            close_job(first, "FAILED", "ArchiveBeingDeleted", "{}")
        self.one_round(second)
        self.one_round(second)
        assert mark_entries(second).emptied
        assert deletion.drop_archive(second).busy == 0

    def test_cancelled_before_its_execution_was_ever_started_it_takes_documents_in_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("omnilake.executions.start_once", lambda *_: _fails(None))
        with pytest.raises(TransientError):
            self.begun()
        monkeypatch.setattr("omnilake.executions.stop", lambda *_: None)
        cancel_job(archives.get_archive("docs").deletion_job_id)
        assert archives.open_archive("docs").deletion_job_id == ""

    def test_what_lies_below_its_name_goes_wherever_it_was_set_aside(self) -> None:
        for zone in (*landing.ZONES, landing.ARCHIVED):
            aws.ObjectStore(LANDING).write(f"{zone}docs/a.md/0001", b"refused before it was an entry")
        job_id = self.begun()
        assert mark_entries(job_id).emptied
        deletion.drop_archive(job_id)
        assert held(LANDING) == []

    def test_a_redrive_closes_it_again(self) -> None:
        job_id = self.begun()
        close_job(job_id, "FAILED", "TransientError", "{}")
        for late in (mark_entries, deletion.drop_archive):
            with pytest.raises(JobEnded):
                late(job_id)
        archives.open_archive("docs")
        assert mark_entries(job_id, redrives=1).emptied
        assert archives.get_archive("docs").deletion_job_id == job_id

    def test_a_later_archive_of_the_same_id_is_left_alone(self) -> None:
        job_id = self.begun()
        later = any_archive()
        aws.table("archives_table").put(later.model_dump(mode="json") | {"store_id": "docs-later"})
        for state in (mark_entries, deletion.drop_archive):
            with pytest.raises(ArchiveNotFound):
                state(job_id)
        assert archives.get_archive("docs").store_id == "docs-later"

    def test_a_deletion_that_broke_off_after_the_record_had_gone_ends_all_the_same(
        self, dropped: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = self.begun()
        mark_entries(job_id)
        with monkeypatch.context() as patch:
            patch.setattr(deletion, "_drop_stores", _fails)
            with pytest.raises(TransientError):
                deletion.drop_archive(job_id)
        aws.table("archives_table").put(any_archive().model_dump(mode="json") | {"store_id": "docs-later"})
        uploaded("incoming/docs/new.md", b"new")
        assert deletion.drop_archive(job_id).busy == 0
        assert dropped == ["docs-store"]
        assert held(LANDING) == ["incoming/docs/new.md"]
        assert archives.get_archive("docs").store_id == "docs-later"

    def test_versions_that_the_index_still_tells_of_are_not_removed_twice(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entry_id, _ = ingested("a.md", b"one")
        job_id = self.begun()
        self.one_round(job_id)
        monkeypatch.setattr(entries, "of_status", lambda *_: iter([{"entry_id": entry_id}]))
        assert mark_entries(job_id).emptied


def _fails(_: object) -> Any:
    raise TransientError("The store did not answer.")
