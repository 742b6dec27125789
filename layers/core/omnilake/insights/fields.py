"""Values for an archive's own schema that a document states outright: in its metadata, or in the columns of its table.

A property that nothing matches by name is absent, also when the schema requires it: nothing is made up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from omnilake.insights import dates
from omnilake.insights.schema import validator
from omnilake.models import ExtractedDocument, SegmentKind

MAX_ROWS = 10_000
"""Rows of a table that are looked at."""

MAX_VALUES = 100
"""Different values of a column that go into one property."""

_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}


def find(document: ExtractedDocument, schema: dict[str, Any] | None) -> dict[str, Any]:
    """Properties of a schema with the values that a document states, each valid by itself.

    A property of type array gets all different values of a column, another one only when the column has a single one.
    """
    if schema is None:
        return {}
    stated = {_key(name): [value] for name, value in document.metadata.items() if value.strip()}
    if document.title:
        stated.setdefault("title", [document.title])
    wanted = {_key(name) for name in schema["properties"]}
    for name, values in _columns(document, wanted - stated.keys()).items():
        stated[name] = values
    checked = validator(schema)
    found = {}
    for name, inner in schema["properties"].items():
        for value in _values(inner, stated.get(_key(name), []), schema):
            if checked.evolve(schema=inner).is_valid(value):
                found[name] = value
                break
    return found


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _columns(document: ExtractedDocument, wanted: set[str]) -> dict[str, list[str]]:
    """Different values of the columns with these keys, in order; columns with too many are left out."""
    found: dict[str, dict[str, None]] = {}
    rows = 0
    for segment in document.segments:
        if segment.kind != SegmentKind.ROW or not segment.header:
            continue
        rows += 1
        if rows > MAX_ROWS:
            return {}  # what was not read could hold other values
        for name, value in _cells(document.text[segment.start : segment.end], segment.header):
            if (key := _key(name)) in wanted:
                found.setdefault(key, {}).setdefault(value)
    return {key: list(values) for key, values in found.items() if len(values) <= MAX_VALUES}


def _cells(row: str, header: str) -> Iterator[tuple[str, str]]:
    """Cells of a row as ``extraction.tables.render_row`` writes it: ``column: value; column: value``."""
    names = header.split("; ")
    starts = []
    position = 0
    for name in names:
        marker = f"{name}: "
        at = 0 if position == 0 and row.startswith(marker) else row.find(f"; {marker}", position)
        if at < 0 or (at == 0 and position > 0):
            continue  # an empty cell
        begin = at + len(marker) + (2 if row.startswith("; ", at) else 0)
        starts.append((name, at, begin))
        position = begin
    for number, (name, _, begin) in enumerate(starts):
        end = starts[number + 1][1] if number + 1 < len(starts) else len(row)
        yield name, row[begin:end]


def _values(schema: Any, stated: list[str], root: Mapping[str, Any]) -> Iterator[Any]:
    """What stated texts may mean under a property's schema, the most fitting first."""
    schema = _resolved(schema, root)
    kinds = schema.get("type", "string")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "array" in kinds and stated:
        parts = stated if len(stated) > 1 else [part.strip() for part in re.split(r"[;,]", stated[0]) if part.strip()]
        item = _resolved(schema.get("items", {}), root)
        yield [next(_scalars(item, part), part) for part in parts]
    if len(stated) == 1:
        yield from _scalars(schema, stated[0])


def _scalars(schema: Mapping[str, Any], text: str) -> Iterator[Any]:
    text = " ".join(text.split())
    kinds = schema.get("type", "string")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    for allowed in schema.get("enum", []):
        if isinstance(allowed, str) and allowed.casefold() == text.casefold():
            yield allowed
    if "integer" in kinds and re.fullmatch(r"[+-]?\d{1,18}", text):
        yield int(text)
    if "number" in kinds and re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,15})?", text):
        yield float(text) if "." in text else int(text)
    if "boolean" in kinds and text.casefold() in _TRUE | _FALSE:
        yield text.casefold() in _TRUE
    if "string" in kinds:
        if schema.get("format") == "date" and (named := [each for each in dates.find(text, 2) if len(each) == 10]):
            if len(named) == 1:
                yield named[0]
        else:
            yield text


def _resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    seen = 0
    while isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str) and seen < 10:
        _, holder, name = schema["$ref"].split("/")
        schema, seen = root[holder][name], seen + 1
    return schema if isinstance(schema, Mapping) else {}
