"""The registry of archives and of the stores behind them, in DynamoDB.

An archive's record is written last, once its store is there, so an archive that can be found can be written to and
searched. Every attempt to create one makes a store of its own: two attempts at once never share a table, and the one
that loses takes its own away.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from pydantic import Field, ValidationError

from omnilake import aws, embedding, layout
from omnilake.clock import now
from omnilake.errors import ArchiveExists, ArchiveNotFound, EmbeddingRejected, InvalidArchive, StageFailed
from omnilake.insights.schema import check_schema
from omnilake.models import Archive, ArchiveId, ChunkingConfig, EmbeddingSpace, Model, ProcessingRule, Store, Tag
from omnilake.settings import settings

BY_ARCHIVE = "by_archive"
"""Index of the stores table: partition ``archive_id``, sort ``store_id``."""

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


_COMPARED = {"description", "chunking", "rules", "retain_latest_originals_only", "tag_hints", "insights_schema"}


def create_archive(
    archive_id: str,
    description: str = "",
    chunking: ChunkingConfig | dict[str, Any] | None = None,
    **definition: Any,
) -> Archive:
    """Create an archive with one empty store; needs the vector layer.

    The same call again gives the same archive.

    Args:
        archive_id: lower-case letters, digits, ``-`` and ``_``; 3 to 63 of them.
        description: for people.
        chunking: how its text is cut. Sizes that are not given are lowered to what the embedding model reads.
        definition: the further fields of :class:`ArchiveDefinition`.

    Raises:
        InvalidArchive: a field does not fit, or sizes do not fit one another or the embedding model.
        ArchiveExists: there is one of that id with another definition.
    """
    wanted = _defined({"archive_id": archive_id, "description": description, "chunking": chunking or {}} | definition)
    existing = _find(wanted.archive_id)
    space = _space(wanted.embedding_model, existing)
    wanted = _fitted(wanted, embedding.max_passage_tokens(space))
    if existing is not None:
        return _same(existing, wanted, space)

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
        **{name: getattr(wanted, name) for name in _COMPARED},
    )
    create_store(store)
    aws.table("stores_table").put(store.model_dump(mode="json"))
    if aws.table("archives_table").put(_item(archive), condition="attribute_not_exists(archive_id)"):
        return archive
    aws.table("stores_table").delete({"store_id": store.store_id})
    drop_store(store)
    return _same(get_archive(archive_id), wanted, space)


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
        raise StageFailed(f"The record of store {archive.store_id} is missing.")
    # The committer keeps figures of its own beside the record's fields.
    return Store.model_validate({name: item[name] for name in Store.model_fields if name in item})


def _defined(told: dict[str, Any]) -> ArchiveDefinition:
    try:
        wanted = ArchiveDefinition.model_validate(told)
        size = len(wanted.model_dump_json())
    except (ValidationError, ValueError) as error:
        raise InvalidArchive(f"The definition does not fit in: {_names(error)}.") from error
    if size > MAX_DEFINITION_BYTES:
        raise InvalidArchive(f"The definition has {size:,} bytes as JSON; {MAX_DEFINITION_BYTES:,} are possible.")
    if wanted.insights_schema is not None:
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
    if not isinstance(archive_id, str) or not archive_id:
        return None  # DynamoDB refuses an empty key
    item = aws.table("archives_table").get({"archive_id": archive_id})
    return None if item is None else _archive(item)


def _item(archive: Archive) -> dict[str, Any]:
    """As it is stored. The JSON Schema is text there: its numbers and its depth are not limited to DynamoDB's."""
    item = archive.model_dump(mode="json")
    return item | {"insights_schema": None if archive.insights_schema is None else json.dumps(archive.insights_schema)}


def _archive(item: dict[str, Any]) -> Archive:
    schema = item.get("insights_schema")
    return Archive.model_validate(item | {"insights_schema": json.loads(schema) if isinstance(schema, str) else schema})


def _same(existing: Archive, wanted: ArchiveDefinition, space: EmbeddingSpace) -> Archive:
    differing = [name for name in sorted(_COMPARED) if getattr(existing, name) != getattr(wanted, name)]
    if existing.space != space:
        differing.append("space")
    if not differing:
        return existing
    raise ArchiveExists(f"Archive {existing.archive_id} exists with another {', '.join(differing)}.")
