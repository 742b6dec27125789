"""``omnilake archive``: archives."""

from __future__ import annotations

import json
from typing import IO, Any, get_args

import click

from omnilake.cli import connection
from omnilake.cli.connection import json_option, print_json, print_rows, wait_option
from omnilake.cli.following import follow_documents
from omnilake.models import Archive, ChunkingConfig

_KINDS = get_args(ChunkingConfig.model_fields["kind"].annotation)


@click.group()
def archive() -> None:
    """Archives: logical groupings of documents."""


@archive.command(short_help="Create an archive; again changes nothing.")
@click.argument("archive_id")
@click.option("--description", help="What it holds, for people.")
@click.option(
    "--embedding",
    "embedding_model",
    metavar="MODEL",
    help="provider/model or provider/model@dimensions. Default: the deployment's. It can't be changed later.",
)
@click.option("--chunking", "kind", type=click.Choice(_KINDS), help="How text is cut. Default: auto, by document.")
@click.option("--max-tokens", type=int, metavar="N", help="Most tokens of a chunk.")
@click.option("--overlap", "overlap_tokens", type=int, metavar="N", help="Tokens that neighbours share.")
@click.option("--parent-tokens", type=int, metavar="N", help="Chunks know a larger span of so many tokens.")
@click.option("--gap-minutes", type=int, metavar="N", help="A pause that ends a conversation's window.")
@click.option(
    "--contextual-headers/--no-contextual-headers",
    default=None,
    help="Whether title and sections are embedded with each chunk. Default: they are.",
)
@click.option(
    "--definition",
    type=click.File(encoding="utf-8"),
    help="JSON object with any field of an archive: chunking, rules, tag_hints, insights_schema … Other options "
    "go before it.",
)
@json_option
@click.pass_obj
def create(
    stack: str,
    /,
    archive_id: str,
    description: str | None,
    embedding_model: str | None,
    definition: IO[str] | None,
    as_json: bool,
    **chunking: Any,
) -> None:
    """Create an archive (nothing happens if it exists as described)."""
    told = _told(definition)
    given = {name: value for name, value in chunking.items() if value is not None}
    if given:
        told["chunking"] = {**told.get("chunking", {}), **given}
    if description is not None:
        told["description"] = description
    if embedding_model is not None:
        told["embedding_model"] = embedding_model
    _show(connection.connect(stack).archives.create(archive_id, **told), as_json)


@archive.command()
@json_option
@click.pass_obj
def ls(stack: str, as_json: bool) -> None:
    """Archives that you may read."""
    found = connection.connect(stack).archives.list().all()
    if as_json:
        print_json(found)
    else:
        print_rows((each.archive_id, each.space.space_id, each.description) for each in found)


@archive.command()
@click.argument("archive_id")
@click.pass_obj
def show(stack: str, archive_id: str) -> None:
    """One archive as JSON."""
    print_json(connection.connect(stack).archives.get(archive_id))


@archive.command()
@click.argument("archive_id")
@click.option("--description", help="What it holds, for people.")
@click.option("--definition", type=click.File(encoding="utf-8"), help="JSON object with the fields that change.")
@json_option
@click.pass_obj
def update(stack: str, archive_id: str, description: str | None, definition: IO[str] | None, as_json: bool) -> None:
    """Change an archive. What was cut before stays as it is until a reindex."""
    changes = _told(definition) | ({} if description is None else {"description": description})
    if not changes:
        raise click.UsageError("There is nothing to change.")
    _show(connection.connect(stack).archives.update(archive_id, **changes), as_json)


@archive.command()
@click.argument("archive_id")
@click.option("--read", multiple=True, metavar="WHO", help="May read: a principal, or its beginning with *.")
@click.option("--write", multiple=True, metavar="WHO", help="May write, and read.")
@click.option("--administer", multiple=True, metavar="WHO", help="May do all.")
@click.option("--private", is_flag=True, help="Only the owner may use it.")
@json_option
@click.pass_obj
def access(
    stack: str,
    archive_id: str,
    read: tuple[str, ...],
    write: tuple[str, ...],
    administer: tuple[str, ...],
    private: bool,
    as_json: bool,
) -> None:
    """Who may do what with an archive; with options, say it anew.

    Options replace all that was said before: who is not named may no more.
    """
    archives = connection.connect(stack).archives
    told = {"read": [*read], "write": [*write], "administer": [*administer]}
    if private and any(told.values()):
        raise click.UsageError("--private excludes the others.")
    changed = private or any(told.values())
    state = archives.set_access(archive_id, told) if changed else archives.access(archive_id)
    if as_json:
        print_json(state)
        return
    access = state.model_dump()
    print_rows((f"{right:<10}", ", ".join(access[right]) or "nobody else") for right in told)
    print_rows([(f"{'owner':<10}", state.owner or "nobody")])


@archive.command(short_help="Cut and embed it anew with its present settings.")
@click.argument("archive_id")
@wait_option("it has ended")
@json_option
@click.pass_obj
def reindex(stack: str, archive_id: str, wait: bool, as_json: bool) -> None:
    """Cut and embed all of an archive anew with its present settings. Questions are answered meanwhile."""
    lake = connection.connect(stack)
    follow_documents(lake, lake.archives.reindex(archive_id), wait=wait, as_json=as_json)


@archive.command(short_help="Delete an archive, empty or with its entries.")
@click.argument("archive_id")
@click.option("--with-entries", is_flag=True, help="Remove all its entries too, with proof. Sources keep it still.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@wait_option("it is gone")
@json_option
@click.pass_obj
def rm(stack: str, archive_id: str, with_entries: bool, yes: bool, wait: bool, as_json: bool) -> None:
    """Delete an archive that holds nothing any more, or with all its entries.

    With its entries a job does it: the archive takes nothing in from then on. Cancelled or failed, the job leaves the
    archive with what was not removed yet.
    """
    if not yes:
        click.confirm("Delete the archive with all its entries?" if with_entries else "Delete the archive?", abort=True)
    lake = connection.connect(stack)
    job = lake.archives.delete(archive_id, with_entries=with_entries)
    if job is not None:
        follow_documents(lake, job, wait=wait, as_json=as_json)
    if not as_json and (job is None or wait):
        click.echo(f"{archive_id}  deleted")


def _show(made: Archive, as_json: bool) -> None:
    if as_json:
        print_json(made)
    else:
        click.echo(f"{made.archive_id}  store {made.store_id}  space {made.space.space_id}")


def _told(definition: IO[str] | None) -> dict[str, Any]:
    if definition is None:
        return {}
    try:
        told = json.load(definition)
    except ValueError as error:
        raise click.BadParameter(f"The definition is not JSON: {error}.") from error
    if not isinstance(told, dict) or not isinstance(told.get("chunking", {}), dict) or "archive_id" in told:
        raise click.BadParameter("The definition is not an object with fields of an archive (without its id).")
    return told
