"""Fetch Pages: what comes into batch files, and that nothing is lost or doubled when an invocation dies."""

from __future__ import annotations

from typing import Any

import pytest
from any_source import NotesConnector
from hypothesis import given
from hypothesis import strategies as st
from notes_service import TOKEN, Notes
from vendor_server import Reply, Request, Vendor

from omnilake import aws, jobs, layout, sources
from omnilake.connectors.protocol import Known, Page, Problem, Sweep
from omnilake.errors import RateLimited, SourceError, StageFailed, TransientError
from omnilake.models import JobKind, Record, Source
from omnilake.settings import settings
from omnilake.syncing import fetching
from omnilake.syncing.fetching import StreamReader, batches_of, fetch_pages
from omnilake.syncing.parts import read_plan, read_progress
from omnilake.syncing.planning import plan_sync

STARTED = "2026-06-01T00:00:00.000Z"


def any_record(record_id: str = "a", text: str = "text", **fields: Any) -> Record:
    return Record(
        source_type="notes", record_id=record_id, text=text, **{"updated_at": "2026-05-01T10:00:00Z", **fields}
    )


def known_of(record: Record) -> Known:
    return Known(
        record_id=record.record_id,
        content_hash=record.content_hash[:32],
        updated_at=record.updated_at,
        effective_on=record.effective_on,
    )


def reader(*known: Record) -> StreamReader:
    return StreamReader(0, "notes", STARTED, {record.record_id: known_of(record) for record in known})


def planned(source: Source, job_id: str = "sync-1") -> str:
    jobs.create(job_id, JobKind.SYNC_SOURCE, source.archive_id, source_id=source.source_id)
    plan_sync(job_id, source.source_id)
    return job_id


def fetched(job_id: str) -> list[Record]:
    """Records of all batch files that the sync names, in order."""
    return [record for batch in read_progress(job_id).batches for record in aws.lake().read_models(batch.key, Record)]


# --- what a page comes to ----------------------------------------------------------------------------------------


def test_should_write_new_and_changed_records_and_drop_unchanged_ones() -> None:
    page = Page(records=[any_record("a"), any_record("b", "new words"), any_record("c")])
    taken = reader(any_record("a"), any_record("b", "old words")).take(page)
    assert [record.record_id for record in taken.records] == ["b", "c"]
    assert taken.unchanged == 1


def test_should_give_a_changed_record_a_later_time_than_its_former_version_whatever_the_source_says() -> None:
    before = any_record("a", "old", updated_at="2026-05-09T00:00:00Z")
    (written,) = reader(before).take(Page(records=[any_record("a", "new", updated_at="2026-05-01T00:00:00Z")])).records
    assert written.updated_at == STARTED
    before = any_record("a", "old", updated_at="2027-01-01T00:00:00.000Z")  # the source's clock runs ahead
    (written,) = reader(before).take(Page(records=[any_record("a", "new", updated_at=STARTED)])).records
    assert written.updated_at == "2027-01-01T00:00:00.001Z"


def test_should_write_times_in_utc() -> None:
    (written,) = reader().take(Page(records=[any_record(updated_at="2026-05-01T12:00:00+02:00")])).records
    assert written.updated_at == "2026-05-01T10:00:00.000Z"


def test_should_write_a_record_once_that_two_pages_bring() -> None:
    both = reader()
    first, second = both.take(Page(records=[any_record()])), both.take(Page(records=[any_record()]))
    assert (len(first.records), len(second.records)) == (1, 0)


def test_should_list_a_record_whose_time_is_none_and_keep_its_former_version() -> None:
    one = reader(any_record("a"))
    taken = one.take(Page(records=[any_record("a", "new", updated_at="yesterday")], sweep=Sweep()))
    assert taken.records == []
    assert [problem.item for problem in taken.problems] == ["a"]


def test_should_delete_what_a_complete_listing_no_longer_names() -> None:
    page = Page(
        records=[any_record("changed", "new words")],
        present=["listed"],
        problems=[Problem(item="3", reason="malformed", record_id="broken")],
        sweep=Sweep(),
    )
    known = [any_record(name) for name in ("changed", "listed", "broken", "gone")]
    taken = reader(*known).take(page)
    assert [(record.record_id, record.deleted) for record in taken.records] == [("changed", False), ("gone", True)]


