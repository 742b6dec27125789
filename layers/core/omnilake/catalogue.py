"""What is known of entries, for people and programs: versions, texts, insights, lists of an archive's entries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from omnilake import aws, entries, layout
from omnilake.errors import EntryNotFound
from omnilake.ingest.inline import SOURCES
from omnilake.models import DocumentStatus, ErrorRecord, Insights, Model

MAX_CHARACTERS = 1_000_000
"""Most characters of a text that are given at a time."""

CURRENT = (
    DocumentStatus.COMPLETED,
    DocumentStatus.PROCESSING,
    DocumentStatus.PENDING,
    DocumentStatus.FAILED,
    DocumentStatus.DUPLICATE,
    DocumentStatus.EXPANDED,
)
"""Statuses that a list shows when nobody asks for one: neither superseded nor deleted, nor removed."""

_GONE = {DocumentStatus.REMOVED, DocumentStatus.REMOVING}


class EntryVersion(Model):
    """One version of an entry, as the registry knows it."""

    entry_id: str
    version: str
    archive_id: str
    status: DocumentStatus
    name: str = ""
    title: str = ""
    source: str = ""
    sources: list[str] = Field(default=[])
    source_type: str = ""
    media_type: str = ""
    size: int = 0
    characters: int = 0
    chunks: int = 0
    metadata: dict[str, str] = Field(default={})
    received_at: str = ""
    effective_on: str = ""
    created_at: str
    updated_at: str
    job_id: str = ""
    duplicate_of: str = ""
    embedding_space: str = ""
    chunker: str = ""
    insights_status: str = ""
    error: ErrorRecord | None = None

    @classmethod
    def of(cls, item: dict[str, Any]) -> EntryVersion:
        """Of an item of the registry."""
        told = {name: item[name] for name in cls.model_fields if name in item}
        metadata = dict(item.get("metadata", {}))
        listed = metadata.pop(SOURCES, "")
        error = (
            ErrorRecord(code=item["error_code"], message=item.get("error_message", ""))
            if "error_code" in item
            else None
        )
        return cls.model_validate(told | {"metadata": metadata, "sources": _listed(listed), "error": error})


class Entry(EntryVersion):
    """An entry: its newest version that is in search, or the newest there is, with what was extracted of it."""

    versions: int
    insights: Insights | None = None


class TextSpan(Model):
    """Characters ``[start, end)`` of the text of an entry version that has ``total``."""

    text: str
    start: int
    end: int
    total: int


def versions(archive_id: str, entry_id: str, tenant: str = "") -> list[EntryVersion]:
    """All versions of an entry that were not removed, the newest first.

    Args:
        tenant: only those of this business id; empty: all.
    Raises:
        EntryNotFound: the archive has none.
    """
    found = [EntryVersion.of(item) for item in entries.versions(entry_id) if item["archive_id"] == archive_id]
    kept = [each for each in found if each.status not in _GONE and is_of(each.metadata, tenant)]
    if not kept:
        raise EntryNotFound("The archive has no entry of that id.")
    return kept


def version(archive_id: str, entry_id: str, wanted: str = "", tenant: str = "") -> EntryVersion:
    """One version of an entry; without a name the newest that is in search, else the newest.

    Raises:
        EntryNotFound: the archive has no such version.
    """
    found = versions(archive_id, entry_id, tenant)
    if not wanted:
        return current(found)
    for each in found:
        if each.version == wanted:
            return each
    raise EntryNotFound("The entry has no such version.")


def current(found: Sequence[EntryVersion]) -> EntryVersion:
    """The newest version that is in search, else the newest."""
    return next((each for each in found if each.status is DocumentStatus.COMPLETED), found[0])


def describe(archive_id: str, entry_id: str, tenant: str = "") -> Entry:
    """An entry. Raises as :func:`versions`."""
    found = versions(archive_id, entry_id, tenant)
    newest = current(found)
    key = layout.entry_insights(newest.entry_id, newest.version)
    insights = aws.lake().find_model(key, Insights) if newest.insights_status else None
    return Entry(**dict(newest), versions=len(found), insights=insights)


def text(of: EntryVersion, start: int = 0, end: int | None = None) -> TextSpan:
    """Characters of the text of a version, at most ``MAX_CHARACTERS``.

    Raises:
        EntryNotFound: the version has no text (yet).
    """
    kept = aws.lake().find(layout.entry_text(of.entry_id, of.version))
    if kept is None:
        raise EntryNotFound("This version of the entry has no text.")
    whole = kept.decode()
    first = min(start, len(whole))
    last = min(len(whole) if end is None else max(end, first), first + MAX_CHARACTERS, len(whole))
    return TextSpan(text=whole[first:last], start=first, end=last, total=len(whole))


def page(
    archive_id: str,
    statuses: Sequence[DocumentStatus],
    limit: int,
    position: dict[str, Any] | None = None,
    tenant: str = "",
) -> tuple[list[EntryVersion], dict[str, Any] | None]:
    """Some entry versions of an archive, by status, in each the last changed first.

    Args:
        position: where to go on, as a page before gave it.
    Returns:
        At most ``limit`` versions, and where to go on; None at the end.
    """
    found: list[EntryVersion] = []
    number = int(position["status"]) if position else 0
    start = position.get("after") if position else None
    while number < len(statuses):
        items, start = aws.table("entries_table").page(
            limit - len(found),
            start,
            IndexName=entries.BY_ARCHIVE_STATUS,
            KeyConditionExpression="archive_status = :archive_status",
            ExpressionAttributeValues={":archive_status": f"{archive_id}#{statuses[number].value}"},
            ScanIndexForward=False,
        )
        found += [each for each in map(EntryVersion.of, items) if is_of(each.metadata, tenant)]
        if start is None:
            number += 1
        if len(found) == limit or (start is not None and tenant):
            break
    return found, {"status": number, "after": start} if number < len(statuses) else None


def is_of(metadata: dict[str, str], tenant: str) -> bool:
    """Whether a document belongs to a tenant; to the empty one all belong."""
    return not tenant or metadata.get("business_id") == tenant


def _listed(told: str) -> list[str]:
    try:
        found = json.loads(told) if told else []
    except ValueError:  # an upload's own metadata of that name
        return [told]
    return [str(each) for each in found] if isinstance(found, list) else [told]
