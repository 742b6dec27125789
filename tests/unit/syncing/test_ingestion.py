"""From the batch files of a sync to its moved cursors: at least once, and nothing lost when it fails in between."""

from __future__ import annotations

from typing import Any

import pytest
from notes_service import Notes

from omnilake import aws, closing, jobs, layout, sources
from omnilake.errors import StageFailed
from omnilake.models import JobKind, JobStatus, Record, Source, SourceStatus, StreamCursor
from omnilake.syncing.failure import record_failure
from omnilake.syncing.fetching import fetch_pages
from omnilake.syncing.ingestion import PreparedIngestion, advance_cursor, prepare_ingestion
from omnilake.syncing.parts import Manifest, read_known
from omnilake.syncing.planning import plan_sync


def fetched(source: Source, job_id: str, full: bool = False) -> None:
    """A sync up to where everything is fetched."""
    jobs.create(job_id, JobKind.SYNC_SOURCE, source.archive_id, source_id=source.source_id, started_by="iam:mara")
    assert sources.claim(source.source_id, job_id) == job_id
    plan_sync(job_id, source.source_id, full)
    while fetch_pages(job_id, source.source_id).more:
        pass


def synced(source: Source, job_id: str, full: bool = False) -> list[Record]:
    """A whole sync; the records that it handed to ingestion."""
    fetched(source, job_id, full)
    prepare_ingestion(job_id, source.source_id)
    advance_cursor(job_id, source.source_id)
    return handed_over(source, job_id)


def failed_in_ingestion(source: Source, job_id: str) -> list[Record]:
    """A sync whose ingestion failed, nobody knows how far it came."""
    fetched(source, job_id)
    prepare_ingestion(job_id, source.source_id)
    record_failure(job_id, "States.TaskFailed", "", "Ingest Records")
    return handed_over(source, job_id)


def manifest(source: Source, job_id: str) -> Manifest:
    return aws.lake().read_model(layout.connector_manifest(source.source_id, job_id), Manifest)


def handed_over(source: Source, job_id: str) -> list[Record]:
    return [
        record for batch in manifest(source, job_id).batches for record in aws.lake().read_models(batch.key, Record)
    ]


def names(records: list[Record]) -> list[tuple[str, bool]]:
    return [(record.record_id, record.deleted) for record in records]


def cursor_of(source: Source) -> StreamCursor:
    (cursor,) = sources.cursors(source.source_id)
    return cursor


def test_should_move_the_cursor_and_free_the_source(source: Source, notes: Notes) -> None:
    notes.put("a", "one")
    notes.put("b", "two")
    assert names(synced(source, "sync-1")) == [("a", False), ("b", False)]
    assert cursor_of(source).cursor == {"after": 2}
    freed = sources.get(source.source_id)
    assert (freed.status, freed.last_job_id, freed.active_job_id) == (SourceStatus.IDLE, "sync-1", "")
    job = jobs.get("sync-1")
    assert (job.status, job.progress["records"]) == (JobStatus.COMPLETED, 2)
    assert job.result_key == layout.connector_manifest(source.source_id, "sync-1")


def test_should_hand_over_only_what_is_new_changed_or_gone(source: Source, notes: Notes) -> None:
    for name in ("a", "b", "c"):
        notes.put(name, f"note {name}")
    synced(source, "sync-1")
    assert synced(source, "sync-2") == []
    notes.put("a", "changed")
    notes.delete("b")
    assert names(synced(source, "sync-3")) == [("a", False), ("b", True)]
    assert synced(source, "sync-4") == []


def test_should_ask_for_no_ingestion_when_nothing_changed(source: Source, notes: Notes) -> None:
    notes.put("a", "note")
    synced(source, "sync-1")
    fetched(source, "sync-2")
    assert prepare_ingestion("sync-2", source.source_id) == PreparedIngestion(collection_job_id="", records=0)
    assert jobs.get("sync-2").state == "Prepare Ingestion"


def test_should_say_that_records_are_ingested_while_the_nested_execution_runs(source: Source, notes: Notes) -> None:
    notes.put("a", "note")
    fetched(source, "sync-1")
    prepare_ingestion("sync-1", source.source_id)
    assert jobs.get("sync-1").state == "Ingest Records"
    advance_cursor("sync-1", source.source_id)
    visits = [visit.state for visit in jobs.get("sync-1").visits()]
    assert visits[-3:] == ["Prepare Ingestion", "Ingest Records", "Advance Cursor"]


