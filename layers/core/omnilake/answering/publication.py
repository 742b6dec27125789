"""Publish Answer: claims with numbered citations, coverage and ledger; or an abstention with its reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from omnilake import __version__, archives, aws, jobs
from omnilake.answering import replay
from omnilake.answering.comparison import content_hash
from omnilake.answering.links import citation_url
from omnilake.answering.parts import (
    ANSWER,
    ANSWER_PLAN,
    COMPOSED,
    FUSED,
    PLAN,
    PROMPT,
    VERIFIED,
    AnswerPlan,
    ComposedClaims,
    FusedEvidence,
    VerifiedClaims,
    find_part,
    read_configuration,
    read_part,
    read_request,
    write_part,
)
from omnilake.answering.rendering import render
from omnilake.answering.write_back import write_back
from omnilake.clock import now
from omnilake.generation import Task, prompts
from omnilake.generation.prompts import AssembledPrompt
from omnilake.generation.sentences import fold
from omnilake.models import (
    Answer,
    AnswerClaim,
    AnswerStatus,
    Archive,
    Chunk,
    Citation,
    Claim,
    Deliverable,
    InformationRequest,
    JobKind,
    Model,
    Quote,
)
from omnilake.retrieval import RetrievalPlan
from omnilake.settings import settings

STATE = "Publish Answer"

NO_CLAIM = "The passages found say nothing that answers the question."
NO_VERIFIED_CLAIM = "No claim could be verified against its source."
ABSTENTION = "The archive holds no answer to this question."


QUOTED = "Nothing was answered: what the answer would take was asked for."
FOUND = "Nothing was answered: the ranked evidence alone was asked for."
PROMPTED = "Nothing was answered: the prompt for a model of the caller's own was asked for."

_EVENTS = {
    AnswerStatus.ANSWERED: "Answer Published",
    AnswerStatus.ABSTAINED: "Answer Abstained",
    AnswerStatus.PROMPT: "Prompt Published",
    AnswerStatus.QUOTED: "Quote Published",
    AnswerStatus.EVIDENCE: "Evidence Published",
}


class PublicationResult(Model):
    """The answer's status and where it lies in the lake."""

    status: AnswerStatus
    claims: int
    citations: int
    answer_key: str


def publish_answer(job_id: str, execution_arn: str) -> PublicationResult:
    """Write the ``Answer`` (and the answer as an entry, where it is to become one), complete the job, tell the bus."""
    jobs.enter(job_id, JobKind.ANSWER_REQUEST, STATE)
    request = read_request(job_id)
    answer = assemble(job_id, request, execution_arn)
    if answer.status is AnswerStatus.PROMPT:
        answer = answer.model_copy(update={"prompt_key": write_part(job_id, PROMPT, _prompt(job_id, request))})
    if request.destination_archive and answer.status is AnswerStatus.ANSWERED:
        answer = answer.model_copy(update={"written_back": write_back(answer, request)})
    key = write_part(job_id, ANSWER, answer)
    claims, citations = len(answer.claims), len(answer.citations)
    jobs.complete(
        job_id,
        JobKind.ANSWER_REQUEST,
        STATE,
        result_key=key,
        cost_usd=answer.cost_usd,
        claims=claims,
        citations=citations,
    )
    told: dict[str, Any] = {
        "job_id": job_id,
        "archives": answer.archives,
        "status": answer.status.value,
        "answer_key": key,
        "claims": claims,
        "citations": citations,
    }
    if answer.written_back:
        told["written_back"] = answer.written_back.model_dump(mode="json", exclude_none=True)
    aws.publish_event(_EVENTS[answer.status], told)
    return PublicationResult(status=answer.status, answer_key=key, claims=claims, citations=citations)


