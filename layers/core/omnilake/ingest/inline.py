"""Content that comes with a call: it becomes a record in the lake, and an ``ingest_document`` execution of its own.

The entry's identity is, in this order: the source that the content is the original of, the name that the caller gives
it, or the content with its sources. So the same note sent twice is one entry, and two notes about one source are two.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, ValidationError

from omnilake import archives, aws, entries, executions, jobs, layout
from omnilake.clock import now
from omnilake.errors import EntryNotFound, EntryNotUpdatable, InvalidEntry, InvalidRecord, TransientError
from omnilake.ingest import contents
from omnilake.ingest.register import record_version
from omnilake.models import BatchManifest, DocumentStatus, ErrorRecord, JobKind, Model, ObjectRef, Record
from omnilake.settings import settings

MAX_CONTENT_BYTES = 1024 * 1024
"""Longest content, as UTF-8: what a call may carry. Longer content is uploaded as a file."""

SOURCE_TYPE = "inline"
"""Source type of entries that are identified by a name or by their content."""

SOURCES = "sources"
"""Name in the metadata of the list of sources, as JSON."""

_KIND = JobKind.INGEST_DOCUMENT
_STATE = "Add Entry"


class NewEntry(Model):
    """What the caller says of an entry, or of a new version of one (what is left out stays as it was)."""

    content: str = Field(min_length=1)
    name: str = Field(default="", max_length=1_024)
    title: str | None = Field(default=None, max_length=1_024)
    media_type: Literal["text/plain", "text/markdown", "text/html"] = "text/plain"
    sources: list[str] | None = Field(default=None, max_length=50)
    original_of_source: str = Field(default="", max_length=1_024)
    effective_on: str = Field(default="", max_length=64)
    metadata: dict[str, str] | None = None


class AddedEntry(Model):
    """An entry version that is on its way."""

    archive_id: str
    entry_id: str
    version: str
    job_id: str
    execution_arn: str


def parse(fields: dict[str, Any]) -> NewEntry:
    """An entry of its fields.

    Raises:
        InvalidEntry: names the fields at fault, not their values.
    """
    try:
        return NewEntry.model_validate(fields)
    except ValidationError as error:
        raise _misfits({".".join(map(str, each["loc"])) for each in error.errors()}) from None


def add(archive_id: str, entry: NewEntry, *, started_by: str = "", tenant: dict[str, str] | None = None) -> AddedEntry:
    """Take an entry in and start its ingestion.

    Args:
        archive_id: where it goes.
        entry: its content.
        started_by: principal that asked.
        tenant: metadata that the caller has no say in.

    Raises:
        ArchiveNotFound, ArchiveBeingDeleted: as their codes say.
        InvalidEntry: too long, no text, a time that is none, too much metadata.
        TransientError: its execution could not be started now; nothing is kept.
    """
    archives.open_archive(archive_id)
    sources = entry.sources or []
    if entry.original_of_source:
        identity = ("source", entry.original_of_source)
    else:
        told = json.dumps([entry.content, sources], ensure_ascii=False)
        identity = (SOURCE_TYPE, entry.name or hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()[:32])
    metadata = {**(entry.metadata or {}), **(tenant or {})}
    return _ingest(archive_id, entry, identity, metadata, sources or _own(entry), entry.title or "", started_by)


def update(
    archive_id: str, entry_id: str, entry: NewEntry, *, started_by: str = "", tenant: dict[str, str] | None = None
) -> AddedEntry:
    """Take a new version of an entry in and start its ingestion; it takes the place of the one before.

    Raises:
        EntryNotFound: the archive has no such entry.
        EntryNotUpdatable: its versions come from an object of another bucket.
        InvalidEntry, TransientError: as :func:`add`.
    """
    item = newest(archive_id, entry_id)
    kept = dict(item.get("metadata", {}))
    sources = entry.sources if entry.sources is not None else json.loads(kept.pop(SOURCES, "[]"))
    metadata = {**(kept if entry.metadata is None else entry.metadata), **(tenant or {})}
    title = item.get("title", "") if entry.title is None else entry.title
    return _ingest(archive_id, entry, identity_of(item), metadata, sources, title, started_by)


def newest(archive_id: str, entry_id: str) -> dict[str, Any]:
    """The registry's item of the newest version of an entry that was not removed.

    Raises:
        EntryNotFound: the archive has none.
    """
    for item in entries.versions(entry_id):
        if item["archive_id"] == archive_id and item["status"] not in _GONE:
            return item
    raise EntryNotFound("The archive has no entry of that id.")


_GONE = {DocumentStatus.REMOVED.value, DocumentStatus.REMOVING.value}


def identity_of(item: dict[str, Any]) -> tuple[str, str]:
    """Source type and identifying field of an entry.

    Raises:
        EntryNotUpdatable: it is identified by more than one field.
    """
    source_type = item.get("source_type", "")
    for field in ("name", "source"):
        if entries.entry_id_of(item["archive_id"], source_type, item[field]) == item["entry_id"]:
            return source_type, item[field]
    raise EntryNotUpdatable("The versions of this entry come from an object of another bucket.")


def _own(entry: NewEntry) -> list[str]:
    return [entry.original_of_source] if entry.original_of_source else []


def _ingest(
    archive_id: str,
    entry: NewEntry,
    identity: tuple[str, str],
    metadata: dict[str, str],
    sources: list[str],
    title: str,
    started_by: str,
) -> AddedEntry:
    record = _record(entry, identity, metadata, sources, title)
    digest = hashlib.sha256(json.dumps([archive_id, record.model_dump(mode="json")]).encode()).hexdigest()
    job_id = f"ingest-{jobs.name_part(archive_id)}-{digest[:24]}"
    ref = ObjectRef(bucket=aws.lake().bucket, key=layout.inline_record(archive_id, job_id), line=0)
    try:
        content = contents.of_record(ref, record, archive_id, len(record.text.encode()))
    except InvalidRecord as error:
        raise InvalidEntry(error.message) from None
    aws.lake().write_models(ref.key, [record])
    aws.lake().write_model(
        layout.batch_manifest(job_id), BatchManifest(job_id=job_id, archive_id=archive_id, documents=[ref])
    )
    machine = settings().require("ingest_machine_arn")
    arn = aws.execution_arn(machine, job_id)
    jobs.create(job_id, _KIND, archive_id, arn, started_by=started_by, documents=1)
    record_version(content, ref, archive_id, job_id)
    try:
        executions.start_once(machine, job_id, {"job_id": job_id, "archive_id": archive_id})
    except TransientError as failure:
        told = ErrorRecord.of(failure)
        entries.finish(
            content.entry_id,
            content.version,
            archive_id=archive_id,
            status=DocumentStatus.FAILED,
            error=told,
            job_id=job_id,
        )
        jobs.fail(job_id, _KIND, _STATE, told)
        raise
    return AddedEntry(
        archive_id=archive_id,
        entry_id=content.entry_id,
        version=content.version,
        job_id=job_id,
        execution_arn=arn,
    )


def _record(
    entry: NewEntry, identity: tuple[str, str], metadata: dict[str, str], sources: list[str], title: str
) -> Record:
    try:
        size = len(entry.content.encode())
    except UnicodeEncodeError:  # a lone surrogate; the error itself would quote the text
        raise _misfit("The content holds characters that UTF-8 can't hold.") from None
    if size > MAX_CONTENT_BYTES:
        raise _misfit(f"The content has {size:,} bytes; {MAX_CONTENT_BYTES:,} are the most.")
    if not entry.content.strip():
        raise _misfit("The content holds no text.")
    address = next((source for source in sources if source.startswith(("https://", "http://"))), "")
    listed = {SOURCES: json.dumps(sources, ensure_ascii=False)} if sources else {}
    try:
        return Record(
            source_type=identity[0],
            record_id=identity[1],
            title=title,
            url=address[:4_096],
            media_type=entry.media_type,
            text=entry.content,
            updated_at=now(),
            effective_on=entry.effective_on,
            metadata=metadata | listed,
        )
    except ValidationError as error:
        raise _misfits({str(each["loc"][0]) for each in error.errors()}) from None


def _misfits(names: set[str]) -> InvalidEntry:
    """The error of fields that do not fit the model."""
    faults = [{"field": name, "message": "The value is not valid."} for name in sorted(names)]
    return InvalidEntry(f"The entry does not fit in: {', '.join(sorted(names))}.", fields=faults)


def _misfit(told: str) -> InvalidEntry:
    """The error of a content that can't be taken."""
    return InvalidEntry(told, fields=[{"field": "content", "message": told}])
