"""What a removal marks, deletes and leaves alone; the store's part is tested in ``stores/test_erasure.py``."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from any_ingest import LANDING, any_archive, any_batch, any_report, uploaded
from hypothesis import given
from hypothesis import strategies as st

from omnilake import aws, entries, jobs, layout
from omnilake.closing import close_job
from omnilake.errors import EntryNotFound, InvalidRemoval
from omnilake.ingest import landing, stages
from omnilake.ingest.publish import publish_entries
from omnilake.ingest.register import register_documents
from omnilake.models import DocumentStatus, JobStatus, ObjectRef
from omnilake.removal import objects, proof
from omnilake.removal.marking import mark_entries
from omnilake.removal.requests import KIND, parse_request, read_plan, start
from omnilake.stores import backup, erasure

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


def test_what_was_left_behind_since_the_first_purge_counts_where_there_was_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry_id, _ = ingested("locker.md", b"one")
    job_id = removal(entry_id)
    monkeypatch.setattr(jobs, "now", lambda: "2001-01-01T00:00:00.000Z")
    objects.purge_objects(job_id)
    file = f"{layout.store_files(read_plan(job_id).store_id)}data/1.lance"
    for rows in (b"one", b"none"):
        aws.lake().write(file, rows)
    monkeypatch.setattr(jobs, "now", lambda: "2101-01-01T00:00:00.000Z")
    jobs.enter(job_id, KIND, objects.STATE)
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
