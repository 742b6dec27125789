"""What one call reads: chunks in pieces, claims as far as there is room."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake import tokens
from omnilake.compaction import capacity
from omnilake.compaction.stages import pieces
from omnilake.configuration import ModelConfig, Step, product
from omnilake.generation import Task, prompts
from omnilake.models import Claim, Evidence, InformationRequest, Quote
from tests.unit.answering.any_answer import any_evidence

PAID = ModelConfig(provider="openai", context_tokens=8_000, output_tokens=2_000)
FREE = ModelConfig(provider="extractive", context_tokens=8_000)


def _claim(text: str, *quoted: str) -> Claim:
    quotes = [
        Quote(chunk_id="c", entry_id="e", version="v1", start=0, end=len(each), text=each) for each in quoted or (text,)
    ]
    return Claim(text=text, quotes=quotes)


def _size(claims: list[Claim]) -> int:
    return sum(capacity.carried_tokens(each) for each in claims)


def _cut(text: str, room: int) -> list[Evidence]:
    (whole,) = any_evidence([text])
    moved = whole.model_copy(
        update={"chunk": whole.chunk.model_copy(update={"start": 1_000, "end": 1_000 + len(text)})}
    )
    return pieces(moved, tokens.count(text), room)


def test_a_chunk_that_fits_is_read_whole() -> None:
    (piece,) = _cut("A lease lasts.", 100)
    assert piece.chunk.text == "A lease lasts."


@settings(max_examples=60)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=600), st.integers(8, 200))
def test_pieces_are_all_of_the_text_once_and_know_where_they_stand(text: str, room: int) -> None:
    found = [each.chunk for each in _cut(text, room)]
    assert "".join(each.text for each in found) == text
    assert all(each.text == text[each.start - 1_000 : each.end - 1_000] for each in found)
    assert all(one.end == other.start for one, other in pairwise(found))


def test_an_enormous_chunk_is_cut_between_lines_and_each_piece_fits() -> None:
    lines = [f"Line {number} says that lease {number * 7} lasts {number} seconds." for number in range(5_000)]
    found = [each.chunk.text for each in _cut("\n".join(lines), 6_000)]
    assert len(found) > 10
    assert all(tokens.count(each) <= 6_000 for each in found)
    assert all(each.endswith("\n") for each in found[:-1])


def test_a_text_without_lines_is_cut_between_words_and_one_without_words_anywhere() -> None:
    words = [each.chunk.text for each in _cut("lease " * 2_000, 300)]
    assert all(each.endswith(" ") for each in words[:-1])
    assert all(tokens.count(each.chunk.text) <= 300 for each in _cut("x7" * 4_000, 300))


def test_claims_are_kept_in_order_as_far_as_there_is_room() -> None:
    short, long = _claim("A lease lasts."), _claim("word " * 100)
    assert capacity.within([short, long, short], 2 * _size([short])) == [short, short]
    assert capacity.within([short, short], 2 * _size([short]) + 9, each=10) == [short]
    assert capacity.within([], 10) == []


def test_one_claim_is_always_kept_with_a_quote() -> None:
    claim = _claim("A lease lasts.", "one " * 50, "two " * 50, "three " * 50)
    assert capacity.within([claim], 1) == [claim.model_copy(update={"quotes": claim.quotes[:1]})]
    assert capacity.within([claim], 2 * _size([claim]) // 3 + 5) == [
        claim.model_copy(update={"quotes": claim.quotes[:2]})
    ]


@given(st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=4), max_size=12), st.integers(0, 200))
def test_what_is_kept_fits_unless_it_is_one_quote(sizes: list[list[int]], most: int) -> None:
    claims = [_claim("lease", *("word " * size for size in each)) for each in sizes]
    kept = capacity.within(claims, most)
    assert bool(kept) == bool(claims)
    assert _size(kept) <= most or (len(kept) == 1 and len(kept[0].quotes) == 1)


def test_a_call_is_told_what_its_template_says_and_a_free_one_the_question() -> None:
    request, configuration = InformationRequest(archives=["docs"], question="How long?"), product("bedrock")
    told = capacity.Told(request, configuration)
    for step in (Step.MAP, Step.COMPOSE, Step.JUDGE):
        assert told.tokens(step, PAID) == capacity.Told(request, configuration).tokens(step, PAID) > 300
        assert told.tokens(step, FREE) == tokens.count("How long?")
    room = capacity.evidence_capacity(PAID, told.tokens(Step.MAP, PAID))
    assert room + told.tokens(Step.MAP, PAID) + PAID.output_tokens <= PAID.context_tokens
    assert capacity.evidence_capacity(FREE, told.tokens(Step.MAP, FREE)) == FREE.context_tokens


@given(st.integers(0, 500))
def test_what_stands_around_a_passage_is_reckoned_with(words: int) -> None:
    (each,) = any_evidence(["A lease lasts."], title="title " * words)
    task = Task(question="How long?")
    template = prompts.template(Step.MAP, product("bedrock"))
    (with_it, without) = (
        tokens.count(prompts.evidence_prompt(template, task, found, 5).user) for found in ([each] * 11, [each])
    )
    reckoned = capacity.surrounding_tokens(each, PAID) + tokens.count(each.chunk.text)
    assert with_it - without <= 10 * reckoned
    assert capacity.surrounding_tokens(each, FREE) == 0


def test_what_stands_around_a_claim_is_reckoned_with() -> None:
    claims = [_claim(f"Lease {number} lasts.", f"It is written that lease {number} lasts.") for number in range(20)]
    template = prompts.template(Step.MAP, product("bedrock"))
    task = Task(question="How long?")
    one, all_ = (tokens.count(prompts.merge_prompt(template, task, found, 5).user) for found in (claims[:1], claims))
    assert all_ - one <= _size(claims[1:]) + capacity.label_tokens(19, PAID)
    assert capacity.label_tokens(19, FREE) == 0


LARGE = ModelConfig(provider="bedrock", context_tokens=64_000, output_tokens=4_000)


@given(st.integers(1, 10_000), st.sampled_from([PAID, FREE, LARGE]), st.sampled_from([PAID, FREE, LARGE]))
def test_groups_fit_the_composing_call_or_are_merged(groups: int, reader: ModelConfig, last: ModelConfig) -> None:
    room, last_room = (capacity.evidence_capacity(model, 1_000) for model in (reader, last))
    limits = capacity.group_limits(groups, room, reader, last_room, last)
    assert groups * limits.carried_tokens <= last_room or last_room // (2 * groups) < capacity.LEAST_SHARE
    assert limits.carried_tokens <= room // 2
    assert 0 < limits.max_tokens <= limits.carried_tokens
    assert 0 < limits.max_claims <= capacity.MAX_GROUP_CLAIMS
    assert capacity.node_tokens(limits, reader) <= limits.carried_tokens


def test_ten_thousand_chunks_need_no_merge_with_the_models_of_the_cloud_profile() -> None:
    room = capacity.evidence_capacity(LARGE, 1_000)
    limits = capacity.group_limits(50, room, LARGE, room, LARGE)
    assert 50 * limits.carried_tokens <= room
    assert limits.max_claims >= 5


def test_limits_of_groups_move_in_steps_so_that_addresses_stay() -> None:
    room = capacity.evidence_capacity(LARGE, 1_000)
    found = {capacity.group_limits(groups, room, LARGE, room, LARGE).carried_tokens for groups in range(17, 65)}
    assert len(found) == 4


def test_few_claims_are_told_of_each_group_where_groups_are_many() -> None:
    room = capacity.evidence_capacity(LARGE, 1_000)
    few, many = (capacity.group_limits(groups, room, LARGE, room, LARGE) for groups in (4, 60))
    assert few.max_claims == capacity.MAX_GROUP_CLAIMS > many.max_claims
