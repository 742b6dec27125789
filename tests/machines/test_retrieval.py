"""Modes, filters, tenants and dates of a request, on the deployed state machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from embedded_cloud import Cloud

from omnilake.client.uploading import Upload
from omnilake.clock import now
from omnilake.models import AnswerStatus

FERRIES = {
    "acme/selmere.txt": "The night ferry to Selmere leaves from pier seven at half past nine.",
    "acme/lorne.txt": "The night ferry to Lorne leaves from pier two at a quarter to ten.",
    "bolt/arran.txt": "The night ferry to Arran leaves from pier nine at eleven o'clock.",
}
QUESTION = "From which pier does the night ferry leave?"


@pytest.fixture(scope="module")
def ferries(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An archive with documents of two tenants."""
    archive_id, since = cloud.archive(), now()
    scratch: Path = tmp_path_factory.mktemp("ferries")
    uploads = []
    for name, text in FERRIES.items():
        path = scratch / name.replace("/", "-")
        path.write_text(text)
        uploads.append(Upload(path, name, {"business_id": name.split("/")[0]}))
    cloud.deployment.upload(archive_id, uploads)
    for outcomes in cloud.deployment.follow_ingestion(archive_id, FERRIES, since):
        assert {each["status"] for each in outcomes.values()} <= {"COMPLETED"}
    return archive_id


def cited(cloud: Cloud, archive_id: str, question: str = QUESTION, **options: object) -> set[str]:
    """Names of the documents that an answer cites, which must be sound."""
    _, answer = cloud.ask(archive_id, question, **options)
    assert cloud.misquotes(answer) == []
    assert " v" in answer.versions[f"store.{archive_id}"]
    return {each.source.partition(f"/{archive_id}/")[2] for each in answer.citations}


def test_a_tenant_is_answered_from_its_own_documents_alone(cloud: Cloud, ferries: str) -> None:
    assert cited(cloud, ferries, tenant={"business_id": "bolt"}) == {"bolt/arran.txt"}
    assert cited(cloud, ferries, tenant={"business_id": "acme"}) == {"acme/selmere.txt", "acme/lorne.txt"}
    _, answer = cloud.ask(ferries, QUESTION, tenant={"business_id": "acm"})
    assert answer.status is AnswerStatus.ABSTAINED
    assert answer.nearest == []  # nor does an abstention show what is of others


def test_filters_confine_and_a_field_that_is_not_known_fails_the_request(cloud: Cloud, ferries: str) -> None:
    lorne = [{"field": "metadata.business_id", "value": "acme"}, {"field": "title", "value": "lorne"}]
    assert cited(cloud, ferries, filters=lorne) == {"acme/lorne.txt"}
    job = cloud.failed_request(ferries, QUESTION, filters=[{"field": "colour", "value": "red"}])
    assert job.error is not None
    assert (job.error.code, job.state) == ("REQUEST_INVALID", "Plan Retrieval")


def test_an_inclusive_request_reads_all_and_a_related_one_what_was_cited(cloud: Cloud, ferries: str) -> None:
    _, everything = cloud.ask(ferries, QUESTION, mode="INCLUSIVE")
    assert everything.coverage.retrievers == {"everything": "ok"}
    assert everything.coverage.chunks_read == len(FERRIES)
    job, first = cloud.ask(ferries, QUESTION, tenant={"business_id": "bolt"})
    assert first.status is AnswerStatus.ANSWERED
    assert cited(cloud, ferries, mode="RELATED", related_to=job.job_id) == {"bolt/arran.txt"}


def test_a_document_that_is_named_is_found(cloud: Cloud, ferries: str) -> None:
    named = cited(cloud, ferries, "From which pier does the ferry of arran.txt leave?", retrievers=["exact"])
    assert named == {"bolt/arran.txt"}
    assert len(cited(cloud, ferries, retrievers=["recent"])) > 1


def test_a_date_before_everything_abstains_and_a_version_that_is_gone_is_refused(cloud: Cloud, ferries: str) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert cited(cloud, ferries, as_of=tomorrow, tenant={"business_id": "bolt"}) == {"bolt/arran.txt"}
    _, before = cloud.ask(ferries, QUESTION, as_of="2001-01-01")
    assert before.status is AnswerStatus.ABSTAINED
    job = cloud.failed_request(ferries, QUESTION, as_of="v999999")
    assert job.error is not None
    assert job.error.code == "AS_OF_UNAVAILABLE"
