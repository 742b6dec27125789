"""``answer_request`` with a model that chooses the route: its verdict is one of the routes, or the defaults run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from embedded_cloud import Cloud, entered
from machines.answering_model import configured
from machines.conftest import FACT
from model_endpoint import Answered, Asked, Endpoint, completion, serving, understanding

from omnilake.models import Answer, AnswerStatus, Degradation

QUESTION = "From which pier does the night ferry to Selmere leave?"
DEFAULTS = {"full_text": "ok", "vector": "ok"}


@pytest.fixture(scope="module")
def archive(cloud: Cloud) -> str:
    """An archive that answers the question."""
    archive_id = cloud.archive()
    cloud.ingest(archive_id, {"timetable.txt": FACT})
    return archive_id


@contextmanager
def routed_by(answer: Callable[[Asked], Any], **model: Any) -> Iterator[Endpoint]:
    """A model chooses between two routes; sentences are selected."""
    with serving(understanding(lambda asked, _: answer(asked))) as endpoint:
        told = {"provider": "openai", "model": "any-model", "endpoint": f"{endpoint.url}/v1", "input_usd": 1.0, **model}
        routes = [
            {"name": "news", "description": "Asks for what is new.", "retrievers": ["recent"]},
            {"name": "departures", "description": "Asks for a departure.", "retrievers": ["full_text"]},
        ]
        with configured(
            models={"extractive": {"provider": "extractive"}, "router": told},
            steps={"route": "router", "map": "extractive", "compose": "extractive"},
            routes=routes,
            memo_days=0,
        ):
            yield endpoint


def defaulted(answer: Answer, reason: str) -> None:
    """The default retrievers answered, and the coverage names why."""
    assert answer.status is AnswerStatus.ANSWERED
    assert [claim.text for claim in answer.claims] == [FACT]
    assert answer.coverage.retrievers == DEFAULTS
    assert answer.coverage.degraded == [Degradation(step="route", to="default_retrievers", reason=reason)]


def test_the_model_that_is_asked_last_decides_by_a_label_and_is_paid(cloud: Cloud, archive: str) -> None:
    with routed_by(lambda _: {"route": "R2"}) as endpoint:
        _, answer = cloud.ask(archive, QUESTION)
        _, told = cloud.ask(archive, QUESTION, retrievers=["vector"])

    (request,) = endpoint.requests  # for the first question alone
    assert Asked.of(request).schema["properties"]["route"]["enum"] == ["R1", "R2", "none"]
    assert FACT not in str(request)  # it never sees documents
    assert answer.coverage.retrievers == {"full_text": "ok"}
    assert [(each.by, each.detail) for each in answer.routes if each.chosen] == [("model", "departures")]
    assert [(line.state, line.calls) for line in answer.ledger if line.provider == "openai"] == [("Plan Retrieval", 1)]
    assert answer.cost_usd == pytest.approx(100 / 1e6)
    assert [claim.text for claim in answer.claims] == [claim.text for claim in told.claims] == [FACT]


BAD: dict[str, tuple[Callable[[Asked], Any], str]] = {
    "invalid JSON": (lambda _: completion('{"route": '), "rejected"),
    "an invented route": (lambda _: {"route": "admin"}, "rejected"),
    "a further field": (lambda _: {"route": "R2", "retrievers": ["everything"]}, "rejected"),
    "nothing": (lambda _: completion(None), "rejected"),
    "a refusal": (lambda _: completion(None, refusal="I can't help with that."), "rejected"),
    "a refused key": (lambda _: Answered({"error": {"code": "invalid_api_key"}}, 401), "rejected"),
    "throttled": (lambda _: Answered({"error": {"code": "slow"}}, 429, {"Retry-After": "30"}), "throttled"),
    "broken": (lambda _: Answered({"error": {"code": "server_error"}}, 500), "unavailable"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_model_without_a_verdict_leaves_the_default_retrievers(cloud: Cloud, archive: str, kind: str) -> None:
    told, reason = BAD[kind]
    with routed_by(told):
        job, answer = cloud.ask(archive, QUESTION)

    defaulted(answer, reason)
    assert "Await Quota" not in entered(cloud.history(job.execution_arn))  # nothing is waited for


@pytest.mark.parametrize("budget", [{"max_cost": 0}, {"max_tokens": 0}])
def test_a_budget_of_zero_asks_no_model_for_the_route(cloud: Cloud, archive: str, budget: dict[str, Any]) -> None:
    with routed_by(lambda _: {"route": "R2"}) as endpoint:
        _, answer = cloud.ask(archive, QUESTION, **budget)

    assert endpoint.requests == []
    defaulted(answer, "budget")
    assert answer.cost_usd == 0
