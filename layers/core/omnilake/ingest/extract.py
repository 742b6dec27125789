"""Extract Text: bytes of each document → text and structure in the lake; archive files → their members, as uploads."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from io import BytesIO

from omnilake import archives, aws, entries, extraction, jobs, layout
from omnilake.errors import DocumentError, ScannedDocument
from omnilake.extraction import ocr
from omnilake.ingest import contents, landing, reindex, rules, stages
from omnilake.labels import TENANT_NAMES
from omnilake.models import (
    Archive,
    BatchDocument,
    ChunkingConfig,
    DocumentStatus,
    ErrorRecord,
    ExtractedDocument,
    JobKind,
    Processor,
    Record,
)
from omnilake.settings import settings

STATE = "Extract Text"


def extract_text(job_id: str) -> stages.BatchResult:
    """Extract each live document of a batch, one at a time: memory follows the largest, not the sum."""
    batch = stages.read(job_id, stages.REGISTERED)
    jobs.enter(job_id, JobKind.INGEST_DOCUMENT, STATE)
    archive = archives.get_archive(batch.archive_id)
    lines = contents.read_lines(document.ref for document in batch.documents if document.live)
    documents = [
        _extract(document, archive, job_id, lines) if document.live else document for document in batch.documents
    ]
    stages.write(batch.model_copy(update={"documents": documents}), stages.EXTRACTED)
    return stages.BatchResult(live=sum(document.live for document in documents))


def _extract(
    document: BatchDocument, archive: Archive, job_id: str, lines: dict[contents.Line, bytes]
) -> BatchDocument:
    if document.reindexed:
        return reindex.read(document, archive)
    entries.start(document.entry_id, document.version, archive.archive_id, job_id)
    try:
        if document.ref.line is not None:
            record = contents.parse_record(lines.get(contents.line_of(document.ref), b""))
            extracted, chunking = _read_record(record, document, archive)
        else:
            data = aws.ObjectStore(document.ref.bucket).read(document.ref.key, document.ref.version_id)
            if extraction.is_archive(data, document.name):
                return _expand(data, document, archive.archive_id)
            extracted, chunking = _read(data, document, archive)
    except DocumentError as error:
        return stages.failed(document, ErrorRecord.of(error))
    return _keep(extracted, chunking, document)


def _read_record(
    record: Record, document: BatchDocument, archive: Archive
) -> tuple[ExtractedDocument, ChunkingConfig | None]:
    extracted = extraction.read_record(record)
    processor, chunking = rules.choose(
        archive.rules,
        media_type=extracted.media_type,
        name=document.name,
        metadata=extracted.metadata,
        default=extracted.processor,
    )
    return extracted.model_copy(update={"processor": processor}), chunking


def _read(data: bytes, document: BatchDocument, archive: Archive) -> tuple[ExtractedDocument, ChunkingConfig | None]:
    """Text and structure, read as the archive's rules say; of a scan by text recognition where there is one. The rows
    of a table are kept beside its text."""
    opened = extraction.open_document(data, document.name)
    processor, chunking = rules.choose(
        archive.rules,
        media_type=opened.media_type,
        name=document.name,
        columns=opened.columns,
        metadata={**opened.metadata, **document.metadata},
        default=opened.processor,
    )
    try:
        extracted = opened.read(processor)
    except ScannedDocument:
        if not ocr.available():
            raise
        extracted = ocr.recognise(document.ref).model_copy(update={"processor": processor})
    if processor == Processor.ROWS and opened.tabular:
        _keep_rows(opened.rows(), document)
    return extracted, chunking


def _keep_rows(rows: Iterator[dict[str, str]], document: BatchDocument) -> None:
    packed = BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=5, mtime=0) as lines:
        for row in rows:
            lines.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    aws.lake().write(layout.entry_rows(document.entry_id, document.version), packed.getvalue(), "application/gzip")


def _keep(extracted: ExtractedDocument, chunking: ChunkingConfig | None, document: BatchDocument) -> BatchDocument:
    lake = aws.lake()
    lake.write(
        layout.entry_text(document.entry_id, document.version), extracted.text.encode(), "text/plain; charset=utf-8"
    )
    lake.write_models(layout.entry_document(document.entry_id, document.version), [extracted])
    metadata = {**_own_metadata(extracted), **document.metadata}
    return stages.read_as(extracted, chunking, document.model_copy(update={"metadata": metadata}))


def _own_metadata(extracted: ExtractedDocument) -> dict[str, str]:
    """What a document says of itself, without whose it is: that is said by who brings it."""
    return {name: value for name, value in extracted.metadata.items() if name not in TENANT_NAMES}


def _expand(data: bytes, document: BatchDocument, archive_id: str) -> BatchDocument:
    """Put the members of an archive file below ``incoming/``, where their own ingestion starts, with its metadata and
    effective date: who brought it brought them.

    Done again, it puts the same bytes there again: they are duplicates of themselves.
    """
    store = aws.ObjectStore(settings().require("landing_bucket"))
    count = 0
    expansion = extraction.expand(data, document.name)
    told = dict(document.metadata)
    if document.effective_on:
        told[contents.EFFECTIVE_METADATA] = document.effective_on
    inherited = landing.user_metadata(told)
    for member in expansion:
        key = f"{landing.INCOMING}{archive_id}/{document.name}/{member.name}"
        store.write(key, member.data, metadata=inherited)
        count += 1
    return document.model_copy(
        update={
            "status": DocumentStatus.EXPANDED,
            "media_type": "application/zip",
            "members": count,
            "left_out": expansion.left_out,
        }
    )
