"""The retriever ``website``: pages that the question or the configuration names, as they are at this moment.

Only hosts of the configuration's allow-list are asked, by the very rules of a crawl (``connectors.website``):
robots.txt, redirects within the origin, public addresses alone, caps of size and time. What a page says is evidence
like any other: it is kept as a text of its own that quotes point into, and nothing in it is followed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from omnilake import tokens
from omnilake.connectors.website.connector import read_one
from omnilake.connectors.website.urls import identity, normalise
from omnilake.errors import OmniLakeError
from omnilake.generation import words
from omnilake.models import ChunkingConfig, Evidence, Model, Scores
from omnilake.retrieval.plan import AsOf, RetrievalPlan
from omnilake.retrieval.retrievers import Found, Lookup

NAME = "website"

HOST_NOT_ALLOWED, NOT_READ, OVER_LIMIT, NOT_COMPARABLE = (
    "host_not_allowed",
    "page_not_read",
    "over_max_pages",
    "page_without_what_is_filtered",
)
"""Reasons of what is left out, each counted in pages."""

_URL = re.compile(r"\bhttps?://[^\s<>\"]+", re.I)
_AFTER = ".,;:!?'`)]}*_"


class WebsiteOptions(Model):
    """Of the configuration's ``retrievers.website.options``."""

    hosts: list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9.:\[\]-]{1,255}$")]] = Field(
        default=[], max_length=200
    )
    """``status.example.com``, or ``status.example.com:8443`` where the port is not its scheme's own."""
    pages: list[str] = Field(default=[], max_length=20)
    """Read for every question that comes here, after those that it names."""
    max_pages: int = Field(default=3, ge=1, le=5)
    page_timeout_s: float = Field(default=8.0, ge=1, le=10)
    """Of one request; a page takes two (robots.txt comes first), and one more for each redirect."""


def find(lookup: Lookup) -> Found:
    """Chunks of the pages, those first that hold most of the question's words.

    A live page has no tenant, metadata or earlier state: a request that asks for these gets none.

    Raises:
        InvalidConfiguration: the options do not fit.
        OmniLakeError: no page could be read: why the first could not.
    """
    options = lookup.options_as(WebsiteOptions)
    urls, refused = wanted_pages(lookup.plan.question, options)
    left_out = {HOST_NOT_ALLOWED: refused, OVER_LIMIT: max(0, len(urls) - options.max_pages)}
    if _is_restricted(lookup.plan):
        return Found(evidence=[], left_out=_counted(left_out | {NOT_COMPARABLE: len(urls), OVER_LIMIT: 0}))
    evidence: list[Evidence] = []
    failures: list[OmniLakeError] = []
    for url in urls[: options.max_pages]:
        try:
            evidence += _read(lookup, url, options.page_timeout_s)
        except OmniLakeError as error:
            failures.append(error)
    if failures and not evidence:
        raise failures[0]
    return Found(
        evidence=evidence[: lookup.plan.limit],
        matched=len(evidence),
        left_out=_counted(left_out | {NOT_READ: len(failures)}),
    )


def wanted_pages(question: str, options: WebsiteOptions) -> tuple[list[str], int]:
    """Addresses of pages in normal form: those that the question names and whose host is allowed, then the configured
    ones; and how many were named whose host is not."""
    named = [normalise(match.rstrip(_AFTER)) for match in _URL.findall(question)]
    configured = [normalise(each) for each in options.pages]
    found: dict[str, str] = {}
    refused: set[str] = set()
    for url in (*named, *configured):
        if url is None:
            continue
        if _host(url) in options.hosts:
            found.setdefault(identity(url), url)
        else:
            refused.add(identity(url))
    return list(found.values()), len(refused)


def best_spans(text: str, spans: Sequence[tuple[int, int]], question: str, most: int) -> list[tuple[int, int]]:
    """The spans that hold the largest shares of a question's words, weighted by rarity; of equal ones the first."""
    held = [set(words.terms(text[start:end])) for start, end in spans]
    weights = words.inverse_document_frequency(held)
    asked = sorted(set(words.terms(_URL.sub(" ", question))))
    shares = [words.overlap(asked, each, weights) for each in held]
    order = sorted(range(len(spans)), key=lambda number: (-shares[number], number))
    return [spans[number] for number in order[:most]]


def _read(lookup: Lookup, url: str, page_timeout_s: float) -> list[Evidence]:
    from omnilake import extraction
    from omnilake.chunking import chunk

    record = read_one(url, page_timeout_s=page_timeout_s)
    document = extraction.read_record(record)
    cut = chunk(document, ChunkingConfig(overlap_tokens=0), tokens.spans)
    sections = {(each.start, each.end): each.section for each in cut}
    spans = best_spans(document.text, list(sections), lookup.plan.question, lookup.plan.limit)
    chunks = lookup.keep_material(
        document.text,
        title=document.title,
        source=record.url,
        source_type=NAME,
        media_type=document.media_type,
        spans=spans,
    )
    return [
        Evidence(chunk=each.model_copy(update={"section": sections[(each.start, each.end)]}), scores=Scores())
        for each in chunks
    ]


def _is_restricted(plan: RetrievalPlan) -> bool:
    told = plan.tenant.model_dump()
    return bool(plan.filters) or any(told.values()) or plan.entries is not None or plan.as_of != AsOf()


def _host(url: str) -> str:
    return url.split("/", 3)[2]


def _counted(left_out: dict[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in left_out.items() if count}
