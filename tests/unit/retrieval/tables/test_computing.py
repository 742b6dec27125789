"""Columns and their types, exact figures, and how they are told."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.models import FilterOperator
from omnilake.retrieval.tables import Aggregate, ColumnType, Condition, Query, Table, compute, lines_of, table_of


def one(column: str, *cells: str) -> Table:
    return table_of("things", [{column: cell} for cell in cells])


@pytest.mark.parametrize(
    ("cells", "expected", "values"),
    [
        (["1,200.50", "", "3"], ColumnType.NUMBER, [Decimal("1200.50"), None, Decimal(3)]),
        (["1.200,50", "3"], ColumnType.NUMBER, [Decimal("1200.50"), Decimal(3)]),
        (["$5", "12 %", "-3"], ColumnType.NUMBER, [Decimal(5), Decimal(12), Decimal(-3)]),
        (["007", "12"], ColumnType.TEXT, ["007", "12"]),  # a code, not a figure
        (["1e999999", "2"], ColumnType.TEXT, ["1e999999", "2"]),
        (["2026-01-03", "2026-01-03T10:00Z"], ColumnType.DATE, ["2026-01-03", "2026-01-03 10:00Z"]),
        (["Yes", "no", ""], ColumnType.YES_NO, [True, False, None]),
        (["a", "1"], ColumnType.TEXT, ["a", "1"]),
        (["", ""], ColumnType.TEXT, [None, None]),
    ],
)
def test_a_column_is_what_all_its_filled_cells_are(
    cells: list[str], expected: ColumnType, values: list[object]
) -> None:
    (column,) = one("x", *cells).columns
    assert (column.type, column.values) == (expected, values)


def test_rows_of_different_width_make_one_table() -> None:
    table = table_of("things", [{"a": "1"}, {"a": "2", "b": "x"}])
    assert [(column.name, column.cells) for column in table.columns] == [("a", ["1", "2"]), ("b", ["", "x"])]
    assert table_of("nothing", []).rows == 0


@pytest.mark.parametrize("name", ["monthly_cost", "Monthly cost", "monthlyCost", "MONTHLY-COST"])
def test_a_column_is_named_however_it_is_written(name: str) -> None:
    column = one("monthly_cost", "1").named(name)
    assert column is not None
    assert one("cost", "1").named(name) is None


def test_a_name_that_two_columns_share_names_none() -> None:
    table = table_of("things", [{"unit cost": "1", "unit_cost": "2"}])
    assert table.named("UNIT COST") is None
    assert table.named("unit_cost") is table.columns[1]


@given(st.lists(st.integers(-(10**9), 10**9).map(lambda cents: Fraction(cents, 100)), min_size=1, max_size=30))
def test_sums_and_averages_are_exact(amounts: list[Fraction]) -> None:
    cells = [f"{Decimal(int(amount * 100)).scaleb(-2):f}" for amount in amounts]
    table = one("amount", *cells)
    (total,) = compute(table, Query(Aggregate.SUM, "amount")).groups
    (average,) = compute(table, Query(Aggregate.AVERAGE, "amount")).groups
    assert isinstance(total.value, Decimal)
    assert isinstance(average.value, Decimal)
    assert Fraction(total.value) == sum(amounts)
    assert abs(Fraction(average.value) - Fraction(sum(amounts)) / len(amounts)) <= Fraction(1, 10**4)


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        (FilterOperator.EQ, ("2026-03",), (1, 2)),
        (FilterOperator.GT, ("2026-03",), (3,)),
        (FilterOperator.GE, ("2026-03-02",), (1, 2, 3)),
        (FilterOperator.LE, ("2026-03-02",), (0, 1)),
        (FilterOperator.LT, ("2026",), (0,)),
        (FilterOperator.NE, ("2026-03",), (0, 3, 4)),
        (FilterOperator.IN, ("2025", "2027"), (0, 3)),
        (FilterOperator.PREFIX, ("2026-03-0",), (1,)),
    ],
)
def test_dates_are_compared_as_far_as_they_are_told(
    operator: FilterOperator, values: tuple[str, ...], expected: tuple[int, ...]
) -> None:
    table = one("day", "2025-12-30", "2026-03-02", "2026-03-14T08:00", "2027-01-01", "")
    assert (
        compute(table, Query(Aggregate.ROWS, conditions=(Condition(("day",), operator, values),))).matched == expected
    )


def test_text_is_equal_whatever_its_letter_case_and_figures_by_value() -> None:
    table = table_of("things", [{"town": "Selmere", "n": "1.0"}, {"town": "SELMERE", "n": "1"}, {"town": "", "n": "2"}])
    town = Condition(("town",), FilterOperator.EQ, ("selmere",))
    number = Condition(("n",), FilterOperator.EQ, (Decimal(1),))
    assert compute(table, Query(Aggregate.ROWS, conditions=(town, number))).matched == (0, 1)


def test_the_highest_groups_are_all_told_when_they_tie() -> None:
    table = table_of("things", [{"town": each, "n": "1"} for each in ("a", "A", "b", "b", "c")])
    result = compute(table, Query(Aggregate.COUNT, "", group_by="town", extreme=Aggregate.MAXIMUM))
    assert [group.name for group in result.groups] == ["a", "b"]
    assert lines_of(table, result) == [
        "Number of rows in things where town is a: 2 (the highest) (2 of 5 rows).",
        "Number of rows in things where town is b: 2 (the highest) (2 of 5 rows).",
    ]


def test_an_extreme_names_the_rows_that_have_it() -> None:
    table = table_of("boats", [{"boat": "A", "price": "3"}, {"boat": "B", "price": "7.50"}, {"boat": "C", "price": ""}])
    assert lines_of(table, compute(table, Query(Aggregate.MAXIMUM, "price"))) == [
        "Highest price in boats: 7.5 (3 of 3 rows, 1 without a figure).",
        "It is in: boat: B; price: 7.50",
    ]


def test_no_figure_is_told_as_none() -> None:
    table = table_of("boats", [{"boat": "A", "price": ""}, {"boat": "B", "price": "2"}])
    only = Condition(("boat",), FilterOperator.EQ, ("A",))
    assert lines_of(table, compute(table, Query(Aggregate.AVERAGE, "price", (only,)))) == [
        "Average price in boats where boat is A: none, no row has a figure (1 of 2 rows, 1 without a figure)."
    ]


def test_what_is_too_much_is_counted() -> None:
    table = one("n", *map(str, range(200)))
    rows = lines_of(table, compute(table, Query(Aggregate.ROWS)))
    assert rows[0] == "Rows of things: 200 of 200 rows."
    assert rows[-1] == "150 more rows are not told here."
    groups = lines_of(table, compute(table, Query(Aggregate.COUNT, "", group_by="n")))
    assert groups[-1] == "100 more groups are not told here."


@pytest.mark.parametrize(
    ("cells", "told"), [(["1"], "one"), (["1"], True), (["yes"], "perhaps"), (["2026-01-01"], "soon"), (["1"], "12ab")]
)
def test_a_value_that_does_not_fit_a_column_is_refused(cells: list[str], told: str | bool) -> None:
    (column,) = one("x", *cells).columns
    with pytest.raises((LookupError, ValueError, ArithmeticError)):
        column.value_of(told)
