"""A step whose model can't do it waits as often as it may, and then goes on without."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from omnilake.answering.degradation import (
    MAX_WAITS,
    REJECTED,
    THROTTLED,
    UNAVAILABLE,
    Attempt,
    attempt,
    earlier,
    last_resort,
)
from omnilake.errors import (
    GenerationRejected,
    OmniLakeError,
    ProviderRejected,
    RateLimited,
    StageFailed,
    TransientError,
)
from omnilake.generation import Usage
from omnilake.models import Degradation


def raising(error: OmniLakeError) -> Callable[[], str]:
    def call() -> str:
        raise error

    return call


def test_what_a_model_came_to_is_the_attempt_s_value() -> None:
    assert attempt(lambda: "claims", waits=MAX_WAITS) == Attempt("claims")


def test_a_quota_is_waited_for_as_often_as_may_be() -> None:
    limited = RateLimited.after(3, "the service")
    with pytest.raises(RateLimited):
        attempt(raising(limited), waits=MAX_WAITS - 1)
    assert attempt(raising(limited), waits=MAX_WAITS) == Attempt(None, THROTTLED)


def test_an_answer_that_is_not_believed_ends_the_attempt_with_what_was_paid() -> None:
    lost = Usage(calls=2, input_tokens=200, output_tokens=40, cost_usd=0.25)
    rejected = GenerationRejected("The answer does not fit.", **lost.model_dump())
    assert attempt(raising(rejected), waits=0) == Attempt(None, REJECTED, lost)


def test_a_provider_that_refuses_the_call_ends_the_attempt() -> None:
    assert attempt(raising(ProviderRejected("the key")), waits=0) == Attempt(None, REJECTED)


def test_what_the_state_machine_tries_again_is_raised() -> None:
    with pytest.raises(TransientError):
        attempt(raising(TransientError("silence")), waits=MAX_WAITS)


def test_the_selection_of_sentences_waits_for_its_embedder_as_often_as_it_may() -> None:
    limited = RateLimited.after(3, "the embedder")
    assert last_resort(lambda: "claims", waits=99) == "claims"
    with pytest.raises(RateLimited):
        last_resort(raising(limited), waits=MAX_WAITS - 1)
    with pytest.raises(StageFailed, match="throttled"):
        last_resort(raising(limited), waits=MAX_WAITS)


def test_a_model_that_is_left_out_is_not_called() -> None:
    assert attempt(raising(TransientError("never")), waits=0, instead=UNAVAILABLE) == Attempt(None, UNAVAILABLE)


@pytest.mark.parametrize(
    ("reason", "again"), [(THROTTLED, THROTTLED), (UNAVAILABLE, UNAVAILABLE), (REJECTED, ""), ("budget", "")]
)
def test_a_replay_leaves_out_what_no_record_of_a_call_tells(reason: str, again: str) -> None:
    degraded = [
        Degradation(step="map", to="sampled", reason="throttled"),
        Degradation(step="compose", to="extractive", reason=reason),
    ]
    assert earlier("compose", degraded) == again
    assert earlier("judge", degraded) == ""
