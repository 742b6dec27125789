from __future__ import annotations

import re
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.embedding import EmbeddingProvider
from omnilake.embedding.passages import heading, passages
from omnilake.models import Chunk


class WordTokens:
    """Words as tokens, ten to a passage."""

    max_tokens = 10

    def encode(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\S+", text)]


PROVIDER = cast(EmbeddingProvider, WordTokens())


def any_chunk(text: str, title: str = "", section: str = "") -> Chunk:
    return Chunk(
        chunk_id="c", entry_id="e", version="v", ordinal=0, start=0, end=len(text), tokens=1, text=text,
        title=title, section=section,
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


def test_the_heading_gives_way_to_the_text() -> None:
    text = "one two three four five six seven"
    assert passages([any_chunk(text, "a b c d e")], PROVIDER) == [f"a b c\n{text}"]
    full = "1 2 3 4 5 6 7 8 9 10"
    assert passages([any_chunk(full, "a b")], PROVIDER) == [full]


words = st.lists(st.text("abc", min_size=1, max_size=3), max_size=12).map(" ".join)


@given(words.filter(lambda text: 0 < len(text.split()) <= 10), words)
def test_no_passage_is_longer_than_the_model_reads_and_none_loses_text(text: str, title: str) -> None:
    [passage] = passages([any_chunk(text, title)], PROVIDER)
    assert len(PROVIDER.encode(passage)) <= PROVIDER.max_tokens
    assert passage.endswith(text)
