"""Replays and forks: what of an earlier answer is taken over, for which requests, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from omnilake import aws, embedding, layout
from omnilake.answering import replay
from omnilake.answering.budgeting import plan_answer
from omnilake.answering.composition import compose_answer
from omnilake.answering.fusion import fuse_evidence, fused_evidence
from omnilake.answering.parts import (
    ANSWER,
    CONFIGURATION,
    FUSED,
    PLAN,
    read_configuration,
    read_part,
    read_request,
    write_part,
)
from omnilake.answering.planning import plan_retrieval
from omnilake.answering.publication import publish_answer
from omnilake.answering.verification import verify_claims
from omnilake.configuration import ModelConfig, product
from omnilake.errors import InvalidRequest, ReplayIncomplete
from omnilake.models import Answer, Archive, InformationRequest, RetrieverResult
from omnilake.retrieval import RetrievalPlan
from tests.unit.answering.any_answer import ARN, JOB, any_evidence, any_request, stored

AGAIN = "answer-docs-again"
TEXTS = ["A worker's lease lasts ninety seconds in all. The lease is renewed twice.", "Bread is baked hot in the oven."]


@pytest.fixture
def answered(archive: Archive) -> Answer:
    """An answer, with a text that a retriever made for it, under a configuration that is not in force any more."""
    any_request()
    old = product("extractive").model_copy(update={"inclusive_cap": 77})
    write_part(JOB, CONFIGURATION, old)
    aws.lake().write(layout.entry_text("entry", "v1"), stored(TEXTS).encode())
    aws.lake().write(layout.answer_material(JOB, "material-1", "v1"), b"a table")
    found = [RetrieverResult(retriever="vector", evidence=any_evidence(TEXTS))]
    write_part(JOB, FUSED, fused_evidence(found, limit=10, question="any", min_support=0.57))
    return _concluded(JOB)


def _concluded(job_id: str) -> Answer:
    plan_answer(job_id)
    compose_answer(job_id)
    verify_claims(job_id)
    publish_answer(job_id, ARN.replace(JOB, job_id))
    return read_part(job_id, ANSWER, Answer)


def _ask(**fields: Any) -> InformationRequest:
    """A request, without what Plan Retrieval would leave."""
    request = any_request(job_id=AGAIN, **fields)
    for part in (CONFIGURATION, PLAN):
        aws.lake().delete(layout.answer_part(AGAIN, part))
    return request


def test_a_replay_says_the_same_byte_for_byte_without_retrieval(
    answered: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ask(replay_of=JOB)
    with monkeypatch.context() as patched:
        patched.setattr(embedding, "provider_for", None)  # nothing is embedded to find evidence
        assert plan_retrieval(AGAIN).retrievers == []
        assert fuse_evidence(AGAIN).evidence == 2
    again = _concluded(AGAIN)
    assert again.content_hash == answered.content_hash
    assert (again.text, again.claims, again.citations) == (answered.text, answered.claims, answered.citations)
    assert (again.replay_of, again.job_id, again.routes) == (JOB, AGAIN, answered.routes)
    assert again.versions == answered.versions
    assert aws.lake().read(layout.answer_material(AGAIN, "material-1", "v1")) == b"a table"


def test_a_replay_goes_by_the_recorded_configuration_and_its_own_plan(answered: Answer) -> None:
    _ask(replay_of=JOB)
    plan_retrieval(AGAIN)
    assert read_configuration(AGAIN).inclusive_cap == 77
    assert read_part(AGAIN, PLAN, RetrievalPlan).job_id == AGAIN


def test_what_is_gone_of_the_documents_is_gone_from_the_replay(answered: Answer) -> None:
    aws.lake().delete(layout.entry_text("entry", "v1"))
    _ask(replay_of=JOB)
    plan_retrieval(AGAIN)
    again = _concluded(AGAIN)
    assert again.claims == []
    assert again.content_hash != answered.content_hash


def test_a_fork_takes_evidence_and_configuration_and_may_name_models_that_came_since(
    answered: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = product("extractive")
    models = now.models | {"new": ModelConfig(provider="extractive"), "extractive": ModelConfig(provider="bedrock")}
    aws.lake().write_model(layout.ANSWERING, now.model_copy(update={"models": models}))
    _ask(forked_from=JOB, providers={"compose": "new"}, style="steps", max_claims=1)
    assert plan_retrieval(AGAIN).retrievers == []
    configuration = read_configuration(AGAIN)
    assert configuration.inclusive_cap == 77
    assert configuration.models["new"].provider == "extractive"
    assert configuration.models["extractive"].provider == "extractive"
    assert fuse_evidence(AGAIN).evidence == 2


def test_a_fork_to_another_date_retrieves_anew(answered: Answer) -> None:
    request = _ask(forked_from=JOB, as_of="2026-01-01")
    assert not replay.takes_evidence(request)
    assert replay.configuration_for(request).inclusive_cap == 77


def test_a_fork_with_another_reranking_retrieves_anew(answered: Answer) -> None:
    assert not replay.takes_evidence(_ask(forked_from=JOB, providers={"rerank": "cohere"}))
    assert replay.takes_evidence(_ask(forked_from=JOB, providers={"compose": "new"}))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"question": "What else?"}, "question"),
        ({"archives": ["others"]}, "archives"),
        ({"tenant": {"business_id": "b2"}}, "tenant"),
        ({"filters": [{"field": "title", "value": "a"}]}, "filters"),
        ({"evidence_limit": 3}, "evidence_limit"),
    ],
)
@pytest.mark.parametrize("again", ["replay_of", "forked_from"])
def test_evidence_is_not_taken_over_for_who_asks_something_else(
    answered: Answer, again: str, changed: dict[str, Any], named: str
) -> None:
    request = _ask(**{again: JOB}, **changed)
    with pytest.raises(InvalidRequest, match=f"in: {named}"):
        replay.take_over(AGAIN, request)
    assert aws.lake().head(layout.answer_part(AGAIN, FUSED)) is None


def test_a_replay_changes_nothing_and_a_fork_may_change_how_it_is_answered(answered: Answer) -> None:
    request = _ask(replay_of=JOB, style="steps")
    with pytest.raises(InvalidRequest, match="in: style"):
        replay.take_over(AGAIN, request)
    replay.take_over(AGAIN, request.model_copy(update={"replay_of": "", "forked_from": JOB}))


def test_a_replay_of_a_replay_names_the_first(answered: Answer) -> None:
    any_request(job_id="answer-docs-second", replay_of=JOB)
    with pytest.raises(InvalidRequest) as refused:
        replay.take_over(AGAIN, _ask(replay_of="answer-docs-second"))
    assert JOB in refused.value.action


@pytest.mark.parametrize("missing", [FUSED, PLAN, CONFIGURATION, "request"])
def test_what_was_not_recorded_can_not_be_repeated(answered: Answer, missing: str) -> None:
    aws.lake().delete(layout.answer_part(JOB, missing))
    request = _ask(replay_of=JOB)
    with pytest.raises(ReplayIncomplete):
        plan_retrieval(AGAIN)
    assert read_request(AGAIN) == request


def test_a_configuration_of_another_version_of_the_product_can_not_be_repeated(answered: Answer) -> None:
    aws.lake().write(layout.answer_part(JOB, CONFIGURATION), b'{"models": {}, "since": "1.0"}')
    with pytest.raises(ReplayIncomplete, match="another version"):
        replay.configuration_for(_ask(replay_of=JOB))
