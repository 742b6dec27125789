"""A connector of notes, as small as they come: an example of the protocol, and a source for tests of the workflow.

The service answers ``GET /notes?after=<number>`` with notes of a page, ascending, and ``GET /ids`` with all ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import ValidationError

from omnilake.connectors.http import HttpClient
from omnilake.connectors.protocol import (
    Credentials,
    Cursor,
    Known,
    Page,
    Position,
    Problem,
    SourceConfig,
    Stream,
    Sweep,
)
from omnilake.models import Record


class NotesConfig(SourceConfig):
    """``base_url`` is the identity; the rest may change."""

    base_url: str
    follow_deletions: bool = True


class NotesConnector:
    """Reads notes; each is a record. The cursor is the number of the last change."""

    config_model: ClassVar[type[SourceConfig]] = NotesConfig

    def __init__(self, config: NotesConfig, credentials: Credentials) -> None:
        self.config = config
        self.http = HttpClient("Notes", config.base_url, {"Authorization": f"Bearer {credentials.require()}"})

    def plan(self, cursors: Mapping[str, Cursor]) -> list[Stream]:
        return [Stream(name="notes", cursor=cursors.get("notes"))]

    def fetch(self, stream: Stream, position: Position | None, known: Mapping[str, Known]) -> Page:
        if position is not None and position.get("step") == "listing":
            return Page(present=self.http.get_json("/ids"), sweep=Sweep())
        after = (position or stream.cursor or {"after": 0})["after"]
        answer = self.http.get_json("/notes", {"after": after})
        records, problems = [], []
        for number, note in enumerate(answer["notes"]):
            try:
                records.append(
                    Record(source_type="notes", record_id=note["id"], text=note["text"], updated_at=note["at"])
                )
            except (KeyError, TypeError, ValidationError) as error:
                problems.append(
                    Problem(item=f"item {number} after {after}", reason=f"malformed: {type(error).__name__}")
                )
        last = answer["last"]
        if answer["more"]:
            onward: Position | None = {"after": last}
        else:
            onward = {"step": "listing"} if self.config.follow_deletions else None
        return Page(records=records, problems=problems, position=onward, cursor={"after": last})

    def close(self) -> None:
        self.http.close()
