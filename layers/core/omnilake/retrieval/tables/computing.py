"""A query over a table. Numbers are decimal: a sum of prices is what it is on paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from omnilake.models import FilterOperator
from omnilake.retrieval.tables.columns import Column, ColumnType, Table, Value
from omnilake.retrieval.tables.queries import Aggregate, Condition, Query

_DIGITS = 60
_AVERAGE_PLACES = 4
"""Digits after the decimal point of an average, beyond those of the figures."""


@dataclass(frozen=True)
class Group:
    """What came of the rows with one value of the grouping column, or of all rows.

    Attributes:
        name: the value; empty without groups.
        value: a number, or the date of an extreme; None when no row had a figure.
        rows: numbers of the rows that meet the conditions, 0-based.
        read: how many of them had a figure in the column.
        different: of a count of a column, how many different values these have.
        at: of an extreme, numbers of the rows that have it.
    """

    name: str
    value: Decimal | str | None
    rows: tuple[int, ...]
    read: int
    different: int = 0
    at: tuple[int, ...] = ()


@dataclass(frozen=True)
class Result:
    """What a query came to.

    Attributes:
        matched: numbers of the rows that meet the conditions, 0-based, in order.
        groups: one without grouping; else by value, then by name. Of an extreme only those that have it.
    """

    query: Query
    matched: tuple[int, ...]
    groups: tuple[Group, ...]


def compute(table: Table, query: Query) -> Result:
    """Run a query.

    Raises:
        KeyError: it names a column that the table does not have.
    """
    columns = {column.name: column for column in table.columns}
    tests = [_test(each, columns) for each in query.conditions]
    matched = tuple(row for row in range(table.rows) if all(test(row) for test in tests))
    column = columns[query.column] if query.column else None
    if not query.group_by:
        return Result(query, matched, (_group("", matched, query.aggregate, column),))
    members: dict[str, list[int]] = {}
    cells = columns[query.group_by].cells
    spelled: dict[str, str] = {}
    for row in matched:
        if cells[row]:
            members.setdefault(spelled.setdefault(cells[row].casefold(), cells[row]), []).append(row)
    groups = [_group(name, rows, query.aggregate, column) for name, rows in members.items()]
    return Result(query, matched, _ordered(groups, query))


def _ordered(groups: Sequence[Group], query: Query) -> tuple[Group, ...]:
    known = [group for group in groups if group.value is not None]
    if query.extreme is not None and known:
        choose = min if query.extreme is Aggregate.MINIMUM else max
        best = choose(group.value for group in known)  # type: ignore[type-var]
        known = [group for group in known if group.value == best]
        groups = known
    lowest_first = query.aggregate is Aggregate.MINIMUM or query.extreme is Aggregate.MINIMUM
    named = sorted(groups, key=lambda group: group.name)
    valued = sorted((group for group in named if group.value is not None), key=_sort_key, reverse=not lowest_first)
    return (*valued, *(group for group in named if group.value is None))


def _sort_key(group: Group) -> tuple[Decimal, str]:
    return (group.value, "") if isinstance(group.value, Decimal) else (Decimal(0), str(group.value))


def _group(name: str, rows: Sequence[int], aggregate: Aggregate, column: Column | None) -> Group:
    if column is None or aggregate in {Aggregate.COUNT, Aggregate.ROWS}:
        filled = [row for row in rows if column is None or column.values[row] is not None]
        different = len({column.cells[row].casefold() for row in filled}) if column is not None else 0
        return Group(name, Decimal(len(rows)), tuple(rows), len(filled), different)
    read = [row for row in rows if column.values[row] is not None]
    values = [column.values[row] for row in read]
    if not values:
        return Group(name, None, tuple(rows), 0)
    if aggregate in {Aggregate.MINIMUM, Aggregate.MAXIMUM}:
        comparable = [value for value in values if isinstance(value, Decimal | str)]
        best = (min if aggregate is Aggregate.MINIMUM else max)(comparable)
        at = tuple(row for row in read if column.values[row] == best)
        return Group(name, best, tuple(rows), len(read), at=at)
    return Group(name, _reckoned(aggregate, values), tuple(rows), len(read))


def _reckoned(aggregate: Aggregate, values: Sequence[Value | None]) -> Decimal:
    numbers = [value for value in values if isinstance(value, Decimal)]
    with localcontext(prec=_DIGITS):
        total = sum(numbers, Decimal(0))
        if aggregate is Aggregate.SUM:
            return total
        places = max(-int(number.as_tuple().exponent) for number in numbers)
        return (total / len(numbers)).quantize(Decimal(1).scaleb(-max(0, places) - _AVERAGE_PLACES))


# --- conditions ---------------------------------------------------------------------------------------------------

_COMPARE: dict[FilterOperator, Callable[[Decimal | str, Decimal | str], bool]] = {
    FilterOperator.LT: lambda cell, value: cell < value,  # type: ignore[operator]
    FilterOperator.LE: lambda cell, value: cell <= value,  # type: ignore[operator]
    FilterOperator.GT: lambda cell, value: cell > value,  # type: ignore[operator]
    FilterOperator.GE: lambda cell, value: cell >= value,  # type: ignore[operator]
}


def _test(condition: Condition, columns: dict[str, Column]) -> Callable[[int], bool]:
    """Whether a row meets a condition; an empty cell meets none but ``ne``."""
    tests = [_test_of(columns[name], condition) for name in condition.columns]
    if condition.operator is FilterOperator.NE:
        return lambda row: all(test(row) for test in tests)
    return lambda row: any(test(row) for test in tests)


def _test_of(column: Column, condition: Condition) -> Callable[[int], bool]:
    wanted = [_comparable(value, column) for value in condition.values]

    def equal(row: int) -> bool:
        cell = column.values[row]
        return cell is not None and any(_cut(cell, value) == value for value in wanted)

    match condition.operator:
        case FilterOperator.EQ | FilterOperator.IN:
            return equal
        case FilterOperator.NE:
            return lambda row: not equal(row)
        case FilterOperator.PREFIX:
            return lambda row: column.cells[row].casefold().startswith(tuple(str(each).casefold() for each in wanted))
    compare = _COMPARE[condition.operator]
    (value,) = wanted

    def ordered(row: int) -> bool:
        cell = column.values[row]
        if cell is None or isinstance(cell, bool) or isinstance(value, bool):
            return False
        told = _cut(cell, value)
        return isinstance(told, Decimal) == isinstance(value, Decimal) and compare(told, value)  # type: ignore[arg-type]

    return ordered


def _comparable(value: Decimal | str | bool, column: Column) -> Decimal | str | bool:
    """A value as the cells of a column have it: text is compared without letter case."""
    if isinstance(value, str) and column.type is ColumnType.TEXT:
        return value.casefold()
    if isinstance(value, Decimal) and column.type in {ColumnType.TEXT, ColumnType.DATE}:
        return f"{value:f}"
    return value.replace("T", " ") if isinstance(value, str) else value


def _cut(cell: Value, value: Value) -> Value:
    """A cell as it is compared: a date no finer than what it is compared with, text without letter case."""
    if isinstance(cell, str) and isinstance(value, str):
        folded = cell.casefold()
        return folded[: len(value)] if _is_date(cell) and _is_date(value) else folded
    return cell


def _is_date(text: str) -> bool:
    return len(text) >= 4 and text[:4].isdigit() and (len(text) == 4 or text[4] == "-")
