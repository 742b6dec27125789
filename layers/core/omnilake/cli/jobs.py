"""``omnilake jobs``: what runs and what became of it."""

from __future__ import annotations

import click

from omnilake.cli.collection import follow, show_failed
from omnilake.client.deployment import Deployment
from omnilake.models import JobKind, JobStatus


@click.group()
def jobs() -> None:
    """Jobs: every execution has one."""


@jobs.command()
@click.argument("job_id")
@click.pass_obj
def show(stack: str, job_id: str) -> None:
    """One job's record as JSON."""
    click.echo(Deployment(stack).job(job_id).model_dump_json(indent=2))


@jobs.command()
@click.option("--kind", type=click.Choice([kind.value for kind in JobKind]), help="Only jobs of this kind.")
@click.option("--status", type=click.Choice([status.value for status in JobStatus]), help="Only jobs of this status.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Most jobs of a kind and status.")
@click.pass_obj
def ls(stack: str, kind: str | None, status: str | None, limit: int) -> None:
    """The latest jobs, newest first."""
    found = Deployment(stack).jobs(
        [JobKind(kind)] if kind else list(JobKind), [JobStatus(status)] if status else list(JobStatus), limit
    )
    for job in sorted(found, key=lambda each: each.created_at, reverse=True):
        error = f"  {job.error.code}" if job.error else ""
        click.echo(f"{job.created_at}  {job.status.value:<9}  {job.job_id}  {job.state}{error}")


@jobs.command()
@click.argument("job_id")
@click.pass_obj
def failed(stack: str, job_id: str) -> None:
    """Documents of an ended ingestion or collection that failed, with their reasons."""
    show_failed(Deployment(stack).failed_items(job_id))


@jobs.command()
@click.argument("job_id")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until all have ended.")
@click.pass_obj
def retry(stack: str, job_id: str, wait: bool) -> None:
    """Ingest again what failed of an ended ingestion or collection, and only that."""
    deployment = Deployment(stack)
    follow(deployment, deployment.retry(job_id), wait=wait)


@jobs.command()
@click.argument("job_id")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until all have ended.")
@click.pass_obj
def redrive(stack: str, job_id: str, wait: bool) -> None:
    """Let a collection that failed, timed out or was stopped go on; what was ingested is not done again."""
    deployment = Deployment(stack)
    deployment.redrive(job_id)
    follow(deployment, job_id, wait=wait)
