"""What the columns of a table hold: types, ranges and values, in a few lines that stand above its rows.

A question such as "which warehouses are there?" or "since when?" is answered by no single row; this is the passage
that it finds. Every figure in it comes from the rows, cells are quoted as they stand, and the same table gives the same
lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from omnilake.extraction.structure import fold

_MAX_COLUMNS = 200
"""Columns beyond are counted, not described."""
_MAX_DISTINCT = 1_000
"""Different values of a column that are told apart; each costs about 0.2 KB."""
_FEW = 12
_EXAMPLES = 3
_MAX_CELL_CHARACTERS = 60

_CURRENCY = r"(?:[$€£¥]\s?)?"
_UNIT = r"(?:\s?[%€])?"
POINT_NUMBER = re.compile(
    rf"[-+]?{_CURRENCY}(?:0|[1-9]\d*|[1-9]\d{{0,2}}(?:,\d{{3}})+)(?:\.\d+)?(?:[eE][-+]?\d+)?{_UNIT}"
)
COMMA_NUMBER = re.compile(rf"[-+]?{_CURRENCY}(?:0|[1-9]\d*|[1-9]\d{{0,2}}(?:\.\d{{3}})+)(?:,\d+)?{_UNIT}")
_WHOLE = re.compile(r"[-+]?(?:0|[1-9]\d*)")
_DATE = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])")
MOMENT = re.compile(_DATE.pattern + r"(?:[T ][0-2]\d:[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:Z|[-+]\d{2}:?\d{2})?)?")
_YES_NO = ({"true", "false"}, {"yes", "no"})


class TableSummary:
    """Gathers, row by row, what the columns of a table hold. Memory is bounded by columns, not by rows.

    Args:
        columns: their names; empty when the table has no header (columns are then called by number).
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._names = [*columns]
        self._columns: list[_Column] = []
        self._rows = 0

    def observe(self, row: Sequence[str]) -> None:
        """Take one row in. Linear in its cells."""
        while len(self._columns) < min(len(row), _MAX_COLUMNS):
            self._columns.append(_Column())
        self._rows += 1
        for column, cell in zip(self._columns, row, strict=False):
            column.observe(cell)

    def lines(self, title: str) -> Iterator[str]:
        """A sentence on the table, then one line a column."""
        count = max(len(self._columns), len(self._names))
        rows = "1 row" if self._rows == 1 else f"{self._rows} rows"
        yield f"Table {title}: {rows}, {count} {'column' if count == 1 else 'columns'}."
        for number, column in enumerate(self._columns):
            name = self._names[number] if number < len(self._names) else ""
            if name or column.filled:
                yield f"- {name or f'column {number + 1}'}: {column.told(self._rows)}"


class _Column:
    """Different values with their counts, and the types that all of them fit."""

    def __init__(self) -> None:
        self.filled = 0
        self._distinct: dict[str, int] = {}
        self._overflown = False
        self._point: _Range | None = _Range()
        self._comma: _Range | None = _Range()
        self._moment: _Range | None = _Range()
        self._whole = True
        self._dates_alone = True

    def observe(self, cell: str) -> None:
        value = fold(cell)
        if not value:
            return
        self.filled += 1
        if value in self._distinct:
            self._distinct[value] += 1
            return
        if len(self._distinct) < _MAX_DISTINCT:
            self._distinct[value] = 1
        else:
            self._overflown = True
        self._fit(value)

    def _fit(self, value: str) -> None:
        if self._point is not None:
            self._point = self._point.with_number(value, ",") if POINT_NUMBER.fullmatch(value) else None
            self._whole = self._whole and _WHOLE.fullmatch(value) is not None
        if self._comma is not None:
            self._comma = self._comma.with_number(value, ".", decimal=",") if COMMA_NUMBER.fullmatch(value) else None
        if self._moment is not None:
            self._moment = self._moment.with_text(value) if MOMENT.fullmatch(value) else None
            self._dates_alone = self._dates_alone and _DATE.fullmatch(value) is not None

    def told(self, rows: int) -> str:
        """Type, range or values, and how many cells are empty."""
        if not self.filled:
            return "empty"
        empty = rows - self.filled
        return self._values() + (f"; {empty} empty" if empty else "")

    def _values(self) -> str:
        different = len(self._distinct)
        if any({value.casefold() for value in self._distinct} <= pair for pair in _YES_NO):
            return f"yes or no; {self._counts()}"
        if different == 1:
            return f"always {_short(next(iter(self._distinct)))}"
        numbers = self._point or self._comma
        if numbers is not None:
            kind = "whole number" if self._whole and self._point is not None else "number"
            return f"{kind} from {numbers.lowest} to {numbers.highest}"
        if self._moment is not None:
            return f"{'date' if self._dates_alone else 'time'} from {self._moment.lowest} to {self._moment.highest}"
        if different <= _FEW and 2 * different <= self.filled:
            return f"text; {self._counts()}"
        examples = ", ".join(_short(value) for value in list(self._distinct)[:_EXAMPLES])
        count = f"more than {_MAX_DISTINCT}" if self._overflown else f"{different}"
        return f"text; {count} different values, such as {examples}"

    def _counts(self) -> str:
        """Values with their counts, most frequent first, then in the order in which they came."""
        ordered = sorted(self._distinct.items(), key=lambda item: -item[1])
        return ", ".join(f"{_short(value)} ({count})" for value, count in ordered)


class _Range:
    """Lowest and highest value as they stand in the cells."""

    __slots__ = ("_high", "_low", "highest", "lowest")

    def __init__(self) -> None:
        self.lowest = self.highest = ""
        self._low: Any = None
        self._high: Any = None

    def with_number(self, value: str, thousands: str, *, decimal: str = ".") -> _Range:
        figure = value.replace(thousands, "").replace(decimal, ".")
        return self._with(value, float(re.sub(r"[^-+.\deE]", "", figure)))

    def with_text(self, value: str) -> _Range:
        return self._with(value, value.replace("T", " "))

    def _with(self, value: str, key: float | str) -> _Range:
        if self._low is None or key < self._low:
            self._low, self.lowest = key, _short(value)
        if self._high is None or key > self._high:
            self._high, self.highest = key, _short(value)
        return self


def _short(value: str) -> str:
    return value if len(value) <= _MAX_CELL_CHARACTERS else value[: _MAX_CELL_CHARACTERS - 1].rstrip() + "…"
