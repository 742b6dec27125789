"""Records in the tables, made without the workflows that write them."""

from __future__ import annotations

import any_call

from omnilake import archives, aws
from omnilake.models import Archive, ArchiveAccess, EmbeddingSpace

SPACE = EmbeddingSpace(provider="local", model="all-MiniLM-L6-v2", dimensions=384, normalised=True, revision="r" * 64)
MARA = f"iam:{any_call.MARA}"
NOAH = "iam:arn:aws:iam::123456789012:role/reader"


def stored_archive(archive_id: str = "an-archive", owner: str = MARA, **access: list[str]) -> Archive:
    """An archive's record, without a table in a store."""
    archive = Archive(
        archive_id=archive_id,
        space=SPACE,
        store_id=f"{archive_id}-store",
        created_at="2026-01-01T00:00:00.000Z",
        owner=owner,
        access=ArchiveAccess.model_validate(access),
    )
    aws.table("archives_table").put(archives._item(archive))
    return archive
