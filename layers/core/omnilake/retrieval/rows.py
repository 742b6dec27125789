"""The retriever ``rows``: what a table says when it is counted, summed and compared, not read.

Tables are found as text is (their summaries and rows are chunks), so filters, tenant and date hold for them too. The
question, and the request's filters on columns, are read against the stored rows of the nearest tables; what is computed
becomes a text of its own that answers quote, and that names its table.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from omnilake import aws, layout
from omnilake.errors import InvalidRequest
from omnilake.extraction.detection import Format
from omnilake.models import Chunk, Evidence, Filter, Model, Scores
from omnilake.retrieval import filters
from omnilake.retrieval.retrievers import Found, Lookup
from omnilake.retrieval.tables import Aggregate, Condition, Reading, Table, compute, lines_of, read_question, table_of

NAME = "rows"

MAX_ROWS = 100_000
MAX_BYTES = 32 * 1024 * 1024
"""Largest tables that are computed over, in rows and in bytes of JSON lines; larger ones are left out, and counted."""

_NEAREST = 50
_CHUNK_CHARACTERS = 1_500
_TABULAR = (Format.CSV, Format.TSV, Format.XLSX, Format.JSON, Format.JSONL)

NOT_UNDERSTOOD, TOO_LARGE, NO_ROWS = "table_not_understood", "table_too_large", "table_without_rows"
OLD_STORE = "store_without_media_types"
"""Reasons of what is left out. A store that was made before chunks told their media type gets the column with the next
document that is ingested into it."""


class RowsOptions(Model):
    """Of the configuration's ``retrievers.rows.options``."""

    max_tables: int = Field(default=8, ge=1, le=50)  # files that are looked into
    max_results: int = Field(default=3, ge=1, le=20)  # tables that are told of, when the question fits several as well


class _TooLarge(Exception):
    """A table beyond ``MAX_ROWS`` or ``MAX_BYTES``."""


def find(lookup: Lookup) -> Found:
    """What the best understood tables come to; nothing when the question is none to a table.

    Raises:
        InvalidRequest: the request filters a column that none of the tables has, or by a value that does not fit it.
        InvalidConfiguration: the options do not fit.
    """
    options = lookup.options_as(RowsOptions)
    conditions = filters.on_columns(lookup.plan.filters)
    left_out: dict[str, int] = {}
    candidates: list[tuple[float, Chunk, Table, Reading]] = []
    tables = columned = 0
    sources, old = _sources(lookup, options.max_tables)
    if old:
        left_out[OLD_STORE] = old
    for chunk in sources:
        try:
            opened = _tables(chunk)
        except _TooLarge:
            left_out[TOO_LARGE] = left_out.get(TOO_LARGE, 0) + 1
            continue
        if opened is None:
            left_out[NO_ROWS] = left_out.get(NO_ROWS, 0) + 1
            continue
        for table in opened:
            tables += 1
            if any(table.named(_column(each)) is None for each in conditions):
                continue
            columned += 1
            held = tuple(_condition(each, table) for each in conditions)
            reading = read_question(lookup.plan.question, table, held)
            if reading is None:
                left_out[NOT_UNDERSTOOD] = left_out.get(NOT_UNDERSTOOD, 0) + 1
            else:
                candidates.append((reading.explained, chunk, table, reading))
    if conditions and tables and not columned:
        raise InvalidRequest("No table that the request may see has all columns that its filters name.")
    best = max((explained for explained, *_ in candidates), default=0.0)
    chosen = [each for each in candidates if each[0] == best][: options.max_results]
    evidence = [one for _, chunk, table, reading in chosen for one in _evidence(lookup, chunk, table, reading)]
    return Found(evidence=evidence, matched=len(evidence), left_out=left_out)


