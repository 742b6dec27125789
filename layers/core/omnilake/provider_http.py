"""JSON over HTTPS to a provider's API, with what may go wrong told in the product's own errors.

Nothing is repeated here: the state machines do that. What a provider says in an error is not passed on, because it may
quote the input; only its short error code is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from omnilake.errors import ProviderRejected, RateLimited, TransientError

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0
"""Longest silence of a server, seconds."""

UNSAID_WAIT_S = 20.0
"""Waited after a 429 that does not say how long."""

MOST_BYTES = 128 * 1024 * 1024
"""Largest answer that is read."""

INPUT_REFUSED = {400, 413, 422}
"""Statuses that speak of the input, as far as a status can."""

_TRANSIENT = {408, 409, 425}
_SPENT = {"insufficient_quota", "billing_hard_limit_reached", "quota_exceeded"}
"""Codes of a 429 that no waiting mends."""
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def post_json(
    url: str, body: Mapping[str, Any], *, headers: Mapping[str, str], service: str, timeout_s: float = READ_TIMEOUT_S
) -> Any:
    """Send a JSON object, get the JSON that comes back.

    Args:
        url: of the operation.
        body: what to send.
        headers: besides the content type; they may hold the key.
        service: its name for people.
        timeout_s: longest silence of the server.

    Raises:
        RateLimited: 429; or 503 and 529 with a time to wait.
        TransientError: no answer in time, no connection, another 5xx, or an answer that is no JSON.
        ProviderRejected: any other refusal; ``details["status"]`` is the HTTP status.
    """
    import httpx2

    timeout = httpx2.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
    try:
        with _client().stream("POST", url, json=body, headers=dict(headers), timeout=timeout) as answer:
            data = _read(answer, service)
    except httpx2.TimeoutException as error:
        raise TransientError(f"{service} did not answer in time.") from error
    except httpx2.HTTPError as error:
        raise TransientError(f"{service} could not be reached ({type(error).__name__}).") from error
    if answer.is_success:
        return _json(data, service)
    raise refusal(answer.status_code, answer.headers, data, service)


def is_safe(address: str) -> bool:
    """Whether a key may be sent there: an https address, or this machine itself."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    loopback = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    return bool(parts.hostname) and (parts.scheme == "https" or loopback)


def refusal(
    status: int, headers: Mapping[str, str], data: bytes, service: str
) -> RateLimited | TransientError | ProviderRejected:
    """The error that an HTTP status other than success means; see :func:`post_json`.

    Args:
        status: of the answer.
        headers: of the answer; names in lower case are found.
        data: body of the answer.
        service: its name for people.
    """
    code = error_code(data)
    wait = retry_after(headers, datetime.now(UTC))
    if wait is None and status == 503:
        wait = loading_time(data)
    if status == 429 and code not in _SPENT:
        return RateLimited.after(UNSAID_WAIT_S if wait is None else wait, service)
    if status in {503, 529} and wait is not None:
        return RateLimited.after(wait, service)
    if status >= 500 or status in _TRANSIENT:
        return TransientError(f"{service} failed with HTTP {status}.")
    told = f", {code}" if code else ""
    return ProviderRejected(f"{service} refuses the call with HTTP {status}{told}.", status=status)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that an answer asks to wait, None when it does not say.

    ``Retry-After`` holds seconds or a date (RFC 9110, section 10.2.3); OpenAI sends ``retry-after-ms`` too.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        moment = parsedate_to_datetime(headers.get("retry-after") or "")
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def loading_time(data: bytes) -> float | None:
    """Seconds until a model is loaded, by ``estimated_time`` in Hugging Face's answer; None where it does not say."""
    told = _object(data).get("estimated_time")
    return float(told) if isinstance(told, int | float) and 0 <= told < math.inf else None


def error_code(data: bytes) -> str:
    """The short code in a provider's error, empty when there is none."""
    told = _object(data)
    error = told.get("error")
    inner = error if isinstance(error, dict) else told
    found = next((inner[name] for name in ("code", "type", "error_type") if inner.get(name)), "")
    return found if isinstance(found, str) and _CODE.fullmatch(found) else ""


def _object(data: bytes) -> dict[str, Any]:
    """The JSON object that an error's body is, empty when it is none."""
    import json

    try:
        told = json.loads(data)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def malformed(service: str) -> TransientError:
    """The error of an answer that is not of its documented shape."""
    return TransientError(f"{service} answered with something that is not of its documented shape.")


def _read(answer: httpx2.Response, service: str) -> bytes:
    data = bytearray()
    for part in answer.iter_bytes():
        data += part
        if len(data) > MOST_BYTES:
            raise malformed(service)
    return bytes(data)


def _json(data: bytes, service: str) -> Any:
    import json

    try:
        return json.loads(data)
    except ValueError as error:
        raise malformed(service) from error


@cache
def _client() -> httpx2.Client:
    import httpx2

    # One pool a process: connections are kept between invocations. Redirects are not followed: a key must not travel.
    return httpx2.Client(follow_redirects=False, limits=httpx2.Limits(max_connections=20, max_keepalive_connections=10))