def test_should_name_the_collection_after_the_sync(source: Source, notes: Notes) -> None:
    notes.put("a", "note")
    fetched(source, "sync-1")
    first, second = (prepare_ingestion("sync-1", source.source_id) for _ in range(2))
    assert first == second
    collection = jobs.get(first.collection_job_id)
    assert (collection.kind, collection.parent_job_id) == (JobKind.INGEST_COLLECTION, "sync-1")
    assert collection.started_by == jobs.get("sync-1").started_by == "iam:mara"


def test_should_hand_records_over_again_when_their_ingestion_failed(source: Source, notes: Notes) -> None:
    notes.put("a", "note")
    failed_in_ingestion(source, "sync-1")
    assert cursor_of(source).cursor is None
    assert names(synced(source, "sync-2")) == [("a", False)]


def test_should_delete_what_a_failed_sync_may_have_ingested_and_is_gone_since(source: Source, notes: Notes) -> None:
    notes.put("a", "note")
    notes.put("b", "note")
    failed_in_ingestion(source, "sync-1")
    notes.delete("a")
    assert names(synced(source, "sync-2")) == [("b", False), ("a", True)]


def test_should_delete_again_what_a_failed_sync_may_not_have_deleted(source: Source, notes: Notes) -> None:
    notes.put("a", "note")
    synced(source, "sync-1")
    notes.delete("a")
    assert names(failed_in_ingestion(source, "sync-2")) == [("a", True)]
    assert names(synced(source, "sync-3")) == [("a", True)]


def test_should_give_versions_that_go_forward_across_syncs(source: Source, notes: Notes) -> None:
    notes.put("a", "note")
    (first,) = synced(source, "sync-1")
    notes.delete("a")
    (second,) = synced(source, "sync-2")
    notes.put("a", "note")  # restored, with its old time
    (third,) = synced(source, "sync-3")
    notes.put("a", "edited")
    (fourth,) = synced(source, "sync-4")
    assert first.updated_at < second.updated_at < third.updated_at < fourth.updated_at


def test_should_repeat_each_step_harmlessly(source: Source, notes: Notes) -> None:
    notes.put("a", "note")
    fetched(source, "sync-1")
    for _ in range(2):
        fetch_pages("sync-1", source.source_id)
        prepare_ingestion("sync-1", source.source_id)
    for _ in range(2):
        advance_cursor("sync-1", source.source_id)
    assert cursor_of(source).cursor == {"after": 1}
    assert list(read_known(cursor_of(source).known_key)) == ["a"]
    assert synced(source, "sync-2") == []


