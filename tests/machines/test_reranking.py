"""``answer_request`` with a rerank model: it orders what is read; where it fails, the fused order stays and is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from embedded_cloud import Cloud, entered
from machines.conftest import FACT
from model_endpoint import Answered, Endpoint, Script, always, serving

from omnilake import aws, layout
from omnilake.models import Answer, AnswerStatus, Degradation, Job

QUESTION = "From which pier does the night ferry to Selmere leave?"
KIOSK = "The kiosk at the pier sells tickets for the night ferry to Selmere until nine."


@pytest.fixture(scope="module")
def archive(cloud: Cloud) -> str:
    """An archive that answers the question, with something to put in order."""
    archive_id = cloud.archive()
    cloud.ingest(archive_id, {"timetable.txt": FACT, "kiosk.txt": KIOSK})
    return archive_id


@contextmanager
def reranked_by(script: Script | None, name: str = "reranker") -> Iterator[Endpoint]:
    """A rerank model of a name that answers by a script; None: nothing listens at its address."""
    with serving(script or always()) as endpoint:
        reranker = {"provider": "cohere", "model": "any-model", "endpoint": endpoint.url, "call_usd": 0.002}
        models = {"extractive": {"provider": "extractive"}, name: reranker}
        steps = {"map": "extractive", "compose": "extractive", "rerank": name}
        if script is None:
            endpoint.close()
        aws.lake().write(layout.ANSWERING, json.dumps({"models": models, "steps": steps, "memo_days": 0}).encode())
        try:
            yield endpoint
        finally:
            aws.lake().delete(layout.ANSWERING)


def preferring(words: str) -> Script:
    """Cohere's answer: the texts that hold these words first."""

    def script(request: dict[str, Any], _: int) -> Answered:
        scores = [float(words in text) for text in request["documents"]]
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        return Answered({"results": [{"index": each, "relevance_score": scores[each]} for each in order]})

    return script


def read_first(job: Job) -> str:
    """The best chunk of the evidence that the answer was made from."""
    fused = json.loads(aws.lake().read(layout.answer_part(job.job_id, "fused")))
    return str(fused["evidence"][0]["chunk"]["text"])


@pytest.fixture(scope="module")
def usual(cloud: Cloud, archive: str) -> Answer:
    """The answer without a rerank model."""
    return cloud.ask(archive, QUESTION)[1]


@pytest.mark.parametrize("words", ["half past nine", "kiosk"])
def test_the_model_orders_what_is_read_and_is_paid(cloud: Cloud, archive: str, words: str) -> None:
    with reranked_by(preferring(words)) as endpoint:
        job, answer = cloud.ask(archive, QUESTION)

    assert words in read_first(job)
    assert answer.coverage.degraded == []
    assert answer.versions["model.rerank"] == "cohere/any-model"
    assert [(line.calls, line.cost_usd) for line in answer.ledger if line.provider == "cohere"] == [(1, 0.002)]
    (request,) = endpoint.requests
    assert request["query"] == QUESTION


FAULTS: dict[str, tuple[Script | None, str]] = {
    "nothing listens": (None, "unavailable"),
    "it fails": (always(Answered({"message": "internal"}, 500)), "unavailable"),
    "it throttles": (always(Answered({"message": "slow down"}, 429, {"Retry-After": "30"})), "throttled"),
    "it refuses the key": (always(Answered({"message": "invalid api token"}, 401)), "rejected"),
    "no JSON": (always(Answered(b"<html>")), "unavailable"),
    "too few scores": (always(Answered({"results": [{"index": 0, "relevance_score": 0.5}]})), "unavailable"),
    "a place that there is not": (
        always(Answered({"results": [{"index": 77, "relevance_score": 0.5}, {"index": 0, "relevance_score": 0.4}]})),
        "unavailable",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_that_fails_costs_its_order_and_the_coverage_says_so(
    cloud: Cloud, archive: str, usual: Answer, fault: str
) -> None:
    script, reason = FAULTS[fault]
    with reranked_by(script):
        job, answer = cloud.ask(archive, QUESTION)

    assert answer.status is AnswerStatus.ANSWERED
    assert answer.coverage.degraded == [Degradation(step="rerank", to="fused order", reason=reason)]
    assert (answer.text, answer.claims) == (usual.text, usual.claims)
    assert answer.cost_usd == 0
    assert cloud.misquotes(answer) == []
    assert entered(cloud.history(job.execution_arn)).count("Fuse Evidence") == 1  # nothing is waited for


def test_a_fork_with_another_rerank_model_retrieves_again_and_one_without_keeps_the_order(
    cloud: Cloud, archive: str
) -> None:
    with reranked_by(preferring("half past nine")):
        first, answer = cloud.ask(archive, QUESTION)
    with reranked_by(preferring("kiosk"), name="other") as endpoint:
        other = cloud.deployment.wait(cloud.deployment.fork(first.job_id, providers={"rerank": "other"}))
        kept = cloud.deployment.wait(cloud.deployment.fork(first.job_id, style="detailed"))
        calls = len(endpoint.requests)
    reranked = cloud.deployment.answer(other)

    assert "half past nine" in read_first(first)
    assert "kiosk" in read_first(other)
    assert "Run Retriever" in entered(cloud.history(other.execution_arn))
    assert (reranked.forked_from, reranked.versions["model.rerank"]) == (first.job_id, "cohere/any-model")
    assert [line.cost_usd for line in reranked.ledger if line.provider == "cohere"] == [0.002]
    assert answer.versions["configuration"] != reranked.versions["configuration"]  # a model has come
    assert "half past nine" in read_first(kept)
    assert "Run Retriever" not in entered(cloud.history(kept.execution_arn))
    assert calls == 1
