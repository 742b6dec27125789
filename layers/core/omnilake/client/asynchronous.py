"""The client over the REST API. ``synchronous.py`` is made from ``asynchronous.py``: change that, then ``make client``.

Errors are those of :mod:`omnilake.errors`, by the code of the API's problem document; ``details`` of each has the HTTP
status, the request's id and the fields at fault. Calls that were turned away (429, 503), and those that may be repeated
after a lost connection, are made again after growing random pauses. Every POST that starts or changes something carries
an ``Idempotency-Key``, so that none of that happens twice.
"""

from __future__ import annotations

import json
import mimetypes
import time
from asyncio import Lock
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar, cast
from urllib.parse import quote
from uuid import uuid4

import httpx2
from pydantic import TypeAdapter

from omnilake import __version__
from omnilake.client import request_definitions as definitions
from omnilake.client.concurrency import async_call, async_pause
from omnilake.client.problems import error_of, problem_of
from omnilake.client.retrying import Retries, repeatable
from omnilake.client.signing import authentication, find_endpoint
from omnilake.client.types import (
    Accepted,
    AccessState,
    ChunkRecord,
    CitedSpan,
    ConfigurationRecord,
    EntryRecord,
    JobEvent,
    JobItem,
    JobRecord,
    Page,
    RequestRecord,
    Response,
    SearchResults,
    SourceRecord,
    SourceType,
    TextSpan,
    UploadTarget,
)
from omnilake.client.uploading import MULTIPART_BYTES, Counted, Part, checked, opened
from omnilake.errors import EmptyDocument, EndpointUnreachable, RequestInProgress, StageFailed, by_code
from omnilake.models import ENDED, Answer, Archive, ArchiveAccess, JobKind, JobStatus

if TYPE_CHECKING:
    from types import TracebackType

    from omnilake.answering.comparison import AnswerDiff

T = TypeVar("T")

_NONE = httpx2.Auth()  # presigned addresses carry their signature
_TIMEOUT_S = 35.0  # the API answers within 30
_MOST = 100  # items of a page
_POLL_S = (0.1, 1.0)
_JSON = TypeAdapter(dict[str, Any])
_NO_KEY = ("/v1/search", "/v1/configuration/check")
"""POST, but nothing is changed."""


class AsyncPages(Generic[T]):
    """A list that is fetched as it is read: ``async for item in pages``, or page by page with :meth:`pages`."""

    def __init__(self, client: AsyncOmniLake, path: str, of: Any, query: Mapping[str, Any], limit: int | None) -> None:
        self._client = client
        self._path = path
        self._adapter: TypeAdapter[Page[T]] = TypeAdapter(Page[of])
        self._query = {name: value for name, value in query.items() if value not in (None, "")}
        self._limit = limit

    async def pages(self, size: int | None = None) -> AsyncIterator[Page[T]]:
        """Page by page, as many as the limit takes.

        Args:
            size: most items of a page, at most 100; None: as the API has it.
        """
        cursor, left = "", self._limit
        while left is None or left > 0:
            wanted = left if size is None else size if left is None else min(size, left)
            query = {**self._query, "cursor": cursor, "limit": None if wanted is None else min(wanted, _MOST)}
            answer = await self._client.send("GET", self._path, query=query)
            page = self._adapter.validate_json(answer.content, extra="ignore")
            if left is not None:
                page = page.model_copy(update={"items": page.items[:left]})
                left -= len(page.items)
            yield page
            if not page.next_cursor:
                return
            cursor = page.next_cursor

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def all(self) -> list[T]:
        """All items, up to the limit that was asked for."""
        return [each async for page in self.pages() for each in page.items]


