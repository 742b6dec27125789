"""Rows of a table as lines that can be quoted on their own: ``column: value; column: value``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from omnilake.extraction.structure import fold

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
