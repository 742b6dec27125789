"""JSON and JSON lines: flat objects are the rows of a table, anything else is read as ``path: value`` lines.

Figures are kept as they are written: 1.50 stays 1.50, and a number of a thousand digits is text like any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from omnilake.errors import CorruptDocument, DocumentTooLarge
from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.structure import TextRecorder, fold, label, normalise
from omnilake.extraction.tables import Table
from omnilake.models import ExtractedDocument

_MAX_DEPTH = 100
_MAX_COLUMNS = 500
_BLOCK_CHARACTERS = 400
"""A path line that begins an object or list ends the block before it when that is at least so long."""
_MAX_JOINED_CHARACTERS = 200
_MAX_BLOCK_CHARACTERS = 4_000
_MAX_PATH_CHARACTERS = 1_000
_LINE = re.compile(r"[^\n]+")


def parse_json(text: str, limits: ExtractionLimits) -> Any:
    """Value of a JSON text, numbers as they are written (``str``).

    Raises:
        CorruptDocument: not JSON, or nested deeper than 100 levels.
        DocumentTooLarge: longer than the limits allow of what is held as a tree.
    """
    if len(text) > limits.max_xml_bytes:
        raise DocumentTooLarge(
            "The JSON document is too large to be parsed at once.", action="Save it as JSON lines, an object a line."
        )
    return _parse(text)


def parse_lines(text: str) -> Iterator[Any]:
    """Values of JSON lines (https://jsonlines.org), one at a time; empty lines are passed over.

    Raises:
        CorruptDocument: names the first line that is not JSON.
    """
    number, position = 1, 0
    for line in _LINE.finditer(text):
        if not line[0].strip():
            continue
        number += text.count("\n", position, line.start())
        position = line.start()
        try:
            yield _parse(line[0])
        except CorruptDocument as error:
            raise CorruptDocument(f"Line {number} of the JSON lines is not valid JSON.", **error.details) from None


def _parse(text: str) -> Any:
    try:
        value = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except json.JSONDecodeError as error:
        raise CorruptDocument(
            f"The JSON is not valid at line {error.lineno}, column {error.colno}.", exception=type(error).__name__
        ) from None
    except RecursionError as error:
        raise CorruptDocument("The JSON is nested too deeply.", exception=type(error).__name__) from None
    return value


def is_lines(text: str) -> bool:
    """Whether a text that is not one JSON value begins as JSON lines: each of the first two lines is a value."""
    lines = [line for line in text[: 1024 * 1024].split("\n", 20)[:20] if line.strip()][:2]
    try:
        return len(lines) == 2 and all(isinstance(_parse(line), dict | list) for line in lines)
    except CorruptDocument:
        return False


def columns_of(values: Iterable[Any]) -> list[str] | None:
    """Columns of values that are records, in the order in which they first come; None when they are none.

    A record is an object whose leaves are figures, texts or lists of such; objects in it give columns ``a.b``.
    """
    columns: dict[str, None] = {}
    count = 0
    for value in values:
        count += 1
        leaves = record_cells(value)
        if leaves is None or (not leaves and value):
            return None
        columns.update(dict.fromkeys(leaves))
        if len(columns) > _MAX_COLUMNS:
            return None
    return list(columns) if count and columns else None


def json_table(values: Iterable[Any], columns: list[str]) -> Table:
    """Table of records; what a record does not name is an empty cell."""

    def rows() -> Iterator[list[str]]:
        for value in values:
            cells = record_cells(value) or {}
            yield [cells.get(column, "") for column in columns]

    return Table(rows(), columns)


def record_cells(value: Any) -> dict[str, str] | None:
    """Column → text of a record, None when the value is none."""
    if not isinstance(value, dict):
        return None
    cells: dict[str, str] = {}
    stack: list[tuple[str, Any]] = [(key, inner) for key, inner in reversed(value.items())]
    while stack:
        path, inner = stack.pop()
        if len(path) > _MAX_PATH_CHARACTERS or len(cells) > _MAX_COLUMNS:
            return None
        if isinstance(inner, dict):
            stack.extend((f"{path}.{key}", deeper) for key, deeper in reversed(inner.items()))
        elif isinstance(inner, list):
            if any(isinstance(each, dict | list) for each in inner):
                return None
            cells[fold(normalise(path))] = normalise("; ".join(map(_scalar, inner)))
        else:
            cells[fold(normalise(path))] = "" if inner is None else normalise(_scalar(inner))
    return cells


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case True:
            return "true"
        case False:
            return "false"
        case _:
            return str(value)


def read_paths(
    values: Iterable[Any], media_type: str, title: str, limits: ExtractionLimits, *, numbered: bool
) -> ExtractedDocument:
    """Document of JSON values: a line a leaf, named by its path; an object or list of some length is a block.

    Args:
        values: one, or the elements of a list or of JSON lines.
        numbered: whether sections name an element by its place (0-based, as in paths): ``[3] > customer``.

    Raises:
        CorruptDocument: nested deeper than 100 levels.
        NoTextFound, DocumentTooLarge: see ``extract``.
    """
    recorder = TextRecorder(limits)
    for number, value in enumerate(values):
        _add_value(recorder, value, f"[{number}]" if numbered else "")
    return recorder.finish(media_type, title)


def _add_value(recorder: TextRecorder, value: Any, element: str) -> None:
    block: list[str] = []
    length = 0
    section = ""
    # An iterator a level, so that a long list is not copied to be walked.
    stack: list[Iterator[tuple[str, Any]]] = [iter([("", value)])]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            continue
        path, inner = entry
        if isinstance(inner, dict | list) and inner and not _joined(inner):
            if len(stack) > _MAX_DEPTH:
                raise CorruptDocument("The JSON is nested too deeply.")
            if length >= _BLOCK_CHARACTERS:
                recorder.add("\n".join(block), section=section)
                block, length = [], 0
            recorder.check(recorder.length + len(path), 0)
            stack.append(_members(path, inner))
            continue
        line = f"{path}: {_leaf(inner)}" if path else _leaf(inner)
        if not block:
            section = " > ".join(filter(None, (element, _parent(path))))
        block.append(line)
        length += len(line)
        if length >= _MAX_BLOCK_CHARACTERS:
            recorder.add("\n".join(block), section=section)
            block, length = [], 0
    recorder.add("\n".join(block), section=section)


def _members(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        return ((f"{path}.{key}" if path else key, inner) for key, inner in value.items())
    return ((f"{path}[{number}]", inner) for number, inner in enumerate(value))


def _joined(value: Any) -> bool:
    """Whether a list is short enough to stand on one line."""
    return (
        isinstance(value, list)
        and len(value) <= _MAX_JOINED_CHARACTERS // 2
        and not any(isinstance(each, dict | list) for each in value)
        and sum(len(_scalar(each)) + 2 for each in value) <= _MAX_JOINED_CHARACTERS
    )


def _leaf(value: Any) -> str:
    if isinstance(value, dict | list):
        return "; ".join(map(_scalar, value)) if value else ("{}" if isinstance(value, dict) else "[]")
    return _scalar(value)


def _parent(path: str) -> str:
    """Path of what a leaf stands in, as a section."""
    cut = max(path.rfind("."), path.rfind("["))
    return label(normalise(path[:cut])) if cut > 0 else ""
