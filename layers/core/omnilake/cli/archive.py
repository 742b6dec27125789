"""``omnilake archive``: archives."""

from __future__ import annotations

import click

from omnilake.client.deployment import Deployment


@click.group()
def archive() -> None:
    """Archives: logical groupings of documents."""


@archive.command()
@click.argument("archive_id")
@click.option("--description", default="", help="What it holds, for people.")
@click.pass_obj
def create(stack: str, archive_id: str, description: str) -> None:
    """Create an archive (nothing happens if it exists as described)."""
    made = Deployment(stack).create_archive(archive_id, description)
    click.echo(f"{made.archive_id}  store {made.store_id}  space {made.space.space_id}")
