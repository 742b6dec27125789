"""Fuse Evidence: what the retrievers found becomes one ranking, or the reason why there is nothing to answer from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from omnilake import jobs, tokens
from omnilake.answering import replay
from omnilake.answering.parts import (
    FUSED,
    PLAN,
    FusedEvidence,
    left_of,
    read_configuration,
    read_part,
    read_request,
    write_part,
)
from omnilake.answering.reranking import Reranking, reranking_of
from omnilake.configuration import AnsweringConfiguration, FusionConfig
from omnilake.errors import AsOfUnavailable, StageFailed
from omnilake.generation import words
from omnilake.generation.sentences import fold
from omnilake.models import (
    Coverage,
    ErrorRecord,
    Evidence,
    JobKind,
    Model,
    NearestEvidence,
    RetrieverResult,
    Scores,
)
from omnilake.retrieval import RetrievalPlan, fuse
from omnilake.settings import settings

PLAIN = FusionConfig()
"""Fusion as it is where nothing else is configured."""

NEAREST = 3
"""How many chunks an abstention shows."""

NEAREST_CHARACTERS = 400
"""Most characters of a chunk that an abstention shows."""

WORDS_SHARE = 0.5
"""What holding all of a question's words counts beside the cosine: a question that names things by their names is
supported although its sentence embeds elsewhere, and one that shares no word needs a higher cosine."""

NOTHING_MATCHED = "Nothing in the archive matches the question."
NOT_NEAR = "The nearest passage is too far from the question."


class FailedRetriever(Model):
    """A retriever whose state ended with an error, named as Step Functions names it."""

    retriever: str
    error: str


class FusionResult(Model):
    """``evidence`` chunks of ``tokens`` tokens."""

    evidence: int
    tokens: int


def fuse_evidence(job_id: str, failed: Sequence[FailedRetriever] = ()) -> FusionResult:
    """Fuse the results of the retrievers that ran, and write ``FusedEvidence``; that of a replay is there already.

    Raises:
        StageFailed: no retriever ran to its end.
    """
    jobs.enter(job_id, JobKind.ANSWER_REQUEST, "Fuse Evidence")
    request = read_request(job_id)
    if replay.takes_evidence(request):
        recorded = read_part(job_id, FUSED, FusedEvidence)
        return FusionResult(evidence=len(recorded.evidence), tokens=recorded.tokens)
    plan = read_part(job_id, PLAN, RetrievalPlan)
    configuration = read_configuration(job_id)
    results = _results(job_id, plan, failed)
    found = fused_evidence(
        results,
        question=request.question,
        limit=plan.evidence_limit,
        min_support=settings().min_support if plan.support_floor else 0.0,
        config=configuration.fusion,
        weights=retriever_weights(configuration),
        spaces=plan.spaces,
        left_out=plan.left_out,
        reranking=reranking_of(job_id, left_of(request, plan.ledger), configuration),
    )
    jobs.note(job_id, JobKind.ANSWER_REQUEST, "Fuse Evidence", evidence=len(found.evidence))
    # Retrievers that run while rows are committed may read two versions of a store: all is there in the newer.
    read = sorted(pair for result in results for pair in result.store_versions.items())
    coverage = found.coverage.model_copy(update={"degraded": [*plan.degraded, *found.coverage.degraded]})
    write_part(job_id, FUSED, found.model_copy(update={"store_versions": dict(read), "coverage": coverage}))
    return FusionResult(evidence=len(found.evidence), tokens=found.tokens)


def fused_evidence(
    results: Sequence[RetrieverResult],
    *,
    question: str,
    limit: int,
    min_support: float,
    config: FusionConfig = PLAIN,
    weights: Mapping[str, float] | None = None,
    spaces: Mapping[str, str] | None = None,
    left_out: Mapping[str, int] | None = None,
    reranking: Reranking | None = None,
) -> FusedEvidence:
    """Evidence out of retrievers' results, then what stands beside it; none below the floor of the question's support.

    Where no retriever measured a cosine the floor can't be applied: the claims have their own. Nor is it to what a
    retriever brought that measures nothing: it was named, computed or fetched for this question.

    Args:
        left_out: what the plan itself left out: reason → count.
        reranking: by the model that the configuration or the request names.

    Raises:
        AsOfUnavailable: the store is gone in the version that was asked for.
        StageFailed: every retriever failed.
    """
    outcome = {result.retriever: result.error.code if result.error else "ok" for result in results}
    if not any(result.error is None for result in results):
        named = ", ".join(f"{name} ({code})" for name, code in sorted(outcome.items()))
        if set(outcome.values()) == {AsOfUnavailable.code}:
            raise AsOfUnavailable("The store is not kept in that version.")
        raise StageFailed(f"Every retriever failed: {named}.")
    matched = {each.chunk.chunk_id for result in results for each in result.evidence}
    similarity = best_similarity(results)
    fused = fuse(
        [result for result in results if result.error is None],
        limit=limit,
        alpha=config.alpha,
        rank_constant=config.rank_constant,
        weights=weights,
        spaces=spaces,
        max_per_entry=config.max_per_entry,
        diversity=config.diversity,
        rerank=reranking.rerank if reranking else None,
        max_tokens=config.max_tokens,
        count_tokens=tokens.count,
    )
    evidence, dropped, reasons = fused.evidence, dict(fused.dropped), list[str]()
    nearest = _nearest(results)
    if not matched:
        reasons = [NOTHING_MATCHED]
    elif (
        similarity is not None and (support := similarity + WORDS_SHARE * shared_words(question, results)) < min_support
    ):
        unmeasured = _unmeasured(results)
        kept = [each for each in evidence if each.chunk.chunk_id in unmeasured]
        if len(kept) < len(evidence):
            dropped["below_support_floor"] = len(evidence) - len(kept)
        if not kept:
            reasons = [f"{NOT_NEAR} Its support is {support:.2f}; at least {min_support:.2f} is asked for."]
        evidence = kept
    read = {each.chunk.chunk_id for each in evidence}
    wanted = {chunk.chunk_id for result in results for hit in read for chunk in result.neighbours.get(hit, [])}
    archive_of = {each.chunk.entry_id: each.archive_id for each in evidence}
    beside = [
        Evidence(chunk=each, scores=Scores(), archive_id=archive_of[each.entry_id])
        for each in fused.neighbours
        if each.chunk_id in wanted
    ]
    evidence = [*evidence, *beside]
    total = sum(tokens.count(each.chunk.text) for each in evidence)
    told = Counter(dropped)
    for reasons_of in (left_out or {}, *(result.left_out for result in results)):
        told.update(reasons_of)
    return FusedEvidence(
        evidence=evidence,
        nearest=nearest,
        reasons=reasons,
        tokens=total,
        coverage=Coverage(
            retrievers=outcome,
            chunks_matched=len(matched) + sum(max(0, each.matched - len(each.evidence)) for each in results),
            chunks_read=len(evidence),
            chunks_beside=len(beside),
            chunks_dropped=dict(told),
            degraded=reranking.degraded if reranking else [],
        ),
        ledger=reranking.ledger if reranking else [],
        versions=reranking.versions if reranking else {},
    )


def retriever_weights(configuration: AnsweringConfiguration) -> dict[str, float]:
    """How much each retriever's ranks weigh in fusion, as far as the configuration says."""
    return {name: each.weight for name, each in configuration.retrievers.items()}


