"""Filters: typed conditions on chunks, checked, and written as the prefilter of a store.

A field that is not known, an operator that its field does not have, or a value of another type is an error. Values
stand in the expression as literals whose quotes are doubled; LanceDB's parser (DataFusion) knows no other escape.

======================= ========================== ===========================================================
field                   operators                  value
======================= ========================== ===========================================================
entry, version          eq ne in                   id of an entry, or of one of its versions
source                  eq ne in prefix            what citations name: ``s3://…`` or an address
title, section, speaker eq ne in prefix            text, case counts
media_type, source_type eq ne in prefix            ``application/pdf``; ``s3`` (uploads), ``slack`` …
received_at             lt le gt ge                date or time, ISO 8601 (a date is its beginning, UTC)
effective_on, posted_at lt le gt ge                the same; chunks that have none never pass
page                    eq ne in lt le gt ge       whole number
time                    lt le gt ge                seconds into a recording
tag                     eq ne in                   tag of the document's insights, case does not count
metadata.<name>         eq ne in                   value of the document's metadata, case counts
column.<name>           eq ne in lt le gt ge prefix  of a table: read by the retriever ``rows`` alone
======================= ========================== ===========================================================

``ne`` lets chunks pass that have no value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from omnilake import clock
from omnilake.errors import InvalidRequest
from omnilake.labels import TAG, TENANT_NAMES, label
from omnilake.models import Filter, FilterOperator, FilterValue, Tenant

MAX_VALUES = 200
"""Most values of ``in``."""

MAX_VALUE_CHARACTERS = 2_000

METADATA = "metadata."
COLUMN = "column."
"""Prefixes of the fields that are named by the documents."""

NOTHING = "false"
"""A condition that no chunk meets."""

_EQUAL = {FilterOperator.EQ, FilterOperator.NE, FilterOperator.IN}
_ORDER = {FilterOperator.LT: "<", FilterOperator.LE: "<=", FilterOperator.GT: ">", FilterOperator.GE: ">="}

Parse = Callable[[FilterValue], str]
"""A value → its literal. Raises ``ValueError`` for one of another type, or that no literal can hold."""


class _MisfitError(ValueError):
    """A value is not of its field's type."""


@dataclass(frozen=True)
class Field:
    """A field that requests may filter by.

    Attributes:
        column: of the stores.
        operators: that it has.
        literal: its values as literals.
        present: condition for comparisons of order: the chunk has a value.
    """

    column: str
    operators: frozenset[FilterOperator]
    literal: Parse
    present: str = ""


def literal(text: str) -> str:
    """A text as a string literal of a filter expression.

    Raises:
        ValueError: it is no text that UTF-8 can hold, or too long.
    """
    text.encode()  # a lone surrogate is no text
    if len(text) > MAX_VALUE_CHARACTERS:
        raise ValueError("too long")
    return "'" + text.replace("'", "''") + "'"


def _text(value: FilterValue) -> str:
    if not isinstance(value, str):
        raise _MisfitError
    return literal(value)


def _number(value: FilterValue) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _MisfitError
    return repr(value)


def _whole(value: FilterValue) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 31:
        raise _MisfitError
    return str(value)


def _time(value: FilterValue) -> str:
    if not isinstance(value, str):
        raise _MisfitError
    return literal(clock.instant(value))


def _epoch(value: FilterValue) -> str:
    if not isinstance(value, str):
        return _number(value)
    return repr(clock.parse(value).timestamp())


def _field(column: str, operators: Iterable[FilterOperator], parse: Parse, present: str = "") -> Field:
    return Field(column, frozenset(operators), parse, present)


_WORDED = _EQUAL | {FilterOperator.PREFIX}
_DATED = set(_ORDER)

FILTER_FIELDS: Mapping[str, Field] = {
    "entry": _field("entry_id", _EQUAL, _text),
    "version": _field("version", _EQUAL, _text),
    "source": _field("source", _WORDED, _text),
    "title": _field("title", _WORDED, _text),
    "section": _field("section", _WORDED, _text),
    "speaker": _field("speaker", _WORDED, _text),
    "media_type": _field("media_type", _WORDED, _text),
    "source_type": _field("source_type", _WORDED, _text),
    "received_at": _field("received_at", _DATED, _time, "received_at != ''"),
    "effective_on": _field("effective_on", _DATED, _time, "effective_on != ''"),
    "posted_at": _field("posted_at", _DATED, _epoch),
    "page": _field("page", _EQUAL | _DATED, _whole),
    "time": _field("time_s", _DATED, _number),
}
"""Fields of every document. Besides: ``tag``, ``metadata.<name>``, and ``column.<name>`` of tables."""


