"""What was computed, in sentences. Each stands alone: it names the table, the conditions and how many rows it read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from omnilake.extraction.tables import render_row
from omnilake.models import FilterOperator
from omnilake.retrieval.tables.columns import Table
from omnilake.retrieval.tables.computing import Group, Result
from omnilake.retrieval.tables.queries import Aggregate, Condition, Query

MAX_GROUPS = 100
MAX_ROWS = 50
_MAX_EXTREMES = 3
_MAX_ROW_CHARACTERS = 600

_NAMES = {
    Aggregate.COUNT: "Number of rows",
    Aggregate.SUM: "Total",
    Aggregate.AVERAGE: "Average",
    Aggregate.MINIMUM: "Lowest",
    Aggregate.MAXIMUM: "Highest",
}
_OF_DATES = {Aggregate.MINIMUM: "Earliest", Aggregate.MAXIMUM: "Latest"}
_OPERATORS = {
    FilterOperator.EQ: "is",
    FilterOperator.IN: "is one of",
    FilterOperator.NE: "is not",
    FilterOperator.LT: "is less than",
    FilterOperator.LE: "is at most",
    FilterOperator.GT: "is more than",
    FilterOperator.GE: "is at least",
    FilterOperator.PREFIX: "begins with",
}


def lines_of(table: Table, result: Result) -> list[str]:
    """A result as lines of text; what is too much to tell is counted in the last.

    The same table and query give the same lines. Every figure is followed by how many of the table's rows it is about.
    """
    query = result.query
    if query.aggregate is Aggregate.ROWS:
        return [*_rows(table, result)]
    if query.group_by:
        return [*_groups(table, result)]
    (group,) = result.groups
    said = f"{_what(query, result.groups)} in {table.title}{_where(query)}: {_value(group)}{_counted(query, group)}"
    lines = [f"{said} ({_read(table, query, group)})."]
    lines += [f"It is in: {row}" for row in _told_rows(table, group.at[:_MAX_EXTREMES])]
    if len(group.at) > _MAX_EXTREMES:
        lines.append(f"{len(group.at) - _MAX_EXTREMES} more rows have it.")
    return lines


def number(value: Decimal) -> str:
    """A number without trailing zeros and without an exponent."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _groups(table: Table, result: Result) -> Iterator[str]:
    query, groups = result.query, result.groups
    what = _what(query, groups)
    if query.extreme is None:
        yield (
            f"{what} by {query.group_by} in {table.title}{_where(query)}: {len(groups)} groups from "
            f"{_of(len(result.matched), table)}."
        )
    extreme = {Aggregate.MAXIMUM: " (the highest)", Aggregate.MINIMUM: " (the lowest)", None: ""}[query.extreme]
    for group in groups[:MAX_GROUPS]:
        yield (
            f"{what} in {table.title} where {query.group_by} is {group.name}{_where(query, ' and ')}: "
            f"{_value(group)}{extreme}{_counted(query, group)} ({_read(table, query, group)})."
        )
    if len(groups) > MAX_GROUPS:
        yield f"{len(groups) - MAX_GROUPS} more groups are not told here."


def _rows(table: Table, result: Result) -> Iterator[str]:
    yield f"Rows of {table.title}{_where(result.query)}: {_of(len(result.matched), table)}."
    yield from _told_rows(table, result.matched[:MAX_ROWS])
    if len(result.matched) > MAX_ROWS:
        yield f"{len(result.matched) - MAX_ROWS} more rows are not told here."


def _told_rows(table: Table, rows: Sequence[int]) -> Iterator[str]:
    names = [column.name for column in table.columns]
    for row in rows:
        told = render_row([column.cells[row] for column in table.columns], names)
        yield told if len(told) <= _MAX_ROW_CHARACTERS else told[: _MAX_ROW_CHARACTERS - 1].rstrip() + "…"


def _what(query: Query, groups: Sequence[Group]) -> str:
    if query.aggregate is Aggregate.COUNT:
        return _NAMES[query.aggregate]
    dated = any(isinstance(group.value, str) for group in groups)
    return f"{(_OF_DATES if dated else _NAMES)[query.aggregate]} {query.column}"


def _where(query: Query, opening: str = " where ") -> str:
    told = " and ".join(_condition(each) for each in query.conditions)
    return f"{opening}{told}" if told else ""


def _condition(condition: Condition) -> str:
    columns = " or ".join(condition.columns)
    values = ", ".join(
        "yes" if value is True else "no" if value is False else number(value) if isinstance(value, Decimal) else value
        for value in condition.values
    )
    return f"{columns} {_OPERATORS[condition.operator]} {values}"


def _value(group: Group) -> str:
    if group.value is None:
        return "none, no row has a figure"
    return number(group.value) if isinstance(group.value, Decimal) else group.value


def _counted(query: Query, group: Group) -> str:
    if query.aggregate is not Aggregate.COUNT or not query.column:
        return ""
    return f", with {group.different} different {'value' if group.different == 1 else 'values'} of {query.column}"


def _read(table: Table, query: Query, group: Group) -> str:
    told = _of(len(group.rows), table)
    lacking = len(group.rows) - group.read
    if query.aggregate is Aggregate.COUNT or not lacking:
        return told
    return f"{told}, {lacking} without a figure"


def _of(count: int, table: Table) -> str:
    return f"{count} of {table.rows} {'row' if table.rows == 1 else 'rows'}"