class AsyncJobHandle:
    """A job that was started, or one that is looked at.

    Attributes:
        job_id: its id, which is the name of its execution.
        accepted: what the API said when it was started: ``entry_id`` or ``archive_id`` where there is one.
    """

    def __init__(self, client: AsyncOmniLake, accepted: Accepted) -> None:
        self._client = client
        self.accepted = accepted
        self.job_id = accepted.job_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.job_id!r})"

    @property
    def entry_id(self) -> str:
        """Of the entry that the job makes or changes; empty where there is none."""
        return self.accepted.entry_id

    async def record(self) -> JobRecord:
        """The job as it is now. Raises ``JobNotFound``."""
        return await self._client.jobs.get(self.job_id)

    async def changes(self, timeout_s: float = 900) -> AsyncIterator[JobRecord]:
        """The job's record again and again as it changes; the last one has ended.

        Raises:
            JobNotFound: there is none of that id.
            TimeoutError: it has not ended after ``timeout_s`` seconds.
        """
        deadline = time.monotonic() + timeout_s
        pause, shown = _POLL_S[0], None
        while True:
            job = await self.record()
            if job != shown:
                yield job
                shown, pause = job, _POLL_S[0]
            if job.status in ENDED:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"Job {self.job_id} is {job.status} in {job.state!r} after {timeout_s:.0f} s.")
            await async_pause(pause)
            pause = min(pause * 1.3, _POLL_S[1])

    async def wait(self, timeout_s: float = 900, on_change: Callable[[JobRecord], object] | None = None) -> JobRecord:
        """The job's record at its end, whether it completed, failed or was cancelled.

        Args:
            timeout_s: longest wait.
            on_change: is told each record that differs from the one before.

        Raises:
            JobNotFound, TimeoutError: as :meth:`changes`.
        """
        async for job in self.changes(timeout_s):
            if on_change is not None:
                on_change(job)
        return job

    async def completed(self, timeout_s: float = 900) -> JobRecord:
        """As :meth:`wait`, but what the job failed with is raised.

        Raises:
            OmniLakeError: the job's error, as the class of its code; ``StageFailed`` where it has none.
        """
        job = await self.wait(timeout_s)
        if job.status is JobStatus.COMPLETED:
            return job
        if job.error is None:
            raise StageFailed(f"Job {job.job_id} is {job.status.value}.")
        kind = by_code(job.error.code) or StageFailed
        raise kind(job.error.message, action=job.error.action or None, job_id=job.job_id)

    async def events(self, after: int = 0, timeout_s: float = 900) -> AsyncIterator[JobEvent]:
        """What happens in the job: states entered, counts, items; in order, until it ends.

        Args:
            after: sequence number of the last event that is known; a broken-off listing is gone on with by it.
            timeout_s: longest wait.

        Raises:
            JobNotFound, TimeoutError: as :meth:`changes`.
        """
        async for _ in self.changes(timeout_s):
            async for event in self._client.jobs.events(self.job_id, after):
                after = max(after, event.sequence)
                yield event

    async def answer(self, timeout_s: float = 900) -> Answer:
        """The answer of a request, once there is one.

        Raises:
            OmniLakeError: what the job failed with, as :meth:`completed`.
        """
        await self.completed(timeout_s)
        return await self._client.answers.get(self.job_id)

    def items(self) -> AsyncPages[JobItem]:
        """What became of each document or record of the job."""
        return self._client.jobs.items(self.job_id)

    async def cancel(self) -> JobRecord:
        """Stop it."""
        return await self._client.jobs.cancel(self.job_id)

    async def retry(self) -> AsyncJobHandle:
        """Do again what failed of it, as a new job."""
        return await self._client.jobs.retry(self.job_id)

    async def redrive(self) -> AsyncJobHandle:
        """Let its execution go on where it failed."""
        return await self._client.jobs.redrive(self.job_id)


class _Resource:
    def __init__(self, client: AsyncOmniLake) -> None:
        self._client = client


class AsyncArchives(_Resource):
    """Archives: logical groupings of entries."""

    async def create(self, archive_id: str, description: str = "", **definition: Any) -> Archive:
        """Create an archive; an identical one may exist already.

        Args:
            archive_id: 3 to 63 of lower-case letters, digits, ``-`` and ``_``.
            description: for people.
            definition: further fields of ``omnilake.archives.ArchiveDefinition``, as JSON or as models:
                ``chunking={"kind": "fixed", "max_tokens": 128}``.

        Raises:
            ArchiveExists, InvalidArchive: as their codes say.
        """
        body = {"archive_id": archive_id, "description": description, **_JSON.dump_python(definition, mode="json")}
        return _parsed(await self._client.send("POST", "/v1/archives", body=body), Archive)

    def list(self, *, limit: int | None = None) -> AsyncPages[Archive]:
        """Archives that the caller may read."""
        return AsyncPages(self._client, "/v1/archives", Archive, {}, limit)

    async def get(self, archive_id: str) -> Archive:
        """An archive. Raises ``ArchiveNotFound``."""
        return _parsed(await self._client.send("GET", _archive(archive_id)), Archive)

    async def update(self, archive_id: str, *, etag: str | None = None, **changes: Any) -> Archive:
        """Change fields of an archive.

        Args:
            archive_id: the archive.
            etag: of the archive as it was read; another one meanwhile refuses the change. None: as it is now.
            changes: fields of its definition.

        Raises:
            ArchiveNotFound, InvalidArchive: as their codes say.
        """
        headers = await self._client.matching(_archive(archive_id), etag)
        body = _JSON.dump_python(changes, mode="json")
        return _parsed(await self._client.send("PATCH", _archive(archive_id), body=body, headers=headers), Archive)

    async def delete(
        self, archive_id: str, *, etag: str | None = None, with_entries: bool = False
    ) -> AsyncJobHandle | None:
        """Delete an archive that holds nothing, or with all its entries.

        Args:
            archive_id: the archive.
            etag: of the archive as it was read; another one meanwhile refuses the deletion. None: as it is now.
            with_entries: remove its entries too, with proof. It takes nothing in from then on, and is gone when the job
                has completed; a job that fails or is cancelled leaves it with what was not removed yet.

        Returns:
            With ``with_entries`` the job that does it, the same one while it runs; else None: the archive is gone.
        Raises:
            ArchiveInUse: it has sources; or, without ``with_entries``, entries or open jobs. The message names them.
            ArchiveBeingDeleted: without ``with_entries``, where a job deletes it already.
            Forbidden: the caller does not administer it; or, with ``with_entries``, their token names a tenant.
        """
        headers = await self._client.matching(_archive(archive_id), etag)
        query = {"with_entries": "true"} if with_entries else {}
        answer = await self._client.send("DELETE", _archive(archive_id), query=query, headers=headers)
        return self._client.started(answer)

    async def access(self, archive_id: str) -> AccessState:
        """Who may read, write and administer it; only who administers it may ask."""
        return _parsed(await self._client.send("GET", f"{_archive(archive_id)}/access"), AccessState)

    async def set_access(
        self, archive_id: str, access: ArchiveAccess | Mapping[str, Any], *, etag: str | None = None
    ) -> AccessState:
        """Say who may read, write and administer it."""
        path = f"{_archive(archive_id)}/access"
        headers = await self._client.matching(path, etag)
        body = ArchiveAccess.model_validate(access).model_dump()
        return _parsed(await self._client.send("PUT", path, body=body, headers=headers), AccessState)

    async def reindex(self, archive_id: str) -> AsyncJobHandle:
        """Cut and embed all of it anew with its present settings; readers go on meanwhile."""
        return self._client.handle(await self._client.send("POST", f"{_archive(archive_id)}/reindex", body={}))


