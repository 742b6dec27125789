"""Plan Sync: which streams the source has, and where each begins."""

from __future__ import annotations

import json

from omnilake import aws, jobs, layout, sources
from omnilake.clock import now
from omnilake.connectors.protocol import MAX_CURSOR_BYTES, Cursor, Stream
from omnilake.errors import StageFailed
from omnilake.models import JobKind, Model, StreamCursor
from omnilake.syncing.parts import PlannedStream, SyncPlan, connector_of, plan_of


class PlanResult(Model):
    """How many streams there are to read."""

    streams: int


def plan_sync(job_id: str, source_id: str, full: bool = False) -> PlanResult:
    """Ask the connector for the source's streams and keep them; what is planned once stays.

    Args:
        job_id: the execution's name.
        source_id: the source.
        full: begin every stream at its beginning.

    Raises:
        SourceNotFound, SourceError, RateLimited, TransientError: as the source and its connector have it.
    """
    jobs.enter(job_id, JobKind.SYNC_SOURCE, "Plan Sync")
    plan = plan_of(job_id)
    if plan is None:
        source = sources.get(source_id)
        kept = {cursor.stream: cursor for cursor in sources.cursors(source_id)}
        started_at = now()
        begin = {} if full else {name: each.cursor for name, each in kept.items() if each.cursor is not None}
        with connector_of(source) as connector:
            streams = connector.plan(begin)
        plan = SyncPlan(
            job_id=job_id,
            source_id=source_id,
            archive_id=source.archive_id,
            source_type=source.source_type,
            started_at=started_at,
            full=full,
            streams=planned(streams, kept),
        )
        aws.lake().write_model(layout.sync_part(job_id, "plan"), plan)
    jobs.note(job_id, JobKind.SYNC_SOURCE, "Plan Sync", streams=len(plan.streams))
    return PlanResult(streams=len(plan.streams))


def planned(streams: list[Stream], kept: dict[str, StreamCursor]) -> list[PlannedStream]:
    """The streams with what an earlier sync left of each.

    Raises:
        StageFailed: the connector named two streams alike.
    """
    names = [stream.name for stream in streams]
    if len(set(names)) < len(names):
        raise StageFailed("The connector planned two streams of one name.")
    return [
        PlannedStream(
            stream=stream,
            known_key=kept[stream.name].known_key if stream.name in kept else "",
            began_with=kept[stream.name].job_id if stream.name in kept else "",
        )
        for stream in streams
    ]


def checked_cursor(cursor: Cursor) -> Cursor:
    """A cursor that may be kept.

    Raises:
        StageFailed: it is too long.
    """
    size = len(json.dumps(cursor))
    if size > MAX_CURSOR_BYTES:
        raise StageFailed(f"The connector gave a cursor of {size} bytes; {MAX_CURSOR_BYTES} are the most.")
    return cursor
