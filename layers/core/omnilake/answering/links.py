"""Addresses that citations link to: where a person opens what is quoted, as near to the place as an address can say.

======================  ===============================================================================================
an upload               ``s3://<landing>/processed/<archive>/<path>``, with a fragment; the API signs it on demand
a page of the web       its address with a text fragment that names the quote (WICG Scroll-To-Text-Fragment)
a PDF                   ``#page=4`` (RFC 8118)
a recording             ``#t=75.5`` (W3C Media Fragments)
a record without,       its stored text in the lake, ``#char=10,20`` (RFC 5147)
a retriever's own text
======================  ===============================================================================================
"""

from __future__ import annotations

from urllib.parse import quote as percent_encoded

from omnilake import layout
from omnilake.generation.sentences import fold
from omnilake.ingest import landing
from omnilake.models import Chunk, Quote

_EDGE_WORDS = 6  # of a long quote, at each end of its text fragment
_S3 = "s3://"


def citation_url(quote: Quote, chunk: Chunk, *, job_id: str, landing_bucket: str, lake_bucket: str) -> str:
    """The address of a quote.

    Args:
        quote: what is cited.
        chunk: that it stands in; its source is an address of the web, or of an object.
        job_id: of the answer, below which lies what retrievers made for it; of a replay the job that it repeats.
        landing_bucket: where uploads lie after their ingestion.
        lake_bucket: where texts are stored.
    """
    source = chunk.source
    if source.startswith(("http://", "https://")):
        return _of_web(source, quote, chunk)
    made = quote.entry_id.startswith(layout.MATERIAL)  # for this answer: its offsets mean nothing at the source
    if not source.startswith(_S3) or (source.startswith(f"{_S3}{lake_bucket}/") and not made):
        return f"{_S3}{lake_bucket}/{layout.quoted_text(job_id, quote.entry_id, quote.version)}#{_characters(quote)}"
    incoming = f"{_S3}{landing_bucket}/{landing.INCOMING}"
    if source.startswith(incoming):
        source = f"{_S3}{landing_bucket}/{landing.PROCESSED}{source.removeprefix(incoming)}"
    bucket, _, key = source.removeprefix(_S3).partition("/")
    address = f"{_S3}{bucket}/{percent_encoded(key, safe='/')}"
    place = _place(chunk) or ("" if made else _characters(quote))
    return f"{address}#{place}" if place else address


def _of_web(source: str, quote: Quote, chunk: Chunk) -> str:
    """An address of the web. One that has a fragment of its own names the place itself (a message, a note)."""
    address, _, fragment = source.partition("#")
    if fragment or chunk.posted_at is not None:
        return source
    return f"{address}#{_place(chunk) or _text(quote.text)}"


def _place(chunk: Chunk) -> str:
    if chunk.page is not None:
        return f"page={chunk.page}"
    return "" if chunk.time_s is None else f"t={chunk.time_s:g}"


def _characters(quote: Quote) -> str:
    return f"char={quote.start},{quote.end}"


def _text(text: str) -> str:
    """A text directive: the whole of a short quote, first and last words of a long one."""
    words = fold(text).split(" ")
    if len(words) <= 2 * _EDGE_WORDS:
        return f":~:text={_encoded(words)}"
    return f":~:text={_encoded(words[:_EDGE_WORDS])},{_encoded(words[-_EDGE_WORDS:])}"


def _encoded(words: list[str]) -> str:
    # A hyphen beside a comma has a meaning of its own there, and is left alone by percent_encoded.
    return percent_encoded(" ".join(words), safe="").replace("-", "%2D")
