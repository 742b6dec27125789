"""Columns of a table with their types: what every filled cell of a column is decides what the column is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from omnilake.extraction.columns import COMMA_NUMBER, MOMENT, POINT_NUMBER
from omnilake.extraction.structure import fold

Value = Decimal | str | bool

_YES_OR_NO = {"true": True, "yes": True, "false": False, "no": False}
_MAX_FIGURE = 30
"""Longest figure in characters, and its largest exponent of ten: 1e999999 is no figure that anybody reckons with."""
_NOT_A_FIGURE = re.compile(r"[^-+.\deE]")
_DATE_OR_PART = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2}(?:[T ]\d{2}:\d{2}.*)?)?)?")
_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class ColumnType(StrEnum):
    NUMBER = "number"
    DATE = "date"  # ISO 8601, with or without a time
    YES_NO = "yes_no"
    TEXT = "text"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: as the table has it.
        type: of all filled cells.
        cells: as they stand in the table, white space folded.
        values: of the cells: numbers, dates as text that sorts, booleans, or text; None where a cell is empty.
    """

    name: str
    type: ColumnType
    cells: list[str]
    values: list[Value | None]

    @cached_property
    def words(self) -> list[str]:
        """Words of the name, lower case: "monthlyCost_usd" has three."""
        return words_of(_CAMEL.sub(" ", self.name))

    def value_of(self, told: str | int | float | bool) -> Value:
        """A value that somebody compares the cells with, as the cells have it.

        Raises:
            LookupError, ValueError, ArithmeticError: it does not fit the column's type.
        """
        match self.type:
            case ColumnType.NUMBER:
                text = str(told)
                if not POINT_NUMBER.fullmatch(text) or len(text) > _MAX_FIGURE:
                    raise ValueError("no number")  # nor is a truth value, whose text is True
                return figure(text)
            case ColumnType.YES_NO:
                return told if isinstance(told, bool) else _YES_OR_NO[str(told).casefold()]
            case ColumnType.DATE:
                if not isinstance(told, str) or not _DATE_OR_PART.fullmatch(told):
                    raise ValueError("no date")
                return told.replace("T", " ")
        return fold(str(told))


@dataclass(frozen=True)
class Table:
    """A table in memory.

    Attributes:
        title: what to call it.
        columns: in the table's order, of equal length.
    """

    title: str
    columns: list[Column]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.columns[0].cells) if self.columns else 0

    def named(self, name: str) -> Column | None:
        """The column of that name; letter case and what stands between words do not count. None when there is none."""
        exact = [each for each in self.columns if each.name == name]
        alike = [each for each in self.columns if each.words == words_of(_CAMEL.sub(" ", name))]
        found = exact or alike
        return found[0] if len(found) == 1 else None


def table_of(title: str, rows: Sequence[Mapping[str, str]]) -> Table:
    """A table of its rows (column → cell); a row that lacks a column has an empty cell there."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(title, [_column(name, [fold(row.get(name, "")) for row in rows]) for name in names])


def words_of(text: str) -> list[str]:
    """Words and figures of a text in lower case, in order."""
    return [word.casefold() for word in _WORD.findall(text)]


def figure(text: str, *, decimal: str = ".") -> Decimal:
    """The number that a text is, with its thousands, currency and percent sign left out.

    Raises:
        ArithmeticError: it is none.
    """
    thousands = "," if decimal == "." else "."
    return Decimal(_NOT_A_FIGURE.sub("", text.replace(thousands, "").replace(decimal, ".")))


def _column(name: str, cells: list[str]) -> Column:
    filled = [cell for cell in cells if cell]
    if filled and all(cell.casefold() in _YES_OR_NO for cell in filled):
        return Column(name, ColumnType.YES_NO, cells, [_YES_OR_NO[cell.casefold()] if cell else None for cell in cells])
    for pattern, decimal in ((POINT_NUMBER, "."), (COMMA_NUMBER, ",")):
        if filled and all(len(cell) <= _MAX_FIGURE and pattern.fullmatch(cell) for cell in filled):
            numbers = [figure(cell, decimal=decimal) if cell else None for cell in cells]
            if all(number is None or abs(number.adjusted()) <= _MAX_FIGURE for number in numbers):
                return Column(name, ColumnType.NUMBER, cells, [*numbers])
    if filled and all(MOMENT.fullmatch(cell) for cell in filled):
        dates = [cell.replace("T", " ") if cell else None for cell in cells]
        return Column(name, ColumnType.DATE, cells, [*dates])
    return Column(name, ColumnType.TEXT, cells, [cell or None for cell in cells])