def test_should_delete_only_inside_the_scope_of_a_listing() -> None:
    known = [any_record(day, effective_on=f"2026-05-{day}") for day in ("01", "10", "20")]
    taken = reader(*known).take(Page(sweep=Sweep(since="2026-05-10")))
    assert sorted(record.record_id for record in taken.records) == ["10", "20"]


def test_should_delete_once_and_write_again_what_comes_back() -> None:
    one = reader(any_record("a"))
    gone = any_record("a", "", deleted=True)
    assert len(one.take(Page(records=[gone, gone])).records) == 1
    (restored,) = one.take(Page(records=[any_record("a")])).records
    assert not restored.deleted


def test_should_delete_every_record_of_a_stream_that_is_gone() -> None:
    taken = reader(any_record("a"), any_record("b")).take_all_as_gone()
    assert [(record.record_id, record.deleted) for record in taken.records] == [("a", True), ("b", True)]


@given(
    st.lists(st.integers(1, 400), max_size=40),
    st.integers(1, 8),
    st.integers(200, 900),
)
def test_should_put_every_record_into_one_batch_within_the_limits(lengths: list[int], most: int, size: int) -> None:
    records = [any_record(str(number), "x" * length) for number, length in enumerate(lengths)]
    groups = list(batches_of(records, most, size))
    assert [record for group in groups for record in group] == records
    for group in groups:
        assert 1 <= len(group) <= most
        bytes_of = sum(len(record.model_dump_json()) + 1 for record in group)
        assert bytes_of <= size or len(group) == 1


# --- invocations --------------------------------------------------------------------------------------------------


def test_should_fetch_every_page_into_batch_files_and_count(source: Source, notes: Notes) -> None:
    for number in range(5):
        notes.put(f"n{number}", f"note {number}")
    job_id = planned(source)
    result = fetch_pages(job_id, source.source_id)
    assert [record.record_id for record in fetched(job_id)] == [f"n{number}" for number in range(5)]
    assert (result.more, result.counts.pages, result.counts.records) == (False, 4, 5)
    assert jobs.get(job_id).progress["records"] == 5
    key = read_progress(job_id).batches[0].key
    day = read_plan(job_id).started_at[:10]
    assert key.startswith(f"sources/{source.source_id}/chunked/year={day[:4]}/month={day[5:7]}/day={day[8:]}/batch_")


def test_should_list_malformed_items_and_go_on(source: Source, notes: Notes) -> None:
    notes.put("good", "words")
    notes.changes.append({"id": "bad"})
    job_id = planned(source)
    result = fetch_pages(job_id, source.source_id)
    assert [record.record_id for record in fetched(job_id)] == ["good"]
    assert result.counts.malformed == 1
    (problem,) = aws.lake().read_models(layout.sync_part(job_id, "problems/00000"), Problem)
    assert "malformed" in problem.reason


def test_should_keep_what_was_fetched_before_a_rate_limit(source: Source, notes: Notes, service: Vendor) -> None:
    for number in range(4):
        notes.put(f"n{number}", f"note {number}")
    job_id = planned(source)
    first_page = Request("GET", "/notes", {"after": "0"}, {"authorization": f"Bearer {TOKEN}"}, b"")
    service.faults += [notes.answer(first_page), Reply({}, 429, {"Retry-After": "7"})]
    with pytest.raises(RateLimited, match=r"Wait 7 s\."):
        fetch_pages(job_id, source.source_id)
    assert [record.record_id for record in fetched(job_id)] == ["n0", "n1"]
    assert fetch_pages(job_id, source.source_id).more is False
    assert [record.record_id for record in fetched(job_id)] == ["n0", "n1", "n2", "n3"]


