"""What becomes of a step whose model can't do it: it waits as long as it is asked to, and then goes on without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from omnilake.errors import GenerationRejected, ProviderRejected, RateLimited, StageFailed
from omnilake.generation import Usage
from omnilake.models import Degradation

T = TypeVar("T")

MAX_WAITS = 5
"""How often a step waits for its model's quota before it goes on without. The state machines wait as long as they are
asked to, and at least 2, 4, 8, 16 and 32 s: a minute of throttling is waited for. The extractive provider that takes
its place may wait as often again for its embedder's."""

THROTTLED, REJECTED, UNAVAILABLE = "throttled", "rejected", "unavailable"
"""Reasons of a ``Degradation``: the quota stays used up; no answer fits, the model refuses, or its provider refuses the
call (key, model, access); it does not answer."""


class Attempt(NamedTuple, Generic[T]):
    """What a model came to: a value, or the reason why there is none; and what was paid for nothing."""

    value: T | None
    reason: str = ""
    lost: Usage = Usage()


def attempt(call: Callable[[], T], *, waits: int, instead: str = "") -> Attempt[T]:
    """Let a model do a step.

    Args:
        call: that does it.
        waits: how often the step has waited for the model's quota.
        instead: reason for which the model is not called at all; empty: it is.

    Raises:
        RateLimited: the state machine is to wait once more.
        TransientError: the model did not answer.
    """
    if instead:
        return Attempt(None, instead)
    try:
        return Attempt(call())
    except GenerationRejected as error:
        return Attempt(None, REJECTED, Usage.model_validate(error.details))
    except ProviderRejected:
        return Attempt(None, REJECTED)
    except RateLimited:
        if waits < MAX_WAITS:
            raise
        return Attempt(None, THROTTLED)


def last_resort(call: Callable[[], T], *, waits: int, most: int = MAX_WAITS) -> T:
    """Let the extractive provider do a step; the embedder that it reads with may have a quota, too.

    Args:
        call: that does it.
        waits: how often the step has waited for a quota.
        most: how often it may.

    Raises:
        RateLimited: the state machine is to wait once more.
        StageFailed: the quota stays used up.
    """
    try:
        return call()
    except RateLimited as error:
        if waits < most:
            raise
        raise StageFailed("The embedding provider that sentences are selected with stays throttled.") from error


def earlier(step: str, degraded: Sequence[Degradation]) -> str:
    """Why a step of the answer that is replayed went on without its model, as far as no record of a call says it."""
    reasons = [each.reason for each in degraded if each.step == step and each.reason in {THROTTLED, UNAVAILABLE}]
    return reasons[0] if reasons else ""
