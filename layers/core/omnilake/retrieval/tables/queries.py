"""What can be asked of a table."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from omnilake.models import FilterOperator


class Aggregate(StrEnum):
    """What is reckoned over the rows that meet the conditions. ROWS: nothing, the rows themselves are wanted."""

    COUNT = "count"
    SUM = "sum"
    AVERAGE = "average"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    ROWS = "rows"


@dataclass(frozen=True)
class Condition:
    """A condition on rows.

    Attributes:
        columns: names; it holds when it holds for one of them (a word that stands in several columns is looked for in
            all of them), and when negated (``ne``), when it holds for all.
        operator: of comparisons with text, equal means equal but for letter case and white space.
        values: one, or of ``in`` several. Dates may be cut short: "2026-03" is the whole month.
    """

    columns: tuple[str, ...]
    operator: FilterOperator
    values: tuple[Decimal | str | bool, ...]


@dataclass(frozen=True)
class Query:
    """A question to one table.

    Attributes:
        aggregate: what is reckoned.
        column: name of the column that it is reckoned over; of a count the column that is counted, or empty.
        conditions: all must hold.
        group_by: name of the column whose values make groups; empty: one group of all rows.
        extreme: of groups, the ones that are wanted: the highest, the lowest, or all when None.
    """

    aggregate: Aggregate
    column: str = ""
    conditions: tuple[Condition, ...] = ()
    group_by: str = ""
    extreme: Aggregate | None = None
