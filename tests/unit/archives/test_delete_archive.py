"""Deleting an archive: nothing that is in use goes, and nothing of what goes stays."""

from __future__ import annotations

import pytest
from any_stored import stored_archive

from omnilake import archives, aws, jobs
from omnilake.archives import delete_archive, get_archive
from omnilake.errors import ArchiveInUse, ArchiveNotFound, RevisionMismatch
from omnilake.models import JobKind, JobStatus, Store
from omnilake.stores import table


@pytest.fixture
def dropped(stack: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stores whose tables were dropped."""
    seen: list[str] = []
    monkeypatch.setattr(table, "drop_store", lambda store: seen.append(store.store_id))
    archive = stored_archive()
    store = Store(
        store_id=archive.store_id,
        archive_id=archive.archive_id,
        space=archive.space,
        uri="s3://x/stores",
        created_at="t",
    )
    aws.table("stores_table").put(store.model_dump(mode="json"))
    return seen


def test_an_empty_archive_goes_with_its_store(dropped: list[str]) -> None:
    delete_archive("an-archive", 1)
    with pytest.raises(ArchiveNotFound):
        get_archive("an-archive")
    assert dropped == ["an-archive-store"]
    assert aws.table("stores_table").get({"store_id": "an-archive-store"}) is None


def test_an_archive_with_entries_or_sources_stays(dropped: list[str]) -> None:
    entry = {"entry_id": "e1", "version": "1", "archive_status": "an-archive#COMPLETED", "updated_at": "t"}
    aws.table("entries_table").put(entry)
    with pytest.raises(ArchiveInUse, match="entries"):
        delete_archive("an-archive", 1)
    aws.table("entries_table").delete({"entry_id": "e1", "version": "1"})
    source = {"source_id": "s1", "item": "definition", "listing": "sources", "archive_source": "an-archive#s1"}
    aws.table("sources_table").put(source)
    with pytest.raises(ArchiveInUse, match=r"sources \(s1\)"):
        delete_archive("an-archive", 1)
    assert get_archive("an-archive").revision == 1
    assert dropped == []


def test_an_archive_that_was_changed_meanwhile_stays(dropped: list[str]) -> None:
    with pytest.raises(RevisionMismatch):
        delete_archive("an-archive", 2)
    assert get_archive("an-archive").store_id == "an-archive-store"
    assert dropped == []


@pytest.mark.parametrize("kind", archives.WRITING)
def test_an_archive_that_a_job_works_on_stays_until_that_has_ended(dropped: list[str], kind: JobKind) -> None:
    jobs.create("another", kind, "another-archive")
    jobs.create("job-1", kind, "an-archive")
    with pytest.raises(ArchiveInUse, match=r"open jobs \(job-1\)"):
        delete_archive("an-archive", 1)
    jobs.enter("job-1", kind, "Working")
    with pytest.raises(ArchiveInUse, match="job-1"):
        delete_archive("an-archive", 1)
    assert dropped == []
    jobs.complete("job-1", kind, "Working")
    delete_archive("an-archive", 1)
    assert dropped == ["an-archive-store"]


def test_a_job_that_only_reads_keeps_no_archive(dropped: list[str]) -> None:
    jobs.create("job-1", JobKind.ANSWER_REQUEST, "an-archive")
    delete_archive("an-archive", 1)
    assert jobs.get("job-1").status is JobStatus.PENDING


def test_many_sources_are_not_all_named(dropped: list[str]) -> None:
    for number in range(15):
        source_id = f"s{number:02}"
        item = {"source_id": source_id, "item": "definition", "listing": "sources"}
        aws.table("sources_table").put(item | {"archive_source": f"an-archive#{source_id}"})
    with pytest.raises(ArchiveInUse) as refused:
        delete_archive("an-archive", 1)
    assert refused.value.message.endswith("s08, s09, …).")
