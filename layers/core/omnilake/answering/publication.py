"""Publish Answer: claims with numbered citations, coverage and ledger; or an abstention with its reasons."""

from __future__ import annotations

from collections.abc import Sequence

from omnilake import __version__, archives, aws, jobs
from omnilake.answering.parts import (
    ANSWER,
    COMPOSED,
    FUSED,
    VERIFIED,
    ComposedClaims,
    FusedEvidence,
    VerifiedClaims,
    read_configuration,
    read_part,
    read_request,
    write_part,
)
from omnilake.clock import now
from omnilake.generation.sentences import fold
from omnilake.models import (
    Answer,
    AnswerClaim,
    AnswerStatus,
    Chunk,
    Citation,
    Claim,
    JobKind,
    Model,
    Quote,
)

NO_CLAIM = "The passages found say nothing that answers the question."
NO_VERIFIED_CLAIM = "No claim could be verified against its source."
ABSTENTION = "The archive holds no answer to this question."


class PublicationResult(Model):
    """The answer's status and where it lies in the lake."""

    status: AnswerStatus
    claims: int
    citations: int
    answer_key: str


def publish_answer(job_id: str, execution_arn: str) -> PublicationResult:
    """Write the ``Answer``, complete the job, and tell the bus."""
    answer = assemble(job_id, execution_arn)
    key = write_part(job_id, ANSWER, answer)
    counts = {"claims": len(answer.claims), "citations": len(answer.citations)}
    jobs.complete(
        job_id,
        JobKind.ANSWER_REQUEST,
        "Publish Answer",
        result_key=key,
        claims=len(answer.claims),
        citations=len(answer.citations),
    )
    answered = answer.status == AnswerStatus.ANSWERED
    aws.publish_event(
        "Answer Published" if answered else "Answer Abstained",
        {"job_id": job_id, "archives": answer.archives, "status": answer.status.value, "answer_key": key, **counts},
    )
    return PublicationResult(status=answer.status, answer_key=key, **counts)


def assemble(job_id: str, execution_arn: str) -> Answer:
    """The answer out of what the stages left in the lake."""
    request = read_request(job_id)
    fused = read_part(job_id, FUSED, FusedEvidence)
    found = [archives.get_archive(archive_id) for archive_id in dict.fromkeys(request.archives)]
    versions = {"product": __version__, "configuration": read_configuration(job_id).hash}
    versions |= {f"embedding_space.{each.archive_id}": each.space.space_id for each in found}
    versions |= {f"store.{each.archive_id}": each.store_id for each in found}
    coverage, reasons = fused.coverage, list(fused.reasons)
    composed = verified = None
    if fused.evidence:
        composed = read_part(job_id, COMPOSED, ComposedClaims)
        verified = read_part(job_id, VERIFIED, VerifiedClaims)
        versions |= composed.versions
        coverage = composed.coverage.model_copy(update={"claims_removed": verified.removed})
        if not verified.claims:
            reasons = [NO_VERIFIED_CLAIM if composed.claims else NO_CLAIM]
    claims, citations = cite(
        verified.claims if verified else [], {each.chunk.chunk_id: each.chunk for each in fused.evidence}
    )
    ledger = composed.ledger if composed else []
    return Answer(
        job_id=job_id,
        archives=[each.archive_id for each in found],
        status=AnswerStatus.ANSWERED if claims else AnswerStatus.ABSTAINED,
        text=render(claims) if claims else " ".join([ABSTENTION, *reasons]),
        claims=claims,
        citations=citations,
        reasons=[] if claims else reasons,
        nearest=[] if claims else fused.nearest,
        coverage=coverage,
        ledger=ledger,
        cost_usd=sum(line.cost_usd for line in ledger),
        versions=versions,
        execution_arn=execution_arn,
        created_at=now(),
    )


def cite(claims: Sequence[Claim], chunks: dict[str, Chunk]) -> tuple[list[AnswerClaim], list[Citation]]:
    """Claims with numbers, and what the numbers stand for: in order of first use, the same span only once."""
    numbers: dict[tuple[str, str, int, int], int] = {}
    citations: list[Citation] = []
    cited: list[AnswerClaim] = []
    for claim in claims:
        used = []
        for quote in claim.quotes:
            span = (quote.entry_id, quote.version, quote.start, quote.end)
            if span not in numbers:
                numbers[span] = len(numbers) + 1
                citations.append(_citation(numbers[span], quote, chunks[quote.chunk_id]))
            if numbers[span] not in used:
                used.append(numbers[span])
        cited.append(AnswerClaim(text=claim.text, citations=used, score=claim.score))
    return cited, citations


def render(claims: Sequence[AnswerClaim]) -> str:
    """The answer's text: one claim a line, each followed by the numbers of its citations."""
    return "\n".join(f"{claim.text} {''.join(f'[{number}]' for number in claim.citations)}" for claim in claims)


def console_link(execution_arn: str) -> str:
    """The execution in the Step Functions console."""
    region = execution_arn.split(":")[3]
    return f"https://{region}.console.aws.amazon.com/states/home?region={region}#/v2/executions/details/{execution_arn}"


def _citation(number: int, quote: Quote, chunk: Chunk) -> Citation:
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
        speaker=chunk.speaker,
        start=quote.start,
        end=quote.end,
        quote=fold(quote.text),
    )
