"""When a call is made again, and after what pause. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_PAUSE_S = 20.0
"""Longest pause that is made; a server that asks for a longer one is not asked again."""

_TURNED_AWAY = {429, 503}
"""The call was not begun."""

_UNKNOWN_END = {502, 504}
"""The call may have been carried out."""

_REPEATABLE = {"GET", "HEAD"}
"""What may be sent again then. A change that was carried out would be refused, or done twice."""


@dataclass(frozen=True)
class Retries:
    """How often and how fast.

    Attributes:
        most: retries after the first attempt.
        base_s: the first pause is between 0 and so many seconds; each further one between 0 and twice as many ("full
            jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """

    most: int = 5
    base_s: float = 0.2

    def pause(self, attempt: int, headers: Mapping[str, str] | None = None) -> float | None:
        """Seconds before the next attempt; None when there is none.

        Args:
            attempt: that has just failed, from 0.
            headers: of the answer, which may say ``Retry-After`` in seconds: the least pause.
        """
        if attempt >= self.most:
            return None
        asked = _seconds((headers or {}).get("retry-after", ""))
        if asked > LONGEST_PAUSE_S:
            return None
        jitter = random.uniform(0, min(self.base_s * 2**attempt, LONGEST_PAUSE_S))  # noqa: S311 (not a secret)
        return min(asked + jitter, LONGEST_PAUSE_S)


def repeatable(method: str, status: int | None, headers: Mapping[str, str]) -> bool:
    """Whether the same call may be made again after an answer, or after none.

    Args:
        method: of the call.
        status: of the answer; None: the connection failed, so it may or may not have been carried out.
        headers: of the request in lower case; an ``idempotency-key`` makes any call repeatable.
    """
    if status is None or status in _UNKNOWN_END:
        return method in _REPEATABLE or "idempotency-key" in headers
    return status in _TURNED_AWAY


def _seconds(told: str) -> float:
    try:
        return max(0.0, float(told))
    except ValueError:
        return 0.0
