"""The answer with its citations, or the abstention with its reasons."""

from __future__ import annotations

import json
from typing import Any

import pytest

from omnilake import aws, jobs, layout
from omnilake.answering.budgeting import plan_answer
from omnilake.answering.comparison import content_hash
from omnilake.answering.composition import compose_answer
from omnilake.answering.failure import innermost, record_failure
from omnilake.answering.fusion import fused_evidence
from omnilake.answering.parts import ANSWER, COMPOSED, FUSED, ComposedClaims, read_part, write_part
from omnilake.answering.publication import NO_CLAIM, NO_VERIFIED_CLAIM, cite, console_link, publish_answer
from omnilake.answering.rendering import render
from omnilake.answering.verification import verify_claims
from omnilake.errors import EmptyQuestion, StageFailed
from omnilake.generation.prompts import AssembledPrompt
from omnilake.models import (
    Answer,
    AnswerClaim,
    AnswerStatus,
    Archive,
    Claim,
    Deliverable,
    JobStatus,
    Quote,
    RetrieverResult,
)
from tests.unit.answering.any_answer import ARN, JOB, any_evidence, any_request, stored

TEXTS = ["A worker's lease lasts ninety seconds in all. The lease is renewed twice.", "Bread is baked hot in the oven."]
Published = list[tuple[str, dict[str, Any]]]


def _answered(texts: list[str], similarity: float = 0.8, stored_texts: list[str] | None = None) -> Answer:
    """The answer that the stages after retrieval come to."""
    any_request()
    aws.lake().write(layout.entry_text("entry", "v1"), stored(stored_texts or texts).encode())
    found = [RetrieverResult(retriever="vector", evidence=any_evidence(texts, similarity=similarity))]
    fused = fused_evidence(found, limit=10, question="any", min_support=0.57)
    write_part(JOB, FUSED, fused)
    if fused.evidence:
        plan_answer(JOB)
        compose_answer(JOB)
        verify_claims(JOB)
    publish_answer(JOB, ARN)
    return read_part(JOB, ANSWER, Answer)


def test_an_answer_cites_every_claim_and_says_what_it_took(archive: Archive, published: Published) -> None:
    answer = _answered(TEXTS)
    assert answer.status == AnswerStatus.ANSWERED
    assert answer.text.splitlines()[0] == "A worker's lease lasts ninety seconds in all. [1]"
    text = stored(TEXTS)
    for claim in answer.claims:
        assert [text[answer.citations[n - 1].start : answer.citations[n - 1].end] for n in claim.citations] == [
            claim.text
        ]
    assert (answer.reasons, answer.nearest) == ([], [])
    assert [line.state for line in answer.ledger] == ["Compose Answer"]
    assert answer.cost_usd == 0
    assert set(answer.versions) == {
        "product",
        "configuration",
        "embedding_space.docs",
        "store.docs",
        "model.compose",
        "prompt.compose",
    }
    assert [(route.retriever, route.by) for route in answer.routes] == [("vector", "default")]
    assert answer.coverage.chunks_read == 2
    assert answer.coverage.claims_found == len(answer.claims)
    job = jobs.get(JOB)
    assert (job.status, job.result_key) == (JobStatus.COMPLETED, layout.answer_part(JOB, "answer"))
    assert published[0][0] == "Answer Published"
    assert "lease" not in str(published)


def test_far_evidence_abstains_with_its_reason_and_the_nearest(archive: Archive, published: Published) -> None:
    answer = _answered(TEXTS, similarity=0.1)
    assert answer.status == AnswerStatus.ABSTAINED
    assert (answer.claims, answer.citations) == ([], [])
    assert "0.10" in answer.reasons[0]
    assert answer.nearest[0].similarity == 0.1
    assert jobs.get(JOB).status == JobStatus.COMPLETED
    assert published[0][0] == "Answer Abstained"


def test_evidence_that_says_nothing_to_the_question_abstains(archive: Archive) -> None:
    answer = _answered(TEXTS[1:])
    assert (answer.status, answer.reasons) == (AnswerStatus.ABSTAINED, [NO_CLAIM])
    assert answer.nearest


def test_claims_that_can_not_be_verified_abstain(archive: Archive) -> None:
    answer = _answered(
        TEXTS, stored_texts=[text.replace("ninety", "twelve").replace("twice", "often") for text in TEXTS]
    )
    assert (answer.status, answer.reasons) == (AnswerStatus.ABSTAINED, [NO_VERIFIED_CLAIM])
    assert answer.coverage.claims_removed == {
        "quote_not_found": read_part(JOB, COMPOSED, ComposedClaims).coverage.claims_found
    }


def test_publishing_again_leaves_the_same_answer(archive: Archive) -> None:
    first = _answered(TEXTS)
    publish_answer(JOB, ARN)
    again = read_part(JOB, ANSWER, Answer)
    assert again.model_copy(update={"created_at": first.created_at}) == first


def test_a_span_that_two_claims_share_has_one_number() -> None:
    chunks = {each.chunk.chunk_id: each.chunk for each in any_evidence(TEXTS)}

    def quote(start: int, end: int) -> Quote:
        return Quote(chunk_id="entry-0", entry_id="entry", version="v1", start=start, end=end, text=TEXTS[0][start:end])

    claims, citations = cite(
        [Claim(text="a", quotes=[quote(0, 9), quote(10, 15)]), Claim(text="b", quotes=[quote(0, 9)], conflict="x")],
        chunks,
        job_id="answer-1",
        landing_bucket="landing",
        lake_bucket="lake",
    )
    assert [claim.conflict for claim in claims] == ["", "x"]
    assert {each.url for each in citations} == {"s3://landing/entry#char=0,9", "s3://landing/entry#char=10,15"}
    assert [claim.citations for claim in claims] == [[1, 2], [1]]
    assert [(each.number, each.start) for each in citations] == [(1, 0), (2, 10)]


