"""Questions that tables answer: counts, totals, averages, extremes, groups, and rows that meet conditions.

``columns``    rows of text → columns of numbers, dates, yes and no, text
``reading``    a question, its words against a table's columns and values → a query, or nothing
``computing``  a query over a table, exact (decimal) arithmetic
``telling``    what was computed, in sentences that can be quoted

Everything is decided by fixed rules: no model writes a query, and nothing of a question or of a table is ever executed.
"""

from omnilake.retrieval.tables.columns import Column, ColumnType, Table, table_of
from omnilake.retrieval.tables.computing import Result, compute
from omnilake.retrieval.tables.queries import Aggregate, Condition, Query
from omnilake.retrieval.tables.reading import Reading, read_question
from omnilake.retrieval.tables.telling import lines_of

__all__ = [
    "Aggregate",
    "Column",
    "ColumnType",
    "Condition",
    "Query",
    "Reading",
    "Result",
    "Table",
    "compute",
    "lines_of",
    "read_question",
    "table_of",
]
