"""``omnilake jobs``: what runs and what became of it."""

from __future__ import annotations

import click
from rich.console import Console

from omnilake.cli import connection
from omnilake.cli.answers import follow
from omnilake.cli.connection import json_option, print_json, print_rows, wait_option
from omnilake.cli.following import end, follow_documents, show_end, show_failed
from omnilake.cli.timeline import show_timeline
from omnilake.models import DocumentStatus, JobKind, JobStatus


@click.group()
def jobs() -> None:
    """Jobs: every execution has one."""


@jobs.command(short_help="One job: its states with times, tokens and money.")
@click.argument("job_id")
@json_option
@click.pass_obj
def show(stack: str, job_id: str, as_json: bool) -> None:
    """One job: the states of its execution with times, tokens and money."""
    job = connection.connect(stack).jobs.get(job_id)
    if as_json:
        print_json(job)
    else:
        show_timeline(Console(), job)


@jobs.command(short_help="Show a job until it ends.")
@click.argument("job_id")
@click.option("--timeout", type=click.FloatRange(1), default=3_600, show_default=True, help="Seconds to wait.")
@json_option
@click.pass_obj
def watch(stack: str, job_id: str, timeout: float, as_json: bool) -> None:
    """Show a job until it ends; the exit code is 1 when it does not complete."""
    lake = connection.connect(stack)
    handle = lake.jobs.handle(job_id)
    job = follow(handle, timeout)
    if as_json:
        end(lake, handle, job, as_json=True)
    else:
        show_timeline(Console(), job)
        show_end(lake, job, told=True)


@jobs.command()
@click.option("--kind", type=click.Choice([kind.value for kind in JobKind]), help="Only jobs of this kind.")
@click.option("--status", type=click.Choice([status.value for status in JobStatus]), help="Only jobs of this status.")
@click.option("--archive", "archive_id", default="", metavar="ID", help="Only jobs of this archive.")
@click.option("--since", default="", metavar="WHEN", help="Started at or after then, ISO 8601.")
@click.option("--until", default="", metavar="WHEN", help="Started before then, ISO 8601.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Most jobs.")
@json_option
@click.pass_obj
def ls(
    stack: str, kind: str | None, status: str | None, archive_id: str, since: str, until: str, limit: int, as_json: bool
) -> None:
    """The latest jobs, newest first."""
    found = (
        connection.connect(stack)
        .jobs.list(kind=kind or "", status=status or "", archive_id=archive_id, since=since, until=until, limit=limit)
        .all()
    )
    if as_json:
        print_json(found)
        return
    longest = max((len(job.job_id) for job in found), default=0)
    print_rows(
        (
            job.created_at,
            f"{job.status.value:<9}",
            f"{job.job_id:<{longest}}",
            job.state,
            job.error.code if job.error else "",
        )
        for job in found
    )


@jobs.command(short_help="Documents of a job, each with its status and reason.")
@click.argument("job_id")
@click.option("--status", type=click.Choice([status.value for status in DocumentStatus]), help="Only of this status.")
@click.option("--limit", type=click.IntRange(1), help="Most documents. Default: all.")
@json_option
@click.pass_obj
def items(stack: str, job_id: str, status: str | None, limit: int | None, as_json: bool) -> None:
    """Documents of an ingestion, each with its status and the reason of it.

    Of a collection or a reindexing those that failed, of a sync those that were left out.
    """
    found = connection.connect(stack).jobs.items(job_id, status=status or "", limit=limit).all()
    if as_json:
        print_json(found)
        return
    print_rows(
        (
            f"{item.status:<10}",
            item.entry_id,
            item.name,
            f"{item.error.code}: {item.error.message}" if item.error else "",
        )
        for item in found
    )


@jobs.command(short_help="Documents of a job that failed, with their reasons.")
@click.argument("job_id")
@json_option
@click.pass_obj
def failed(stack: str, job_id: str, as_json: bool) -> None:
    """Documents of an ended ingestion or collection that failed, with their reasons."""
    found = connection.connect(stack).jobs.items(job_id, status="FAILED").all()
    if as_json:
        print_json(found)
    else:
        show_failed(found)


@jobs.command()
@click.argument("job_id")
@json_option
@click.pass_obj
def cancel(stack: str, job_id: str, as_json: bool) -> None:
    """Stop a job. What it has done stays."""
    job = connection.connect(stack).jobs.cancel(job_id)
    if as_json:
        print_json(job)
    else:
        click.echo(f"{job.job_id}  {job.status.value}")


@jobs.command(short_help="Ingest again what failed, and only that.")
@click.argument("job_id")
@wait_option("it has ended")
@json_option
@click.pass_obj
def retry(stack: str, job_id: str, wait: bool, as_json: bool) -> None:
    """Ingest again what failed of an ended ingestion or collection, and only that."""
    lake = connection.connect(stack)
    follow_documents(lake, lake.jobs.retry(job_id), wait=wait, as_json=as_json)


@jobs.command(short_help="Let a job that failed go on where it ended.")
@click.argument("job_id")
@wait_option("it has ended")
@json_option
@click.pass_obj
def redrive(stack: str, job_id: str, wait: bool, as_json: bool) -> None:
    """Let a collection, reindexing or removal that failed go on.

    Also one that timed out. What was done is not done again.
    """
    lake = connection.connect(stack)
    follow_documents(lake, lake.jobs.redrive(job_id), wait=wait, as_json=as_json)
