"""Extract Text: bytes of each document → text and structure in the lake."""

from __future__ import annotations

from omnilake import aws, extraction, jobs, layout
from omnilake.errors import DocumentError
from omnilake.ingest import stages
from omnilake.models import BatchDocument, ErrorRecord, JobKind


def extract_text(job_id: str) -> stages.BatchResult:
    """Extract each live document of a batch, one at a time: memory follows the largest, not the sum."""
    batch = stages.read(job_id, stages.REGISTERED)
    jobs.enter(job_id, JobKind.INGEST_DOCUMENT, "Extract Text")
    documents = [_extract(document) if document.live else document for document in batch.documents]
    stages.write(batch.model_copy(update={"documents": documents}), stages.EXTRACTED)
    return stages.BatchResult(live=sum(document.live for document in documents))


def _extract(document: BatchDocument) -> BatchDocument:
    lake = aws.lake()
    data = aws.ObjectStore(document.ref.bucket).read(document.ref.key, document.ref.version_id)
    try:
        extracted = extraction.extract(data, document.name)
    except DocumentError as error:
        return stages.failed(document, ErrorRecord.of(error))
    lake.write(
        layout.entry_text(document.entry_id, document.version), extracted.text.encode(), "text/plain; charset=utf-8"
    )
    lake.write_models(layout.entry_document(document.entry_id, document.version), [extracted])
    return document.model_copy(
        update={"media_type": extracted.media_type, "title": extracted.title, "characters": len(extracted.text)}
    )
