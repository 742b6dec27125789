"""Events and results of the workflow's states, and the batch as the states hand it on."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

from omnilake import aws, layout
from omnilake.models import Batch, BatchDocument, ChunkingConfig, DocumentStatus, ErrorRecord, ExtractedDocument, JobId

REGISTERED, EXTRACTED, CHUNKED, PUBLISHED = "registered", "extracted", "chunked", "published"
STAGES = (REGISTERED, EXTRACTED, CHUNKED, PUBLISHED)
"""Names of the stages' outputs, in order."""


class BatchEvent(BaseModel):
    """What a state is handed: which batch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId
    archive_id: str


class BatchResult(BaseModel):
    """What a state returns. ``live``: documents that later states work on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    live: int
    store_id: str = ""
    embed_batches: int = 0
    chunks: int = 0


_MARKS = re.compile(r"^[\s#>*+-]+")
_TITLE_CHARACTERS = 80


def read(job_id: str, stage: str) -> Batch:
    """The batch after a stage."""
    return aws.lake().read_model(layout.batch(job_id, stage), Batch)


def write(batch: Batch, stage: str) -> Batch:
    """Keep the batch as it is after a stage."""
    aws.lake().write_model(layout.batch(batch.job_id, stage), batch)
    return batch


def latest(job_id: str) -> Batch | None:
    """The batch after the last stage that finished, None when not even registration did."""
    for stage in reversed(STAGES):
        if (batch := aws.lake().find_model(layout.batch(job_id, stage), Batch)) is not None:
            return batch
    return None


def read_as(extracted: ExtractedDocument, chunking: ChunkingConfig | None, document: BatchDocument) -> BatchDocument:
    """A document with what the states behind extraction need to know of its text."""
    title = extracted.title or beginning(extracted.text)
    told = {"media_type": extracted.media_type, "processor": extracted.processor, "title": title}
    return document.model_copy(update={**told, "chunking": chunking, "characters": len(extracted.text)})


def beginning(text: str) -> str:
    """The first line with words in it, cut after a word: what people call a text that nobody named.

    Only the registry calls it that. As the title of its chunks it would hide the first sentence from answers, which
    pass over a document's own title.
    """
    lines = (_MARKS.sub("", line).strip() for line in text.splitlines())
    first = " ".join(next(filter(None, lines), "").split())
    return first if len(first) <= _TITLE_CHARACTERS else first[:_TITLE_CHARACTERS].rsplit(" ", 1)[0] + " …"


def failed(document: BatchDocument, error: ErrorRecord) -> BatchDocument:
    """The document with its error: later states leave it alone, ``publish`` records it."""
    return document.model_copy(update={"status": DocumentStatus.FAILED, "error": error})
