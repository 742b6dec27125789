"""Splitting into units that can stand as claims."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.generation.sentences import MAX_SENTENCE_CHARACTERS, UnitKind, claimable, fold, split

_PIECES = st.sampled_from(
    [
        "Word",
        "e.g. ",
        "Dr. ",
        ". ",
        "! ",
        "? ",
        "\n",
        "\n\n",
        "- ",
        "1. ",
        " | ",
        "\t",
        "# ",
        "Ana: ",
        "[00:01:02] ",
        "。",
        "データ",
        "é",
        "👩‍🚀",
        " ",
        "x" * 700,
        "v1.5",
        "---",
        "a: b; c: d",
        "\u00a0",
        "\u2028",
    ]
)
_TEXTS = st.one_of(st.text(max_size=400), st.lists(_PIECES, max_size=60).map("".join))


@given(_TEXTS)
def test_units_are_in_order_apart_and_bounded_in_length(text: str) -> None:
    end = 0
    for unit in split(text):
        assert end <= unit.start < unit.end <= len(text)
        assert unit.end - unit.start <= MAX_SENTENCE_CHARACTERS
        assert text[unit.start : unit.end] == text[unit.start : unit.end].strip()
        end = unit.end


@given(_TEXTS)
def test_every_letter_and_digit_is_in_a_unit(text: str) -> None:
    covered = {index for unit in split(text) for index in range(unit.start, unit.end)}
    assert {index for index, character in enumerate(text) if character.isalnum()} <= covered


@given(_TEXTS)
def test_claimable_spans_are_bounded_and_never_blank(text: str) -> None:
    for unit in claimable(text):
        assert 0 <= unit.start < unit.end <= len(text)
        assert unit.end - unit.start <= MAX_SENTENCE_CHARACTERS
        assert fold(text[unit.start : unit.end])


def _claims(text: str) -> list[str]:
    return [fold(text[unit.start : unit.end]) for unit in claimable(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It ran on v1.5 of it. Then it stopped for good.", ["It ran on v1.5 of it.", "Then it stopped for good."]),
        (
            "Use a queue, e.g. SQS, for each of them. Dr. Smith agrees with that.",
            ["Use a queue, e.g. SQS, for each of them.", "Dr. Smith agrees with that."],
        ),
        (
            "Workers hold a lease for\nninety seconds at most. Others wait until it ends.",
            ["Workers hold a lease for ninety seconds at most.", "Others wait until it ends."],
        ),
        (
            "- The first bucket is for raw files.\n- The second bucket is for text.",
            ["The first bucket is for raw files.", "The second bucket is for text."],
        ),
        ("数据保留九十天。之后自动删除。", ["数据保留九十天。", "之后自动删除。"]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert _claims(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "# Retention of all the raw files",
        "Retention of the raw files",
        "How long are the raw files kept?",
        "Too short.",
        "You can do this in these ways:",
        "For more information, see Limits in the guide.",
        "---\n***",
        "12 34 56 78 90.",
    ],
)
def test_headings_questions_pointers_and_fragments_are_not_claimed(text: str) -> None:
    assert _claims(text) == []


def test_a_row_is_one_claim_and_its_separator_none() -> None:
    assert _claims("| service | owner |\n|---|---|\n| ingest | Ana. Ben. |")[1:] == ["| ingest | Ana. Ben. |"]


def test_a_short_turn_stays_whole_with_its_speaker() -> None:
    text = "[00:01:02] Ana: We moved it to 25 minutes. Right?\nBen: No. It stayed at ten."
    assert _claims(text) == ["[00:01:02] Ana: We moved it to 25 minutes. Right?", "Ben: No. It stayed at ten."]


def test_a_sentence_that_points_back_comes_with_the_one_before_it() -> None:
    text = "The lease lasts ninety seconds in all. It can be renewed only twice."
    assert _claims(text) == ["The lease lasts ninety seconds in all.", text]


def test_kinds_follow_the_line_structure() -> None:
    kinds = [
        unit.kind
        for unit in split("# Title\n\nA paragraph that says something.\n\n- an item\n\na | b | c\n\nAna: hello there")
    ]
    assert kinds == [UnitKind.HEADING, UnitKind.SENTENCE, UnitKind.ITEM, UnitKind.ROW, UnitKind.TURN]
