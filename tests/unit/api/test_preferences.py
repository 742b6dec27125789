"""``Prefer: wait=N``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.api.preferences import MAX_WAIT_S, wait_of
from omnilake.errors import InvalidFields


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("wait=0", 0),
        ("wait=7", 7),
        ("WAIT = 7", 7),
        ('wait="7"', 7),
        ("respond-async, wait=7", 7),
        ("wait=7; foo=bar", 7),
        ("wait=7, wait=9", 7),
        ("wait=99999999999999999999999", MAX_WAIT_S),
        ("await=7", 0),
        ("x-wait=7", 0),
        ("return=minimal", 0),
        ('foo="wait=7"', 0),
        ("wait=7" + " " * 100_000, 7),
        (";;;", 0),
    ],
)
def test_the_seconds_are_read(told: str | None, seconds: int) -> None:
    assert wait_of(told) == seconds


@pytest.mark.parametrize(
    "told",
    ["wait", "wait=", "wait=-1", "wait=1.5", "wait=1e3", "wait=soon", "wait=٣", "a, wait=x", f'wait={" " * 9_000}"'],
)
def test_what_is_no_number_is_refused(told: str) -> None:
    with pytest.raises(InvalidFields) as raised:
        wait_of(told)
    assert raised.value.details["fields"][0]["field"] == "header.Prefer"


@given(st.text(max_size=60))
def test_any_header_is_read_or_refused(told: str) -> None:
    try:
        assert 0 <= wait_of(told) <= MAX_WAIT_S
    except InvalidFields:
        assert "wait" in told.lower()
