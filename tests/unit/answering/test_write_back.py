"""An answer becomes an entry of another archive, once, and says what it came from."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from any_answered import answer, citation

from omnilake import aws, entries, jobs, layout
from omnilake.answering.comparison import content_hash
from omnilake.answering.parts import (
    ANSWER,
    COMPOSED,
    FUSED,
    VERIFIED,
    ComposedClaims,
    FusedEvidence,
    VerifiedClaims,
    read_part,
    write_part,
)
from omnilake.answering.publication import publish_answer
from omnilake.answering.write_back import lineage
from omnilake.ingest import contents
from omnilake.ingest.collections import CollectionRequest, plan_collection
from omnilake.models import Answer, Archive, BatchManifest, Claim, Coverage, JobKind, Quote
from omnilake.settings import settings
from tests.unit.answering.any_answer import ARN, JOB, any_evidence, any_request

TEXTS = ["A lease lasts ninety seconds.", "It is renewed twice."]


@pytest.fixture
def machine(stack: None, monkeypatch: pytest.MonkeyPatch) -> str:
    definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}}}
    arn: str = boto3.client("stepfunctions").create_state_machine(
        name="collection", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/any"
    )["stateMachineArn"]
    monkeypatch.setenv("OMNILAKE_COLLECTION_MACHINE_ARN", arn)
    settings.cache_clear()
    return arn


def _verified(**request: Any) -> None:
    """A request that has come as far as its verified claims."""
    any_request(**request)
    evidence = any_evidence(TEXTS)
    claims = [
        Claim(text=each.chunk.text, quotes=[Quote(chunk_id=each.chunk.chunk_id, entry_id="entry", version="v1",
                                                  start=each.chunk.start, end=each.chunk.end, text=each.chunk.text)])
        for each in evidence
    ]  # fmt: skip
    coverage = Coverage()
    write_part(JOB, FUSED, FusedEvidence(evidence=evidence, nearest=[], reasons=[], tokens=9, coverage=coverage))
    write_part(JOB, COMPOSED, ComposedClaims(claims=claims, coverage=coverage, ledger=[], versions={}))
    write_part(JOB, VERIFIED, VerifiedClaims(claims=claims, removed={}))


def _other(archive: Archive, archive_id: str = "answers") -> None:
    made = archive.model_copy(update={"archive_id": archive_id, "store_id": f"{archive_id}-store"})
    aws.table("archives_table").put(made.model_dump(mode="json"))


def test_an_answer_becomes_one_record_with_its_lineage(
    archive: Archive, machine: str, published: list[tuple[str, dict[str, Any]]]
) -> None:
    _other(archive)
    _verified(destination_archive="answers", tenant={"business_id": "b1"})
    publish_answer(JOB, ARN)
    written = read_part(JOB, ANSWER, Answer).written_back
    assert written is not None
    assert written.entry_id == entries.entry_id_of("answers", "answer", JOB)
    assert published[0][1]["written_back"]["job_id"] == written.job_id
    assert "lasts" not in str(published)
    job = jobs.get(written.job_id)
    assert (job.kind, job.archive_id, job.parent_job_id) == (JobKind.INGEST_COLLECTION, "answers", JOB)

    assert plan_collection(written.job_id).documents == 1
    child = json.loads(aws.lake().read(layout.collection_part(written.job_id, "batches")).splitlines()[0])["job_id"]
    (ref,) = aws.lake().read_model(layout.batch_manifest(child), BatchManifest).documents
    record = contents.parse_record(contents.read_lines([ref])[contents.line_of(ref)])
    assert record.text == "\n\n".join(TEXTS)
    assert record.title == "How long does a lease last?"
    assert record.metadata == {"answer_job": JOB, "derived_from": "entry/v1", "business_id": "b1"}
    assert contents.of_record(ref, record, "answers", 1).entry_id == written.entry_id


def test_publishing_again_ingests_nothing_twice(archive: Archive, machine: str) -> None:
    _other(archive)
    _verified(destination_archive="answers")
    publish_answer(JOB, ARN)
    first = read_part(JOB, ANSWER, Answer)
    assert first.written_back
    key = layout.collection_records(first.written_back.job_id, 0)
    records = aws.lake().read(key)
    publish_answer(JOB, ARN)
    assert read_part(JOB, ANSWER, Answer).written_back == first.written_back
    assert aws.lake().read(key) == records
    assert len(boto3.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]) == 1
    request = aws.lake().read_model(layout.collection_part(first.written_back.job_id, "request"), CollectionRequest)
    assert request.parent_job_id == JOB


def test_a_destination_that_is_gone_is_told_and_the_answer_stands(archive: Archive, machine: str) -> None:
    _verified(destination_archive="answers")
    publish_answer(JOB, ARN)
    published = read_part(JOB, ANSWER, Answer)
    assert published.claims
    assert published.written_back
    assert published.written_back.error
    assert published.written_back.error.code == "ARCHIVE_NOT_FOUND"


def test_an_abstention_is_not_written_back(archive: Archive, machine: str) -> None:
    _other(archive)
    _verified(destination_archive="answers")
    write_part(JOB, VERIFIED, VerifiedClaims(claims=[], removed={"quote_not_found": 2}))
    publish_answer(JOB, ARN)
    assert read_part(JOB, ANSWER, Answer).written_back is None
    assert boto3.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"] == []


def test_where_it_is_written_to_is_no_part_of_what_an_answer_says() -> None:
    said = answer(("A claim.", citation(1, "A claim.")))
    assert content_hash(said) == content_hash(said.model_copy(update={"written_back": {"archive_id": "answers"}}))


def test_lineage_that_is_too_long_counts_what_it_leaves_out() -> None:
    many = [
        (f"Claim {number}.", citation(number, "x", f"entry-{number:028}", version="v" * 40)) for number in range(300)
    ]
    told = lineage(answer(*many))
    assert len(told["derived_from"].split()) + int(told["derived_from_left_out"]) == 300
    assert sum(map(len, told.values())) < contents.MAX_RECORD_METADATA
