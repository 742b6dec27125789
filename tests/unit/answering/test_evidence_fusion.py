"""Fuse Evidence: one ranking, or the reason why there is none."""

from __future__ import annotations

import pytest

from omnilake import jobs, tokens
from omnilake.answering.fusion import NOT_NEAR, NOTHING_MATCHED, FailedRetriever, fuse_evidence, fused_evidence
from omnilake.answering.parts import FUSED, PLAN, FusedEvidence, read_part, write_part
from omnilake.configuration import FusionConfig
from omnilake.errors import StageFailed
from omnilake.models import Archive, ErrorRecord, RetrieverResult, Scores
from omnilake.retrieval import RetrievalPlan
from tests.unit.answering.any_answer import JOB, any_evidence, any_request

TEXTS = ["A lease lasts ninety seconds.", "It is renewed twice.", "Bread is baked hot."]


def _vector(similarity: float = 0.8) -> RetrieverResult:
    return RetrieverResult(retriever="vector", evidence=any_evidence(TEXTS, similarity=similarity))


def _failed(name: str) -> RetrieverResult:
    return RetrieverResult(retriever=name, error=ErrorRecord(code="TRANSIENT", message="any"))


def _fused(*results: RetrieverResult, question: str = "Unrelated?", limit: int = 10) -> FusedEvidence:
    return fused_evidence(results, question=question, limit=limit, min_support=0.57)


def test_what_was_found_is_kept_and_counted() -> None:
    found = _fused(_vector())
    assert len(found.evidence) == found.coverage.chunks_read == found.coverage.chunks_matched == 3
    assert found.tokens == sum(tokens.count(text) for text in TEXTS)
    assert found.reasons == []


def test_what_the_limit_leaves_out_is_counted() -> None:
    coverage = _fused(_vector(), limit=1).coverage
    assert coverage.chunks_matched == coverage.chunks_read + sum(coverage.chunks_dropped.values()) == 3


def test_below_the_floor_there_is_no_evidence_but_a_reason_and_the_nearest() -> None:
    found = _fused(_vector(0.2))
    assert found.evidence == []
    assert found.tokens == 0
    assert found.reasons[0].startswith(NOT_NEAR)
    assert [each.similarity for each in found.nearest] == [0.2, 0.199, 0.198]
    assert sum(found.coverage.chunks_dropped.values()) == found.coverage.chunks_matched == 3


def test_a_question_that_names_things_by_their_names_is_supported_by_its_words() -> None:
    assert _fused(_vector(0.34), question="How long does a lease last?").evidence
    assert _fused(_vector(0.34), question="How long does a marriage hold?").evidence == []


def test_a_question_that_shares_no_word_is_supported_by_its_meaning() -> None:
    assert _fused(_vector(0.6), question="Mietdauer?").evidence


def test_no_match_at_all_is_another_reason() -> None:
    found = _fused(RetrieverResult(retriever="vector"), RetrieverResult(retriever="full_text"))
    assert (found.evidence, found.reasons, found.nearest) == ([], [NOTHING_MATCHED], [])


def test_a_failed_retriever_is_named_and_the_others_carry_on() -> None:
    found = _fused(_vector(), _failed("full_text"))
    assert found.coverage.retrievers == {"vector": "ok", "full_text": "TRANSIENT"}
    assert len(found.evidence) == 3


def test_without_any_cosine_the_floor_is_not_applied() -> None:
    worded = [each.model_copy(update={"scores": Scores(full_text=3.0)}) for each in any_evidence(TEXTS)]
    assert _fused(RetrieverResult(retriever="full_text", evidence=worded), _failed("vector")).evidence


def test_all_retrievers_failing_fails_the_stage() -> None:
    with pytest.raises(StageFailed, match=r"full_text \(TRANSIENT\), vector \(TRANSIENT\)"):
        _fused(_failed("vector"), _failed("full_text"))


def test_the_stage_reads_results_and_takes_the_names_of_those_that_failed(archive: Archive) -> None:
    any_request()
    plan = RetrievalPlan(
        job_id=JOB,
        archives=["docs"],
        question="any",
        vectors={"any": [1.0]},
        limit=5,
        retrievers=["full_text", "vector"],
    )
    write_part(JOB, PLAN, plan)
    write_part(JOB, "evidence/vector", _vector())
    result = fuse_evidence(JOB, [FailedRetriever(retriever="full_text", error="Lambda.Unknown")])
    assert jobs.get(JOB).progress["evidence"] == result.evidence
    assert result.evidence == 3
    assert read_part(JOB, FUSED, FusedEvidence).coverage.retrievers == {"vector": "ok", "full_text": "LAMBDA_UNKNOWN"}
    assert jobs.get(JOB).state == "Fuse Evidence"


def test_what_was_named_or_computed_needs_no_support() -> None:
    named = RetrieverResult(
        retriever="rows",
        evidence=[
            each.model_copy(update={"scores": Scores()})
            for each in any_evidence(["The sum is 7."], entry_id="material-1")
        ],
    )
    found = _fused(_vector(0.2), named)
    assert [each.chunk.entry_id for each in found.evidence] == ["material-1"]
    assert found.reasons == []
    assert found.coverage.chunks_matched == found.coverage.chunks_read + sum(found.coverage.chunks_dropped.values())


def test_what_stands_beside_evidence_is_read_after_it_and_counted_apart() -> None:
    [first, second, third] = any_evidence(TEXTS)
    found = _fused(
        RetrieverResult(
            retriever="vector",
            evidence=[second],
            neighbours={second.chunk.chunk_id: [first.chunk, third.chunk]},
        )
    )
    assert [each.chunk for each in found.evidence] == [second.chunk, first.chunk, third.chunk]
    assert (found.coverage.chunks_matched, found.coverage.chunks_read, found.coverage.chunks_beside) == (1, 3, 2)
    assert found.tokens == sum(tokens.count(text) for text in TEXTS)


def test_the_configuration_decides_how_results_are_fused() -> None:
    found = fused_evidence(
        [_vector()],
        question="Unrelated?",
        limit=10,
        min_support=0.57,
        config=FusionConfig(max_per_entry=1),
    )
    assert len(found.evidence) == 1
    assert found.coverage.chunks_dropped == {"over_entry_limit": 2}
