"""The comparison behind `make bench-kill` sees what is lost, there twice, or disagrees."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from benchmarks.census import Census, Observed, Sent, Told, compare

SENT = Sent(
    name="a.txt",
    place=("incoming/docs/a.txt", "v"),
    entry_id="e1",
    content_hash="h1",
    mark="note0001v0",
    md5="m1",
)
ITEM = {
    "entry_id": "e1",
    "version": "1",
    "status": "COMPLETED",
    "content_hash": "h1",
    "chunks": 1,
    "job_id": "j1",
}
ROW = {"chunk_id": "c1", "entry_id": "e1", "version": "1", "text": "The password of note0001v0 is tide."}
TOLD = Told("j1", SENT.place, "COMPLETED", "e1", "1", 1)
SEEN = Observed([ITEM], {"h1": ("e1", "1")}, [ROW], [TOLD], [], {"processed/docs/a.txt": ["m1"]})


def found(sent: Sent = SENT, **seen: Any) -> Census:
    return compare([sent], dataclasses.replace(SEEN, **seen))


def test_a_document_that_is_searchable_once_is_completed() -> None:
    census = found()
    assert (census.count("COMPLETED"), census.lost, census.twice, census.disagreements) == (1, [], [], [])


def test_a_document_that_left_no_trace_is_lost() -> None:
    census = compare([SENT], Observed())
    assert census.lost == [SENT.place]


def test_a_completed_document_without_rows_is_lost() -> None:
    census = found(rows=[])
    assert census.lost == [SENT.place]
    assert census.disagreements == ["e1/1: 0 rows, 1 chunks registered", *census.disagreements[1:]]


def test_a_duplicate_whose_original_is_gone_is_lost() -> None:
    item = {**ITEM, "status": "DUPLICATE"}
    told = dataclasses.replace(TOLD, status="DUPLICATE", duplicate_of="e0/1")
    assert found(entries=[item], claims={}, rows=[], told=[told]).lost == [SENT.place]


def test_a_failure_with_its_reason_is_no_loss() -> None:
    item = {**ITEM, "status": "FAILED", "error_code": "RUNTIME_EXIT_ERROR"}
    told = dataclasses.replace(TOLD, status="FAILED", code="RUNTIME_EXIT_ERROR")
    landed = {"failed/docs/a.txt": ["m1"]}
    census = found(entries=[item], claims={}, rows=[], told=[told], landed=landed)
    assert census.codes == {SENT.place: "RUNTIME_EXIT_ERROR"}
    assert (census.lost, census.disagreements) == ([], [])


@pytest.mark.parametrize(
    "rows",
    [
        [ROW, ROW],
        [ROW, {**ROW, "chunk_id": "c2", "entry_id": "e2"}],
    ],
)
def test_what_is_searchable_more_than_once_is_told(rows: list[dict[str, Any]]) -> None:
    assert found(rows=rows).twice


def test_two_current_versions_are_told() -> None:
    assert found(entries=[ITEM, {**ITEM, "version": "2"}]).twice


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"rows": [ROW, {**ROW, "chunk_id": "c2"}]}, "2 rows, 1 chunks registered"),
        ({"claims": {}}, "does not hold its content"),
        ({"entries": [{**ITEM, "status": "PROCESSING"}]}, "stayed PROCESSING"),
        ({"entries": [{**ITEM, "status": "SUPERSEDED"}]}, "superseded by nothing"),
        ({"told": []}, "in no manifest"),
        ({"told": [TOLD, TOLD]}, "outcomes COMPLETED, COMPLETED"),
        ({"told": [dataclasses.replace(TOLD, chunks=2)]}, "has 2 chunks"),
        ({"told": [dataclasses.replace(TOLD, status="FAILED", code="ANY")]}, "the registry says COMPLETED"),
        ({"landed": {"incoming/docs/a.txt": ["m1"], "processed/docs/a.txt": ["m1"]}}, "left behind"),
        ({"landed": {"processed/docs/a.txt": ["other"]}}, "the original of a.txt"),
        ({"disagreeing_jobs": ["j1"]}, "job j1"),
    ],
)
def test_whatever_else_disagrees_is_told(change: dict[str, Any], part: str) -> None:
    assert any(part in sentence for sentence in found(**change).disagreements)


def test_what_must_fail_and_did_not_is_told() -> None:
    bad = dataclasses.replace(SENT, code="DOCUMENT_CORRUPT")
    assert found(bad).disagreements == ["a.txt should have failed with DOCUMENT_CORRUPT"]


def test_a_retry_may_follow_a_failure_and_nothing_else() -> None:
    failed = dataclasses.replace(TOLD, job_id="j0", status="FAILED", entry_id="", version="", code="ANY")
    assert compare([SENT], dataclasses.replace(SEEN, told=[failed, TOLD]), runs=2).disagreements == []
    assert compare([SENT], dataclasses.replace(SEEN, told=[failed, TOLD])).disagreements
