"""Links of citations: each kind of source is opened as near to the quote as its address can say."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.answering.links import citation_url
from omnilake.generation.sentences import fold
from omnilake.models import Chunk, Quote

LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen."


def link(source: str, text: str = "It lasts, in all, well-nigh 90 s.", entry_id: str = "e1", **place: Any) -> str:
    where = {"chunk_id": "c", "entry_id": entry_id, "version": "v1", "text": text}
    chunk = Chunk.model_validate(where | {"ordinal": 0, "start": 0, "end": 90, "tokens": 9, "source": source} | place)
    quote = Quote(chunk_id="c", entry_id=entry_id, version="v1", start=10, end=43, text=text)
    return citation_url(quote, chunk, job_id="answer-1", landing_bucket="landing", lake_bucket="lake")


@pytest.mark.parametrize(
    ("source", "place", "url"),
    [
        ("s3://landing/incoming/docs/a/b.pdf", {"page": 4}, "s3://landing/processed/docs/a/b.pdf#page=4"),
        ("s3://landing/incoming/docs/a.vtt", {"time_s": 75.5}, "s3://landing/processed/docs/a.vtt#t=75.5"),
        ("s3://landing/incoming/docs/a.md", {}, "s3://landing/processed/docs/a.md#char=10,43"),
        ("s3://landing/incoming/docs/a#b é.md", {}, "s3://landing/processed/docs/a%23b%20%C3%A9.md#char=10,43"),
        ("s3://other/reports/a.pdf", {"page": 1}, "s3://other/reports/a.pdf#page=1"),
        ("s3://lake/collections/c/records/00000.jsonl.gz#3", {}, "s3://lake/entries/e1/v1/text.txt#char=10,43"),
        ("a file on a shelf", {}, "s3://lake/entries/e1/v1/text.txt#char=10,43"),
        ("https://x.example/a.pdf", {"page": 2}, "https://x.example/a.pdf#page=2"),
        ("https://x.example/talk", {"time_s": 60.0}, "https://x.example/talk#t=60"),
        ("https://x.example/issues/1#note_7", {}, "https://x.example/issues/1#note_7"),
        ("https://chat.example/p1", {"posted_at": 1.7e9}, "https://chat.example/p1"),
    ],
)
def test_a_citation_opens_at_the_place_that_is_quoted(source: str, place: dict[str, Any], url: str) -> None:
    assert link(source, **place) == url


def test_what_a_retriever_made_is_opened_below_its_answer() -> None:
    made = link("glossary:MTD", entry_id="material-1")
    assert made == "s3://lake/answers/answer-1/material/material-1/v1.txt#char=10,43"


def test_a_page_of_the_web_is_opened_at_the_words() -> None:
    assert link("https://x.example/a?b=c") == (
        "https://x.example/a?b=c#:~:text=It%20lasts%2C%20in%20all%2C%20well%2Dnigh%2090%20s."
    )
    assert link("https://x.example/a", text=LONG).endswith(
        "#:~:text=One%20two%20three%20four%20five%20six,nine%20ten%20eleven%20twelve%20thirteen%20fourteen."
    )


def test_offsets_in_what_a_retriever_made_are_not_told_of_its_source() -> None:
    assert (
        link("s3://landing/incoming/docs/sales.csv", entry_id="material-1") == "s3://landing/processed/docs/sales.csv"
    )


@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1).filter(str.strip))
def test_any_words_survive_in_a_text_fragment(text: str) -> None:
    fragment = link("https://x.example/", text=text).partition("#:~:text=")[2]
    assert "-" not in fragment
    assert "&" not in fragment
    parts = [unquote(part) for part in fragment.split(",")]
    assert len(parts) <= 2
    assert fold(text).startswith(parts[0])
    assert fold(text).endswith(parts[-1])