def _sources(lookup: Lookup, most: int) -> tuple[list[Chunk], int]:
    """One chunk of each of the nearest files with tables, nearest first; and how many stores can't tell tables yet."""
    plan = lookup.plan
    named = " ".join([plan.question, *(_column(each) for each in filters.on_columns(plan.filters))])
    listed: list[Sequence[Evidence]] = []
    old = 0
    for store in lookup.stores:
        whole = lookup.view(store)
        if not whole.has_columns:
            old += 1
            continue
        view = whole.narrowed(filters.one_of("media_type", _TABULAR))
        listed.append(view.best_worded(named, _NEAREST))
        listed.append(view.nearest(lookup.vector(store), _NEAREST))
    found: dict[str, Chunk] = {}
    for rank in range(max((len(each) for each in listed), default=0)):
        for ranking in listed:
            if rank < len(ranking):
                chunk = ranking[rank].chunk
                known = found.get(chunk.entry_id)
                if known is None or known.version < chunk.version:
                    found[chunk.entry_id] = chunk
    return list(found.values())[:most], old


def _tables(chunk: Chunk) -> list[Table] | None:
    """The tables of a file, None when no rows of it are kept.

    Raises:
        _TooLarge: see there.
    """
    body = aws.lake().find_open(layout.entry_rows(chunk.entry_id, chunk.version))
    if body is None:
        return None
    sheets: dict[str, list[dict[str, str]]] = {}
    workbook = chunk.media_type == Format.XLSX
    with gzip.open(body, "rb") as lines:
        for row in _rows(lines):
            first = next(iter(row), "")
            named = workbook and first.startswith("sheet")
            sheets.setdefault(row.pop(first) if named else "", []).append(row)
    title = chunk.title or chunk.source.rpartition("/")[2]
    return [table_of(f"{title}, {sheet}" if sheet else title, rows) for sheet, rows in sheets.items()]


def _rows(lines: Iterable[bytes]) -> Iterator[dict[str, str]]:
    size = 0
    for number, line in enumerate(lines):
        size += len(line)
        if number >= MAX_ROWS or size > MAX_BYTES:
            raise _TooLarge
        yield json.loads(line)


def _evidence(lookup: Lookup, chunk: Chunk, table: Table, reading: Reading) -> list[Evidence]:
    """What was computed, as material whose last line says of which version of which file."""
    lines = lines_of(table, compute(table, reading.query))
    lines.append(f"Computed from {chunk.source}, version {chunk.version}.")
    text = "\n".join(lines)
    source = chunk.source if table.title == chunk.title else f"{chunk.source}#{table.title}"
    rows = "rows of" if reading.query.aggregate is Aggregate.ROWS else "computed from"
    chunks = lookup.keep_material(
        text, title=f"{table.title} ({rows} the table)", source=source, source_type=NAME, spans=_spans(lines)
    )
    return [Evidence(chunk=each, scores=Scores()) for each in chunks]


def _spans(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Whole lines in spans of about ``_CHUNK_CHARACTERS``."""
    spans: list[tuple[int, int]] = []
    start = at = 0
    for line in lines:
        if at > start and at + len(line) - start > _CHUNK_CHARACTERS:
            spans.append((start, at - 1))
            start = at
        at += len(line) + 1
    return [*spans, (start, at - 1)]


# --- filters on columns ---------------------------------------------------------------------------------------------


def _column(each: Filter) -> str:
    return each.field.removeprefix(filters.COLUMN)


def _condition(each: Filter, table: Table) -> Condition:
    """A filter as a condition on a column of a table that has it.

    Raises:
        InvalidRequest: a value that does not fit the column's type. The message does not quote it.
    """
    column = table.named(_column(each))
    if column is None:
        raise InvalidRequest("A filter names a column that the table does not have.")
    values = each.value if isinstance(each.value, list) else [each.value]
    try:
        return Condition((column.name,), each.operator, tuple(column.value_of(value) for value in values))
    except (LookupError, ValueError, ArithmeticError):
        raise InvalidRequest(
            f"The value of a filter on a column does not fit it: the column holds values of type {column.type.value}."
        ) from None
