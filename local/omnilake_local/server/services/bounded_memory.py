"""Bounds on records that ministack keeps for ever.

It appends each event of EventBridge and four metric points an invocation to lists that only grow. Unnecessary
once ministack bounds them.
"""

from __future__ import annotations

from typing import Any

from ministack.services import cloudwatch, eventbridge

MAX_EVENTS = 1_000
"""Events remembered a bus account; nothing reads them but ministack's own inspection."""

MAX_METRIC_POINTS = 5_000
"""Points kept a metric and set of dimensions."""


def trim(records: list[Any], limit: int) -> list[Any]:
    """Drop the oldest records in place once the list is a tenth over its limit; returns the list."""
    if len(records) > limit * 1.1:
        del records[: len(records) - limit]
    return records


def install() -> None:
    """Trim each list when it is about to grow."""
    events, points = eventbridge._events_log_list, cloudwatch._metric_bucket
    eventbridge._events_log_list = lambda: trim(events(), MAX_EVENTS)
    cloudwatch._metric_bucket = lambda key: trim(points(key), MAX_METRIC_POINTS)