class AsyncEntries(_Resource):
    """Entries: the documents of an archive, with their versions."""

    def list(self, archive_id: str, *, status: str = "", limit: int | None = None) -> AsyncPages[EntryRecord]:
        """Entries of an archive."""
        return AsyncPages(self._client, f"{_archive(archive_id)}/entries", EntryRecord, {"status": status}, limit)

    async def get(self, archive_id: str, entry_id: str) -> EntryRecord:
        """An entry. Raises ``EntryNotFound``."""
        return _parsed(await self._client.send("GET", _entry(archive_id, entry_id)), EntryRecord)

    async def add(
        self, archive_id: str, content: str, *, sources: Sequence[str] = (), idempotency_key: str = "", **fields: Any
    ) -> AsyncJobHandle:
        """Add a text as an entry.

        Args:
            archive_id: where it goes.
            content: the text.
            sources: where it comes from.
            idempotency_key: the same text under the same key is added once; without one, each call is its own.
            fields: further ones, such as ``effective_on`` or ``metadata``.

        Returns:
            The job that ingests it, with the ``entry_id``.
        Raises:
            ArchiveNotFound: there is no such archive.
        """
        body = {"content": content, "sources": [*sources], **_JSON.dump_python(fields, mode="json")}
        path = f"{_archive(archive_id)}/entries"
        return self._client.handle(await self._client.send("POST", path, body=body, key=idempotency_key))

    async def update(
        self, archive_id: str, entry_id: str, content: str, *, etag: str = "", **fields: Any
    ) -> AsyncJobHandle:
        """Add a new version of an entry."""
        body = {"content": content, **_JSON.dump_python(fields, mode="json")}
        headers = {"If-Match": etag} if etag else {}
        return self._client.handle(
            await self._client.send("PUT", _entry(archive_id, entry_id), body=body, headers=headers)
        )

    async def delete(self, archive_id: str, entry_id: str) -> AsyncJobHandle:
        """Remove an entry, with proof."""
        return self._client.handle(await self._client.send("DELETE", _entry(archive_id, entry_id)))

    async def content(
        self, archive_id: str, entry_id: str, *, version: str = "", start: int | None = None, end: int | None = None
    ) -> TextSpan:
        """The text of an entry version, or characters ``[start, end)`` of it."""
        answer = await self._client.send(
            "GET",
            f"{_entry(archive_id, entry_id)}/content",
            query={"version": version, "start": start, "end": end},
            headers={"Accept": "application/json"},
        )
        return _parsed(answer, TextSpan)

    def chunks(
        self, archive_id: str, entry_id: str, *, version: str = "", limit: int | None = None
    ) -> AsyncPages[ChunkRecord]:
        """The chunks of an entry version, in order."""
        path = f"{_entry(archive_id, entry_id)}/chunks"
        return AsyncPages(self._client, path, ChunkRecord, {"version": version}, limit)

    def versions(self, archive_id: str, entry_id: str) -> AsyncPages[EntryRecord]:
        """All versions of an entry, the newest first."""
        return AsyncPages(self._client, f"{_entry(archive_id, entry_id)}/versions", EntryRecord, {}, None)

    async def upload(
        self,
        archive_id: str,
        content: Path | bytes,
        name: str = "",
        *,
        media_type: str = "",
        metadata: Mapping[str, str] | None = None,
        multipart: bool | None = None,
        on_sent: Callable[[int], object] | None = None,
    ) -> UploadTarget:
        """Send a file straight to S3; its arrival starts its ingestion.

        Args:
            archive_id: where it goes.
            content: a file's path, or the bytes.
            name: path below the archive; default: the file's own name.
            media_type: default: by the name.
            metadata: free; ``omnilake-source`` and ``omnilake-effective-on`` mean what docs/asking.md says.
            multipart: whether it goes in parts; None: when it is larger than 100 MB.
            on_sent: is told how many bytes have been sent since the last time; less than 0 when they are sent again.

        Raises:
            EmptyDocument, DocumentTooLarge, ArchiveNotFound: as their codes say.
            StageFailed: S3 refuses the file.
        """
        if not name and not isinstance(content, Path):
            raise ValueError("Bytes need a name.")
        told = name or str(getattr(content, "name", ""))
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        if not size:
            raise EmptyDocument("The file holds no bytes.")
        media_type = media_type or mimetypes.guess_type(told)[0] or "application/octet-stream"
        body: dict[str, Any] = {
            "name": told,
            "bytes": size,
            "media_type": media_type,
            "metadata": dict(metadata or {}),
        }
        if multipart or (multipart is None and size > MULTIPART_BYTES):
            body["multipart"] = True
        path = f"{_archive(archive_id)}/uploads"
        target = _parsed(await self._client.send("POST", path, body=body), UploadTarget)
        if not target.parts:
            await self._client.post_file(target, content, media_type, on_sent)
            return target
        one = f"{path}/{_part(target.upload_id)}"
        try:
            tags = await self._client.put_parts(target, content, on_sent)
            await self._client.send("POST", f"{one}/complete", body={"parts": tags})
        except BaseException:
            await self._client.send("DELETE", one)
            raise
        return target


