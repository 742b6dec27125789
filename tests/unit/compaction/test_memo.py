"""Claims of earlier requests: found by their address for as long as they hold, and never in a replay's way."""

from __future__ import annotations

import io
import time

import pytest
from botocore.exceptions import ClientError

from omnilake import aws, layout
from omnilake.compaction.memo import Remembered, recall, remember
from omnilake.models import Claim, InformationRequest, Quote

ADDRESS = "ab" * 32
OWN, OTHER, AGAIN = "answer-own", "answer-other", "answer-again"
SAID = Remembered(
    claims=[
        Claim(
            text="A lease lasts.",
            quotes=[Quote(chunk_id="c", entry_id="e", version="v1", start=0, end=14, text="A lease lasts.")],
        )
    ],
    calls=1,
    input_tokens=100,
    output_tokens=20,
    cost_usd=0.25,
)


def _asked(**fields: str) -> InformationRequest:
    return InformationRequest(archives=["docs"], question="How long does a lease last?", **fields)  # type: ignore[arg-type]


pytestmark = pytest.mark.usefixtures("stack")


def test_what_was_remembered_is_recalled_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recall(OWN, _asked(), ADDRESS, 30) is None
    remember(_asked(), ADDRESS, SAID, 30)
    assert recall(OTHER, _asked(), ADDRESS, 30) == SAID
    assert recall(OTHER, _asked(), "cd" * 32, 30) is None
    later = time.time() + 30 * 86_400 + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert recall(OTHER, _asked(), ADDRESS, 30) is None


def test_a_deployment_that_remembers_nothing_writes_and_reads_nothing() -> None:
    remember(_asked(), ADDRESS, SAID, 0)
    assert recall(OTHER, _asked(), ADDRESS, 30) is None
    remember(_asked(), ADDRESS, SAID, 30)
    assert recall(OTHER, _asked(), ADDRESS, 0) is None


def test_a_replay_knows_what_the_replayed_answer_recalled_even_when_the_memo_forgot() -> None:
    remember(_asked(), ADDRESS, SAID, 30)
    recall(OWN, _asked(), ADDRESS, 30)
    aws.lake().delete(layout.remembered(ADDRESS))
    assert recall(AGAIN, _asked(replay_of=OWN), ADDRESS, 30) == SAID
    assert recall(OTHER, _asked(), ADDRESS, 30) is None


def test_a_replay_neither_asks_the_memo_nor_leaves_something_in_it() -> None:
    remember(_asked(), ADDRESS, SAID, 30)
    assert recall(AGAIN, _asked(replay_of=OWN), ADDRESS, 30) is None
    remember(_asked(replay_of=OWN), "cd" * 32, SAID, 30)
    assert recall(OTHER, _asked(), "cd" * 32, 30) is None


def test_a_memo_of_another_form_is_no_answer(log: io.StringIO) -> None:
    remember(_asked(), ADDRESS, SAID, 30)
    aws.lake().write(layout.remembered(ADDRESS), b'{"claims": "none"}')
    assert recall(OTHER, _asked(), ADDRESS, 30) is None
    assert "another form" in log.getvalue()


def test_a_memo_that_fails_costs_money_and_not_the_answer(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    remember(_asked(), ADDRESS, SAID, 30)

    def refused(*_: object) -> None:
        raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "GetItem")

    monkeypatch.setattr(aws, "table", refused)
    assert recall(OTHER, _asked(), ADDRESS, 30) is None
    remember(_asked(), ADDRESS, SAID, 30)
    assert log.getvalue().count("ProvisionedThroughputExceededException") == 2
