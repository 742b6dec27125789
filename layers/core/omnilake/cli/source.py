"""``omnilake source``: places that content comes from by itself; ``omnilake sync`` reads one now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from omnilake.cli import connection
from omnilake.cli.answers import follow
from omnilake.cli.connection import confirm_option, json_option, print_json, wait_option
from omnilake.cli.following import follow_documents, show_end
from omnilake.client.types import SourceRecord
from omnilake.models import JobStatus

_SHOWN_PROBLEMS = 20


@click.group()
def source() -> None:
    """Sources: Slack, GitLab and others, synced on a schedule."""


@source.command()
@click.argument("archive_id")
@click.argument("source_type")
@click.option("--config", "-c", "pairs", multiple=True, metavar="NAME=VALUE", help="A field; values may be JSON.")
@click.option("--config-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="All fields, JSON.")
@click.option("--secret", "secret_name", default="", metavar="NAME", help="Name of the secret in AWS Secrets Manager.")
@click.option("--schedule", metavar="WHEN", help='"rate(6 hours)", "cron(0 3 * * ? *)". Default: every six hours.')
@click.option("--no-schedule", is_flag=True, help="Sync only on demand.")
@json_option
@click.pass_obj
def put(
    stack: str,
    archive_id: str,
    source_type: str,
    pairs: tuple[str, ...],
    config_file: Path | None,
    secret_name: str,
    schedule: str | None,
    no_schedule: bool,
    as_json: bool,
) -> None:
    """Define a source of an archive, or change it.

    SOURCE_TYPE is slack, gitlab, backlog, discord, website, or a declared one; docs/connectors.md lists their fields.
    """
    config = (_object(config_file) if config_file else {}) | dict(_field(pair) for pair in pairs)
    told = {"secret_name": secret_name or None, "schedule": "" if no_schedule else schedule}
    given = {name: value for name, value in told.items() if value is not None}
    made = connection.connect(stack).sources.put(archive_id, source_type, config, **given)
    if as_json:
        print_json(_without_cursors(made))
    else:
        click.echo(_line(made))


@source.command(short_help="All sources, or those of an archive.")
@click.argument("archive_id", default="")
@json_option
@click.pass_obj
def ls(stack: str, archive_id: str, as_json: bool) -> None:
    """All sources, or those of an archive; ``show`` tells how far one is read."""
    found = connection.connect(stack).sources.list(archive_id).all()
    if as_json:
        print_json([_without_cursors(each) for each in found])
        return
    for each in found:
        click.echo(_line(each))


@source.command()
@click.argument("source_id")
@click.pass_obj
def show(stack: str, source_id: str) -> None:
    """One source as JSON."""
    print_json(connection.connect(stack).sources.get(source_id))


@source.command()
@click.argument("source_id")
@confirm_option("Forget the source, its schedule and its cursors?")
@json_option
@click.pass_obj
def rm(stack: str, source_id: str, as_json: bool) -> None:
    """Forget a source, its schedule and its cursors. What was ingested of it stays."""
    connection.connect(stack).sources.delete(source_id)
    if not as_json:
        click.echo(f"{source_id}  forgotten")


@click.command()
@click.argument("source_id")
@click.option("--full", is_flag=True, help="Read it from its beginning, whatever was read before.")
@wait_option("it has ended")
@click.option("--timeout", type=click.FloatRange(1), default=3_600, show_default=True, help="Seconds to wait.")
@json_option
@click.pass_obj
def sync(stack: str, source_id: str, full: bool, wait: bool, timeout: float, as_json: bool) -> None:
    """Sync a source now. While a sync of it runs, that one is waited for."""
    lake = connection.connect(stack)
    handle = lake.sources.sync(source_id, full=full)
    if as_json or not wait:
        follow_documents(lake, handle, wait=wait, as_json=as_json, timeout_s=timeout)
        return
    click.echo(handle.job_id)
    job = follow(handle, timeout)
    click.echo("  ".join(f"{name} {count}" for name, count in job.progress.items()))
    if job.status is JobStatus.COMPLETED:
        for item in lake.jobs.items(job.job_id, limit=_SHOWN_PROBLEMS):
            if item.error or item.status not in {"", "COMPLETED"}:
                reason = item.error.message if item.error else item.status
                click.echo(f"left out: {item.name}: {reason}", err=True)
    show_end(lake, job)


source.add_command(sync)


def _object(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no UTF-8
        raise click.BadParameter("The file is not JSON.", param_hint="--config-file") from error
    if not isinstance(told, dict):
        raise click.BadParameter("The file is not a JSON object.", param_hint="--config-file")
    return told


def _field(pair: str) -> tuple[str, object]:
    name, separator, value = pair.partition("=")
    if not name or not separator:
        raise click.BadParameter(f"{pair!r} is not of the form NAME=VALUE.", param_hint="--config")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _without_cursors(source: SourceRecord) -> dict[str, Any]:
    """A source as lists and changes tell it: they do not say how far it is read."""
    return source.model_dump(mode="json", exclude={"cursors"})


def _line(each: SourceRecord) -> str:
    error = f"  {each.error.code}" if each.error else ""
    return (
        f"{each.source_id}  {each.archive_id}  {each.source_type:<8}  {each.status.value:<7}  "
        f"{each.schedule or 'on demand'}  {each.last_synced_at or 'never synced'}{error}"
    )
