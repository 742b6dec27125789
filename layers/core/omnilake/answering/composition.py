"""Compose Answer: the claims of the answer, out of evidence that fits one context or out of what compaction left."""

from __future__ import annotations

import time

from omnilake import jobs
from omnilake.answering.parts import (
    COMPOSED,
    FUSED,
    ComposedClaims,
    FusedEvidence,
    read_configuration,
    read_part,
    read_request,
    write_part,
)
from omnilake.compaction.nodes import CompactedClaims
from omnilake.compaction.stages import CLAIMS
from omnilake.configuration import Step
from omnilake.generation import Task, model_name, provider_for
from omnilake.generation.provider import ledger_line
from omnilake.models import JobKind, Model

MAX_ANSWER_TOKENS = 2_000
"""Most tokens of an answer's claims."""


class CompositionResult(Model):
    """How many claims the answer has so far."""

    claims: int


def compose_answer(job_id: str) -> CompositionResult:
    """Choose the claims of the answer and write ``ComposedClaims``."""
    jobs.enter(job_id, JobKind.ANSWER_REQUEST, "Compose Answer")
    request = read_request(job_id)
    fused = read_part(job_id, FUSED, FusedEvidence)
    configuration = read_configuration(job_id)
    name = model_name(Step.COMPOSE, configuration, request.providers)
    provider = provider_for(name, configuration, Step.COMPOSE)
    coverage, ledger = fused.coverage, []
    limits = {"max_tokens": MAX_ANSWER_TOKENS, "max_claims": request.max_claims}
    began = time.monotonic()
    if fused.fits:
        found = provider.extract_claims(Task.of(request), fused.evidence, **limits)
    else:
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
        found = provider.merge_claims(Task.of(request), compacted.claims, **limits)
    ledger.append(ledger_line("Compose Answer", provider, found.usage, time.monotonic() - began))
    composed = ComposedClaims(
        claims=found.claims,
        coverage=coverage.model_copy(update={"claims_found": len(found.claims)}),
        ledger=ledger,
        versions={"generation": f"{provider.name}/{provider.model}", "prompt": provider.prompt_version},
    )
    write_part(job_id, COMPOSED, composed)
    return CompositionResult(claims=len(found.claims))


def _with(counts: dict[str, int], reason: str, count: int) -> dict[str, int]:
    return {**counts, reason: count} if count else counts
