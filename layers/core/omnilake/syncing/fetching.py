"""Fetch Pages: page after page of the streams, until the time of an invocation is used up.

What is fetched becomes batch files of records that are new, changed or gone; a checkpoint names the files after they
are written. An invocation that dies goes on at the last checkpoint and writes the same files again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from omnilake import aws, jobs, layout, sources
from omnilake.clock import timestamp
from omnilake.connectors.protocol import MAX_POSITION_BYTES, Connector, Known, Page, Position, Problem, Sweep
from omnilake.errors import StageFailed
from omnilake.models import JobKind, Model, Record
from omnilake.settings import settings
from omnilake.syncing.known import live
from omnilake.syncing.parts import (
    BatchFile,
    Counts,
    Progress,
    Seen,
    SyncPlan,
    connector_of,
    problems_part,
    read_known,
    read_plan,
    read_progress,
    seen_part,
)
from omnilake.syncing.planning import checked_cursor

MAX_BATCH_RECORDS = 500
MAX_BATCH_BYTES = 8 * 1024 * 1024
MAX_ROUNDS = 1_500
"""Invocations of one sync, waits for rate limits included: its execution's history stays below 25,000 events. What is
left then is for the next sync."""

_HASH_DIGITS = 32


class FetchResult(Model):
    """Whether there is more to fetch, and the counts so far."""

    more: bool
    batches: int
    counts: Counts


class StreamReader:
    """Tells of what a stream's pages bring which is new, changed, gone, unchanged or malformed.

    Args:
        stream: its index in the plan.
        source_type: of the records.
        started_at: of the sync, ISO 8601: no version that it writes is older than one that is known.
        known: records by id, as an earlier sync left them, deleted ones too.
        seen: what this sync has seen of the stream so far.
    """

    def __init__(
        self,
        stream: int,
        source_type: str,
        started_at: str,
        known: Mapping[str, Known],
        seen: Iterable[Seen] = (),
    ) -> None:
        self.known = live(known)
        self._known = known
        self._stream = stream
        self._source_type = source_type
        self._started_at = started_at
        self._seen = {each.known.record_id: each for each in seen}

    def take(self, page: Page) -> Taken:
        """What is to be kept of a page."""
        taken = Taken(pages=1)
        for record in page.records:
            self._take_record(record, page.validators.get(record.record_id, ""), taken)
        for problem in page.problems:
            taken.problems.append(problem)
            self._note_presence(problem.record_id, taken)
        for record_id in page.present:
            self._note_presence(record_id, taken)
        if page.sweep is not None:
            self._sweep(page.sweep, taken)
        return taken

    def take_all_as_gone(self) -> Taken:
        """Every known record is deleted: the stream itself is gone."""
        taken = Taken()
        self._sweep(Sweep(), taken)
        return taken

    def _take_record(self, record: Record, validator: str, taken: Taken) -> None:
        record_id = record.record_id
        moment = _moment(record.updated_at)
        if moment is None:
            taken.problems.append(
                Problem(item=record_id, reason="its time of change is not ISO 8601", record_id=record_id)
            )
            self._note_presence(record_id, taken)
            return
        before = self._seen.get(record_id)
        prior = before.known if before is not None else self._known.get(record_id)
        if record.deleted:
            if before is None or not before.deleted:
                self._write(record, moment, prior, "", "", taken)
            return
        digest = record.content_hash[:_HASH_DIGITS]
        is_gone = before.deleted if before is not None else record_id not in self.known
        if prior is not None and prior.content_hash == digest and not is_gone:
            if before is None:
                taken.unchanged += 1
            unchanged = prior.model_copy(update={"validator": validator or prior.validator})
            self._note(Seen(stream=self._stream, known=unchanged), taken)
            return
        self._write(record, moment, prior, digest, validator, taken)

    def _write(
        self, record: Record, moment: datetime, prior: Known | None, digest: str, validator: str, taken: Taken
    ) -> None:
        # A version that comes later is newer, whatever the source says of its time: a message that was taken back
        # leaves an older text behind, a restored item has its old time.
        earlier = _moment(prior.updated_at) if prior is not None else None
        if earlier is not None and moment <= earlier:
            began = _moment(self._started_at) or earlier
            moment = max(began, earlier + timedelta(milliseconds=1))
        written = record.model_copy(update={"updated_at": timestamp(moment)})
        if record.deleted and prior is not None:  # versions are ordered by it first
            written = written.model_copy(update={"effective_on": prior.effective_on})
        taken.append(written)
        known = Known(
            record_id=record.record_id,
            content_hash=digest,
            updated_at=written.updated_at,
            effective_on=written.effective_on,
            validator=validator,
        )
        self._note(Seen(stream=self._stream, known=known, deleted=record.deleted, written=True), taken)

    def _note(self, seen: Seen, taken: Taken) -> None:
        before = self._seen.get(seen.known.record_id)
        if before is not None and before.written:
            seen = seen.model_copy(update={"written": True})
        if before != seen:
            self._seen[seen.known.record_id] = seen
            taken.seen.append(seen)

    def _note_presence(self, record_id: str, taken: Taken) -> None:
        known = self.known.get(record_id)
        if known is not None and record_id not in self._seen:
            self._note(Seen(stream=self._stream, known=known), taken)

    def _sweep(self, sweep: Sweep, taken: Taken) -> None:
        missing = [
            known
            for record_id, known in self.known.items()
            if record_id not in self._seen and known.effective_on >= sweep.since
        ]
        for known in missing:
            gone = Record(
                source_type=self._source_type, record_id=known.record_id, updated_at=self._started_at, deleted=True
            )
            moment = _moment(self._started_at) or datetime.now(UTC)
            self._write(gone, moment, known, "", "", taken)


class Taken:
    """What pages come to: records to write, what was seen, what was left out."""

    def __init__(self, pages: int = 0) -> None:
        self.records: list[Record] = []
        self.seen: list[Seen] = []
        self.problems: list[Problem] = []
        self.pages = pages
        self.unchanged = 0
        self.bytes = 0

    def append(self, record: Record) -> None:
        """Put a record at the end."""
        self.records.append(record)
        self.bytes += _size(record)

    def add(self, other: Taken) -> None:
        """Put another's after these."""
        self.records += other.records
        self.seen += other.seen
        self.problems += other.problems
        self.pages += other.pages
        self.unchanged += other.unchanged
        self.bytes += other.bytes

    @property
    def is_full(self) -> bool:
        """Whether it makes a batch file."""
        return len(self.records) >= MAX_BATCH_RECORDS or self.bytes >= MAX_BATCH_BYTES


