"""Properties of chunking, with two real tokenisers built here: WordPiece with a small vocabulary, and bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from omnilake.chunking import ChunkSpan, Encode, chunk, chunk_id, to_chunks
from omnilake.extraction import extract
from omnilake.models import ChunkingConfig, ExtractedDocument, Segment, SegmentKind

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?-#|éß"
_PIECES = ["[UNK]", *_LETTERS, *("##" + letter for letter in _LETTERS), "the", "tide", "##ing", "word", "##s", "is"]
_WORDPIECE = Tokenizer(
    WordPiece({piece: number for number, piece in enumerate(dict.fromkeys(_PIECES))}, unk_token="[UNK]")
)
_WORDPIECE.normalizer = BertNormalizer()
_WORDPIECE.pre_tokenizer = BertPreTokenizer()


def wordpiece(text: str) -> list[tuple[int, int]]:
    offsets: list[tuple[int, int]] = _WORDPIECE.encode(text, add_special_tokens=False).offsets
    return offsets


def one_per_byte(text: str) -> list[tuple[int, int]]:
    return [(i, i + 1) for i, character in enumerate(text) if not character.isspace() for _ in character.encode()]


def plain(text: str) -> ExtractedDocument:
    return ExtractedDocument(media_type="text/plain", title="T", text=text, segments=[])


def small(tokens: int = 16, overlap: int = 4) -> ChunkingConfig:
    return ChunkingConfig(max_tokens=tokens, overlap_tokens=overlap)


def texts(document: ExtractedDocument, spans: list[ChunkSpan]) -> list[str]:
    return [document.text[span.start : span.end] for span in spans]


def assert_sound(document: ExtractedDocument, spans: list[ChunkSpan], config: ChunkingConfig, encode: Encode) -> None:
    covered = [False] * len(document.text)
    for before, after in pairwise(spans):
        assert before.start < after.start
        assert before.end < after.end
    for span in spans:
        text = document.text[span.start : span.end]
        assert text == text.strip()
        assert text
        assert len(encode(text)) <= config.max_tokens
        assert span.tokens <= config.max_tokens
        covered[span.start : span.end] = [True] * (span.end - span.start)
    assert all(done or character.isspace() for done, character in zip(covered, document.text, strict=True))


word = st.one_of(
    st.text("abct .", min_size=1, max_size=9),
    st.sampled_from(
        [
            "the",
            "tiding",
            "words",
            "\n",
            "\n\n",
            "# H\n\n",
            "- ",
            "😀",
            "👩‍👩‍👧",
            "e\u0301",
            "日本語",
            "a" * 130,
            "x." * 90,
            " " * 40,
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Cn"]), max_size=6),
)


@settings(max_examples=250, deadline=None)
@given(
    words=st.lists(word, min_size=1, max_size=120),
    tokens=st.integers(16, 60),
    overlap=st.integers(0, 60),
    suffix=st.sampled_from(["txt", "md"]),
)
def test_chunks_cover_everything_within_the_limit(words: list[str], tokens: int, overlap: int, suffix: str) -> None:
    source = "q " + " ".join(words[::2]) + "".join(words)
    document = extract(source.encode(), f"a.{suffix}")
    config = small(tokens, overlap)
    spans = chunk(document, config, wordpiece)
    assert_sound(document, spans, config, wordpiece)
    assert spans == chunk(document, config, wordpiece)


@settings(max_examples=100, deadline=None)
@given(words=st.lists(word, min_size=1, max_size=60), overlap=st.integers(0, 20))
def test_a_tokeniser_with_many_tokens_a_character_is_no_exception(words: list[str], overlap: int) -> None:
    document = extract(("q" + "".join(words)).encode(), "a.txt")
    config = small(24, overlap)
    assert_sound(document, chunk(document, config, one_per_byte), config, one_per_byte)


def test_paragraphs_are_packed_whole_and_do_not_overlap() -> None:
    document = extract(b"\n\n".join([b"the tide is the tide. " * 10] * 6), "a.txt")
    spans = chunk(document, small(130, 20), wordpiece)
    assert [document.text[a.end : b.start].strip() for a, b in pairwise(spans)] == [""] * (len(spans) - 1)
    assert all(text.count("\n\n") == 1 for text in texts(document, spans))


def test_a_heading_stays_with_what_follows_it() -> None:
    document = extract(b"the tide is the tide\n\n# tide\n\n## is\n\nthe tide is the tide is the tide is\n", "a.md")
    spans = chunk(document, small(16, 0), wordpiece)
    assert texts(document, spans)[1].startswith("# tide\n\n## is\n\nthe")
    assert spans[1].section == "tide"


def test_a_long_paragraph_is_cut_after_sentences_and_overlaps_by_whole_ones() -> None:
    document = plain("the tide is. " * 20)
    spans = chunk(document, small(16, 5), wordpiece)
    assert all(text.endswith("is.") and text.startswith("the") for text in texts(document, spans))
    assert all(after.start < before.end for before, after in pairwise(spans))


def test_a_long_sentence_is_cut_between_words() -> None:
    document = plain("tide " * 100)
    assert all(set(text.split()) == {"tide"} for text in texts(document, chunk(document, small(), wordpiece)))


def test_rows_stay_whole_where_they_fit() -> None:
    document = extract(b"a,b\n" + b"the tide,is the word\n" * 9, "a.csv")
    rows = {document.text[s.start : s.end] for s in document.segments}
    assert all(set(text.split("\n")) <= rows for text in texts(document, chunk(document, small(30), wordpiece)))


def test_an_emoji_family_is_not_cut_apart() -> None:
    family = "👩‍👩‍👧‍👦"
    document = plain(family * 40)
    spans = chunk(document, small(60, 0), one_per_byte)
    assert all(text.replace(family, "") == "" for text in texts(document, spans))


def test_a_chunk_has_the_place_of_its_first_segment() -> None:
    turn = Segment(start=0, end=8, kind=SegmentKind.TURN, speaker="Ann", time_s=4.0)
    page = Segment(start=9, end=17, kind=SegmentKind.PARAGRAPH, page=2, section="S")
    document = ExtractedDocument(media_type="text/plain", title="", text="tide is\n\nthe tide", segments=[
        turn.model_copy(update={"end": 7}), page])  # fmt: skip
    assert chunk(document, small(), wordpiece) == [ChunkSpan(0, 17, 4, speaker="Ann", time_s=4.0)]


def test_text_without_any_token_gives_no_chunk() -> None:
    assert chunk(plain(" \u200b "), small(), wordpiece) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A" * 200_000, id="letters"),
        pytest.param("=" * 100_000, id="rule"),
        pytest.param("tide" * 50_000, id="no blanks"),
        pytest.param("x" + " " * 1_000_000 + "y", id="blanks"),
        pytest.param("\u0301" * 100_000 + "a", id="accents"),
        pytest.param("日本" * 30_000, id="han"),
    ],
)
def test_one_huge_line_ends_in_bounded_chunks(text: str) -> None:
    document = plain(text)
    config = ChunkingConfig()
    spans = chunk(document, config, wordpiece)
    assert_sound(document, spans, config, wordpiece)
    assert max(span.end - span.start for span in spans) <= 64 * (config.max_tokens + 1)


def test_each_character_is_tokenised_about_once() -> None:
    seen = 0

    def counting(text: str) -> list[tuple[int, int]]:
        nonlocal seen
        seen += len(text)
        return wordpiece(text)

    document = plain("the tide is the word. " * 20_000)
    chunk(document, ChunkingConfig(), counting)
    assert seen <= 1.01 * len(document.text)


def test_chunk_ids_depend_on_entry_version_place_and_text() -> None:
    ids = {
        chunk_id("e", "1", 0, 4, "tide"),
        chunk_id("f", "1", 0, 4, "tide"),
        chunk_id("e", "2", 0, 4, "tide"),
        chunk_id("e", "1", 5, 9, "tide"),
        chunk_id("e", "1", 0, 4, "Tide"),
    }
    assert len(ids) == 5
    assert all(len(each) == 32 for each in ids)
    assert chunk_id("e", "1", 0, 4, "tide") in ids


def test_chunks_of_an_entry_are_numbered_and_hold_their_text() -> None:
    document = plain("tide " * 60)
    chunks = to_chunks(chunk(document, small(), wordpiece), document, entry_id="e", version="1", source="s3://b/k")
    assert [each.ordinal for each in chunks] == list(range(len(chunks)))
    assert all(each.text == document.text[each.start : each.end] for each in chunks)
    assert len({each.chunk_id for each in chunks}) == len(chunks)