def test_claims_that_contradict_stand_together_below_a_line_that_says_so() -> None:
    def claim(text: str, number: int, conflict: str = "") -> AnswerClaim:
        return AnswerClaim(text=text, citations=[number], score=1, conflict=conflict)

    claims = [claim("It lasts 90 s.", 1, "length"), claim("It is renewed.", 2), claim("It lasts 60 s.", 3, "length")]
    assert render(claims).splitlines() == [
        "The sources contradict one another (length):",
        "- It lasts 90 s. [1]",
        "- It lasts 60 s. [3]",
        "It is renewed. [2]",
    ]
    assert render(claims[:2]) == "It lasts 90 s. [1]\nIt is renewed. [2]"  # what it contradicted fell in verification


@pytest.mark.parametrize(
    ("deliver", "similarity", "status", "event"),
    [
        (Deliverable.PROMPT, 0.8, AnswerStatus.PROMPT, "Prompt Published"),
        (Deliverable.QUOTE, 0.8, AnswerStatus.QUOTED, "Quote Published"),
        (Deliverable.PROMPT, 0.1, AnswerStatus.ABSTAINED, "Answer Abstained"),
        (Deliverable.QUOTE, 0.1, AnswerStatus.ABSTAINED, "Answer Abstained"),
    ],
)
def test_what_was_asked_for_is_delivered_where_there_is_evidence(
    archive: Archive,
    published: Published,
    deliver: Deliverable,
    similarity: float,
    status: AnswerStatus,
    event: str,
) -> None:
    any_request(deliver=deliver.value)
    found = [RetrieverResult(retriever="vector", evidence=any_evidence(TEXTS, similarity=similarity))]
    write_part(JOB, FUSED, fused_evidence(found, limit=10, question="any", min_support=0.57))
    assert publish_answer(JOB, ARN).status == status
    answer = read_part(JOB, ANSWER, Answer)
    assert (answer.status, answer.claims, bool(answer.reasons)) == (status, [], status is AnswerStatus.ABSTAINED)
    assert published[0][0] == event
    if status is not AnswerStatus.PROMPT:
        assert answer.prompt_key == ""
        return
    prompt = aws.lake().read_model(answer.prompt_key, AssembledPrompt)
    assert [passage.chunk_id for passage in prompt.passages] == ["entry-0", "entry-1"]
    assert all(text in prompt.user for text in TEXTS)


def test_the_job_says_that_it_was_published_and_what_it_says_has_a_hash(archive: Archive) -> None:
    answer = _answered(TEXTS)
    assert "Publish Answer" in jobs.get(JOB).entered
    assert answer.content_hash == content_hash(answer)
    assert len(answer.content_hash) == 64


def test_the_console_link_names_the_execution() -> None:
    assert console_link(ARN).startswith("https://us-east-1.console.aws.amazon.com/states/")
    assert console_link(ARN).endswith(ARN)


EMPTY = {"errorType": "EmptyQuestion", "errorMessage": str(EmptyQuestion("The question has no letter and no digit."))}
ALL_FAILED = {"errorType": "StageFailed", "errorMessage": str(StageFailed("Every group of the compaction failed."))}
NESTED = {
    "Status": "FAILED",
    "Error": "CompactionFailed",
    "Cause": json.dumps({"error": "StageFailed", "cause": json.dumps(ALL_FAILED)}),
}


@pytest.mark.parametrize(
    ("error", "cause", "code", "message"),
    [
        ("EmptyQuestion", json.dumps(EMPTY), "QUESTION_EMPTY", "The question has no letter and no digit."),
        ("States.Timeout", "", "STATES_TIMEOUT", "The state ended with States.Timeout."),
        ("KeyError", '{"errorMessage": "private words"}', "KEY_ERROR", "The state ended with KeyError."),
        ("States.TaskFailed", json.dumps(NESTED), "STAGE_FAILED", "Every group of the compaction failed."),
        ("States.TaskFailed", "no json", "STATES_TASK_FAILED", "The state ended with States.TaskFailed."),
    ],
)
def test_a_failure_is_recorded_with_its_stable_code(
    archive: Archive, published: Published, error: str, cause: str, code: str, message: str
) -> None:
    any_request("What are the private words?")
    jobs.enter(JOB, jobs.get(JOB).kind, "Plan Retrieval")
    assert record_failure(JOB, error, cause).error_code == code
    job = jobs.get(JOB)
    assert job.status == JobStatus.FAILED
    assert job.error is not None
    assert (job.error.code, job.error.message, job.state) == (code, message, "Plan Retrieval")
    assert b"private words" in aws.lake().read(layout.failed_request(JOB))
    assert published == [("Request Failed", {"job_id": JOB, "error_code": code, "state": "Plan Retrieval"})]


def test_a_failure_without_a_request_or_a_job_is_still_recorded(archive: Archive) -> None:
    assert record_failure("answer-docs-none", "RequestNotFound", "").error_code == "REQUEST_NOT_FOUND"
    assert aws.lake().head(layout.failed_request("answer-docs-none")) is not None


def test_a_cause_that_nests_for_ever_ends() -> None:
    assert innermost("States.TaskFailed", '{"Error": "States.TaskFailed", "Cause": ""}') == ("States.TaskFailed", "")
