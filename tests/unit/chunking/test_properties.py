"""What holds of every way of cutting, for any document, by the embedding model's own tokenizer and by hostile ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import any_extracted as generated
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from omnilake.chunking import ChunkSpan, Encode, chunk, to_chunks
from omnilake.embedding.local import SPACE, LocalProvider
from omnilake.models import ChunkingConfig, ExtractedDocument, Processor, Segment, SegmentKind

KINDS = ["auto", "fixed", "structure", "conversation", "code", "rows", "transcript"]


@pytest.fixture(scope="module")
def minilm(data_packages: Path) -> Iterator[Encode]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(data_packages)
        yield LocalProvider(SPACE).encode


configurations = st.builds(
    lambda tokens, overlap, parent, **others: ChunkingConfig(
        max_tokens=tokens,
        overlap_tokens=min(overlap, tokens // 2),
        parent_tokens=None if parent is None else max(32, tokens + parent),
        **others,
    ),
    tokens=st.integers(16, 80),
    overlap=st.sampled_from([0, 3, 8, 40]),
    parent=st.sampled_from([None, None, 1, 20, 200]),
    kind=st.sampled_from(KINDS),
    gap_minutes=st.sampled_from([1, 60]),
    contextual_headers=st.booleans(),
)


def assert_sound(document: ExtractedDocument, spans: list[ChunkSpan], config: ChunkingConfig, encode: Encode) -> None:
    """Everything is covered, nothing is contained in its neighbour, nothing exceeds a limit, offsets are exact."""
    text = document.text
    if not encode(text):
        assert spans == []
        return
    covered = bytearray(len(text))
    for before, after in pairwise(spans):
        assert before.start < after.start
        assert before.end < after.end
    for span in spans:
        held = text[span.start : span.end]
        assert held
        assert held == held.strip()
        assert span.tokens == len(encode(held)) <= config.max_tokens
        covered[span.start : span.end] = b"\1" * len(held)
    assert all(done or character.isspace() for done, character in zip(covered, text, strict=True))
    for entry in to_chunks(spans, document, entry_id="e", version="v", source="s"):
        assert entry.text == text[entry.start : entry.end]
    assert_parents(document, spans, config, encode)


def assert_parents(document: ExtractedDocument, spans: list[ChunkSpan], config: ChunkingConfig, encode: Encode) -> None:
    parents = list(dict.fromkeys((span.parent_start, span.parent_end) for span in spans))
    if config.parent_tokens is None:
        assert parents in ([], [(None, None)])
        return
    places = [(start, end) for start, end in parents if start is not None and end is not None]
    assert len(places) == len(parents)
    for span in spans:
        assert span.parent_start is not None
        assert span.parent_end is not None
        assert span.parent_start <= span.start < span.end <= span.parent_end
    for start, end in places:
        assert len(encode(document.text[start:end])) <= config.parent_tokens
    for before, after in pairwise(places):
        assert before[1] <= after[0]
        assert not document.text[before[1] : after[0]].strip()


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(document=generated.documents, config=configurations)
def test_any_document_is_cut_soundly_by_the_models_own_tokenizer(
    minilm: Encode, document: ExtractedDocument, config: ChunkingConfig
) -> None:
    spans = chunk(document, config, minilm)
    assert_sound(document, spans, config, minilm)
    assert spans == chunk(document, config, minilm)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(
    document=generated.documents,
    config=configurations,
    encode=st.sampled_from([generated.one_per_byte, generated.unlike_alone]),
)
def test_any_document_is_cut_soundly_by_a_hostile_tokenizer(
    document: ExtractedDocument, config: ChunkingConfig, encode: Encode
) -> None:
    spans = chunk(document, config, encode)
    assert_sound(document, spans, config, encode)
    assert spans == chunk(document, config, encode)


@settings(max_examples=50)
@given(document=generated.conversation(), config=configurations)
def test_a_chunk_never_holds_messages_of_two_threads(
    minilm: Encode, document: ExtractedDocument, config: ChunkingConfig
) -> None:
    for span in chunk(document, config.model_copy(update={"kind": "auto"}), minilm):
        held = [each for each in document.segments if each.start < span.end and span.start < each.end]
        told = {
            each.thread or ""
            for each in held
            if each.kind == SegmentKind.MESSAGE and _says_something(document, each, minilm)
        }
        assert len(told) <= 1


def _says_something(document: ExtractedDocument, segment: Segment, encode: Encode) -> bool:
    return bool(encode(document.text[segment.start : segment.end]))


@settings(max_examples=50)
@given(document=generated.rows(), config=configurations)
def test_what_describes_a_table_is_no_part_of_a_chunk_of_its_rows(
    minilm: Encode, document: ExtractedDocument, config: ChunkingConfig
) -> None:
    for span in chunk(document, config.model_copy(update={"kind": "rows"}), minilm):
        held = [each for each in document.segments if each.start < span.end and span.start < each.end]
        kinds = {each.kind for each in held if _says_something(document, each, minilm)}
        assert not kinds >= {SegmentKind.ROW, SegmentKind.PARAGRAPH}
        tables = {
            (each.header, each.section)
            for each in held
            if each.kind == SegmentKind.ROW and _says_something(document, each, minilm)
        }
        assert len(tables) <= 1


HUGE = {
    "one line of letters": "A" * 200_000,
    "no white space": "tide" * 50_000,
    "han": "日本" * 30_000,
    "thai": "บันทึกน้ำขึ้นน้ำลง" * 3_000,
    "emoji families": "👩‍👩‍👧‍👦" * 5_000,
    "punctuation": "=!?.;" * 20_000,
    "blanks": "x" + " " * 1_000_000 + "y",
    "accents": "\u0301" * 100_000 + "a",
    "base64": "aGFyYm91cg0xyz9/" * 10_000,
    "lines": "x\n" * 100_000,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in HUGE.items()])
def test_the_worst_texts_end_in_bounded_chunks(minilm: Encode, text: str, kind: str) -> None:
    document = ExtractedDocument(media_type="text/plain", title="T", text=text, segments=[])
    config = ChunkingConfig.model_validate({"kind": kind, "parent_tokens": 1_000})
    spans = chunk(document, config, minilm)
    assert_sound(document, spans, config, minilm)
    assert max(span.end - span.start for span in spans) <= 64 * (config.max_tokens + 1)


@pytest.mark.parametrize("processor", list(Processor))
def test_a_hundred_thousand_tiny_segments_are_packed_in_linear_work(minilm: Encode, processor: Processor) -> None:
    kind = {"prose": "paragraph", "rows": "row", "conversation": "message", "transcript": "turn", "code": "code"}[
        processor
    ]
    segments = [
        Segment(start=3 * n, end=3 * n + 2, kind=SegmentKind(kind), section=f"m > C{n // 50}", posted_at=float(n))
        for n in range(100_000)
    ]
    document = ExtractedDocument(
        media_type="text/plain", processor=processor, title="T", text="ab\n" * 100_000, segments=segments
    )
    calls = characters = 0

    def counting(text: str) -> list[tuple[int, int]]:
        nonlocal calls, characters
        calls, characters = calls + 1, characters + len(text)
        return minilm(text)

    config = ChunkingConfig(parent_tokens=2_000)
    spans = chunk(document, config, counting)
    assert len(document.text) / 3 / config.max_tokens < len(spans) < 3_000
    assert characters < 4 * len(document.text)
    assert calls < 6 * len(spans)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["the tide is high. " * 1_000, "tidewater" * 2_000, "日本" * 8_000, "x;y\n" * 5_000])
def test_work_grows_with_the_text_alone(minilm: Encode, kind: str, text: str) -> None:
    def work(text: str) -> int:
        characters = 0

        def counting(part: str) -> list[tuple[int, int]]:
            nonlocal characters
            characters += len(part)
            return minilm(part)

        document = ExtractedDocument(media_type="text/plain", title="T", text=text, segments=[])
        chunk(document, ChunkingConfig.model_validate({"kind": kind, "parent_tokens": 1_000}), counting)
        return characters

    assert work(text * 4) < 4.5 * work(text)
    assert work(text) < 12 * len(text)


@pytest.mark.parametrize("encode", [generated.one_per_byte, generated.unlike_alone])
@settings(max_examples=40)
@given(document=generated.documents, kind=st.sampled_from(KINDS), limit=st.integers(1, 3))
@example(document=ExtractedDocument(media_type="", title="", text="a日", segments=[]), kind="auto", limit=1)
def test_a_limit_of_a_token_gives_one_character_a_chunk_at_least(
    encode: Encode, document: ExtractedDocument, kind: str, limit: int
) -> None:
    config = ChunkingConfig.model_construct(
        kind=kind, max_tokens=limit, overlap_tokens=0, parent_tokens=None, gap_minutes=1, contextual_headers=False
    )
    spans = chunk(document, config, encode)
    covered = {place for span in spans for place in range(span.start, span.end)}
    assert {place for place, character in enumerate(document.text) if not character.isspace()} <= covered
    assert all(span.tokens <= limit or span.end - span.start == 1 for span in spans)
