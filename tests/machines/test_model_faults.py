"""``answer_request`` with models that fail in each way: an answer that can be checked, or why there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from embedded_cloud import PATIENCE_S, Cloud, entered
from machines.answering_model import answered_by
from machines.conftest import FACT
from model_endpoint import Answered, Asked, bedrock_error, completion, converse, honest, understanding

from omnilake.models import AnswerStatus, Degradation

QUESTION = "From which pier does the night ferry to Selmere leave?"
CONTRADICTION = "Since the spring the night ferry to Selmere leaves from pier nine at half past nine."


@pytest.fixture(scope="module")
def archive(cloud: Cloud) -> str:
    """An archive that answers the question."""
    archive_id = cloud.archive()
    cloud.ingest(archive_id, {"timetable.txt": FACT})
    return archive_id


def invented(asked: Asked, **changed: str) -> Any:
    """An honest answer with its quote changed."""
    told = honest(asked)
    told["claims"][0]["quotes"][0] |= changed
    return told


BAD: dict[str, Callable[[Asked], Any]] = {
    "invalid JSON": lambda asked: completion('{"claims": ['),
    "another tool": lambda asked: asked.reply({"name": "delete_archive", "arguments": {"id": "docs"}}),
    "an invented passage": lambda asked: invented(asked, passage="p9"),
    "a quote that is not there": lambda asked: invented(asked, text="leaves from pier eight at ten"),
    "nothing": lambda asked: completion(None),
    "a refusal": lambda asked: completion(None, refusal="I can't help with that."),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_answer_that_can_not_be_believed_is_replaced_by_sentences(cloud: Cloud, archive: str, kind: str) -> None:
    with answered_by(cloud, understanding(lambda asked, _: BAD[kind](asked))) as endpoint:
        _, answer = cloud.ask(archive, QUESTION)

    assert answer.status is AnswerStatus.ANSWERED
    assert answer.coverage.degraded == [Degradation(step="compose", to="extractive", reason="rejected")]
    assert answer.versions["model.compose"].startswith("extractive/")
    assert [claim.text for claim in answer.claims] == [FACT]
    assert cloud.misquotes(answer) == []
    assert len(endpoint.requests) == (1 if kind == "a refusal" else 2)
    if kind != "a refusal":  # what was paid for nothing
        assert answer.ledger[0].model == "any-model"
        assert answer.cost_usd == pytest.approx(200 / 1e6)


BAD_OF_BEDROCK: dict[str, Callable[[Asked], Any]] = {
    "another tool": lambda asked: asked.reply({"archive": "docs"}, tool="delete_archive"),
    "words in place of a tool": lambda asked: converse({"text": "It leaves from pier seven."}, stop_reason="end_turn"),
    "an input that is no object": lambda asked: asked.reply('{"claims": ['),
    "an invented passage": lambda asked: invented(asked, passage="p9"),
    "a quote that is not there": lambda asked: invented(asked, text="leaves from pier eight at ten"),
    "nothing": lambda asked: converse(stop_reason="end_turn"),
    "a refusal": lambda asked: converse({"text": "Blocked."}, stop_reason="guardrail_intervened"),
}


@pytest.mark.parametrize("kind", BAD_OF_BEDROCK)
def test_nor_is_one_of_bedrock_that_calls_another_tool_or_none(cloud: Cloud, archive: str, kind: str) -> None:
    with answered_by(
        cloud, understanding(lambda asked, _: BAD_OF_BEDROCK[kind](asked)), provider="bedrock"
    ) as endpoint:
        job, answer = cloud.ask(archive, QUESTION)

    assert answer.status is AnswerStatus.ANSWERED
    assert answer.coverage.degraded == [Degradation(step="compose", to="extractive", reason="rejected")]
    assert [claim.text for claim in answer.claims] == [FACT]
    assert cloud.misquotes(answer) == []
    assert len(endpoint.requests) == (1 if kind == "a refusal" else 2)
    assert "Request Failed" not in entered(cloud.history(job.execution_arn))


def test_one_repair_is_enough_for_a_model_that_sees_its_mistake(cloud: Cloud, archive: str) -> None:
    def answer_of(asked: Asked, number: int) -> Any:
        return honest(asked) if asked.repair else invented(asked, text="leaves from pier eight at ten")

    with answered_by(cloud, understanding(answer_of)):
        _, answer = cloud.ask(archive, QUESTION)

    assert [claim.text for claim in answer.claims] == [f"It is written: {FACT}"]
    assert answer.coverage.degraded == []
    assert answer.versions["model.compose"] == "openai/any-model"
    assert cloud.misquotes(answer) == []


THROTTLED = Answered({"error": {"code": "rate_limit_exceeded"}}, 429, {"Retry-After": "1"})


def test_a_minute_of_throttling_is_waited_for_and_a_quota_that_stays_used_up_is_not(cloud: Cloud, archive: str) -> None:
    patient, judged, hopeless = QUESTION, f"{QUESTION} Judge it.", f"{QUESTION} Never mind."
    began = verdicts = 0.0

    def answer_of(asked: Asked, number: int) -> Any:
        nonlocal began, verdicts
        if asked.tool == "record_verdicts":
            verdicts += 1
            return THROTTLED if verdicts <= 2 else honest(asked)
        if "Never mind." in asked.user:
            return THROTTLED
        if "Judge it." in asked.user:
            return honest(asked)
        began = began or time.monotonic()
        return THROTTLED if time.monotonic() < began + 60 else honest(asked)

    with answered_by(cloud, understanding(answer_of), judge=True):
        submitted = [cloud.deployment.submit(archive, each) for each in (patient, judged, hopeless)]
        jobs = [cloud.deployment.wait(each, timeout_s=2 * PATIENCE_S) for each in submitted]
    answers = [cloud.deployment.answer(job) for job in jobs]
    waited = [entered(cloud.history(job.execution_arn)) for job in jobs]

    assert [answer.coverage.degraded for answer in answers] == [
        [],
        [],
        [Degradation(step="compose", to="extractive", reason="throttled")],
    ]
    for answer in answers[:2]:
        assert [claim.text for claim in answer.claims] == [f"It is written: {FACT}"]
    assert [claim.text for claim in answers[2].claims] == [FACT]  # its own quote: there is nothing to judge
    assert [states.count("Await Model Quota") for states in waited] == [5, 0, 5]
    assert sum(states.count("Await Judge Quota") for states in waited) == 2


@pytest.mark.parametrize("step", ["compose", "judge"])
def test_a_model_that_stays_silent_is_left_out(cloud: Cloud, archive: str, step: str) -> None:
    over = Event()
    silent = {"compose": "record_claims", "judge": "record_verdicts"}[step]

    def answer_of(asked: Asked, number: int) -> Any:
        if asked.tool == silent:
            over.wait(10)
        return honest(asked)

    with answered_by(cloud, understanding(answer_of), judge=step == "judge", timeout_s=0.5):
        job, answer = cloud.ask(archive, QUESTION)
        over.set()

    state, to = {"compose": ("Compose Without Model", "extractive"), "judge": ("Verify Without Judge", "nobody")}[step]
    assert answer.status is AnswerStatus.ANSWERED
    assert answer.coverage.degraded == [Degradation(step=step, to=to, reason="unavailable")]
    assert state in entered(cloud.history(job.execution_arn))
    assert state in job.entered
    assert cloud.misquotes(answer) == []


def test_a_key_that_is_refused_leaves_the_answer_to_the_selection_of_sentences(cloud: Cloud, archive: str) -> None:
    refused = Answered({"error": {"code": "invalid_api_key"}}, 401)
    with answered_by(cloud, understanding(lambda asked, _: refused)) as endpoint:
        job, answer = cloud.ask(archive, QUESTION)
        calls = len(endpoint.requests)
        again = cloud.deployment.answer(cloud.deployment.wait(cloud.deployment.replay(job.job_id)))
        assert len(endpoint.requests) == calls

    assert answer.status is AnswerStatus.ANSWERED
    assert answer.coverage.degraded == [Degradation(step="compose", to="extractive", reason="rejected")]
    assert [claim.text for claim in answer.claims] == [FACT]
    assert again.text == answer.text


def test_what_the_judge_does_not_find_supported_is_removed_and_counted(cloud: Cloud, archive: str) -> None:
    def answer_of(asked: Asked, number: int) -> Any:
        told = honest(asked)
        for verdict in told.get("verdicts", []):
            verdict["verdict"] = "unsupported"
        return told

    with answered_by(cloud, understanding(answer_of), judge=True):
        _, answer = cloud.ask(archive, QUESTION)

    assert answer.status is AnswerStatus.ABSTAINED
    assert answer.coverage.claims_removed == {"judged_unsupported": 1}
    assert [line.state for line in answer.ledger] == ["Compose Answer", "Verify Claims"]
    assert answer.versions["model.judge"] == "openai/any-model"


def test_no_claims_are_an_abstention_and_without_evidence_no_model_is_asked(cloud: Cloud, archive: str) -> None:
    with answered_by(cloud, understanding(lambda asked, _: {"claims": []})) as endpoint:
        _, silent = cloud.ask(archive, QUESTION)
        _, nothing = cloud.ask(archive, "Which enzyme splits lactose in the gut of calves?")

    assert silent.status is nothing.status is AnswerStatus.ABSTAINED
    assert silent.coverage.degraded == []
    assert len(endpoint.requests) == 1


def test_sources_that_contradict_one_another_are_both_reported(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    cloud.ingest(archive_id, {"timetable.txt": FACT, "notice.txt": CONTRADICTION})

    def answer_of(asked: Asked, number: int) -> Any:
        told = honest(asked)
        return {"claims": [{**claim, "conflict": "pier"} for claim in told["claims"]]}

    with answered_by(cloud, understanding(answer_of)):
        _, written = cloud.ask(archive_id, QUESTION)
    _, selected = cloud.ask(archive_id, QUESTION)

    assert {claim.conflict for claim in written.claims} == {"pier"}
    for answer in (written, selected):
        assert len({citation.entry_id for citation in answer.citations}) == 2
        assert "pier seven" in answer.text
        assert "pier nine" in answer.text


def test_a_question_in_another_language_is_answered_in_it_with_quotes_as_they_stand(cloud: Cloud, archive: str) -> None:
    said = "Die Nachtfähre nach Selmere legt an Pier sieben ab."

    def answer_of(asked: Asked, number: int) -> Any:
        assert "in the language of the question" in asked.system
        told = honest(asked)
        return {"claims": [{**told["claims"][0], "text": said}]}

    with answered_by(cloud, understanding(answer_of)):
        _, answer = cloud.ask(archive, "Ab welchem Pier fährt die night ferry nach Selmere, pier seven?")

    assert [claim.text for claim in answer.claims] == [said]
    assert [citation.quote for citation in answer.citations] == [FACT]


def test_bedrock_is_asked_by_its_own_wire_and_waited_for(cloud: Cloud, archive: str) -> None:
    answers = [bedrock_error("InternalServerException", 500), converse(stop_reason="malformed_tool_use")]

    def answer_of(asked: Asked, number: int) -> Any:
        return answers[number] if number < len(answers) else honest(asked)

    with answered_by(cloud, understanding(answer_of), provider="bedrock") as endpoint:
        _, answer = cloud.ask(archive, QUESTION)

    assert answer.versions["model.compose"] == "bedrock/any-model"
    assert [claim.text for claim in answer.claims] == [f"It is written: {FACT}"]
    assert answer.ledger[-1].calls == 2  # the malformed answer and the next; the failed call gave none
    assert len(endpoint.requests) == 3


def test_a_replay_calls_no_model_and_says_the_same(cloud: Cloud, archive: str) -> None:
    with answered_by(cloud, understanding(lambda asked, _: honest(asked)), judge=True) as endpoint:
        job, answer = cloud.ask(archive, QUESTION)
        calls = len(endpoint.requests)
        _, replayed = cloud.ask(archive, QUESTION, replay_of=job.job_id)

    assert (calls, len(endpoint.requests)) == (2, 2)
    assert replayed.content_hash == answer.content_hash
    assert (replayed.text, replayed.claims, replayed.citations) == (answer.text, answer.claims, answer.citations)
    assert replayed.cost_usd == 0
