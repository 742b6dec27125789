"""Compose Answer: the claims of the answer, out of evidence that fits one context or out of what compaction left."""

from __future__ import annotations

import time
from collections import Counter

from omnilake import jobs
from omnilake.answering.degradation import UNAVAILABLE, attempt, earlier
from omnilake.answering.parts import (
    COMPOSED,
    FUSED,
    ComposedClaims,
    FusedEvidence,
    find_part,
    read_configuration,
    read_part,
    read_request,
    write_part,
)
from omnilake.compaction.nodes import CompactedClaims
from omnilake.compaction.stages import CLAIMS
from omnilake.configuration import Step
from omnilake.generation import ClaimSet, GenerationProvider, Task, extractive, model_name, provider_for
from omnilake.generation.provider import EXTRACTIVE, ledger_line
from omnilake.generation.recording import Calls
from omnilake.models import Degradation, InformationRequest, JobKind, LedgerLine, Model

STATE = "Compose Answer"

MAX_ANSWER_TOKENS = 2_000
"""Most tokens of an answer's claims."""


class CompositionResult(Model):
    """How many claims the answer has so far."""

    claims: int


def compose_answer(job_id: str, waits: int = 0, *, unavailable: bool = False) -> CompositionResult:
    """Choose the claims of the answer and write ``ComposedClaims``.

    A model whose answers do not fit, that refuses, or is throttled after ``MAX_WAITS`` waits is replaced by the
    selection of sentences; coverage says so.

    Args:
        job_id: the execution's name.
        waits: how often the state has waited for the model's quota.
        unavailable: the model did not answer: sentences are selected.

    Raises:
        RateLimited: the model's quota is used up for now.
        TransientError: the model did not answer.
        ProviderRejected: its provider refuses the call: key, model, access.
    """
    jobs.enter(job_id, JobKind.ANSWER_REQUEST, "Compose Answer")
    request = read_request(job_id)
    fused = read_part(job_id, FUSED, FusedEvidence)
    configuration = read_configuration(job_id)
    name = model_name(Step.COMPOSE, configuration, request.providers)
    coverage, ledger, compacted = fused.coverage, list[LedgerLine](), None
    if not fused.fits:
        compacted = read_part(job_id, CLAIMS, CompactedClaims)
        ledger = list(compacted.ledger)
        coverage = coverage.model_copy(
            update={
                "groups": compacted.groups,
                "groups_failed": compacted.groups_failed,
                "chunks_read": coverage.chunks_read - compacted.chunks_unread,
                "chunks_dropped": _with(coverage.chunks_dropped, "group_failed", compacted.chunks_unread),
            }
        )

    def claims_by(provider: GenerationProvider) -> ClaimSet:
        limits = {"max_tokens": MAX_ANSWER_TOKENS, "max_claims": request.max_claims}
        if compacted is None:
            return provider.extract_claims(Task.of(request), fused.evidence, **limits)
        return provider.merge_claims(Task.of(request), compacted.claims, **limits)

    provider = provider_for(name, configuration, Step.COMPOSE, Calls.of(job_id, request))
    began = time.monotonic()
    tried = attempt(lambda: claims_by(provider), waits=waits, instead=_instead(request, unavailable))
    found = tried.value
    if found is None:
        if tried.lost.calls:
            ledger.append(ledger_line(STATE, provider, tried.lost, time.monotonic() - began))
        degraded = Degradation(step=Step.COMPOSE, to=EXTRACTIVE, reason=tried.reason)
        coverage = coverage.model_copy(update={"degraded": [*coverage.degraded, degraded]})
        provider, began = extractive(), time.monotonic()
        found = claims_by(provider)
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


def _with(counts: dict[str, int], reason: str, count: int) -> dict[str, int]:
    return {**counts, reason: count} if count else counts
