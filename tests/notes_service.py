"""The service of ``any_source``: notes that tests write, change, break and delete, on a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vendor_server import Reply, Request, Vendor, vendor

TOKEN = "notes-token"


class Notes:
    """Notes by number of their last change; ``page_size`` of them a page."""

    def __init__(self, page_size: int = 2) -> None:
        self.page_size = page_size
        self.changes: list[dict[str, Any]] = []

    def put(self, note_id: str, text: str, at: str = "2026-05-01T10:00:00Z") -> None:
        """Write or change a note."""
        self.delete(note_id)
        self.changes.append({"id": note_id, "text": text, "at": at})

    def delete(self, note_id: str) -> None:
        """Take a note away; its number stays used."""
        self.changes = [{} if note.get("id") == note_id else note for note in self.changes]

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply({"error": "unauthorized"}, 401)
        if request.path == "/ids":
            return Reply([note["id"] for note in self.changes if note.get("id")])
        after = int(request.query["after"])
        there = [(number, note) for number, note in enumerate(self.changes[after:], after + 1) if note]
        page = there[: self.page_size]
        last = page[-1][0] if page else len(self.changes)
        return Reply({"notes": [note for _, note in page], "last": last, "more": len(there) > len(page)})


@contextmanager
def notes_service(notes: Notes) -> Iterator[Vendor]:
    """The service, running."""
    with vendor(notes.answer) as running:
        yield running