class AsyncCollections(_Resource):
    """Collections: many documents at once."""

    async def start(self, archive_id: str, *, prefix: str = "", manifest: str = "") -> AsyncJobHandle:
        """Ingest what lies below a prefix, or what a manifest lists (``s3://…`` each).

        Raises:
            ArchiveNotFound, InvalidCollection: as their codes say.
        """
        body = {name: value for name, value in (("prefix", prefix), ("manifest", manifest)) if value}
        return self._client.handle(await self._client.send("POST", f"{_archive(archive_id)}/collections", body=body))


class AsyncSources(_Resource):
    """Sources: places that content comes from by itself."""

    def list(self, archive_id: str = "", *, limit: int | None = None) -> AsyncPages[SourceRecord]:
        """All sources that the caller may read, or those of an archive."""
        return AsyncPages(self._client, "/v1/sources", SourceRecord, {"archive_id": archive_id}, limit)

    async def put(self, archive_id: str, source_type: str, config: Mapping[str, Any], **fields: Any) -> SourceRecord:
        """Define a source of an archive, or change one of the same identity.

        Args:
            archive_id: where its content goes.
            source_type: slack, gitlab, …
            config: of that type (docs/connectors.md).
            fields: ``secret_name``, ``schedule``.

        Raises:
            SourceError, ArchiveNotFound: as their codes say.
        """
        body = {"archive_id": archive_id, "source_type": source_type, "config": dict(config), **fields}
        return _parsed(await self._client.send("POST", "/v1/sources", body=body), SourceRecord)

    async def get(self, source_id: str) -> SourceRecord:
        """A source. Raises ``SourceNotFound``."""
        return _parsed(await self._client.send("GET", f"/v1/sources/{_part(source_id)}"), SourceRecord)

    async def delete(self, source_id: str) -> None:
        """Forget a source, its schedule and its cursors; what was ingested of it stays."""
        await self._client.send("DELETE", f"/v1/sources/{_part(source_id)}")

    async def sync(self, source_id: str, *, full: bool = False) -> AsyncJobHandle:
        """Sync it now; while a sync of it runs, that one's job."""
        path = f"/v1/sources/{_part(source_id)}/syncs"
        return self._client.handle(await self._client.send("POST", path, body={"full": full}))


class AsyncSourceTypes(_Resource):
    """Types of sources: those of connectors, and declared ones."""

    def list(self) -> AsyncPages[SourceType]:
        """All of them."""
        return AsyncPages(self._client, "/v1/source-types", SourceType, {}, None)

    async def create(self, name: str, required_fields: Sequence[str], description: str = "") -> SourceType:
        """Declare one: the fields that are the identity of a source."""
        body = {"name": name, "required_fields": [*required_fields], "description": description}
        return _parsed(await self._client.send("POST", "/v1/source-types", body=body), SourceType)

    async def get(self, name: str) -> SourceType:
        """One of them."""
        return _parsed(await self._client.send("GET", f"/v1/source-types/{_part(name)}"), SourceType)

    async def delete(self, name: str) -> None:
        """Forget a declared one that no source has."""
        await self._client.send("DELETE", f"/v1/source-types/{_part(name)}")


