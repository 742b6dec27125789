"""``omnilake collection``: many documents at once."""

from __future__ import annotations

import click

from omnilake.cli import connection
from omnilake.cli.following import follow_documents


@click.group()
def collection() -> None:
    """Collections: an S3 prefix or a manifest, ingested in batches."""


@collection.command()
@click.argument("archive_id")
@click.option("--prefix", default="", help="s3://bucket/below/here/: every object below it.")
@click.option("--manifest", default="", help="s3://bucket/key: JSON lines of object references or records.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until all batches have ended.")
@click.pass_obj
def start(stack: str, archive_id: str, prefix: str, manifest: str, wait: bool) -> None:
    """Ingest a collection.

    Documents that can't be ingested are listed with their reasons, and the exit code is 1.
    """
    lake = connection.connect(stack)
    follow_documents(lake, lake.collections.start(archive_id, prefix=prefix, manifest=manifest), wait=wait)
