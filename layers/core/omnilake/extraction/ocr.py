"""Scanned documents: the deployment's own function recognises their text (``OcrFunctionArn``, docs/ocr.md)."""

from __future__ import annotations

from pathlib import PurePosixPath

from pydantic import BaseModel, ValidationError

from omnilake import aws
from omnilake.errors import TextRecognitionFailed
from omnilake.extraction.detection import Format
from omnilake.extraction.limits import DEFAULT_LIMITS, ExtractionLimits
from omnilake.extraction.structure import TextRecorder, normalise
from omnilake.models import ExtractedDocument, ObjectRef
from omnilake.settings import settings


class RecognisedText(BaseModel):
    """What the function returns: the text of each page in order, empty for a page without any. Other keys are free."""

    pages: list[str]


def available() -> bool:
    """Whether this deployment names a function for text recognition."""
    return bool(settings().ocr_function_arn)


def recognise(ref: ObjectRef, *, limits: ExtractionLimits = DEFAULT_LIMITS) -> ExtractedDocument:
    """Document of a scanned PDF by way of the function that the deployment names. Every segment has its page.

    The function is invoked with ``{"bucket", "key", "version_id"}`` and reads the object itself.

    Raises:
        TextRecognitionFailed: the function failed, or its answer is not ``{"pages": [text, …]}``.
        TransientError: it could not be invoked for now, or gave no answer in time.
        NoTextFound: it found no text.
        DocumentTooLarge: more pages or text than the limits allow.
        StageFailed: no function is configured.
    """
    function = settings().require("ocr_function_arn")
    told, failure = aws.invoke(function, {"bucket": ref.bucket, "key": ref.key, "version_id": ref.version_id})
    if failure:
        raise TextRecognitionFailed(f"Text recognition ended with {failure}.", error_type=failure)
    try:
        pages = RecognisedText.model_validate(told).pages
    except ValidationError:
        # Its message would quote the answer.
        raise TextRecognitionFailed('The answer of text recognition is not of the form {"pages": [text, …]}.') from None
    from omnilake.extraction.pdf import paragraphs

    recorder = TextRecorder(limits)
    recorder.check_pages(len(pages))
    for number, text in enumerate(pages, start=1):
        for paragraph in paragraphs(normalise(text)):
            recorder.add(paragraph, page=number)
    title = PurePosixPath(ref.name or ref.key).stem
    return recorder.finish(Format.PDF.value, title).model_copy(update={"metadata": {"text_recognition": "yes"}})
