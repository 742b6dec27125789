"""Compose Answer: the claims of the answer, out of evidence that fits one context or out of what compaction left."""

from __future__ import annotations

import time
from collections import Counter

from omnilake import jobs
from omnilake.answering.degradation import MAX_WAITS, UNAVAILABLE, Attempt, attempt, earlier, last_resort
from omnilake.answering.parts import (
    ANSWER_PLAN,
    COMPOSED,
    FUSED,
    AnswerPath,
    AnswerPlan,
    ComposedClaims,
    FusedEvidence,
    find_part,
    read_configuration,
    read_part,
    read_request,
    write_part,
)
from omnilake.compaction import capacity, memo, nodes
from omnilake.compaction.stages import CLAIMS
from omnilake.configuration import Step
from omnilake.generation import ClaimSet, GenerationProvider, Task, provider_for
from omnilake.generation.provider import EXTRACTIVE, extractive, ledger_line
from omnilake.generation.recording import Calls
from omnilake.models import Coverage, Degradation, InformationRequest, JobKind, LedgerLine, Model

STATE = "Compose Answer"


class CompositionResult(Model):
    """How many claims the answer has so far."""

    claims: int


def compose_answer(job_id: str, waits: int = 0, *, unavailable: bool = False) -> CompositionResult:
    """Choose the claims of the answer and write ``ComposedClaims``.

    A model whose answers do not fit, that refuses or whose provider refuses the call, or that is throttled after
    ``MAX_WAITS`` waits, is replaced by the selection of sentences; coverage says so.

    Args:
        job_id: the execution's name.
        waits: how often the state has waited for the model's quota.
        unavailable: the model did not answer: sentences are selected.

    Raises:
        RateLimited: the model's quota is used up for now, or that of the embedder of the extractive provider.
        StageFailed: the latter stays used up.
        TransientError: the model did not answer.
    """
    jobs.enter(job_id, JobKind.ANSWER_REQUEST, "Compose Without Model" if unavailable else "Compose Answer")
    request = read_request(job_id)
    fused, plan = read_part(job_id, FUSED, FusedEvidence), read_part(job_id, ANSWER_PLAN, AnswerPlan)
    configuration = read_configuration(job_id)
    coverage, ledger = plan.covered(fused.coverage), list[LedgerLine]()
    task, evidence = Task.of(request), fused.evidence[: plan.chunks]
    compacted: nodes.CompactedClaims | None = None
    if plan.path is AnswerPath.COMPACT:
        compacted = read_part(job_id, CLAIMS, nodes.CompactedClaims)
        ledger = list(compacted.ledger)
        coverage = _compacted(coverage, compacted)

    def claims_by(provider: GenerationProvider) -> ClaimSet:
        limits = {"max_tokens": capacity.MAX_ANSWER_TOKENS, "max_claims": request.max_claims}
        key = nodes.node_key(
            provider,
            step=Step.COMPOSE,
            parameters=limits,
            task=task,
            child_keys=[nodes.claims_key(compacted.claims)]
            if compacted
            else [nodes.chunk_key(each.chunk) for each in evidence],
        )
        known = memo.recall(job_id, request, key, configuration.memo_days)
        if known is not None:
            return ClaimSet(claims=known.claims)
        if compacted is None:
            made = provider.extract_claims(task, evidence, **limits)
        else:
            made = provider.merge_claims(task, compacted.claims, **limits)
        kept = memo.Remembered(claims=made.claims, **made.usage.model_dump())
        memo.remember(request, key, kept, configuration.memo_days)
        return made

    name = plan.steps[Step.COMPOSE]
    free = capacity.is_free(capacity.model_of(name, configuration))
    provider = extractive() if free else provider_for(name, configuration, Step.COMPOSE, Calls.of(job_id, request))
    began = time.monotonic()
    if free:
        tried = Attempt(last_resort(lambda: claims_by(provider), waits=waits))
    else:
        tried = attempt(lambda: claims_by(provider), waits=waits, instead=_instead(request, unavailable))
    found = tried.value
    if found is None:
        if tried.lost.calls:
            ledger.append(ledger_line(STATE, provider, tried.lost, time.monotonic() - began))
        degraded = Degradation(step=Step.COMPOSE, to=EXTRACTIVE, reason=tried.reason)
        coverage = coverage.model_copy(update={"degraded": [*coverage.degraded, degraded]})
        provider, began = extractive(), time.monotonic()
        selecting = provider
        found = last_resort(lambda: claims_by(selecting), waits=waits, most=2 * MAX_WAITS)
    ledger.append(ledger_line(STATE, provider, found.usage, time.monotonic() - began))
    rejected = dict(Counter(coverage.claims_removed) + Counter(found.rejected))
    composed = ComposedClaims(
        claims=found.claims,
        coverage=coverage.model_copy(
            update={"claims_found": len(found.claims) + sum(found.rejected.values()), "claims_removed": rejected}
        ),
        ledger=ledger,
        versions={"model.compose": f"{provider.name}/{provider.model}", "prompt.compose": provider.prompt_version},
    )
    write_part(job_id, COMPOSED, composed)
    return CompositionResult(claims=len(found.claims))


def _instead(request: InformationRequest, unavailable: bool) -> str:
    """Why the model is not called: it did not answer, or not when the answer that is replayed was made."""
    if unavailable:
        return UNAVAILABLE
    replayed = find_part(request.replay_of, COMPOSED, ComposedClaims) if request.replay_of else None
    return earlier(Step.COMPOSE, replayed.coverage.degraded) if replayed else ""


def _compacted(coverage: Coverage, compacted: nodes.CompactedClaims) -> Coverage:
    """The coverage with what the compaction lost, knew already, and did worse than asked for."""
    return coverage.model_copy(
        update={
            "groups": compacted.groups,
            "groups_failed": compacted.groups_failed,
            "groups_remembered": compacted.groups_remembered,
            "chunks_read": coverage.chunks_read - compacted.chunks_failed,
            "chunks_failed": compacted.chunks_failed,
            "chunks_dropped": _with(coverage.chunks_dropped, "group_failed", compacted.chunks_failed),
            "claims_removed": compacted.rejected,
            "degraded": [*coverage.degraded, *compacted.degraded],
        }
    )


def _with(counts: dict[str, int], reason: str, count: int) -> dict[str, int]:
    return {**counts, reason: count} if count else counts
