"""Reindexing: what an archive holds is cut and embedded anew; searches find it all the while, and old quotes stand."""

from __future__ import annotations

from typing import Any

from embedded_cloud import Cloud, wait_for
from machines import faults

from omnilake import archives, aws, entries
from omnilake.models import Job, JobKind, JobStatus

LONG = "\n\n".join(
    f"Buoy {number} lies off Selmere. Its lamp is {colour} and was changed by the harbour office in {number + 2000}."
    for number, colour in enumerate(["red", "green", "white", "yellow"] * 8)
)


def reindex(cloud: Cloud, archive_id: str, **fields: Any) -> Job:
    request = {"archive_id": archive_id, "reindex": True, **fields}
    started = cloud.invoke("StartCollectionFunction", {"request": request})
    return cloud.deployment.wait(started.output["job_id"], timeout_s=240)


def cut_finer(archive_id: str) -> None:
    """The archive's settings ask for small chunks now."""
    archive = archives.get_archive(archive_id)
    chunking = archive.chunking.model_copy(update={"max_tokens": 48, "overlap_tokens": 0})
    aws.table("archives_table").put(archives._item(archive.model_copy(update={"chunking": chunking})))


def test_all_that_is_in_search_is_cut_by_the_present_settings_and_old_quotes_stand(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    entry_id = cloud.ingest(archive_id, {"buoys.md": LONG, "ferry.md": "The ferry leaves at nine."})["buoys.md"][
        "entry_id"
    ]
    before = cloud.rows(archive_id)
    _, answer = cloud.ask(archive_id, "Which lamp has buoy 5?")
    version = entries.versions(entry_id)[0]
    cut_finer(archive_id)

    job = reindex(cloud, archive_id)

    assert (job.status, job.kind) == (JobStatus.COMPLETED, JobKind.REINDEX_ARCHIVE), job.error
    assert (job.progress["documents"], job.progress["completed"]) == (2, 2)
    rows = cloud.rows(archive_id)
    assert max(row["tokens"] for row in rows) <= 48
    assert len(rows) > len(before)
    assert len({row["chunk_id"] for row in rows}) == len(rows)
    now = entries.versions(entry_id)
    assert [(item["version"], item["status"]) for item in now] == [(version["version"], "COMPLETED")]
    assert now[0]["configuration_hash"] == archives.get_archive(archive_id).configuration_hash
    assert now[0]["chunks"] == sum(row["entry_id"] == entry_id for row in rows)
    assert cloud.misquotes(answer) == []
    _, again = cloud.ask(archive_id, "Which lamp has buoy 5?")
    assert again.claims
    assert cloud.misquotes(again) == []


def test_searches_find_everything_while_it_is_indexed_anew(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    cloud.ingest(archive_id, {"buoys.md": LONG})
    texts = {row["chunk_id"]: row["text"] for row in cloud.rows(archive_id)}
    cut_finer(archive_id)
    with faults.hanging(cloud, "IndexChunksFunction"):
        started = cloud.invoke(
            "StartCollectionFunction", {"request": {"archive_id": archive_id, "reindex": True}}
        ).output
        wait_for(lambda: cloud.waiting("IndexQueue"), "chunks that wait for the committer")
        assert {row["chunk_id"]: row["text"] for row in cloud.rows(archive_id)} == texts
    assert cloud.deployment.wait(started["job_id"], timeout_s=240).status is JobStatus.COMPLETED


def test_a_version_that_is_superseded_meanwhile_does_not_come_back(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    entry_id = cloud.ingest(archive_id, {"buoys.md": LONG})["buoys.md"]["entry_id"]
    with faults.hanging(cloud, "EmbedBatchFunction"):
        started = cloud.invoke(
            "StartCollectionFunction", {"request": {"archive_id": archive_id, "reindex": True}}
        ).output
        wait_for(lambda: entries.versions(entry_id)[0].get("reindex_job_id"), "the version taken")
        newer = entries.versions(entry_id)[0] | {"version": "99990101T000000Z-0-newer", "content_hash": "other"}
        for name in ("reindex_job_id", "index_jobs"):
            newer.pop(name, None)
        entries.finish(entry_id, entries.versions(entry_id)[0]["version"], archive_id=archive_id, status=_superseded())
        aws.table("entries_table").put(newer)
    cloud.deployment.wait(started["job_id"], timeout_s=240)
    wait_for(lambda: not cloud.waiting("IndexQueue"), "purges done")
    assert [item["status"] for item in entries.versions(entry_id)] == ["COMPLETED", "SUPERSEDED"]
    assert cloud.rows(archive_id) == []


def _superseded() -> Any:
    from omnilake.models import DocumentStatus

    return DocumentStatus.SUPERSEDED
