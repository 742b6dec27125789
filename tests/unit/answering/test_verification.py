"""Every quote stands word for word, or its claim goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_endpoint import always, completion, serving

from omnilake import aws, layout
from omnilake.answering.parts import (
    COMPOSED,
    CONFIGURATION,
    VERIFIED,
    ComposedClaims,
    VerifiedClaims,
    read_part,
    write_part,
)
from omnilake.answering.verification import (
    EMPTY_QUOTE,
    QUOTE_NOT_FOUND,
    TEXT_NOT_FOUND,
    defect,
    verified_claims,
    verify_claims,
)
from omnilake.configuration import ModelConfig, Step, product
from omnilake.models import Archive, Claim, Coverage, Quote
from tests.unit.answering.any_answer import JOB, any_answer_plan, any_request

TEXT = "Head.\n\nA lease lasts\n  ninety seconds. It is renewed twice."


def _quote(text: str, start: int, end: int, entry_id: str = "e") -> Quote:
    return Quote(chunk_id="c", entry_id=entry_id, version="v1", start=start, end=end, text=text)


def _stored(entry_id: str, version: str) -> str | None:
    return TEXT if (entry_id, version) == ("e", "v1") else None


GOOD = _quote("A lease lasts ninety seconds.", 7, 38)
FORGED = _quote("A lease lasts sixty seconds.", 7, 38)


def test_a_quote_stands_whatever_its_white_space() -> None:
    assert TEXT[7:38] == "A lease lasts\n  ninety seconds."
    assert defect(GOOD, _stored) is None


@pytest.mark.parametrize(
    ("quote", "reason"),
    [
        (FORGED, QUOTE_NOT_FOUND),
        (_quote("A lease lasts ninety seconds.", 8, 39), QUOTE_NOT_FOUND),
        (_quote("A lease lasts ninety seconds.", 7, 3_000), QUOTE_NOT_FOUND),
        (_quote("A lease lasts ninety seconds.", -60, 38), QUOTE_NOT_FOUND),
        (_quote("", 7, 7), EMPTY_QUOTE),
        (_quote(" \n", 5, 7), EMPTY_QUOTE),
        (_quote("Head.", 0, 5, entry_id="gone"), TEXT_NOT_FOUND),
    ],
)
def test_a_quote_that_does_not_stand_says_why(quote: Quote, reason: str) -> None:
    assert defect(quote, _stored) == reason


@given(st.integers(-5, 70), st.integers(-5, 70), st.text(max_size=12))
def test_nothing_but_the_words_at_the_offsets_passes(start: int, end: int, text: str) -> None:
    if defect(_quote(text, start, end), _stored) is None:
        assert " ".join(TEXT[start:end].split()) == " ".join(text.split()) != ""


def test_a_claim_without_a_standing_quote_is_removed_and_counted() -> None:
    verified = verified_claims([Claim(text="a", quotes=[FORGED, GOOD]), Claim(text="b", quotes=[FORGED])], _stored)
    assert [(claim.text, claim.quotes) for claim in verified.claims] == [("a", [GOOD])]
    assert verified.removed == {QUOTE_NOT_FOUND: 1}


def test_the_stage_checks_against_the_stored_text(archive: Archive) -> None:
    any_request()
    any_answer_plan()
    aws.lake().write(layout.entry_text("e", "v1"), TEXT.encode())
    claims = [
        Claim(text="a", quotes=[GOOD]),
        Claim(text="b", quotes=[FORGED]),
        Claim(text="c", quotes=[_quote("x", 0, 1, "gone")]),
    ]
    write_part(JOB, COMPOSED, ComposedClaims(claims=claims, coverage=Coverage(), ledger=[], versions={}))
    assert verify_claims(JOB).model_dump() == {"claims": 1, "removed": 2}
    assert read_part(JOB, VERIFIED, VerifiedClaims).removed == {QUOTE_NOT_FOUND: 1, TEXT_NOT_FOUND: 1}


@pytest.mark.parametrize("made_by", [JOB, "earlier-answer"])
def test_what_a_retriever_made_is_read_of_this_answer_or_of_the_one_it_replays(archive: Archive, made_by: str) -> None:
    any_request(replay_of="earlier-answer")
    any_answer_plan()
    aws.lake().write(layout.answer_material(made_by, "material-1", "v1"), TEXT.encode())
    claims = [
        Claim(text="a", quotes=[_quote("A lease lasts ninety seconds.", 7, 38, "material-1")]),
        Claim(text="b", quotes=[_quote("A lease lasts ninety seconds.", 7, 38, "material-2")]),
    ]
    write_part(JOB, COMPOSED, ComposedClaims(claims=claims, coverage=Coverage(), ledger=[], versions={}))
    assert verify_claims(JOB).model_dump() == {"claims": 1, "removed": 1}


@pytest.mark.parametrize("planned", [True, False])
def test_only_a_judge_of_the_plan_is_asked(archive: Archive, planned: bool) -> None:
    verdicts = always(completion({"verdicts": [{"claim": "p1", "verdict": "unsupported"}]}))
    with serving(verdicts) as endpoint:
        any_request()
        any_answer_plan(**({"judge": "model"} if planned else {}))
        model = ModelConfig(provider="openai", model="any", endpoint=f"{endpoint.url}/v1")
        usual = product("extractive")
        named = {"models": {**usual.models, "model": model}, "steps": {**usual.steps, Step.JUDGE: "model"}}
        write_part(JOB, CONFIGURATION, usual.model_copy(update=named))
        aws.lake().write(layout.entry_text("e", "v1"), TEXT.encode())
        claims = [Claim(text="a", quotes=[GOOD])]
        write_part(JOB, COMPOSED, ComposedClaims(claims=claims, coverage=Coverage(), ledger=[], versions={}))
        assert verify_claims(JOB).model_dump() == {"claims": 1 - planned, "removed": int(planned)}
    assert len(endpoint.requests) == int(planned)
