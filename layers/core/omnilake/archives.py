"""The registry of archives and of the stores behind them, in DynamoDB.

An archive's record is written last, once its store is there, so an archive that can be found can be written to and
searched. Every attempt to create one makes a store of its own: two attempts at once never share a table, and the one
that loses takes its own away.
"""

from __future__ import annotations

import itertools
import json
from typing import Any
from uuid import uuid4

from pydantic import Field, ValidationError

from omnilake import aws, embedding, layout
from omnilake.clock import now
from omnilake.errors import (
    ArchiveBeingDeleted,
    ArchiveExists,
    ArchiveInUse,
    ArchiveNotFound,
    EmbeddingRejected,
    InvalidArchive,
    RevisionMismatch,
    StageFailed,
)
from omnilake.models import (
    Archive,
    ArchiveAccess,
    ArchiveId,
    ChunkingConfig,
    DocumentStatus,
    EmbeddingSpace,
    JobKind,
    Model,
    ProcessingRule,
    Store,
    Tag,
)
from omnilake.settings import settings

BY_ARCHIVE = "by_archive"
"""Index of the stores table: partition ``archive_id``, sort ``store_id``."""

BY_LISTING = "by_listing"
"""Index of the archives table: partition ``listing`` (one value), sort ``archive_id``."""

_LISTING = "archive"
_HOLDING = (DocumentStatus.PENDING, DocumentStatus.PROCESSING, DocumentStatus.COMPLETED, DocumentStatus.REMOVING)
"""Statuses of entry versions that keep an archive from being deleted."""

WRITING = (JobKind.INGEST_DOCUMENT, JobKind.INGEST_COLLECTION, JobKind.REINDEX_ARCHIVE, JobKind.REMOVE_ENTRIES)
"""Kinds of jobs that change what an archive holds. (A sync brings its records by a collection, and has a source.)"""

_MOST_NAMED = 10
"""So many sources are named that keep an archive from being deleted."""

_MAX_KEY_BYTES = 2_048
"""Longest partition key of DynamoDB."""

HEADROOM_TOKENS = 16
"""What chunks must leave free of the embedding model's window, for the contextual header that is embedded with them."""

MAX_DEFINITION_BYTES = 128 * 1024
"""Longest definition as JSON; a DynamoDB item holds 400 KB."""


class ArchiveDefinition(Model):
    """What the creator of an archive decides; see :class:`~omnilake.models.Archive`."""

    archive_id: ArchiveId
    description: str = Field(default="", max_length=1_000)
    chunking: ChunkingConfig = ChunkingConfig()
    rules: list[ProcessingRule] = Field(default=[], max_length=100)
    retain_latest_originals_only: bool = True
    tag_hints: list[Tag] = Field(default=[], max_length=200)
    insights_schema: dict[str, Any] | None = None
    embedding_model: str = Field(default="", max_length=200)
    """Its space, ``provider/model`` or ``provider/model@dimensions``; the deployment's default when empty."""


class ArchiveChanges(Model):
    """What of an archive can be changed; what is not given stays. Its id and its embedding space never change.

    Another way of cutting holds for what is ingested from then on; what is there follows with a reindex.
    """

    description: str | None = Field(default=None, max_length=1_000)
    chunking: ChunkingConfig | None = None
    rules: list[ProcessingRule] | None = Field(default=None, max_length=100)
    retain_latest_originals_only: bool | None = None
    tag_hints: list[Tag] | None = Field(default=None, max_length=200)
    insights_schema: dict[str, Any] | None = None


_COMPARED = {"description", "chunking", "rules", "retain_latest_originals_only", "tag_hints", "insights_schema"}