def assemble(job_id: str, request: InformationRequest, execution_arn: str) -> Answer:
    """The answer out of what the stages left in the lake."""
    fused = read_part(job_id, FUSED, FusedEvidence)
    found = [archives.get_archive(archive_id) for archive_id in dict.fromkeys(request.archives)]
    composed = find_part(job_id, COMPOSED, ComposedClaims)
    verified = find_part(job_id, VERIFIED, VerifiedClaims)
    coverage, reasons = fused.coverage, list(fused.reasons)
    planned = find_part(job_id, ANSWER_PLAN, AnswerPlan) if fused.evidence else None
    if planned is not None:
        coverage, reasons = planned.covered(coverage), planned.reasons or reasons
    if composed is not None:
        coverage = composed.coverage
        if verified is not None:
            removed = dict(Counter(coverage.claims_removed) + Counter(verified.removed))
            degraded = [*coverage.degraded, *verified.degraded]
            coverage = coverage.model_copy(update={"claims_removed": removed, "degraded": degraded})
        if not (verified and verified.claims):
            reasons = [NO_VERIFIED_CLAIM if composed.claims else NO_CLAIM]
    claims, citations = cite(
        verified.claims if verified else [],
        {each.chunk.chunk_id: each.chunk for each in fused.evidence},
        job_id=request.replay_of or job_id,
        landing_bucket=settings().require("landing_bucket"),
        lake_bucket=settings().require("lake_bucket"),
    )
    status = _status(request, fused, claims)
    text = {
        AnswerStatus.ANSWERED: render(claims),
        AnswerStatus.ABSTAINED: " ".join([ABSTENTION, *reasons]),
        AnswerStatus.PROMPT: PROMPTED,
        AnswerStatus.QUOTED: QUOTED,
        AnswerStatus.EVIDENCE: FOUND,
    }[status]
    abstained = status is AnswerStatus.ABSTAINED
    plan = read_part(job_id, PLAN, RetrievalPlan)
    paid = (
        [] if replay.takes_evidence(request) else [*plan.ledger, *fused.ledger]
    )  # else it was paid for by the job it is taken from
    ledger = [*paid, *(composed.ledger if composed else []), *(verified.ledger if verified else [])]
    answer = Answer(
        job_id=job_id,
        archives=[each.archive_id for each in found],
        status=status,
        text=text,
        claims=claims,
        citations=citations,
        reasons=reasons if abstained else [],
        nearest=fused.nearest if abstained else [],
        routes=plan.routes,
        coverage=coverage,
        budget=planned.budget if planned else None,
        ledger=ledger,
        cost_usd=sum(line.cost_usd for line in ledger),
        versions=_versions(job_id, found, fused.store_versions)
        | fused.versions
        | (composed.versions if composed else {})
        | (verified.versions if verified else {}),
        replay_of=request.replay_of,
        forked_from=request.forked_from,
        execution_arn=execution_arn,
        created_at=now(),
    )
    return answer.model_copy(update={"content_hash": content_hash(answer)})


def _status(request: InformationRequest, fused: FusedEvidence, claims: Sequence[AnswerClaim]) -> AnswerStatus:
    if claims:
        return AnswerStatus.ANSWERED
    if not fused.evidence or request.deliver is Deliverable.ANSWER:
        return AnswerStatus.ABSTAINED
    return {
        Deliverable.QUOTE: AnswerStatus.QUOTED,
        Deliverable.PROMPT: AnswerStatus.PROMPT,
        Deliverable.EVIDENCE: AnswerStatus.EVIDENCE,
    }[request.deliver]


def _prompt(job_id: str, request: InformationRequest) -> AssembledPrompt:
    evidence = read_part(job_id, FUSED, FusedEvidence).evidence
    return prompts.assemble(Task.of(request), evidence, read_configuration(job_id), max_claims=request.max_claims)


def _versions(job_id: str, found: Sequence[Archive], store_versions: dict[str, int]) -> dict[str, str]:
    """Of everything that decided the answer besides the models and prompts of its steps."""
    versions = {"product": __version__, "configuration": read_configuration(job_id).hash}
    for archive in found:
        versions[f"embedding_space.{archive.archive_id}"] = archive.space.space_id
        read = store_versions.get(archive.store_id)
        versions[f"store.{archive.archive_id}"] = archive.store_id + (f" v{read}" if read else "")
    return versions


def cite(
    claims: Sequence[Claim], chunks: dict[str, Chunk], *, job_id: str, landing_bucket: str, lake_bucket: str
) -> tuple[list[AnswerClaim], list[Citation]]:
    """Claims with numbers, and what the numbers stand for: in order of first use, the same span only once.

    Args:
        claims: verified.
        chunks: of the evidence, by id.
        job_id: of the answer; of a replay the job that it repeats, whose links are its own.
        landing_bucket, lake_bucket: where the links of uploads and of stored texts lead.
    """
    numbers: dict[tuple[str, str, int, int], int] = {}
    citations: list[Citation] = []
    cited: list[AnswerClaim] = []
    for claim in claims:
        used = []
        for quote in claim.quotes:
            span = (quote.entry_id, quote.version, quote.start, quote.end)
            if span not in numbers:
                numbers[span] = len(numbers) + 1
                chunk = chunks[quote.chunk_id]
                url = citation_url(quote, chunk, job_id=job_id, landing_bucket=landing_bucket, lake_bucket=lake_bucket)
                citations.append(_citation(numbers[span], quote, chunk, url))
            if numbers[span] not in used:
                used.append(numbers[span])
        cited.append(AnswerClaim(text=claim.text, citations=used, score=claim.score, conflict=claim.conflict))
    return cited, citations


def console_link(execution_arn: str) -> str:
    """The execution in the Step Functions console."""
    region = execution_arn.split(":")[3]
    return f"https://{region}.console.aws.amazon.com/states/home?region={region}#/v2/executions/details/{execution_arn}"


def _citation(number: int, quote: Quote, chunk: Chunk, url: str) -> Citation:
    return Citation(
        number=number,
        entry_id=quote.entry_id,
        version=quote.version,
        chunk_id=quote.chunk_id,
        source=chunk.source,
        title=chunk.title,
        section=chunk.section,
        page=chunk.page,
        time_s=chunk.time_s,
        posted_at=chunk.posted_at,
        speaker=chunk.speaker,
        start=quote.start,
        end=quote.end,
        quote=fold(quote.text),
        url=url,
    )
