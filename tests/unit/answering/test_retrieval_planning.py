"""Plan Retrieval: what is refused, and what is planned."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from omnilake import aws, configuration, embedding, jobs, layout
from omnilake.answering import routing
from omnilake.answering.parts import PLAN, read_part
from omnilake.answering.planning import MAX_CANDIDATES, candidates, plan_retrieval
from omnilake.errors import (
    ArchiveNotFound,
    EmptyQuestion,
    GenerationRejected,
    InvalidRequest,
    ProviderRejected,
    QuestionTooLong,
    RateLimited,
    RequestError,
    RequestNotFound,
    StageFailed,
    TransientError,
)
from omnilake.generation import Usage
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


class _Asked:
    """A model that gives one answer, or fails."""

    name, model, output_tokens = "any", "any-1", 100

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def ask(self, told: object, shape: object, check: Callable[[object], str]) -> tuple[str, Usage]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return check(self._answer), Usage(calls=1, input_tokens=7)


def _routed_by_a_model(monkeypatch: pytest.MonkeyPatch, answer: object, **request: object) -> RetrievalPlan:
    _configure(
        models={"small": {"provider": "openai", "model": "any-1", "input_usd": 1.0}},
        steps={"route": "small", "map": "small", "compose": "small"},
        routes=[{"name": "words", "description": "Asks for words.", "retrievers": ["full_text"]}],
    )
    monkeypatch.setattr(routing, "asked_model", lambda *_: _Asked(answer))
    any_request("Who pays?", **request)
    plan_retrieval(JOB)
    return read_part(JOB, PLAN, RetrievalPlan)


@pytest.mark.parametrize("budget", [{"max_cost": 0}, {"max_cost": 1e-5}, {"max_tokens": 100}])
def test_a_model_that_the_budget_does_not_hold_chooses_nothing(
    monkeypatch: pytest.MonkeyPatch, budget: dict[str, object]
) -> None:
    plan = _routed_by_a_model(monkeypatch, AssertionError("It was asked."), **budget)
    assert plan.retrievers == ["full_text", "vector"]
    assert [(each.step, each.to, each.reason) for each in plan.degraded] == [("route", "default_retrievers", "budget")]
    assert plan.ledger == []


def test_a_budget_that_holds_the_model_lets_it_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _routed_by_a_model(monkeypatch, {"route": "R1"}, max_cost=0.001, max_tokens=1_000).degraded == []


def test_a_question_that_is_embedded_for_money_stands_in_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "price_of", lambda _: 20.0)
    any_request("Who pays?")
    plan_retrieval(JOB)
    (line,) = read_part(JOB, PLAN, RetrievalPlan).ledger
    assert (line.state, line.model, line.calls, line.input_tokens) == ("Plan Retrieval", "any", 1, 3)
    assert line.cost_usd == pytest.approx(3 * 20 / 1e6)


def test_a_model_chooses_where_no_rule_and_no_example_does(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _routed_by_a_model(monkeypatch, {"route": "R1"})
    assert plan.retrievers == ["full_text"]
    assert {each.by for each in plan.routes} == {"model"}
    assert [(line.state, line.calls, line.input_tokens) for line in plan.ledger] == [("Plan Retrieval", 1, 7)]
    assert plan.degraded == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RateLimited.after(60, "any"), "throttled"),
        (TransientError("No answer."), "unavailable"),
        (ProviderRejected("Refused."), "rejected"),
        (GenerationRejected("No route.", calls=2), "rejected"),
    ],
)
def test_without_the_models_verdict_the_default_retrievers_run_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    plan = _routed_by_a_model(monkeypatch, error)
    assert plan.retrievers == ["full_text", "vector"]
    assert [(each.step, each.to, each.reason) for each in plan.degraded] == [("route", "default_retrievers", reason)]
    assert plan.ledger[0].calls == (2 if isinstance(error, GenerationRejected) else 0)