def create_archive(
    archive_id: str,
    description: str = "",
    chunking: ChunkingConfig | dict[str, Any] | None = None,
    *,
    owner: str = "",
    access: ArchiveAccess | None = None,
    **definition: Any,
) -> Archive:
    """Create an archive with one empty store; needs the vector layer.

    The same call again gives the same archive.

    Args:
        archive_id: lower-case letters, digits, ``-`` and ``_``; 3 to 63 of them.
        description: for people.
        chunking: how its text is cut. Sizes that are not given are lowered to what the embedding model reads.
        owner: principal that administers it; empty: operators only.
        access: who besides may what.
        definition: the further fields of :class:`ArchiveDefinition`.

    Raises:
        InvalidArchive: a field does not fit, or sizes do not fit one another or the embedding model.
        ArchiveExists: there is one of that id with another definition or owner.
    """
    wanted = _defined({"archive_id": archive_id, "description": description, "chunking": chunking or {}} | definition)
    existing = _find(wanted.archive_id)
    space = _space(wanted.embedding_model, existing)
    wanted = _fitted(wanted, embedding.max_passage_tokens(space))
    if existing is not None:
        return _same(existing, wanted, space, owner)

    from omnilake.stores.table import create_store, drop_store

    created = now()
    uri = f"s3://{settings().require('lake_bucket')}/{layout.STORES_PREFIX}"
    store = Store(
        store_id=f"{archive_id}-{uuid4().hex[:12]}", archive_id=archive_id, space=space, uri=uri, created_at=created
    )
    archive = Archive(
        archive_id=archive_id,
        space=space,
        store_id=store.store_id,
        created_at=created,
        owner=owner,
        access=access or ArchiveAccess(),
        **{name: getattr(wanted, name) for name in _COMPARED},
    )
    create_store(store)
    aws.table("stores_table").put(store.model_dump(mode="json"))
    if aws.table("archives_table").put(_item(archive), condition="attribute_not_exists(archive_id)"):
        return archive
    aws.table("stores_table").delete({"store_id": store.store_id})
    drop_store(store)
    return _same(get_archive(archive_id), wanted, space, owner)


def change_archive(before: Archive, changes: ArchiveChanges) -> Archive:
    """Change the definition of an archive.

    Args:
        before: as it was read.
        changes: what is to be otherwise.

    Raises:
        InvalidArchive: the sizes do not fit one another or the embedding model, or the schema is none.
        RevisionMismatch: it was changed since it was read.
    """
    told = {name: getattr(changes, name) for name in changes.model_fields_set}
    nullable = {"insights_schema"}
    told = {name: value for name, value in told.items() if value is not None or name in nullable}
    wanted = _defined(
        {"archive_id": before.archive_id}
        | {name: getattr(before, name) for name in _COMPARED}
        | {name: value.model_dump(exclude_unset=True) if name == "chunking" else value for name, value in told.items()}
    )
    wanted = _fitted(wanted, embedding.max_passage_tokens(before.space))
    return _replace(before, {name: getattr(wanted, name) for name in _COMPARED})


def change_access(before: Archive, access: ArchiveAccess) -> Archive:
    """Say anew who may do what with an archive. Raises as :func:`change_archive`."""
    return _replace(before, {"access": access})


def _replace(before: Archive, told: dict[str, Any]) -> Archive:
    after = before.model_copy(update={**told, "revision": before.revision + 1})
    written = aws.table("archives_table").put(
        _item(after),
        # archives of before there were revisions have none
        condition="revision = :revision OR (attribute_exists(archive_id) AND attribute_not_exists(revision))",
        values={":revision": before.revision},
    )
    if not written:
        raise RevisionMismatch("The archive was changed at the same time.")
    return after


def list_archives(after: str = "", limit: int = 100) -> list[Archive]:
    """Archives by id.

    Args:
        after: ids beyond this one.
        limit: most of them, at most 1,000.
    """
    page, _ = aws.table("archives_table").page(
        limit,
        IndexName=BY_LISTING,
        KeyConditionExpression="listing = :listing AND archive_id > :after" if after else "listing = :listing",
        ExpressionAttributeValues={":listing": _LISTING} | ({":after": after} if after else {}),
    )
    return [_archive(item) for item in page]


def get_archive(archive_id: str) -> Archive:
    """The archive of that id.

    Raises:
        ArchiveNotFound: there is none (an id that no archive could have included).
    """
    archive = _find(archive_id)
    if archive is None:
        raise ArchiveNotFound("There is no archive of that id.")
    return archive


def get_store(archive: Archive) -> Store:
    """The store of an archive.

    Raises:
        StageFailed: its record is gone.
    """
    item = aws.table("stores_table").get({"store_id": archive.store_id})
    if item is None:
        raise StageFailed(f"The record of the store of archive {archive.archive_id} is missing.")
    return _store(item)


def _store(item: dict[str, Any]) -> Store:
    """The committer keeps figures of its own beside the record's fields."""
    return Store.model_validate({name: item[name] for name in Store.model_fields if name in item})


def open_archive(archive_id: str) -> Archive:
    """The archive of that id, for whoever adds something to it.

    Raises:
        ArchiveNotFound: there is none.
        ArchiveBeingDeleted: a job deletes it.
    """
    archive = get_archive(archive_id)
    check_open(archive)
    return archive


def check_open(archive: Archive) -> None:
    """Raises ``ArchiveBeingDeleted`` when a job deletes the archive."""
    if archive.deletion_job_id:
        raise ArchiveBeingDeleted(f"Job {archive.deletion_job_id} deletes the archive with all that it holds.")


