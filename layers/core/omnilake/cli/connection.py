"""What all commands share: the client of the stack, and output for programs."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import click
from pydantic import BaseModel, TypeAdapter
from rich.console import Console

from omnilake.client.client import OmniLake

_ANY: TypeAdapter[Any] = TypeAdapter(Any)

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, in the API's shape.")


def wait_option(until: str) -> Callable[[Command], Command]:
    """``--wait/--no-wait``: whether a command that starts a job waits until something is so."""
    return click.option("--wait/--no-wait", default=True, show_default=True, help=f"Wait until {until}.")


def confirm_option(question: str) -> Callable[[Command], Command]:
    """``--yes``: without it a command that takes something away asks first."""
    return click.confirmation_option("--yes", prompt=question, help="Do not ask.")


def connect(stack: str) -> OmniLake:
    """The API of a stack."""
    return OmniLake(stack=stack)


@contextlib.contextmanager
def going_on(told: str) -> Iterator[None]:
    """Where Ctrl-C ends the waiting alone: says on the error output what goes on, and how to come back to it."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\n{told}", err=True)
        raise


def prose() -> Console:
    """The standard output for text: lines are broken for a terminal alone, so that a file or a pipe gets them whole."""
    return Console(soft_wrap=not sys.stdout.isatty())


def counted(count: int, noun: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def print_json(value: Any) -> None:
    """One JSON document on the standard output."""
    told = value.model_dump(mode="json") if isinstance(value, BaseModel) else _ANY.dump_python(value, mode="json")
    click.echo(json.dumps(told, indent=2, ensure_ascii=False))


def print_rows(rows: Iterable[Iterable[object]]) -> None:
    """A line each, two spaces between fields; empty ones at the end are left out."""
    for row in rows:
        click.echo("  ".join(str(each) for each in row).rstrip())
