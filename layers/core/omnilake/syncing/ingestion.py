"""Prepare Ingestion and Advance Cursor: what was fetched is handed to ``ingest_collection``; once it is in, the cursors
move.

Between the two a sync may fail with some of its records ingested. So, before ingestion begins, what is known of each
changed stream gets the ids of its new records, without their contents: the next sync then writes them again, whatever
they hold, and notices those that have gone meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from omnilake import aws, jobs, layout, sources
from omnilake.clock import now
from omnilake.connectors.protocol import Problem
from omnilake.errors import StageFailed
from omnilake.ingest import collections
from omnilake.models import JobKind, Model, StreamCursor
from omnilake.syncing.announcing import announce
from omnilake.syncing.known import final_known, pending_known
from omnilake.syncing.parts import (
    Advance,
    Advances,
    Manifest,
    PlannedStream,
    Progress,
    Seen,
    SyncPlan,
    problems_part,
    read_known,
    read_plan,
    read_progress,
    seen_part,
)


class PreparedIngestion(Model):
    """The collection to ingest; no id when there is nothing to."""

    collection_job_id: str
    records: int


class SyncResult(Model):
    """Whether the source is free for the next sync now."""

    cursors: int


def prepare_ingestion(job_id: str, source_id: str) -> PreparedIngestion:
    """Write the manifest of a sync, note what it is about to ingest, and the request to ingest it.

    Raises:
        StageFailed: another sync has moved a cursor.
    """
    jobs.enter(job_id, JobKind.SYNC_SOURCE, "Prepare Ingestion")
    plan, progress = read_plan(job_id), read_progress(job_id)
    advances = list(_advances(plan, progress))
    aws.lake().write_model(layout.sync_part(job_id, "advances"), Advances(advances=advances))
    manifest = Manifest(
        job_id=job_id,
        source_id=source_id,
        source_type=plan.source_type,
        archive_id=plan.archive_id,
        started_at=plan.started_at,
        complete=len(progress.ended) == len(plan.streams),
        counts=progress.counts,
        batches=progress.batches,
        problems_key=_gather_problems(plan, progress),
    )
    aws.lake().write_model(layout.connector_manifest(source_id, job_id), manifest)
    if not progress.batches:
        return PreparedIngestion(collection_job_id="", records=0)
    request = collections.CollectionRequest(
        archive_id=plan.archive_id,
        batch_files=[batch.key for batch in progress.batches],
        parent_job_id=job_id,
        source_id=source_id,
        started_by=jobs.get(job_id).started_by,
    )
    collection_job_id = collections.job_id_of(plan.archive_id, job_id)
    collections.prepare(request, collection_job_id)
    jobs.enter(job_id, JobKind.SYNC_SOURCE, "Ingest Records")  # a nested execution: no function says that it is there
    return PreparedIngestion(collection_job_id=collection_job_id, records=progress.counts.records)


def advance_cursor(job_id: str, source_id: str) -> SyncResult:
    """Move the cursors of a sync whose records are ingested, let its source go, and end its job.

    Raises:
        StageFailed: another sync has moved a cursor.
        TransientError: the bus did not take the event that tells of the end.
    """
    if not jobs.enter(job_id, JobKind.SYNC_SOURCE, "Advance Cursor"):
        announce(job_id)  # its job ended here, and this did not come to it
        sources.release(source_id, job_id)
        return SyncResult(cursors=0)
    plan, progress = read_plan(job_id), read_progress(job_id)
    began_with = {planned.stream.name: planned.began_with for planned in plan.streams}
    advances = aws.lake().read_model(layout.sync_part(job_id, "advances"), Advances).advances
    for each in advances:
        before = began_with[each.cursor.stream]
        _check_moved(sources.advance(each.cursor, before))
    jobs.complete(
        job_id,
        JobKind.SYNC_SOURCE,
        "Advance Cursor",
        result_key=layout.connector_manifest(source_id, job_id),
        **progress.counts.model_dump(),
        streams_read=len(progress.ended),
    )
    announce(job_id)
    sources.release(source_id, job_id)
    for each in advances:
        for key in each.leftovers:
            aws.lake().delete(key)
    return SyncResult(cursors=len(advances))


def _advances(plan: SyncPlan, progress: Progress) -> Iterator[Advance]:
    """Of each stream that the sync changes; what is pending of it is noted on the way."""
    groups = _seen_by_stream(plan, progress)
    group = next(groups, None)
    for index, planned in enumerate(plan.streams):
        seen: list[Seen] = []
        if group is not None and group[0] == index:
            seen, group = group[1], next(groups, None)
        moved = None if planned.stream.gone else progress.cursors.get(index, planned.stream.cursor)
        known_keys = _write_known(plan, index, planned, seen) if seen else [planned.known_key]
        if index not in progress.ended and planned.stream.gone:
            moved = planned.stream.cursor
        if moved == planned.stream.cursor and known_keys == [planned.known_key]:
            continue
        yield Advance(
            cursor=_cursor(plan, planned, moved, known_keys[-1]),
            leftovers=[key for key in known_keys[:-1] if key],
        )


def _write_known(plan: SyncPlan, index: int, planned: PlannedStream, seen: list[Seen]) -> list[str]:
    """Write what is known of a stream after the sync, and note what is meanwhile.

    Returns:
        Lake keys of what is known before, meanwhile and after; only one when nothing changes.
    """
    known = read_known(planned.known_key)
    final = final_known(known, seen)
    if final == known:
        return [planned.known_key]
    keys = [planned.known_key]
    if any(each.written for each in seen):
        keys.append(layout.connector_known(plan.source_id, plan.job_id, index, "pending"))
        aws.lake().write_models(keys[-1], pending_known(known, seen).values())
        _check_moved(sources.advance(_cursor(plan, planned, planned.stream.cursor, keys[-1]), planned.began_with))
    keys.append(layout.connector_known(plan.source_id, plan.job_id, index, "final"))
    aws.lake().write_models(keys[-1], final.values())
    return keys


def _cursor(plan: SyncPlan, planned: PlannedStream, cursor: dict[str, object] | None, known_key: str) -> StreamCursor:
    return StreamCursor(
        source_id=plan.source_id,
        stream=planned.stream.name,
        cursor=cursor,
        known_key=known_key,
        job_id=plan.job_id,
        updated_at=now(),
    )


def _seen_by_stream(plan: SyncPlan, progress: Progress) -> Iterator[tuple[int, list[Seen]]]:
    """What was seen of each stream, by the stream's index, ascending: streams are read one after the other."""
    seen = (
        each
        for number in progress.seen_parts
        for each in aws.lake().iterate_models(seen_part(plan.job_id, number), Seen)
    )
    for stream, group in groupby(seen, key=lambda each: each.stream):
        yield stream, list(group)


def _gather_problems(plan: SyncPlan, progress: Progress) -> str:
    """Put what was left out into one object that stays; its key, empty when nothing was."""
    if not progress.problem_parts:
        return ""
    problems = (
        each
        for number in progress.problem_parts
        for each in aws.lake().iterate_models(problems_part(plan.job_id, number), Problem)
    )
    return aws.lake().write_models(layout.connector_problems(plan.source_id, plan.job_id), problems)


def _check_moved(moved: bool) -> None:
    if not moved:
        raise StageFailed("Another sync has moved a cursor of the source meanwhile.")
