"""What a response may hold, as the function's result is measured."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake.api import sizes

MIB = 1024 * 1024


def result(text: str) -> bytes:
    """A function's result with a text in its body, as the runtime hands it over."""
    body = json.dumps({"text": text, "start": 0, "end": len(text), "total": len(text)}, ensure_ascii=False)
    return json.dumps({"statusCode": 200, "headers": {"Etag": '"0"'}, "body": body}).encode()


def test_a_text_that_fits_stays_whole() -> None:
    for text in ("", "a" * 6_000_000, "é" * 900_000, '"' * 1_500_000):
        assert sizes.fitting(text) == text
        assert len(result(text)) <= sizes.MAX_RESPONSE_BYTES


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["a", "é", "漢", "🦭", '"', "\\", "\n", "\x01", "\u2028"]), min_size=1, max_size=6))
def test_of_any_characters_so_much_is_held_as_fits(alphabet: list[str]) -> None:
    text = "".join(alphabet) * (2_000_000 // len(alphabet))
    held = sizes.fitting(text)
    assert text.startswith(held)
    assert len(result(held)) <= sizes.MAX_RESPONSE_BYTES
    assert held == text or len(result(held)) > 5 * MIB  # nearly the most


def test_what_costs_more_in_its_beginning_is_cut_nevertheless() -> None:
    text = "\x01" * 900_000 + "a" * 3_000_000
    held = sizes.fitting(text)
    assert text.startswith(held)
    assert 0 < len(held) < len(text)
    assert len(result(held)) <= sizes.MAX_RESPONSE_BYTES


def test_a_result_is_measured_with_its_escapes() -> None:
    assert sizes.fits({"statusCode": 204, "body": ""})
    assert sizes.fits({"body": "a" * (6 * MIB - 100)})
    assert not sizes.fits({"body": "a" * (6 * MIB)})
    assert sizes.fits({"body": '"' * (3 * MIB - 100)})
    assert not sizes.fits({"body": '"' * (3 * MIB)})
    assert not sizes.fits({"body": "漢" * (MIB + 1)})
