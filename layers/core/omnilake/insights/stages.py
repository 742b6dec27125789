"""Extract Insights: what each document of a batch says as a whole. It runs beside the embedding and fails no entry."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Lock

from aws_lambda_powertools.metrics import MetricUnit
from pydantic import BaseModel, ConfigDict, Field

from omnilake import archives, aws, layout
from omnilake.errors import InsightsRejected, OmniLakeError, ProviderRejected, RateLimited, TransientError
from omnilake.generation import Usage
from omnilake.handler import logger, metrics
from omnilake.ingest import stages
from omnilake.insights import outcomes
from omnilake.insights.excerpt import excerpt
from omnilake.insights.outcomes import InsightsBatch, InsightsOutcome
from omnilake.insights.provider import NONE, InsightsProvider, Wanted, address, provider_for
from omnilake.models import BatchDocument, ErrorRecord, ExtractedDocument, Insights, InsightsStatus, JobId, LedgerLine
from omnilake.settings import settings

STATE = "Extract Insights"
THREADS = 8
"""Calls of a remote provider that are under way at once."""

MAX_WAITS = 10
"""How often a batch waits for a provider's quota before its other documents go without insights."""

DEADLINE_S = 600.0
"""No document is begun later: the state is retried and goes on where it was. Well below the function's timeout."""


class InsightsEvent(BaseModel):
    """Which batch, and how often it has waited for the provider's quota."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId
    archive_id: str
    waits: int = Field(default=0, ge=0)


class InsightsResult(BaseModel):
    """How many documents have insights, and how many have not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    extracted: int
    failed: int


def extract_insights(job_id: str, archive_id: str, waits: int = 0) -> InsightsResult:
    """Write ``layout.entry_insights`` of each live document, and ``layout.batch_insights`` of the batch.

    A model's answer is not paid for twice: what an attempt before has left for the same address is taken as it is.

    Raises:
        ArchiveNotFound: the archive is gone.
        StageFailed: the settings name no provider.
        RateLimited: the provider's quota is used up; not after ``MAX_WAITS`` waits.
        TransientError: the provider or the time failed; the documents that are done stay done.
    """
    name = settings().insights_provider
    if name == NONE:
        return InsightsResult(extracted=0, failed=0)
    batch = stages.read(job_id, stages.CHUNKED)
    provider = provider_for(name)
    run = _Run(provider, Wanted.by(archives.get_archive(archive_id)))
    live = [document for document in batch.documents if document.live]
    done = aws.concurrently(run.outcome, live, THREADS if provider.remote else 1)
    halt = run.halt
    outcomes.write(InsightsBatch(job_id=job_id, documents=done, ledger=run.ledger()))
    if isinstance(halt, TransientError) or (isinstance(halt, RateLimited) and waits < MAX_WAITS):
        raise halt
    failed = [each for each in done if each.status == InsightsStatus.FAILED]
    for each in failed:
        logger.warning("no insights", extra={"error_code": each.error.code if each.error else ""})
    metrics.add_metric(name="InsightsFailed", unit=MetricUnit.Count, value=len(failed))
    return InsightsResult(extracted=len(done) - len(failed), failed=len(failed))


class _Run:
    """One pass over a batch. The first error that concerns every document halts it."""

    def __init__(self, provider: InsightsProvider, wanted: Wanted) -> None:
        self._provider = provider
        self._wanted = wanted
        self._max_tokens = settings().insights_tokens
        self._began = time.monotonic()
        self._reading = Lock()  # one whole document in memory at a time, however many calls are under way
        self._lines: list[LedgerLine] = []
        self.halt: OmniLakeError | None = None

    def outcome(self, document: BatchDocument) -> InsightsOutcome:
        """Insights of one document, in the lake; or why there are none."""
        if self.halt is None and time.monotonic() - self._began > DEADLINE_S:
            self.halt = TransientError("The time did not suffice for the insights of all documents.")
        if self.halt is not None:
            return _outcome(document, self.halt)
        try:
            insights = self._insights(document)
        except InsightsRejected as error:
            return _outcome(document, error)
        except (RateLimited, TransientError, ProviderRejected) as error:
            self.halt = self.halt or error
            return _outcome(document, error)
        if insights.ledger is not None:
            self._lines.append(insights.ledger)
        return _outcome(document, None, insights.tags)

    def ledger(self) -> LedgerLine:
        """All documents' lines as one."""
        return LedgerLine(
            state=STATE,
            provider=self._provider.name,
            model=self._provider.model,
            calls=sum(line.calls for line in self._lines),
            input_tokens=sum(line.input_tokens for line in self._lines),
            output_tokens=sum(line.output_tokens for line in self._lines),
            cost_usd=sum(line.cost_usd for line in self._lines),
            seconds=round(sum(line.seconds for line in self._lines), 3),
        )

    def _insights(self, document: BatchDocument) -> Insights:
        key = layout.entry_insights(document.entry_id, document.version)
        with self._reading:
            source = layout.entry_document(document.entry_id, document.version)
            extracted = aws.lake().read_models(source, ExtractedDocument)[0]
            own = address(self._provider, extracted, self._wanted, self._max_tokens)
            read = excerpt(extracted.text, self._max_tokens)
            if self._provider.remote:
                extracted = extracted.model_copy(update={"text": "", "segments": []})
        known = aws.lake().find_model(key, Insights) if self._provider.remote else None
        if known is not None and known.address == own:
            return known
        began = time.monotonic()
        extraction, usage = self._provider.extract(extracted, read, self._wanted)
        insights = Insights(
            **extraction.model_dump(),
            provider=self._provider.model,
            prompt=self._provider.prompt_version,
            address=own,
            characters=read.characters,
            characters_read=read.characters_read,
            ledger=self._line(usage, time.monotonic() - began),
        )
        aws.lake().write_model(key, insights)
        return insights

    def _line(self, usage: Usage, seconds: float) -> LedgerLine:
        return LedgerLine(
            state=STATE,
            provider=self._provider.name,
            model=self._provider.model,
            **usage.model_dump(),
            seconds=round(seconds, 3),
        )


def _outcome(document: BatchDocument, error: OmniLakeError | None, tags: Sequence[str] = ()) -> InsightsOutcome:
    return InsightsOutcome(
        entry_id=document.entry_id,
        version=document.version,
        status=InsightsStatus.FAILED if error else InsightsStatus.EXTRACTED,
        error=ErrorRecord.of(error) if error else None,
        tags=list(tags),
    )
