from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake import aws, rate_limits
from omnilake.errors import RateLimited
from omnilake.rate_limits import RateLimit, acquire, drain, full, refilled, wait_for

QUOTAS = st.one_of(st.none(), st.floats(1, 1e7))


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.slept: list[float] = []

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(stack: None, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("omnilake.rate_limits.time.time", clock.time)
    return clock


def take(clock: Clock, limit: RateLimit, requests: int = 1, tokens: int = 0, urgent: bool = False) -> float:
    """Seconds to wait, 0 when it was there."""
    try:
        acquire("b", "Any", limit, requests=requests, tokens=tokens, urgent=urgent, sleep=clock.sleep)
    except RateLimited as error:
        return float(error.details["seconds"])
    return 0.0


@given(QUOTAS, QUOTAS)
def test_no_minute_gives_more_than_its_quota(requests: float | None, tokens: float | None) -> None:
    limit = RateLimit(requests, tokens)
    if requests is not None and requests >= 2:
        assert limit.most_requests + 60 * limit.requests_per_second <= requests * (1 + 1e-9) or requests < 2
    if tokens is not None and limit.most_tokens < tokens / 2:
        assert limit.most_tokens + 60 * limit.tokens_per_second <= tokens * (1 + 1e-9)


@given(QUOTAS, QUOTAS, st.floats(0, 1e5), st.floats(0, 1e9), st.floats(0, 1e6))
def test_after_its_wait_a_bucket_has_what_was_wanted(
    rpm: float | None, tpm: float | None, requests: float, tokens: float, passed: float
) -> None:
    limit = RateLimit(rpm, tpm)
    bucket = refilled(rate_limits.Bucket(requests=0, tokens=0, at=0), limit, passed)
    assert bucket.requests <= limit.most_requests
    assert bucket.tokens <= limit.most_tokens
    wait = wait_for(bucket, limit, requests, tokens)
    assert math.isfinite(wait)
    later = refilled(bucket, limit, bucket.at + wait + 1e-3 + wait * 1e-6)
    assert wait_for(later, limit, requests, tokens) < 1e-2


def test_time_that_runs_backwards_fills_nothing() -> None:
    limit = RateLimit(60)
    bucket = rate_limits.Bucket(requests=0, tokens=0, at=100)
    assert refilled(bucket, limit, 50).requests == 0
    assert refilled(bucket, limit, 50).at == 100


def test_three_requests_a_minute_are_three_in_any_minute(clock: Clock) -> None:
    limit, taken = RateLimit(3, 10_000), list[float]()
    while len(taken) < 12:
        wait = take(clock, limit, tokens=100)
        if wait:
            clock.now += wait
        else:
            taken.append(clock.now)
    assert all(sum(start <= moment < start + 60 for moment in taken) <= 3 for start in taken)
    assert taken[-1] - taken[0] <= 12 * 31


def test_whoever_is_sent_away_is_told_a_time_of_his_own(clock: Clock) -> None:
    limit = RateLimit(6)
    assert take(clock, limit) == 0
    waits = [take(clock, limit) for _ in range(4)]
    assert waits == sorted(set(waits))
    assert waits[-1] >= 3 * 12


def test_a_short_wait_is_waited_here_and_a_long_one_is_not(clock: Clock) -> None:
    fast = RateLimit(6_000)
    for _ in range(13):
        assert take(clock, fast, requests=50) == 0
    assert 0 < sum(clock.slept) <= rate_limits.PATIENCE_S
    slept = len(clock.slept)
    assert take(clock, fast, requests=600) >= 1
    assert len(clock.slept) == slept


def test_a_request_larger_than_the_bucket_passes_when_it_is_full_and_is_paid_for(clock: Clock) -> None:
    limit = RateLimit(None, 60_000)
    assert take(clock, limit, tokens=30_000) == 0
    wait = take(clock, limit, tokens=100)
    assert wait >= 24_000 / limit.tokens_per_second - 1
    clock.now += wait + 1
    assert take(clock, limit, tokens=100) == 0


def test_a_person_does_not_wait_for_a_quota_but_for_a_provider_that_says_so(clock: Clock) -> None:
    limit = RateLimit(3)
    assert take(clock, limit) == 0
    assert take(clock, limit, urgent=True) == 0
    assert take(clock, limit) > 20
    drain("b", limit, 40)
    assert take(clock, limit, urgent=True) == 40


def test_a_drained_bucket_opens_again_after_its_time(clock: Clock) -> None:
    limit = RateLimit(600, 10_000)
    drain("b", limit, 30)
    drain("b", limit, 5)
    assert take(clock, limit) == 30
    clock.now += 31
    assert take(clock, limit) == 0
    unlimited = RateLimit()
    drain("u", unlimited, 30)
    with pytest.raises(RateLimited):
        acquire("u", "Any", unlimited, sleep=clock.sleep)


def test_of_many_at_once_only_as_many_get_one_as_there_are(stack: None) -> None:
    limit = RateLimit(100)  # a bucket of 10

    def one(_: int) -> bool:
        try:
            acquire("shared", "Any", limit)
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        got = sum(pool.map(one, range(24)))
    item = aws.table("rate_limits_table").get({"bucket_id": "shared"})
    assert item is not None
    # What flowed in meanwhile and short waits add to the ten; the book must agree with what was given.
    assert 1 <= got <= 24
    assert item["requests"] <= 10_000 - got * 1_000 + 24 * 1_500 + 1_000
    assert item["revision"] >= got
    assert item["expires_at"] > item["at"] / 1_000


def test_a_full_bucket_is_what_nobody_has_taken_from() -> None:
    bucket = full(RateLimit(100, None), 5.0)
    assert (bucket.requests, bucket.tokens, bucket.at) == (10, math.inf, 5.0)
