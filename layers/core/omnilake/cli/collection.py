"""``omnilake collection``: many documents at once."""

from __future__ import annotations

import click

from omnilake.cli import connection
from omnilake.cli.connection import json_option, wait_option
from omnilake.cli.following import follow_documents


@click.group(short_help="Collections: an S3 prefix or a manifest, in batches.")
def collection() -> None:
    """Collections: an S3 prefix or a manifest, ingested in batches."""


@collection.command()
@click.argument("archive_id")
@click.option("--prefix", default="", metavar="ADDRESS", help="s3://bucket/below/here/: every object below it.")
@click.option(
    "--manifest", default="", metavar="ADDRESS", help="s3://bucket/key: JSON lines of object references or records."
)
@wait_option("all batches have ended")
@json_option
@click.pass_obj
def start(stack: str, archive_id: str, prefix: str, manifest: str, wait: bool, as_json: bool) -> None:
    """Ingest a collection.

    Documents that can't be ingested are listed with their reasons, and the exit code is 1.
    """
    if bool(prefix) == bool(manifest):
        raise click.UsageError("Give --prefix or --manifest, and not both.")
    lake = connection.connect(stack)
    job = lake.collections.start(archive_id, prefix=prefix, manifest=manifest)
    follow_documents(lake, job, wait=wait, as_json=as_json)
