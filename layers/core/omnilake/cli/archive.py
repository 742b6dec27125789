"""``omnilake archive``: archives."""

from __future__ import annotations

import json
from typing import IO, Any, get_args

import click

from omnilake.client.deployment import Deployment
from omnilake.models import ChunkingConfig

_KINDS = get_args(ChunkingConfig.model_fields["kind"].annotation)


@click.group()
def archive() -> None:
    """Archives: logical groupings of documents."""


@archive.command()
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
@click.pass_obj
def create(
    stack: str,
    /,
    archive_id: str,
    description: str | None,
    embedding_model: str | None,
    definition: IO[str] | None,
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
    made = Deployment(stack).create_archive(archive_id, **told)
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
