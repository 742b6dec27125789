"""Answers as they were given, read again: the request, the answer, its prompt, what a citation points at."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from pydantic import Field

from omnilake import aws, layout
from omnilake.answering.parts import FUSED, FusedEvidence, read_part
from omnilake.errors import AnswerPending, AnswerUnavailable, EntryNotFound, JobNotFound
from omnilake.ingest import landing
from omnilake.models import ENDED, Answer, Citation, Coverage, Job, JobKind, JobStatus, Model, Scores
from omnilake.settings import settings

SURROUNDING_CHARACTERS = 600
"""Of the text before and behind a cited span."""

LINK_SECONDS = 900
"""How long a signed link to an original holds."""


class CitedSpan(Model):
    """What a citation quotes, with the text around it."""

    number: int
    archive_id: str = ""  # where the answer is of one archive
    entry_id: str
    version: str
    start: int
    end: int
    before: str
    text: str
    after: str
    url: str  # a link that opens the original, signed where it has to be; empty: it is gone
    removed: bool = False  # the entry was removed after the answer was given


class SearchHit(Model):
    """A chunk that was found."""

    entry_id: str
    version: str
    chunk_id: str
    archive_id: str = ""
    title: str = ""
    source: str = ""
    section: str = ""
    page: int | None = None
    time_s: float | None = None
    start: int
    end: int
    text: str
    scores: Scores
    url: str = ""  # where the source is on the web; empty: it is not


class SearchResults(Model):
    """What a search found, best first."""

    job_id: str
    results: list[SearchHit]
    reasons: list[str] = Field(default=[])  # why nothing was found
    coverage: Coverage
    store_versions: dict[str, int]


def request_of(job_id: str) -> dict[str, Any]:
    """A request as it was submitted.

    Raises:
        JobNotFound: no job of that id answers a request.
    """
    stored = aws.lake().find(layout.request(job_id))
    if stored is None:
        raise JobNotFound(f"There is no request of a job {job_id}.")
    told: dict[str, Any] = json.loads(stored)
    return told


def answer_of(job: Job) -> Answer:
    """The answer of a job.

    Raises:
        JobNotFound: the job answers no request.
        AnswerPending: it has not ended.
        AnswerUnavailable: it failed, or was cancelled.
    """
    check_answered(job)
    return aws.lake().read_model(job.result_key or layout.answer_part(job.job_id, "answer"), Answer)


def check_answered(job: Job) -> None:
    """Check that a job has an answer. Raises as :func:`answer_of`."""
    if job.kind is not JobKind.ANSWER_REQUEST:
        raise JobNotFound(f"Job {job.job_id} answers no request.")
    if job.status not in ENDED:
        raise AnswerPending(f"Job {job.job_id} has not ended.", seconds=1)
    if job.status is not JobStatus.COMPLETED:
        reason = "was cancelled" if job.status is JobStatus.CANCELLED else f"failed{_code_of(job)}"
        raise AnswerUnavailable(f"Job {job.job_id} {reason}, so it has no answer.")


def _code_of(job: Job) -> str:
    return f" ({job.error.code})" if job.error else ""


def prompt_of(answer: Answer) -> dict[str, Any]:
    """The assembled prompt of an answer that asked for one.

    Raises:
        JobNotFound: it did not.
    """
    if not answer.prompt_key:
        raise JobNotFound("The request did not ask for its prompt.", action="Ask again with deliver=prompt.")
    told: dict[str, Any] = json.loads(aws.lake().read(answer.prompt_key))
    return told


def found_by(job: Job) -> SearchResults:
    """The results of a search that has ended. Raises as :func:`answer_of`."""
    check_answered(job)
    fused = read_part(job.job_id, FUSED, FusedEvidence)
    return SearchResults(
        job_id=job.job_id,
        results=[
            SearchHit(
                archive_id=each.archive_id,
                scores=each.scores,
                url=each.chunk.source if each.chunk.source.startswith(("http://", "https://")) else "",
                **each.chunk.model_dump(include=set(SearchHit.model_fields) - {"archive_id", "scores", "url"}),
            )
            for each in fused.evidence
        ],
        reasons=fused.reasons,
        coverage=fused.coverage,
        store_versions=fused.store_versions,
    )


def cited_span(answer: Answer, number: int) -> CitedSpan:
    """What a citation of an answer points at.

    Raises:
        EntryNotFound: the answer has no citation of that number.
    """
    citation = next((each for each in answer.citations if each.number == number), None)
    if citation is None:
        raise EntryNotFound("The answer has no citation of that number.", action="Numbers are those in its citations.")
    told = {name: getattr(citation, name) for name in ("number", "entry_id", "version", "start", "end")}
    if len(answer.archives) == 1:
        told["archive_id"] = answer.archives[0]
    stored = aws.lake().find(layout.quoted_text(answer.job_id, citation.entry_id, citation.version))
    if stored is None:
        return CitedSpan(**told, before="", text="", after="", url="", removed=True)
    text = stored.decode()
    start, end = citation.start, citation.end
    return CitedSpan(
        **told,
        before=text[max(0, start - SURROUNDING_CHARACTERS) : start],
        text=text[start:end],
        after=text[end : end + SURROUNDING_CHARACTERS],
        url=link(citation),
    )


def link(citation: Citation, seconds: int = LINK_SECONDS) -> str:
    """An address that a browser opens at what is cited; that of an object is signed, and empty when it is gone."""
    address, _, fragment = citation.url.partition("#")
    if not address.startswith("s3://"):
        return citation.url
    bucket, _, key = unquote(address.removeprefix("s3://")).partition("/")
    store = aws.ObjectStore(bucket)
    if bucket == settings().require("landing_bucket") and key.startswith(landing.PROCESSED):
        newest = store.head(key)
        if newest is None or newest["Metadata"].get("omnilake-version", citation.version) != citation.version:
            older = landing.archived(key, citation.version)
            key = key if store.head(older) is None else older
    elif bucket != settings().require("lake_bucket"):
        return ""  # of a bucket that this function may not read
    if store.head(key) is None:
        return ""
    signed = store.presigned_get(key, seconds)
    return f"{signed}#{fragment}" if fragment else signed
