"""``omnilake configuration``: how the deployment answers questions."""

from __future__ import annotations

import json
from typing import IO, Any

import click

from omnilake.cli import connection
from omnilake.cli.connection import json_option, print_json


@click.group(short_help="How questions are answered: models, prompts, routes.")
def configuration() -> None:
    """How questions are answered: models and prices, steps, prompts, routes, retrievers, fusion."""


@configuration.command(short_help="The configuration in force, as JSON.")
@click.pass_obj
def show(stack: str) -> None:
    """The configuration in force, as JSON that can be edited and put back.

    Its hash and version are on the error output.
    """
    found = connection.connect(stack).configuration.get()
    print_json(found.configuration)
    click.echo(f"hash {found.hash}, {f'version {found.version}' if found.version else 'of the product'}", err=True)


@configuration.command(short_help="Whether a configuration would work here.")
@click.argument("file", type=click.File(encoding="utf-8"))
@json_option
@click.pass_obj
def check(stack: str, file: IO[str], as_json: bool) -> None:
    """Whether a configuration would work in this deployment. Nothing is changed."""
    found = connection.connect(stack).configuration.check(_read(file))
    if as_json:
        print_json(found)
    else:
        click.echo(f"It fits: hash {found.hash}.")


@configuration.command(short_help="Check a configuration and put it in force.")
@click.argument("file", type=click.File(encoding="utf-8"))
@json_option
@click.pass_obj
def put(stack: str, file: IO[str], as_json: bool) -> None:
    """Check a configuration and put it in force, from the next request on."""
    found = connection.connect(stack).configuration.put(_read(file))
    if as_json:
        print_json(found)
    else:
        click.echo(f"In force: hash {found.hash}, version {found.version}.")


def _read(file: IO[str]) -> dict[str, Any]:
    try:
        told = json.load(file)
    except ValueError as error:
        raise click.BadParameter(f"The file is not JSON: {error}.") from error
    if not isinstance(told, dict):
        raise click.BadParameter("The file is not a JSON object.")
    return told
