"""What embedding a batch came to: who was rejected, how good the vectors are, what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit
from pydantic import Field

from omnilake import aws, layout
from omnilake.errors import StageFailed
from omnilake.models import ErrorRecord, LedgerLine, Model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

READ_AT_ONCE = 8
"""Reports that are fetched at a time."""


class RejectedEntry(Model):
    """An entry version with a chunk that can't be embedded: the document fails, its neighbours go on."""

    entry_id: str
    version: str
    error: ErrorRecord


class Lengths(Model):
    """Of the vectors that were embedded, as the model gave them, before they were normalised."""

    mean: float
    least: float
    greatest: float

    @classmethod
    def of(cls, lengths: Sequence[NDArray[np.float32]]) -> Lengths | None:
        """None of no vector."""
        import numpy as np

        whole = np.concatenate(lengths) if lengths else np.empty(0, np.float32)
        if not len(whole):
            return None
        return cls(mean=float(whole.mean()), least=float(whole.min()), greatest=float(whole.max()))


class EmbedReport(Model):
    """Of one embedding batch (``layout.embed_report``)."""

    number: int
    chunks: int
    cached: int = 0  # different texts whose vector was there
    embedded: int = 0  # different texts that the provider embedded in the last attempt
    rejected: list[RejectedEntry] = Field(default=[])
    duplicate_rate: float = Field(default=0.0, ge=0, le=1)  # chunks whose text another chunk of the batch has
    drift: float | None = None  # 1 - cosine of the batch's mean and the archive's centroid
    lengths: Lengths | None = None
    usage: LedgerLine
    """Over all attempts: what was paid before a wait counts too."""


def rejected_entries(job_id: str, embed_batches: int) -> dict[tuple[str, str], ErrorRecord]:
    """(entry id, version) → why, of all entries that a batch of a job rejected.

    Raises:
        StageFailed: a batch left no report.
    """
    reports = read_all(job_id, embed_batches)
    return {(each.entry_id, each.version): each.error for report in reports for each in report.rejected}


def read_all(job_id: str, embed_batches: int) -> list[EmbedReport]:
    """Reports of all embedding batches of a job. Raises ``StageFailed`` when one is missing."""
    return aws.concurrently(partial(_read, job_id), range(embed_batches), threads=READ_AT_ONCE)


def find(job_id: str, number: int) -> EmbedReport | None:
    """The report of an earlier attempt at a batch."""
    return aws.lake().find_model(layout.embed_report(job_id, number), EmbedReport)


def write(job_id: str, report: EmbedReport) -> None:
    """Keep a report in the place of an earlier attempt's."""
    aws.lake().write_model(layout.embed_report(job_id, report.number), report)


def total(reports: Sequence[EmbedReport]) -> LedgerLine | None:
    """What all batches of a job used together; None of no batch."""
    if not reports:
        return None
    lines = [report.usage for report in reports]
    return lines[0].model_copy(
        update={
            "calls": sum(line.calls for line in lines),
            "input_tokens": sum(line.input_tokens for line in lines),
            "cost_usd": sum(line.cost_usd for line in lines),
            "seconds": sum(line.seconds for line in lines),
        }
    )


def measure(report: EmbedReport, paid: LedgerLine) -> None:
    """Figures of a batch as metrics (embedded metric format, by Powertools).

    Args:
        report: of the batch.
        paid: what this attempt used.
    """
    from omnilake.handler import metrics

    counts = {
        "EmbeddingCalls": paid.calls,
        "EmbeddingTokens": paid.input_tokens,
        "EmbeddingCacheHits": report.cached,
        "EmbeddingCacheMisses": report.embedded,
        "EntriesRejected": len(report.rejected),
    }
    for name, value in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics.add_metric(name="EmbeddingDuplicateRate", unit=MetricUnit.Percent, value=100 * report.duplicate_rate)
    figures: dict[str, float | None] = {"EmbeddingCost": paid.cost_usd, "EmbeddingDrift": report.drift}
    if report.lengths is not None:
        figures |= {
            "EmbeddingLengthMean": report.lengths.mean,
            "EmbeddingLengthMin": report.lengths.least,
            "EmbeddingLengthMax": report.lengths.greatest,
        }
    for name, figure in figures.items():
        if figure is not None:
            metrics.add_metric(name=name, unit=MetricUnit.NoUnit, value=figure)


def _read(job_id: str, number: int) -> EmbedReport:
    report = find(job_id, number)
    if report is None:
        raise StageFailed(f"Embedding batch {number} left no report.")
    return report
