"""Properties of chunking, with two real tokenisers built here: WordPiece with a small vocabulary, and bytes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from omnilake.chunking import ChunkSpan, Encode, chunk, chunk_id, to_chunks
from omnilake.extraction import extract
from omnilake.models import ChunkingConfig, ExtractedDocument, Processor, Segment, SegmentKind

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


@settings(max_examples=250)
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


@settings(max_examples=100)
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


def test_a_character_is_tokenised_with_its_document_and_with_its_chunks() -> None:
    seen = 0

    def counting(text: str) -> list[tuple[int, int]]:
        nonlocal seen
        seen += len(text)
        return wordpiece(text)

    document = plain("the tide is the word. " * 20_000)
    spans = chunk(document, ChunkingConfig(), counting)
    assert seen <= 1.02 * (len(document.text) + sum(span.end - span.start for span in spans))


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


# --- one way of cutting after the other -------------------------------------------------------------------------


def of_segments(processor: Processor, *told: tuple[str, dict[str, Any]]) -> ExtractedDocument:
    """A document of these texts, one segment each, on lines of their own."""
    text, segments = "", []
    for each, fields in told:
        segments.append(Segment(start=len(text), end=len(text) + len(each), **fields))
        text += f"{each}\n"
    return ExtractedDocument(media_type="text/plain", processor=processor, title="T", text=text, segments=segments)


def message(text: str, minutes: float, thread: str | None = None, speaker: str = "Ann") -> tuple[str, dict[str, Any]]:
    return text, {"kind": SegmentKind.MESSAGE, "speaker": speaker, "posted_at": minutes * 60, "thread": thread}


def test_messages_share_a_window_until_a_pause() -> None:
    document = of_segments(
        Processor.CONVERSATION, message("tide", 0), message("is", 59), message("the", 120), message("word", 180)
    )
    assert texts(document, chunk(document, small(), wordpiece)) == ["tide\nis", "the\nword"]
    narrow = small().model_copy(update={"gap_minutes": 1})
    assert len(chunk(document, narrow, wordpiece)) == 4


def test_a_thread_is_a_window_of_its_own_whatever_its_pauses() -> None:
    document = of_segments(
        Processor.CONVERSATION,
        message("tide", 0),
        ("day", {"kind": SegmentKind.HEADING, "posted_at": 60.0, "thread": "t"}),
        message("is", 1, "t"),
        ("day", {"kind": SegmentKind.HEADING, "posted_at": 60.0 * 5_000, "thread": "t"}),
        message("the", 5_000, "t", "Ben"),
        message("word", 2),
    )
    spans = chunk(document, small(), wordpiece)
    assert texts(document, spans) == ["tide", "day\nis\nday\nthe", "word"]
    assert [(span.speaker, span.posted_at) for span in spans] == [("Ann", 0.0), ("Ann", 60.0), ("Ann", 120.0)]


def test_a_long_thread_is_cut_between_messages_with_whole_messages_as_overlap() -> None:
    document = of_segments(
        Processor.CONVERSATION, *(message(f"the tide is {letter}", n, "t") for n, letter in enumerate("abcdefg"))
    )
    spans = chunk(document, small(16, 5), wordpiece)
    lines = [text.split("\n") for text in texts(document, spans)]
    whole = {document.text[each.start : each.end] for each in document.segments}
    assert all(set(each) <= whole for each in lines)
    assert all(after[0] == before[-1] for before, after in pairwise(lines))
    assert len(spans) > 1


def test_a_message_longer_than_a_chunk_names_its_author_in_the_context_of_its_parts() -> None:
    document = of_segments(Processor.CONVERSATION, message("Ann: " + "the tide is. " * 12, 0, "t"))
    spans = chunk(document, small(), wordpiece)
    assert [span.context for span in spans] == ["T"] + ["T\nAnn"] * (len(spans) - 1)


def test_turns_are_packed_whole_with_the_time_of_the_first() -> None:
    document = of_segments(
        Processor.TRANSCRIPT,
        *(
            (f"Ann: the tide {letter}", {"kind": SegmentKind.TURN, "speaker": "Ann", "time_s": float(n)})
            for n, letter in enumerate("abcdefg")
        ),
    )
    spans = chunk(document, small(20, 0), wordpiece)
    turns = [document.text[each.start : each.end] for each in document.segments]
    assert [text.split("\n") for text in texts(document, spans)] == [turns[0:2], turns[2:4], turns[4:6], turns[6:]]
    assert [span.time_s for span in spans] == [0, 2, 4, 6]


def definition(text: str, section: str) -> tuple[str, dict[str, Any]]:
    return text, {"kind": SegmentKind.CODE, "section": section}


def test_a_definition_that_fits_is_kept_whole_with_what_it_contains() -> None:
    document = of_segments(
        Processor.CODE,
        definition("the tide is the word the tide", "m"),
        definition("tide is", "m > A"),
        definition("the", "m > A > f"),
        definition("the word the tide is the word", "m > A > g"),
        definition("word", "m > b"),
        definition("tide", "m > c"),
    )
    spans = chunk(document, small(16, 0), wordpiece)
    assert [
        (span.section, text.replace("\n", " ")) for span, text in zip(spans, texts(document, spans), strict=True)
    ] == [
        ("m", "the tide is the word the tide"),
        ("m", "tide is the the word the tide is the word word tide"),
    ]


def test_a_class_longer_than_a_chunk_is_cut_between_its_methods() -> None:
    method = "the tide is the word the tide is"
    document = of_segments(
        Processor.CODE,
        definition("is is is", "m"),
        definition("tide is", "m > A"),
        definition(method, "m > A > f"),
        definition(method, "m > A > g"),
        definition(method, "m > A > h"),
        definition("word is the", "m > b"),
    )
    spans = chunk(document, small(16, 0), wordpiece)
    assert [span.section for span in spans] == ["m", "m > A", "m > A", "m > b"]
    assert texts(document, spans)[1:3] == [f"tide is\n{method}", f"{method}\n{method}"]


def test_a_long_definition_is_cut_at_empty_lines_else_where_a_statement_begins() -> None:
    body = "".join(f"    the tide = the(\n        {letter},\n    )\n" for letter in "abcdef")
    document = of_segments(Processor.CODE, definition(f"def tide():\n{body}\n    is the word".strip(), "m > tide"))
    cut = texts(document, chunk(document, small(24, 0), wordpiece))
    assert len(cut) > 2
    assert all(text.startswith(("the tide = the(", "def tide", "is the word")) for text in cut)
    assert cut[-1].endswith("is the word")


def test_rows_are_apart_from_what_describes_their_table_and_have_its_header_as_context() -> None:
    row: dict[str, Any] = {"kind": SegmentKind.ROW, "header": "a; b", "section": "S"}
    document = of_segments(
        Processor.ROWS,
        ("the tide", {"kind": SegmentKind.PARAGRAPH, "section": "S"}),
        ("word", {"kind": SegmentKind.HEADING, "section": "S"}),
        *[("is the tide is the word", row)] * 4,
        ("tide", {"kind": SegmentKind.ROW, "header": "c", "section": "S"}),
    )
    spans = chunk(document, small(16, 8), wordpiece)
    line = "is the tide is the word"
    assert texts(document, spans) == ["the tide", f"word\n{line}\n{line}", f"{line}\n{line}", "tide"]
    assert [span.context for span in spans] == ["T > S", "T > S\na; b", "T > S\na; b", "T > S\nc"]


@pytest.mark.parametrize("one_segment", [True, False])
def test_a_table_in_prose_is_kept_whole_where_it_fits_else_cut_between_rows(one_segment: bool) -> None:
    lines = ["|the|is|", "|-|-|", *(f"|tide|{letter}|" for letter in "abcd")]
    if one_segment:
        table: list[tuple[str, dict[str, Any]]] = [("\n".join(lines), {"kind": SegmentKind.TABLE})]
    else:
        head = "\n".join(lines[:2])
        table = [(each, {"kind": SegmentKind.ROW, "header": lines[0]}) for each in [head, *lines[2:]]]
    document = of_segments(Processor.PROSE, ("the tide is the word.", {"kind": SegmentKind.PARAGRAPH}), *table)
    whole = texts(document, chunk(document, small(35, 0), wordpiece))
    assert whole == ["the tide is the word.", "\n".join(lines)]
    spans = chunk(document, small(20, 0), wordpiece)
    parts = [text.split("\n") for text in texts(document, spans)]
    assert [line for part in parts for line in part] == ["the tide is the word.", *lines]
    assert parts[1][0] == lines[0]
    assert [span.context for span in spans] == ["T", "T", *["T\n|the|is|"] * (len(spans) - 2)]
    assert len(spans) > 2


def test_windows_of_fixed_size_are_full_and_overlap_whatever_the_structure() -> None:
    document = extract(b"# tide\n\n" + b"the tide is the word\n\n" * 40, "a.md")
    config = small(20, 6).model_copy(update={"kind": "fixed"})
    spans = chunk(document, config, wordpiece)
    assert {span.tokens for span in spans[:-1]} == {20}
    shared = [len(wordpiece(document.text[after.start : before.end])) for before, after in pairwise(spans)]
    assert set(shared) == {6}


def test_a_kind_of_the_configuration_goes_before_the_documents_own() -> None:
    document = of_segments(Processor.CONVERSATION, message("tide", 0), message("is", 500))
    assert len(chunk(document, small(), wordpiece)) == 2
    assert len(chunk(document, small().model_copy(update={"kind": "structure"}), wordpiece)) == 1


def test_parents_are_whole_sections_where_these_fit() -> None:
    section = "# tide\n\nthe tide is the word.\n\nthe tide is. the word is.\n\n"
    document = extract((section * 5).encode(), "a.md")
    config = small(16, 0).model_copy(update={"parent_tokens": 40})
    spans = chunk(document, config, wordpiece)
    parents = list(dict.fromkeys((span.parent_start, span.parent_end) for span in spans))
    assert len(parents) < len(spans)
    assert all(document.text[start:end].startswith("# tide") for start, end in parents)
    assert spans != chunk(document, small(16, 0), wordpiece)
    assert {(span.parent_start, span.parent_end) for span in chunk(document, small(16, 0), wordpiece)} == {(None, None)}


def test_without_contextual_headers_a_chunk_has_no_context() -> None:
    document = extract(b"# tide\n\nthe tide is\n", "a.md")
    with_headers, without = (
        to_chunks(
            chunk(document, small().model_copy(update={"contextual_headers": switch}), wordpiece),
            document, entry_id="e", version="v", source="s",
        )[0]
        for switch in (True, False)
    )  # fmt: skip
    assert (with_headers.context, without.context) == ("tide", "")
    assert with_headers.text == without.text
    assert with_headers.chunk_id == without.chunk_id
