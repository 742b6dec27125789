"""What the workflow does with a connector, in memory: for tests of connectors alone.

Streams, positions and cursors go through JSON, as they do between invocations, and each page is fetched by a connector
of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

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
        cursors: by stream.
        known: by stream, then by record.
        records: what is in search now.
    """

    connect: Callable[[], Connector]
    waited: Callable[[int], None] = lambda seconds: None
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
        before = self.known.setdefault(stream.name, {})
        if stream.gone:
            for record_id in list(before):
                self._delete(stream.name, record_id, synced)
            self.cursors.pop(stream.name, None)
            return
        seen: set[str] = set()
        position: dict[str, Any] | None = None
        cursor: Cursor | None = None
        known = dict(before)
        for _ in range(most_pages):
            page = self._page(stream, position, known, synced)
            synced.pages.append(page)
            seen |= {record.record_id for record in page.records} | set(page.present)
            seen |= {problem.record_id for problem in page.problems}
            self._take(stream.name, page, synced)
            if page.cursor is not None:
                cursor = _through_json(page.cursor, MAX_CURSOR_BYTES)
            if page.sweep is not None:
                for record_id, each in known.items():
                    if record_id not in seen and each.effective_on >= page.sweep.since:
                        self._delete(stream.name, record_id, synced)
            position = _through_json(page.position, MAX_POSITION_BYTES)
            if position is None:
                if cursor is not None:
                    self.cursors[stream.name] = cursor
                return
        raise AssertionError(f"{stream.name} has no end.")

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

    def _take(self, stream: str, page: Page, synced: Synced) -> None:
        synced.problems += page.problems
        for record in page.records:
            Record.model_validate_json(record.model_dump_json())
            if record.deleted:
                self._delete(stream, record.record_id, synced)
                continue
            before = self.known[stream].get(record.record_id)
            digest = record.content_hash[:32]
            if before is None or before.content_hash != digest:
                synced.changed[record.record_id] = record
                self.records[record.record_id] = record
            self.known[stream][record.record_id] = Known(
                record_id=record.record_id,
                content_hash=digest,
                updated_at=record.updated_at,
                effective_on=record.effective_on,
                validator=page.validators.get(record.record_id, ""),
            )
        for record_id in page.present:
            held = self.known[stream].get(record_id)
            if held is not None and record_id in page.validators:
                self.known[stream][record_id] = held.model_copy(update={"validator": page.validators[record_id]})

    def _delete(self, stream: str, record_id: str, synced: Synced) -> None:
        if self.known[stream].pop(record_id, None) is not None:
            synced.deleted.append(record_id)
            self.records.pop(record_id, None)


def _through_json(value: dict[str, Any] | None, most: int) -> Any:
    if value is None:
        return None
    text = json.dumps(value)
    assert len(text.encode()) <= most
    return json.loads(text)
