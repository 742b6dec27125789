"""The registry of archives and of the stores behind them, in DynamoDB.

An archive's record is written last, once its store is there, so an archive that can be found can be written to and
searched. Every attempt to create one makes a store of its own: two attempts at once never share a table, and the one
that loses takes its own away.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from pydantic import Field, ValidationError

from omnilake import aws, embedding, layout
from omnilake.clock import now
from omnilake.errors import ArchiveExists, ArchiveNotFound, InvalidArchive, StageFailed
from omnilake.models import Archive, ArchiveId, ChunkingConfig, Model, Store
from omnilake.settings import settings

BY_ARCHIVE = "by_archive"
"""Index of the stores table: partition ``archive_id``, sort ``store_id``."""

HEADROOM_TOKENS = 16
"""What chunks must leave free of the embedding model's window, for the heading that is embedded with them."""


class _Definition(Model):
    """What the creator of an archive decides."""

    archive_id: ArchiveId
    description: str = Field(default="", max_length=1_000)
    chunking: ChunkingConfig = ChunkingConfig()


def create_archive(
    archive_id: str, description: str = "", chunking: ChunkingConfig | dict[str, Any] | None = None
) -> Archive:
    """Create an archive in the default embedding space, with one empty store; needs the vector layer.

    The same call again gives the same archive.

    Raises:
        InvalidArchive: the id, the description or the chunking does not fit.
        ArchiveExists: there is one of that id with another description or chunking.
    """
    space = embedding.default_space()
    wanted = _defined(archive_id, description, chunking, embedding.max_passage_tokens(space))
    existing = _find(archive_id)
    if existing is not None:
        return _same(existing, wanted)

    from omnilake.stores.table import create_store, drop_store

    created = now()
    uri = f"s3://{settings().require('lake_bucket')}/{layout.STORES_PREFIX}"
    store = Store(
        store_id=f"{archive_id}-{uuid4().hex[:12]}", archive_id=archive_id, space=space, uri=uri, created_at=created
    )
    archive = Archive(
        archive_id=archive_id,
        description=wanted.description,
        chunking=wanted.chunking,
        space=space,
        store_id=store.store_id,
        created_at=created,
    )
    create_store(store)
    aws.table("stores_table").put(store.model_dump(mode="json"))
    if aws.table("archives_table").put(archive.model_dump(mode="json"), condition="attribute_not_exists(archive_id)"):
        return archive
    aws.table("stores_table").delete({"store_id": store.store_id})
    drop_store(store)
    return _same(get_archive(archive_id), wanted)


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
    return Store.model_validate(item)


def _defined(
    archive_id: str, description: str, chunking: ChunkingConfig | dict[str, Any] | None, max_tokens: int
) -> _Definition:
    try:
        wanted = _Definition.model_validate(
            {"archive_id": archive_id, "description": description, "chunking": chunking or {}}
        )
    except ValidationError as error:
        names = sorted({".".join(str(part) for part in each["loc"]) for each in error.errors()})
        raise InvalidArchive(f"The definition does not fit in: {', '.join(names)}.") from error
    config = wanted.chunking
    if config.max_tokens + HEADROOM_TOKENS > max_tokens:
        raise InvalidArchive(
            f"Chunks of {config.max_tokens} tokens are too long for the embedding model.",
            action=f"Use at most {max_tokens - HEADROOM_TOKENS} tokens.",
        )
    if 2 * config.overlap_tokens > config.max_tokens:
        raise InvalidArchive("More than half of each chunk would be overlap.", action="Use a smaller overlap_tokens.")
    return wanted


def _find(archive_id: str) -> Archive | None:
    if not isinstance(archive_id, str) or not archive_id:
        return None  # DynamoDB refuses an empty key
    item = aws.table("archives_table").get({"archive_id": archive_id})
    return None if item is None else Archive.model_validate(item)


def _same(existing: Archive, wanted: _Definition) -> Archive:
    if (existing.description, existing.chunking) == (wanted.description, wanted.chunking):
        return existing
    raise ArchiveExists(f"Archive {existing.archive_id} exists with another description or chunking.")
