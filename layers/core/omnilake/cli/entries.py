"""``omnilake entries``: what an archive holds, and what was extracted of it."""

from __future__ import annotations

import json

import click

from omnilake.client.deployment import Deployment
from omnilake.models import DocumentStatus


@click.group()
def entries() -> None:
    """Entries: the documents of an archive, with all their versions."""


@entries.command()
@click.argument("archive_id")
@click.option(
    "--status",
    type=click.Choice([status.value for status in DocumentStatus]),
    help="Only versions of this status. Default: all.",
)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Most versions.")
@click.pass_obj
def ls(stack: str, archive_id: str, status: str | None, limit: int) -> None:
    """Entry versions of an archive, the latest first."""
    statuses = [DocumentStatus(status)] if status else list(DocumentStatus)
    found = sorted(
        Deployment(stack).entries(archive_id, statuses), key=lambda each: str(each["updated_at"]), reverse=True
    )
    for item in found[:limit]:
        error = "".join(f"  {item[name]}" for name in ("error_code", "insights_error") if item.get(name))
        chunks = f"{item['chunks']} chunks" if "chunks" in item else ""
        click.echo(f"{item['updated_at']}  {item['status']:<10}  {chunks:>12}  {item['name']}{error}")


@entries.command()
@click.argument("archive_id")
@click.argument("name")
@click.pass_obj
def show(stack: str, archive_id: str, name: str) -> None:
    """One entry as JSON: all its versions, the newest first, each with its insights. NAME may be its entry id."""
    deployment = Deployment(stack)
    versions = []
    for item in deployment.entry(archive_id, name):
        insights = deployment.insights(item["entry_id"], item["version"])
        versions.append({**item, "insights": insights.model_dump(mode="json") if insights else None})
    click.echo(json.dumps(versions, indent=2, ensure_ascii=False, default=sorted))
