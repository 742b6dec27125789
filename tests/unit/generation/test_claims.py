"""What of a model's answer is believed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.generation.any_passages import EVIDENCE, FERRY, GOOD, KIOSK, claim, passage

from omnilake.generation import claims
from omnilake.generation.claims import Believed, Limits, locate
from omnilake.generation.sentences import fold
from omnilake.generation.wires import Misfit
from omnilake.models import Claim

LIMITS = Limits(
    prompt="Answer by the passages alone and say nothing that they do not say at all.", max_tokens=500, max_claims=6
)


def found(*told: Any, limits: Limits = LIMITS) -> Believed:
    return claims.found({"claims": list(told)}, EVIDENCE, limits)


def test_a_quote_is_kept_as_it_stands_at_its_exact_offsets() -> None:
    (kept,) = found(GOOD).claims
    (quote,) = kept.quotes
    assert quote.text == "leaves from pier seven\nat half past nine"
    assert FERRY[quote.start - 100 : quote.end - 100] == quote.text
    assert (quote.chunk_id, quote.entry_id, quote.version) == ("chunk-1", "entry-1", "v1")


def test_typographic_signs_do_not_hide_a_quote() -> None:
    (kept,) = found(claim("The kiosk closes at nine.", ("p2", "sells tickets until nine o'clock"))).claims
    assert kept.quotes[0].text == "sells tickets until nine o’clock"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (claim("It leaves at nine.", ("p9", "leaves from pier seven")), claims.UNKNOWN_LABEL),
        (claim("It leaves at nine.", ("chunk-1", "leaves from pier seven")), claims.UNKNOWN_LABEL),
        (claim("It leaves at nine.", ("p2", "leaves from pier seven")), claims.QUOTE_NOT_FOUND),
        (claim("It leaves at nine.", ("p1", "leaves from pier eight")), claims.QUOTE_NOT_FOUND),
        (claim("It leaves at nine.", ("p1", " ")), claims.EMPTY),
        (claim("It leaves at nine.", ("p1", "The")), claims.QUOTE_TOO_SHORT),
        (claim("It leaves at nine."), claims.EMPTY),
        (claim(" … ", ("p1", "leaves from pier seven")), claims.EMPTY),
        (claim("See https://evil.example/?q=secret", ("p1", "leaves from pier seven")), claims.LINK_NOT_QUOTED),
        (claim("Write to x@evil.example.", ("p1", "leaves from pier seven")), claims.LINK_NOT_QUOTED),
        (claim(fold(KIOSK), ("p1", "leaves from pier seven")), claims.FOREIGN_TEXT),
        (claim(LIMITS.prompt, ("p1", "leaves from pier seven")), claims.FOREIGN_TEXT),
        (GOOD, claims.REPEATED),
    ],
)
def test_a_claim_that_does_not_stand_is_counted_with_its_reason(told: dict[str, Any], reason: str) -> None:
    believed = found(GOOD, told)
    assert [each.text for each in believed.claims] == [GOOD["text"]]
    assert believed.rejected == {reason: 1}


def test_a_quote_longer_than_a_statement_does_not_stand() -> None:
    long = " ".join(f"Lease {number} lasts for ninety seconds." for number in range(60))
    told = [claim("Leases last.", ("p1", long)), claim("Lease 7 lasts.", ("p1", "Lease 7 lasts for ninety seconds."))]
    believed = claims.found({"claims": told}, [passage(long)], LIMITS)
    assert [each.text for each in believed.claims] == ["Lease 7 lasts."]
    assert believed.rejected == {claims.QUOTE_TOO_LONG: 1}


def test_the_quotes_of_a_claim_that_stand_carry_it_without_the_others() -> None:
    told = claim("The ferry leaves from pier seven.", ("p7", "x" * 9), ("p1", "pier seven"), ("p1", "pier  seven"))
    (kept,) = found(told).claims
    assert [quote.text for quote in kept.quotes] == ["pier seven"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        [],
        {},
        {"claims": GOOD},
        {"claims": ["pier seven"]},
        {"claims": [{**GOOD, "tags": ["approved"]}]},
        {"claims": [GOOD], "route": "admin"},
        {"claims": [{**GOOD, "text": 7}]},
        {"claims": [{**GOOD, "text": "x" * 3_000}]},
        {"claims": [claim("It leaves at nine.", ("p9", "leaves from pier seven"))]},
    ],
)
def test_an_answer_of_another_shape_or_without_one_claim_that_stands_is_refused_without_its_words(answer: Any) -> None:
    with pytest.raises(Misfit) as caught:
        claims.found(answer, EVIDENCE, LIMITS)
    assert not any(word in str(caught.value) for word in ("pier", "admin", "approved", "route", "tags"))


def test_no_claims_are_an_answer() -> None:
    assert found().claims == []


def test_what_is_over_the_limits_is_counted_and_order_gives_the_score() -> None:
    other = claim("Bicycles travel free of charge.", ("p1", "Bicycles travel free of charge."))
    long = claim("word " * 60, ("p1", "leaves from pier seven"))
    believed = found(GOOD, long, other, limits=Limits("", max_tokens=30, max_claims=2))
    assert [each.text for each in believed.claims] == [GOOD["text"], other["text"]]
    assert believed.claims[0].score > believed.claims[1].score
    assert believed.rejected == {claims.OVER_LIMIT: 1}


def test_a_conflict_needs_two_sides() -> None:
    some = {**GOOD, "conflict": "pier"}
    other = claim("The kiosk sells coffee.", ("p2", "coffee all night long"), conflict="pier")
    alone = claim("Bicycles are free.", ("p1", "Bicycles travel free"), conflict="bicycles")
    assert [each.conflict for each in found(some, other, alone).claims] == ["pier", "pier", ""]


def known() -> list[Claim]:
    return found(GOOD, claim("Coffee is sold all night.", ("p2", "coffee all night long"))).claims


def merged(*told: Any) -> Believed:
    return claims.merged({"claims": list(told)}, known(), LIMITS)


def test_a_merged_claim_carries_every_quote_of_what_it_is_made_of() -> None:
    (kept,) = merged({"text": "Ferry at pier seven, coffee all night.", "claims": ["p1", "p2", "p1"]}).claims
    assert [quote.chunk_id for quote in kept.quotes] == ["chunk-1", "chunk-2"]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"text": "Something else.", "claims": ["p3"]}, claims.UNKNOWN_LABEL),
        ({"text": "Something else.", "claims": []}, claims.UNKNOWN_LABEL),
        ({"text": "Look at www.evil.example/x", "claims": ["p1"]}, claims.LINK_NOT_QUOTED),
    ],
)
def test_a_merged_claim_of_nothing_known_is_counted(told: dict[str, Any], reason: str) -> None:
    believed = merged({"text": "It leaves from pier seven.", "claims": ["p1"]}, told)
    assert (len(believed.claims), believed.rejected) == (1, {reason: 1})


@given(st.text(max_size=40), st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_whatever_stands_in_a_text_is_found_there_folded(before: str, quoted: str, after: str) -> None:
    text = before + quoted + after
    span = locate(fold(quoted), text)
    if fold(quoted):
        assert span is not None
        assert fold(text[slice(*span)]) == fold(quoted)
    else:
        assert span is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["p1", "p2", "pier seven at half"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["claims", "text", "quotes", "passage", "conflict", "x"]), inner, max_size=4)
    ),
    max_leaves=30,
)


@given(JSON)
def test_whatever_a_model_answers_only_quotes_that_stand_come_out(answer: Any) -> None:
    try:
        believed = claims.found(answer, EVIDENCE, LIMITS)
    except Misfit:
        return
    for each in believed.claims:
        for quote in each.quotes:
            text, start = (FERRY, 100) if quote.chunk_id == "chunk-1" else (KIOSK, 0)
            assert text[quote.start - start : quote.end - start] == quote.text