def test_should_go_on_when_it_died_between_the_cursors_and_the_job(
    source: Source, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes.put("a", "note")
    fetched(source, "sync-1")
    prepare_ingestion("sync-1", source.source_id)
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "complete", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            advance_cursor("sync-1", source.source_id)
    advance_cursor("sync-1", source.source_id)
    assert jobs.get("sync-1").status is JobStatus.COMPLETED
    assert synced(source, "sync-2") == []


def test_should_free_the_source_when_it_died_after_its_job_ended(
    source: Source, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(source, "sync-1")
    prepare_ingestion("sync-1", source.source_id)
    with monkeypatch.context() as patch:
        patch.setattr(sources, "release", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            advance_cursor("sync-1", source.source_id)
    assert sources.claim(source.source_id, "sync-2") == "sync-2"  # even before it is freed
    advance_cursor("sync-1", source.source_id)
    assert sources.get(source.source_id).active_job_id == "sync-2"


def test_should_not_move_a_cursor_that_another_sync_has_moved(source: Source, notes: Notes) -> None:
    notes.put("a", "note")
    fetched(source, "sync-1")
    other = StreamCursor(source_id=source.source_id, stream="notes", cursor={}, job_id="sync-x", updated_at="now")
    sources.advance(other, "")
    with pytest.raises(StageFailed, match="Another sync"):
        prepare_ingestion("sync-1", source.source_id)


def test_should_read_everything_again_in_a_full_sync_and_write_what_differs(source: Source, notes: Notes) -> None:
    notes.put("a", "note")
    notes.put("b", "note")
    synced(source, "sync-1")
    notes.changes[0]["text"] = "changed without a trace"
    assert synced(source, "sync-2") == []
    assert names(synced(source, "sync-3", full=True)) == [("a", False)]


def test_should_keep_the_reasons_of_what_was_left_out(source: Source, notes: Notes) -> None:
    from omnilake.connectors.protocol import Problem

    notes.changes.append({"id": "bad"})
    synced(source, "sync-1")
    told = manifest(source, "sync-1")
    assert (told.counts.malformed, told.complete) == (1, True)
    (problem,) = aws.lake().read_models(told.problems_key, Problem)
    assert problem.reason == "malformed: KeyError"


def test_should_forget_a_stream_that_is_gone_with_its_records(
    source: Source, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from any_source import NotesConnector

    from omnilake.connectors.protocol import Stream

    notes.put("a", "note")
    synced(source, "sync-1")
    with monkeypatch.context() as patch:
        patch.setattr(NotesConnector, "plan", lambda self, cursors: [Stream(name="notes", gone=True)])
        assert names(synced(source, "sync-2")) == [("a", True)]
        assert cursor_of(source).cursor is None
        assert synced(source, "sync-3") == []
    (back,) = synced(source, "sync-4")
    assert (back.record_id, back.deleted) == ("a", False)
    assert back.updated_at > handed_over(source, "sync-2")[0].updated_at


def test_should_keep_one_index_of_what_is_known(source: Source, notes: Notes) -> None:
    for number in range(3):
        notes.put("a", f"version {number}")
        synced(source, f"sync-{number}")
    assert list(aws.lake().keys(f"sources/{source.source_id}/known/")) == [cursor_of(source).known_key]


def test_should_close_a_sync_that_a_person_stopped(source: Source, notes: Notes) -> None:
    fetched(source, "sync-1")
    assert closing.close_job("sync-1", "ABORTED", "", "")
    job: Any = jobs.get("sync-1")
    assert (job.status, job.error.code) == (JobStatus.FAILED, "EXECUTION_ABORTED")
    assert sources.get(source.source_id).status is SourceStatus.FAILED
    assert sources.claim(source.source_id, "sync-2") == "sync-2"


def test_should_tell_the_bus_that_a_cancelled_sync_did_not_complete(
    source: Source, notes: Notes, published: list[tuple[str, dict[str, Any]]]
) -> None:
    fetched(source, "sync-1")
    jobs.cancel("sync-1", JobKind.SYNC_SOURCE)
    assert closing.close_job("sync-1", "ABORTED", "", "")
    assert jobs.get("sync-1").status is JobStatus.CANCELLED
    ((end, told),) = (each for each in published if each[0].startswith("Sync "))
    assert (end, told["error"]["code"]) == ("Sync Failed", "JOB_CANCELLED")
    assert sources.claim(source.source_id, "sync-2") == "sync-2"


def test_should_tell_the_bus_of_its_end(
    source: Source, notes: Notes, published: list[tuple[str, dict[str, Any]]]
) -> None:
    notes.put("a", "note")
    synced(source, "sync-1")
    notes.delete("a")
    failed_in_ingestion(source, "sync-2")
    (done, completed), (not_done, failed) = (each for each in published if each[0].startswith("Sync "))
    assert (done, not_done) == ("Sync Completed", "Sync Failed")
    whose = {"source_id": source.source_id, "archive_id": source.archive_id}
    counts = manifest(source, "sync-1").counts
    assert counts.records == 1
    assert completed == whose | {"job_id": "sync-1"} | counts.model_dump()
    assert {name: failed[name] for name in ("job_id", "records", "deleted")} == {
        "job_id": "sync-2",
        "records": 1,
        "deleted": 1,
    }
    assert failed["error"]["code"] == jobs.get("sync-2").error.code  # type: ignore[union-attr]


def test_should_tell_the_bus_when_it_died_before_it_did(
    source: Source, notes: Notes, published: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(source, "sync-1")
    prepare_ingestion("sync-1", source.source_id)
    with monkeypatch.context() as patch:
        patch.setattr(aws, "publish_event", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            advance_cursor("sync-1", source.source_id)
    advance_cursor("sync-1", source.source_id)
    assert [kind for kind, _ in published] == ["Sync Completed"]
