"""Which state of the archives, and which of their entries, a request is about."""

from __future__ import annotations

import json
from typing import Any

import pytest

from omnilake import aws, entries, layout
from omnilake.answering.fusion import FailedRetriever, fuse_evidence
from omnilake.answering.parts import PLAN, FusedEvidence, read_part, write_part
from omnilake.answering.planning import plan_retrieval
from omnilake.answering.scoping import SUPERSEDED, parse_as_of
from omnilake.errors import ArchiveNotFound, AsOfUnavailable, InvalidRequest
from omnilake.models import (
    Answer,
    AnswerStatus,
    Archive,
    Citation,
    Coverage,
    DocumentStatus,
    InformationRequest,
    RetrieverResult,
    RouteReason,
    Scores,
)
from omnilake.retrieval import AsOf, RetrievalPlan
from omnilake.settings import settings
from tests.unit.answering.any_answer import JOB, any_evidence, any_request

RETRIEVERS = ["everything", "exact", "full_text", "recent", "related", "rows", "vector"]


@pytest.fixture(autouse=True)
def retrievers(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    functions = ", ".join(f'"{name}": "arn:{name}"' for name in RETRIEVERS)
    monkeypatch.setenv("OMNILAKE_RETRIEVER_FUNCTIONS", f"{{{functions}}}")
    settings.cache_clear()


def planned(**fields: Any) -> RetrievalPlan:
    any_request(**fields)
    plan_retrieval(JOB)
    return read_part(JOB, PLAN, RetrievalPlan)


def chosen(plan: RetrievalPlan) -> list[RouteReason]:
    return [each for each in plan.routes if each.chosen]


def earlier(*cited: tuple[str, str], job_id: str = "answer-before") -> str:
    """An answer that cites some (entry, chunk)."""
    citations = [
        Citation(
            number=number,
            entry_id=entry,
            version="v1",
            chunk_id=chunk,
            source="s",
            title="t",
            start=0,
            end=1,
            quote="q",
        )
        for number, (entry, chunk) in enumerate(cited, 1)
    ]
    answer = Answer(
        job_id=job_id, archives=["docs"], status=AnswerStatus.ANSWERED, text="", claims=[], citations=citations,
        coverage=Coverage(), ledger=[], cost_usd=0, versions={}, execution_arn="", created_at="2026",
    )  # fmt: skip
    aws.lake().write_model(layout.answer_part(job_id, "answer"), answer)
    return job_id


# --- modes --------------------------------------------------------------------------------------------------------


def test_an_inclusive_request_reads_everything_up_to_the_cap_however_far_from_the_question() -> None:
    plan = planned(mode="INCLUSIVE", tags=["ferry"])
    assert plan.retrievers == ["everything"]
    assert [(each.retriever, each.by) for each in chosen(plan)] == [("everything", "mode")]
    assert (plan.limit, plan.evidence_limit, plan.support_floor, plan.tags) == (1_000, 1_000, False, ["ferry"])


def test_a_related_request_is_confined_to_what_the_earlier_answer_cites() -> None:
    job_id = earlier(("e2", "c5"), ("e1", "c1"), ("e2", "c5"), ("material-9", "m1"))
    plan = planned(mode="RELATED", related_to=job_id)
    assert (plan.entries, plan.cited) == (["e1", "e2"], ["c5", "c1"])
    assert plan.retrievers == ["full_text", "related", "vector"]


def test_an_earlier_answer_that_cites_nothing_confines_to_nothing() -> None:
    assert planned(mode="RELATED", related_to=earlier()).entries == []


def test_a_request_that_follows_an_answer_looks_at_its_sources_besides_all_others() -> None:
    plan = planned(related_to=earlier(("e1", "c1")))
    assert (plan.entries, plan.cited) == (None, ["c1"])
    assert "related" in plan.retrievers
    assert ("related", "request") in [(each.retriever, each.by) for each in chosen(plan)]


def test_filters_on_columns_are_left_to_the_rows_of_tables() -> None:
    plan = planned(filters=[{"field": "column.price", "operator": "gt", "value": 5}])
    assert plan.retrievers == ["rows"]


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "RELATED"},
        {"mode": "RELATED", "related_to": "answer-never"},
        {"related_to": "../request"},
        {"mode": "RELATED", "related_to": JOB},  # a request without an answer
        {"retrievers": ["oracle"]},
        {"providers": {"compose": "oracle"}},
        {"filters": [{"field": "colour", "value": "red"}]},
        {"filters": [{"field": "page", "operator": "prefix", "value": 1}]},
        {"filters": [{"field": "page", "operator": "like", "value": 1}]},
        {"filters": [{"field": "column.price", "value": 1}], "mode": "INCLUSIVE"},
        {"filters": [{"field": "column.price", "value": 1}], "retrievers": ["vector"]},
        {"as_of": "soon"},
        {"as_of": "v0"},
        {"as_of": "v17", "archives": ["docs", "more"]},
    ],
)
def test_what_can_not_be_asked_is_refused(fields: dict[str, Any], archive: Archive) -> None:
    aws.table("archives_table").put(archive.model_copy(update={"archive_id": "more"}).model_dump(mode="json"))
    any_request()
    body = InformationRequest(archives=["docs"], question="What of the secret?").model_dump(mode="json") | fields
    aws.lake().write(layout.request(JOB), json.dumps(body).encode())
    with pytest.raises(InvalidRequest) as refused:
        plan_retrieval(JOB)
    assert "oracle" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_destination_of_an_answer_must_exist() -> None:
    with pytest.raises(ArchiveNotFound):
        planned(destination_archive="nowhere")


