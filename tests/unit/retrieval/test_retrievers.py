from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from any_store import SPACE, any_chunks, any_store, vectors_for

from omnilake import aws, layout
from omnilake.errors import ArchiveNotFound, StageFailed
from omnilake.models import Archive, RetrieverResult
from omnilake.retrieval import FULL_TEXT, VECTOR, RetrievalPlan, RetrieveResult, fuse, retrieve
from omnilake.stores.commit import commit
from omnilake.stores.table import rows

CHUNKS = any_chunks("e1", count=12)
QUESTION = vectors_for(CHUNKS)[4]


@pytest.fixture
def planned(stack: None, tmp_path: Path) -> str:
    """A request whose plan lies in the lake, about an archive of twelve chunks."""
    store = any_store(tmp_path / "stores")
    commit(store, [rows(CHUNKS, vectors_for(CHUNKS))])
    archive = Archive(archive_id="docs", space=store.space, store_id=store.store_id, created_at="2026-01-01")
    aws.table("archives_table").put(archive.model_dump(mode="json"))
    aws.table("stores_table").put(store.model_dump(mode="json"))
    return plan("answer-1", "docs")


def plan(job_id: str, archive_id: str) -> str:
    wanted = RetrievalPlan(
        job_id=job_id,
        archives=[archive_id],
        question="What is word7?",
        vectors={SPACE.space_id: QUESTION.tolist()},
        limit=5,
        retrievers=[VECTOR, FULL_TEXT],
    )
    aws.lake().write_model(layout.answer_part(job_id, "plan"), wanted)
    return job_id


def found(job_id: str, retriever: str) -> RetrieverResult:
    return aws.lake().read_model(layout.answer_part(job_id, f"evidence/{retriever}"), RetrieverResult)


def test_each_retriever_writes_what_it_found_with_both_scores(planned: str) -> None:
    assert retrieve(planned, VECTOR) == RetrieveResult(retriever=VECTOR, count=5)
    assert retrieve(planned, FULL_TEXT) == RetrieveResult(retriever=FULL_TEXT, count=1)
    nearest = found(planned, VECTOR).evidence
    assert nearest[0].chunk == CHUNKS[4]
    assert nearest[0].scores.vector == pytest.approx(1.0)
    assert all(hit.scores.full_text is not None for hit in nearest)
    [worded] = found(planned, FULL_TEXT).evidence
    assert worded.chunk == CHUNKS[7]
    assert worded.scores.vector == pytest.approx(float(np.dot(vectors_for(CHUNKS)[7], QUESTION)), abs=1e-6)
    fused = fuse([found(planned, VECTOR), found(planned, FULL_TEXT)], limit=2)
    assert {each.chunk.chunk_id for each in fused.evidence} == {CHUNKS[4].chunk_id, CHUNKS[7].chunk_id}


def test_a_repeated_retrieval_writes_the_same(planned: str) -> None:
    retrieve(planned, VECTOR)
    first = found(planned, VECTOR)
    retrieve(planned, VECTOR)
    assert found(planned, VECTOR) == first


def test_an_unknown_retriever_is_an_error_of_the_system(planned: str) -> None:
    with pytest.raises(StageFailed, match="oracle"):
        retrieve(planned, "oracle")


def test_an_archive_that_is_gone_is_not_found(planned: str) -> None:
    with pytest.raises(ArchiveNotFound):
        retrieve(plan("answer-2", "gone"), VECTOR)
