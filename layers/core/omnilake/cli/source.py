"""``omnilake source``: places that content comes from by itself."""

from __future__ import annotations

import json
from pathlib import Path

import click

from omnilake import connectors, sources
from omnilake.client.deployment import Deployment
from omnilake.models import Job, JobStatus, Source

_SHOWN_PROBLEMS = 20


@click.group()
def source() -> None:
    """Sources: Slack, GitLab and others, synced on a schedule."""


@source.command()
@click.argument("archive_id")
@click.argument("source_type", type=click.Choice(connectors.types()))
@click.option("--config", "-c", "pairs", multiple=True, metavar="NAME=VALUE", help="A field; values may be JSON.")
@click.option("--config-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="All fields, JSON.")
@click.option("--secret", "secret_name", default="", help="Name of the secret in AWS Secrets Manager.")
@click.option("--schedule", default=sources.DEFAULT_SCHEDULE, show_default=True, help='Or "cron(0 3 * * ? *)".')
@click.option("--no-schedule", is_flag=True, help="Sync only on demand.")
@click.pass_obj
def put(
    stack: str,
    archive_id: str,
    source_type: str,
    pairs: tuple[str, ...],
    config_file: Path | None,
    secret_name: str,
    schedule: str,
    no_schedule: bool,
) -> None:
    """Define a source of an archive, or change it. docs/connectors.md lists the fields of each type."""
    config = json.loads(config_file.read_text(encoding="utf-8")) if config_file else {}
    config |= dict(_field(pair) for pair in pairs)
    made = Deployment(stack).put_source(archive_id, source_type, config, secret_name, "" if no_schedule else schedule)
    click.echo(_line(made))


@source.command()
@click.argument("archive_id", default="")
@click.pass_obj
def ls(stack: str, archive_id: str) -> None:
    """All sources, or those of an archive."""
    for each in Deployment(stack).sources(archive_id):
        click.echo(_line(each))


@source.command()
@click.argument("source_id")
@click.pass_obj
def show(stack: str, source_id: str) -> None:
    """One source and its cursors as JSON."""
    deployment = Deployment(stack)
    found = deployment.source(source_id).model_dump(mode="json")
    cursors = {each.stream: each.cursor for each in deployment.cursors(source_id)}
    click.echo(json.dumps({**found, "cursors": cursors}, indent=2, ensure_ascii=False))


@source.command()
@click.argument("source_id")
@click.option("--full", is_flag=True, help="Read it from its beginning, whatever was read before.")
@click.option("--no-wait", is_flag=True, help="Only start it.")
@click.option("--timeout", type=click.FloatRange(1), default=3_600, show_default=True, help="Seconds to wait.")
@click.pass_context
def sync(context: click.Context, source_id: str, full: bool, no_wait: bool, timeout: float) -> None:
    """Sync a source now. While a sync of it runs, that one is waited for."""
    deployment = Deployment(context.obj)
    start = deployment.sync(source_id, full)
    click.echo(f"{start.job_id}  {start.reason}".rstrip())
    if no_wait:
        return
    job = deployment.wait(
        start.job_id, lambda each: click.echo(f"{each.status.value:<9}  {each.state}", err=True), timeout_s=timeout
    )
    click.echo("  ".join(f"{name} {count}" for name, count in job.progress.items()))
    if job.status is JobStatus.FAILED:
        click.echo(f"{job.error.code}: {job.error.message} {job.error.action}" if job.error else "FAILED", err=True)
        context.exit(1)
    _tell_problems(deployment, job)


@source.command()
@click.argument("source_id")
@click.pass_obj
def rm(stack: str, source_id: str) -> None:
    """Forget a source, its schedule and its cursors. What was ingested of it stays."""
    Deployment(stack).delete_source(source_id)


def _tell_problems(deployment: Deployment, job: Job) -> None:
    malformed = job.progress.get("malformed", 0)
    if not malformed:
        return
    for number, problem in enumerate(deployment.sync_problems(job)):
        if number == _SHOWN_PROBLEMS:
            click.echo(f"… and {malformed - number} more (manifest {job.result_key})", err=True)
            return
        click.echo(f"left out: {problem.item}: {problem.reason}", err=True)


def _field(pair: str) -> tuple[str, object]:
    name, separator, value = pair.partition("=")
    if not name or not separator:
        raise click.BadParameter(f"{pair!r} is not of the form NAME=VALUE.", param_hint="--config")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _line(each: Source) -> str:
    error = f"  {each.error.code}" if each.error else ""
    return (
        f"{each.source_id}  {each.archive_id}  {each.source_type:<8}  {each.status.value:<7}  "
        f"{each.schedule or 'on demand'}  {each.last_synced_at or 'never synced'}{error}"
    )
