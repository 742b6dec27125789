"""Plan Retrieval: what is refused, and what is planned."""

from __future__ import annotations

import json

import pytest

from omnilake import aws, configuration, jobs, layout
from omnilake.answering import routing
from omnilake.answering.parts import PLAN, read_part
from omnilake.answering.planning import MAX_CANDIDATES, candidates, plan_retrieval
from omnilake.errors import (
    ArchiveNotFound,
    EmptyQuestion,
    InvalidRequest,
    QuestionTooLong,
    RequestError,
    RequestNotFound,
    StageFailed,
)
from omnilake.models import MAX_QUESTION_CHARACTERS, Archive, InformationRequest
from omnilake.retrieval import RetrievalPlan
from omnilake.settings import settings
from tests.unit.answering.any_answer import JOB, WordHashEmbedder, any_request


@pytest.fixture(autouse=True)
def retrievers(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNILAKE_RETRIEVER_FUNCTIONS", '{"vector": "arn:v:live", "full_text": "arn:f:live"}')
    settings.cache_clear()


def test_the_plan_holds_the_questions_vector_and_the_retrievers_of_the_deployment() -> None:
    request = any_request()
    planned = plan_retrieval(JOB)
    assert {(each.name, each.function) for each in planned.retrievers} == {
        ("vector", "arn:v:live"),
        ("full_text", "arn:f:live"),
    }
    plan = read_part(JOB, PLAN, RetrievalPlan)
    [vector] = plan.vectors.values()
    assert vector == pytest.approx(WordHashEmbedder().embed_query(request.question).tolist())
    assert plan.retrievers == ["full_text", "vector"]
    job = jobs.get(JOB)
    assert (list(job.entered), job.progress["retrievers"]) == (["Plan Retrieval", "Retrieve"], 2)


def test_nothing_of_the_question_is_in_what_the_state_returns() -> None:
    any_request("Where is the very secret lease kept?")
    assert "secret" not in plan_retrieval(JOB).model_dump_json()


@pytest.mark.parametrize(
    ("body", "error", "code"),
    [
        (b'{"archives": ["docs"], "question": ""}', EmptyQuestion, "QUESTION_EMPTY"),
        (b'{"archives": ["docs"], "question": " \\n?!... "}', EmptyQuestion, "QUESTION_EMPTY"),
        (b'{"archives": ["docs"], "question": "%s"}' % (b"x" * 50_000), QuestionTooLong, "QUESTION_TOO_LONG"),
        (b'{"archives": ["nowhere"], "question": "What?"}', ArchiveNotFound, "ARCHIVE_NOT_FOUND"),
        (b'{"question": "What?"}', InvalidRequest, "REQUEST_INVALID"),
        (b'{"archives": ["docs"], "question": "What?", "max_claims": 0}', InvalidRequest, "REQUEST_INVALID"),
        (b'{"archives": ["docs"], "question": "What?", "model": "x"}', InvalidRequest, "REQUEST_INVALID"),
        (b'{"archives": ["docs"], "question": ["private words"]}', InvalidRequest, "REQUEST_INVALID"),
        (b"not json", InvalidRequest, "REQUEST_INVALID"),
    ],
)
def test_a_request_that_can_not_be_answered_is_refused_with_its_code(
    body: bytes, error: type[RequestError], code: str
) -> None:
    any_request()
    aws.lake().write(layout.request(JOB), body)
    with pytest.raises(error) as refused:
        plan_retrieval(JOB)
    assert refused.value.code == code
    assert "private" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__cause__ is None


def test_the_longest_question_is_answered() -> None:
    any_request("lease " * (MAX_QUESTION_CHARACTERS // 6))
    assert plan_retrieval(JOB).retrievers


def test_a_job_without_a_request_is_refused() -> None:
    with pytest.raises(RequestNotFound):
        plan_retrieval("answer-docs-none")


def test_a_deployment_without_retrievers_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    any_request()
    monkeypatch.setenv("OMNILAKE_RETRIEVER_FUNCTIONS", "{}")
    settings.cache_clear()
    with pytest.raises(StageFailed, match="No retriever"):
        plan_retrieval(JOB)


@pytest.mark.parametrize(("limit", "expected"), [(1, 50), (24, 72), (1_000, MAX_CANDIDATES)])
def test_retrievers_are_asked_for_more_than_is_kept(limit: int, expected: int) -> None:
    assert candidates(InformationRequest(archives=["docs"], question="?", evidence_limit=limit)) == expected


def _configure(**fields: object) -> None:
    told = configuration.product("extractive").model_dump(mode="json") | fields
    aws.lake().write(layout.ANSWERING, json.dumps(told).encode())


def test_the_plan_says_why_its_retrievers_run(monkeypatch: pytest.MonkeyPatch) -> None:
    _configure(routes=[{"name": "words", "patterns": ["lease"], "retrievers": ["full_text"]}])
    any_request("How long does a lease last?")
    assert [each.name for each in plan_retrieval(JOB).retrievers] == ["full_text"]
    plan = read_part(JOB, PLAN, RetrievalPlan)
    assert [(each.retriever, each.chosen, each.by, each.detail) for each in plan.routes] == [
        ("full_text", True, "rule", "words"),
        ("vector", False, "rule", ""),
    ]


def test_examples_are_embedded_once_and_their_vectors_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    example = "Which lease is near the lock?"
    _configure(routes=[{"name": "near", "examples": [example], "retrievers": ["vector"]}], route_nearness=0.9)
    embedded: list[str] = []
    embed = WordHashEmbedder.embed_passages

    def counted(self: WordHashEmbedder, texts: list[str]) -> object:
        embedded.extend(texts)
        return embed(self, texts)

    monkeypatch.setattr(WordHashEmbedder, "embed_passages", counted)
    for _ in range(2):
        routing._vectors.cache_clear()  # another process
        any_request(example)
        assert [each.name for each in plan_retrieval(JOB).retrievers] == ["vector"]
    assert embedded == [example]


def test_a_question_that_is_near_no_example_goes_the_default_way() -> None:
    _configure(routes=[{"name": "near", "examples": ["lock"], "retrievers": ["vector"]}], route_nearness=0.9)
    any_request("Who pays?")
    assert [each.name for each in plan_retrieval(JOB).retrievers] == ["full_text", "vector"]
