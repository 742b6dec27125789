"""S3's EventBridge events with the version of the object.

S3 names it (``detail.object.version-id``) for buckets that keep versions; ministack only does so in its direct
notifications. Without it two uploads of one key can't be told apart. Unnecessary once ``_fire_s3_event`` puts
``version-id`` into its EventBridge detail.
"""

from __future__ import annotations

import contextvars
import json
from collections.abc import Callable
from typing import Any

from ministack.services import eventbridge, s3

_VERSION: contextvars.ContextVar[str | None] = contextvars.ContextVar("object_version", default=None)


def with_version(event: dict[str, Any], version_id: str) -> dict[str, Any]:
    """An S3 event as ministack hands it to EventBridge, with the object's version in its detail."""
    detail = json.loads(event["Detail"])
    detail["object"]["version-id"] = version_id
    return {**event, "Detail": json.dumps(detail)}


def _remembering(fire: Callable[..., None]) -> Callable[..., None]:
    def fire_with_version(*arguments: Any, **options: Any) -> None:
        token = _VERSION.set(options.get("version_id"))
        try:
            fire(*arguments, **options)
        finally:
            _VERSION.reset(token)

    return fire_with_version


def _naming(dispatch: Callable[..., Any]) -> Callable[..., Any]:
    def dispatch_with_version(event: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        version_id = _VERSION.get()
        if version_id and event.get("Source") == "aws.s3":
            event = with_version(event, version_id)
        return dispatch(event, *arguments, **options)

    return dispatch_with_version


def install() -> None:
    """Carry the version from the event's origin to its delivery."""
    s3._fire_s3_event = _remembering(s3._fire_s3_event)
    eventbridge._dispatch_event = _naming(eventbridge._dispatch_event)