def test_filters_and_tenant_stand_in_the_plan_for_every_retriever() -> None:
    plan = planned(filters=[{"field": "tag", "value": "ferry"}], tenant={"business_id": "acme"})
    assert [(each.field, each.value) for each in plan.filters] == [("tag", "ferry")]
    assert plan.tenant.business_id == "acme"


# --- dates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "moment", "version"),
    [
        ("", "", None),
        ("2026-03-01", "2026-03-01T23:59:59.999Z", None),
        ("2026-03-01T10:00:00+02:00", "2026-03-01T08:00:00.000Z", None),
        ("v17", "", 17),
    ],
)
def test_as_of_is_a_date_a_time_or_the_version_of_a_store(told: str, moment: str, version: int | None) -> None:
    assert parse_as_of(told, archives=1) == AsOf(moment=moment, store_version=version)


def entry(entry_id: str, version: str, received_at: str, status: DocumentStatus) -> None:
    told = {"job_id": "j", "name": entry_id, "source": "s", "size": 1, "content_hash": version}
    entries.register(entry_id, version, archive_id="docs", received_at=received_at, **told)  # type: ignore[arg-type]
    entries.finish(entry_id, version, archive_id="docs", status=status)


def test_entries_whose_version_of_then_is_gone_are_counted() -> None:
    completed, superseded = DocumentStatus.COMPLETED, DocumentStatus.SUPERSEDED
    entry("e1", "1", "2026-01-01T00:00:00+00:00", superseded)
    entry("e1", "2", "2026-02-01T00:00:00+00:00", superseded)
    entry("e1", "3", "2026-06-01T00:00:00+00:00", completed)
    entry("e2", "1", "2026-01-01T00:00:00+00:00", completed)
    entry("e3", "1", "2026-01-01T00:00:00+00:00", superseded)
    entry("e3", "2", "2026-02-01T00:00:00+00:00", completed)
    entry("e4", "1", "2026-07-01T00:00:00+00:00", completed)
    entry("e5", "1", "2026-01-01T00:00:00+00:00", superseded)  # by its deletion
    entry("e5", "2", "2026-02-01T00:00:00+00:00", DocumentStatus.DELETED)

    assert planned(as_of="2026-03-01").left_out == {SUPERSEDED: 1}
    assert planned(as_of="2026-01-01").left_out == {SUPERSEDED: 3}
    assert planned(as_of="2026-06-01").left_out == {}
    assert planned(as_of="2025-01-01").left_out == {}


def test_a_date_of_which_nothing_is_kept_is_refused() -> None:
    entry("e1", "1", "2026-01-01T00:00:00+00:00", DocumentStatus.SUPERSEDED)
    entry("e1", "2", "2026-06-01T00:00:00+00:00", DocumentStatus.COMPLETED)
    with pytest.raises(AsOfUnavailable):
        planned(as_of="2026-03-01")
    assert planned(as_of="2026-07-01").as_of.moment


# --- what fusion makes of it ----------------------------------------------------------------------------------------


def test_what_the_plan_and_the_retrievers_left_out_stands_in_the_coverage() -> None:
    plan = planned(mode="INCLUSIVE")
    write_part(JOB, PLAN, plan.model_copy(update={"left_out": {SUPERSEDED: 2}}))
    evidence = [
        each.model_copy(update={"scores": Scores()})
        for each in any_evidence(["One is unlike.", "Two differs from it."])
    ]
    result = RetrieverResult(
        retriever="everything",
        evidence=evidence,
        matched=7,
        left_out={"beyond_inclusive_cap": 5},
        store_versions={"s": 4},
    )
    write_part(JOB, "evidence/everything", result)
    assert fuse_evidence(JOB).evidence == 2
    found = read_part(JOB, "fused", FusedEvidence)
    assert found.coverage.chunks_matched == 7
    assert found.coverage.chunks_dropped == {SUPERSEDED: 2, "beyond_inclusive_cap": 5}
    assert found.store_versions == {"s": 4}
    assert found.reasons == []


def test_a_store_version_that_is_gone_refuses_the_request_with_its_own_code() -> None:
    planned(as_of="v17")
    failed = [FailedRetriever(retriever=name, error="AsOfUnavailable") for name in ("vector", "full_text")]
    with pytest.raises(AsOfUnavailable):
        fuse_evidence(JOB, failed)
