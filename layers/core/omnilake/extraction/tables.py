"""Tables of records, and their rows as lines that can be quoted on their own: ``column: value; column: value``.

CSV, workbooks and JSON give :class:`Table` objects; :func:`add_table` puts one into a document's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, zip_longest

from omnilake.extraction.columns import TableSummary
from omnilake.extraction.structure import TextRecorder, fold
from omnilake.models import SegmentKind

_SAMPLE_ROWS = 50

# 12, -3.5, 1,234.50, 45 %, $9.99, 2026-11-21, 09:30 …: what stands in data and not in column names.
_FIGURE = re.compile(r"[-+(]?[$€£]?\d[\d.,:/%\s-]*[%)]?")


def looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of the rows names the columns: two names or more, all different, none empty, none a figure."""
    if len(rows) < 2:
        return False
    names = [fold(cell) for cell in rows[0]]
    if len(names) < 2 or not all(names) or len(set(names)) < len(names):
        return False
    return not any(_FIGURE.fullmatch(name) for name in names)


def header_line(names: Sequence[str]) -> str:
    """The column names on one line."""
    return "; ".join(filter(None, map(fold, names)))


def render_row(cells: Sequence[str], names: Sequence[str] | None) -> str:
    """One row on one line. Empty cells are left out; cells beyond the last name stand without one."""
    values = [fold(cell) for cell in cells]
    if names is None:
        return " | ".join(filter(None, values))
    named = [
        f"{names[column]}: {value}" if column < len(names) and names[column] else value
        for column, value in enumerate(values)
        if value
    ]
    return "; ".join(named)


def render_table(rows: Sequence[Sequence[str]], *, has_header: bool) -> Iterator[tuple[str, str | None]]:
    """Lines of a table, each with its header line (None when the columns have no names).

    The header is a line of its own only in a table without any other row: each row carries the names.
    """
    if has_header and len(rows) > 1:
        names = [fold(cell) for cell in rows[0]]
        header = header_line(names)
        for row in rows[1:]:
            yield render_row(row, names), header
    else:
        for row in rows:
            yield render_row(row, None), None


@dataclass(slots=True)
class Table:
    """A table of records on its way in: its head is read, its rows are read once, one after the other.

    Attributes:
        rows: cells as text, without the header row. Rows may be longer or shorter than ``columns``.
        columns: names of the columns; empty when no row names them.
        name: what tells it from the other tables of the file (a sheet's name); empty when it is the only one.
        preamble: title lines above the header.
    """

    rows: Iterator[list[str]]
    columns: list[str] = field(default_factory=list)
    name: str = ""
    preamble: list[list[str]] = field(default_factory=list)


def find_table(rows: Iterable[Sequence[str]], name: str = "") -> Table:
    """The table that rows make: title lines above it and the header are told apart by the first 50 filled rows."""
    filled = ([*row] for row in rows if any(map(str.strip, row)))
    preamble, head = _split_preamble(list(islice(filled, _SAMPLE_ROWS)))
    left = min((_first_filled(row) for row in head), default=0)
    columns: list[str] = []
    if looks_like_header([_filled_part(row, left) for row in head]):
        columns = [fold(cell) for cell in head[0][:left] + _filled_part(head[0], left)]
        head = head[1:]
    return Table(chain(head, filled), columns, name, preamble)


def add_table(recorder: TextRecorder, table: Table, *, title: str, summary: bool) -> None:
    """Append a table: its name as a heading, its title lines, with ``summary`` what its columns hold, a row a line.

    A table without any row is left out.

    Args:
        title: what the summary calls the table when it has no name.
        summary: only of a table whose columns have names; ``columns.TableSummary`` says what it tells.
    Raises:
        DocumentTooLarge: more text or rows than the limits allow.
    """
    first = next(table.rows, None)
    if first is None and not table.preamble:
        return
    rows = chain([first] if first is not None else [], table.rows)
    recorder.add(table.name, SegmentKind.HEADING, level=1)
    for title_line in table.preamble:
        recorder.add(render_row(title_line, None))
    names = table.columns or None
    header = header_line(table.columns) if names else None
    if not (summary and names):
        for row in rows:
            recorder.add(render_row(row, names), SegmentKind.ROW, header=header)
        return
    # The summary stands above rows that it has to have seen: their lines wait.
    told = TableSummary(names)
    lines: list[str] = []
    length = recorder.length
    for row in rows:
        told.observe(row)
        lines.append(render_row(row, names))
        length += len(lines[-1]) + 1
        recorder.check(length, len(recorder.segments) + len(lines))
    if lines:
        sentence, *columns = told.lines(table.name or title)
        recorder.add(sentence)
        for column in columns:
            recorder.add(column, SegmentKind.LIST)
    for line in lines:
        recorder.add(line, SegmentKind.ROW, header=header)


def records(table: Table) -> Iterator[dict[str, str]]:
    """Rows as column → cell, every cell as it stands in the file. Columns without a name are called ``column 3``.

    In a file with several tables each record begins with the table's name, under ``sheet``.
    """
    names: list[str] = []
    sheet = ""
    for row in table.rows:
        if len(row) > len(names) or not sheet:
            names = unique_names([*table.columns, *[""] * (len(row) - len(table.columns))])
            sheet = unique_names([*names, "sheet"])[-1]
        record = {sheet: table.name} if table.name else {}
        record.update(zip_longest(names, row, fillvalue=""))
        yield record


def unique_names(names: Sequence[str]) -> list[str]:
    """Names that can be keys: empty ones are called ``column <number>``, and one that comes again is numbered."""
    taken: set[str] = set()
    unique: list[str] = []
    for number, name in enumerate(names, start=1):
        candidate, again = name or f"column {number}", 2
        while candidate in taken:
            candidate, again = f"{name or f'column {number}'} ({again})", again + 1
        taken.add(candidate)
        unique.append(candidate)
    return unique


def _split_preamble(rows: list[list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Title lines above a table: leading rows with one filled cell where the table has two columns or more."""
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    if max(filled, default=0) < 2:
        return [], rows
    first = next(number for number, count in enumerate(filled) if count > 1)
    return rows[:first], rows[first:]


def _first_filled(row: Sequence[str]) -> int:
    return next(column for column, cell in enumerate(row) if cell.strip())


def _filled_part(row: Sequence[str], left: int) -> list[str]:
    """A row without the columns that are empty at either edge."""
    right = len(row)
    while right > left and not row[right - 1].strip():
        right -= 1
    return [*row[left:right]]
