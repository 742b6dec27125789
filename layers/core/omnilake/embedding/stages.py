"""Embed Batches: the chunks of one embedding batch → their vectors in the lake."""

from __future__ import annotations

import io

from pydantic import BaseModel, ConfigDict, Field

from omnilake import archives, aws, jobs, layout
from omnilake.embedding.passages import passages
from omnilake.embedding.provider import checked, provider_for
from omnilake.models import Chunk, JobId, JobKind


class EmbedBatchEvent(BaseModel):
    """Which embedding batch of which ingestion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId
    archive_id: str
    number: int = Field(ge=0)


class EmbedBatchResult(BaseModel):
    """How many vectors lie in the lake."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    chunks: int


def embed_batch(job_id: str, archive_id: str, number: int) -> EmbedBatchResult:
    """Embed ``layout.embed_batch(job_id, number)`` into ``layout.embed_vectors(job_id, number)``.

    Running it again writes the same object again.

    Raises:
        ArchiveNotFound: the archive is gone.
        EmbeddingRejected: a chunk can't be embedded, or the vectors are unusable. Nothing is written then.
    """
    import numpy as np

    jobs.enter(job_id, JobKind.INGEST_DOCUMENT, "Embed Batches")
    provider = provider_for(archives.get_archive(archive_id).space)
    chunks = aws.lake().read_models(layout.embed_batch(job_id, number), Chunk)
    vectors = checked(provider.embed_passages(passages(chunks, provider)), len(chunks), provider.space)
    data = io.BytesIO()
    np.save(data, vectors, allow_pickle=False)
    aws.lake().write(layout.embed_vectors(job_id, number), data.getvalue())
    return EmbedBatchResult(number=number, chunks=len(chunks))
