"""How far a running job is: the states it entered, with their times, and its counts."""

from __future__ import annotations

from typing import Any

import pytest

from omnilake import jobs
from omnilake.client.progress import counts, seconds_of, states
from omnilake.models import ErrorRecord, Job, JobKind, JobStatus

KIND = JobKind.ANSWER_REQUEST
AT = "2026-01-01T00:00:0{}.000Z"


def job(**fields: Any) -> Job:
    told = {"job_id": "answer-1", "kind": KIND, "status": JobStatus.RUNNING, "archive_id": "docs"}
    return Job.model_validate(told | {"created_at": AT.format(0), "updated_at": AT.format(0)} | fields)


def test_states_come_in_the_order_in_which_they_were_entered() -> None:
    entered = {"Retrieve": AT.format(3), "Plan Retrieval": AT.format(1)}
    assert states(job(entered=entered)) == [
        ("Plan Retrieval", AT.format(1), 2.0),
        ("Retrieve", AT.format(3), None),
    ]
    assert states(job(entered=entered, ended_at=AT.format(7)))[-1].seconds == 4.0
    assert states(job()) == []


def test_the_time_of_a_job_is_known_at_its_end() -> None:
    assert seconds_of(job()) == 0
    assert seconds_of(job(ended_at=AT.format(7))) == 7


@pytest.mark.parametrize(
    ("progress", "told"),
    [
        ({}, ""),
        ({"evidence": 24, "claims": 2}, "claims 2, evidence 24"),
        ({"groups": 10, "groups_done": 3}, "groups 3 of 10"),
        ({"groups": 10, "groups_done": 11}, "groups 10 of 10"),  # a retried group counts again
        ({"chunks_found": 7, "groups_done": 1}, "chunks found 7, groups done 1"),
    ],
)
def test_counts_read_as_words(progress: dict[str, int], told: str) -> None:
    assert counts(job(progress=progress)) == told


class TestRecord:
    @pytest.fixture(autouse=True)
    def _job(self, stack: None, monkeypatch: pytest.MonkeyPatch) -> None:
        ticks = iter(range(10))
        monkeypatch.setattr(jobs, "now", lambda: AT.format(next(ticks)))
        jobs.create("answer-1", KIND, "docs")

    def test_a_state_keeps_the_time_at_which_it_was_entered_first(self) -> None:
        for state in ("Plan Round", "Summarise Groups", "Plan Round"):
            jobs.enter("answer-1", KIND, state)
        found = jobs.get("answer-1")
        assert found.state == "Plan Round"
        assert found.entered == {"Plan Round": AT.format(1), "Summarise Groups": AT.format(2)}

    def test_the_state_of_a_jobs_end_is_among_them(self) -> None:
        jobs.enter("answer-1", KIND, "Plan Retrieval")
        jobs.fail("answer-1", KIND, "Retrieve", ErrorRecord(code="X", message="m"))
        assert [each.state for each in states(jobs.get("answer-1"))] == ["Plan Retrieval", "Retrieve"]

    def test_a_job_that_has_ended_enters_nothing(self) -> None:
        jobs.complete("answer-1", KIND, "Publish Answer")
        assert not jobs.enter("answer-1", KIND, "Compose Answer")
        assert list(jobs.get("answer-1").entered) == ["Publish Answer"]
