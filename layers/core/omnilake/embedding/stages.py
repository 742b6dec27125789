"""Embed Batches: the chunks of one embedding batch → their vectors in the lake."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from omnilake import archives, aws, jobs, layout
from omnilake.embedding import cache, centroid, report
from omnilake.embedding.metered import Portion, embed_each
from omnilake.embedding.passages import passages
from omnilake.embedding.provider import EmbeddingProvider, price_of, provider_for
from omnilake.models import Chunk, EmbeddingSpace, ErrorRecord, JobId, JobKind, LedgerLine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from omnilake.embedding.provider import Vectors

STATE = "Embed Batches"


class EmbedBatchEvent(BaseModel):
    """Which embedding batch of which ingestion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId
    archive_id: str
    number: int = Field(ge=0)


class EmbedBatchResult(BaseModel):
    """How many vectors lie in the lake, and how many entries have a chunk that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    chunks: int
    rejected: int = 0


def embed_batch(job_id: str, archive_id: str, number: int) -> EmbedBatchResult:
    """Embed ``layout.embed_batch(job_id, number)`` into ``layout.embed_vectors(job_id, number)``.

    A text that the cache has, or that another chunk of the batch has, is not embedded again. What can't be embedded is
    named in ``layout.embed_report(job_id, number)`` with its entry, and its row holds NaN.

    Running it again writes the same vectors again. What was embedded before an error is in the cache by then, and what
    it cost is in the report.

    Raises:
        ArchiveNotFound: the archive is gone.
        EmbeddingRejected: nothing here serves the archive's space.
        RateLimited: a quota is used up; try again after so many seconds.
        TransientError, ProviderRejected: of the provider.
    """
    import numpy as np

    jobs.note(job_id, JobKind.INGEST_DOCUMENT, STATE)
    archive = archives.get_archive(archive_id)
    provider = provider_for(archive.space)
    chunks = aws.lake().read_models(layout.embed_batch(job_id, number), Chunk)
    texts = passages(chunks, provider)
    earlier = report.find(job_id, number)
    before = earlier.usage if earlier else _nothing(archive.space)
    work = _Embedding(provider, list(dict.fromkeys(texts)))
    try:
        work.run()
    except Exception:
        report.write(job_id, report.EmbedReport(number=number, chunks=len(chunks), usage=_sum(before, work.paid())))
        raise

    vectors = np.full((len(texts), archive.space.dimensions), np.nan, dtype=np.float32)
    for row, text in enumerate(texts):
        if text in work.vectors:
            vectors[row] = work.vectors[text]
    usable = np.isfinite(vectors).all(axis=1)
    done = report.EmbedReport(
        number=number,
        chunks=len(chunks),
        cached=work.cached,
        embedded=len(work.vectors) - work.cached,
        rejected=_rejected(chunks, texts, work.rejected),
        duplicate_rate=1 - len(set(texts)) / len(texts) if texts else 0.0,
        drift=centroid.drift(vectors[usable], centroid.read(archive.store_id, archive.space.dimensions)),
        lengths=report.Lengths.of(work.lengths),
        usage=_sum(before, work.paid()),
    )
    data = io.BytesIO()
    np.save(data, vectors, allow_pickle=False)
    report.write(job_id, done)
    aws.lake().write(layout.embed_vectors(job_id, number), data.getvalue())
    report.measure(done, work.paid())
    return EmbedBatchResult(number=number, chunks=int(usable.sum()), rejected=len(done.rejected))


@dataclass
class _Embedding:
    """Different texts on their way to vectors; what has been reached stays when an error ends it."""

    provider: EmbeddingProvider
    texts: Sequence[str]
    vectors: dict[str, Vectors] = field(default_factory=dict)
    rejected: dict[str, ErrorRecord] = field(default_factory=dict)
    lengths: list[NDArray[np.float32]] = field(default_factory=list)
    cached: int = 0
    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def run(self) -> None:
        """Look up what is known, embed the rest, keep each portion as it comes."""
        space = self.provider.space
        self.vectors |= cache.read(space, self.texts)
        self.cached = len(self.vectors)
        missing = [text for text in self.texts if text not in self.vectors]
        began = time.monotonic()
        try:
            for portion in embed_each(self.provider, missing):
                self._take(portion, missing)
        finally:
            self.seconds = time.monotonic() - began

    def _take(self, portion: Portion, missing: Sequence[str]) -> None:
        self.calls += portion.calls
        self.tokens += portion.tokens
        self.lengths.append(portion.lengths)
        self.rejected |= {missing[position]: error for position, error in portion.rejected.items()}
        texts = [missing[position] for position in portion.positions]
        self.vectors |= zip(texts, portion.vectors, strict=True)
        cache.write(self.provider.space, texts, portion.vectors)

    def paid(self) -> LedgerLine:
        """What it has used so far."""
        space = self.provider.space
        return _nothing(space).model_copy(
            update={
                "calls": self.calls,
                "input_tokens": self.tokens,
                "cost_usd": self.tokens * price_of(space) / 1_000_000,
                "seconds": self.seconds,
            }
        )


def _rejected(
    chunks: Sequence[Chunk], texts: Sequence[str], errors: dict[str, ErrorRecord]
) -> list[report.RejectedEntry]:
    """Entries of the chunks that have no vector, each with its first chunk's error."""
    found: dict[tuple[str, str], report.RejectedEntry] = {}
    for chunk, text in zip(chunks, texts, strict=True):
        if text in errors:
            told = errors[text]
            named = told.model_copy(update={"message": f"Chunk {chunk.ordinal}: {told.message}"})
            entry = report.RejectedEntry(entry_id=chunk.entry_id, version=chunk.version, error=named)
            found.setdefault((chunk.entry_id, chunk.version), entry)
    return list(found.values())


def _nothing(space: EmbeddingSpace) -> LedgerLine:
    return LedgerLine(state=STATE, provider=space.provider, model=space.model)


def _sum(before: LedgerLine, now: LedgerLine) -> LedgerLine:
    return before.model_copy(
        update={
            name: getattr(before, name) + getattr(now, name)
            for name in ("calls", "input_tokens", "cost_usd", "seconds")
        }
    )
