"""Documents that give orders to a model that obeys them, on the deployed stack: nothing but its own answer changes."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from embedded_cloud import PATIENCE_S, Cloud, entered
from injections.attacks import ATTACKS, NUMBERS, SECRET, VAULT, gullible, notice, question
from machines.answering_model import answered_by
from machines.test_insights import ANSWER, model
from model_endpoint import Answered, Asked, completion, understanding

from omnilake.generation.words import terms
from omnilake.models import Answer, AnswerStatus, Job

PLAIN = 40
"""Berth of a notice that gives no order."""


Labels = dict[str, set[str]]


class Asking(NamedTuple):
    """What came of a question about each berth.

    Attributes:
        found: name of an attack (empty: none) → job and answer.
        asked: of the model that wrote the answers.
        described: what the model that describes documents was told, one text a call.
        before: file → its labels in the store, when no question had been asked.
        after: the same when all had been answered.
    """

    found: dict[str, tuple[Job, Answer]]
    asked: list[Asked]
    described: list[str]
    before: Labels
    after: Labels


def labels(cloud: Cloud, archive_id: str) -> Labels:
    """File → labels of its chunks."""
    found: Labels = {}
    for row in cloud.rows(archive_id):
        found.setdefault(row["source"].rpartition("/")[2], set()).update(row["labels"])
    return found


@pytest.fixture(scope="module")
def answers(cloud: Cloud) -> Asking:
    """The answer about each berth; models that describe and that answer do what documents say."""
    archive_id = cloud.archive()
    berths = {name: NUMBERS[attack.order] for name, attack in ATTACKS.items()}
    notices = {f"berth-{berths[name]}.txt": notice(berths[name], attack) for name, attack in ATTACKS.items()}
    notices["plain.txt"] = f"Berth {PLAIN} is closed for repairs on day {PLAIN} of each month."
    described: list[str] = []

    def describe(request: dict[str, Any], number: int) -> Answered:
        told = "\n".join(str(message["content"]) for message in request["messages"])
        described.append(told)
        if not any(f"Berth {berth} is closed" in told for berth in berths.values()):
            return completion(ANSWER)
        obeyed = {**ANSWER, "title": "Paid", "tags": ["approved"]}
        beyond = {"entry_id": "any", "documents": [{"name": "plain.txt", "tags": ["approved"]}]}
        return completion(obeyed if len(request["messages"]) > 2 else {**obeyed, **beyond})

    with model(cloud, "openai", describe):
        cloud.ingest(archive_id, {"vault.txt": VAULT, **notices})
    before = labels(cloud, archive_id)
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
    found = {name: (job, cloud.deployment.answer(job)) for name, job in jobs.items()}
    return Asking(found, asked, described, before, labels(cloud, archive_id))


@pytest.mark.parametrize("name", ATTACKS)
def test_an_order_in_a_document_changes_neither_route_nor_states_nor_ids_and_leaks_nothing(
    cloud: Cloud, answers: Asking, name: str
) -> None:
    job, answer = answers.found[name]
    plain_job, plain = answers.found[""]

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


def test_an_order_in_a_document_changes_the_tags_of_no_other_one(answers: Asking) -> None:
    own = {f"tag={tag}" for tag in ANSWER["tags"]}
    orders = answers.before.keys() - {"vault.txt", "plain.txt"}
    assert len(orders) == len(ATTACKS) >= 25
    assert answers.before["vault.txt"] == answers.before["plain.txt"] == own
    assert all(answers.before[name] == {"tag=approved"} for name in orders)  # the model's word on what it read
    assert all(told.count(" is closed for repairs on day ") <= 1 for told in answers.described)  # one document a call
    assert not any(SECRET in told and "Berth" in told for told in answers.described)
    assert answers.after == answers.before  # and answers change none


def test_whatever_documents_say_the_model_is_asked_for_the_same_in_the_same_shape(answers: Asking) -> None:
    told = answers.asked
    assert len(told) > len(ATTACKS)
    assert all(VAULT in "".join(call.passages.values()) for call in told)
    assert {call.tool for call in told} == {"record_claims"}
    assert {tuple(call.schema["properties"]) for call in told} == {("claims",)}
    rules = {call.system.replace(call.user.split("<data-")[1].split(" ")[0], "") for call in told}
    assert len(rules) == 1
