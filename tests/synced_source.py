"""Syncs of a connector without the cloud, as often as a test wants: pages are taken as Fetch Pages takes them.

Streams, positions and cursors go through JSON, as they do between invocations, each page is fetched by a connector of
its own, and a rate limit is waited for by whatever clock the test has.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from omnilake.clock import now
from omnilake.connectors.protocol import (
    MAX_CURSOR_BYTES,
    MAX_POSITION_BYTES,
    Connector,
    Cursor,
    Known,
    Page,
    Problem,
    Stream,
)
from omnilake.errors import RateLimited
from omnilake.models import Record
from omnilake.syncing.fetching import StreamReader
from omnilake.syncing.known import final_known, live
from omnilake.syncing.parts import Seen


@dataclass
class Synced:
    """What one sync came to: records by id that are new or changed, ids that were deleted, and what went wrong."""

    changed: dict[str, Record] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    @property
    def reasons(self) -> str:
        return "\n".join(problem.reason for problem in self.problems)


@dataclass
class Source:
    """A source over several syncs.

    Attributes:
        connect: makes its connector.
        waited: called for each ``RateLimited``, instead of waiting, with the seconds.
        source_type: that a sweep's deletions are written with.
        cursors: by stream.
        known: by stream, then by record.
        records: what is in search now.
    """

    connect: Callable[[], Connector]
    waited: Callable[[int], None] = lambda seconds: None
    source_type: str = "any"
    cursors: dict[str, Cursor] = field(default_factory=dict)
    known: dict[str, dict[str, Known]] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)

    def sync(self, most_pages: int = 1_000) -> Synced:
        """Read all streams to their end."""
        synced = Synced()
        planner = self.connect()
        streams = planner.plan(self.cursors)
        planner.close()
        assert len({stream.name for stream in streams}) == len(streams)
        for stream in streams:
            self._read(Stream.model_validate_json(stream.model_dump_json()), synced, most_pages)
        return synced

    def _read(self, stream: Stream, synced: Synced, most_pages: int) -> None:
        known = live(self.known.get(stream.name, {}))
        reader = StreamReader(0, self.source_type, now(), self.known.get(stream.name, {}))
        if stream.gone:
            taken = reader.take_all_as_gone()
            self._keep(stream.name, taken.records, taken.seen, synced)
            self.cursors.pop(stream.name, None)
            return
        position: dict[str, Any] | None = None
        cursor: Cursor | None = None
        records: list[Record] = []
        seen: list[Seen] = []
        for _ in range(most_pages):
            page = self._page(stream, position, known, synced)
            synced.pages.append(page)
            taken = reader.take(page)
            records += taken.records
            seen += taken.seen
            synced.problems += taken.problems
            if page.cursor is not None:
                cursor = _through_json(page.cursor, MAX_CURSOR_BYTES)
            assert page.position is None or page.position != position
            position = _through_json(page.position, MAX_POSITION_BYTES)
            if position is None:
                self._keep(stream.name, records, seen, synced)
                if cursor is not None:
                    self.cursors[stream.name] = cursor
                return
        raise AssertionError(f"{stream.name} has no end.")

    def _keep(self, stream: str, records: list[Record], seen: list[Seen], synced: Synced) -> None:
        before = self.known.get(stream, {})
        self.known[stream] = final_known(before, seen)
        for record in records:
            Record.model_validate_json(record.model_dump_json())
            name = record.record_id
            if not record.deleted:
                synced.changed[name] = self.records[name] = record
                continue
            synced.changed.pop(name, None)
            self.records.pop(name, None)
            if name in live(before):
                synced.deleted.append(name)

    def _page(self, stream: Stream, position: dict[str, Any] | None, known: dict[str, Known], synced: Synced) -> Page:
        for _ in range(1_000):
            connector = self.connect()
            try:
                return connector.fetch(stream, position, known)
            except RateLimited as limit:
                seconds = limit.details["seconds"]
                synced.waits.append(seconds)
                self.waited(seconds)
            finally:
                connector.close()
        raise AssertionError(f"{stream.name} waits for ever.")


def _through_json(value: dict[str, Any] | None, most: int) -> Any:
    if value is None:
        return None
    text = json.dumps(value)
    assert len(text.encode()) <= most
    return json.loads(text)
