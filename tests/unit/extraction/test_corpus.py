"""The demo corpus out of botocore."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from omnilake.cli.corpus import SERVICES, first_paragraph, write_corpus
from omnilake.extraction import extract
from omnilake.models import SegmentKind


def test_the_corpus_has_between_400_and_420_well_formed_pages(tmp_path: Path) -> None:
    pages = write_corpus(tmp_path)
    assert 400 <= len(pages) <= 420
    assert {page.parent.name for page in pages} == set(SERVICES)
    for page in pages:
        etree.fromstring(page.read_text("utf-8").split("\n", 1)[1].replace('<meta charset="utf-8">', ""))


def test_a_page_is_read_with_its_sections(tmp_path: Path) -> None:
    write_corpus(tmp_path, {"stepfunctions": "AWS Step Functions"})
    document = extract((tmp_path / "stepfunctions" / "StartExecution.html").read_bytes(), "StartExecution.html")
    headings = [document.text[s.start : s.end] for s in document.segments if s.kind == SegmentKind.HEADING]
    assert headings == ["AWS Step Functions: StartExecution", "Request parameters", "Response elements", "Errors"]
    assert "- input (string; maximum 262144 characters; optional)" in document.text
    assert "ExecutionLimitExceeded" in document.text


def test_the_same_models_give_the_same_bytes(tmp_path: Path) -> None:
    one = write_corpus(tmp_path / "1", {"dynamodbstreams": "Streams"})
    two = write_corpus(tmp_path / "2", {"dynamodbstreams": "Streams"})
    assert [page.read_bytes() for page in one] == [page.read_bytes() for page in two]


def test_a_long_paragraph_ends_with_a_sentence() -> None:
    assert first_paragraph("<p>One two. Three four. Five six.</p><p>More.</p>", 20) == "One two. Three four."
