"""``omnilake search``: ranked passages, without an answer."""

from __future__ import annotations

from typing import Any

import click
from rich.markup import escape

from omnilake.cli import connection
from omnilake.cli.answers import place
from omnilake.cli.connection import json_option, print_json, prose
from omnilake.cli.scope import parse_filter, scope_options

_SHOWN_CHARACTERS = 300


@click.command()
@scope_options
@click.option("--limit", type=click.IntRange(1, 1_000), default=10, show_default=True, help="Most passages.")
@json_option
@click.pass_obj
def search(
    stack: str,
    archive_id: str,
    question: str,
    also: tuple[str, ...],
    filters: tuple[str, ...],
    retrievers: tuple[str, ...],
    as_of: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Find passages in an archive, best first."""
    options: dict[str, Any] = {
        "filters": [parse_filter(each) for each in filters],
        "retrievers": [*retrievers],
        "as_of": as_of,
    }
    given = {name: value for name, value in options.items() if value}
    found = connection.connect(stack).search([archive_id, *also], question, evidence_limit=limit, **given)
    if as_json:
        print_json(found)
        return
    console = prose()
    for number, result in enumerate(found.results, 1):
        console.print(f"[bold]{number}.[/] {escape(place(result))}  [dim]{result.scores.fused:.3f}[/]", soft_wrap=True)
        text = " ".join(result.text.split())
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
        console.print(f"   {escape(shown)}", highlight=False)
    if not found.results:
        console.print("Nothing was found.")
