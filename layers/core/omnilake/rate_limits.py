"""Quotas of providers as token buckets that all functions share, in DynamoDB.

A bucket is one item: what is left of requests and of tokens, and when that was. Whoever takes from it reads the item,
adds what has flowed in since, subtracts, and writes the result on condition that nobody wrote in between, so of two
that take the last one only one gets it. A bucket holds a part of a minute's quota and is refilled with the rest in the
course of a minute: in no minute more is taken than the quota.

Nobody waits in a function for longer than :data:`PATIENCE_S`. :class:`~omnilake.errors.RateLimited` says how long, and
the state machine waits. Those that are sent away are given places one after the other, so that they do not all come
back at once.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from omnilake import aws
from omnilake.errors import RateLimited

BURST = 0.1
"""Share of a minute's quota that a bucket holds."""

PATIENCE_S = 1.0
"""Longest time that is waited for a bucket inside a function, seconds."""

LONGEST_WAIT_S = 900.0
"""Longest time after which someone comes back to look, seconds."""

ATTEMPTS = 12
"""Tries to write a bucket that others write to."""

KEPT_S = 3_600
"""How long a bucket stays that nobody takes from; it is full again after a minute."""


@dataclass(frozen=True)
class RateLimit:
    """A quota; None: not limited."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    @property
    def most_requests(self) -> float:
        """Requests that a full bucket holds."""
        quota = self.requests_per_minute
        return math.inf if quota is None else max(1.0, quota * BURST)

    @property
    def most_tokens(self) -> float:
        """Tokens that a full bucket holds: a request's share, where few requests are allowed."""
        quota = self.tokens_per_minute
        if quota is None:
            return math.inf
        return min(quota, max(quota * BURST, quota / self.requests_per_minute if self.requests_per_minute else 0.0))

    @property
    def requests_per_second(self) -> float:
        """Inflow of requests."""
        return _inflow(self.requests_per_minute, self.most_requests)

    @property
    def tokens_per_second(self) -> float:
        """Inflow of tokens."""
        return _inflow(self.tokens_per_minute, self.most_tokens)


UNLIMITED = RateLimit()
"""No quota is known: only what the provider itself answers closes the bucket."""


def _inflow(quota: float | None, capacity: float) -> float:
    return math.inf if quota is None else max(quota - capacity, quota / 2) / 60


@dataclass(frozen=True)
class Bucket:
    """What is left, at a time (seconds since 1970).

    Attributes:
        requests: left; negative after a request that was larger than the bucket.
        tokens: left, likewise.
        at: when.
        blocked_until: the provider itself has asked to wait until then.
        turn: when the next one that is sent away should come back.
    """

    requests: float
    tokens: float
    at: float
    blocked_until: float = 0.0
    turn: float = 0.0


def full(limit: RateLimit, now: float) -> Bucket:
    """A bucket that nobody has taken from."""
    return Bucket(requests=limit.most_requests, tokens=limit.most_tokens, at=now)


def refilled(bucket: Bucket, limit: RateLimit, now: float) -> Bucket:
    """The bucket with what has flowed in. Time never runs backwards in it, whoever's clock is late."""
    now = max(now, bucket.at)
    passed = now - bucket.at
    return replace(
        bucket,
        requests=_level(bucket.requests, limit.requests_per_second, limit.most_requests, passed),
        tokens=_level(bucket.tokens, limit.tokens_per_second, limit.most_tokens, passed),
        at=now,
    )


def _level(left: float, inflow: float, capacity: float, passed: float) -> float:
    return capacity if math.isinf(capacity) else min(capacity, left + inflow * passed)


def wait_for(bucket: Bucket, limit: RateLimit, requests: float, tokens: float) -> float:
    """Seconds until a refilled bucket holds so much; 0: it does. What is larger than the bucket needs a full one."""
    return max(
        0.0,
        bucket.blocked_until - bucket.at,
        _time_to(bucket.requests, min(requests, limit.most_requests), limit.requests_per_second),
        _time_to(bucket.tokens, min(tokens, limit.most_tokens), limit.tokens_per_second),
    )