def batches_of(
    records: Iterable[Record], most: int = MAX_BATCH_RECORDS, most_bytes: int = MAX_BATCH_BYTES
) -> Iterator[list[Record]]:
    """Records in groups that each make a batch file, in order; a record above ``most_bytes`` is alone."""
    group: list[Record] = []
    size = 0
    for record in records:
        length = _size(record)
        if group and (len(group) >= most or size + length > most_bytes):
            yield group
            group, size = [], 0
        group.append(record)
        size += length
    if group:
        yield group


def fetch_pages(job_id: str, source_id: str) -> FetchResult:
    """Read on where the sync is, for ``settings().fetch_seconds`` or to the end of the last stream.

    Raises:
        RateLimited, TransientError, SourceError: as the connector has it; what was fetched before is kept.
        StageFailed: the connector does not keep the protocol.
    """
    source = sources.get(source_id)
    run = _Run(read_plan(job_id), read_progress(job_id))
    deadline = time.monotonic() + settings().fetch_seconds
    if run.unfinished:
        try:
            with connector_of(source) as connector:
                while run.unfinished:
                    run.read_on(connector)
                    if time.monotonic() > deadline:
                        break
        finally:
            run.checkpoint()
    progress = run.progress
    return FetchResult(
        more=run.unfinished and progress.rounds < MAX_ROUNDS, batches=len(progress.batches), counts=progress.counts
    )