def best_similarity(results: Sequence[RetrieverResult]) -> float | None:
    """The highest cosine that any retriever measured, None when none did."""
    measured = [each.scores.vector for result in results for each in result.evidence if each.scores.vector is not None]
    return max(measured, default=None)


def _unmeasured(results: Sequence[RetrieverResult]) -> set[str]:
    """Chunks that came from retrievers that measure nothing."""
    return {
        each.chunk.chunk_id
        for result in results
        if all(each.scores.vector is None and each.scores.full_text is None for each in result.evidence)
        for each in result.evidence
    }


def shared_words(question: str, results: Sequence[RetrieverResult]) -> float:
    """Largest share of a question's words, weighted by rarity, that one matched chunk with its headings holds."""
    chunks = {each.chunk.chunk_id: each.chunk for result in results for each in result.evidence}
    held = [set(words.terms(f"{chunk.title} {chunk.section} {chunk.text}")) for chunk in chunks.values()]
    weights = words.inverse_document_frequency(held)
    asked = sorted(set(words.terms(question)))
    return max((words.overlap(asked, each, weights) for each in held), default=0.0)


def _results(job_id: str, plan: RetrievalPlan, failed: Sequence[FailedRetriever]) -> list[RetrieverResult]:
    errors = {each.retriever: ErrorRecord.of_state(each.error, "") for each in failed}
    return [
        RetrieverResult(retriever=name, error=errors[name])
        if name in errors
        else read_part(job_id, f"evidence/{name}", RetrieverResult)
        for name in plan.retrievers
    ]


def _nearest(results: Sequence[RetrieverResult]) -> list[NearestEvidence]:
    best: dict[str, Evidence] = {}
    for result in results:
        for each in result.evidence:
            known = best.get(each.chunk.chunk_id)
            if known is None or _nearness(each) > _nearness(known):
                best[each.chunk.chunk_id] = each
    order = sorted(best.values(), key=lambda each: (_nearness(each), each.chunk.chunk_id), reverse=True)
    return [
        NearestEvidence(
            source=each.chunk.source,
            title=each.chunk.title,
            section=each.chunk.section,
            similarity=each.scores.vector,
            text=fold(each.chunk.text)[:NEAREST_CHARACTERS],
        )
        for each in order[:NEAREST]
    ]


def _nearness(evidence: Evidence) -> tuple[float, float]:
    vector, full_text = evidence.scores.vector, evidence.scores.full_text
    return (-2.0 if vector is None else vector, full_text or 0.0)
