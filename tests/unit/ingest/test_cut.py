"""Chunk Text: each document in the way that its processor, its rule and its archive ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
from any_ingest import LANDING, any_archive, any_batch

from omnilake import aws, embedding, layout
from omnilake.embedding.local import SPACE
from omnilake.ingest import stages
from omnilake.ingest.cut import chunk_text
from omnilake.models import (
    Batch,
    BatchDocument,
    Chunk,
    ChunkingConfig,
    DocumentStatus,
    ExtractedDocument,
    ObjectRef,
    Processor,
    Segment,
    SegmentKind,
)


@pytest.fixture(autouse=True)
def _model(stack: None, data_packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(data_packages)
    embedding.provider_for.cache_clear()


def extracted(name: str, processor: Processor, text: str, kind: SegmentKind) -> tuple[BatchDocument, ExtractedDocument]:
    """A document whose lines are its segments."""
    segments, start = [], 0
    for number, line in enumerate(text.split("\n")):
        end = start + len(line)
        segments.append(Segment(start=start, end=end, kind=kind, posted_at=number * 7_200.0, header="a; b"))
        start = end + 1
    document = ExtractedDocument(media_type="text/plain", processor=processor, title=name, text=text, segments=segments)
    ref = ObjectRef(bucket=LANDING, key=f"incoming/docs/{name}")
    told = BatchDocument(
        ref=ref, name=name, source=f"s3://{LANDING}/{name}", status=DocumentStatus.PROCESSING, entry_id=name,
        version="1", processor=processor,
    )  # fmt: skip
    return told, document


def cut(
    archive_chunking: ChunkingConfig, *documents: tuple[BatchDocument, ExtractedDocument]
) -> dict[str, list[Chunk]]:
    """Chunks by entry."""
    archive = any_archive().model_copy(update={"space": SPACE, "chunking": archive_chunking})
    aws.table("archives_table").put(archive.model_dump(mode="json"))
    job_id = any_batch(*(told.ref for told, _ in documents))
    for told, document in documents:
        aws.lake().write_models(layout.entry_document(told.entry_id, told.version), [document])
    stages.write(Batch(job_id=job_id, archive_id="docs", documents=[told for told, _ in documents]), stages.EXTRACTED)
    result = chunk_text(job_id)
    chunks: dict[str, list[Chunk]] = {}
    for number in range(result.embed_batches):
        for chunk in aws.lake().read_models(layout.embed_batch(job_id, number), Chunk):
            chunks.setdefault(chunk.entry_id, []).append(chunk)
    assert sum(map(len, chunks.values())) == result.chunks
    return chunks


def test_each_document_is_cut_in_the_way_of_its_processor() -> None:
    lines = "one\ntwo\nthree"
    chunks = cut(
        ChunkingConfig(),
        extracted("prose", Processor.PROSE, lines, SegmentKind.PARAGRAPH),
        extracted("chat", Processor.CONVERSATION, lines, SegmentKind.MESSAGE),
        extracted("rows", Processor.ROWS, lines, SegmentKind.ROW),
    )
    texts = {entry: [chunk.text for chunk in found] for entry, found in chunks.items()}
    assert texts == {"prose": [lines], "chat": lines.split("\n"), "rows": [lines]}
    assert [chunk.posted_at for chunk in chunks["chat"]] == [0, 7_200, 14_400]
    assert chunks["rows"][0].context == "rows\na; b"


def test_the_chunking_of_a_rule_goes_before_the_archives() -> None:
    words = " ".join(f"word{number}" for number in range(200))
    ruled, document = extracted("ruled", Processor.PROSE, words, SegmentKind.PARAGRAPH)
    own = ChunkingConfig(max_tokens=32, overlap_tokens=0, parent_tokens=64, contextual_headers=False)
    chunks = cut(
        ChunkingConfig(max_tokens=200),
        (ruled.model_copy(update={"chunking": own}), document),
        extracted("plain", Processor.PROSE, words, SegmentKind.PARAGRAPH),
    )
    assert max(chunk.tokens for chunk in chunks["ruled"]) <= 32 < max(chunk.tokens for chunk in chunks["plain"]) <= 200
    assert {chunk.context for chunk in chunks["ruled"]} == {""}
    assert {chunk.context for chunk in chunks["plain"]} == {"plain"}
    assert all(chunk.parent_start is not None for chunk in chunks["ruled"])
    assert all(chunk.parent_start is None for chunk in chunks["plain"])


def test_chunks_carry_what_filters_ask_for() -> None:
    told, document = extracted("talk", Processor.PROSE, "one", SegmentKind.PARAGRAPH)
    facts = {
        "media_type": "text/markdown",
        "source_type": "slack",
        "received_at": "2026-03-05T10:00:00+02:00",
        "effective_on": "2026-04-01",
        "metadata": {"owner": "Ann", "business_id": "acme"},
    }
    [chunk] = cut(ChunkingConfig(), (told.model_copy(update=facts), document))["talk"]
    assert (chunk.media_type, chunk.source_type) == ("text/markdown", "slack")
    assert (chunk.received_at, chunk.effective_on) == ("2026-03-05T08:00:00.000Z", "2026-04-01T00:00:00.000Z")
    assert chunk.labels == ["business_id=acme", "owner=Ann"]
