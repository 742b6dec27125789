"""What a sync keeps in the lake while it runs, and the connector that it reads with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import Field

from omnilake import aws, connectors, layout, secrets
from omnilake.connectors.protocol import Connector, Credentials, Known, Stream
from omnilake.models import JobId, Model, Source, StreamCursor


class SyncEvent(Model):
    """What a state is handed: which sync, of which source."""

    job_id: JobId
    source_id: str = Field(min_length=1, max_length=64)


class PlannedStream(Model):
    """A stream, what is known of its records, and which sync left its cursor."""

    stream: Stream
    known_key: str = ""
    began_with: str = ""


class SyncPlan(Model):
    """What a sync goes through, fixed at its start."""

    job_id: JobId
    source_id: str
    archive_id: str
    source_type: str
    started_at: str  # ISO 8601
    full: bool = False  # everything is read again, whatever was known of it
    streams: list[PlannedStream]


class BatchFile(Model):
    """A file of records in the lake."""

    key: str
    records: int
    deleted: int
    bytes: int  # before compression


class Counts(Model):
    """What a sync has come to so far."""

    pages: int = 0
    records: int = 0  # written to batch files, deletions included
    deleted: int = 0
    unchanged: int = 0
    malformed: int = 0


class Progress(Model):
    """How far Fetch Pages is: written after the batch files that it names, so that what is lost is fetched again."""

    stream: int = 0  # index of the stream that is being read
    position: dict[str, Any] | None = None  # in it
    first_part: int = 0  # of ``seen`` that belongs to it
    parts: int = 0  # checkpoints so far
    seen_parts: list[int] = Field(default=[])  # checkpoints that wrote ``seen``; a dead invocation may have left others
    problem_parts: list[int] = Field(default=[])  # and ``problems``
    rounds: int = 0  # invocations so far
    batches: list[BatchFile] = Field(default=[])
    cursors: dict[int, dict[str, Any]] = Field(default={})  # stream index → cursor to advance to
    ended: list[int] = Field(default=[])  # streams read to their end
    counts: Counts = Counts()


class Seen(Model):
    """A record that a sync came across, or found to be gone."""

    stream: int
    known: Known
    deleted: bool = False
    written: bool = False  # to a batch file: it is new, changed or gone


class Advance(Model):
    """A cursor to move once the records of the sync are ingested."""

    cursor: StreamCursor
    leftovers: list[str] = Field(default=[])  # lake keys of what was known before, not read any more then


class Advances(Model):
    """All cursors that a sync moves."""

    advances: list[Advance]


class Manifest(Model):
    """What one sync of a source wrote."""

    job_id: JobId
    source_id: str
    source_type: str
    archive_id: str
    started_at: str
    complete: bool  # False: the sync was cut off at its longest; the next one goes on
    counts: Counts
    batches: list[BatchFile]
    problems_key: str = ""


def plan_of(job_id: str) -> SyncPlan | None:
    """The plan of a sync, None when it has none yet."""
    return aws.lake().find_model(layout.sync_part(job_id, "plan"), SyncPlan)


def read_plan(job_id: str) -> SyncPlan:
    """The plan of a sync that has one."""
    return aws.lake().read_model(layout.sync_part(job_id, "plan"), SyncPlan)


def read_progress(job_id: str) -> Progress:
    """How far a sync is; at its beginning when nothing is fetched yet."""
    return aws.lake().find_model(layout.sync_part(job_id, "progress"), Progress) or Progress()


def seen_part(job_id: str, number: int) -> str:
    """Lake key of what a checkpoint saw."""
    return layout.sync_part(job_id, f"seen/{number:05d}")


def problems_part(job_id: str, number: int) -> str:
    """Lake key of what a checkpoint left out."""
    return layout.sync_part(job_id, f"problems/{number:05d}")


def read_known(key: str) -> dict[str, Known]:
    """What is known of the records of a stream, by id."""
    if not key:
        return {}
    return {each.record_id: each for each in aws.lake().iterate_models(key, Known)}


@contextmanager
def connector_of(source: Source) -> Iterator[Connector]:
    """The connector of a source, with its configuration and its secret, closed at the end.

    Raises:
        SourceError: configuration or secret are not what they should be.
    """
    config = connectors.parse_config(source.source_type, source.config)
    credentials = Credentials.parse(secrets.read(source.secret_name, max_age_s=0) if source.secret_name else "")
    connector = connectors.connector_class(source.source_type)(config, credentials)
    try:
        yield connector
    finally:
        connector.close()