def check(filters: Iterable[Filter]) -> None:
    """Refuse what can't be applied.

    Raises:
        InvalidRequest: an unknown field, an operator that it does not have, or a value of another type. Names the
            field, not the value.
    """
    for each in filters:
        if each.field.startswith(COLUMN):
            _check_column(each)
        else:
            _condition(each)


def on_columns(filters: Iterable[Filter]) -> list[Filter]:
    """Those that are about columns of tables: for the retriever ``rows``, which must apply them all."""
    return [each for each in filters if each.field.startswith(COLUMN)]


def condition(filters: Iterable[Filter], tenant: Tenant | None = None) -> str:
    """The expression that chunks must meet; empty when all do. Conditions on columns of tables are left out.

    Raises:
        InvalidRequest: as :func:`check`.
    """
    terms = [_condition(each) for each in filters if not each.field.startswith(COLUMN)]
    told = (tenant or Tenant()).model_dump()
    terms += [_labelled([label(name, told[name])]) for name in TENANT_NAMES if told[name]]
    return conjunction(terms)


def conjunction(terms: Iterable[str]) -> str:
    """All of the expressions; empty ones are left out."""
    return " AND ".join(f"({term})" for term in terms if term)


def one_of(column: str, values: Iterable[str]) -> str:
    """The expression that a column has one of some texts."""
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} IN ({listed})" if listed else NOTHING


def _condition(each: Filter) -> str:
    name = each.field
    if name == TAG or (name.startswith(METADATA) and len(name) > len(METADATA)):
        return _on_labels(each, name.removeprefix(METADATA))
    known = FILTER_FIELDS.get(name)
    if known is None:
        raise InvalidRequest(
            "A filter names a field that is not known.",
            action=f"Known are {', '.join(FILTER_FIELDS)}, tag, metadata.NAME and column.NAME.",
        )
    _check_operator(each, known.operators)
    literals = _literals(each, known.literal)
    match each.operator:
        case FilterOperator.EQ:
            return f"{known.column} = {literals[0]}"
        case FilterOperator.NE:
            return f"{known.column} IS NULL OR {known.column} != {literals[0]}"
        case FilterOperator.IN:
            return f"{known.column} IN ({', '.join(literals)})"
        case FilterOperator.PREFIX:
            return f"starts_with({known.column}, {literals[0]})"
    return conjunction([known.present, f"{known.column} {_ORDER[each.operator]} {literals[0]}"])


def _on_labels(each: Filter, name: str) -> str:
    _check_operator(each, _EQUAL)
    _literals(each, _text)
    values = each.value if isinstance(each.value, list) else [each.value]
    has = _labelled([label(name, str(value)) for value in values])
    return f"labels IS NULL OR NOT ({has})" if each.operator is FilterOperator.NE else has


def _labelled(wanted: Iterable[str]) -> str:
    return " OR ".join("array_has(labels, '" + each.replace("'", "''") + "')" for each in wanted)


def _check_column(each: Filter) -> None:
    if len(each.field) == len(COLUMN):
        raise InvalidRequest("A filter names a column without its name.")
    _literals(each, _text_or_number)


def _text_or_number(value: FilterValue) -> str:
    return _text(value) if isinstance(value, str) else _number(value)


def _check_operator(each: Filter, operators: Iterable[FilterOperator]) -> None:
    if each.operator not in operators:
        raise InvalidRequest(
            f"The filter on {_shown(each.field)} can't be by {each.operator.value}.",
            action=f"Take one of: {', '.join(sorted(operators))}.",
        )


def _literals(each: Filter, parse: Parse) -> list[str]:
    listed = isinstance(each.value, list)
    if listed != (each.operator is FilterOperator.IN):
        wanted = "a list of values" if each.operator is FilterOperator.IN else "one value"
        raise InvalidRequest(f"The filter on {_shown(each.field)} by {each.operator.value} needs {wanted}.")
    values = each.value if isinstance(each.value, list) else [each.value]
    if not 0 < len(values) <= MAX_VALUES:
        raise InvalidRequest(f"The filter on {_shown(each.field)} needs 1 to {MAX_VALUES} values.")
    try:
        return [parse(value) for value in values]
    except ValueError:
        # Without its cause, which quotes the value.
        raise InvalidRequest(f"A value of the filter on {_shown(each.field)} does not fit its type.") from None


def _shown(name: str) -> str:
    """A field as messages may name it: what follows the prefix came with the request."""
    for prefix in (METADATA, COLUMN):
        if name.startswith(prefix):
            return f"{prefix}…"
    return name
