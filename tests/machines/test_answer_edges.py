"""Questions at the edges: nothing found, one thing found, contradictions, other languages, several archives."""

from __future__ import annotations

import pytest
from embedded_cloud import Cloud
from machines.conftest import FACT

from omnilake.models import AnswerStatus

QUESTION = "From which pier does the night ferry to Selmere leave?"
SEVEN = "The night ferry to Selmere leaves from pier seven every evening."
NINE = "The night ferry to Selmere leaves from pier nine every evening."
GERMAN = "Die Nachtfähre nach Selmere legt um halb zehn von Anleger sieben ab. Sie fährt nicht bei Sturm."


def test_an_empty_archive_has_no_answer_and_says_so(cloud: Cloud) -> None:
    _, answer = cloud.ask(cloud.archive(), QUESTION)

    assert answer.status is AnswerStatus.ABSTAINED
    assert (answer.claims, answer.citations, answer.nearest) == ([], [], [])
    assert answer.reasons
    assert answer.coverage.chunks_matched == 0


def test_one_passage_is_one_claim_with_its_quote(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    cloud.ingest(archive_id, {"timetable.txt": FACT})
    _, answer = cloud.ask(archive_id, QUESTION)

    assert answer.status is AnswerStatus.ANSWERED
    assert [citation.quote for citation in answer.citations] == [FACT]
    assert answer.coverage.chunks_matched == answer.coverage.chunks_read == 1
    assert cloud.misquotes(answer) == []


def test_sources_that_contradict_are_both_reported(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    cloud.ingest(archive_id, {"timetable.txt": SEVEN, "notice.txt": NINE})
    _, answer = cloud.ask(archive_id, QUESTION)

    assert {claim.text for claim in answer.claims} == {SEVEN, NINE}
    assert len({citation.source for citation in answer.citations}) == 2
    assert cloud.misquotes(answer) == []


def test_a_question_in_the_language_of_the_documents_is_answered_in_it(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    cloud.ingest(archive_id, {"fahrplan.txt": GERMAN})
    _, answer = cloud.ask(archive_id, "Von welchem Anleger legt die Nachtfähre nach Selmere ab?")

    assert answer.status is AnswerStatus.ANSWERED
    assert "Anleger sieben" in answer.text
    assert cloud.misquotes(answer) == []


def test_a_question_in_another_language_gets_quotes_or_the_nearest_passages(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    cloud.ingest(archive_id, {"timetable.txt": FACT})
    _, answer = cloud.ask(archive_id, "¿De qué muelle sale el transbordador nocturno a Selmere?")

    if answer.status is AnswerStatus.ANSWERED:
        assert answer.citations
        assert cloud.misquotes(answer) == []
    else:
        assert answer.reasons
        assert [each.text for each in answer.nearest] == [FACT]


def test_two_archives_answer_together(cloud: Cloud) -> None:
    first, second = cloud.archive(), cloud.archive()
    cloud.ingest(first, {"timetable.txt": SEVEN})
    cloud.ingest(second, {"notice.txt": NINE})
    job_id = cloud.deployment.submit([first, second], QUESTION)
    answer = cloud.deployment.answer(cloud.deployment.wait(job_id))

    assert answer.archives == [first, second]
    assert {claim.text for claim in answer.claims} == {SEVEN, NINE}


@pytest.mark.parametrize(
    "wrong",
    [
        {"filters": [{"field": "colour", "value": "green"}]},
        {"filters": [{"field": "source", "operator": "ge", "value": "a"}]},
        {"filters": [{"field": "page", "value": "seven"}]},
        {"filter": []},
        {"mode": "SOME"},
        {"providers": {"compose": "no-such-model"}},
        {"retrievers": ["no-such-retriever"]},
        {"max_cost": -1},
    ],
)
def test_what_a_request_can_not_ask_for_is_an_error_and_never_ignored(cloud: Cloud, wrong: dict[str, object]) -> None:
    job = cloud.failed_request(cloud.archive(), QUESTION, **wrong)

    assert job.error is not None
    assert (job.error.code, job.state) == ("REQUEST_INVALID", "Plan Retrieval")
