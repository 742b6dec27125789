"""Rows leave a store through its one committer: a message behind whatever else waits for that store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from omnilake import archives, aws
from omnilake.errors import ArchiveNotFound
from omnilake.settings import settings


def purge(
    job_id: str, archive_id: str, entry_versions: Sequence[tuple[str, str]], *, backups: Sequence[str] = ()
) -> None:
    """Have the rows of some entry versions taken out of their archive's store. May be repeated.

    Args:
        job_id: on whose behalf.
        archive_id: whose store; one that does not exist has no rows.
        entry_versions: (entry id, version) of each.
        backups: ingestions whose backups must not hold them either.
    """
    if not entry_versions:
        return
    try:
        store_id = archives.get_archive(archive_id).store_id
    except ArchiveNotFound:
        return
    named = [{"entry_id": entry_id, "version": version} for entry_id, version in entry_versions]
    message = {"job_id": job_id, "archive_id": archive_id, "purge": named}
    body = json.dumps(message | {"backups": [*backups]} if backups else message)
    aws.client("sqs").send_message(
        QueueUrl=settings().require("index_queue_url"),
        MessageBody=body,
        MessageGroupId=store_id,
        MessageDeduplicationId=hashlib.sha256(body.encode()).hexdigest(),
    )
