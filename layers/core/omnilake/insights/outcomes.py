"""What became of the insights of a batch's documents: for Index Chunks, which needs the tags, and Publish Entries."""

from __future__ import annotations

from pydantic import Field

from omnilake import aws, layout
from omnilake.models import BatchDocument, DocumentStatus, ErrorRecord, InsightsStatus, JobId, LedgerLine, Model


class InsightsOutcome(Model):
    """Of one document."""

    entry_id: str
    version: str
    status: InsightsStatus
    error: ErrorRecord | None = None
    tags: list[str] = Field(default=[])


class InsightsBatch(Model):
    """Of all documents that were live."""

    job_id: JobId
    documents: list[InsightsOutcome]
    ledger: LedgerLine


def write(batch: InsightsBatch) -> None:
    """Keep the outcomes for the state that publishes."""
    aws.lake().write_model(layout.batch_insights(batch.job_id), batch)


def tags_of(job_id: str) -> dict[tuple[str, str], list[str]]:
    """Tags of a batch's documents by (entry id, version); of those without insights none."""
    return {key: each.tags for key, each in _read(job_id).items() if each.tags}


def applied(job_id: str, documents: list[BatchDocument], failure: ErrorRecord | None) -> list[BatchDocument]:
    """Completed documents with what became of their insights; the others as they are.

    Args:
        job_id: of the batch.
        documents: with their own outcomes.
        failure: the error that Extract Insights as a whole ended with. It counts for documents without an outcome.
    """
    known = _read(job_id)
    return [
        _with_outcome(document, known.get((document.entry_id, document.version)), failure)
        if document.status == DocumentStatus.COMPLETED
        else document
        for document in documents
    ]


def _with_outcome(
    document: BatchDocument, outcome: InsightsOutcome | None, failure: ErrorRecord | None
) -> BatchDocument:
    if outcome is not None:
        return document.model_copy(update={"insights_status": outcome.status, "insights_error": outcome.error})
    if failure is not None:
        return document.model_copy(update={"insights_status": InsightsStatus.FAILED, "insights_error": failure})
    return document  # none were asked for


def _read(job_id: str) -> dict[tuple[str, str], InsightsOutcome]:
    batch = aws.lake().find_model(layout.batch_insights(job_id), InsightsBatch)
    return {(each.entry_id, each.version): each for each in batch.documents} if batch else {}
