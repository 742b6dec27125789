"""Dates in texts: what stands there, and nothing else."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.insights.dates import find


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("on 2026-03-21", ["2026-03-21"]),
        ("2026-03-21T10:00:00Z", ["2026-03-21"]),
        ("2026/3/5", ["2026-03-05"]),
        ("am 21.03.2026", ["2026-03-21"]),
        ("21. 3. 2026", ["2026-03-21"]),
        ("21 March 2026", ["2026-03-21"]),
        ("the 1st of May, 2026", ["2026-05-01"]),
        ("March 2nd, 2026", ["2026-03-02"]),
        ("Sept. 5, 2026", ["2026-09-05"]),
        ("3. März 2026", ["2026-03-03"]),
        ("1er août 2025", ["2025-08-01"]),
        ("24 de marzo de 2026", ["2026-03-24"]),
        ("7 dicembre 2024", ["2024-12-07"]),
        ("12 mei 2026", ["2026-05-12"]),
        ("since April 2026", ["2026-04"]),
        ("2026年3月27日", ["2026-03-27"]),
        ("２０２６年３月", ["2026-03"]),
        ("2026년 3월 27일", ["2026-03-27"]),
        ("13/04/2026 and 04/13/2026", ["2026-04-13"]),
        ("5/5/2026", ["2026-05-05"]),
    ],
)
def test_a_date_is_found_however_it_is_written(text: str, found: list[str]) -> None:
    assert find(text, 9) == found


@pytest.mark.parametrize(
    "text",
    [
        "3/4/2026",  # April or March
        "31.02.2026",
        "2026-13-01",
        "version 1.2.2024.5",
        "we may go 3 times",
        "a second ago, tomorrow, last Tuesday",
        "12:30 and 45 minutes",
        "https://example.org/12026-03-21",
        "in 2026",
        "maybe 2026",
        "the year 0000-01-01",
    ],
)
def test_what_is_no_date_or_could_be_two_is_none(text: str) -> None:
    assert find(text, 9) == []


def test_dates_come_once_in_the_text_s_order_and_no_more_than_wanted() -> None:
    text = "2026-03-02, 1 March 2026, 2026-03-02 and April 2026"
    assert find(text, 9) == ["2026-03-02", "2026-03-01", "2026-04"]
    assert find(text, 2) == ["2026-03-02", "2026-03-01"]


@given(
    st.dates(min_value=date(1000, 1, 1), max_value=date(2999, 12, 31)),
    st.sampled_from(["%d.%m.%Y", "%Y-%m-%d", "%Y/%m/%d"]),
)
def test_every_day_of_the_calendar_is_found(day: date, form: str) -> None:
    text = form.replace("%Y", f"{day.year:04}").replace("%m", f"{day.month:02}").replace("%d", f"{day.day:02}")
    assert find(f"On {text} it rained.", 9) == [day.isoformat()]


@given(st.text(st.sampled_from("0123456789-/. ,年月日marchMai\n"), max_size=60))
def test_nothing_that_is_found_is_outside_of_the_calendar(text: str) -> None:
    for each in find(text, 99):
        date.fromisoformat(each if len(each) == 10 else f"{each}-01")
