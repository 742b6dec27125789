"""Index Chunks: messages of the index queue → one commit for each store, an answer for each execution.

A message is ``{"job_id", "archive_id", "embed_batches", "task_token"}`` and is answered with its token, or
``{"job_id", "archive_id", "purge": [{"entry_id", "version"}, …]}``: rows to take out, which nobody waits for (with
``"backups": [job id, …]`` out of these backups too). A removal sends ``{"job_id", "archive_id", "removal": "erase" or
"release", "task_token"}``; its plan lies in the lake. The queue is FIFO with the store as message group, so what is
handed over here is all that is being written to these stores.

Entries that an embedding batch has rejected are left out whole; Publish Entries marks them. What is committed is kept
as Parquet too (:mod:`omnilake.stores.backup`), before the execution is answered.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from omnilake import archives, aws, jobs, labels, layout
from omnilake.embedding import centroid
from omnilake.embedding.provider import checked
from omnilake.embedding.report import rejected_entries
from omnilake.errors import ArchiveNotFound, EmbeddingRejected, OmniLakeError, StageFailed, TransientError
from omnilake.insights import outcomes
from omnilake.models import Chunk, EmbeddingSpace, JobId, JobKind, Store
from omnilake.queues import redeliver_soon
from omnilake.removal.requests import read_plan
from omnilake.settings import settings
from omnilake.stores import backup, erasure
from omnilake.stores.commit import Commit, EntryVersion, commit, needs_optimising, optimise, remove_versions
from omnilake.stores.table import KEY, VECTOR, rows

if TYPE_CHECKING:
    from omnilake.embedding.provider import Vectors

logger = Logger(child=True)

STATE = "Index Chunks"

MIN_COMMIT_ROWS = 10_000
"""Rows that are enough for a commit: messages are gathered until there are as many. Bounds memory, with the most
chunks that one message may have."""

NOBODY_WAITS = {"TaskTimedOut", "InvalidToken", "TaskDoesNotExist"}
"""Answers of Step Functions to a token of an execution that has ended or timed out."""

STORE_FAILURES = (BotoCoreError, OSError, RuntimeError, ValueError)
"""How failures of storage, of commits and of the network show: LanceDB has no exceptions of its own."""

STAGED_AT_ONCE = 8
"""Staged objects that are fetched at a time."""


class EntryVersionRef(BaseModel):
    """An entry version whose rows are to go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entry_id: str
    version: str


