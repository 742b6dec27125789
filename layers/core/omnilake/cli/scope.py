"""Where a question is looked up: the arguments and options that ``search`` and ``ask`` share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import click

from omnilake.models import Filter, FilterOperator, FilterValue

_NUMBERS = ("page", "time")
_COLUMN = "column."

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.argument("archive_id"),
    click.argument("question"),
    click.option("--also", multiple=True, metavar="ARCHIVE", help="In this archive too; may be repeated."),
    click.option(
        "--filter",
        "filters",
        multiple=True,
        metavar="FIELD[:OP]=VALUE",
        help=f"Only chunks of which this holds; may be repeated. OP: {', '.join(FilterOperator)}. docs/asking.md.",
    ),
    click.option(
        "--retriever",
        "retrievers",
        multiple=True,
        metavar="NAME",
        help="This one, not those that would be chosen; may be repeated.",
    ),
    click.option("--as-of", "as_of", metavar="WHEN", help="A date or time (ISO 8601), or the version of a store."),
)


def scope_options(command: Command) -> Command:
    """Gives a command ARCHIVE_ID, QUESTION, ``--also``, ``--filter``, ``--retriever`` and ``--as-of``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def parse_filter(told: str) -> Filter:
    """A filter out of ``field=value`` or ``field:operator=value``; ``in`` takes values with commas between them.

    Values of pages, times and columns are numbers where they look like numbers. All others are text.

    Raises:
        click.BadParameter: another form, or an operator that there is not.
    """
    left, equals, right = told.partition("=")
    field, _, operator = left.partition(":")
    if not equals or not field:
        raise click.BadParameter(f"{told!r} is not field=value or field:operator=value.")
    try:
        wanted = FilterOperator(operator or "eq")
    except ValueError:
        raise click.BadParameter(f"There is no operator {operator!r}: {', '.join(FilterOperator)}.") from None
    if wanted is FilterOperator.IN:
        return Filter(field=field, operator=wanted, value=[_value(field, each.strip()) for each in right.split(",")])
    return Filter(field=field, operator=wanted, value=_value(field, right))


def _value(field: str, told: str) -> FilterValue:
    if field in _NUMBERS or field.startswith(_COLUMN):
        for number in (int, float):
            with contextlib.suppress(ValueError):
                return number(told)
    return told
