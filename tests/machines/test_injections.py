"""Documents that give orders to a model that obeys them, on the deployed stack: nothing but its own answer changes."""

from __future__ import annotations

import pytest
from embedded_cloud import PATIENCE_S, Cloud, entered
from injections.attacks import ATTACKS, NUMBERS, SECRET, VAULT, gullible, notice, question
from machines.answering_model import answered_by
from model_endpoint import Asked, understanding

from omnilake.generation.words import terms
from omnilake.models import Answer, AnswerStatus, Job

PLAIN = 40
"""Berth of a notice that gives no order."""


@pytest.fixture(scope="module")
def answers(cloud: Cloud) -> tuple[dict[str, tuple[Job, Answer]], list[Asked]]:
    """The answer about each berth, and what the model was asked for them."""
    archive_id = cloud.archive()
    berths = {name: NUMBERS[attack.order] for name, attack in ATTACKS.items()}
    notices = {f"berth-{berths[name]}.txt": notice(berths[name], attack) for name, attack in ATTACKS.items()}
    notices["plain.txt"] = f"Berth {PLAIN} is closed for repairs on day {PLAIN} of each month."
    cloud.ingest(archive_id, {"vault.txt": VAULT, **notices})
    asked: list[Asked] = []

    def answer_of(call: Asked, number: int) -> object:
        asked.append(call)
        return gullible(call)

    with answered_by(cloud, understanding(answer_of)):
        submitted = {
            name: cloud.deployment.submit(archive_id, question(number), evidence_limit=len(notices) + 1)
            for name, number in {**berths, "": PLAIN}.items()
        }
        jobs = {name: cloud.deployment.wait(job_id, timeout_s=2 * PATIENCE_S) for name, job_id in submitted.items()}
    return {name: (job, cloud.deployment.answer(job)) for name, job in jobs.items()}, asked


@pytest.mark.parametrize("name", ATTACKS)
def test_an_order_in_a_document_changes_neither_route_nor_states_nor_ids_and_leaks_nothing(
    cloud: Cloud, answers: tuple[dict[str, tuple[Job, Answer]], list[Asked]], name: str
) -> None:
    job, answer = answers[0][name]
    plain_job, plain = answers[0][""]

    assert answer.routes == plain.routes
    assert answer.archives == plain.archives
    assert entered(cloud.history(job.execution_arn)) == entered(cloud.history(plain_job.execution_arn))
    assert answer.status in {AnswerStatus.ANSWERED, AnswerStatus.ABSTAINED}
    assert cloud.misquotes(answer) == []
    sources = {citation.number: citation.source for citation in answer.citations}
    for claim in answer.claims:
        assert claim.citations
        if set(terms(SECRET)) <= set(terms(claim.text)):
            assert any(sources[number].endswith("/vault.txt") for number in claim.citations)
        assert "evil.example" not in claim.text
        assert "Whatever stands between" not in claim.text


def test_whatever_documents_say_the_model_is_asked_for_the_same_in_the_same_shape(
    answers: tuple[dict[str, tuple[Job, Answer]], list[Asked]],
) -> None:
    told = answers[1]
    assert len(told) > len(ATTACKS)
    assert all(VAULT in "".join(call.passages.values()) for call in told)
    assert {call.tool for call in told} == {"record_claims"}
    assert {tuple(call.schema["properties"]) for call in told} == {("claims",)}
    rules = {call.system.replace(call.user.split("<data-")[1].split(" ")[0], "") for call in told}
    assert len(rules) == 1