class IndexMessage(BaseModel):
    """What one execution asks the committer of a store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId
    archive_id: str
    embed_batches: int = Field(default=0, ge=0)
    task_token: str = ""
    purge: list[EntryVersionRef] = []
    backups: list[JobId] = []
    removal: Literal["", "erase", "release"] = ""

    @model_validator(mode="after")
    def _asks_for_one_thing(self) -> IndexMessage:
        if bool(self.task_token) == bool(self.purge) or (self.removal and self.embed_batches):
            raise ValueError("either a task token or a purge")
        return self


class FailedItem(BaseModel):
    """A message that goes back to the queue."""

    itemIdentifier: str  # noqa: N815 (the name that Lambda's event source mapping reads)


class BatchResponse(BaseModel):
    """Partial batch response of a queue consumer."""

    batchItemFailures: list[FailedItem] = []  # noqa: N815 (as above)


@dataclass(frozen=True)
class _Request:
    """A message of the queue, understood."""

    message_id: str
    message: IndexMessage


@dataclass(frozen=True)
class _Staged:
    """A request with its rows at hand."""

    request: _Request
    batches: list[pa.Table]


def index_messages(event: dict[str, Any]) -> BatchResponse:
    """Handle one batch of the index queue.

    Messages of one store are one commit (more only when they are very large), and each execution is answered: with
    ``{"rows", "store_version"}``, or with the error that lies in its own staged data. Where the infrastructure fails,
    the store's unanswered messages go back to the queue; what was committed by then is found again.

    Args:
        event: of an SQS event source mapping with ``ReportBatchItemFailures``.
    """
    returned: list[str] = []
    by_archive: dict[str, list[_Request]] = {}
    for record in event["Records"]:
        try:
            message = IndexMessage.model_validate_json(record["body"])
        except ValidationError as error:  # nobody to answer: the queue's redrive policy takes it to the DLQ
            fields = sorted({".".join(map(str, each["loc"])) for each in error.errors()})
            logger.warning("message does not fit", extra={"message_id": record["messageId"], "fields": fields})
            returned.append(record["messageId"])
            continue
        by_archive.setdefault(message.archive_id, []).append(_Request(record["messageId"], message))
    for archive_id, requests in by_archive.items():
        returned += _Committer(archive_id, requests).run()
    redeliver_soon(
        settings().require("index_queue_url"), [each for each in event["Records"] if each["messageId"] in returned]
    )
    return BatchResponse(batchItemFailures=[FailedItem(itemIdentifier=message_id) for message_id in returned])


class _Committer:
    """Works off the messages of one archive's store in their order.

    Args:
        archive_id: whose.
        requests: all of this archive, as the queue ordered them.
    """

    def __init__(self, archive_id: str, requests: list[_Request]) -> None:
        self._archive_id = archive_id
        self._requests = requests
        self._open = dict.fromkeys(request.message_id for request in requests)
        self._gathered: list[_Staged] = []

    def run(self) -> list[str]:
        """Returns the ids of messages that go back to the queue."""
        try:
            store = archives.get_store(archives.get_archive(self._archive_id))
        except (ArchiveNotFound, StageFailed) as error:
            for request in self._requests:
                self._refuse(request, error)
            return []
        try:
            self._work(store)
        except (ClientError, TransientError, *STORE_FAILURES) as error:
            logger.exception("messages go back to the queue", extra={"error_type": type(error).__name__})
        else:
            _tidy(store)  # all are answered by now: nobody waits for it, and nobody else writes
        return list(self._open)

    def _work(self, store: Store) -> None:
        for request in self._requests:
            if request.message.purge:
                self._commit(store)  # a purge takes out what came before it, never what comes after
                self._purge(request, store)
                continue
            if request.message.removal:
                self._commit(store)
                self._remove(request, store)
                continue
            try:
                self._gathered.append(_Staged(request, staged_rows(request.message, store)))
            except (EmbeddingRejected, StageFailed) as error:
                self._refuse(request, error)
            if sum(batch.num_rows for staged in self._gathered for batch in staged.batches) >= MIN_COMMIT_ROWS:
                self._commit(store)
        self._commit(store)

    def _commit(self, store: Store) -> None:
        gathered, self._gathered = self._gathered, []
        batches = [batch for staged in gathered for batch in staged.batches]
        done = commit(store, batches) if batches else Commit(chunk_ids=frozenset(), store_version=0)
        for staged in gathered:
            backup.write(store, staged.request.message.job_id, staged.batches)
        _add_to_centroid(store, batches, done.new_ids)
        for staged in gathered:
            rows_in_store = sum(
                chunk_id in done.chunk_ids for batch in staged.batches for chunk_id in batch[KEY].to_pylist()
            )
            self._answer(staged.request, rows_in_store, done.store_version)

    def _purge(self, request: _Request, store: Store) -> None:
        versions = {(each.entry_id, each.version) for each in request.message.purge}
        remove_versions(store, versions)
        for job_id in request.message.backups:
            backup.take_out(store, job_id, versions)
        self._close(request)

    def _remove(self, request: _Request, store: Store) -> None:
        message = request.message
        try:
            if message.removal == "release":
                jobs.enter(message.job_id, JobKind.REMOVE_ENTRIES, "Release Versions")
                done = erasure.release(store)
            else:
                plan = read_plan(message.job_id)
                versions = {(each.entry_id, each.version) for each in plan.versions}
                jobs.enter(message.job_id, JobKind.REMOVE_ENTRIES, "Erase Rows")
                done = erasure.erase(
                    store, versions, plan.job_ids, tell=lambda rows: jobs.count(message.job_id, rows=rows)
                )
        except StageFailed as error:
            self._refuse(request, error)
            return
        _tell(message, "send_task_success", output=done.model_dump_json())
        self._close(request)

    def _answer(self, request: _Request, row_count: int, store_version: int) -> None:
        message = request.message
        jobs.note(message.job_id, JobKind.INGEST_DOCUMENT, STATE, indexed=row_count)
        output = json.dumps({"rows": row_count, "store_version": store_version})
        _tell(message, "send_task_success", output=output)
        self._close(request)

    def _refuse(self, request: _Request, error: OmniLakeError) -> None:
        name = type(error).__name__
        logger.warning("message refused", extra={"job_id": request.message.job_id, "error_code": error.code})
        cause = json.dumps({"errorType": name, "errorMessage": str(error)})
        if request.message.task_token:
            _tell(request.message, "send_task_failure", error=name, cause=cause)
        self._close(request)

    def _close(self, request: _Request) -> None:
        self._open.pop(request.message_id, None)


def _tidy(store: Store) -> None:
    """Optimise a store when it is due. What fails here is due again at the next commit; no row depends on it."""
    try:
        if needs_optimising(store):
            optimise(store)
    except (TransientError, *STORE_FAILURES) as error:
        logger.exception("store was not optimised", extra={"error_type": type(error).__name__})


def _add_to_centroid(store: Store, batches: list[pa.Table], new_ids: frozenset[str]) -> None:
    """Note where newly committed vectors lie. A figure for people: what fails here fails nothing else."""
    if not new_ids:
        return
    whole = pa.concat_tables(batches)
    new = [row for row, chunk_id in enumerate(whole[KEY].to_pylist()) if chunk_id in new_ids]
    values = whole[VECTOR].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    try:
        added = centroid.add(store.store_id, values.reshape(-1, store.space.dimensions)[new])
    except (BotoCoreError, ClientError) as error:
        logger.exception("centroid was not updated", extra={"error_type": type(error).__name__})
    else:
        if not added:
            logger.warning("centroid was updated by another", extra={"store_id": store.store_id})


def staged_rows(message: IndexMessage, store: Store) -> list[pa.Table]:
    """Rows of all embedding batches of a message, checked, without the entries that one of the batches has rejected.

    Raises:
        EmbeddingRejected: vectors that do not belong to their chunks or into the store's space.
        StageFailed: a staged object is missing or unreadable.
    """
    rejected = frozenset(rejected_entries(message.job_id, message.embed_batches))
    tags = outcomes.tags_of(message.job_id)
    return aws.concurrently(
        partial(_staged_batch, message.job_id, store.space, rejected, tags),
        range(message.embed_batches),
        threads=STAGED_AT_ONCE,
    )


def _staged_batch(
    job_id: str,
    space: EmbeddingSpace,
    rejected: frozenset[EntryVersion],
    tags: Mapping[EntryVersion, Sequence[str]],
    number: int,
) -> pa.Table:
    chunk_data = _staged_object(layout.embed_batch(job_id, number))
    vector_data = _staged_object(layout.embed_vectors(job_id, number))
    try:
        chunks = [Chunk.model_validate_json(line) for line in gzip.decompress(chunk_data).splitlines()]
        vectors: Vectors = np.load(io.BytesIO(vector_data), allow_pickle=False)
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise StageFailed(f"Embedding batch {number} is unreadable ({type(error).__name__}).") from error
    if vectors.ndim != 2 or len(vectors) != len(chunks):
        raise EmbeddingRejected(f"Embedding batch {number} has not one vector for each chunk.")
    kept = [row for row, chunk in enumerate(chunks) if (chunk.entry_id, chunk.version) not in rejected]
    tagged = [_tagged(chunks[row], tags) for row in kept]
    return rows(tagged, checked(vectors[kept], len(kept), space))


def _tagged(chunk: Chunk, tags: Mapping[EntryVersion, Sequence[str]]) -> Chunk:
    """A chunk with the tags of its document's insights: they are known now, when the chunk was cut they were not."""
    own = tags.get((chunk.entry_id, chunk.version), ())
    return chunk.model_copy(update={"labels": [*chunk.labels, *labels.of_tags(own)]}) if own else chunk


def _staged_object(key: str) -> bytes:
    data = aws.lake().find(key)
    if data is None:
        raise StageFailed(f"The staged object {key} is missing.")
    return data


def _tell(message: IndexMessage, operation: str, **result: str) -> None:
    """Answer an execution; one that has stopped waiting is not an error, its rows stay or are purged behind us."""
    try:
        getattr(aws.client("stepfunctions"), operation)(taskToken=message.task_token, **result)
    except ClientError as error:
        if aws.error_code(error) not in NOBODY_WAITS:
            raise
        logger.warning("nobody waits", extra={"job_id": message.job_id, "error_code": aws.error_code(error)})
