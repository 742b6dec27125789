"""SQS queues that several threads may use at once.

ministack changes a queue's list of messages from the event loop (send, receive, delete), from the thread that
delivers S3 events and from the event source poller, only the last under a lock. Two of them at once lose a
message that is being sent, or hand one message to two receivers. Here all of them take the same lock.
Unnecessary once ministack's own ``_queues_lock`` guards every change.

It also returns, as SQS does, messages of one group together when a FIFO queue is read.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ministack.core.responses import new_uuid
from ministack.services import eventbridge, s3, sns, sqs

LOCK = threading.RLock()
F = TypeVar("F", bound=Callable[..., Any])

_STEPS_OF_RECEIVING = ("_expire_retained", "_dlq_sweep", "_refresh_counts", "_collect_msgs")
_PRODUCERS = ((eventbridge, "_dispatch_to_sqs"), (s3, "_deliver_event_to_sqs"), (sns, "_deliver_to_sqs"))


def guarded(change: F) -> F:
    """The same function, holding the queues' lock."""

    @functools.wraps(change)
    def locked(*arguments: Any, **options: Any) -> Any:
        with LOCK:
            return change(*arguments, **options)

    return locked  # type: ignore[return-value]


def deliverable(messages: Iterable[dict[str, Any]], now: float) -> list[dict[str, Any]]:
    """Messages of a FIFO queue that may be received at ``now`` (Unix time), in the order SQS prefers.

    A group with a message in flight waits, and within a group nothing passes a delayed message. Messages of
    one group stand together: "SQS first attempts to return as many messages with the same message group ID as
    possible" (Amazon SQS Developer Guide, FIFO delivery logic).
    """
    groups: dict[str | None, list[dict[str, Any]]] = {}
    for message in messages:
        groups.setdefault(message["group_id"], []).append(message)
    found: list[dict[str, Any]] = []
    for group in groups.values():
        if not any(message["visible_at"] > now and message["receive_count"] for message in group):
            found.extend(itertools.takewhile(lambda message: message["visible_at"] <= now, group))
    return found


def collect_fifo(queue: dict[str, Any], limit: int, visibility_seconds: int, now: float) -> list[dict[str, Any]]:
    """Receive up to ``limit`` messages of a FIFO queue."""
    for message in queue["messages"]:
        sqs._ensure_msg_fields(message)
    received = deliverable(queue["messages"], now)[:limit]
    for message in received:
        message["receipt_handle"] = new_uuid()
        message["visible_at"] = now + visibility_seconds
        message["receive_count"] += 1
        if message.get("first_receive_at") is None:
            message["first_receive_at"] = now
    return received


def next_change(queue: dict[str, Any]) -> float | None:
    """The instant (Unix time) when the next invisible message becomes visible, or None if none will."""
    with LOCK:
        later = [m["visible_at"] for m in queue["messages"] if m["visible_at"] > time.time()]
    return min(later, default=None)


def install() -> None:
    """Guard every function that changes a queue."""
    sqs._queues_lock = LOCK
    sqs._collect_fifo = collect_fifo
    for action, handler in list(sqs._HANDLERS.items()):
        # receiving waits between its steps, so there the steps are guarded
        if not inspect.iscoroutinefunction(handler):
            sqs._HANDLERS[action] = guarded(handler)
    for name in _STEPS_OF_RECEIVING:
        setattr(sqs, name, guarded(getattr(sqs, name)))
    for module, name in _PRODUCERS:
        setattr(module, name, guarded(getattr(module, name)))