class _Run:
    """One invocation of Fetch Pages."""

    def __init__(self, plan: SyncPlan, progress: Progress) -> None:
        self._plan = plan
        self._taken = Taken()
        self._ahead = progress.model_copy(update={"rounds": progress.rounds + 1})
        self._reader: StreamReader | None = None
        self.progress = progress

    @property
    def unfinished(self) -> bool:
        return self._ahead.stream < len(self._plan.streams)

    def read_on(self, connector: Connector) -> None:
        """One page, or the deletion of a stream that is gone."""
        index, position = self._ahead.stream, self._ahead.position
        planned = self._plan.streams[index]
        reader = self._reader or self._open(index)
        if planned.stream.gone:
            self._taken.add(reader.take_all_as_gone())
            self._next_stream(index)
        else:
            page = connector.fetch(planned.stream, position, reader.known)
            _check_position(page.position, position)
            self._taken.add(reader.take(page))
            if page.cursor is not None:
                self._advance(cursors={**self._ahead.cursors, index: checked_cursor(page.cursor)})
            if page.position is None:
                self._next_stream(index)
            else:
                self._advance(position=page.position)
        if self._taken.is_full:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Write what was taken since the last one, then how far that is."""
        taken, ahead = self._taken, self._ahead
        if ahead == self.progress and not taken.records and not taken.seen and not taken.problems:
            return
        lake, plan = aws.lake(), self._plan
        files = []
        for number, records in enumerate(batches_of(taken.records)):
            key = layout.connector_batch(
                plan.source_id, plan.started_at[:10], f"{plan.job_id}-{ahead.parts:05d}-{number:03d}"
            )
            lake.write_models(key, records)
            files.append(
                BatchFile(
                    key=key,
                    records=len(records),
                    deleted=sum(record.deleted for record in records),
                    bytes=sum(map(_size, records)),
                )
            )
        if taken.seen:
            lake.write_models(seen_part(plan.job_id, ahead.parts), taken.seen)
        if taken.problems:
            lake.write_models(problems_part(plan.job_id, ahead.parts), taken.problems)
        counts = ahead.counts
        self._ahead = ahead.model_copy(
            update={
                "parts": ahead.parts + 1,
                "seen_parts": [*ahead.seen_parts, ahead.parts] if taken.seen else ahead.seen_parts,
                "problem_parts": [*ahead.problem_parts, ahead.parts] if taken.problems else ahead.problem_parts,
                "batches": [*ahead.batches, *files],
                "counts": Counts(
                    pages=counts.pages + taken.pages,
                    records=counts.records + len(taken.records),
                    deleted=counts.deleted + sum(record.deleted for record in taken.records),
                    unchanged=counts.unchanged + taken.unchanged,
                    malformed=counts.malformed + len(taken.problems),
                ),
            }
        )
        lake.write_model(layout.sync_part(plan.job_id, "progress"), self._ahead)
        self.progress, self._taken = self._ahead, Taken()
        jobs.note(
            plan.job_id,
            JobKind.SYNC_SOURCE,
            "Fetch Pages",
            **self.progress.counts.model_dump(),
            streams_read=len(self.progress.ended),
        )

    def _open(self, index: int) -> StreamReader:
        ahead, plan = self._ahead, self._plan
        seen: list[Seen] = []
        if ahead.position is not None:
            seen = [
                each
                for number in ahead.seen_parts
                if number >= ahead.first_part
                for each in aws.lake().iterate_models(seen_part(plan.job_id, number), Seen)
                if each.stream == index
            ]
        known = read_known(plan.streams[index].known_key)
        if plan.full:  # a connector leaves out what has the validator that it gave
            known = {record_id: each.model_copy(update={"validator": ""}) for record_id, each in known.items()}
        self._reader = StreamReader(index, plan.source_type, plan.started_at, known, seen)
        return self._reader

    def _next_stream(self, index: int) -> None:
        self._reader = None
        self._advance(stream=index + 1, position=None, first_part=self._ahead.parts, ended=[*self._ahead.ended, index])

    def _advance(self, **fields: object) -> None:
        self._ahead = self._ahead.model_copy(update=fields)


def _check_position(position: Position | None, before: Position | None) -> None:
    if position is None:
        return
    if position == before:
        raise StageFailed("The connector gave a page's own position as the next one.")
    size = len(json.dumps(position))
    if size > MAX_POSITION_BYTES:
        raise StageFailed(f"The connector gave a position of {size} bytes; {MAX_POSITION_BYTES} are the most.")


def _moment(text: str) -> datetime | None:
    """A time in ISO 8601, UTC when it names no zone; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _size(record: Record) -> int:
    """Bytes of a record's line."""
    return len(record.model_dump_json().encode()) + 1
