"""``omnilake entries``: what an archive holds, and what was extracted of it."""

from __future__ import annotations

import re

import click

from omnilake.cli import connection
from omnilake.cli.connection import confirm_option, counted, json_option, print_json, wait_option
from omnilake.cli.following import follow_documents
from omnilake.client.client import OmniLake
from omnilake.errors import EntryNotFound
from omnilake.models import DocumentStatus, is_content_id

_ID = re.compile(r"e[0-9a-f]{31}")


@click.group(short_help="Entries: the documents of an archive.")
def entries() -> None:
    """Entries: the documents of an archive, with all their versions."""


@entries.command()
@click.argument("archive_id")
@click.option(
    "--status",
    type=click.Choice([status.value for status in DocumentStatus]),
    help="Only versions of this status. Default: those that are current.",
)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Most versions.")
@json_option
@click.pass_obj
def ls(stack: str, archive_id: str, status: str | None, limit: int, as_json: bool) -> None:
    """Entries of an archive."""
    found = connection.connect(stack).entries.list(archive_id, status=status or "", limit=limit).all()
    if as_json:
        print_json(found)
        return
    for each in found:
        chunks = counted(each.chunks, "chunk") if each.chunks else ""
        error = f"  {each.error.code}" if each.error else ""
        name = each.title or each.name if is_content_id(each.name) else each.name
        line = f"{each.updated_at}  {each.status:<10}  {chunks:>12}  {each.entry_id}  {name}{error}"
        click.echo(line.rstrip())


@entries.command(short_help="One entry as JSON, with all its versions.")
@click.argument("archive_id")
@click.argument("name")
@click.pass_obj
def show(stack: str, archive_id: str, name: str) -> None:
    """One entry as JSON: all its versions, the newest first; the current one with its insights.

    NAME may be its entry id.
    """
    lake = connection.connect(stack)
    entry_id = entry_id_of(lake, archive_id, name)
    current = lake.entries.get(archive_id, entry_id)
    versions = lake.entries.versions(archive_id, entry_id)
    print_json([current if each.version == current.version else each for each in versions])


@entries.command()
@click.argument("archive_id")
@click.argument("name")
@click.option("--version", default="", help="Default: the newest.")
@click.pass_obj
def text(stack: str, archive_id: str, name: str, version: str) -> None:
    """The text of an entry, as it was read and is quoted."""
    lake = connection.connect(stack)
    entry_id = entry_id_of(lake, archive_id, name)
    version = version or lake.entries.get(archive_id, entry_id).version  # a newer one may come between two parts
    part = lake.entries.content(archive_id, entry_id, version=version)
    click.echo(part.text, nl=False)
    while part.text and part.end < part.total:  # a long one comes in parts
        part = lake.entries.content(archive_id, entry_id, version=version, start=part.end)
        click.echo(part.text, nl=False)
    click.echo()


@entries.command(short_help="Remove an entry with all its versions.")
@click.argument("archive_id")
@click.argument("name")
@wait_option("it is proved to be gone")
@confirm_option("Remove the entry with all its versions?")
@json_option
@click.pass_obj
def rm(stack: str, archive_id: str, name: str, wait: bool, as_json: bool) -> None:
    """Remove an entry with all its versions; the job proves that it is gone."""
    lake = connection.connect(stack)
    job = lake.entries.delete(archive_id, entry_id_of(lake, archive_id, name))
    follow_documents(lake, job, wait=wait, as_json=as_json)


def entry_id_of(lake: OmniLake, archive_id: str, name: str) -> str:
    """The id of an entry that is named by it, or by its path below the archive.

    Raises:
        EntryNotFound: the archive has none of that name.
    """
    if _ID.fullmatch(name):
        return name
    from omnilake.entries import entry_id_of as identity
    from omnilake.ingest.landing import SOURCE_TYPE

    uploaded = identity(archive_id, SOURCE_TYPE, name)
    try:
        return lake.entries.get(archive_id, uploaded).entry_id
    except EntryNotFound:
        for each in lake.entries.list(archive_id):  # its identity may be another than its path
            if each.name == name:
                return each.entry_id
        raise
