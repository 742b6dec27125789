"""What is read of a document."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake import tokens
from omnilake.insights.excerpt import GAP, SCANNED_CHARACTERS, centrality, excerpt

SENTENCES = [
    f"The gauge number {number} of the harbour reads {number * 7} centimetres above the old mark."
    for number in range(400)
]
ODD = "A cook in the galley bakes a cake of chocolate, sugar and twelve eggs."


def test_a_short_document_is_read_whole() -> None:
    read = excerpt("One sentence. Another.", 50)
    assert (read.text, read.whole, read.characters_read, read.spans) == ("One sentence. Another.", True, 22, ((0, 22),))


def test_of_a_long_one_the_head_and_what_is_central_are_read() -> None:
    text = " ".join([*SENTENCES[:100], ODD, *SENTENCES[100:]])
    read = excerpt(text, 1_000)
    assert read.tokens <= 1_000
    assert read.text.startswith(" ".join(SENTENCES[:10]))
    assert GAP in read.text
    assert ODD not in read.text
    assert read.characters == len(text)
    assert read.characters_read == sum(end - start for start, end in read.spans) < len(text)
    assert not read.whole


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(["One. ", "Two words! ", "\n\n", "# Head\n", "- item\n", "日本語。", "x" * 50, " ", "é"]),
        max_size=80,
    ),
    st.integers(1, 60),
)
def test_every_part_stands_in_the_document_in_order_and_fits(parts: list[str], most: int) -> None:
    text = "".join(parts)
    read = excerpt(text, most)
    assert tokens.count(read.text) == read.tokens <= most
    assert read.text == GAP.join(text[start:end] for start, end in read.spans)
    assert list(read.spans) == sorted(read.spans)
    assert all(first[1] <= second[0] for first, second in zip(read.spans, read.spans[1:], strict=False))
    assert read.characters_read <= read.characters == len(text)


@pytest.mark.parametrize("text", ["x" * 2_000_000, "日本語。" * 200_000, "\n" * 500_000, "word " * 300_000])
def test_a_huge_text_is_read_in_part(text: str) -> None:
    assert len(text) > SCANNED_CHARACTERS
    read = excerpt(text, 300)
    assert read.tokens <= 300
    assert read.characters == len(text)


def test_of_a_huge_text_every_part_is_looked_at() -> None:
    text = " ".join(f"Log entry {number} tells of the harbour." for number in range(40_000))
    starts = [start / len(text) for start, _ in excerpt(text, 600).spans]
    assert all(any(low <= start < low + 0.25 for start in starts) for low in (0, 0.25, 0.5, 0.75))


def test_sentences_about_the_whole_are_central() -> None:
    scores = centrality([["gauge", "harbour"], ["gauge", "harbour", "read"], ["cake", "sugar"]])
    assert scores[2] < min(scores[:2])
    assert centrality([[], ["a"]])[0] == 0.0
    assert centrality([]) == []
