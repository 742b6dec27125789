"""``omnilake add``: a text as an entry."""

from __future__ import annotations

from typing import IO, Any

import click

from omnilake.cli import connection
from omnilake.cli.connection import json_option, wait_option
from omnilake.cli.following import follow_documents


@click.command()
@click.argument("archive_id")
@click.argument("text", required=False)
@click.option("--file", type=click.File(encoding="utf-8"), help="The text; - is the standard input.")
@click.option("--source", "sources", multiple=True, metavar="ADDRESS", help="Where it comes from; may be repeated.")
@click.option("--effective-on", default="", metavar="WHEN", help="ISO 8601 date or time from which it holds.")
@click.option(
    "--key", "idempotency_key", default="", metavar="KEY", help="The same text under the same key is added once."
)
@wait_option("it is searchable")
@json_option
@click.pass_obj
def add(
    stack: str,
    archive_id: str,
    text: str | None,
    file: IO[str] | None,
    sources: tuple[str, ...],
    effective_on: str,
    idempotency_key: str,
    wait: bool,
    as_json: bool,
) -> None:
    """Add a TEXT as an entry. Files are better uploaded."""
    if (text is None) == (file is None):
        raise click.UsageError("Give the text or --file, and not both.")
    try:
        content = text if text is not None else file.read() if file else ""
    except UnicodeDecodeError as error:
        raise click.BadParameter("It is no text in UTF-8. Upload it: omnilake upload", param_hint="--file") from error
    fields: dict[str, Any] = {"effective_on": effective_on} if effective_on else {}
    lake = connection.connect(stack)
    job = lake.entries.add(archive_id, content, sources=sources, idempotency_key=idempotency_key, **fields)
    if not as_json:
        click.echo(f"entry {job.entry_id}")
    follow_documents(lake, job, wait=wait, as_json=as_json)
