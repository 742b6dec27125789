"""Cursors of lists: opaque, of one list with its filters and one caller, signed, good for a day.

A cursor is ``base64url(JSON) . base64url(HMAC-SHA256)``; the JSON holds where the list goes on, when it expires, and a
hash of what it belongs to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from omnilake.errors import ExpiredCursor, InvalidCursor, SourceError, StageFailed
from omnilake.settings import settings

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
MAX_AGE_S = 86_400
MAX_CURSOR_CHARACTERS = 2_048


def make_cursor(position: Mapping[str, Any], scope: str, key: bytes | None = None, at: float | None = None) -> str:
    """A cursor.

    Args:
        position: where the list goes on; JSON.
        scope: what it is good for: route, filters and principal (:func:`scope_of`).
        key: that signs; the deployment's by default.
        at: Unix time; now by default.
    """
    expires = int((time.time() if at is None else at) + MAX_AGE_S)
    told = json.dumps({"p": position, "e": expires, "s": _digest(scope)}, separators=(",", ":")).encode()
    return f"{_encode(told)}.{_encode(_sign(told, key))}"


def read_cursor(cursor: str, scope: str, key: bytes | None = None, at: float | None = None) -> dict[str, Any]:
    """The position in a cursor.

    Raises:
        InvalidCursor: it was not made here, or not for this scope.
        ExpiredCursor: it is too old.
    """
    if len(cursor) > MAX_CURSOR_CHARACTERS:
        raise InvalidCursor("The cursor is not valid.")
    body, _, signature = cursor.partition(".")
    try:
        told, signed = _decode(body), _decode(signature)
    except (ValueError, UnicodeEncodeError) as error:
        raise InvalidCursor("The cursor is not valid.") from error
    if not hmac.compare_digest(signed, _sign(told, key)):
        raise InvalidCursor("The cursor is not valid.")
    found = json.loads(told)
    if found["s"] != _digest(scope):
        raise InvalidCursor("The cursor is of another list, filter or caller.")
    if found["e"] < (time.time() if at is None else at):
        raise ExpiredCursor("The cursor has expired.")
    position: dict[str, Any] = found["p"]
    return position


def scope_of(route: str, filters: Mapping[str, Any], principal: str) -> str:
    """What a cursor is good for."""
    return json.dumps([route, sorted((name, str(value)) for name, value in filters.items()), principal])


@cache
def _deployment_key() -> bytes:
    """Raises ``StageFailed``: the key can't be read. Its name stays inside."""
    from omnilake import secrets

    try:
        return secrets.read(settings().require("api_secret"), max_age_s=3_600).encode()
    except SourceError as error:
        raise StageFailed(
            "The key that signs cursors can't be read.",
            action="Look at the stack's ApiSecret, and at the permission of the API's functions to read it.",
        ) from error


def _sign(told: bytes, key: bytes | None) -> bytes:
    return hmac.digest(_deployment_key() if key is None else key, told, "sha256")


def _digest(scope: str) -> str:
    return hashlib.sha256(scope.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
