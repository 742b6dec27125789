from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from any_lambda import any_context
from any_store import SPACE, any_chunks, any_store, vectors_for

from omnilake import aws, layout
from omnilake.configuration import AnsweringConfiguration, FusionConfig, RetrieverConfig, product
from omnilake.errors import ArchiveNotFound
from omnilake.models import Archive, Evidence, RetrieverResult, Scores
from omnilake.retrieval import (
    Found,
    Lookup,
    RetrievalPlan,
    RetrieveResult,
    full_text,
    fuse,
    retrieve,
    retriever,
    vector,
)
from omnilake.stores.commit import commit
from omnilake.stores.table import rows

CHUNKS = any_chunks("e1", count=12)
QUESTION = vectors_for(CHUNKS)[4]
CONFIGURATION: AnsweringConfiguration = product("extractive").model_copy(
    update={"retrievers": {"glossary": RetrieverConfig(options={"words": 3})}}
)


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
        retrievers=["vector", "full_text"],
    )
    aws.lake().write_model(layout.answer_part(job_id, "plan"), wanted)
    aws.lake().write_model(layout.answer_part(job_id, "configuration"), CONFIGURATION)
    return job_id


def found(job_id: str, retriever: str) -> RetrieverResult:
    return aws.lake().read_model(layout.answer_part(job_id, f"evidence/{retriever}"), RetrieverResult)


def test_each_retriever_writes_what_it_found_with_both_scores(planned: str) -> None:
    assert retrieve(planned, "vector", vector.find) == RetrieveResult(retriever="vector", count=5)
    assert retrieve(planned, "full_text", full_text.find) == RetrieveResult(retriever="full_text", count=1)
    nearest = found(planned, "vector").evidence
    assert nearest[0].chunk == CHUNKS[4]
    assert nearest[0].scores.vector == pytest.approx(1.0)
    assert all(hit.scores.full_text is not None for hit in nearest)
    [worded] = found(planned, "full_text").evidence
    assert worded.chunk == CHUNKS[7]
    assert worded.scores.vector == pytest.approx(float(np.dot(vectors_for(CHUNKS)[7], QUESTION)), abs=1e-6)
    fused = fuse([found(planned, "vector"), found(planned, "full_text")], limit=2)
    assert {each.chunk.chunk_id for each in fused.evidence} == {CHUNKS[4].chunk_id, CHUNKS[7].chunk_id}


def test_neighbours_come_with_what_was_found_when_they_are_wanted(planned: str) -> None:
    retrieve(planned, "full_text", full_text.find)
    assert found(planned, "full_text").neighbours == {}
    wanted = CONFIGURATION.model_copy(update={"fusion": FusionConfig(neighbours=1)})
    aws.lake().write_model(layout.answer_part(planned, "configuration"), wanted)
    retrieve(planned, "full_text", full_text.find)
    assert found(planned, "full_text").neighbours == {CHUNKS[7].chunk_id: [CHUNKS[6], CHUNKS[8]]}


def test_a_repeated_retrieval_writes_the_same(planned: str) -> None:
    retrieve(planned, "vector", vector.find)
    first = found(planned, "vector")
    retrieve(planned, "vector", vector.find)
    assert found(planned, "vector") == first


def test_what_was_read_is_told_with_the_evidence(planned: str) -> None:
    retrieve(planned, "vector", vector.find)
    result = found(planned, "vector")
    assert {each.archive_id for each in result.evidence} == {"docs"}
    assert list(result.store_versions) == ["docs-1"]
    assert result.store_versions["docs-1"] > 1


def test_a_retriever_is_one_function_with_options_of_its_own(planned: str) -> None:
    def find(lookup: Lookup) -> Found:
        assert (lookup.retriever, lookup.options) == ("glossary", {"words": 3})
        text = "A lease lasts twelve months.\n\nA berth is let by the day."
        chunks = lookup.keep_material(
            text,
            title="Glossary",
            source="https://example.org/glossary",
            source_type="glossary",
            spans=[(0, 28), (30, 57)],
        )
        return Found(
            evidence=[Evidence(chunk=chunk, scores=Scores()) for chunk in chunks], matched=5, left_out={"old": 3}
        )

    handler = retriever("glossary", find)
    assert handler({"job_id": planned}, any_context()) == {"retriever": "glossary", "count": 2}
    first = found(planned, "glossary")
    assert (first.matched, first.left_out, first.store_versions) == (5, {"old": 3}, {})
    for each in first.evidence:
        chunk = each.chunk
        assert chunk.entry_id.startswith("material-")
        stored = aws.lake().read(layout.answer_material(planned, chunk.entry_id, chunk.version)).decode()
        assert stored[chunk.start : chunk.end] == chunk.text
    handler({"job_id": planned}, any_context())
    assert found(planned, "glossary") == first


def test_an_archive_that_is_gone_is_not_found(planned: str) -> None:
    with pytest.raises(ArchiveNotFound):
        retrieve(plan("answer-2", "gone"), "vector", vector.find)
