"""How far a running job is: the states it entered, with their times, and its counts."""

from __future__ import annotations

from typing import Any

import pytest

from omnilake import jobs
from omnilake.client.progress import counts, seconds_of, states, visits
from omnilake.models import ErrorRecord, Job, JobKind, JobStatus, StateVisit

KIND = JobKind.ANSWER_REQUEST
AT = "2026-01-01T00:00:0{}.000Z"


def job(**fields: Any) -> Job:
    told = {"job_id": "answer-1", "kind": KIND, "status": JobStatus.RUNNING, "archive_id": "docs"}
    return Job.model_validate(told | {"created_at": AT.format(0), "updated_at": AT.format(0)} | fields)


def test_states_come_in_the_order_in_which_they_were_entered() -> None:
    entered = {"Retrieve": AT.format(3), "Plan Retrieval": AT.format(1)}
    assert states(job(entered=entered)) == [
        ("Plan Retrieval", AT.format(1), 2.0, 1),
        ("Retrieve", AT.format(3), None, 1),
    ]
    assert states(job(entered=entered, ended_at=AT.format(7)))[-1].seconds == 4.0
    assert states(job()) == []


def test_a_state_that_was_entered_again_is_a_visit_each_time_and_a_state_once() -> None:
    entered = {"Plan Round": AT.format(1), "Summarise Groups": AT.format(2)}
    again = [
        {"state": "Plan Round", "at": AT.format(4)},
        {"state": "Summarise Groups", "at": AT.format(5)},
    ]
    running = job(entered=entered, reentered=again)
    assert [(each.state, each.seconds) for each in visits(running)] == [
        ("Plan Round", 1.0),
        ("Summarise Groups", 2.0),
        ("Plan Round", 1.0),
        ("Summarise Groups", None),
    ]
    assert states(running) == [
        ("Plan Round", AT.format(1), 2.0, 2),
        ("Summarise Groups", AT.format(2), None, 2),
    ]
    assert states(job(entered=entered, reentered=again, ended_at=AT.format(9)))[-1].seconds == 6.0


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
        ticks = iter(range(100))
        monkeypatch.setattr(jobs, "now", lambda: AT.format(next(ticks)))
        jobs.create("answer-1", KIND, "docs")

    def test_a_state_keeps_the_time_at_which_it_was_entered_first(self) -> None:
        for state in ("Plan Round", "Summarise Groups", "Plan Round"):
            jobs.enter("answer-1", KIND, state)
        found = jobs.get("answer-1")
        assert found.state == "Plan Round"
        assert found.entered == {"Plan Round": AT.format(1), "Summarise Groups": AT.format(2)}
        assert found.reentered == [StateVisit(state="Plan Round", at=AT.format(3))]

    def test_a_step_that_is_repeated_enters_its_state_again_and_its_counts_do_not(self) -> None:
        jobs.enter("answer-1", KIND, "Fuse Evidence")
        jobs.note("answer-1", KIND, "Fuse Evidence", evidence=3)
        assert jobs.get("answer-1").reentered == []
        jobs.enter("answer-1", KIND, "Fuse Evidence", evidence=0)
        found = jobs.get("answer-1")
        assert [each.state for each in found.reentered] == ["Fuse Evidence"]
        assert found.progress == {"evidence": 0}

    def test_what_works_on_a_part_of_a_job_enters_its_state_once(self) -> None:
        for _ in range(3):
            jobs.note("answer-1", KIND, "Embed Batches")
        found = jobs.get("answer-1")
        assert (list(found.entered), found.reentered) == (["Embed Batches"], [])

    def test_a_record_stays_small_however_often_its_job_goes_round(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jobs, "MOST_REENTRIES", 2)
        for number in range(5):
            assert jobs.enter("answer-1", KIND, "Plan Round", round=number)
        found = jobs.get("answer-1")
        assert [each.at for each in found.reentered] == [AT.format(2), AT.format(3)]
        assert (found.state, found.progress) == ("Plan Round", {"round": 4})

    def test_the_state_of_a_jobs_end_is_among_them(self) -> None:
        jobs.enter("answer-1", KIND, "Plan Retrieval")
        jobs.fail("answer-1", KIND, "Retrieve", ErrorRecord(code="X", message="m"))
        assert [each.state for each in states(jobs.get("answer-1"))] == ["Plan Retrieval", "Retrieve"]

    def test_a_job_that_has_ended_enters_nothing(self) -> None:
        jobs.complete("answer-1", KIND, "Publish Answer")
        assert not jobs.enter("answer-1", KIND, "Compose Answer")
        assert not jobs.enter("answer-1", KIND, "Publish Answer")
        assert jobs.get("answer-1").reentered == []
        assert list(jobs.get("answer-1").entered) == ["Publish Answer"]