def close_archive(before: Archive, job_id: str) -> Archive:
    """Have an archive take nothing in any more, for the job that deletes it. Raises ``RevisionMismatch``."""
    return _replace(before, {"deletion_job_id": job_id})


def reopen_archive(archive_id: str, job_id: str) -> bool:
    """Let an archive take documents in again, whose deletion has ended early; False when that job does not hold it."""
    return aws.table("archives_table").update(
        {"archive_id": archive_id},
        "SET deletion_job_id = :none, revision = revision + :one",
        {":none": "", ":one": 1, ":job_id": job_id},
        condition="deletion_job_id = :job_id",
    )


def delete_archive(archive_id: str, revision: int) -> None:
    """Delete an archive that holds nothing, with its store; needs the vector layer.

    The record goes first, so that nothing is added to it any more; then the store's table and its record. A job that
    was open before is told of by the index of jobs within about a second. What is accepted in that very moment finds
    no archive: it becomes a failed document, as what is uploaded to an archive that never was.

    Raises:
        ArchiveNotFound: there is none of that id.
        ArchiveBeingDeleted: a job deletes it with all that it holds.
        ArchiveInUse: it has entries, sources or open jobs (of :data:`WRITING`).
        RevisionMismatch: it was changed since it was read.
    """
    from omnilake.stores.table import drop_store

    archive = open_archive(archive_id)
    holders = _holders(archive_id)
    if holders:
        raise ArchiveInUse(f"The archive has {', '.join(holders)}.")
    found = stores_of(archive_id)
    gone = aws.table("archives_table").delete(
        {"archive_id": archive_id},
        condition="revision = :revision OR attribute_not_exists(revision)",
        values={":revision": revision},
    )
    if not gone:
        raise RevisionMismatch(f"The archive {archive.archive_id} was changed since it was read.")
    for store in found:
        drop_store(store)
        aws.table("stores_table").delete({"store_id": store.store_id})


def delete_closed(archive: Archive, job_id: str) -> bool:
    """Delete the record of an archive that a job holds; False when the job does not hold it (any more)."""
    return aws.table("archives_table").delete(
        {"archive_id": archive.archive_id},
        condition="deletion_job_id = :job_id AND store_id = :store_id",
        values={":job_id": job_id, ":store_id": archive.store_id},
    )


def stores_of(archive_id: str) -> list[Store]:
    """All stores of an archive."""
    items = aws.table("stores_table").query(
        IndexName=BY_ARCHIVE,
        KeyConditionExpression="archive_id = :archive_id",
        ExpressionAttributeValues={":archive_id": archive_id},
    )
    return [_store(item) for item in items]


def _has_entries(archive_id: str) -> bool:
    """Whether an archive has entry versions that are in search, on their way there, or being removed."""
    from omnilake import entries

    return any(
        aws.table("entries_table").page(
            1,
            IndexName=entries.BY_ARCHIVE_STATUS,
            KeyConditionExpression="archive_status = :archive_status",
            ExpressionAttributeValues={":archive_status": f"{archive_id}#{status.value}"},
        )[0]
        for status in _HOLDING
    )


def check_no_sources(archive_id: str) -> None:
    """Raises ``ArchiveInUse``, with their ids, when an archive has sources."""
    named = _sources(archive_id)
    if named:
        raise ArchiveInUse(f"The archive has {named}.", action="Remove them first: omnilake source rm ID.")


def _holders(archive_id: str) -> list[str]:
    """What an archive still has: entries, sources, open jobs."""
    from omnilake import jobs

    open_jobs = jobs.open_of(archive_id, WRITING)
    told = ["entries"] if _has_entries(archive_id) else []
    told += filter(None, [_sources(archive_id)])
    return told + ([f"open jobs ({_named(open_jobs)})"] if open_jobs else [])


def _sources(archive_id: str) -> str:
    """The sources of an archive in words, with their ids; empty when it has none."""
    from omnilake import sources

    listing = aws.table("sources_table").query(**sources.listing_query(archive_id))
    found = [str(item["source_id"]) for item in itertools.islice(listing, _MOST_NAMED + 1)]
    return f"sources ({_named(found)})" if found else ""


def _named(ids: list[str]) -> str:
    return ", ".join([*ids[:_MOST_NAMED], "…"] if len(ids) > _MOST_NAMED else ids)


