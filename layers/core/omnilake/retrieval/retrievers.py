"""The retrievers: each is a state of its own, reads the plan, and writes what it found.

Each also gives its hits the other kind of score, so that fusion compares all candidates by both, and one retriever that
fails takes only its own candidates away.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from omnilake import archives, aws, layout
from omnilake.errors import StageFailed
from omnilake.models import Evidence, JobId, Model, RetrieverResult, RouteReason, Store

VECTOR = "vector"
"""Nearest by cosine similarity of embeddings."""

FULL_TEXT = "full_text"
"""Best by BM25 over stemmed words."""


class RetrievalPlan(Model):
    """What every retriever of a request reads; stored at ``layout.answer_part(job_id, "plan")``."""

    job_id: JobId
    archives: list[str] = Field(min_length=1)
    question: str
    vectors: dict[str, list[float]]
    """Of the question, in each of the archives' spaces, by space id."""
    limit: int = Field(gt=0)
    """Most chunks from each retriever."""
    retrievers: list[str] = Field(min_length=1)
    routes: list[RouteReason] = Field(default=[])
    """Why these run, and others do not."""


class RetrieveEvent(BaseModel):
    """Which request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId


class RetrieveResult(BaseModel):
    """How much a retriever found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retriever: str
    count: int


def retrieve(job_id: str, retriever: str) -> RetrieveResult:
    """Run one retriever for a request; its ``RetrieverResult`` goes to ``evidence/<retriever>`` of the answer.

    Raises:
        ArchiveNotFound: the archive is gone.
        StageFailed: there is no retriever of that name.
    """
    find = _RETRIEVERS.get(retriever)
    if find is None:
        raise StageFailed(f"No retriever is called {retriever}.", action=f"This version has: {', '.join(_RETRIEVERS)}.")
    plan = aws.lake().read_model(layout.answer_part(job_id, "plan"), RetrievalPlan)
    evidence = [
        each
        for archive_id in plan.archives
        for each in find(archives.get_store(archives.get_archive(archive_id)), plan)
    ]
    result = RetrieverResult(retriever=retriever, evidence=evidence)
    aws.lake().write_model(layout.answer_part(job_id, f"evidence/{retriever}"), result)
    return RetrieveResult(retriever=retriever, count=len(evidence))


def _by_vector(store: Store, plan: RetrievalPlan) -> list[Evidence]:
    from omnilake.stores.search import search_vector

    return search_vector(store, plan.vectors[store.space.space_id], plan.limit, plan.question)


def _by_full_text(store: Store, plan: RetrievalPlan) -> list[Evidence]:
    from omnilake.stores.search import search_full_text

    return search_full_text(store, plan.question, plan.limit, plan.vectors[store.space.space_id])


_RETRIEVERS: dict[str, Callable[[Store, RetrievalPlan], list[Evidence]]] = {
    VECTOR: _by_vector,
    FULL_TEXT: _by_full_text,
}