def _time_to(left: float, wanted: float, inflow: float) -> float:
    return 0.0 if math.isinf(inflow) or left >= wanted else (wanted - left) / inflow


def acquire(
    bucket_id: str,
    service: str,
    limit: RateLimit,
    *,
    requests: int = 1,
    tokens: int = 0,
    urgent: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Take from a bucket.

    Args:
        bucket_id: whose quota: provider, model, address and key.
        service: whose quota it is, for people.
        limit: the quota.
        requests: to take.
        tokens: to take.
        urgent: a person waits: take even from an empty bucket, those without hurry pay for it.
        sleep: for tests.

    Raises:
        RateLimited: there is not enough; it says how long to wait.
    """
    patience = PATIENCE_S
    for attempt in range(ATTEMPTS):
        held, revision = _read(bucket_id)
        now = time.time()
        bucket = refilled(held or full(limit, now), limit, now)
        wait = max(0.0, bucket.blocked_until - bucket.at) if urgent else wait_for(bucket, limit, requests, tokens)
        if 0 < wait <= patience:
            patience -= wait
            sleep(wait)
        elif wait > 0:
            place = wait if urgent else min(max(wait, bucket.turn - now), LONGEST_WAIT_S)
            spacing = max(requests / limit.requests_per_second, tokens / limit.tokens_per_second)
            if _write(bucket_id, replace(bucket, turn=now + place + spacing), revision):
                raise RateLimited.after(place, service)
        elif limit == UNLIMITED or _write(
            bucket_id, replace(bucket, requests=bucket.requests - requests, tokens=bucket.tokens - tokens), revision
        ):
            return
        else:
            sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 4)))  # noqa: S311 (jitter, not a secret)
    raise RateLimited.after(1, service)


def drain(bucket_id: str, limit: RateLimit, seconds: float) -> None:
    """Empty a bucket and close it for so many seconds: the provider itself said that its quota is used up."""
    for _ in range(ATTEMPTS):
        held, revision = _read(bucket_id)
        now = time.time()
        bucket = refilled(held or full(limit, now), limit, now)
        emptied = replace(
            bucket,
            requests=min(bucket.requests, 0.0),
            tokens=min(bucket.tokens, 0.0),
            blocked_until=max(bucket.blocked_until, now + seconds),
        )
        if _write(bucket_id, emptied, revision):
            return


_MILLI = 1_000
_UNLIMITED = -1  # inf has no place in DynamoDB


def _read(bucket_id: str) -> tuple[Bucket | None, int]:
    item = aws.table("rate_limits_table").get({"bucket_id": bucket_id})
    if item is None:
        return None, 0
    return _bucket(item), int(item["revision"])


def _bucket(item: dict[str, Any]) -> Bucket:
    def level(name: str) -> float:
        return math.inf if item.get(f"{name}_unlimited") else item[name] / _MILLI

    return Bucket(
        requests=level("requests"),
        tokens=level("tokens"),
        at=item["at"] / _MILLI,
        blocked_until=item["blocked_until"] / _MILLI,
        turn=item["turn"] / _MILLI,
    )


def _write(bucket_id: str, bucket: Bucket, revision: int) -> bool:
    item: dict[str, Any] = {
        "bucket_id": bucket_id,
        "revision": revision + 1,
        "expires_at": int(max(bucket.at, bucket.blocked_until, bucket.turn)) + KEPT_S,
    }
    for name in ("requests", "tokens", "at", "blocked_until", "turn"):
        value = getattr(bucket, name)
        if math.isinf(value):
            item |= {name: _UNLIMITED, f"{name}_unlimited": True}
        else:
            item[name] = math.floor(value * _MILLI)
    return aws.table("rate_limits_table").put(
        item, condition="attribute_not_exists(bucket_id) OR revision = :seen", values={":seen": revision}
    )
