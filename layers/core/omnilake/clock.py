"""The time of day, as the records write it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """Current UTC time, ISO 8601 with milliseconds and ``Z``."""
    return timestamp(datetime.now(UTC))


def timestamp(moment: datetime) -> str:
    """A moment as ISO 8601 UTC with milliseconds and ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
