"""Syncs of a connector without the cloud: pages are taken as Fetch Pages takes them, through JSON as in the lake."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from omnilake.connectors.protocol import Connector, Known, Problem, Stream
from omnilake.models import Record
from omnilake.syncing.fetching import StreamReader
from omnilake.syncing.known import final_known
from omnilake.syncing.parts import Seen

MOST_PAGES = 2_000


@dataclass
class Lake:
    """What syncs leave behind.

    Attributes:
        cursors: by stream.
        known: by stream and id.
        documents: what a search would find, by id.
        written: records of the last sync, deletions included.
        problems: of the last sync.
        pages: of the last sync.
    """

    cursors: dict[str, Any] = field(default_factory=dict)
    known: dict[str, dict[str, Known]] = field(default_factory=dict)
    documents: dict[str, Record] = field(default_factory=dict)
    written: list[Record] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    pages: int = 0

    @property
    def changed(self) -> list[str]:
        """Ids of what the last sync wrote that is not gone, in order."""
        return [record.record_id for record in self.written if not record.deleted]

    @property
    def deleted(self) -> list[str]:
        """Ids of what the last sync deleted, in order."""
        return [record.record_id for record in self.written if record.deleted]

    def sync(self, connector: Connector, source_type: str, started_at: str = "2026-07-01T00:00:00.000Z") -> Lake:
        """One sync from the cursors to the end of every stream."""
        self.written, self.problems, self.pages = [], [], 0
        for planned in connector.plan({name: each for name, each in self.cursors.items() if each is not None}):
            self._read(connector, _through_json(planned), source_type, started_at)
        for record in self.written:
            if record.deleted:
                self.documents.pop(record.record_id, None)
            else:
                self.documents[record.record_id] = record
        return self

    def _read(self, connector: Connector, stream: Stream, source_type: str, started_at: str) -> None:
        known = self.known.get(stream.name, {})
        reader = StreamReader(0, source_type, started_at, known)
        seen: list[Seen] = []
        cursor, position = stream.cursor, None
        while True:
            if stream.gone:
                taken, page = reader.take_all_as_gone(), None
            else:
                page = connector.fetch(stream, position, reader.known)
                taken = reader.take(page)
                self.pages += 1
            seen += taken.seen
            self.written += taken.records
            self.problems += taken.problems
            if page is None or page.position is None:
                cursor = page.cursor if page is not None and page.cursor is not None else cursor
                break
            cursor = page.cursor if page.cursor is not None else cursor
            assert page.position != position
            assert self.pages < MOST_PAGES
            position = json.loads(json.dumps(page.position))
        self.known[stream.name] = final_known(known, seen)
        self.cursors[stream.name] = cursor
        if stream.gone:
            self.cursors.pop(stream.name)


def _through_json(stream: Stream) -> Stream:
    return Stream.model_validate_json(stream.model_dump_json())
