"""The time of day, as the records write it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """Current UTC time, ISO 8601 with milliseconds and ``Z``."""
    return timestamp(datetime.now(UTC))


def parse(told: str) -> datetime:
    """A date or time, ISO 8601, in UTC; without a zone it is taken as UTC, and a date is its beginning.

    Raises:
        ValueError: it is neither, or out of the calendar.
    """
    try:
        parsed = datetime.fromisoformat(told)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of the calendar") from error


def instant(told: str) -> str:
    """A date or time, ISO 8601, as the records write it: texts that sort by time. Raises as :func:`parse`."""
    return timestamp(parse(told))


def timestamp(moment: datetime) -> str:
    """A moment as ISO 8601 UTC with milliseconds and ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
