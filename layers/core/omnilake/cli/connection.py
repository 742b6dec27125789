"""What all commands share: the client of the stack, and output for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click
from pydantic import BaseModel, TypeAdapter

from omnilake.client.client import OmniLake

_ANY: TypeAdapter[Any] = TypeAdapter(Any)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def connect(stack: str) -> OmniLake:
    """The API of a stack."""
    return OmniLake(stack=stack)


def print_json(value: Any) -> None:
    """One JSON document on the standard output."""
    told = value.model_dump(mode="json") if isinstance(value, BaseModel) else _ANY.dump_python(value, mode="json")
    click.echo(json.dumps(told, indent=2, ensure_ascii=False))


def print_rows(rows: Iterable[Iterable[object]]) -> None:
    """A line each, two spaces between fields; empty ones at the end are left out."""
    for row in rows:
        click.echo("  ".join(str(each) for each in row).rstrip())
