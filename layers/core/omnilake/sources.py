"""The registry of sources and of how far each of their streams is ingested, in DynamoDB.

One table. Partition ``source_id``; sort ``item``: ``definition`` of the source itself, ``stream#<name>`` of a cursor.

At most one sync of a source runs at a time: it holds the source (``active_job_id``) by a conditional write. A cursor is
moved only by a sync that began at where the cursor still is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from omnilake import archives, aws, jobs, source_types
from omnilake.clock import now
from omnilake.connectors.protocol import source_id_of
from omnilake.errors import JobNotFound, SourceBusy, SourceError, SourceNotFound
from omnilake.models import ENDED, ErrorRecord, Source, SourceStatus, StreamCursor
from omnilake.settings import settings

LISTING = "listing"
"""Index of definitions: partition ``listing`` ("sources"), sort ``archive_source`` ("<archive>#<source id>")."""

DEFAULT_SCHEDULE = "rate(6 hours)"
_SCHEDULE = re.compile(r"rate\(\d{1,6} (minutes?|hours?|days?)\)|cron\([-0-9A-Za-z*,/?#L ]{9,80}\)")
_DEFINITION = "definition"
_LISTED = "sources"
_STREAM = "stream#"
_ENDED = ENDED
_STARTING = timedelta(hours=1)
"""A sync that took its source and has no job record after so long will never get one."""


def put(
    archive_id: str,
    source_type: str,
    config: dict[str, Any],
    *,
    secret_name: str = "",
    schedule: str = DEFAULT_SCHEDULE,
) -> Source:
    """Define a source, or change what an existing one of the same identity is read by. Its cursors stay.

    Raises:
        SourceError: the type, the configuration, the secret's name or the schedule does not fit.
        ArchiveNotFound, ArchiveBeingDeleted: as their codes say.
    """
    archive = archives.open_archive(archive_id)
    parsed = source_types.parse_config(source_type, config)
    if not source_types.is_read(source_type):
        secret_name = schedule = ""  # nothing reads it
    _check_secret_name(secret_name)
    _check_schedule(schedule)
    source_id = source_id_of(archive.archive_id, source_type, parsed)
    moment = now()
    fields = {
        "source_type": source_type,
        "archive_id": archive_id,
        "config": json.dumps(config, sort_keys=True),
        "secret_name": secret_name,
        "schedule": schedule,
        "updated_at": moment,
        "listing": _LISTED,
        "archive_source": f"{archive_id}#{source_id}",
    }
    assignments = [f"#{name} = :{name}" for name in fields]
    assignments += ["created_at = if_not_exists(created_at, :updated_at)", "#status = if_not_exists(#status, :idle)"]
    _table().update(
        _key(source_id),
        "SET " + ", ".join(assignments),
        {f":{name}": value for name, value in fields.items()} | {":idle": SourceStatus.IDLE.value},
        names={f"#{name}": name for name in (*fields, "status")},
    )
    return get(source_id)


def get(source_id: str) -> Source:
    """The source of that id.

    Raises:
        SourceNotFound: there is none.
    """
    item = _table().get(_key(source_id)) if source_id else None
    if item is None or item.get("listing") != _LISTED:
        raise SourceNotFound("There is no source of that id.")
    return from_item(item)


def find(archive_id: str = "") -> Iterator[Source]:
    """All sources, or those of an archive, by archive."""
    return map(from_item, _table().query(**listing_query(archive_id)))


def listing_query(archive_id: str = "") -> dict[str, Any]:
    """The query of :data:`LISTING` for the sources of an archive, or for all."""
    condition, values = "listing = :sources", {":sources": _LISTED}
    if archive_id:
        condition += " AND begins_with(archive_source, :archive)"
        values[":archive"] = f"{archive_id}#"
    return {"IndexName": LISTING, "KeyConditionExpression": condition, "ExpressionAttributeValues": values}


def delete(source_id: str) -> None:
    """Forget a source and its cursors. What was ingested of it stays in its archive.

    Raises:
        SourceNotFound: there is none.
        SourceError: a sync of it runs.
    """
    source = get(source_id)
    gone = _table().delete(
        _key(source_id),
        condition="attribute_not_exists(active_job_id) OR active_job_id = :none OR active_job_id = :ended",
        values={":none": "", ":ended": "" if is_held(source) else source.active_job_id},
    )
    if not gone:
        raise SourceBusy("A sync of this source runs.")
    for cursor in cursors(source_id):
        _table().delete(_key(source_id, _STREAM + cursor.stream))


def claim(source_id: str, job_id: str) -> str:
    """Take a source for a sync.

    A claim whose job has ended does not hold.

    Returns:
        The job that has the source: the asking one, or another that still runs.

    Raises:
        SourceNotFound: there is no such source.
    """
    source = get(source_id)
    holder = source.active_job_id
    if holder != job_id and is_held(source):
        return holder
    taken = _table().update(
        _key(source_id),
        "SET active_job_id = :job_id, active_since = :now, #status = :syncing, updated_at = :now",
        {":job_id": job_id, ":syncing": SourceStatus.SYNCING.value, ":now": now(), ":holder": holder},
        names={"#status": "status"},
        condition="attribute_exists(source_id) AND "
        + ("active_job_id = :holder" if holder else "(attribute_not_exists(active_job_id) OR active_job_id = :holder)"),
    )
    return job_id if taken else get(source_id).active_job_id


def is_held(source: Source) -> bool:
    """Whether a sync holds the source that has not ended."""
    if not source.active_job_id:
        return False
    try:
        return jobs.get(source.active_job_id).status not in _ENDED
    except JobNotFound:
        return datetime.now(UTC) - datetime.fromisoformat(source.active_since) < _STARTING


def release(source_id: str, job_id: str, error: ErrorRecord | None = None) -> bool:
    """Let a source go at the end of its sync; False when that sync does not hold it (any more).

    Args:
        source_id: the source.
        job_id: of the sync.
        error: that it failed with; None when it completed.
    """
    fields: dict[str, Any] = {
        "active_job_id": "",
        "last_job_id": job_id,
        "updated_at": now(),
        "status": (SourceStatus.FAILED if error else SourceStatus.IDLE).value,
        "error": error.model_dump(mode="json") if error else None,
    }
    if error is None:
        fields["last_synced_at"] = fields["updated_at"]
    return _table().update(
        _key(source_id),
        "SET " + ", ".join(f"#{name} = :{name}" for name in fields),
        {f":{name}": value for name, value in fields.items()} | {":job_id": job_id},
        names={f"#{name}": name for name in fields},
        condition="active_job_id = :job_id",
    )


def cursors(source_id: str) -> list[StreamCursor]:
    """Cursors of all streams of a source, by name."""
    return [cursor_from_item(item) for item in _table().query(**cursors_query(source_id))]


def cursors_query(source_id: str) -> dict[str, Any]:
    """The query for the cursors of a source."""
    return {
        "KeyConditionExpression": "source_id = :source_id AND begins_with(#item, :stream)",
        "ExpressionAttributeNames": {"#item": "item"},
        "ExpressionAttributeValues": {":source_id": source_id, ":stream": _STREAM},
        "ConsistentRead": True,
    }


def advance(cursor: StreamCursor, began_with: str) -> bool:
    """Move a stream's cursor; False when another sync has moved it since.

    Args:
        cursor: as it is to be; its ``job_id`` is that of the sync.
        began_with: ``job_id`` of the cursor that the sync began at, empty when there was none.
    """
    values = {":job_id": cursor.job_id, ":began_with": began_with}
    unmoved = "job_id = :began_with" if began_with else "attribute_not_exists(job_id)"
    if not began_with:
        del values[":began_with"]
    item = cursor.model_dump(mode="json") | {"cursor": json.dumps(cursor.cursor)}
    item["item"] = _STREAM + item.pop("stream")
    return _table().put(item, condition=f"{unmoved} OR job_id = :job_id", values=values)


def from_item(item: dict[str, Any]) -> Source:
    """A definition as it lies in the table."""
    fields = {name: value for name, value in item.items() if name in Source.model_fields}
    return Source.model_validate(fields | {"config": json.loads(item["config"])})


def cursor_from_item(item: dict[str, Any]) -> StreamCursor:
    """A cursor as it lies in the table."""
    fields = {name: value for name, value in item.items() if name != "item"}
    return StreamCursor.model_validate(
        fields | {"cursor": json.loads(item["cursor"]), "stream": item["item"].removeprefix(_STREAM)}
    )


def _check_secret_name(name: str) -> None:
    prefix = settings().source_secrets_prefix
    if name and not name.startswith(prefix):
        raise SourceError(
            "The secret's name does not begin as this deployment may read.",
            action=f"Name it {prefix}… (the template's SourceSecretsPrefix).",
        )


def _check_schedule(schedule: str) -> None:
    if schedule and not _SCHEDULE.fullmatch(schedule):
        raise SourceError(
            "The schedule is no expression of EventBridge Scheduler.",
            action='Use for instance "rate(6 hours)" or "cron(0 3 * * ? *)", or leave it empty for none.',
        )


def definition_key(source_id: str) -> dict[str, Any]:
    """Key of a source's definition."""
    return _key(source_id)


def _key(source_id: str, item: str = _DEFINITION) -> dict[str, Any]:
    return {"source_id": source_id, "item": item}


def _table() -> aws.Table:
    return aws.table("sources_table")
