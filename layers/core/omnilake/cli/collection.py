"""``omnilake collection``: many documents at once."""

from __future__ import annotations

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from omnilake.client.deployment import Deployment
from omnilake.ingest.collections import FailedItem
from omnilake.models import Job, JobStatus

_SHOWN = 20


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
    deployment = Deployment(stack)
    follow(deployment, deployment.start_collection(archive_id, prefix=prefix, manifest=manifest), wait=wait)


def follow(deployment: Deployment, job_id: str, *, wait: bool) -> None:
    """Show the job of an ingestion until it has ended; exits with 1 when documents failed."""
    click.echo(job_id)
    if not wait:
        return
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console()) as progress:
        task = progress.add_task("Ingest", total=None, note="")

        def show(job: Job) -> None:
            counts = {name: count for name, count in job.progress.items() if count}
            done = sum(counts.get(name, 0) for name in ("completed", "duplicates", "deleted", "expanded", "failed"))
            note = ", ".join(
                f"{counts[name]} {name}" for name in ("completed", "duplicates", "failed") if name in counts
            )
            progress.update(task, total=counts.get("documents"), completed=done, note=note or job.state)

        job = deployment.wait(job_id, show, timeout_s=86_400, every_change=True)
    if job.error is not None:
        click.echo(f"{job.error.code}: {job.error.message} {job.error.action}", err=True)
    failed = deployment.failed_items(job_id) if job.progress.get("failed") else []
    show_failed(failed[:_SHOWN])
    if len(failed) > _SHOWN:
        click.echo(f"  … and {len(failed) - _SHOWN} more: omnilake jobs failed {job_id}")
    if failed:
        click.echo(f"Again, only these: omnilake jobs retry {job_id}")
    if failed or job.status is JobStatus.FAILED:
        raise click.exceptions.Exit(1)


def show_failed(items: list[FailedItem]) -> None:
    """Documents that failed, a line each."""
    for item in items:
        click.echo(f"  {item.name}: {item.error.code}: {item.error.message}")
