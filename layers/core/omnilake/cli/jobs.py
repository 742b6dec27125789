"""``omnilake jobs``: what runs and what became of it."""

from __future__ import annotations

import click

from omnilake.client.deployment import Deployment


@click.group()
def jobs() -> None:
    """Jobs: every execution has one."""


@jobs.command()
@click.argument("job_id")
@click.pass_obj
def show(stack: str, job_id: str) -> None:
    """One job's record as JSON."""
    click.echo(Deployment(stack).job(job_id).model_dump_json(indent=2))