def test_should_go_on_at_the_checkpoint_in_each_invocation(
    source: Source, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        notes.put(f"n{number}", f"note {number}")
    job_id = planned(source)
    monkeypatch.setattr(fetching, "settings", lambda: settings().model_copy(update={"fetch_seconds": 0.0}))
    rounds = 0
    while fetch_pages(job_id, source.source_id).more:
        rounds += 1
    assert rounds == 3  # of four pages: the listing of ids is one
    assert [record.record_id for record in fetched(job_id)] == [f"n{number}" for number in range(6)]


def test_should_write_each_record_once_when_an_invocation_dies_before_its_checkpoint(
    source: Source, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        notes.put(f"n{number}", f"note {number}")
    job_id = planned(source)
    write = aws.ObjectStore.write_model

    def dies(self: aws.ObjectStore, key: str, value: Any) -> str:
        if key.endswith("/progress.json"):
            raise MemoryError
        return write(self, key, value)

    with monkeypatch.context() as patch:
        patch.setattr(aws.ObjectStore, "write_model", dies)
        with pytest.raises(MemoryError):
            fetch_pages(job_id, source.source_id)
    notes.put("n0", "changed meanwhile")
    fetch_pages(job_id, source.source_id)
    assert sorted(record.record_id for record in fetched(job_id)) == [f"n{number}" for number in range(6)]
    assert next(record.text for record in fetched(job_id) if record.record_id == "n0") == "changed meanwhile"


def test_should_not_take_what_a_dead_invocation_saw_for_written(
    source: Source, notes: Notes, service: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It left ``seen`` behind, but the files beside it are named nowhere."""
    notes.put("n0", "note 0")
    notes.put("n1", "note 1")
    notes.put("n2", "note 2")
    job_id = planned(source)
    monkeypatch.setattr(fetching, "settings", lambda: settings().model_copy(update={"fetch_seconds": 0.0}))
    write = aws.ObjectStore.write_model
    with monkeypatch.context() as patch:
        patch.setattr(
            aws.ObjectStore,
            "write_model",
            lambda self, key, value: 1 / 0 if key.endswith("/progress.json") else write(self, key, value),
        )
        with pytest.raises(ZeroDivisionError):
            fetch_pages(job_id, source.source_id)
    service.faults.append(Reply({}, 429))
    with pytest.raises(RateLimited):
        fetch_pages(job_id, source.source_id)
    while fetch_pages(job_id, source.source_id).more:
        pass
    assert sorted(record.record_id for record in fetched(job_id)) == ["n0", "n1", "n2"]


def test_should_say_what_is_wrong_with_the_token(source: Source) -> None:
    job_id = planned(source)
    aws.client("secretsmanager").put_secret_value(SecretId=source.secret_name, SecretString="revoked")
    with pytest.raises(SourceError, match="invalid, expired or revoked"):
        fetch_pages(job_id, source.source_id)


def test_should_leave_server_errors_to_the_retry(source: Source, service: Vendor) -> None:
    job_id = planned(source)
    service.faults.append(Reply({}, 502))
    with pytest.raises(TransientError, match="502"):
        fetch_pages(job_id, source.source_id)


def test_should_stop_a_connector_that_goes_in_circles(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = planned(source)
    monkeypatch.setattr(NotesConnector, "fetch", lambda self, stream, position, known: Page(position={"at": 1}))
    with pytest.raises(StageFailed, match="own position"):
        fetch_pages(job_id, source.source_id)


def test_should_end_a_sync_that_takes_too_many_rounds(
    source: Source, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        notes.put(f"n{number}", f"note {number}")
    job_id = planned(source)
    monkeypatch.setattr(fetching, "settings", lambda: settings().model_copy(update={"fetch_seconds": 0.0}))
    monkeypatch.setattr(fetching, "MAX_ROUNDS", 2)
    assert fetch_pages(job_id, source.source_id).more is True
    assert fetch_pages(job_id, source.source_id).more is False
    assert read_progress(job_id).cursors == {0: {"after": 4}}


def test_should_keep_the_first_plan(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = planned(source)
    monkeypatch.setattr(NotesConnector, "plan", lambda self, cursors: [])
    assert plan_sync(job_id, source.source_id).streams == 1
    assert sources.get(source.source_id).status == "IDLE"
