"""Which question is which query to a table, and which is none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake.models import FilterOperator
from omnilake.retrieval.tables import (
    Aggregate,
    Condition,
    Query,
    Reading,
    Table,
    compute,
    lines_of,
    read_question,
    table_of,
)

_BOATS = """
    Aurora | Selmere | 1,200.50 | 2026-01-03 | yes | 1999
    Bora   | Selmere | 900      | 2026-03-14 | no  | 2004
    Circe  | Nordvik |          | 2025-12-30 | yes | 2010
    Dana   | Nordvik | 2,000    | 2026-03-02 | yes | 2004
"""
BOATS = table_of(
    "boat sales",
    [
        dict(
            zip(
                ("boat", "harbour", "price", "sold on", "insured", "yearBuilt"),
                map(str.strip, line.split("|")),
                strict=True,
            )
        )
        for line in _BOATS.strip().splitlines()
    ],
)
SERVICES = table_of(
    "service-inventory",
    [
        {"service": "intake", "owner": "Ann Bo", "tier": "1", "monthly_cost_usd": "148", "team": "Harbour"},
        {"service": "align", "owner": "Cy Dee", "tier": "1", "monthly_cost_usd": "96", "team": "Tide"},
        {"service": "forecast", "owner": "Ann Bo", "tier": "2", "monthly_cost_usd": "611", "team": "Tide"},
        {"service": "archive", "owner": "Harbour", "tier": "3", "monthly_cost_usd": "58", "team": "none"},
    ],
)
EQ, NE, IN, GE, GT, LE, LT = (
    FilterOperator.EQ,
    FilterOperator.NE,
    FilterOperator.IN,
    FilterOperator.GE,
    FilterOperator.GT,
    FilterOperator.LE,
    FilterOperator.LT,
)


def on(column: str, operator: FilterOperator, *values: Decimal | str | bool | int) -> Condition:
    told = (Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value for value in values)
    return Condition((column,), operator, tuple(told))


def read(question: str, table: Table) -> Query | None:
    reading = read_question(question, table)
    return reading.query if reading is not None else None


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many boats lie in Selmere?", Query(Aggregate.COUNT, "boat", (on("harbour", EQ, "Selmere"),))),
        ("How many boats are insured?", Query(Aggregate.COUNT, "boat", (on("insured", EQ, True),))),
        ("How many boats are not insured?", Query(Aggregate.COUNT, "boat", (on("insured", EQ, False),))),
        ("How many boats are not in Nordvik?", Query(Aggregate.COUNT, "boat", (on("harbour", NE, "Nordvik"),))),
        ("How many boats per harbour?", Query(Aggregate.COUNT, "boat", group_by="harbour")),
        ("What is the average price by harbour?", Query(Aggregate.AVERAGE, "price", group_by="harbour")),
        (
            "What is the total price of boats sold in March 2026?",
            Query(Aggregate.SUM, "price", (on("sold on", EQ, "2026-03"),)),
        ),
        (
            "What is the total price of boats sold on March 14th, 2026?",
            Query(Aggregate.SUM, "price", (on("sold on", EQ, "2026-03-14"),)),
        ),
        ("What was sold since 2026-03-02?", Query(Aggregate.ROWS, "", (on("sold on", GE, "2026-03-02"),))),
        ("Boats sold before 2026", Query(Aggregate.ROWS, "", (on("sold on", LT, "2026"),))),
        ("Boats with year built after 2003", Query(Aggregate.ROWS, "", (on("yearBuilt", GT, 2003),))),
        (
            "How many boats were sold between 2026-01-01 and 2026-03-05?",
            Query(Aggregate.COUNT, "boat", (on("sold on", GE, "2026-01-01"), on("sold on", LE, "2026-03-05"))),
        ),
        ("Which boat has the highest price?", Query(Aggregate.MAXIMUM, "price")),
        ("What is the lowest price in Selmere?", Query(Aggregate.MINIMUM, "price", (on("harbour", EQ, "Selmere"),))),
        ("What is the highest price for each harbour?", Query(Aggregate.MAXIMUM, "price", group_by="harbour")),
        ("What is the latest sold on?", Query(Aggregate.MAXIMUM, "sold on")),
        (
            "Which harbour has the most boats?",
            Query(Aggregate.COUNT, "", group_by="harbour", extreme=Aggregate.MAXIMUM),
        ),
        (
            "Which harbour has the lowest total price?",
            Query(Aggregate.SUM, "price", group_by="harbour", extreme=Aggregate.MINIMUM),
        ),
        ("Boats with a price of at least 1,000", Query(Aggregate.ROWS, "", (on("price", GE, 1000),))),
        ("Boats with a price of 900 or less", Query(Aggregate.ROWS, "", (on("price", LE, 900),))),
        (
            "Boats with price between 900 and 1,500",
            Query(Aggregate.ROWS, "", (on("price", GE, 900), on("price", LE, 1500))),
        ),
        ("Boats in Selmere or Nordvik", Query(Aggregate.ROWS, "", (on("harbour", IN, "Selmere", "Nordvik"),))),
    ],
)
def test_a_question_is_a_query(question: str, expected: Query) -> None:
    assert read(question, BOATS) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "What is the total monthly cost of tier 1 services?",
            Query(Aggregate.SUM, "monthly_cost_usd", (on("tier", EQ, 1),)),
        ),
        (
            "How many services cost more than 100?",
            Query(Aggregate.COUNT, "service", (on("monthly_cost_usd", GT, 100),)),
        ),
        ("How many services are of team Harbour?", Query(Aggregate.COUNT, "service", (on("team", EQ, "Harbour"),))),
        ("How many owners are there?", Query(Aggregate.COUNT, "owner")),
        ("How many rows has the service inventory?", Query(Aggregate.COUNT, "")),
    ],
)
def test_a_column_is_found_by_a_part_of_its_name_and_a_value_by_the_column_beside_it(
    question: str, expected: Query
) -> None:
    assert read(question, SERVICES) == expected


def test_a_word_that_stands_in_two_columns_is_looked_for_in_both() -> None:
    query = read("How many services for Harbour?", SERVICES)
    assert query is not None
    assert query.conditions == (Condition(("owner", "team"), EQ, ("Harbour",)),)
    assert compute(SERVICES, query).groups[0].value == 2


@pytest.mark.parametrize(
    "question",
    [
        "From which pier does the night ferry leave?",
        "How many people attended the launch party?",
        "What is the average depth of the sea at Selmere in winter, and who measured it?",
        "How many boats were sold for 3 bottles?",  # a figure of no column
        "Which harbours have more than 2 boats?",  # a condition on groups
        "What is the total of the sums?",
        "How many boats were never painted in Selmere and not sold?",  # a negation of no value
        "What is the total monthly cost?",  # of the other table
        "What is the largest tier 1 cost in 2025?",
        "",
        "???",
    ],
)
def test_what_the_rules_do_not_take_in_is_no_query(question: str) -> None:
    assert read(question, BOATS) is None


def test_filters_of_the_request_hold_besides_and_alone_ask_for_the_rows() -> None:
    held = (on("harbour", EQ, "Selmere"),)
    counted = read_question("How many boats are insured?", BOATS, held)
    assert counted is not None
    assert counted.query.conditions == (on("insured", EQ, True), *held)
    assert read_question("What about it?", BOATS, held) == Reading(Query(Aggregate.ROWS, conditions=held), 0.0)


_WORDS = [
    "how many",
    "boats",
    "in",
    "Selmere",
    "price",
    "total",
    "highest",
    "which",
    "harbour",
    "not",
    "more than",
    "2004",
    "900",
    "2026-03",
    "between",
    "and",
    "insured",
    "per",
    "most",
    "at least",
    "Nordvik",
    "sold on",
    "?",
]


@settings(max_examples=300)
@given(question=st.lists(st.sampled_from(_WORDS), max_size=10).map(" ".join) | st.text(max_size=80))
def test_whatever_is_asked_the_query_can_be_computed_and_told(question: str) -> None:
    reading = read_question(question, BOATS)
    if reading is not None:
        assert 0 <= reading.explained <= 1
        result = compute(BOATS, reading.query)
        lines = lines_of(BOATS, result)
        assert lines
        assert all(line and "\n" not in line for line in lines)
        assert set(result.matched) <= set(range(4))
