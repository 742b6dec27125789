"""Modes, filters, tenants and dates of a request, on the deployed state machine."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from embedded_cloud import Cloud, unique
from machines.answering_model import configured

from omnilake import aws, layout
from omnilake.answering.comparison import compare
from omnilake.client.uploading import Upload
from omnilake.clock import now
from omnilake.models import AnswerStatus, Coverage, Job

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


def test_an_inclusive_request_takes_the_best_tag_matches_first_up_to_its_cap(cloud: Cloud) -> None:
    archive_id = unique()
    cloud.deployment.create_archive(archive_id, tag_hints=["Ferry", "Winter"])
    documents = {
        "both.txt": "The ferry of the winter: in winter the ferry to Arran carries coal and mail.",
        "one.txt": "The ferry of the mail: the ferry to Selmere carries mail and passengers.",
        "none.txt": "The kiosk sells coffee. Which cargo does the boat carry in the cold months? Nobody asks.",
        "none-either.txt": "Which cargo is carried is told by the harbour office on the second floor.",
    }
    cloud.ingest(archive_id, dict(documents))
    held = {
        row["source"].rpartition("/")[2]: {*row["labels"]} & {"tag=ferry", "tag=winter"}
        for row in cloud.rows(archive_id)
    }
    assert {name: len(tags) for name, tags in held.items()} == {
        "both.txt": 2, "one.txt": 1, "none.txt": 0, "none-either.txt": 0,
    }  # fmt: skip
    question = "Which cargo does the boat carry in the cold months?"
    with configured(inclusive_cap=2):
        job, capped = cloud.ask(archive_id, question, mode="INCLUSIVE", tags=["Winter", "FERRY"])
    whole, _ = cloud.ask(archive_id, question, mode="INCLUSIVE", tags=["ferry"])

    assert read(job) == ["both.txt", "one.txt"]  # although none.txt is nearer to the question
    assert (capped.coverage.chunks_matched, capped.coverage.chunks_read) == (4, 2)
    assert capped.coverage.chunks_dropped == {"beyond_inclusive_cap": 2}
    assert capped.coverage.retrievers == {"everything": "ok"}
    assert {each.by for each in capped.routes} == {"mode"}
    assert len(read(whole)) == 4
    assert {*read(whole)[:2]} == {"both.txt", "one.txt"}
    assert read(whole)[2] == "none.txt"  # of those with as many tags the nearest comes first


def read(job: Job) -> list[str]:
    """File names of the evidence that a request read, in its order."""
    fused = json.loads(aws.lake().read(layout.answer_part(job.job_id, "fused")))
    return [each["chunk"]["source"].rpartition("/")[2] for each in fused["evidence"]]


def test_what_an_earlier_answer_cites_is_read_beside_what_the_question_finds(cloud: Cloud, ferries: str) -> None:
    first, _ = cloud.ask(ferries, QUESTION, tenant={"business_id": "bolt"})
    _, beside = cloud.ask(ferries, QUESTION, related_to=first.job_id)
    assert beside.coverage.retrievers.keys() > {"related"}
    assert len({each.entry_id for each in beside.citations}) > 1
    assert [(each.by, each.detail) for each in beside.routes if each.retriever == "related"] == [
        ("request", "related_to")
    ]
    # Another tenant is told nothing of what the earlier answer cites.
    _, hidden = cloud.ask(ferries, QUESTION, mode="RELATED", related_to=first.job_id, tenant={"business_id": "acme"})
    assert (hidden.status, hidden.citations, hidden.nearest) == (AnswerStatus.ABSTAINED, [], [])
    job = cloud.failed_request(ferries, QUESTION, mode="RELATED")
    assert job.error is not None
    assert job.error.code == "REQUEST_INVALID"


@pytest.mark.parametrize("keeps", [True, False])
def test_a_date_brings_what_there_was_by_then_or_says_that_it_is_gone(cloud: Cloud, keeps: bool) -> None:
    archive_id = unique()
    cloud.deployment.create_archive(archive_id, retain_latest_originals_only=not keeps)
    seven, nine = FERRIES["acme/selmere.txt"], FERRIES["acme/selmere.txt"].replace("seven", "nine")
    question = "From which pier does the night ferry to Selmere leave?"
    cloud.ingest(archive_id, {"selmere.txt": seven})
    then = now()
    time.sleep(1.1)  # S3 says the second in which an object came
    cloud.ingest(archive_id, {"selmere.txt": nine})
    _, present = cloud.ask(archive_id, question)
    assert [each.text for each in present.claims] == [nine]
    if not keeps:
        job = cloud.failed_request(archive_id, question, as_of=then)
        assert job.error is not None
        assert (job.error.code, job.state) == ("AS_OF_UNAVAILABLE", "Plan Retrieval")
        cloud.ingest(archive_id, {"lorne.txt": FERRIES["acme/lorne.txt"]})
        version = present.versions[f"store.{archive_id}"].rpartition(" ")[2]
        _, by_version = cloud.ask(archive_id, question, as_of=version)
        assert [each.text for each in by_version.claims] == [nine]
        assert by_version.versions[f"store.{archive_id}"].endswith(f" {version}")
        return
    job, past = cloud.ask(archive_id, question, as_of=then)
    assert [each.text for each in past.claims] == [seven]
    assert cloud.misquotes(past) == []
    forked = cloud.deployment.wait(cloud.deployment.fork(job.job_id, as_of=""))
    told = compare(past, cloud.deployment.answer(forked))
    assert (told.added, told.removed, told.unchanged) == ([], [], 0)
    (changed,) = told.changed
    assert (changed.before.text, changed.after.text) == (seven, nine)
    before, after = changed.before.citations[0], changed.after.citations[0]
    assert (before.quote, after.quote) == (seven, nine)
    assert (before.entry_id == after.entry_id, before.version < after.version) == (True, True)


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


def test_what_fusion_drops_and_reads_beside_is_configured_and_counted(cloud: Cloud) -> None:
    archive_id = unique()
    cloud.deployment.create_archive(archive_id, chunking={"max_tokens": 60, "overlap_tokens": 0})
    ports = ("Selmere", "Lorne", "Arran", "Nordvik", "Kirkwall", "Tarbert")
    log = "\n\n".join(
        f"The night ferry to {port} leaves from pier {number}. Its crew of {number + 20} loads mail, coal and fish "
        f"until the bell of {port} rings, and the harbour master signs the paper that is numbered {number * 37}."
        for number, port in enumerate(ports, start=1)
    )
    copied = log.replace("numbered 37.", "numbered 38.")
    cloud.ingest(archive_id, {"log.txt": log, "copy.txt": copied})
    chunks = len(cloud.rows(archive_id))
    assert chunks >= 8

    def coverage(limit: int = 50, **fusion: object) -> Coverage:
        with configured(fusion=fusion):
            job, answer = cloud.ask(archive_id, QUESTION, deliver="evidence", evidence_limit=limit)
        found = answer.coverage
        assert found.chunks_matched == found.chunks_read - found.chunks_beside + sum(found.chunks_dropped.values())
        assert found.chunks_read == len(read(job))
        return found

    plain = coverage()
    assert plain.chunks_dropped["near_duplicate"] >= chunks // 2 - 1
    assert plain.chunks_beside == 0
    assert coverage(max_per_entry=1).chunks_read <= 2
    assert coverage(max_tokens=100).chunks_dropped["over_token_budget"] > 0
    assert coverage(2, diversity=0.7).chunks_read == 2
    beside = coverage(2, neighbours=1)
    assert beside.chunks_read - beside.chunks_beside == 2
    assert beside.chunks_beside > 0
