from __future__ import annotations

import re
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.embedding import EmbeddingProvider
from omnilake.embedding.passages import contextual_header, heading, indexed_text, passages
from omnilake.models import Chunk


class WordTokens:
    """Words as tokens, ten to a passage."""

    max_tokens = 10

    def encode(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\S+", text)]


PROVIDER = cast(EmbeddingProvider, WordTokens())


def any_chunk(text: str, title: str = "", section: str = "", context: str = "") -> Chunk:
    return Chunk(
        chunk_id="c", entry_id="e", version="v", ordinal=0, start=0, end=len(text), tokens=len(PROVIDER.encode(text)),
        text=text, title=title, section=section, context=context, source="s3://b/k",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("title", "section", "expected"),
    [
        ("", "", ""),
        ("S3: PutObject", "", "S3: PutObject"),
        ("", "Limits", "Limits"),
        ("Runbook", "Limits > Payload", "Runbook > Limits > Payload"),
        ("Runbook", "Runbook > Limits", "Runbook > Limits"),
        ("Runbook", "Runbook", "Runbook"),
        ("A\n title", "B\tc", "A title > B c"),
    ],
)
def test_the_heading_says_where_a_chunk_stands(title: str, section: str, expected: str) -> None:
    assert heading(any_chunk("text", title, section)) == expected


@pytest.mark.parametrize(
    ("header", "speaker", "expected"),
    [
        ("", "", "T > S"),
        ("city; year", "", "T > S\ncity; year"),
        ("", "Ann", "T > S\nAnn"),
        ("| a |\n| b |", "Ann", "T > S\n| a | | b |"),
    ],
)
def test_the_context_names_the_columns_or_who_speaks(header: str, speaker: str, expected: str) -> None:
    assert contextual_header("T", "S", header=header, speaker=speaker) == expected


def test_a_table_of_a_thousand_columns_has_a_short_context() -> None:
    assert len(contextual_header("T", "S", header="column; " * 1_000)) < 500


def test_the_full_text_index_holds_what_is_embedded() -> None:
    chunk = any_chunk("one two", "T", "S", "T > S")
    assert [indexed_text(chunk)] == passages([chunk], PROVIDER) == ["T > S\none two"]
    bare = any_chunk("one two", "T", "S")
    assert [indexed_text(bare)] == passages([bare], PROVIDER) == ["one two"]


def test_the_context_gives_way_to_the_text() -> None:
    text = "one two three four five six seven"
    assert passages([any_chunk(text, context="a b c d e")], PROVIDER) == [f"a b c\n{text}"]
    full = "1 2 3 4 5 6 7 8 9 10"
    assert passages([any_chunk(full, context="a b")], PROVIDER) == [full]


def test_text_without_a_token_is_embedded_by_its_place() -> None:
    assert passages([any_chunk("", "Title")], PROVIDER) == ["Title\n"]
    assert passages([any_chunk("")], PROVIDER) == ["s3://b/k\n"]


words = st.lists(st.text("abc", min_size=1, max_size=3), max_size=12).map(" ".join)


@given(words.filter(lambda text: 0 < len(text.split()) <= 10), words)
def test_no_passage_is_longer_than_the_model_reads_and_none_loses_text(text: str, context: str) -> None:
    [passage] = passages([any_chunk(text, context=context)], PROVIDER)
    assert len(PROVIDER.encode(passage)) <= PROVIDER.max_tokens
    assert passage.endswith(text)


class LineBreaksCount(WordTokens):
    """As byte-pair encodings do."""

    def encode(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\S+|\n", text)]


@given(words.filter(lambda text: 0 < len(text.split()) <= 10), words)
def test_the_line_break_between_context_and_text_is_counted(text: str, context: str) -> None:
    provider = cast(EmbeddingProvider, LineBreaksCount())
    [passage] = passages([any_chunk(text, context=context)], provider)
    assert len(provider.encode(passage)) <= provider.max_tokens
