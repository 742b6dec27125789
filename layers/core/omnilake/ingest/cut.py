"""Chunk Text: text → chunks of the archive's configuration, grouped into embedding batches in the lake."""

from __future__ import annotations

from omnilake import archives, aws, chunking, clock, embedding, jobs, labels, layout
from omnilake.errors import DocumentError, NoTextFound, TooManyChunks
from omnilake.ingest import stages
from omnilake.models import BatchDocument, Chunk, ChunkingConfig, ErrorRecord, ExtractedDocument, JobKind
from omnilake.settings import settings

MAX_CHUNKS = 100_000
"""Most chunks of one batch: an inline Map of under 1,000 embedding calls at the default 128 chunks each."""


def chunk_text(job_id: str) -> stages.BatchResult:
    """Cut each live document and write the chunks as embedding batches ``layout.embed_batch(job_id, 0 … n-1)``."""
    batch = stages.read(job_id, stages.EXTRACTED)
    archive = archives.get_archive(batch.archive_id)
    jobs.enter(job_id, JobKind.INGEST_DOCUMENT, "Chunk Text")
    provider = embedding.provider_for(archive.space)
    size = settings().embed_batch_chunks
    pending: list[Chunk] = []
    documents: list[BatchDocument] = []
    written = total = 0
    for document in batch.documents:
        if not document.live:
            documents.append(document)
            continue
        try:
            chunks = _chunks(document, document.chunking or archive.chunking, provider)
            if total + len(chunks) > MAX_CHUNKS:
                raise TooManyChunks(f"The document has {len(chunks):,} chunks; a batch may have {MAX_CHUNKS:,}.")
        except DocumentError as error:
            documents.append(stages.failed(document, ErrorRecord.of(error)))
            continue
        documents.append(document.model_copy(update={"chunks": len(chunks)}))
        total += len(chunks)
        pending += chunks
        while len(pending) >= size:
            aws.lake().write_models(layout.embed_batch(job_id, written), pending[:size])
            pending, written = pending[size:], written + 1
    if pending:
        aws.lake().write_models(layout.embed_batch(job_id, written), pending)
        written += 1
    done = batch.model_copy(update={"documents": documents, "embed_batches": written, "chunks": total})
    stages.write(done, stages.CHUNKED)
    jobs.note(job_id, JobKind.INGEST_DOCUMENT, "Chunk Text", chunks=total)
    return stages.BatchResult(live=sum(each.live for each in documents), embed_batches=written, chunks=total)


def _chunks(document: BatchDocument, config: ChunkingConfig, provider: embedding.EmbeddingProvider) -> list[Chunk]:
    key = layout.entry_document(document.entry_id, document.version)
    extracted = aws.lake().read_models(key, ExtractedDocument)[0]
    spans = chunking.chunk(extracted, config, provider.encode)
    chunks = chunking.to_chunks(
        spans,
        extracted,
        entry_id=document.entry_id,
        version=document.version,
        source=document.source,
        media_type=document.media_type,
        source_type=document.source_type,
        received_at=clock.instant(document.received_at) if document.received_at else "",
        effective_on=clock.instant(document.effective_on) if document.effective_on else "",
        labels=labels.of_metadata(document.metadata),
    )
    if not chunks:
        raise NoTextFound("The document holds no text to index.")
    return chunks