class AsyncRequests(_Resource):
    """Requests: questions as they were asked."""

    async def get(self, job_id: str) -> RequestRecord:
        """A request and its job. Raises ``JobNotFound``."""
        return _parsed(await self._client.send("GET", f"/v1/requests/{_part(job_id)}"), RequestRecord)

    async def replay(self, job_id: str) -> AsyncJobHandle:
        """Answer it again from what was recorded: no retrieval, no model."""
        return self._client.handle(await self._client.send("POST", f"/v1/requests/{_part(job_id)}/replay", body={}))

    async def fork(self, job_id: str, **changes: Any) -> AsyncJobHandle:
        """Ask it again with fields of it changed."""
        body = {"changes": _JSON.dump_python(changes, mode="json")}
        return self._client.handle(await self._client.send("POST", f"/v1/requests/{_part(job_id)}/fork", body=body))

    async def score(self, job_id: str, score: float, comment: str = "") -> None:
        """Say how good its answer was, 0 to 1."""
        body = {"score": score, **({"comment": comment} if comment else {})}
        await self._client.send("PUT", f"/v1/requests/{_part(job_id)}/score", body=body)


class AsyncAnswers(_Resource):
    """Answers of requests."""

    async def get(self, job_id: str) -> Answer:
        """The answer of a completed request.

        Raises:
            JobNotFound: there is no such job, or it answers no request.
            AnswerPending: it has not ended.
            AnswerUnavailable: it failed or was cancelled.
        """
        return _parsed(await self._client.send("GET", f"/v1/answers/{_part(job_id)}"), Answer)

    async def prompt(self, job_id: str) -> dict[str, Any]:
        """The assembled prompt with its evidence, of a request that asked for that."""
        answer = await self._client.send("GET", f"/v1/answers/{_part(job_id)}/prompt")
        return _JSON.validate_json(answer.content)

    async def citation(self, job_id: str, number: int) -> CitedSpan:
        """What citation [number] quotes, with the text around it and a link to the original."""
        return _parsed(await self._client.send("GET", f"/v1/answers/{_part(job_id)}/citations/{number}"), CitedSpan)

    async def diff(self, first: str, second: str) -> AnswerDiff:
        """What sets the answer of the second job apart from that of the first."""
        from omnilake.answering.comparison import AnswerDiff

        return _parsed(await self._client.send("GET", f"/v1/answers/{_part(first)}/diff/{_part(second)}"), AnswerDiff)


class AsyncJobs(_Resource):
    """Jobs: anything asynchronous is one, and one execution."""

    def list(
        self,
        *,
        kind: JobKind | str = "",
        status: JobStatus | str = "",
        archive_id: str = "",
        since: str = "",
        until: str = "",
        limit: int | None = None,
    ) -> AsyncPages[JobRecord]:
        """Jobs, the newest first.

        Args:
            kind: only of this kind.
            status: only of this status.
            archive_id: only of this archive.
            since: started at or after then, ISO 8601.
            until: started before then.
            limit: most of them.
        """
        query = {"kind": kind, "status": status, "archive_id": archive_id, "since": since, "until": until}
        return AsyncPages(
            self._client, "/v1/jobs", JobRecord, {name: str(value) for name, value in query.items()}, limit
        )

    async def get(self, job_id: str) -> JobRecord:
        """A job. Raises ``JobNotFound``."""
        return _parsed(await self._client.send("GET", f"/v1/jobs/{_part(job_id)}"), JobRecord)

    def handle(self, job_id: str) -> AsyncJobHandle:
        """To wait for a job, or to see it go on."""
        return AsyncJobHandle(self._client, Accepted(job_id=job_id))

    async def events(self, job_id: str, after: int = 0) -> AsyncIterator[JobEvent]:
        """What has happened in a job until now, in order, after the event with that sequence number."""
        path = f"/v1/jobs/{_part(job_id)}/events"
        while True:
            answer = await self._client.send("GET", path, query={"after": after, "limit": _MOST})
            found = _parsed(answer, Page[JobEvent]).items
            for event in found:
                after = max(after, event.sequence)
                yield event
            if len(found) < _MOST:
                return

    def items(self, job_id: str, *, status: str = "", limit: int | None = None) -> AsyncPages[JobItem]:
        """What became of each document or record of a job."""
        return AsyncPages(self._client, f"/v1/jobs/{_part(job_id)}/items", JobItem, {"status": status}, limit)

    async def cancel(self, job_id: str) -> JobRecord:
        """Stop a job."""
        return _parsed(await self._client.send("POST", f"/v1/jobs/{_part(job_id)}/cancel", body={}), JobRecord)

    async def retry(self, job_id: str) -> AsyncJobHandle:
        """Do again what failed of an ended job, and only that, as a new job."""
        return self._client.handle(await self._client.send("POST", f"/v1/jobs/{_part(job_id)}/retry", body={}))

    async def redrive(self, job_id: str) -> AsyncJobHandle:
        """Let the execution of a failed job go on where it ended."""
        return self._client.handle(await self._client.send("POST", f"/v1/jobs/{_part(job_id)}/redrive", body={}))


