"""The provider that selects sentences."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake import tokens
from omnilake.configuration import Step, product
from omnilake.errors import StageFailed
from omnilake.generation import Task, extractive, provider_for, words
from omnilake.generation.extractive import ExtractiveProvider
from omnilake.generation.sentences import fold
from omnilake.models import AnswerStyle, Claim, Quote
from tests.unit.answering.any_answer import WordHashEmbedder, any_evidence, stored

QUESTION = "How long does a worker's lease last?"
TEXTS = [
    "# Leases\n\nA worker's lease lasts ninety seconds. The worker renews its lease twice at most.",
    "How long does a worker's lease last?\n\nThe kitchen is cleaned on Fridays by everybody.",
    "Bread is baked at two hundred degrees. The oven must be hot before it goes in.",
]

ODD_TEXTS = ["Leases last long.\nA lease\nof a worker lasts\n 9 s.", "- a lease lasts | ten", "a\u00a0lease lasts"]


def _provider() -> ExtractiveProvider:
    return ExtractiveProvider(WordHashEmbedder())


def _extract(
    texts: list[str], question: str = QUESTION, goal: str = "", max_tokens: int = 500, max_claims: int = 6
) -> list[Claim]:
    return (
        _provider()
        .extract_claims(
            Task(question=question, goal=goal), any_evidence(texts), max_tokens=max_tokens, max_claims=max_claims
        )
        .claims
    )


def test_the_sentence_that_answers_comes_first() -> None:
    assert _extract(TEXTS)[0].text == "A worker's lease lasts ninety seconds."


def test_an_embedder_that_is_paid_is_in_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(question=QUESTION, goal="Plan a shift.")
    free = _provider().extract_claims(task, any_evidence(TEXTS), max_tokens=500, max_claims=6).usage
    monkeypatch.setattr(extractive, "price_of", lambda _: 20.0)
    paid = _provider().extract_claims(task, any_evidence(TEXTS), max_tokens=500, max_claims=6).usage
    assert free.cost_usd == 0
    assert paid.cost_usd > 10 * 20 / 1e6  # ten words are but a part of what is embedded
    assert paid.model_copy(update={"cost_usd": 0.0}) == free


def test_neither_the_question_itself_nor_anything_beside_it_is_claimed() -> None:
    claimed = " ".join(claim.text for claim in _extract(TEXTS))
    assert "?" not in claimed
    assert "kitchen" not in claimed
    assert "Bread" not in claimed


def test_nothing_is_claimed_where_nothing_is_about_the_question() -> None:
    assert _extract(TEXTS[2:]) == []


@pytest.mark.parametrize("evidence", [[], ["# Only a heading"], ["..."]])
def test_evidence_without_a_statement_gives_no_claim(evidence: list[str]) -> None:
    assert _extract(evidence) == []


@settings(max_examples=40)
@given(st.lists(st.sampled_from([*TEXTS, *ODD_TEXTS]), max_size=6))
def test_every_claim_is_a_quote_that_stands_at_its_offsets(texts: list[str]) -> None:
    text = stored(texts)
    for claim in _extract(texts):
        assert claim.text == fold(claim.quotes[0].text)
        for quote in claim.quotes:
            assert text[quote.start : quote.end] == quote.text


@settings(max_examples=40)
@given(st.integers(0, 80), st.integers(0, 5))
def test_claims_keep_both_budgets(max_tokens: int, max_claims: int) -> None:
    claims = _extract(TEXTS * 3, max_tokens=max_tokens, max_claims=max_claims)
    assert len(claims) <= max_claims
    assert sum(tokens.count(claim.text) for claim in claims) <= max_tokens


def test_the_same_sentence_in_two_chunks_is_one_claim_with_both_quotes() -> None:
    claims = _extract([TEXTS[0], "Other words stand here before it. A worker's  lease lasts\nninety seconds."])
    lasting = [claim for claim in claims if claim.text == "A worker's lease lasts ninety seconds."]
    assert [len(claim.quotes) for claim in lasting] == [2]


def test_sentences_that_differ_in_a_number_alone_stay_apart() -> None:
    claims = _extract(
        ["A worker's lease lasts ninety seconds in Oslo.", "A worker's lease lasts sixty seconds in Oslo."]
    )
    assert len(claims) == 2
    assert all(len(claim.quotes) == 1 for claim in claims)


def test_claims_do_not_repeat_each_others_words() -> None:
    claims = _extract(["A worker's lease lasts ninety seconds. It is a lease that a worker renews twice."])
    spans = sorted((quote.start, quote.end) for claim in claims for quote in claim.quotes)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))


def test_the_result_depends_on_the_text_and_not_on_retrieval_scores() -> None:
    provider, low = _provider(), any_evidence(TEXTS, similarity=0.1)
    assert provider.extract_claims(Task(question=QUESTION), low, max_tokens=500, max_claims=6).claims == _extract(TEXTS)


def test_a_goal_moves_the_choice() -> None:
    texts = ["A worker's lease lasts ninety seconds.", "A worker's lease is billed at two cents."]
    assert (
        _extract(texts, question="What about a worker's lease?", goal="billed cents", max_claims=1)[0].text == texts[1]
    )


def test_a_goal_without_words_is_no_goal() -> None:
    assert _extract(TEXTS, goal="\u200b ?!") == _extract(TEXTS)


def _details(texts: list[str]) -> list[str]:
    task = Task(question="What was said about the lease of a worker?", style=AnswerStyle.DETAILED)
    found = _provider().extract_claims(task, any_evidence(texts), max_tokens=500, max_claims=20)
    return [claim.text for claim in found.claims]


def test_where_details_are_asked_for_a_sentence_counts_more_among_others_about_the_question() -> None:
    beside = "The lease of a worker was said to last. A worker has a lease. The committee agreed on ninety seconds."
    apart = "Bread is baked hot. The oven stays hot. The assembly agreed on eighty loaves. Ovens cool at night."
    told = _details([apart, beside])
    assert told.index("The committee agreed on ninety seconds.") < len(told) - 1
    assert "The assembly agreed on eighty loaves." not in told[: told.index("The committee agreed on ninety seconds.")]


def test_where_details_are_asked_for_a_scrap_does_not_come_before_a_sentence() -> None:
    whole = "The lease of a worker was said to last for ninety seconds by everybody."
    assert _details(["A worker's lease, yes.", whole])[0] == whole


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("When was the lease renewed?", True),
        ("Who renewed it, and when was that?", True),
        ("What did the designer say when they spoke of batteries?", False),
        ("How many leases are there?", True),
    ],
)
def test_when_asks_for_a_time_only_where_it_asks(question: str, asks: bool) -> None:
    assert words.asks_quantity(question) is asks


def test_merging_carries_every_quote_forward() -> None:
    def claim(text: str, start: int, score: float) -> Claim:
        quote = Quote(chunk_id=f"c{start}", entry_id="e", version="v1", start=start, end=start + len(text), text=text)
        return Claim(text=text, quotes=[quote], score=score)

    lease = "A worker's lease lasts ninety seconds."
    merged = _provider().merge_claims(
        Task(question=QUESTION),
        [claim(lease, 0, 0.9), claim("Bread is baked hot in the oven.", 100, 0.1), claim(lease, 500, 0.8)],
        max_tokens=500,
        max_claims=6,
    )
    assert [(each.text, [quote.start for quote in each.quotes]) for each in merged.claims] == [(lease, [0, 500])]


def test_the_ledger_counts_what_was_read_and_written() -> None:
    found = _provider().extract_claims(Task(question=QUESTION), any_evidence(TEXTS), max_tokens=500, max_claims=6)
    assert found.usage.calls == 1
    assert found.usage.input_tokens == sum(tokens.count(text) for text in [QUESTION, *TEXTS])
    assert found.usage.output_tokens == sum(tokens.count(claim.text) for claim in found.claims) > 0
    assert found.usage.cost_usd == 0


def test_a_provider_that_does_not_exist_is_named_in_the_error() -> None:
    with pytest.raises(StageFailed, match="'oracle'"):
        provider_for("oracle", product("extractive"), Step.MAP)