def _defined(told: dict[str, Any]) -> ArchiveDefinition:
    try:
        wanted = ArchiveDefinition.model_validate(told)
        size = len(wanted.model_dump_json())
    except (ValidationError, ValueError) as error:
        raise InvalidArchive(f"The definition does not fit in: {_names(error)}.") from error
    if size > MAX_DEFINITION_BYTES:
        raise InvalidArchive(f"The definition has {size:,} bytes as JSON; {MAX_DEFINITION_BYTES:,} are possible.")
    if wanted.insights_schema is not None:
        from omnilake.insights.schema import check_schema

        check_schema(wanted.insights_schema)
    return wanted


def _names(error: ValueError) -> str:
    """Names of the fields that do not fit. Values are not told: they may be content."""
    if not isinstance(error, ValidationError):
        return "a value that JSON can't hold"
    return ", ".join(sorted({".".join(str(part) for part in each["loc"]) for each in error.errors()}))


def _space(embedding_model: str, existing: Archive | None) -> EmbeddingSpace:
    """The space that is asked for; where none is, that of the archive as it is, or the deployment's default."""
    if not embedding_model:
        return existing.space if existing is not None else embedding.default_space()
    try:
        return embedding.space_named(embedding_model)
    except EmbeddingRejected as error:
        raise InvalidArchive(error.message, action=error.action) from error


def _fitted(wanted: ArchiveDefinition, max_tokens: int) -> ArchiveDefinition:
    """The same with sizes of chunks that the embedding model reads, ``max_tokens`` tokens at most."""
    rules = [
        rule
        if rule.chunking is None
        else rule.model_copy(
            update={"chunking": _fitted_chunking(rule.chunking, max_tokens, f"rules.{number}.chunking")}
        )
        for number, rule in enumerate(wanted.rules)
    ]
    return wanted.model_copy(
        update={"chunking": _fitted_chunking(wanted.chunking, max_tokens, "chunking"), "rules": rules}
    )


def _fitted_chunking(config: ChunkingConfig, max_tokens: int, name: str) -> ChunkingConfig:
    room = max_tokens - (HEADROOM_TOKENS if config.contextual_headers else 0)
    told = config.model_fields_set
    lowered: dict[str, int] = {}
    if "max_tokens" not in told:
        lowered["max_tokens"] = min(config.max_tokens, room)
    if "overlap_tokens" not in told:
        lowered["overlap_tokens"] = min(config.overlap_tokens, lowered.get("max_tokens", config.max_tokens) // 2)
    config = config.model_copy(update=lowered)
    if config.max_tokens > room:
        raise InvalidArchive(
            f"{name}: chunks of {config.max_tokens} tokens are too long for the embedding model.",
            action=f"Use at most {room} tokens.",
        )
    if 2 * config.overlap_tokens > config.max_tokens:
        raise InvalidArchive(
            f"{name}: more than half of each chunk would be overlap.", action="Use a smaller overlap_tokens."
        )
    if config.parent_tokens is not None and config.parent_tokens <= config.max_tokens:
        raise InvalidArchive(
            f"{name}: parents of {config.parent_tokens} tokens can't hold chunks of {config.max_tokens}.",
            action="Use more parent_tokens than max_tokens.",
        )
    return config


def _find(archive_id: str) -> Archive | None:
    if not isinstance(archive_id, str) or not 0 < len(archive_id.encode(errors="replace")) <= _MAX_KEY_BYTES:
        return None  # DynamoDB refuses such a key
    item = aws.table("archives_table").get({"archive_id": archive_id})
    return None if item is None else _archive(item)


def _item(archive: Archive) -> dict[str, Any]:
    """As it is stored. The JSON Schema is text there: its numbers and its depth are not limited to DynamoDB's."""
    item = archive.model_dump(mode="json") | {"listing": _LISTING}
    return item | {"insights_schema": None if archive.insights_schema is None else json.dumps(archive.insights_schema)}


def _archive(item: dict[str, Any]) -> Archive:
    schema = item.get("insights_schema")
    item = {name: value for name, value in item.items() if name in Archive.model_fields}
    return Archive.model_validate(item | {"insights_schema": json.loads(schema) if isinstance(schema, str) else schema})


def _same(existing: Archive, wanted: ArchiveDefinition, space: EmbeddingSpace, owner: str) -> Archive:
    differing = [name for name in sorted(_COMPARED) if getattr(existing, name) != getattr(wanted, name)]
    if existing.space != space:
        differing.append("space")
    if existing.owner != owner:
        differing.append("owner")
    if not differing:
        check_open(existing)
        return existing
    raise ArchiveExists(f"Archive {existing.archive_id} exists with another {', '.join(differing)}.")
