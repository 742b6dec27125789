from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake import tokens
from omnilake.embedding import counting, space_named
from omnilake.embedding.models import KNOWN, LOCAL, names, space_for
from omnilake.embedding.provider import default_space, max_passage_tokens
from omnilake.errors import EmbeddingRejected
from omnilake.settings import settings

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
PROSE = st.text(st.sampled_from("ab cé.,\n表🙂é🇩🇪ﷺ-'1"), max_size=200)


@given(st.one_of(TEXT, PROSE), st.sampled_from([4, 8]))
def test_a_text_has_no_more_bytes_than_its_units_may_weigh(text: str, piece: int) -> None:
    units = len(counting.bounded(text, piece))
    assert counting._weight(text) <= units * piece + 1


@given(st.one_of(TEXT, PROSE), st.sampled_from([4, 8]))
def test_units_lie_in_order_within_the_text(text: str, piece: int) -> None:
    spans = counting.bounded(text, piece)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert spans == sorted(spans)
    covered = {position for start, end in spans for position in range(start, end)}
    assert all(text[position].isspace() for position in set(range(len(text))) - covered)


@given(st.lists(st.text(st.sampled_from("abcé表🙂.-"), min_size=1, max_size=20), max_size=20))
def test_units_of_parts_add_up_where_a_text_is_cut_at_white_space(words: list[str]) -> None:
    assert len(counting.bounded(" ".join(words), 8)) == sum(len(counting.bounded(word, 8)) for word in words)


def test_no_character_weighs_less_than_what_normalisation_makes_of_it() -> None:
    assert len("ﷺ".encode()) == 3
    assert len(counting.bounded("ﷺ", 8)) >= 5  # 33 bytes in NFKC


@given(st.one_of(TEXT, PROSE))
def test_tiktokens_spans_cover_the_text_and_count_as_it_does(text: str) -> None:
    spans = tokens.spans(text)
    assert len(spans) == tokens.count(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)
    covered = {position for start, end in spans for position in range(start, end)}
    assert all(text[position].isspace() for position in set(range(len(text))) - covered)


def test_tokens_inside_a_character_share_its_place() -> None:
    spans = tokens.spans("a🙂b")
    assert spans[0] == (0, 1)
    assert spans[-1] == (2, 3)
    assert set(spans[1:-1]) == {(1, 2)}
    assert len(spans) > 3


def test_spans_leave_out_the_white_space_before_a_word() -> None:
    assert tokens.spans("Hello world") == [(0, 5), (6, 11)]
    assert counting.bounded("Hello world", 8) == [(0, 5), (6, 11)]


def test_spaces_are_named_by_provider_model_and_dimensions() -> None:
    small = space_named("openai/text-embedding-3-small")
    assert (small.provider, small.model, small.dimensions) == ("openai", "text-embedding-3-small", 1536)
    assert space_named("openai/text-embedding-3-small@512").dimensions == 512
    assert space_named("bedrock/amazon.titan-embed-text-v2:0@256").dimensions == 256
    assert space_named("huggingface/BAAI/bge-small-en-v1.5").model == "BAAI/bge-small-en-v1.5"
    assert len({space_named(name).space_id for name in names()}) == len(names()) == len(KNOWN) + 1


@pytest.mark.parametrize(
    "name",
    ["", "openai", "openai/", "/x", "openai/gpt-5", "nobody/text-embedding-3-small", "openai/text-embedding-3-small@",
     "openai/text-embedding-3-small@513", "openai/text-embedding-3-small@-1", "local/all-MiniLM-L6-v2@512"],
)  # fmt: skip
def test_an_unknown_model_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(EmbeddingRejected) as raised:
        space_named(name)
    assert "known" in raised.value.action.lower() or "gives" in raised.value.action


def test_the_default_space_is_a_setting_of_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.cache_clear()
    assert default_space() == space_named(LOCAL)
    monkeypatch.setenv("OMNILAKE_EMBEDDING_MODEL", "bedrock/amazon.titan-embed-text-v2:0")
    settings.cache_clear()
    assert default_space() == space_for("bedrock", "amazon.titan-embed-text-v2:0", 1024)
    settings.cache_clear()


def test_the_most_units_of_a_chunk_are_sure_to_fit() -> None:
    for known in KNOWN.values():
        most = max_passage_tokens(known.space(known.dimensions[0]))
        worst = most * counting.piece_bytes(known.limit) + 1 if known.tokenizer == "bounded" else most
        assert worst < known.limit


@pytest.mark.usefixtures("model_package")
def test_models_with_berts_vocabulary_are_counted_by_their_own_tokenizer(
    model_package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(model_package)
    counting._wordpiece.cache_clear()
    assert len(counting.encoder("wordpiece", 512)("embeddings are unbelievable")) == 6