class AsyncConfiguration(_Resource):
    """The configuration of answering."""

    async def get(self) -> ConfigurationRecord:
        """The one in force."""
        return _parsed(await self._client.send("GET", "/v1/configuration"), ConfigurationRecord)

    async def check(self, configuration: Mapping[str, Any]) -> ConfigurationRecord:
        """Whether one would work; nothing is changed. Raises ``InvalidConfiguration``."""
        answer = await self._client.send("POST", "/v1/configuration/check", body=dict(configuration))
        return _parsed(answer, ConfigurationRecord)

    async def put(self, configuration: Mapping[str, Any], *, etag: str | None = None) -> ConfigurationRecord:
        """Check one and put it in force, from the next request on. Raises ``InvalidConfiguration``."""
        headers = await self._client.matching("/v1/configuration", etag)
        answer = await self._client.send("PUT", "/v1/configuration", body=dict(configuration), headers=headers)
        return _parsed(answer, ConfigurationRecord)


class AsyncOmniLake:
    """A deployment, through its REST API. Nothing is sent before the first call.

    Args:
        endpoint: address of the API; else ``OMNILAKE_ENDPOINT``, else the output ``ApiEndpoint`` of the stack.
        stack: CloudFormation name of the stack; else ``OMNILAKE_STACK``, else ``omnilake``.
        token: a JWT, where the deployment takes those; else ``OMNILAKE_TOKEN``, else AWS credentials sign.
        region: of the API, where its address does not say it and the environment's is another.
        retries: how often and how fast.
        timeout_s: longest silence of the API.
        transport: in place of the network, for tests.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        stack: str | None = None,
        token: str | None = None,
        region: str | None = None,
        retries: Retries | None = None,
        timeout_s: float = _TIMEOUT_S,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._stack = stack
        self._auth = authentication(token, region)
        self._retries = retries or Retries()
        self._timeout = httpx2.Timeout(timeout_s, connect=10)
        self._transport = transport
        self._http: httpx2.AsyncClient | None = None
        self._lock = Lock()
        self.archives = AsyncArchives(self)
        self.entries = AsyncEntries(self)
        self.collections = AsyncCollections(self)
        self.sources = AsyncSources(self)
        self.source_types = AsyncSourceTypes(self)
        self.requests = AsyncRequests(self)
        self.answers = AsyncAnswers(self)
        self.jobs = AsyncJobs(self)
        self.configuration = AsyncConfiguration(self)

    async def __aenter__(self) -> AsyncOmniLake:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    # --- asking -------------------------------------------------------------------------------------------------

    async def ask(
        self, archives: str | Sequence[str], question: str, *, idempotency_key: str = "", **options: Any
    ) -> AsyncJobHandle:
        """Ask archives a question.

        Args:
            archives: one, or several.
            question: in any language.
            idempotency_key: the same request under the same key is one job; without one, each call is its own.
            options: further fields of :class:`~omnilake.models.InformationRequest`, as JSON or as models:
                ``filters=[{"field": "page", "operator": "ge", "value": 4}]``, ``max_cost=0.05`` …

        Returns:
            The job: ``await (await lake.ask(…)).answer()``.
        Raises:
            InvalidRequest, ArchiveNotFound: as their codes say.
        """
        body = _question(archives, question, options)
        return self.handle(await self.send("POST", "/v1/requests", body=body, key=idempotency_key))

    async def search(self, archives: str | Sequence[str], question: str, **options: Any) -> SearchResults:
        """Ranked chunks, without an answer. Arguments as of :meth:`ask`; ``evidence_limit`` is the most of them."""
        body = _question(archives, question, options)
        answer = await self.send("POST", "/v1/search", body=body, headers={"Prefer": "wait=25"})
        if answer.status_code == 202:  # it takes longer than the API waits
            job = self.handle(answer)
            await job.completed()
            answer = await self.send("GET", f"/v1/search/{_part(job.job_id)}")
        return _parsed(answer, SearchResults)

    async def health(self) -> dict[str, Any]:
        """Whether the API works, and its version."""
        return _JSON.validate_json((await self.send("GET", "/v1/health")).content)

    async def openapi(self) -> dict[str, Any]:
        """The API's own description, OpenAPI 3.1."""
        return _JSON.validate_json((await self.send("GET", "/v1/openapi.json")).content)

    # --- the surface of OmniLake --------------------------------------------------------------------------------

    async def request(self, definition: definitions.RequestBody) -> Response:
        """Send any request of :mod:`omnilake.client.request_definitions`."""
        if not definition.path:
            raise ValueError("The request has no path.")
        answer = await self.send("POST", definition.path, body=definition.to_dict())
        told = _JSON.validate_json(answer.content) if answer.content else {}
        return Response(told, answer.status_code, dict(answer.headers))

    async def create_archive(self, request: definitions.CreateArchive) -> Response:
        """Create an archive."""
        return await self.request(request)

    async def describe_archive(self, request: definitions.DescribeArchive) -> Response:
        """Describe an archive."""
        return await self.request(request)

    async def update_archive(self, request: definitions.UpdateArchive) -> Response:
        """Change an archive."""
        return await self.request(request)

    async def list_archives(self, request: definitions.ListArchives | None = None) -> Response:
        """List archives."""
        return await self.request(request or definitions.ListArchives())

    async def delete_archive(self, request: definitions.DeleteArchive) -> Response:
        """Remove an archive."""
        return await self.request(request)

    async def add_entry(self, request: definitions.AddEntry) -> Response:
        """Add a text as an entry; ``entry_id`` and ``job_id`` are in the response."""
        return await self.request(request)

    async def describe_entry(self, request: definitions.DescribeEntry) -> Response:
        """Describe an entry."""
        return await self.request(request)

    async def get_entry(self, request: definitions.GetEntry) -> Response:
        """The text of an entry."""
        return await self.request(request)

    async def update_entry(self, request: definitions.UpdateEntry) -> Response:
        """Add a new version of an entry."""
        return await self.request(request)

    async def delete_entry(self, request: definitions.DeleteEntry) -> Response:
        """Remove an entry."""
        return await self.request(request)

    async def index_entry(self, request: definitions.IndexEntry) -> Response:
        """Index an entry."""
        return await self.request(request)

    async def create_source_type(self, request: definitions.CreateSourceType) -> Response:
        """Declare a type of sources."""
        return await self.request(request)

    async def describe_source_type(self, request: definitions.DescribeSourceType) -> Response:
        """Describe a type of sources."""
        return await self.request(request)

    async def add_source(self, request: definitions.AddSource) -> Response:
        """Add a source."""
        return await self.request(request)

    async def describe_source(self, request: definitions.DescribeSource) -> Response:
        """Describe a source."""
        return await self.request(request)

    async def delete_source(self, request: definitions.DeleteSource) -> Response:
        """Forget a source."""
        return await self.request(request)

    async def request_information(self, request: definitions.InformationRequest) -> Response:
        """Ask; ``job_id`` is in the response."""
        return await self.request(request)

    async def describe_request(
        self, request: definitions.DescribeRequest | definitions.DescribeLakeRequest
    ) -> Response:
        """Describe a request."""
        return await self.request(request)

    async def describe_job(self, request: definitions.DescribeJob) -> Response:
        """Describe a job."""
        return await self.request(request)

    async def score_response(self, request: definitions.ScoreResponse) -> Response:
        """Say how good an answer was."""
        return await self.request(request)

    # --- the wire -----------------------------------------------------------------------------------------------

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        key: str = "",
    ) -> httpx2.Response:
        """One call of the API, repeated as :mod:`omnilake.client.retrying` says; its answer is below 400.

        Args:
            method: of HTTP.
            path: from its root, with ids percent-encoded.
            query: what is None or empty is left out.
            body: as JSON.
            headers: further ones.
            key: ``Idempotency-Key``; every POST that changes something gets a random one.

        Raises:
            OmniLakeError: the API refuses, as the class of its code.
            EndpointUnreachable: there is no answer.
            EndpointUnknown: the API's address, or credentials, are not known.
        """
        http = await self._connected()
        told = {**(headers or {})}
        if body is not None:
            told["Content-Type"] = "application/json"
        if method == "POST" and path not in _NO_KEY:
            told["Idempotency-Key"] = key or str(uuid4())
        asked = {name: str(value) for name, value in (query or {}).items() if value not in (None, "")}
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        known = {name.lower(): value for name, value in told.items()}
        attempt, auth = 0, self._auth
        while True:
            try:
                answer = await http.request(
                    method, path, params=asked or None, content=content, headers=told, auth=auth
                )
            except httpx2.TransportError as error:
                unsent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
                pause = self._retries.pause(attempt) if unsent or repeatable(method, None, known) else None
                if pause is None:
                    raise EndpointUnreachable(
                        f"{http.base_url.host} gave no answer: {type(error).__name__}."
                    ) from error
            else:
                if answer.status_code == 303:  # more than the API can hand over: a link that is signed already
                    method, path, asked, content, told = "GET", answer.headers["location"], {}, None, {}
                    auth = _NONE
                    continue
                if answer.status_code < 400:
                    return answer
                pause = None
                if repeatable(method, answer.status_code, known) or _in_progress(answer):
                    pause = self._retries.pause(attempt, answer.headers)
                if pause is None:
                    raise error_of(answer.status_code, answer.headers, answer.content)
            await async_pause(pause)
            attempt += 1

    async def matching(self, path: str, etag: str | None) -> dict[str, str]:
        """``If-Match`` of a change: the given tag, or that of the resource as it is now."""
        if etag is None:
            etag = str((await self.send("GET", path)).headers.get("etag", ""))
        return {"If-Match": etag} if etag else {}

    def handle(self, answer: httpx2.Response) -> AsyncJobHandle:
        """The job that an answer names."""
        return AsyncJobHandle(self, _parsed(answer, Accepted))

    def started(self, answer: httpx2.Response) -> AsyncJobHandle | None:
        """The job that an answer names, where it names one."""
        return self.handle(answer) if answer.status_code == 202 else None

    async def post_file(
        self, target: UploadTarget, content: Path | bytes, media_type: str, on_sent: Callable[[int], object] | None
    ) -> None:
        """Send a file by presigned POST."""
        http = await self._connected()
        with opened(content) as file:
            attempt = 0
            while True:
                counted = Counted(file, on_sent)
                answer = None
                try:
                    answer = await http.post(
                        target.url,
                        data=target.fields,
                        files={"file": ("file", cast("IO[bytes]", counted), media_type)},
                        auth=_NONE,
                    )
                except httpx2.TransportError as error:
                    counted.rewind()
                    pause = self._retries.pause(attempt)
                    if pause is None:
                        raise EndpointUnreachable(f"S3 gave no answer: {type(error).__name__}.") from error
                else:
                    if answer.status_code < 400:
                        return
                    counted.rewind()
                    retry = answer.status_code in {500, 503}
                    pause = self._retries.pause(attempt, answer.headers) if retry else None
                    if pause is None:
                        raise checked(answer)
                await async_pause(pause)
                attempt += 1

    async def put_parts(
        self, target: UploadTarget, content: Path | bytes, on_sent: Callable[[int], object] | None
    ) -> list[dict[str, Any]]:
        """Send the parts of a large file; their numbers and tags, as ``complete`` wants them."""
        http = await self._connected()
        tags: list[dict[str, Any]] = []
        with opened(content) as file:
            for part in target.parts:
                data = await async_call(file.read, target.part_bytes)
                answer = await self._put_part(http, Part(part.number, part.url, data))
                tags.append({"number": part.number, "etag": answer.headers["etag"]})
                if on_sent is not None:
                    on_sent(len(data))
        return tags

    async def _put_part(self, http: httpx2.AsyncClient, part: Part) -> httpx2.Response:
        attempt = 0
        while True:
            try:
                answer = await http.put(part.url, content=part.data, auth=_NONE)
            except httpx2.TransportError as error:
                pause = self._retries.pause(attempt)
                if pause is None:
                    raise EndpointUnreachable(f"S3 gave no answer: {type(error).__name__}.") from error
            else:
                if answer.status_code < 400:
                    return answer
                pause = self._retries.pause(attempt, answer.headers) if answer.status_code in {500, 503} else None
                if pause is None:
                    raise checked(answer)
            await async_pause(pause)
            attempt += 1

    async def _connected(self) -> httpx2.AsyncClient:
        async with self._lock:
            if self._http is None:
                self._http = httpx2.AsyncClient(
                    base_url=await async_call(find_endpoint, self._endpoint, self._stack),
                    auth=self._auth,
                    timeout=self._timeout,
                    transport=self._transport,
                    headers={"User-Agent": f"omnilake-python/{__version__}", "Accept": "application/json"},
                )
            return self._http


def _in_progress(answer: httpx2.Response) -> bool:
    """Whether an earlier attempt of the same call is still worked on."""
    return answer.status_code == 409 and problem_of(409, answer.content).code == RequestInProgress.code


def _parsed(answer: httpx2.Response, model: type[T]) -> T:
    return TypeAdapter(model).validate_json(answer.content, extra="ignore")


def _question(archives: str | Sequence[str], question: str, options: Mapping[str, Any]) -> dict[str, Any]:
    asked = [archives] if isinstance(archives, str) else [*archives]
    return {"archives": asked, "question": question, **_JSON.dump_python(dict(options), mode="json")}


def _archive(archive_id: str) -> str:
    return f"/v1/archives/{_part(archive_id)}"


def _entry(archive_id: str, entry_id: str) -> str:
    return f"{_archive(archive_id)}/entries/{_part(entry_id)}"


def _part(told: str) -> str:
    """A value as one part of a path."""
    return quote(told, safe="")
