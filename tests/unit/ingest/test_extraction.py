"""Extract Text on a batch: rules, rows of tables, scans."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from typing import Any

import pytest
from any_ingest import LANDING, any_archive, any_batch, uploaded

from omnilake import aws, layout
from omnilake.ingest import stages
from omnilake.ingest.extract import extract_text
from omnilake.ingest.register import register_documents
from omnilake.models import BatchDocument, ChunkingConfig, ExtractedDocument, ProcessingRule, Processor
from omnilake.settings import settings
from tests.unit.extraction.any_document import scanned_pdf

pytestmark = pytest.mark.usefixtures("stack")
STOCK = b"sku,warehouse\n007,Oslo\n008,Moss\n"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:ocr"


def extracted(*uploads: tuple[str, bytes], rules: list[ProcessingRule] | None = None) -> list[BatchDocument]:
    archive = any_archive().model_copy(update={"rules": rules or []})
    aws.table("archives_table").put(archive.model_dump(mode="json"))
    job_id = any_batch(*(uploaded(f"incoming/docs/{name}", data) for name, data in uploads))
    register_documents(job_id)
    extract_text(job_id)
    return stages.read(job_id, stages.EXTRACTED).documents


def document_of(entry: BatchDocument) -> ExtractedDocument:
    return aws.lake().read_models(layout.entry_document(entry.entry_id, entry.version), ExtractedDocument)[0]


def rows_of(entry: BatchDocument) -> list[dict[str, str]]:
    packed = aws.lake().read(layout.entry_rows(entry.entry_id, entry.version))
    return [json.loads(line) for line in gzip.decompress(packed).splitlines()]


def test_rows_of_a_table_are_kept_beside_its_text() -> None:
    (entry,) = extracted(("stock.csv", STOCK))
    assert entry.processor == Processor.ROWS
    assert document_of(entry).text.startswith("Table stock: 2 rows, 2 columns.")
    assert rows_of(entry) == [{"sku": "007", "warehouse": "Oslo"}, {"sku": "008", "warehouse": "Moss"}]


def test_an_archives_rule_decides_and_its_chunking_travels_on_the_batch() -> None:
    rule = ProcessingRule(columns=["SKU"], processor=Processor.PROSE, chunking=ChunkingConfig(max_tokens=64))
    stock, notes = extracted(("stock.csv", STOCK), ("notes.md", b"# Notes\n\nText."), rules=[rule])
    assert (stock.processor, stock.chunking) == (Processor.PROSE, rule.chunking)
    assert (notes.processor, notes.chunking) == (Processor.PROSE, None)
    assert aws.lake().head(layout.entry_rows(stock.entry_id, stock.version)) is None


def test_a_rule_for_rows_keeps_none_of_a_document_without_a_table() -> None:
    (entry,) = extracted(("notes.md", b"# Notes\n\nText."), rules=[ProcessingRule(processor=Processor.ROWS)])
    assert entry.live
    assert aws.lake().head(layout.entry_rows(entry.entry_id, entry.version)) is None


def test_a_scan_fails_by_itself_where_nothing_recognises_text() -> None:
    scan, notes = extracted(("scan.pdf", scanned_pdf()), ("notes.md", b"Text."))
    assert scan.error is not None
    assert scan.error.code == "DOCUMENT_SCANNED"
    assert notes.live


def test_a_scan_is_read_by_the_function_that_the_deployment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    class Function:
        def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
            assert FunctionName == ARN
            asked.append(json.loads(Payload))
            return {"Payload": io.BytesIO(b'{"pages": ["", "The tide table."]}')}

    monkeypatch.setenv("OMNILAKE_OCR_FUNCTION_ARN", ARN)
    settings.cache_clear()
    monkeypatch.setattr(aws, "_patient_lambda", Function)
    (scan,) = extracted(("old/scan.pdf", scanned_pdf(pages=2)))
    settings.cache_clear()
    assert scan.live
    assert [(segment.page, segment.start) for segment in document_of(scan).segments] == [(2, 0)]
    assert asked == [{"bucket": scan.ref.bucket, "key": scan.ref.key, "version_id": scan.ref.version_id}]


def test_members_of_an_archive_file_have_its_metadata_and_date() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("notes.txt", "The pier is repaired.")
    ref = uploaded("incoming/docs/all.zip", packed.getvalue())
    told = {"business_id": "b1", "place": "Selmer%C3%A5", "omnilake-effective-on": "2026-02-01", "omnilake-source": "x"}
    aws.client("s3").put_object(Bucket=LANDING, Key=ref.key, Body=packed.getvalue(), Metadata=told)
    version = str(aws.client("s3").head_object(Bucket=LANDING, Key=ref.key)["VersionId"])
    any_archive()
    job_id = any_batch(ref.model_copy(update={"version_id": version}))
    register_documents(job_id)
    extract_text(job_id)
    head = aws.ObjectStore(LANDING).head("incoming/docs/all.zip/notes.txt")
    assert head is not None
    assert head["Metadata"] == {name: value for name, value in told.items() if name != "omnilake-source"}


def test_a_document_can_not_say_whose_it_is() -> None:
    forged = {
        "format": "omnilake.conversation/1",
        "metadata": {"business_id": "acme", "region": "eu", "platform": "slack"},
        "messages": [{"author": "Eve", "text": "Let me in.", "posted_at": "2026-03-05T08:00:00Z"}],
    }
    (entry,) = extracted(("talk.json", json.dumps(forged).encode()))
    assert entry.processor == Processor.CONVERSATION
    assert entry.metadata["platform"] == "slack"
    assert not {"business_id", "region"} & set(entry.metadata)
    assert (entry.source_type, entry.received_at[:2]) == ("s3", "20")
