"""Scanned PDFs, and the function that recognises their text."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber

from omnilake import aws
from omnilake.errors import (
    DocumentTooLarge,
    NoTextFound,
    ScannedDocument,
    StageFailed,
    TextRecognitionFailed,
    TransientError,
)
from omnilake.extraction import ExtractionLimits, extract, ocr
from omnilake.models import ObjectRef
from omnilake.settings import settings
from tests.unit.extraction.any_document import blank_pdf, scanned_pdf
from tests.unit.extraction.test_formats import assert_covered, lines

ROOT = Path(__file__).resolve().parents[3]
REF = ObjectRef(bucket="landing", key="incoming/demo/old/scan.pdf", version_id="v1")


def test_a_pdf_of_images_alone_says_that_it_is_a_scan() -> None:
    with pytest.raises(ScannedDocument, match="2 of its 2 pages are images"):
        extract(scanned_pdf(pages=2), "scan.pdf")


def test_a_pdf_without_text_and_images_is_no_scan() -> None:
    with pytest.raises(NoTextFound):
        extract(blank_pdf(), "blank.pdf")


def test_pages_without_text_among_others_are_named() -> None:
    document = extract(scanned_pdf(pages=5, text_on=2), "mixed.pdf")
    assert lines(document) == ["The harbour is open."]
    assert document.metadata["scanned_pages"] == "1, 3-5"


class Recogniser:
    """A function of the test's own in place of Lambda's ``Invoke``: what it was sent, and what it answers."""

    def __init__(self) -> None:
        self.payloads: list[dict[str, Any]] = []
        self.answer: Any = {"pages": []}
        self.failure: str | None = None

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert FunctionName == "arn:aws:lambda:us-east-1:000000000000:function:ocr"
        self.payloads.append(json.loads(Payload))
        failed = {"FunctionError": "Unhandled"} if self.failure else {}
        told = {"errorType": self.failure, "errorMessage": "TOP SECRET"} if self.failure else self.answer
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(told).encode()), **failed}


@pytest.fixture
def recogniser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recogniser]:
    monkeypatch.setenv("OMNILAKE_OCR_FUNCTION_ARN", "arn:aws:lambda:us-east-1:000000000000:function:ocr")
    settings.cache_clear()
    function = Recogniser()
    monkeypatch.setattr(aws, "_patient_lambda", lambda: function)
    yield function
    settings.cache_clear()


def test_recognised_pages_become_a_document_with_pages(recogniser: Recogniser) -> None:
    recogniser.answer = {"pages": ["First page.\n\nMore.", "", "Third\r\npage."], "confidence": 0.9}
    document = ocr.recognise(REF)
    assert_covered(document)
    assert recogniser.payloads == [{"bucket": "landing", "key": "incoming/demo/old/scan.pdf", "version_id": "v1"}]
    assert [(s.page, document.text[s.start : s.end]) for s in document.segments] == [
        (1, "First page."), (1, "More."), (3, "Third\npage.")
    ]  # fmt: skip
    assert (document.title, document.media_type) == ("scan", "application/pdf")


@pytest.mark.parametrize("answer", [None, [], "text", {"page": ["x"]}, {"pages": "TOP SECRET"}, {"pages": [1]}])
def test_another_answer_is_refused_and_not_quoted(recogniser: Recogniser, answer: Any) -> None:
    recogniser.answer = answer
    with pytest.raises(TextRecognitionFailed, match="not of the form") as refused:
        ocr.recognise(REF)
    assert "SECRET" not in str(refused.value)


def test_a_function_that_fails_is_named_by_its_error_alone(recogniser: Recogniser) -> None:
    recogniser.failure = "Sandbox.Timedout"
    with pytest.raises(TextRecognitionFailed, match=r"ended with Sandbox\.Timedout") as refused:
        ocr.recognise(REF)
    assert "SECRET" not in str(refused.value)


def test_pages_without_a_word_are_no_text(recogniser: Recogniser) -> None:
    recogniser.answer = {"pages": ["", " \n"]}
    with pytest.raises(NoTextFound):
        ocr.recognise(REF)


def test_bounds_hold_for_recognised_text(recogniser: Recogniser) -> None:
    recogniser.answer = {"pages": ["word"] * 3}
    with pytest.raises(DocumentTooLarge):
        ocr.recognise(REF, limits=ExtractionLimits(max_pages=2))


def test_without_a_function_nothing_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMNILAKE_OCR_FUNCTION_ARN", raising=False)
    settings.cache_clear()
    assert not ocr.available()
    with pytest.raises(StageFailed, match="OCR_FUNCTION_ARN"):
        ocr.recognise(REF)
    settings.cache_clear()


DOCUMENTED = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "ocr.md").read_text(), re.S)
"""The function with Textract, as a reader of the documentation copies it."""


def test_the_documented_function_returns_what_is_expected_of_it(
    recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DOCUMENTED is not None
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    function: dict[str, Any] = {}
    exec(DOCUMENTED[1], function)  # noqa: S102 - our own documentation
    place = {"S3Object": {"Bucket": REF.bucket, "Name": REF.key, "Version": "v1"}}
    page = {"DocumentMetadata": {"Pages": 3}, "JobStatus": "SUCCEEDED"}
    line = {"BlockType": "LINE"}
    monkeypatch.setitem(function, "WAIT_S", 0)
    with Stubber(function["textract"]) as service:
        service.add_response("start_document_text_detection", {"JobId": "j"}, {"DocumentLocation": place})
        service.add_response("get_document_text_detection", {"JobStatus": "IN_PROGRESS"}, {"JobId": "j"})
        first = [
            {"BlockType": "PAGE", "Page": 1},
            line | {"Page": 1, "Text": "One"},
            line | {"Page": 1, "Text": "two."},
        ]
        last = [{"BlockType": "WORD", "Page": 3, "Text": "Three."}, line | {"Page": 3, "Text": "Three."}]
        service.add_response("get_document_text_detection", page | {"Blocks": first, "NextToken": "t"}, {"JobId": "j"})
        service.add_response("get_document_text_detection", page | {"Blocks": last}, {"JobId": "j", "NextToken": "t"})
        recogniser.answer = function["handler"]({"bucket": REF.bucket, "key": REF.key, "version_id": "v1"}, None)
    assert recogniser.answer == {"pages": ["One\ntwo.", "", "Three."]}
    assert [segment.page for segment in ocr.recognise(REF).segments] == [1, 3]


@pytest.mark.parametrize(("status", "error"), [(429, TransientError), (503, TransientError), (404, ClientError)])
def test_a_function_that_can_not_be_invoked_is_retried_unless_the_call_is_wrong(
    recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception]
) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "Any"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Invoke")

    monkeypatch.setattr(recogniser, "invoke", refuse)
    with pytest.raises(error):
        ocr.recognise(REF)


def test_no_answer_in_time_is_retried(recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="any")

    monkeypatch.setattr(recogniser, "invoke", hang)
    with pytest.raises(TransientError, match="ReadTimeoutError"):
        ocr.recognise(REF)
